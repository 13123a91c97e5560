"""The `Queries` port: pages and single records from the projections."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from dropcopyd.domain.account import Account
from dropcopyd.domain.balance import Balance
from dropcopyd.domain.command import Command
from dropcopyd.domain.event import Trade
from dropcopyd.domain.flatten import Flatten
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.order import Order
from dropcopyd.domain.position import Position
from dropcopyd.domain.reconciliation import Reconciliation, Ticket
from dropcopyd.record import AccountRecord, Listing, Slice, Sort
from dropcopyd.store import breaks, flattens, keyset, rows
from dropcopyd.store import positions as position_store
from dropcopyd.store.reader import Reader

_Item = TypeVar("_Item")
_HAS_COMMAND: Final = (
    "EXISTS (SELECT 1 FROM commands WHERE commands.account = orders.account AND commands.intent_id = orders.intent_id)"
)
"""An order that came from outside has an intent only once somebody here has asked for its cancel."""


class SqliteQueries:
    """Reads through the store's reader; `account_of` gives an account that is known to exist."""

    def __init__(self, reader: Reader, account_of: Callable[[str], Account]) -> None:
        self._reader = reader
        self._account_of = account_of

    async def accounts(
        self, organization_id: str, account_ids: frozenset[str] | None, listing: Listing
    ) -> Slice[AccountRecord]:
        narrowed = "" if account_ids is None else f" AND account_id IN ({', '.join('?' * len(account_ids))})"

        def query(connection: sqlite3.Connection) -> Slice[AccountRecord]:
            compare, direction = _direction(listing.sort)
            found = connection.execute(
                "SELECT * FROM accounts WHERE organization_id = ?"  # noqa: S608  ours
                f"{f' AND name {compare} ?' if listing.mark else ''}{narrowed} ORDER BY name {direction} LIMIT ?",
                (
                    organization_id,
                    *([listing.mark] if listing.mark else ()),
                    *sorted(account_ids or ()),
                    listing.limit + 1,
                ),
            ).fetchall()
            return _cut(found, listing.limit, account_record, lambda row: str(row["name"]))

        return await self._reader.read(query)

    async def account(self, account_id: str) -> AccountRecord:
        def query(connection: sqlite3.Connection) -> AccountRecord:
            return account_record(
                connection.execute("SELECT * FROM accounts WHERE account_id = ?", (account_id,)).fetchone()
            )

        return await self._reader.read(query)

    async def intents(self, account_id: str, listing: Listing) -> Slice[Command]:
        account = self._account_of(account_id)

        def query(connection: sqlite3.Connection) -> Slice[Command]:
            found, mark = keyset.find_page(connection, keyset.ORDERS, account.number, listing, _HAS_COMMAND)
            latest = [_actions(connection, account, row["intent_id"], "DESC", 0, 1)[0] for row in found]
            instruments = self._reader.instruments_by(connection)
            return Slice([rows.command_of(row, account, instruments) for row in latest], mark)

        return await self._reader.read(query)

    async def actions(self, account_id: str, intent_id: str, listing: Listing) -> Slice[Command]:
        account = self._account_of(account_id)

        def query(connection: sqlite3.Connection) -> Slice[Command]:
            found = _actions(
                connection, account, intent_id, listing.sort.value, int(listing.mark or 0), listing.limit + 1
            )
            instruments = self._reader.instruments_by(connection)
            return _cut(
                found,
                listing.limit,
                lambda row: rows.command_of(row, account, instruments),
                lambda row: str(row["seq"]),
            )

        return await self._reader.read(query)

    async def latest_action(self, account_id: str, intent_id: str) -> Command | None:
        found = await self.actions(account_id, intent_id, Listing(limit=1))
        return found.items[0] if found.items else None

    async def orders(self, account_id: str, listing: Listing) -> Slice[Order]:
        return await self._page(keyset.ORDERS, rows.order_of, account_id, listing)

    async def order(self, account_id: str, order_id: str) -> Order | None:
        account = self._account_of(account_id)

        def query(connection: sqlite3.Connection) -> Order | None:
            row = connection.execute(
                "SELECT * FROM orders WHERE order_id = ? AND account = ?", (order_id, account.number)
            ).fetchone()
            return None if row is None else rows.order_of(row, account, self._reader.instruments_by(connection))

        return await self._reader.read(query)

    async def trades(self, account_id: str, listing: Listing) -> Slice[Trade]:
        return await self._page(keyset.TRADES, rows.trade_of, account_id, listing)

    async def positions(self, account_id: str, listing: Listing) -> Slice[Position]:
        account = self._account_of(account_id)

        def query(connection: sqlite3.Connection) -> Slice[Position]:
            found = _positions(connection, account.number, listing)
            instruments = self._reader.instruments_by(connection)
            return _cut(
                found,
                listing.limit,
                lambda row: position_store.position_of(row, account, instruments),
                lambda row: f"{row['asset_class']}|{row['symbol']}",
            )

        return await self._reader.read(query)

    async def balances(self, account_id: str) -> Sequence[Balance]:
        account = self._account_of(account_id)
        return await self._reader.read(lambda connection: position_store.balances(connection, account))

    async def flattens(self, account_id: str, listing: Listing) -> Slice[Flatten]:
        return await self._reader.read(lambda connection: flattens.list_flattens(connection, account_id, listing))

    async def breaks(self, account_id: str, listing: Listing) -> Slice[Ticket]:
        return await self._page(keyset.BREAKS, breaks.ticket_of, account_id, listing)

    async def find_break(self, account_id: str, break_id: str) -> Ticket | None:
        account = self._account_of(account_id)
        return await self._reader.read(lambda connection: breaks.find(connection, account, break_id))

    async def reconciliations(self, account_id: str, listing: Listing) -> Slice[Reconciliation]:
        return await self._page(keyset.RECONCILIATIONS, breaks.reconciliation_of, account_id, listing)

    async def reconciliation(self, account_id: str, reconciliation_id: str) -> Reconciliation | None:
        account = self._account_of(account_id)

        def query(connection: sqlite3.Connection) -> Reconciliation | None:
            row = connection.execute(
                "SELECT * FROM reconciliations WHERE reconciliation_id = ? AND account = ?",
                (reconciliation_id, account.number),
            ).fetchone()
            return None if row is None else breaks.reconciliation_of(row, account)

        return await self._reader.read(query)

    async def _page(
        self, table: keyset.Table, record_of: Callable[..., _Item], account_id: str, listing: Listing
    ) -> Slice[_Item]:
        account = self._account_of(account_id)

        def query(connection: sqlite3.Connection) -> Slice[_Item]:
            found, mark = keyset.find_page(connection, table, account.number, listing)
            instruments = self._reader.instruments_by(connection)
            return Slice([record_of(row, account, instruments) for row in found], mark)

        return await self._reader.read(query)


def _actions(
    connection: sqlite3.Connection, account: Account, intent_id: str, direction: str, mark: int, limit: int
) -> list[sqlite3.Row]:
    compare = "<" if direction.upper() == "DESC" and mark else ">"
    return connection.execute(
        f"SELECT * FROM commands WHERE account = ? AND intent_id = ? AND seq {compare} ?"  # noqa: S608  ours
        f" ORDER BY seq {direction} LIMIT ?",
        (account.number, intent_id, mark, limit),
    ).fetchall()


def _positions(connection: sqlite3.Connection, account: int, listing: Listing) -> list[sqlite3.Row]:
    """Rows after the mark. A symbol is looked up in each asset class, of which there are few."""
    filters = dict(listing.filters)
    compare, direction = _direction(listing.sort)
    asset_class, _, symbol = listing.mark.partition("|")
    if "symbol" in filters:
        classes = [filters["asset_class"]] if "asset_class" in filters else sorted(AssetClass)
        keys = [(one, filters["symbol"]) for one in classes]
        if listing.sort is Sort.DESC:
            keys.reverse()
        mark = (asset_class, symbol)
        left = [key for key in keys if not listing.mark or (key < mark if compare == "<" else key > mark)]
        found = (
            connection.execute(
                "SELECT * FROM positions WHERE account = ? AND asset_class = ? AND symbol = ?", (account, *key)
            ).fetchone()
            for key in left
        )
        return [row for row in found if row is not None]
    narrowed = ""
    values: tuple[Any, ...] = (account,)
    if "asset_class" in filters:
        narrowed, values = " AND asset_class = ?", (account, filters["asset_class"])
    begun = f" AND (asset_class, symbol) {compare} (?, ?)" if listing.mark else ""
    return connection.execute(
        f"SELECT * FROM positions WHERE account = ?{narrowed}{begun}"  # noqa: S608  ours
        f" ORDER BY asset_class {direction}, symbol {direction} LIMIT ?",
        (*values, *((asset_class, symbol) if listing.mark else ()), listing.limit + 1),
    ).fetchall()


def _direction(sort: Sort) -> tuple[str, str]:
    """How a row compares with the mark before it, and the direction in SQL."""
    return ("<", "DESC") if sort is Sort.DESC else (">", "ASC")


def _cut(
    found: list[sqlite3.Row], limit: int, item_of: Callable[[Any], _Item], mark_of: Callable[[sqlite3.Row], str]
) -> Slice[_Item]:
    """A page of rows that were read one beyond it."""
    mark = mark_of(found[limit - 1]) if len(found) > limit else ""
    return Slice([item_of(row) for row in found[:limit]], mark)


def account_record(row: sqlite3.Row) -> AccountRecord:
    """The account of a row, as the record lists it."""
    return AccountRecord(
        account=rows.account_of(row),
        status=rows.status_of(row),
        created_at_ns=row["created_at_ns"],
        head=row["head"],
        oldest=row["oldest"],
    )
