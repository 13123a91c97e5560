"""The `History` port: the raw journal, one order's events, and an account's state at any past event.

A past state is read, not replayed. Orders: those of the last kept set of working orders and those with an event since,
each by its last order event. Positions, balances and status: each by the last event about it. So the work depends on
what the account then had at work, not on the length of its journal.
"""

import sqlite3
from collections.abc import Callable
from typing import Any, Final

from dropcopyd.decode import action_seq
from dropcopyd.domain.account import Account
from dropcopyd.domain.event import EventType
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.record import JournalEntry, JournalPage, Listing, OrderThen, Slice, Sort, StateThen, TimelineEntry
from dropcopyd.store import rows
from dropcopyd.store.reader import Reader

_SEQUENCE_MAX: Final = 2**62
_ORDERS_THEN: Final = """
WITH candidates (number) AS (
    SELECT value FROM json_each(?3)
    UNION
    SELECT order_number FROM journal
    WHERE account = ?1 AND sequence > ?4 AND sequence <= ?2 AND kind = 'BROKER_ORDER' AND order_number IS NOT NULL
)
SELECT orders.created_at_ns, journal.*
FROM candidates JOIN orders ON orders.number = candidates.number
JOIN journal ON journal.account = ?1 AND journal.sequence = (
    SELECT sequence FROM journal INDEXED BY journal_by_order
    WHERE order_number = candidates.number AND sequence <= ?2 AND account = ?1 AND kind = 'BROKER_ORDER'
    ORDER BY sequence DESC LIMIT 1
)
ORDER BY candidates.number
"""
_STATE_THEN: Final = """
SELECT journal.* FROM ({subjects}) AS subjects
JOIN journal ON journal.account = ?1 AND journal.sequence = (
    SELECT max(sequence) FROM state_events
    WHERE account = ?1 AND kind = '{kind}' AND subject = subjects.subject AND sequence <= ?2
)
ORDER BY subjects.subject
"""
_POSITIONS_THEN: Final = _STATE_THEN.format(
    kind=EventType.BROKER_POSITION,
    subjects="SELECT asset_class || '|' || symbol AS subject FROM positions WHERE account = ?1",
)
_BALANCES_THEN: Final = _STATE_THEN.format(
    kind=EventType.ACCOUNT_BALANCE, subjects="SELECT currency AS subject FROM balances WHERE account = ?1"
)
_STATUS_THEN: Final = _STATE_THEN.format(kind=EventType.ACCOUNT_STATUS, subjects="SELECT '' AS subject")


class SqliteHistory:
    """Reads through the store's reader; `account_of` gives an account that is known to exist."""

    def __init__(self, reader: Reader, account_of: Callable[[str], Account]) -> None:
        self._reader = reader
        self._account_of = account_of

    async def journal(self, account_id: str, listing: Listing) -> JournalPage:
        number = self._account_of(account_id).number

        def query(connection: sqlite3.Connection) -> JournalPage:
            head, oldest = _ends(connection, number)
            low, high = oldest, head
            if (after := dict(listing.filters).get("after")) is not None:
                low = max(low, int(after) + 1)
            if listing.since_ns is not None:
                low = max(low, sequence_at(connection, number, listing.since_ns - 1) + 1)
            if listing.until_ns is not None:
                high = min(high, sequence_at(connection, number, listing.until_ns - 1))
            if listing.mark and listing.sort is Sort.DESC:
                high = min(high, int(listing.mark) - 1)
            elif listing.mark:
                low = max(low, int(listing.mark) + 1)
            found = connection.execute(
                "SELECT * FROM journal WHERE account = ? AND sequence >= ? AND sequence <= ?"  # noqa: S608  ours
                f" ORDER BY sequence {listing.sort.value} LIMIT ?",
                (number, low, high, listing.limit + 1),
            ).fetchall()
            mark = str(found[listing.limit - 1]["sequence"]) if len(found) > listing.limit else ""
            return JournalPage([entry_of(row) for row in found[: listing.limit]], mark, head, oldest)

        return await self._reader.read(query)

    async def timeline(self, account_id: str, order_id: str, listing: Listing) -> Slice[TimelineEntry] | None:
        account = self._account_of(account_id)

        def query(connection: sqlite3.Connection) -> Slice[TimelineEntry] | None:
            order = connection.execute(
                "SELECT number, intent_id FROM orders WHERE order_id = ? AND account = ?", (order_id, account.number)
            ).fetchone()
            if order is None:
                return None
            found = _events_of(connection, order["number"], listing)
            mark = str(found[listing.limit - 1]["sequence"]) if len(found) > listing.limit else ""
            instruments = self._reader.instruments_by(connection)
            commands = _Commands(connection, account, order["intent_id"], instruments)
            return Slice([commands.entry(row) for row in found[: listing.limit]], mark)

        return await self._reader.read(query)

    async def state_at(self, account_id: str, *, sequence: int | None = None, at_ns: int | None = None) -> StateThen:
        number = self._account_of(account_id).number

        def query(connection: sqlite3.Connection) -> StateThen:
            head, oldest = _ends(connection, number)
            at = sequence if at_ns is None else sequence_at(connection, number, at_ns)
            if at is None:
                at = head
            if at > head:
                raise DropcopyError(Code.INVALID_ARGUMENT, f"the journal ends at {head}", parameter="as_of")
            if at < oldest - 1:
                raise DropcopyError(
                    Code.HISTORY_GONE, f"the journal is kept from {oldest} on", parameter="as_of", oldest=oldest
                )
            return _state(connection, number, at, head, oldest)

        return await self._reader.read(query)


class _Commands:
    """The actions of one intent, for the entries that record them."""

    def __init__(
        self, connection: sqlite3.Connection, account: Account, intent_id: str, instruments: rows.Instruments
    ) -> None:
        self._connection = connection
        self._account = account
        self._intent_id = intent_id
        self._instruments = instruments

    def entry(self, row: sqlite3.Row) -> TimelineEntry:
        """An event, with the command that it records if it is one."""
        command = None
        if row["kind"] == EventType.INTENT_ACTION:
            found = self._connection.execute(
                "SELECT * FROM commands WHERE account = ? AND intent_id = ? AND seq = ?",
                (self._account.number, self._intent_id, action_seq(row["payload"])),
            ).fetchone()
            command = None if found is None else rows.command_of(found, self._account, self._instruments)
        return TimelineEntry(entry_of(row), command)


def entry_of(row: Any) -> JournalEntry:
    """The journal entry of a row."""
    return JournalEntry(
        sequence=row["sequence"],
        kind=EventType(row["kind"]),
        kind_sequence=row["kind_sequence"],
        at_ns=row["at_ns"],
        chain=row["hash"][:8].hex(),
        payload=row["payload"],
    )


def _events_of(connection: sqlite3.Connection, order_number: int, listing: Listing) -> list[sqlite3.Row]:
    compare = "<" if listing.sort is Sort.DESC else ">"
    mark = int(listing.mark) if listing.mark else (_SEQUENCE_MAX if listing.sort is Sort.DESC else 0)
    return connection.execute(
        "SELECT * FROM journal INDEXED BY journal_by_order WHERE order_number = ?"  # noqa: S608  ours
        f" AND sequence {compare} ? ORDER BY sequence {listing.sort.value} LIMIT ?",
        (order_number, mark, listing.limit + 1),
    ).fetchall()


def _state(connection: sqlite3.Connection, account: int, at: int, head: int, oldest: int) -> StateThen:
    row = connection.execute("SELECT at_ns FROM journal WHERE account = ? AND sequence = ?", (account, at)).fetchone()
    then = [OrderThen(one["payload"], one["created_at_ns"]) for one in orders_then(connection, account, at)]
    positions, balances, status = ([one["payload"] for one in found] for found in latest_then(connection, account, at))
    return StateThen(
        sequence=at,
        at_ns=None if row is None else row["at_ns"],
        head=head,
        oldest=oldest,
        orders=then,
        positions=positions,
        balances=balances,
        status=status[0] if status else None,
    )


def orders_then(connection: sqlite3.Connection, account: int, at: int, since: int | None = None) -> list[sqlite3.Row]:
    """The last order event, up to `at`, of each order that may have worked then, or had an event after `since`."""
    base = connection.execute(
        "SELECT sequence, orders FROM working_sets WHERE account = ? AND sequence <= ? ORDER BY sequence DESC LIMIT 1",
        (account, at),
    ).fetchone()
    begun, orders = (0, "[]") if base is None else base
    first = begun if since is None else min(begun, since)
    return connection.execute(_ORDERS_THEN, (account, at, orders, first)).fetchall()


def latest_then(connection: sqlite3.Connection, account: int, at: int) -> tuple[list[sqlite3.Row], ...]:
    """The last event, up to `at`, about each position, about each balance, and about the status."""
    statements = (_POSITIONS_THEN, _BALANCES_THEN, _STATUS_THEN)
    positions, balances, status = (connection.execute(sql, (account, at)).fetchall() for sql in statements)
    return positions, balances, status


def _ends(connection: sqlite3.Connection, account: int) -> tuple[int, int]:
    row = connection.execute("SELECT head, oldest FROM accounts WHERE number = ?", (account,)).fetchone()
    return int(row["head"]), int(row["oldest"])


def sequence_at(connection: sqlite3.Connection, account: int, at_ns: int) -> int:
    """The last event not after that time, one before the oldest where there is none; by halving the journal."""
    high, low = _ends(connection, account)
    low -= 1
    while low < high:
        middle = (low + high + 1) // 2
        row = connection.execute(
            "SELECT at_ns FROM journal WHERE account = ? AND sequence = ?", (account, middle)
        ).fetchone()
        if row["at_ns"] <= at_ns:
            low = middle
        else:
            high = middle - 1
    return low
