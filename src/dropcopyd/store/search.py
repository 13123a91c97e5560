"""The `Search` port: one name, looked up by an index in each place where it may stand, account by account."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dropcopyd.domain.account import Account
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.record import Hit, Listing, Slice
from dropcopyd.store import positions, rows
from dropcopyd.store.queries import account_record
from dropcopyd.store.reader import Reader

_PLACES_MAX: Final = 2_000
"""How many places (a member, in one account) one page looks at; then it may come short."""
_NUMBER_MAX: Final = 10**18 - 1


_CLASSES: Final = ", ".join(f"'{asset_class}'" for asset_class in AssetClass)


@dataclass(frozen=True, slots=True)
class _Place:
    """A member that may hold the name: rows of a table, newest first, by an index over (account, member, number)."""

    member: str
    table: str
    column: str
    index: str
    is_once: bool = False
    """Whether at most one row of an account has it; such an index has no number."""


_PLACES: Final = (
    _Place("order_id", "orders", "order_id", "sqlite_autoindex_orders_1", is_once=True),
    _Place("intent_id", "orders", "intent_id", "sqlite_autoindex_orders_2", is_once=True),
    _Place("external_order_id", "orders", "external_order_id", "orders_by_external"),
    _Place("client_reference_id", "orders", "client_reference_id", "orders_by_reference"),
    _Place("strategy_id", "orders", "strategy_id", "orders_by_strategy"),
    _Place("exec_id", "trades", "exec_id", "trades_by_exec"),
)
_ACCOUNTS_AT: Final = 0
_POSITIONS_AT: Final = len(_PLACES) + 1


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where a page ended: in which place, in which account, at which row."""

    place: int = 0
    account: int = 0
    number: int = _NUMBER_MAX

    @classmethod
    def read(cls, text: str) -> "_Mark":
        return cls(*map(int, text.split("|"))) if text else cls()

    def __str__(self) -> str:
        return f"{self.place}|{self.account}|{self.number}"


class SqliteSearch:
    """Reads through the store's reader."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def search(
        self, organization_id: str, account_ids: frozenset[str] | None, text: str, listing: Listing
    ) -> Slice[Hit]:
        def query(connection: sqlite3.Connection) -> Slice[Hit]:
            found = connection.execute(
                "SELECT * FROM accounts WHERE organization_id = ?", (organization_id,)
            ).fetchall()
            seen = [row for row in found if account_ids is None or row["account_id"] in account_ids]
            looking = _Looking(connection, seen, self._reader.instruments_by(connection), text)
            return looking.page(_Mark.read(listing.mark), listing.limit)

        return await self._reader.read(query)


class _Looking:
    """One search in one transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        accounts: Sequence[sqlite3.Row],
        instruments: Callable[..., Any],
        text: str,
    ) -> None:
        self._connection = connection
        self._accounts = sorted(accounts, key=lambda row: int(row["number"]))
        self._instruments = instruments
        self._text = text
        self._looked = 0

    def page(self, mark: _Mark, limit: int) -> Slice[Hit]:
        """Hits from the mark on."""
        hits: list[Hit] = []
        last = mark
        for here, hit in self._hits(mark, limit + 1):
            if hit is not None and len(hits) == limit:
                return Slice(hits, str(last))
            if hit is not None:
                hits.append(hit)
            last = here
            self._looked += hit is None
            if self._looked >= _PLACES_MAX:
                return Slice(hits, str(last))
        return Slice(hits, "")

    def _hits(self, mark: _Mark, limit: int) -> Iterator[tuple[_Mark, Hit | None]]:
        """Each hit with the mark after it; None at the end of a place in an account."""
        for place in range(mark.place, _POSITIONS_AT + 1):
            for row in self._accounts:
                number = int(row["number"])
                if place == mark.place and number < mark.account:
                    continue
                is_begun = (place, number) == (mark.place, mark.account)
                yield from self._in(place, row, mark.number if is_begun else _NUMBER_MAX, limit)
                yield _Mark(place, number, -1), None

    def _in(self, place: int, row: sqlite3.Row, below: int, limit: int) -> Iterator[tuple[_Mark, Hit]]:
        number = int(row["number"])
        if below < 0:
            return
        if place == _ACCOUNTS_AT:
            for member in ("account_id", "name"):
                if row[member] == self._text and below == _NUMBER_MAX:
                    yield _Mark(place, number, -1), Hit(member, account_record(row))
                    return
        elif place == _POSITIONS_AT:
            yield from self._positions(rows.account_of(row), below)
        else:
            yield from self._rows(place, rows.account_of(row), below, limit)

    def _rows(self, index: int, account: Account, below: int, limit: int) -> Iterator[tuple[_Mark, Hit]]:
        place = _PLACES[index - 1]
        record_of: Callable[..., Any] = rows.order_of if place.table == "orders" else rows.trade_of
        order = "" if place.is_once else " ORDER BY number DESC"
        found = self._connection.execute(
            f"SELECT * FROM {place.table} INDEXED BY {place.index}"  # noqa: S608  ours
            f" WHERE account = ? AND {place.column} = ? AND number < ?{order} LIMIT ?",
            (account.number, self._text, below, limit),
        )
        for row in found.fetchall():
            here = _Mark(index, account.number, row["number"])
            yield here, Hit(place.member, record_of(row, account, self._instruments))

    def _positions(self, account: Account, below: int) -> Iterator[tuple[_Mark, Hit]]:
        """One of each asset class that has the symbol; counted down, so that a mark says how many are left."""
        found = self._connection.execute(
            "SELECT * FROM positions WHERE account = ? AND symbol = ?"  # noqa: S608  ours
            f" AND asset_class IN ({_CLASSES}) ORDER BY asset_class DESC",
            (account.number, self._text),
        ).fetchall()
        for left in range(len(found) - 1, -1, -1):
            if left < below:
                hit = Hit("symbol", positions.position_of(found[left], account, self._instruments))
                yield _Mark(_POSITIONS_AT, account.number, left), hit
