"""The book's one writer: a thread that commits decisions in order, as many at a time as are waiting."""

import asyncio
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from dropcopyd.brokers.paper.codec import apply
from dropcopyd.brokers.paper.records import Decision
from dropcopyd.domain.instrument import InstrumentKey
from dropcopyd.errors import Code, StoreError

GROUP_MAX: Final = 256
"""Decisions in one transaction."""
PENDING_MAX: Final = 2_000
"""Decisions that may wait for their commit before whoever makes more must wait."""

OnCommitted = Callable[[Decision], None]


@dataclass(frozen=True, slots=True)
class _Entry:
    decision: Decision
    done: asyncio.Future[None]


def merged(decisions: Iterable[Decision]) -> Iterator[Decision]:
    """The same changes in as few decisions as go: rows that are written again are written once."""
    whole = Decision()
    for decision in decisions:
        if decision.released and whole.standings:  # what is released goes before what stands, within a decision
            yield whole
            whole = Decision()
        whole.merge(decision)
    yield whole


class Writer:
    """Commits decisions in the order of `write`; announces each in the event loop, in that order, once it is durable.

    A failed commit is final: everything that waits fails with the same StoreError, and so does every later write. The
    exchange is then ahead of its book and must not go on.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._pending: deque[_Entry] = deque()
        self._instruments: set[InstrumentKey] = set()
        """Written by this writer; after a failure it writes no more."""
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="paper-book-writer", daemon=True)
        self._on_committed: OnCommitted = lambda _decision: None
        self._on_failed: Callable[[StoreError], None] = lambda _failure: None
        self.failure: StoreError | None = None
        self.committed_count = 0
        """How many decisions are durable: the serial number of the last one."""
        self.written_count = 0
        self._told_count = 0

    @property
    def has_work(self) -> bool:
        """Whether the thread has decisions that it has not told the loop about yet."""
        return self.failure is None and self._told_count != self.written_count

    def listen(self, on_committed: OnCommitted, on_failed: Callable[[StoreError], None]) -> None:
        """Whom to tell, in the event loop: of each durable decision, and of the failure that ends it all."""
        self._on_committed, self._on_failed = on_committed, on_failed

    def write(self, decision: Decision) -> asyncio.Future[None]:
        """Queue a decision now; await the result through `asyncio.shield`. Raises StoreError after a failure."""
        if self.failure is not None:
            raise self.failure
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._thread.start()
        entry = _Entry(decision, self._loop.create_future())
        self._pending.append(entry)
        self.written_count += 1
        if len(self._pending) >= PENDING_MAX:
            self._has_room.clear()
        self._queue.put(entry)
        return entry.done

    async def room(self) -> None:
        """Wait until the next decision may be made. Raises StoreError after a failure."""
        while self.failure is None and len(self._pending) >= PENDING_MAX:
            await self._has_room.wait()
        if self.failure is not None:
            raise self.failure

    async def drained(self) -> None:
        """Wait until everything written so far is durable. Raises StoreError if it will not be."""
        if self._pending:
            await asyncio.shield(self._pending[-1].done)
        if self.failure is not None:
            raise self.failure

    async def close(self) -> None:
        """Commit what waits, end the thread, close the connection."""
        self._queue.put(None)
        if self._loop is not None:
            await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def abandon(self) -> None:
        """Close the connection of a writer that never wrote."""
        if self._loop is None:
            self._connection.close()

    # --- on the writer's thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        is_open = True
        while is_open:
            group, is_open = self._take()
            failure = self._commit(group) if group else None
            if group and not self._tell(group, failure):
                return
            if failure is not None:
                return

    def _take(self) -> tuple[list[_Entry], bool]:
        """The next group, at least one entry unless closing; and whether to go on after it."""
        entry = self._queue.get()
        group: list[_Entry] = []
        while entry is not None:
            group.append(entry)
            if len(group) == GROUP_MAX or self._queue.empty():
                return group, True
            entry = self._queue.get()
        return group, False

    def _commit(self, group: list[_Entry]) -> StoreError | None:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for decision in merged([entry.decision for entry in group]):
                apply(connection, decision, self._instruments)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever stops the writer must reach those who wait for it
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            failure = StoreError(Code.STORE_FAILED, f"the paper broker's book could not be written: {error}")
            failure.__cause__ = error
            return failure
        return None

    def _tell(self, group: list[_Entry], failure: StoreError | None) -> bool:
        """False when the loop is gone and nobody is left to be told."""
        assert self._loop is not None  # noqa: S101 - the thread starts with it
        try:
            self._loop.call_soon_threadsafe(self._finish, group, failure)
            self._told_count += len(group)
        except RuntimeError:
            return False
        return True

    # --- in the event loop ----------------------------------------------------------------------------------------

    def _finish(self, group: list[_Entry], failure: StoreError | None) -> None:
        if failure is not None:
            self._fail(failure)
            return
        for entry in group:
            self._pending.popleft()
            self.committed_count += 1
            self._on_committed(entry.decision)
            entry.done.set_result(None)
        if len(self._pending) < PENDING_MAX:
            self._has_room.set()

    def _fail(self, failure: StoreError) -> None:
        self.failure = failure
        for entry in self._pending:
            entry.done.set_exception(failure)
            entry.done.exception()  # seen: those who do not wait are told by on_failed
        self._pending.clear()
        self._has_room.set()
        self._on_failed(failure)
