"""Reading: a few threads with a read-only connection each, and the instruments that rows name."""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from dropcopyd.domain import catalogue
from dropcopyd.domain.instrument import Instrument, InstrumentKey
from dropcopyd.errors import Code, StoreError
from dropcopyd.store import migrate, rows

_READERS: Final = 2
_Result = TypeVar("_Result")
Query = Callable[[sqlite3.Connection], _Result]


class Reader:
    """Runs queries beside the writer; each sees committed data of one instant."""

    def __init__(self, path: Path, cache_bytes: int) -> None:
        self._path = path
        self._cache_bytes = cache_bytes
        self._local = threading.local()
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="dropcopy-reader")
        self._connections: list[sqlite3.Connection] = []
        self._instruments: dict[InstrumentKey, Instrument] = {}

    async def read(self, query: Query[_Result]) -> _Result:
        """The query's result, from one read transaction. Raises StoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, query)

    def close(self) -> None:
        """Wait for the running queries and let the file go."""
        self._threads.shutdown()
        for connection in self._connections:
            connection.close()

    def instruments_by(self, connection: sqlite3.Connection) -> rows.Instruments:
        """Instruments by key; one that another process imported meanwhile is read now. Terms never change."""

        def find(key: InstrumentKey) -> Instrument:
            known = self._instruments.get(key)
            if known is None:
                (definition,) = connection.execute(
                    "SELECT definition FROM instruments WHERE asset_class = ? AND symbol = ?", (key[0].value, key[1])
                ).fetchone()
                known = self._instruments[key] = catalogue.instrument_of(json.loads(definition))
            return known

        return find

    def _run(self, query: Query[_Result]) -> _Result:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = migrate.connect(self._path, is_reader=True, cache_bytes=self._cache_bytes)
            connection.row_factory = sqlite3.Row
            self._local.connection = connection
            self._connections.append(connection)
        try:
            connection.execute("BEGIN")
            try:
                return query(connection)
            finally:
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(Code.STORE_FAILED, "the journal could not be read") from error
