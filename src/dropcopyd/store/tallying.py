"""Tallies as they are kept: what a commit adds is written beside the sums, and taken into them when there is more.

A sum is a row of thousands of characters and changes with nearly every commit, twice (its hour's and its day's). So a
commit writes only what it adds; of the place (an account's hour, strategy and instrument) whose turn it is, everything
added since the last time goes into both sums at once.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from pydantic_core import to_json

from dropcopyd.domain import money
from dropcopyd.domain.tally import Dimension, Gain, Tally
from dropcopyd.store.gathering import write_rows

HOUR_NS: Final = 3_600_000_000_000
DAY_HOURS: Final = 24
GAINS_MAX: Final = 1_024
"""So many rows wait to be taken into the sums; whoever reads figures reads them too."""
_REMEMBERED_MAX: Final = 4_096
_COLUMNS: Final = "number, account, hour, strategy_id, asset_class, symbol, counts, amounts"
_Place = tuple[int, int, Dimension]
"""(account, hour since 1970, what of)"""
_Key = tuple[int, str, int, str, str, str]
"""Of a sum's row."""


@dataclass(slots=True)
class _Waiting:
    """What was added to a place and is not in its sums yet, and the numbers of the rows that say so."""

    tally: Tally = field(default_factory=Tally)
    numbers: list[int] = field(default_factory=list)


class Tallies:
    """Of one writer, on its connection and in its transactions. `discard` after a rollback."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._added: dict[_Place, Tally] = {}
        """Within this transaction."""
        self._waiting: dict[_Place, _Waiting] | None = None
        """The place that has waited longest comes first. None: to be read from the table."""
        self._rows_count = self._last_number = 0
        self._sums: dict[_Key, _Sum] = {}
        """As they were written last."""

    def add(self, account: int, at_ns: int, gain: Gain) -> None:
        """Written by `flush`."""
        for dimension, tally in gain.tallies.items():
            if not tally.counts and not tally.amounts:
                continue
            self._added.setdefault((account, at_ns // HOUR_NS, dimension), Tally()).add(tally)

    def flush(self) -> None:
        """Write what the transaction adds, one row a place; take into the sums what has waited longest."""
        if not self._added:
            return
        waiting = self._waiting
        if waiting is None:
            waiting = self._waiting = self._load()
        found: list[tuple[Any, ...]] = []
        for place, tally in self._added.items():
            account, hour, of = place
            self._last_number += 1
            of_place = waiting.setdefault(place, _Waiting())
            of_place.tally.add(tally)
            of_place.numbers.append(self._last_number)
            texts = (_encode(tally.counts), _amounts_text(tally))
            found.append((self._last_number, account, hour, of.strategy_id, of.asset_class, of.symbol, *texts))
        write_rows(self._connection, "INSERT INTO gains", found)
        self._rows_count += len(found)
        self._added.clear()
        while self._rows_count > GAINS_MAX:
            place = next(iter(waiting))
            self._take(place, waiting.pop(place))

    def discard(self) -> None:
        """Forget everything."""
        self._added.clear()
        self._waiting = None
        self._sums.clear()

    def settle(self) -> None:
        """Take all that waits into the sums."""
        waiting, self._waiting = self._load(), {}
        for place, of_place in waiting.items():
            self._take(place, of_place)

    def _load(self) -> dict[_Place, _Waiting]:
        waiting: dict[_Place, _Waiting] = {}
        self._rows_count = self._last_number = 0
        found = self._connection.execute(f"SELECT {_COLUMNS} FROM gains ORDER BY number").fetchall()  # noqa: S608  ours
        for (number, account, hour, *of, _, _), gained in zip(found, _gained(found), strict=True):
            of_place = waiting.setdefault((account, hour, Dimension(*of)), _Waiting())
            gained.into(of_place.tally)
            of_place.numbers.append(number)
            self._rows_count, self._last_number = self._rows_count + 1, number
        return waiting

    def _take(self, place: _Place, of_place: _Waiting) -> None:
        """Into the sums of the place's hour and day."""
        account, hour, of = place
        found: list[tuple[Any, ...]] = []
        for grain, period in (("H", hour), ("D", hour // DAY_HOURS)):
            key = (account, grain, period, of.strategy_id, of.asset_class, of.symbol)
            total = self._sums.pop(key, None) or self._sum(key)
            total.add(of_place.tally)
            found.append((*key, total.counts, total.amounts))
            if len(self._sums) >= _REMEMBERED_MAX:
                del self._sums[next(iter(self._sums))]
            self._sums[key] = total
        write_rows(self._connection, "INSERT OR REPLACE INTO tallies", found)
        numbers = [(number,) for number in of_place.numbers]
        self._connection.executemany("DELETE FROM gains WHERE number = ?", numbers)
        self._rows_count -= len(numbers)

    def _sum(self, key: _Key) -> "_Sum":
        row = self._connection.execute(
            "SELECT counts, amounts FROM tallies WHERE account = ? AND grain = ? AND period = ?"
            " AND strategy_id = ? AND asset_class = ? AND symbol = ?",
            key,
        ).fetchone()
        return _Sum(Tally() if row is None else tally_of(*row))


class _Sum:
    """A sum with its texts as they are written. Amounts change seldom: most of what is counted are legs."""

    __slots__ = ("_tally", "amounts")

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.amounts = _amounts_text(tally)

    @property
    def counts(self) -> str:
        return _encode(self._tally.counts)

    def add(self, gained: Tally) -> None:
        """Take more in."""
        self._tally.add(gained)
        if gained.amounts:
            self.amounts = _amounts_text(self._tally)


def tally_of(counts: str, amounts: str) -> Tally:
    """The tally of a row."""
    tally = Tally({name: Decimal(amount) for name, amount in json.loads(amounts).items()})
    tally.counts.update(json.loads(counts))
    return tally


def gains_of(connection: sqlite3.Connection, account: int) -> dict[tuple[int, Dimension], Tally]:
    """What an account's sums lack yet, by the hour since 1970 and what it is of."""
    found = connection.execute(f"SELECT {_COLUMNS} FROM gains WHERE account = ?", (account,)).fetchall()  # noqa: S608
    gains: dict[tuple[int, Dimension], Tally] = {}
    for (_, _, hour, *of, _, _), gained in zip(found, _gained(found), strict=True):
        gained.into(gains.setdefault((hour, Dimension(*of)), Tally()))
    return gains


class _Gained(NamedTuple):
    """A row of gains as it was written."""

    counts: dict[str, int]
    amounts: dict[str, str]

    def into(self, tally: Tally) -> None:
        counts = tally.counts
        for name, count in self.counts.items():
            before_count = counts.get(name, 0)
            counts[name] = before_count + count
        for name, amount in self.amounts.items():
            tally.sum(name, Decimal(amount))


def _gained(found: Sequence[tuple[Any, ...]]) -> Iterator[_Gained]:
    """Of rows of `_COLUMNS`, all their texts read at once: there may be thousands of them, of a few characters each."""
    counts = json.loads(f"[{','.join([row[-2] for row in found])}]")
    amounts = json.loads(f"[{','.join([row[-1] for row in found])}]")
    return map(_Gained, counts, amounts)


def _encode(value: object) -> str:
    """As JSON: a third of the standard library's time for the counts of an hour."""
    return to_json(value).decode()


def _amounts_text(tally: Tally) -> str:
    return _encode({name: money.render(amount) for name, amount in tally.amounts.items()})
