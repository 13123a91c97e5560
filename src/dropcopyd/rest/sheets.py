"""Exports as bytes: CSV as rows come, Parquet in groups of rows. Neither holds more than a group."""

import asyncio
import base64
import csv
import io
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, Protocol

from dropcopyd.errors import Code, DropcopyError
from dropcopyd.rest.columns import Column, Kind, Row
from dropcopyd.rest.times import parse_time

GROUP_ROWS: Final = 5_000
"""Rows of a Parquet row group."""


class Form(StrEnum):
    """What a file may be."""

    CSV = "csv"
    PARQUET = "parquet"


MEDIA_TYPES: Final = {Form.CSV: "text/csv; charset=utf-8", Form.PARQUET: "application/vnd.apache.parquet"}


class Writer(Protocol):
    """Rows in, bytes out."""

    def add(self, row: Row) -> None: ...

    async def ready(self, *, is_last: bool = False) -> bytes:
        """What may go out now; with the last call, the file's end."""


async def writer_of(form: Form, columns: Sequence[Column]) -> Writer:
    """A new file. Raises DropcopyError(NOT_SUPPORTED) for Parquet where its library is missing."""
    if form is Form.CSV:
        return _Csv(columns)
    arrow, parquet = await asyncio.to_thread(_libraries)  # the first import takes long
    return _Parquet(columns, arrow, parquet)


_FORMULA: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20'")
"""What a spreadsheet may take for a formula where a cell begins with it (full-width, too), and the mark against it."""


def guarded(text: str) -> str:
    """Free text as a cell that no spreadsheet computes: with an apostrophe before it where it could be a formula.

    A reference such as `=HYPERLINK(..)` comes from whoever sends orders and is opened by whoever does the books. Text
    that begins with an apostrophe gets another one, so that taking one away gives what it was, always.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


class _Csv:
    """RFC 4180: CRLF, quoted where needed; null is an empty field, bytes are base64, free text is guarded."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._is_free = [column.is_free for column in columns]
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)
        self._writer.writerow([column.name for column in columns])

    def add(self, row: Row) -> None:
        self._writer.writerow(map(_cell, row, self._is_free))

    async def ready(self, *, is_last: bool = False) -> bytes:  # noqa: ARG002  a text has no end of its own
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text.encode()


def _cell(value: Any, is_free: bool) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return guarded(value) if is_free and isinstance(value, str) else value


def _libraries() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DropcopyError(
            Code.NOT_SUPPORTED, "this gateway was installed without Parquet (dropcopyd[parquet]); CSV is there"
        ) from error
    return pyarrow, parquet


class _Parquet:
    """Times are UTC timestamps in nanoseconds; groups are made in a thread of their own."""

    def __init__(self, columns: Sequence[Column], arrow: Any, parquet: Any) -> None:
        types = {
            Kind.TEXT: arrow.string(),
            Kind.INTEGER: arrow.int64(),
            Kind.TIME: arrow.timestamp("ns", tz="UTC"),
            Kind.BYTES: arrow.binary(),
        }
        self._arrow = arrow
        self._schema = arrow.schema([(column.name, types[column.kind]) for column in columns])
        self._times = [column.kind is Kind.TIME for column in columns]
        self._rows: list[Row] = []
        self._sink = _Sink()
        self._writer = parquet.ParquetWriter(self._sink, self._schema)

    def add(self, row: Row) -> None:
        self._rows.append(row)

    async def ready(self, *, is_last: bool = False) -> bytes:
        if self._rows and (is_last or len(self._rows) >= GROUP_ROWS):
            await asyncio.to_thread(self._write_group)
        if is_last:
            self._writer.close()
        return self._sink.taken()

    def _write_group(self) -> None:
        columns = [
            [None if one is None else parse_time(one) for one in values] if is_time else list(values)
            for values, is_time in zip(zip(*self._rows, strict=True), self._times, strict=True)
        ]
        arrays = [
            self._arrow.array(values, type=field.type) for values, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._rows.clear()


class _Sink(io.RawIOBase):
    """A file that is only written, and whose bytes are taken away."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._at += len(part)
        return len(part)

    def taken(self) -> bytes:
        """What was written since the last call."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data
