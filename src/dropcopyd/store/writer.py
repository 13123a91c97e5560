"""The one writer: takes batches in order and commits them in groups. Here, the one that is a thread of this process;
`store.apart` has the one that is a process of its own."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from dropcopyd.domain.account import Account
from dropcopyd.domain.event import Batch
from dropcopyd.errors import Code, StoreError
from dropcopyd.observe import Metrics
from dropcopyd.ports import Clock, Encoder, Failpoints, OnCommitted
from dropcopyd.store.committing import GROUP_BATCHES_MAX, Committer, Group, begin, roll_back

_log = structlog.get_logger()
_NS: Final = 1_000_000_000


@dataclass(slots=True)
class Entry:
    """One batch on its way, its events encoded."""

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


Queued = Entry | Readmission | Task


class Writer(Protocol):
    """Group commit. Entries are handed in by the event loop; results come back to it, in the order of commit."""

    encoder: Encoder
    """Makes the bytes of an entry's events."""
    outcomes: "Outcomes"

    @property
    def has_work(self) -> bool:
        """Whether it has entries that it has not told the loop about yet."""

    def start(self) -> None: ...

    def put(self, entry: Queued) -> None:
        """Queue an entry; order of calls is order of commit."""

    async def stop(self) -> None:
        """Commit what is queued, then end and let the file go."""


class Outcomes:
    """Tells the loop what became of entries; in the loop."""

    def __init__(self, on_committed: OnCommitted, clock: Clock, metrics: Metrics) -> None:
        self._on_committed = on_committed
        self._clock = clock
        self._metrics = metrics
        self.on_done: Callable[[int], None] = lambda _count: None
        """Called with the number of entries that left the queue."""

    def tell(self, entries: Sequence[Entry], group: Group) -> None:
        """Announce first, then answer, so that whoever was answered finds it announced."""
        try:
            if group.committed:
                self._on_committed(group.committed)
            self._measure(entries, group)
        finally:  # what is durable is answered, whatever became of the announcement
            for entry, refusal in zip(entries, group.refusals, strict=True):
                if entry.done.done():
                    continue  # its waiter was cancelled; the commit stands
                if refusal is None:
                    entry.done.set_result(None)
                else:
                    entry.done.set_exception(StoreError(Code.STORE_FAILED, refusal))
            self.on_done(len(entries))

    def tell_result(self, done: asyncio.Future[Any], result: Any) -> None:
        """What came of a task (a StoreError: it failed) or of a readmission (None)."""
        self.on_done(1)
        if done.done():
            return
        if isinstance(result, StoreError):
            done.set_exception(result)
        else:
            done.set_result(result)

    def _measure(self, entries: Sequence[Entry], group: Group) -> None:
        now_ns = self._clock.monotonic_ns()
        for entry, refusal in zip(entries, group.refusals, strict=True):
            if refusal is None:
                self._metrics.commit_s.observe((now_ns - entry.queued_ns) / _NS)
        for leg in group.legs:
            self._metrics.leg_s.labels(leg.leg.value).observe(leg.taken_ns / _NS)


class ThreadWriter:
    """The writer as a thread: for whoever wants no further process, and for tests."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        encoder: Encoder,
        loop: asyncio.AbstractEventLoop,
        outcomes: Outcomes,
        failpoints: Failpoints,
    ) -> None:
        self._connection = connection
        self.encoder = encoder
        self._committer = Committer(connection, encoder, failpoints)
        self._loop = loop
        self.outcomes = outcomes
        self._queue: queue.SimpleQueue[Queued | None] = queue.SimpleQueue()
        self._put_count = self._told_count = 0
        self._thread = threading.Thread(target=self._run, name="dropcopy-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, entry: Queued) -> None:
        self._put_count += 1
        self._queue.put(entry)

    @property
    def has_work(self) -> bool:
        return self._told_count != self._put_count

    async def stop(self) -> None:
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def _run(self) -> None:
        while True:
            entry = self._queue.get()
            group: list[Entry] = []
            while entry is not None:
                if isinstance(entry, Entry):
                    group.append(entry)
                else:
                    self._commit(group)
                    group = []
                    self._carry_out(entry)
                if len(group) >= GROUP_BATCHES_MAX or self._queue.empty():
                    break
                entry = self._queue.get()
            self._commit(group)
            if entry is None:
                return

    def _carry_out(self, entry: Readmission | Task) -> None:
        result: Any = None
        if isinstance(entry, Readmission):
            self._committer.readmit(entry.account)
        else:
            result = carried_out(self._connection, entry)
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self.outcomes.tell_result, entry.done, result)
        self._told_count += 1

    def _commit(self, entries: Sequence[Entry]) -> None:
        if entries:
            group = self._committer.commit([(entry.account, entry.batch, entry.encoded) for entry in entries])
            self._loop.call_soon_threadsafe(self.outcomes.tell, entries, group)
            self._told_count += len(entries)


def carried_out(connection: sqlite3.Connection, task: Task) -> Any:
    """The result of a task's transaction, or the StoreError that it failed with."""
    try:
        begin(connection)
        result = task.work(connection)
        connection.execute("COMMIT")
    except Exception as error:  # noqa: BLE001  whatever failed is told to whoever asked
        roll_back(connection)
        _log.error("store.task_failed", cause=f"{type(error).__name__}: {error}")
        failure = StoreError(Code.STORE_FAILED, "the database could not be written")
        failure.__cause__ = error
        return failure
    return result
