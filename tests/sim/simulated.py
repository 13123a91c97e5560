"""Simulated time and no threads: an event loop whose clock jumps to the next thing due, and stores that write at once.

Everything that a run does is then a function of its seed: the order of every callback, and every byte of the journal.
"""

import asyncio
import queue
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from dropcopyd.brokers.paper import Book
from dropcopyd.store.sqlite import SqliteStore
from dropcopyd.store.writer import Entry

_NS = 1_000_000_000


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Nobody waits: when nothing is ready, the time of the next timer has come. It is the `Clock` port, too."""

    def __init__(self, start_ns: int) -> None:
        super().__init__()
        self._start_ns = start_ns
        self._elapsed_s = 0.0

    def time(self) -> float:
        return self._elapsed_s

    def now_ns(self) -> int:
        return self._start_ns + round(self._elapsed_s * _NS)

    def monotonic_ns(self) -> int:
        return self.now_ns()

    def _run_once(self) -> None:
        inside: Any = self
        if not inside._ready and inside._scheduled:
            self._elapsed_s = max(self._elapsed_s, inside._scheduled[0]._when)
        inside_run: Callable[[], None] = super()._run_once  # type: ignore[misc]
        inside_run()


class Inline(Executor):
    """Does the work where it is asked for."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


class _Soon:
    """A writer's queue that is written at the end of the loop's turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop, write: Callable[[Any], None]) -> None:
        self._loop = loop
        self._write = write

    def put(self, entry: Any) -> None:
        if entry is not None:
            self._loop.call_soon(self._write, entry)


class _Nobody:
    def join(self) -> None:
        """There is no thread to wait for."""


def inline_store(store: SqliteStore) -> None:
    """Make a journal write and read in the event loop's thread."""
    writer: Any = store._writer

    def write(entry: Any) -> None:
        if isinstance(entry, Entry):
            writer._write_all([entry])
        else:
            writer._readmit(entry)

    old: queue.SimpleQueue[Any] = writer._queue
    writer._queue = _Soon(asyncio.get_running_loop(), write)
    old.put(None)
    writer._thread.join()
    reader: Any = store._reader
    reader._threads = Inline()


def inline_book(book: Book) -> None:
    """The same for the paper broker's book."""
    writer: Any = book.writer

    def write(entry: Any) -> None:
        writer._tell([entry], writer._commit([entry]))

    writer._loop = asyncio.get_running_loop()
    writer._queue = _Soon(writer._loop, write)
    writer._thread = _Nobody()
    inside: Any = book
    inside._reader = Inline()
