"""Rows of a price file as texts, the time first: CSV with a header, or Parquet.

Parquet needs pyarrow (the extra `parquet`), which is loaded when such a file is read. Its columns may be text,
decimals, whole numbers, floats (by their shortest decimal) and timestamps (in UTC where they have no zone). The time
is the column that is called so (`time`, `timestamp`, `date`, `datetime`, or an unnamed index), else the first one.
"""

import csv
import importlib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from dropcopyd.domain import money

PARQUET_SUFFIXES: Final = (".parquet", ".pq")
NEEDS_PYARROW: Final = "a Parquet file needs pyarrow: pip install 'dropcopyd[parquet]'"
_TIMES: Final = ("time", "timestamp", "date", "datetime", "__index_level_0__")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH_ROWS: Final = 10_000
Row = Sequence[str]


class Rows:
    """The rows of a file, the header first, empty ones left out. `line` is where the last one was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.line = 1

    def __iter__(self) -> Iterator[Row]:
        """Raises ValueError for what is no such file, OSError where it cannot be read."""
        is_parquet = self._path.suffix.lower() in PARQUET_SUFFIXES
        return self._parquet() if is_parquet else self._csv()

    def _csv(self) -> Iterator[Row]:
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            try:
                for row in reader:
                    self.line = max(1, reader.line_num)
                    if row or self.line == 1:
                        yield row
            except csv.Error as error:
                self.line = max(1, reader.line_num)
                raise ValueError(str(error)) from error

    def _parquet(self) -> Iterator[Row]:
        try:
            arrow: Any = importlib.import_module("pyarrow")
            parquet: Any = importlib.import_module("pyarrow.parquet")
        except ImportError as error:
            raise ValueError(NEEDS_PYARROW) from error
        if not self._path.is_file():
            raise FileNotFoundError(2, "there is no such file", str(self._path))
        try:
            with parquet.ParquetFile(self._path) as file:
                yield from self._batches(arrow, file)
        except arrow.ArrowException as error:
            raise ValueError(f"not a Parquet file that can be read: {error}") from error

    def _batches(self, arrow: Any, file: Any) -> Iterator[Row]:
        names = [str(name) for name in file.schema_arrow.names]
        place = next((number for number, name in enumerate(names) if name.strip().lower() in _TIMES), 0)
        order = [place, *(number for number in range(len(names)) if number != place)]
        yield [names[number] for number in order]
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            columns = [_micros(arrow, batch.column(number)).to_pylist() for number in order]
            for cells in zip(*columns, strict=True):
                self.line += 1
                yield [_text(cell) for cell in cells]


def time_ns_of(text: str) -> int:
    """A date or date-time, without an offset in UTC. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"not a date or date-time: {text[:64]!r}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def amount_in(name: str, text: str, *, is_positive: bool = True) -> Decimal:
    """An amount above zero, or not below it. Raises ValueError that names the column."""
    try:
        amount = money.parse(text)
    except ValueError as error:
        raise ValueError(f"{name} is {error}") from error
    if amount < 0 or (is_positive and not amount):
        raise ValueError(f"{name} must {'be above' if is_positive else 'not be below'} zero, not {text}")
    return amount


def columns_of(header: Row, needed: Sequence[str], optional: Sequence[str]) -> dict[str, int]:
    """Where each named column is, in any case and order, after the time. Raises ValueError."""
    columns: dict[str, int] = {}
    for place, title in enumerate(header[1:], start=1):
        name = title.strip().lower()
        if name in columns and name in (*needed, *optional):
            raise ValueError(f"the header names {name} twice")
        columns[name] = place
    missing = [name for name in needed if name not in columns]
    if missing:
        raise ValueError(f"the header lacks {', '.join(missing)}; needed: {', '.join(('time', *needed, *optional))}")
    return columns


def cells_of(row: Row, columns: dict[str, int]) -> dict[str, str]:
    """The cells by column; what a short row lacks is empty."""
    return {name: row[place].strip() if place < len(row) else "" for name, place in columns.items()}


def _micros(arrow: Any, column: Any) -> Any:
    """Timestamps by the microsecond, as far as times go here; any other column as it is."""
    if not arrow.types.is_timestamp(column.type):
        return column
    return column.cast(arrow.timestamp("us", column.type.tz), safe=False)


def _text(cell: Any) -> str:
    """A value as it would stand in a CSV file. A float is its shortest decimal; what is none is empty."""
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, float):
        return money.render(Decimal(repr(cell)))
    if isinstance(cell, Decimal):
        return money.render(cell)
    return cell.isoformat() if isinstance(cell, datetime | date) else str(cell)
