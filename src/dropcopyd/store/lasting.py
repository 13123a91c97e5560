"""The rows of one table as its writer wrote them last: written again, only what has changed is, and once for a
transaction.

An order's row is decided some six times and most of it, its indexes above all, stays as it was. The writer is the only
one that writes these tables; what it does not remember is written whole.
"""

import sqlite3
from typing import Any, Final

from dropcopyd.store import rows
from dropcopyd.store.gathering import update_rows, write_values

_ROWS_MAX: Final = 4_096
_NOTHING: Final[frozenset[str]] = frozenset()
_Place = tuple[Any, ...]


class LastRows:
    """Of one connection and one table. Rows reach the table with `flush`. `clear` after a rollback."""

    def __init__(self, connection: sqlite3.Connection, table: str, key: tuple[str, ...]) -> None:
        self._connection = connection
        self._table = table
        self._key = key
        self._rows: dict[_Place, rows.Values] = {}
        self._whole: dict[_Place, frozenset[str]] = {}
        """Rows to write whole, with their fixed columns."""
        self._changed: dict[_Place, tuple[frozenset[str], set[str]]] = {}
        """Rows to update: (fixed columns, changed ones)."""

    def known(self, place: _Place) -> rows.Values | None:
        """The row with that key as it was written last, if it is remembered."""
        return self._rows.get(place)

    def write(self, values: rows.Values, fixed: frozenset[str] = _NOTHING) -> None:
        """Insert the row, or update it in place but for the `fixed` columns."""
        place = tuple([values[name] for name in self._key])
        before = self._rows.pop(place, None)
        if before is None:
            self._whole[place] = fixed
        elif place in self._whole:
            values = {**values, **{name: before[name] for name in fixed}}
        else:
            changed = [name for name, value in values.items() if before[name] != value and name not in fixed]
            if changed:
                self._changed.setdefault(place, (fixed, set()))[1].update(changed)
        self._rows[place] = values

    def flush(self) -> None:
        """Write what was decided since the last time."""
        whole: dict[frozenset[str], list[rows.Values]] = {}
        for place, fixed in self._whole.items():
            whole.setdefault(fixed, []).append(self._rows[place])
        for fixed, found in whole.items():
            write_values(self._connection, self._table, found, self._key, fixed)
        self._update()
        self._whole.clear()
        self._changed.clear()
        while len(self._rows) > _ROWS_MAX:
            del self._rows[next(iter(self._rows))]

    def _update(self) -> None:
        """Write what has changed, alike rows together; whole where a row is not there."""
        alike: dict[tuple[frozenset[str], tuple[str, ...]], list[_Place]] = {}
        for place, (fixed, changed) in self._changed.items():
            columns = tuple([name for name in self._rows[place] if name in changed])
            alike.setdefault((fixed, columns), []).append(place)
        for (fixed, columns), places in alike.items():
            found = [self._rows[place] for place in places]
            fresh = [(*[values[name] for name in columns], *place) for place, values in zip(places, found, strict=True)]
            if update_rows(self._connection, self._table, self._key, dict.fromkeys(columns, "?"), fresh) != len(fresh):
                write_values(self._connection, self._table, found, self._key, fixed)

    def clear(self) -> None:
        """Forget everything."""
        self._rows.clear()
        self._whole.clear()
        self._changed.clear()
