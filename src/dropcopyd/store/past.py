"""A journal as it was: read-only, and each account as a stream would have found it at a past event.

Nothing in the folder is written or locked, so the daemon may run on it meanwhile.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from dropcopyd.decode import is_held, is_working
from dropcopyd.domain.account import Account, AccountConnection, AccountStatus
from dropcopyd.domain.event import AccountMoved, Event, EventType
from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, DropcopyError, StoreError
from dropcopyd.observe import Metrics
from dropcopyd.ports import AttachedState, Clock, Committed, Encoder, Head, Said
from dropcopyd.store import loading, migrate, rows
from dropcopyd.store.history import latest_then, orders_then, sequence_at
from dropcopyd.store.reader import Reader
from dropcopyd.store.sqlite import SqliteStore
from dropcopyd.store.writer import Outcomes, Queued

_NS: Final = 1_000_000_000
HeadOf = Callable[[str], Head]


class SqlitePast:
    """The `PastJournal` port, on connections of its own."""

    def __init__(self, path: Path, accounts: Sequence[Account], limits: Limits) -> None:
        self._reader = Reader(path, limits.page_cache_bytes)
        self._accounts = {account.account_id: account for account in accounts}

    async def head_before(self, account_id: str, at_ns: int) -> Head:
        number = self._accounts[account_id].number

        def query(connection: sqlite3.Connection) -> Head:
            sequence = sequence_at(connection, number, at_ns - 1)
            (oldest,) = connection.execute("SELECT oldest FROM accounts WHERE number = ?", (number,)).fetchone()
            return Head(sequence, loading.chain_at(connection, number, sequence) or 0, oldest)

        return await self._reader.read(query)

    async def events(self, account_id: str, after: int, to: int, limit: int) -> Sequence[tuple[int, Committed]]:
        account = self._accounts[account_id]

        def query(connection: sqlite3.Connection) -> Sequence[tuple[int, Committed]]:
            found = connection.execute(
                "SELECT * FROM journal WHERE account = ? AND sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?",
                (account.number, after, to, limit),
            )
            return [(row["at_ns"], loading.committed_of(row, account)) for row in found]

        return await self._reader.read(query)

    async def close(self) -> None:
        await asyncio.to_thread(self._reader.close)


class _NoWriter:
    """The writer of a store that is not written."""

    has_work = False

    def __init__(self, encoder: Encoder, clock: Clock) -> None:
        self.encoder = encoder
        self.outcomes = Outcomes(lambda _committed: None, clock, Metrics())

    def start(self) -> None:
        """There is nothing to start."""

    def put(self, entry: Queued) -> None:
        self.outcomes.tell_result(entry.done, StoreError(Code.STORE_FAILED, "a replay writes nothing"))

    async def stop(self) -> None:
        """There is nothing to stop."""


class _PastState:
    """What a stream replays of an account at a past head: the last event about each thing that was retained then."""

    def __init__(self, encoder: Encoder, head_of: HeadOf, retention_s: float) -> None:
        self._encoder = encoder
        self._head_of = head_of
        self._retention_ns = int(retention_s * _NS)

    def attached_state(
        self,
        connection: sqlite3.Connection,
        _row: sqlite3.Row,
        account: Account,
        _instruments: rows.Instruments,
        _changed_after_ns: int,
    ) -> AttachedState:
        """As `loading.attached_state`, by the time of the head."""
        head = self._head_of(account.account_id)
        status = AccountStatus(AccountConnection.BLIND, account.created_at_ns)
        said = tuple(self._said(connection, account, head.sequence, status))
        return AttachedState(account, head, status, (), (), (), said)

    def _said(self, connection: sqlite3.Connection, account: Account, at: int, status: AccountStatus) -> Iterator[Said]:
        number = account.number
        last = connection.execute(
            "SELECT at_ns FROM journal WHERE account = ? AND sequence = ?", (number, at)
        ).fetchone()
        after_ns = (0 if last is None else last["at_ns"]) - self._retention_ns
        positions, balances, moved = latest_then(connection, number, at)
        if not moved:  # nothing was said of it yet: it is as it was when it was added
            yield Said(EventType.ACCOUNT_STATUS, "", "", self._encoder.encode(_moved(account, status)))
        yield from (_said_of(one) for one in (*moved, *balances))
        for one in positions:
            if one["at_ns"] > after_ns or is_held(one["payload"]):
                yield _said_of(one)
        for one in orders_then(connection, number, at, sequence_at(connection, number, after_ns)):
            if one["at_ns"] > after_ns or is_working(one["payload"]):
                yield _said_of(one)


def _moved(account: Account, status: AccountStatus) -> Event:
    return Event(EventType.ACCOUNT_STATUS, AccountMoved(account, status))


def _said_of(row: sqlite3.Row) -> Said:
    return Said(EventType(row["kind"]), row["symbol"], row["asset_class"], row["payload"])


def open_past(
    folder: Path, *, encoder: Encoder, clock: Clock, limits: Limits, head_of: HeadOf
) -> tuple[SqliteStore, SqlitePast]:
    """The store of a folder for streams that find each account at `head_of` it, and its journal; call it in the event
    loop that will use them.

    `head_of` is called in a thread. Raises DropcopyError(INVALID_CONFIGURATION) without a journal, StoreError.
    """
    path = folder / migrate.DATABASE_NAME
    if not path.is_file():
        raise DropcopyError(Code.INVALID_CONFIGURATION, f"there is no journal in {folder}")
    connection = migrate.connect(path, is_reader=True, cache_bytes=limits.page_cache_bytes)
    connection.row_factory = sqlite3.Row
    try:
        migrate.require_current(connection)
        epoch = connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        if epoch is None:
            raise DropcopyError(Code.INVALID_CONFIGURATION, f"no daemon has run on {folder} yet")
        accounts = [rows.account_of(row) for row in connection.execute("SELECT * FROM accounts")]
    except sqlite3.Error as error:
        raise StoreError(Code.STORE_FAILED, f"the journal in {folder} cannot be read: {error}") from error
    finally:
        connection.close()
    state = _PastState(encoder, head_of, limits.retention_s)
    store = SqliteStore(
        path, None, epoch["value"], _NoWriter(encoder, clock), accounts, limits, clock, state.attached_state
    )
    return store, SqlitePast(path, accounts, limits)
