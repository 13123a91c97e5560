"""The rows of one table as its writer wrote them last: written again, only what has changed is.

An order's row is written some six times and most of it, its indexes above all, stays as it was. The writer is the only
one that writes these tables; what it does not remember is written whole.
"""

import sqlite3
from functools import lru_cache
from typing import Any, Final

from dropcopyd.store import rows

_ROWS_MAX: Final = 4_096
_NOTHING: Final[frozenset[str]] = frozenset()


class LastRows:
    """Of one connection and one table. `clear` after a rollback."""

    def __init__(self, connection: sqlite3.Connection, table: str, key: tuple[str, ...]) -> None:
        self._connection = connection
        self._table = table
        self._key = key
        self._rows: dict[tuple[Any, ...], rows.Values] = {}

    def known(self, place: tuple[Any, ...]) -> rows.Values | None:
        """The row with that key as it was written last, if it is remembered."""
        return self._rows.get(place)

    def write(self, values: rows.Values, fixed: frozenset[str] = _NOTHING) -> None:
        """Insert the row, or update it in place but for the `fixed` columns."""
        place = tuple([values[name] for name in self._key])
        before = self._rows.pop(place, None)
        if before is None or not self._update(place, before, values, fixed):
            self._connection.execute(rows.upsert_sql(self._table, tuple(values), self._key, fixed), values)
            if len(self._rows) >= _ROWS_MAX:
                del self._rows[next(iter(self._rows))]
        self._rows[place] = values

    def _update(self, place: tuple[Any, ...], before: rows.Values, values: rows.Values, fixed: frozenset[str]) -> bool:
        """Write what has changed; False when the row is not there."""
        changed = [name for name, value in values.items() if before[name] != value and name not in fixed]
        if not changed:
            return True
        statement = _update_sql(self._table, tuple(changed), self._key)
        return self._connection.execute(statement, [*[values[name] for name in changed], *place]).rowcount == 1

    def clear(self) -> None:
        """Forget everything."""
        self._rows.clear()


@lru_cache(256)
def _update_sql(table: str, columns: tuple[str, ...], key: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = ?" for name in columns)
    return f"UPDATE {table} SET {changes} WHERE {' AND '.join(f'{name} = ?' for name in key)}"  # noqa: S608
