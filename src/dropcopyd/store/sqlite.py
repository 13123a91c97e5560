"""The SQLite store: opens the folder, commits through the writer thread, reads through connections of its own."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from dropcopyd.domain import catalogue
from dropcopyd.domain.account import Account
from dropcopyd.domain.adjustment import Adjustment
from dropcopyd.domain.arming import Arming
from dropcopyd.domain.audit import AuditEntry
from dropcopyd.domain.command import IdempotencyRecord
from dropcopyd.domain.controls import Control
from dropcopyd.domain.event import Batch, EventType
from dropcopyd.domain.flatten import Flatten
from dropcopyd.domain.fold import History
from dropcopyd.domain.instrument import Instrument, InstrumentKey
from dropcopyd.domain.keys import KeyRecord
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.losses import HighWater
from dropcopyd.domain.position import Position
from dropcopyd.domain.state import AccountState, Chain
from dropcopyd.errors import Code, StoreError
from dropcopyd.observe import Metrics
from dropcopyd.ports import (
    AttachedState,
    Clock,
    Encoder,
    Failpoints,
    Ids,
    OnCommitted,
    Page,
    Spent,
)
from dropcopyd.record import Record
from dropcopyd.store import armings, controls, flattens, keys, loading, losses, migrate, positions, rows
from dropcopyd.store.apart import Apart, ApartWriter, WriterProcess
from dropcopyd.store.explaining import SqliteExplanations
from dropcopyd.store.history import SqliteHistory
from dropcopyd.store.keycache import KeyCache, Mark
from dropcopyd.store.metrics import SqliteMetrics
from dropcopyd.store.queries import SqliteQueries
from dropcopyd.store.reader import Reader
from dropcopyd.store.registry import SqliteRegistry
from dropcopyd.store.search import SqliteSearch
from dropcopyd.store.writer import Entry, Outcomes, Queued, Readmission, Task, ThreadWriter, Writer

_Result = TypeVar("_Result")
AttachedBy = Callable[[sqlite3.Connection, sqlite3.Row, Account, rows.Instruments, int], AttachedState]


class SqliteStore:
    """The `Store` port on one folder. Open it with `open_store`; one daemon holds a folder at a time."""

    def __init__(
        self,
        path: Path,
        lock: IO[str] | None,
        epoch: str,
        writer: Writer,
        accounts: Sequence[Account],
        limits: Limits,
        clock: Clock,
        attached_state: AttachedBy = loading.attached_state,
        mark: Mark | None = None,
    ) -> None:
        """`attached_state`: how a row of `accounts` becomes what a stream replays of it. `mark`: that keys were changed
        beside the daemon; without one they are read each time.
        """
        self.epoch = epoch
        self._attached_state = attached_state
        self._lock = lock
        self._writer = writer
        self._encoder = writer.encoder
        self._accounts = {account.account_id: account for account in accounts}
        self._limits = limits
        self._clock = clock
        self._listing = asyncio.Lock()
        self._queued = 0
        self._is_closed = False
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._reader = Reader(path, limits.page_cache_bytes)
        self._read = self._reader.read
        self.record = Record(
            queries=SqliteQueries(self._reader, self._accounts.__getitem__),
            history=SqliteHistory(self._reader, self._accounts.__getitem__),
            search=SqliteSearch(self._reader),
            metrics=SqliteMetrics(self._reader, self._accounts.__getitem__),
            explanations=SqliteExplanations(self._reader, self._accounts.__getitem__),
        )
        """What may be asked of the record."""
        self._keys = None if mark is None else KeyCache(self._read_key, mark, clock)
        self.registry = SqliteRegistry(self._read, self._register, self.accounts)
        """Organizations, accounts and keys."""
        self.on_accounts: Callable[[Sequence[Account]], None] = lambda _accounts: None
        writer.outcomes.on_done = self._left_queue

    # --- writing --------------------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        return self._queued >= self._limits.writer_queue_batches

    @property
    def has_work(self) -> bool:
        """Whether batches are under way to the disk; a simulation lets no time pass meanwhile."""
        return self._writer.has_work

    async def room(self) -> None:
        await self._has_room.wait()

    def commit(self, batch: Batch) -> Awaitable[None]:
        if self._is_closed:
            raise StoreError(Code.STORE_FAILED, "the journal is closed")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        encoded = tuple(self._encoder.encode(event) for event in batch.events)
        self._put(Entry(self._accounts[batch.account_id], batch, encoded, done, self._clock.monotonic_ns()))
        return done

    async def readmit(self, account_id: str) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._put(Readmission(self._accounts[account_id], done))
        await done

    async def controls(self) -> tuple[Control, ...]:
        return await self._read(controls.read_controls)

    async def put_control(self, control: Control, entry: AuditEntry) -> None:
        await self._transact(lambda connection: controls.put_control(connection, control, entry))

    async def audit(self, entry: AuditEntry, *, is_once: bool = False) -> None:
        put = controls.put_audit_once if is_once else controls.put_audit
        await self._transact(lambda connection: put(connection, entry))

    async def read_audit(self, organization_id: str, before: int, limit: int) -> list[AuditEntry]:
        return await self._read(lambda connection: controls.read_audit(connection, organization_id, before, limit))

    async def armings(self) -> tuple[Arming, ...]:
        return await self._read(armings.read_armings)

    async def put_arming(self, arming: Arming, entry: AuditEntry | None) -> None:
        await self._transact(lambda connection: armings.put_arming(connection, arming, entry))

    async def put_flatten(self, flatten: Flatten, entry: AuditEntry | None) -> None:
        await self._transact(lambda connection: flattens.put_flatten(connection, flatten, entry))

    async def running_flattens(self) -> tuple[Flatten, ...]:
        return await self._read(flattens.running_flattens)

    async def find_flatten(self, account_id: str, flatten_id: str) -> Flatten | None:
        return await self._read(lambda connection: flattens.find_flatten(connection, account_id, flatten_id))

    async def last_flatten_ns(self, account_id: str) -> int:
        return await self._read(lambda connection: flattens.last_flatten_ns(connection, account_id))

    async def realized(self, account_id: str) -> list[tuple[Instrument, Decimal]]:
        account = self._accounts[account_id]
        return await self._read(
            lambda connection: losses.realized(connection, account, self._reader.instruments_by(connection))
        )

    async def high_waters(self) -> tuple[HighWater, ...]:
        return await self._read(losses.read_high_waters)

    async def put_high_water(self, mark: HighWater) -> None:
        await self._transact(lambda connection: losses.put_high_water(connection, mark))

    async def forget_high_waters(self, control: Control) -> None:
        place = control.organization_id, control.scope.value, control.subject
        await self._transact(lambda connection: losses.forget_high_waters(connection, *place))

    async def _register(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """A change of organizations, accounts or keys: what is known of keys is read anew, before anybody is told."""
        keys = self._keys
        return await self._transact(work, None if keys is None else keys.forget)

    async def _transact(
        self, work: Callable[[sqlite3.Connection], _Result], then: Callable[[], None] | None = None
    ) -> _Result:
        """Work on the writer's thread, in its turn and in a transaction of its own. Raises StoreError.

        `then` is called when it is done, whoever still waits.
        """
        if self._is_closed:
            raise StoreError(Code.STORE_FAILED, "the journal is closed")
        done: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        if then is not None:
            done.add_done_callback(lambda _done: then())
        self._put(Task(work, done))
        return await asyncio.shield(done)

    def _put(self, entry: Queued) -> None:
        self._queued += 1
        if self.is_full:
            self._has_room.clear()
        self._writer.put(entry)

    def _left_queue(self, count: int) -> None:
        self._queued -= count
        if not self.is_full:
            self._has_room.set()

    async def close(self) -> None:
        """Commit what is queued and let the folder go."""
        self._is_closed = True
        await self._writer.stop()
        self._reader.close()
        if self._keys is not None:
            self._keys.close()
        if self._lock is not None:
            self._lock.close()

    # --- reading --------------------------------------------------------------------------------------------------

    async def read_state(self, account_id: str, changed_after_ns: int) -> AttachedState:
        def query(connection: sqlite3.Connection) -> AttachedState:
            return self._attached(connection, loading.account_row(connection, account_id), changed_after_ns)

        return await self._read(query)

    async def read_states(self, organization_id: str, changed_after_ns: int) -> tuple[AttachedState, ...]:
        def query(connection: sqlite3.Connection) -> tuple[AttachedState, ...]:
            found = connection.execute(
                "SELECT * FROM accounts WHERE organization_id = ? ORDER BY number", (organization_id,)
            ).fetchall()
            return tuple(self._attached(connection, row, changed_after_ns) for row in found)

        return await self._read(query)

    def _attached(self, connection: sqlite3.Connection, row: sqlite3.Row, changed_after_ns: int) -> AttachedState:
        instruments = self._reader.instruments_by(connection)
        return self._attached_state(connection, row, self._known(row), instruments, changed_after_ns)

    async def read_events(self, account_id: str, after: int, to: int, kinds: frozenset[EventType], limit: int) -> Page:
        account = self._accounts[account_id]
        marks = ", ".join("?" * len(kinds))

        def query(connection: sqlite3.Connection) -> Page:
            found = connection.execute(
                "SELECT sequence, kind, asset_class, symbol, payload, hash FROM journal WHERE account = ?"  # noqa: S608
                f" AND sequence > ? AND sequence <= ? AND kind IN ({marks}) ORDER BY sequence LIMIT ?",
                (account.number, after, to, *sorted(kinds), limit),
            ).fetchall()
            events = tuple(loading.committed_of(row, account) for row in found)
            if len(events) == limit:
                return Page(events, events[-1].sequence, events[-1].chain)
            return Page(events, to, loading.chain_at(connection, account.number, to) or 0)

        return await self._read(query)

    async def chain_at(self, account_id: str, sequence: int) -> int | None:
        number = self._accounts[account_id].number
        return await self._read(lambda connection: loading.chain_at(connection, number, sequence))

    async def load_account(self, account_id: str, changed_after_ns: int) -> AccountState:
        def query(connection: sqlite3.Connection) -> AccountState:
            row = loading.account_row(connection, account_id)
            instruments = self._reader.instruments_by(connection)
            return loading.account_state(connection, row, self._known(row), instruments, changed_after_ns)

        return await self._read(query)

    async def load_chain(
        self,
        account_id: str,
        *,
        intent_id: str | None = None,
        order_id: str | None = None,
        broker_command_id: str | None = None,
    ) -> Chain | None:
        account = self._accounts[account_id]

        def query(connection: sqlite3.Connection) -> Chain | None:
            row = connection.execute(
                "SELECT * FROM orders WHERE account = ?1 AND (intent_id = ?2 OR order_id = ?3 OR order_id ="
                " (SELECT order_id FROM commands WHERE broker_command_id = ?4 AND account = ?1))",
                (account.number, intent_id, order_id, broker_command_id),
            ).fetchone()
            if row is None:
                return None
            return loading.chain_of_order(connection, account, row, self._reader.instruments_by(connection))

        return await self._read(query)

    async def find_position(self, account_id: str, key: InstrumentKey) -> Position | None:
        account = self._accounts[account_id]
        return await self._read(
            lambda connection: positions.find_position(
                connection, account, self._reader.instruments_by(connection), key
            )
        )

    async def load_history(
        self, account_id: str, key: InstrumentKey, *, ref: str | None = None, fold_ns: int = 0
    ) -> History | None:
        account = self._accounts[account_id]
        return await self._read(
            lambda connection: positions.history(
                connection, account, self._reader.instruments_by(connection), key, ref=ref, fold_ns=fold_ns
            )
        )

    async def find_adjustment(self, account_id: str, adjustment_id: str) -> Adjustment | None:
        account = self._accounts[account_id]
        return await self._read(
            lambda connection: positions.find_adjustment(
                connection, account, self._reader.instruments_by(connection), adjustment_id
            )
        )

    async def find_chain(
        self, account_id: str, external_command_id: str, external_order_id: str | None
    ) -> Chain | None:
        account = self._accounts[account_id]

        def query(connection: sqlite3.Connection) -> Chain | None:
            for column, value in (
                ("external_order_id", external_order_id),
                ("external_command_id", external_command_id or None),
            ):
                row = connection.execute(
                    f"SELECT * FROM orders WHERE account = ? AND {column} = ? ORDER BY number DESC LIMIT 1",  # noqa: S608
                    (account.number, value),
                ).fetchone()
                if row is not None:
                    return loading.chain_of_order(connection, account, row, self._reader.instruments_by(connection))
            return None

        return await self._read(query)

    async def find_idempotency(self, account_id: str, key: str) -> IdempotencyRecord | None:
        number = self._accounts[account_id].number

        def query(connection: sqlite3.Connection) -> IdempotencyRecord | None:
            row = connection.execute(
                "SELECT key, request, intent_id, seq FROM idempotency WHERE account = ? AND key = ?", (number, key)
            ).fetchone()
            return None if row is None else IdempotencyRecord(*row)

        return await self._read(query)

    async def accounts(self) -> tuple[Account, ...]:
        def query(connection: sqlite3.Connection) -> tuple[Account, ...]:
            return tuple(rows.account_of(row) for row in connection.execute("SELECT * FROM accounts ORDER BY number"))

        async with self._listing:  # one after another: an older answer never replaces a newer one
            found = await self._read(query)
            self._accounts.update({account.account_id: account for account in found})
            self.on_accounts(found)
            return found

    async def find_account(self, account_id: str) -> Account | None:
        if account_id not in self._accounts:
            await self.accounts()
        return self._accounts.get(account_id)

    async def find_key(self, key_id: str) -> KeyRecord | None:
        return await (self._read_key if self._keys is None else self._keys.find)(key_id)

    async def _read_key(self, key_id: str) -> KeyRecord | None:
        return await self._read(lambda connection: keys.find_key(connection, key_id))

    async def find_keys(self, key_ids: Iterable[str]) -> Mapping[str, KeyRecord]:
        asked = frozenset(key_ids)
        return await self._read(lambda connection: keys.find_keys(connection, asked))

    async def spent(self) -> Spent:
        return await self._read(keys.read_spent)

    async def instruments(self) -> tuple[Instrument, ...]:
        def query(connection: sqlite3.Connection) -> tuple[Instrument, ...]:
            found = connection.execute("SELECT definition FROM instruments ORDER BY asset_class, symbol")
            return tuple(catalogue.instrument_of(json.loads(definition)) for (definition,) in found)

        return await self._read(query)

    def _known(self, row: sqlite3.Row) -> Account:
        """The account of a row, from now on known for commits and reads; another process may have added it."""
        account = rows.account_of(row)
        return self._accounts.setdefault(account.account_id, account)


def open_store(
    folder: Path,
    *,
    encoder: Encoder,
    clock: Clock,
    ids: Ids,
    limits: Limits,
    failpoints: Failpoints,
    on_committed: OnCommitted,
    metrics: Metrics | None = None,
    apart: Apart | None = None,
) -> SqliteStore:
    """Open (or create) the journal in a folder, held until `close`; call it in the event loop that will use it.

    `apart`: the writer is a process of its own, with failpoints of its own, instead of a thread.
    Raises DropcopyError(FOLDER_IN_USE) when another daemon holds the folder, StoreError for an unusable file.
    """
    lock = migrate.hold_folder(folder)
    connection: sqlite3.Connection | None = None
    try:
        path = folder / migrate.DATABASE_NAME
        connection = migrate.connect(path, cache_bytes=limits.page_cache_bytes)
        migrate.migrate(connection, clock.now_ns())
        epoch = migrate.settle_epoch(connection, path, ids.uuid())
        loop = asyncio.get_running_loop()
        outcomes = Outcomes(on_committed, clock, metrics or Metrics())
        connection.row_factory = sqlite3.Row
        found = connection.execute("SELECT * FROM accounts").fetchall()
        connection.row_factory = None
        accounts = [rows.account_of(row) for row in found]
        writer: Writer
        if apart is None:
            writer = ThreadWriter(connection, encoder, loop, outcomes, failpoints)
        else:
            start_process = partial(WriterProcess, apart, path, lock)
            writer = ApartWriter(connection, encoder, start_process, loop, outcomes, apart.on_lost)
        store = SqliteStore(path, lock, epoch, writer, accounts, limits, clock, mark=Mark(folder))
        writer.start()
    except BaseException as error:
        if connection is not None:
            connection.close()
        lock.close()
        if isinstance(error, sqlite3.Error | OSError):
            raise StoreError(Code.STORE_FAILED, f"the journal in {folder} cannot be opened: {error}") from error
        raise
    return store
