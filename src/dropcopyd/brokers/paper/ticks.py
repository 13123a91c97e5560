"""Replay of recorded quotes or trades as a price source.

A quote is shown as it is, its bid rounded down and its ask up to a tick. A trade is shown as the quote that it could
have met: a bought one (or one above the last) at the ask, a sold one (or one below) at the bid, the other side a tick
away, its size on both; so what arrives trades at the recorded price on one side. Between two rows the market jumps.

Rows are shown at their times, at a multiple of real time; of a gap only the first five minutes are waited for. After
the last row its quote stays, shown again every second; the file does not start again.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Final

from dropcopyd.brokers.paper.market import lot_of, size_of, tick_of
from dropcopyd.brokers.paper.records import Quote, Standing, Tick, amount_of, steps_of, steps_up
from dropcopyd.brokers.paper.tables import Row, Rows, amount_in, cells_of, columns_of, time_ns_of
from dropcopyd.domain.instrument import Instrument, key_of

ROWS_MAX: Final = 500_000
"""Rows of one file, all kept in memory."""
GAP_MAX_NS: Final = 300 * 10**9
REPEAT_NS: Final = 1_000_000_000
"""How often the last quote is shown again after the end of the file."""
_SIDES: Final = {"buy": True, "b": True, "sell": False, "s": False, "": None}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the market showed at a time."""

    time_ns: int
    quote: Quote


def load_quotes(path: Path, instrument: Instrument) -> tuple[Recorded, ...]:
    """The quotes of a CSV or Parquet file: the time, `bid`, `ask`, and `bid_size`, `ask_size` where it has them.

    Times are ascending, equal ones in the file's order. Raises ValueError naming the line, OSError where the file
    cannot be read.
    """
    usual = size_of(instrument, lot_of(instrument))
    tick = tick_of(instrument)

    def quote(cells: dict[str, str]) -> Quote:
        bid, ask = amount_in("bid", cells["bid"]), amount_in("ask", cells["ask"])
        if bid >= ask:
            raise ValueError(f"ask {cells['ask']} is not above bid {cells['bid']}")
        low, high = steps_of(bid, tick), steps_up(ask, tick)
        if not low:
            raise ValueError(f"bid {cells['bid']} is below a tick")
        sizes = (_size(name, cells.get(name, ""), usual) for name in ("bid_size", "ask_size"))
        return Quote(amount_of(low, tick), amount_of(high, tick), *sizes)

    return _load(path, ("bid", "ask"), ("bid_size", "ask_size"), quote)


def load_trades(path: Path, instrument: Instrument) -> tuple[Recorded, ...]:
    """The trades of a CSV or Parquet file: the time, `price`, `size`, and `side` (`buy`, `sell`: who came) where it has
    one. As `load_quotes`."""
    tick = tick_of(instrument)
    last: list[tuple[Decimal, bool]] = []

    def quote(cells: dict[str, str]) -> Quote:
        price, size = amount_in("price", cells["price"]), amount_in("size", cells["size"])
        side = cells.get("side", "").lower()
        if side not in _SIDES:
            raise ValueError(f"side must be buy or sell, not {cells['side'][:64]!r}")
        is_bought = _SIDES[side]
        if is_bought is None:
            before, was_bought = last[0] if last else (price, True)
            is_bought = was_bought if price == before else price > before
        last[:] = [(price, is_bought)]
        ask = max(2, steps_up(price, tick)) if is_bought else max(1, steps_of(price, tick)) + 1
        return Quote(amount_of(ask - 1, tick), amount_of(ask, tick), size, size)

    return _load(path, ("price", "size"), ("side",), quote)


class TickReplay:
    """The recorded market of one instrument, at a multiple of real time, or as fast as it is asked for."""

    def __init__(self, instrument: Instrument, rows: Sequence[Recorded], speed: Fraction | None, source: str) -> None:
        """`speed` None shows every row at once. `source` is the name under which the book records the place."""
        self._instrument = instrument
        self._rows = rows
        self._speed = speed
        self._source = source
        self._index = 0
        """The next row to show; len(rows) after the end."""
        self._due_at_ns: int | None = None
        """When it is due; None until somebody says what time it is."""
        self._repeat_at_ns = 0

    @property
    def source(self) -> str:
        return self._source

    def covers(self, instrument: Instrument) -> bool:
        return key_of(instrument) == key_of(self._instrument)

    def resume(self, standings: Sequence[Standing]) -> None:
        """Go on after the recorded row; by its time where the file no longer has that one at its place."""
        for standing in standings:
            index_text, _, time_text = standing.place.partition(":")
            index, time_ns = int(index_text), int(time_text)
            is_there = index < len(self._rows) and self._rows[index].time_ns == time_ns
            by_time = bisect_left(self._rows, time_ns, key=lambda row: row.time_ns)
            self._index = index + 1 if is_there else by_time

    def due(self, active: Iterable[Instrument], now_ns: int, limit: int) -> list[Tick]:
        ticks: list[Tick] = []
        while len(ticks) < limit and self._index < len(self._rows):
            if self._due_ns(now_ns) > now_ns:
                return ticks
            ticks.append(self._advance(now_ns))
        is_over = self._index == len(self._rows) and len(ticks) < limit
        if is_over and now_ns >= self._repeat_at_ns and any(self.covers(instrument) for instrument in active):
            self._repeat_at_ns = now_ns + REPEAT_NS
            ticks.append(self._tick(len(self._rows) - 1))
        return ticks

    def next_due_ns(self, now_ns: int) -> int | None:
        return self._due_ns(now_ns) if self._index < len(self._rows) else max(self._repeat_at_ns, now_ns + 1)

    def now(self, _instrument: Instrument, _now_ns: int) -> Quote | None:
        """What was shown last: every row is shown when it is due."""

    def _advance(self, now_ns: int) -> Tick:
        tick = self._tick(self._index)
        due_ns = self._due_ns(now_ns)
        self._index += 1
        if self._index < len(self._rows):
            gap_ns = self._rows[self._index].time_ns - self._rows[self._index - 1].time_ns
            waits_ns = 0 if self._speed is None else int(Fraction(min(gap_ns, GAP_MAX_NS)) / self._speed)
            self._due_at_ns = due_ns + waits_ns
        self._repeat_at_ns = now_ns + REPEAT_NS
        return tick

    def _tick(self, index: int) -> Tick:
        row = self._rows[index]
        is_last = index == len(self._rows) - 1
        return Tick(self._instrument, row.quote, place=f"{index}:{row.time_ns}", is_mark=index == 0 or is_last)

    def _due_ns(self, now_ns: int) -> int:
        if self._due_at_ns is None:
            self._due_at_ns = now_ns
        return self._due_at_ns


def _load(
    path: Path, needed: Sequence[str], optional: Sequence[str], quote: Callable[[dict[str, str]], Quote]
) -> tuple[Recorded, ...]:
    found: list[Recorded] = []
    rows = Rows(path)
    lines = iter(rows)
    try:
        columns = columns_of(next(lines, []), needed, optional)
        for row in lines:
            found.append(_recorded(row, quote(cells_of(row, columns)), found[-1].time_ns if found else None))
            if len(found) > ROWS_MAX:
                raise ValueError(f"more than {ROWS_MAX} rows")
    except ValueError as error:
        raise ValueError(f"{path}, line {rows.line}: {error}") from error
    if not found:
        raise ValueError(f"{path}: holds no rows")
    return tuple(found)


def _recorded(row: Row, quote: Quote, previous_ns: int | None) -> Recorded:
    time_ns = time_ns_of(row[0].strip())
    if previous_ns is not None and time_ns < previous_ns:
        raise ValueError(f"time {row[0].strip()} is before the row before")
    return Recorded(time_ns, quote)


def _size(name: str, text: str, usual: Decimal) -> Decimal:
    return amount_in(name, text, is_positive=False) if text else usual
