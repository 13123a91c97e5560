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
from dropcopyd.domain.event import Batch
from dropcopyd.domain.tally import LegTime
from dropcopyd.errors import Code, StoreError
from dropcopyd.observe import Metrics
from dropcopyd.ports import Clock, Committed, Encoder, Failpoints, OnCommitted
from dropcopyd.store import breaks
from dropcopyd.store.appending import Journal
from dropcopyd.store.keeping import Keeper
from dropcopyd.store.projecting import Projections

_log = structlog.get_logger()
_BEGIN_TRIES: Final = 6
"""Each waits for the connection's busy timeout of 10 s."""
_GROUP_BATCHES_MAX: Final = 512
_NS: Final = 1_000_000_000


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
        self._projections = Projections(connection)
        self._journal = Journal(connection, encoder)
        self._keeper = Keeper(connection, self._projections)
        self._clock = clock
        self._metrics = metrics
        self.encoder = encoder
        self._loop = loop
        self._on_committed = on_committed
        self._failpoints = failpoints
        self._queue: queue.SimpleQueue[Entry | Readmission | Task | None] = queue.SimpleQueue()
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
            self._flush()
            self._failpoints.reached("store.commit.before")
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  whatever failed, the batch is refused and the account halted
            self._journal.clear()
            self._keeper.discard()
            self._projections.clear()
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
        """Take a batch in. Most of it reaches the file with `_flush`, together with the others of its group."""
        account, batch = entry.account, entry.batch
        brought = self._keeper.before(account.number, batch)
        self._projections.project(account.number, batch)
        breaks.write(self._connection, account, batch)
        for event, encoded in zip(batch.events, entry.encoded, strict=True):
            committed = self._journal.append(account, batch.at_ns, event, encoded)
            self._keeper.note(account.number, committed.sequence, event)
            group.committed.append(committed)
        head = self._journal.move(account.number, batch)
        group.legs += self._keeper.tally(account.number, batch, brought)
        if self._keeper.is_set_due(account.number, head):
            self._projections.flush()
            self._keeper.keep_working_set(account.number, head)

    def _flush(self) -> None:
        self._projections.flush()
        self._journal.flush(self._keeper.order_numbers(self._journal.abouts))
        self._keeper.flush()

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
