"""The one writer: a thread that takes batches in order and commits them in groups, each group one flush to disk."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from dropcopyd.domain.account import Account
from dropcopyd.domain.balance import Balance
from dropcopyd.domain.event import AccountMoved, Batch, Event, EventType
from dropcopyd.domain.tally import LegTime
from dropcopyd.errors import Code, StoreError
from dropcopyd.observe import Metrics
from dropcopyd.ports import Clock, Committed, Encoder, Failpoints, OnCommitted
from dropcopyd.store import breaks, keys, positions, rows, truth
from dropcopyd.store.keeping import Keeper
from dropcopyd.store.lasting import LastRows

_log = structlog.get_logger()
_BEGIN_TRIES: Final = 6
"""Each waits for the connection's busy timeout of 10 s."""
_GROUP_BATCHES_MAX: Final = 512
_NS: Final = 1_000_000_000
_CHANGE_KEY: Final = ("account", "asset_class", "symbol", "fold_ns", "number")


@dataclass(slots=True)
class Entry:
    """One batch on its way: its events already encoded, so that the thread only stamps and writes."""

    account: Account
    batch: Batch
    encoded: tuple[bytes, ...]
    done: asyncio.Future[None]
    queued_ns: int


@dataclass(frozen=True, slots=True)
class Readmission:
    """A mark in the queue: batches of this account behind it are good again."""

    account: Account
    done: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class Task:
    """Work of another kind in the queue: alone in a transaction of its own, in its turn."""

    work: Callable[[sqlite3.Connection], Any]
    done: asyncio.Future[Any]


@dataclass(slots=True)
class _Head:
    """Where an account's journal ends, as this thread has it in memory."""

    sequence: int
    hash: bytes
    kinds: dict[EventType, int]


@dataclass(slots=True)
class _Group:
    """What one transaction achieved."""

    committed: list[Committed] = field(default_factory=list)
    done: list[tuple[asyncio.Future[None], StoreError | None]] = field(default_factory=list)
    legs: list[LegTime] = field(default_factory=list)
    queued_ns: list[int] = field(default_factory=list)


class Writer:
    """Group commit. Entries are handed in by the event loop; results come back to it, in commit order."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        encoder: Encoder,
        loop: asyncio.AbstractEventLoop,
        on_committed: OnCommitted,
        failpoints: Failpoints,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._connection = connection
        self._orders = LastRows(connection, "orders", ("order_id",))
        self._commands = LastRows(connection, "commands", ("account", "intent_id", "seq"))
        self._positions = LastRows(connection, "positions", ("account", "asset_class", "symbol"))
        self._keeper = Keeper(connection, self._commands, self._positions)
        self._clock = clock
        self._metrics = metrics
        self.encoder = encoder
        self._loop = loop
        self._on_committed = on_committed
        self._failpoints = failpoints
        self._queue: queue.SimpleQueue[Entry | Readmission | Task | None] = queue.SimpleQueue()
        self._heads: dict[int, _Head] = {}
        self._failed: set[int] = set()
        self._put_count = self._told_count = 0
        self._thread = threading.Thread(target=self._run, name="dropcopy-writer", daemon=True)
        self.on_done: Callable[[int], None] = lambda _count: None
        """Called in the loop with the number of entries that left the queue."""

    def start(self) -> None:
        self._thread.start()

    def put(self, entry: Entry | Readmission | Task) -> None:
        """Queue an entry; order of calls is order of commit."""
        self._put_count += 1
        self._queue.put(entry)

    @property
    def has_work(self) -> bool:
        """Whether the thread has entries that it has not told the loop about yet."""
        return self._told_count != self._put_count

    def stop(self) -> None:
        """Commit what is queued, then end and let the file go; blocks until then."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while True:
            entry = self._queue.get()
            group: list[Entry] = []
            while entry is not None:
                if isinstance(entry, Entry):
                    group.append(entry)
                else:
                    self._write_all(group)
                    group = []
                    self._carry_out(entry)
                if len(group) >= _GROUP_BATCHES_MAX or self._queue.empty():
                    break
                entry = self._queue.get()
            self._write_all(group)
            if entry is None:
                return

    def _carry_out(self, entry: Readmission | Task) -> None:
        if isinstance(entry, Readmission):
            self._failed.discard(entry.account.number)
            self._report(_Group(done=[(entry.done, None)]))
            return
        result = self._work(entry)
        failed = isinstance(result, StoreError)

        def tell() -> None:
            self.on_done(1)
            if entry.done.cancelled():
                return
            if failed:
                entry.done.set_exception(result)
            else:
                entry.done.set_result(result)

        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(tell)
        self._told_count += 1

    def _work(self, task: Task) -> Any:
        """The result of a task's transaction, or the StoreError that it failed with."""
        try:
            self._begin()
            result = task.work(self._connection)
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  whatever failed is told to whoever asked
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            _log.error("store.task_failed", cause=f"{type(error).__name__}: {error}")
            failure = StoreError(Code.STORE_FAILED, "the database could not be written")
            failure.__cause__ = error
            return failure
        return result

    def _write_all(self, entries: Sequence[Entry]) -> None:
        """One transaction for all; if it fails, one for each, so that a bad batch fails alone."""
        if not entries:
            return
        group = self._write(entries)
        if isinstance(group, _Group):
            self._report(group)
            return
        for entry in entries:
            alone = self._write([entry])
            self._report(alone if isinstance(alone, _Group) else self._refusal(entry, alone))

    def _refusal(self, entry: Entry, cause: Exception) -> _Group:
        self._failed.add(entry.account.number)
        account_id = entry.account.account_id
        _log.error("store.commit_failed", account_id=account_id, cause=f"{type(cause).__name__}: {cause}")
        error = StoreError(Code.STORE_FAILED, "the journal could not be written")
        error.__cause__ = cause
        return _Group(done=[(entry.done, error)])

    def _write(self, entries: Sequence[Entry]) -> _Group | Exception:
        """Commit the entries together, or why that failed; nothing was kept then."""
        group = _Group()
        try:
            self._begin()
            for entry in entries:
                if entry.account.number in self._failed:
                    error = StoreError(Code.STORE_FAILED, "an earlier batch of this account failed")
                    group.done.append((entry.done, error))
                    continue
                self._write_entry(entry, group)
                group.done.append((entry.done, None))
                group.queued_ns.append(entry.queued_ns)
            self._keeper.flush()
            self._failpoints.reached("store.commit.before")
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  whatever failed, the batch is refused and the account halted
            self._heads.clear()
            self._keeper.discard()
            for table in (self._orders, self._commands, self._positions):
                table.clear()
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):  # if even this fails, every further batch does, and is refused
                    self._connection.execute("ROLLBACK")
            return error
        self._failpoints.reached("store.commit.after")
        return group

    def _begin(self) -> None:
        """Begin a transaction; the lock of another process is waited for, up to a minute."""
        for _ in range(_BEGIN_TRIES - 1):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                _log.warning("store.locked", cause="another process holds the journal's lock")
            else:
                return
        self._connection.execute("BEGIN IMMEDIATE")

    def _write_entry(self, entry: Entry, group: _Group) -> None:
        account, batch = entry.account, entry.batch
        head = self._heads.get(account.number) or self._load_head(account.number)
        moved: set[EventType] = set()
        brought = self._keeper.before(account.number, batch)
        self._project(account.number, batch)
        breaks.write(self._connection, account, batch)
        numbers = self._keeper.order_numbers(batch)
        for event, encoded in zip(batch.events, entry.encoded, strict=True):
            order_number = self._keeper.note(account.number, head.sequence + 1, event, numbers)
            group.committed.append(self._append(account, head, batch.at_ns, event, encoded, order_number))
            moved.add(event.kind)
        self._connection.executemany(
            "INSERT INTO kind_heads VALUES (?, ?, ?) ON CONFLICT (account, kind) DO UPDATE SET head = excluded.head",
            [(account.number, kind.value, head.kinds[kind]) for kind in moved],
        )
        self._connection.execute(
            "UPDATE accounts SET head = ?, hash = ?, last_ns = max(last_ns, ?),"
            " report_cursor = coalesce(?, report_cursor), listed_cursor = coalesce(?, listed_cursor) WHERE number = ?",
            (head.sequence, head.hash, batch.at_ns, batch.report_cursor, batch.listed_cursor, account.number),
        )
        group.legs += self._keeper.tally(account.number, batch, brought, numbers)
        self._keeper.keep_working_set(account.number, head.sequence)

    def _append(
        self, account: Account, head: _Head, at_ns: int, event: Event, encoded: bytes, order_number: int | None
    ) -> Committed:
        sequence, kind_sequence = head.sequence + 1, head.kinds.get(event.kind, 0) + 1
        payload, digest = self.encoder.stamp(encoded, account.account_id, sequence, kind_sequence, head.hash)
        head.sequence, head.hash, head.kinds[event.kind] = sequence, digest, kind_sequence
        record = event.record
        symbol = asset_class = ""
        instrument = None if isinstance(record, AccountMoved | Balance) else record.instrument
        if instrument is not None:
            symbol, asset_class = instrument.symbol, instrument.asset_class.value
        self._connection.execute(
            "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                account.number,
                sequence,
                event.kind.value,
                kind_sequence,
                at_ns,
                asset_class,
                symbol,
                payload,
                digest,
                order_number,
            ),
        )
        return Committed(
            account_id=account.account_id,
            organization_id=account.organization_id,
            sequence=sequence,
            kind=event.kind,
            symbol=symbol,
            asset_class=asset_class,
            payload=payload,
            chain=int.from_bytes(digest[:8], "big"),
        )

    def _project(self, number: int, batch: Batch) -> None:
        execute = self._connection.execute
        for order in batch.orders:
            self._orders.write(rows.order_values(number, order), rows.order_fixed(order))
        for command in batch.commands:
            self._commands.write(rows.command_values(number, command))
        for trade in batch.trades:
            values = rows.trade_values(number, trade)
            execute(rows.insert_sql("trades", tuple(values)), values)
        truth.write(self._connection, number, batch)
        for position in batch.positions:
            self._positions.write(positions.position_values(number, position))
        self._project_changes(number, batch)
        if batch.idempotency is not None:
            record = batch.idempotency
            execute(
                "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?)",
                (number, record.key, record.request, record.intent_id, record.seq),
            )
        if batch.spending is not None:
            keys.spend(self._connection, batch.spending)
        if batch.status is not None:
            status = batch.status
            execute(
                "UPDATE accounts SET connection = ?, connection_since_ns = ?, reason_code = ?, reason = ?"
                " WHERE number = ?",
                (status.connection.value, status.since_ns, status.reason_code, status.reason, number),
            )

    def _project_changes(self, number: int, batch: Batch) -> None:
        execute = self._connection.execute
        for posting in batch.postings:
            for values in positions.change_values(number, posting):
                execute(rows.upsert_sql("position_changes", tuple(values), _CHANGE_KEY), values)
        for adjustment in batch.adjustments:
            values = positions.adjustment_values(number, adjustment)
            execute(rows.insert_sql("adjustments", tuple(values)), values)
        for balance in batch.balances:
            values = positions.balance_values(number, balance)
            execute(rows.upsert_sql("balances", tuple(values), ("account", "currency")), values)

    def _load_head(self, number: int) -> _Head:
        sequence, digest = self._connection.execute(
            "SELECT head, hash FROM accounts WHERE number = ?", (number,)
        ).fetchone()
        kinds = self._connection.execute("SELECT kind, head FROM kind_heads WHERE account = ?", (number,))
        head = _Head(sequence, digest, {EventType(kind): kind_head for kind, kind_head in kinds})
        self._heads[number] = head
        return head

    def _report(self, group: _Group) -> None:
        self._loop.call_soon_threadsafe(self._finish, group)
        self._told_count += len(group.done)

    def _finish(self, group: _Group) -> None:
        """In the loop: announce first, then answer, so that whoever was answered finds it announced."""
        try:
            if group.committed:
                self._on_committed(group.committed)
            self._measure(group)
        finally:  # what is durable is answered, whatever became of the announcement
            for done, error in group.done:
                if done.done():
                    continue  # its waiter was cancelled; the commit stands
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)
            self.on_done(len(group.done))

    def _measure(self, group: _Group) -> None:
        now_ns = self._clock.monotonic_ns()
        for queued_ns in group.queued_ns:
            self._metrics.commit_s.observe((now_ns - queued_ns) / _NS)
        for leg in group.legs:
            self._metrics.leg_s.labels(leg.leg.value).observe(leg.taken_ns / _NS)
