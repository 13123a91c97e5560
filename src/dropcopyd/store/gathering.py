"""Many rows of one table by one call.

One row for each step of a statement: a statement that writes several could fail in their midst, and SQLite would keep a
copy of every page before it (measured: twice the pages written).
"""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from dropcopyd.store import rows

_Row = Sequence[Any]
STATEMENTS_MAX: Final = 512
"""Prepared statements that a connection keeps: above all updates, one for each set of columns that change together."""


def write_rows(connection: sqlite3.Connection, begin: str, found: Sequence[_Row], end: str = "") -> None:
    """`begin` VALUES a row `end`, for each row, in their order."""
    if found:
        connection.executemany(f"{begin} VALUES ({', '.join('?' * len(found[0]))}){end}", found)


def write_values(
    connection: sqlite3.Connection,
    table: str,
    found: Sequence[rows.Values],
    key: tuple[str, ...] = (),
    fixed: frozenset[str] = frozenset(),
) -> None:
    """Insert rows of the same named columns; with a `key`, rows that are there are updated in place, but for the
    `fixed` columns."""
    if found:
        begin, end = rows.upsert_parts(table, tuple(found[0]), key, fixed)
        write_rows(connection, begin, [tuple(values.values()) for values in found], end)


def update_rows(
    connection: sqlite3.Connection, table: str, key: tuple[str, ...], columns: Mapping[str, str], found: Sequence[_Row]
) -> int:
    """Update rows by their keys, which come last in each of `found`, behind the figures in the order of `columns`:
    column -> what becomes of it. How many rows were there."""
    if not found:
        return 0
    return connection.executemany(_update_sql(table, key, tuple(columns.items())), found).rowcount


@lru_cache(STATEMENTS_MAX)
def _update_sql(table: str, key: tuple[str, ...], columns: tuple[tuple[str, str], ...]) -> str:
    changes = ", ".join(f"{name} = {change}" for name, change in columns)
    return f"UPDATE {table} SET {changes} WHERE {' AND '.join(f'{name} = ?' for name in key)}"  # noqa: S608  ours
