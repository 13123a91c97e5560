"""Checkpoints of the write-ahead log beside its writer: a thread with a connection of its own carries what is committed
into the database's file, so that no commit waits for it.

SQLite begins the log anew when all of it has been carried over and nobody reads in it. Beside a busy writer a thread
never gets that far; so that the log does not grow, its writer carries over the rest itself, between two commits,
whenever it has become long: little is left by then.
"""

import sqlite3
import threading
from pathlib import Path
from typing import Final, Self

import structlog

from dropcopyd.store.migrate import connect

_log = structlog.get_logger()
COMMITS: Final = 40
"""Between two checkpoints of the thread."""
LONG_PAGES: Final = 3_000
_CACHE_BYTES: Final = 1 << 20


class Checkpoints:
    """Of one writer, on its `connection`. `committed` is to be called behind each of its commits, in its thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._beside = connect(path, cache_bytes=_CACHE_BYTES)
        self._commits = 0
        self._pages = 0
        """Of the log, when they were counted last."""
        self._long_pages = LONG_PAGES
        self._is_due = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="dropcopy-checkpoints", daemon=True)

    def __enter__(self) -> Self:
        self._connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """What the log still holds is carried over by whoever closes the database last, or opens it next."""
        self._is_over = True
        self._is_due.set()
        self._thread.join()
        self._beside.close()

    def committed(self) -> None:
        """Carry over what the thread has left, if the log is long; wake the thread, if it is due."""
        if self._pages >= self._long_pages:
            self._pages, carried = checkpoint(self._connection)
            # a log that a reader holds is left to grow for a while
            self._long_pages = LONG_PAGES if carried == self._pages else self._pages + LONG_PAGES
            if carried == self._pages:
                self._pages = 0  # the next commit begins the log anew
        self._commits += 1
        if self._commits >= COMMITS:
            self._commits = 0
            self._is_due.set()

    def _run(self) -> None:
        while True:
            self._is_due.wait()
            self._is_due.clear()
            if self._is_over:
                return
            self._pages, _ = checkpoint(self._beside)


def checkpoint(connection: sqlite3.Connection) -> tuple[int, int]:
    """Carry over what nobody still reads the older state of. Pages in the log, and how many of them are carried over.

    (0, 0) when it failed: whatever is in the log is committed all the same, and the next one tries again.
    """
    try:
        _, pages, carried = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.Error as error:
        _log.warning("store.checkpoint_failed", cause=f"{type(error).__name__}: {error}")
        return 0, 0
    return max(pages, 0), max(carried, 0)
