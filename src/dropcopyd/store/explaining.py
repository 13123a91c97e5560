"""The `Explanations` port: the changes that make a position, in the order of its fold, each with the position after it.

A page is folded from the checkpoint before it (see `domain.fold`), so that its figures are the fold's own and its work
does not depend on how long the position's history is.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from dropcopyd.decode import identity_of
from dropcopyd.domain.account import Account
from dropcopyd.domain.adjustment import Adjustment
from dropcopyd.domain.event import EventType, Trade
from dropcopyd.domain.fold import Change, folded
from dropcopyd.domain.instrument import AssetClass, InstrumentKey
from dropcopyd.domain.position import Position
from dropcopyd.record import ExplainedAmendment, ExplainedChange, Explanation, Listing, Sort
from dropcopyd.store import positions, rows, truth
from dropcopyd.store.reader import Reader

_BEFORE_ALL: Final = (-1, 0)
_AFTER_ALL: Final = (2**63 - 1, 2**62)


class SqliteExplanations:
    """Reads through the store's reader; `account_of` gives an account that is known to exist."""

    def __init__(self, reader: Reader, account_of: Callable[[str], Account]) -> None:
        self._reader = reader
        self._account_of = account_of

    async def classes_of(self, account_id: str, symbol: str) -> Sequence[AssetClass]:
        number = self._account_of(account_id).number

        def query(connection: sqlite3.Connection) -> Sequence[AssetClass]:
            sql = "SELECT 1 FROM positions WHERE account = ? AND asset_class = ? AND symbol = ?"
            return [one for one in AssetClass if connection.execute(sql, (number, one.value, symbol)).fetchone()]

        return await self._reader.read(query)

    async def explain(self, account_id: str, key: InstrumentKey, listing: Listing) -> Explanation | None:
        account = self._account_of(account_id)

        def query(connection: sqlite3.Connection) -> Explanation | None:
            instruments = self._reader.instruments_by(connection)
            position = positions.find_position(connection, account, instruments, key)
            if position is None:
                return None
            places, mark = _places(connection, account, key, listing)
            (head,) = connection.execute("SELECT head FROM accounts WHERE number = ?", (account.number,)).fetchone()
            page = _Page(connection, account, instruments, key)
            changes = page.changes(places) if places else []
            if listing.sort is Sort.DESC:
                changes.reverse()
            return Explanation(items=changes, mark=mark, position=position, head=head)

        return await self._reader.read(query)


def _places(
    connection: sqlite3.Connection, account: Account, key: InstrumentKey, listing: Listing
) -> tuple[list[tuple[int, int]], str]:
    """The places of a page, ascending, and the mark of the next."""
    is_down = listing.sort is Sort.DESC
    begun = _AFTER_ALL if is_down else _BEFORE_ALL
    if listing.mark:
        fold_ns, number = listing.mark.split("|")
        begun = min(int(fold_ns), _AFTER_ALL[0]), int(number)
    found = connection.execute(
        "SELECT fold_ns, number FROM position_changes WHERE account = ? AND asset_class = ? AND symbol = ?"  # noqa: S608
        f" AND (fold_ns, number) {'<' if is_down else '>'} (?, ?)"
        f" ORDER BY fold_ns {listing.sort.value}, number {listing.sort.value} LIMIT ?",
        (account.number, key[0].value, key[1], *begun, listing.limit + 1),
    ).fetchall()
    places = [(row["fold_ns"], row["number"]) for row in found[: listing.limit]]
    mark = "|".join(map(str, places[-1])) if len(found) > listing.limit else ""
    return sorted(places), mark


class _Page:
    """One page in one read transaction."""

    def __init__(
        self, connection: sqlite3.Connection, account: Account, instruments: rows.Instruments, key: InstrumentKey
    ) -> None:
        self._connection = connection
        self._account = account
        self._instruments = instruments
        self._key = key
        self._orders: dict[str, int | None] = {}
        self._events: dict[int, list[Any]] = {}

    def changes(self, places: Sequence[tuple[int, int]]) -> list[ExplainedChange]:
        """The changes at these places, which follow one another, with the position after each."""
        history = positions.history_between(
            self._connection, self._account, self._instruments, self._key, first=places[0], last=places[-1]
        )
        roll = positions.last_roll(self._connection, self._account)
        steps = folded(history.base, history.changes, roll)
        return [self._explained(step.change, step.after) for step in steps if step.change.place >= places[0]]

    def _explained(self, change: Change, after: Position) -> ExplainedChange:
        effect = change.effect
        if isinstance(effect, Adjustment):
            sequence = self._sequence(effect.received_at_ns, EventType.ADJUSTMENT, None, effect.adjustment_id)
            return ExplainedChange(change=change, after=after, sequence=sequence)
        order_id, _, execution_key = change.ref.partition("|")
        row = self._connection.execute(
            "SELECT * FROM trades WHERE account = ? AND order_id = ? AND execution_key = ?",
            (self._account.number, order_id, execution_key),
        ).fetchone()
        if row is None:
            raise sqlite3.IntegrityError(f"execution {change.ref!r} is missing")
        trade: Trade = rows.trade_of(row, self._account, self._instruments)
        sequence = self._sequence(trade.received_at_ns, EventType.BROKER_TRADE, order_id, trade.exec_id)
        return ExplainedChange(
            change=change, after=after, sequence=sequence, trade=trade, amendments=self._amendments(trade)
        )

    def _amendments(self, trade: Trade) -> tuple[ExplainedAmendment, ...]:
        """In the order they came; most executions have none."""
        if trade.effective_quantity is None:
            return ()
        found = truth.amendments_of_order(self._connection, self._account, trade.order_id, self._instruments)
        return tuple(
            ExplainedAmendment(
                amendment,
                self._sequence(amendment.received_at_ns, EventType.TRADE_AMENDMENT, trade.order_id, amendment.exec_id),
            )
            for amendment in found
            if amendment.execution_key == trade.execution_key
        )

    def _sequence(self, at_ns: int, kind: EventType, order_id: str | None, identity: str | None) -> int | None:
        """The journal event of that kind, time and identity, about that order; None where the journal no longer has
        it."""
        found = [
            row
            for row in self._events_at(at_ns)
            if row["kind"] == kind and (order_id is None or row["order_number"] == self._order_number(order_id))
        ]
        if len(found) > 1:
            found = [row for row in found if identity_of(row["payload"]) == (identity or "")]
        return found[0]["sequence"] if found else None

    def _events_at(self, at_ns: int) -> list[Any]:
        """The events of one time."""
        if at_ns not in self._events:
            self._events[at_ns] = self._read_events_at(at_ns)
        return self._events[at_ns]

    def _read_events_at(self, at_ns: int) -> list[Any]:
        """They stand together, since time never goes back; found by halving the journal."""
        number = self._account.number
        row = self._connection.execute("SELECT head, oldest FROM accounts WHERE number = ?", (number,)).fetchone()
        low, high = int(row["oldest"]), int(row["head"]) + 1
        while low < high:
            middle = (low + high) // 2
            row = self._connection.execute(
                "SELECT at_ns FROM journal WHERE account = ? AND sequence = ?", (number, middle)
            ).fetchone()
            if row["at_ns"] < at_ns:
                low = middle + 1
            else:
                high = middle
        return self._connection.execute(
            "SELECT sequence, kind, order_number, payload FROM journal WHERE account = ?1 AND sequence >= ?2"
            " AND sequence < coalesce((SELECT sequence FROM journal WHERE account = ?1 AND sequence >= ?2"
            " AND at_ns > ?3 ORDER BY sequence LIMIT 1), ?4) ORDER BY sequence",
            (number, low, at_ns, 2**62),
        ).fetchall()

    def _order_number(self, order_id: str) -> int | None:
        if order_id not in self._orders:
            row = self._connection.execute("SELECT number FROM orders WHERE order_id = ?", (order_id,)).fetchone()
            self._orders[order_id] = None if row is None else row["number"]
        return self._orders[order_id]
