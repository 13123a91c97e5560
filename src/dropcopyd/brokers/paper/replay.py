"""Replay of a file of bars as a price source.

A bar is played as a path: open, the nearer extreme, the other extreme, close (both equally near: the one away from
the close first), with quotes between, so that every price inside is passed in order. The market moves through all
prices of a bar and jumps from one bar to the next. The spread is one tick and lies inside the bar's range, so nothing
trades at a price that the bar did not have; a bar narrower than a tick gets the spread of one.

A bar's volume is shown in equal parts by its quotes, but never less than a tenth of the class's usual size. A bar
lasts until the next one; a gap of more than two usual intervals (a night, a weekend) is not waited for. After the
last bar its last quote stays, shown again every second, so that orders can still trade there; the file does not
start again.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median_low
from typing import Final

from dropcopyd.brokers.paper.market import lot_of, size_of, tick_of
from dropcopyd.brokers.paper.records import Quote, Standing, Tick, amount_of, steps_of, steps_up
from dropcopyd.brokers.paper.tables import Row, Rows, amount_in, cells_of, columns_of, time_ns_of
from dropcopyd.domain import money
from dropcopyd.domain.instrument import Instrument, key_of

BARS_MAX: Final = 500_000
"""Bars of one file, all kept in memory."""
LEG_QUOTES: Final = 4
"""Quotes on each of the three legs of a bar's path."""
BAR_QUOTES: Final = 1 + 3 * LEG_QUOTES
REPEAT_NS: Final = 1_000_000_000
"""How often the last quote is shown again after the end of the file."""

_ONE_MINUTE_NS = 60 * 10**9
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; `time_ns` is when it began. The volume is 0 where the file has none."""

    time_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


def load_bars(path: Path) -> tuple[Bar, ...]:
    """The bars of a CSV file with a header, or of a Parquet file: the time first, then open, high, low, close, volume
    in any order and case.

    Times are dates or date-times, without an offset in UTC, strictly ascending. Other columns are ignored. Raises
    ValueError naming the line for anything that cannot be, OSError where the file cannot be read.
    """
    bars: list[Bar] = []
    rows = Rows(path)
    lines = iter(rows)
    try:
        columns = columns_of(next(lines, []), _PRICES, ("volume",))
        for row in lines:
            bars.append(_bar(row, columns, bars[-1].time_ns if bars else None))
            if len(bars) > BARS_MAX:
                raise ValueError(f"more than {BARS_MAX} bars")
    except ValueError as error:
        raise ValueError(f"{path}, line {rows.line}: {error}") from error
    if not bars:
        raise ValueError(f"{path}: holds no bars")
    return tuple(bars)


class Replay:
    """The bars of one instrument, played at a multiple of real time, or as fast as they are asked for."""

    def __init__(self, instrument: Instrument, bars: Sequence[Bar], speed: Fraction | None, name: str) -> None:
        """`speed` None plays every quote at once. `name` is the file's, under which the book records the place."""
        self._instrument = instrument
        self._bars = bars
        self._speed = speed
        self._name = name
        self._usual_ns = _usual_interval_ns(bars)
        self._index, self._step = 0, 0
        """The next quote to show; index == len(bars) after the end."""
        self._bar_began_ns: int | None = None
        """When the current bar's first quote was due; None until somebody says what time it is."""
        self._path = path_of(instrument, bars[0])
        self._last: Tick | None = None
        self._repeat_at_ns = 0

    @property
    def source(self) -> str:
        return f"csv:{self._name}"

    def covers(self, instrument: Instrument) -> bool:
        return key_of(instrument) == key_of(self._instrument)

    def resume(self, standings: Sequence[Standing]) -> None:
        """Go on after the recorded quote; at the next bar where the file no longer has that one."""
        for standing in standings:
            time_text, _, step_text = standing.place.partition(":")
            time_ns, step = int(time_text), int(step_text)
            index = bisect_left(self._bars, time_ns, key=lambda bar: bar.time_ns)
            is_there = index < len(self._bars) and self._bars[index].time_ns == time_ns
            self._go_to(index, step + 1 if is_there else 0)
            self._last = Tick(self._instrument, standing.quote, place=standing.place)

    def due(self, active: Iterable[Instrument], now_ns: int, limit: int) -> list[Tick]:
        ticks: list[Tick] = []
        while len(ticks) < limit and self._index < len(self._bars):
            if self._due_ns(now_ns) > now_ns:
                return ticks
            ticks.append(self._advance(now_ns))
        if len(ticks) < limit and self._index == len(self._bars) and now_ns >= self._repeat_at_ns:
            ticks += self._repeat(active, now_ns)
        return ticks

    def next_due_ns(self, now_ns: int) -> int | None:
        return self._due_ns(now_ns) if self._index < len(self._bars) else max(self._repeat_at_ns, now_ns + 1)

    def now(self, _instrument: Instrument, _now_ns: int) -> Quote | None:
        """What was shown last: every quote is shown when it is due."""

    def _advance(self, now_ns: int) -> Tick:
        bar, step = self._bars[self._index], self._step
        is_last = self._index == len(self._bars) - 1 and step == BAR_QUOTES - 1
        tick = Tick(
            self._instrument,
            self._path[step],
            is_continuous=step > 0,
            place=f"{bar.time_ns}:{step}",
            is_mark=step == 0 or is_last,
        )
        self._last = tick
        self._repeat_at_ns = now_ns + REPEAT_NS
        self._go_to(self._index, step + 1)
        return tick

    def _repeat(self, active: Iterable[Instrument], now_ns: int) -> list[Tick]:
        """The last quote again, with its whole size, if somebody waits for it."""
        self._repeat_at_ns = now_ns + REPEAT_NS
        if self._last is None or not any(self.covers(instrument) for instrument in active):
            return []
        return [Tick(self._instrument, self._path[-1], place=self._last.place)]

    def _go_to(self, index: int, step: int) -> None:
        """Make a quote the next one; a step past the bar's last is the next bar's first."""
        if step >= BAR_QUOTES:
            if self._bar_began_ns is not None:
                self._bar_began_ns += self._offset_ns(BAR_QUOTES)
            index, step = index + 1, 0
        if index < len(self._bars) and (index != self._index or step == 0):
            self._path = path_of(self._instrument, self._bars[index])
        elif index >= len(self._bars):
            self._path = path_of(self._instrument, self._bars[-1])
        self._index, self._step = index, step

    def _due_ns(self, now_ns: int) -> int:
        if self._bar_began_ns is None:
            self._bar_began_ns = now_ns - self._offset_ns(self._step)
        return self._bar_began_ns + self._offset_ns(self._step)

    def _offset_ns(self, step: int) -> int:
        """How long after the current bar's beginning a step of it is due."""
        if self._speed is None:
            return 0
        bar = self._bars[self._index]
        lasts_ns = self._usual_ns
        if self._index + 1 < len(self._bars):
            gap_ns = self._bars[self._index + 1].time_ns - bar.time_ns
            lasts_ns = gap_ns if gap_ns <= 2 * self._usual_ns else self._usual_ns
        return int(Fraction(lasts_ns * step, BAR_QUOTES) / self._speed)


def path_of(instrument: Instrument, bar: Bar) -> tuple[Quote, ...]:
    """The quotes of a bar, BAR_QUOTES of them, the prices whole ticks."""
    tick = tick_of(instrument)
    low, high = steps_up(bar.low, tick), steps_of(bar.high, tick)
    if high <= low:
        low = max(1, steps_of(bar.low, tick))
        high = low + 1
    displayed = money.divide(bar.volume, Decimal(BAR_QUOTES))
    size = size_of(instrument, max(displayed, money.divide(lot_of(instrument), Decimal(10))))
    quotes = []
    for price in _walk(bar, tick):
        ask = min(max(price, low + 1), high)
        quotes.append(Quote(amount_of(ask - 1, tick), amount_of(ask, tick), size, size))
    return tuple(quotes)


def _walk(bar: Bar, tick: Decimal) -> Iterator[int]:
    to_low, to_high = money.subtract(bar.open, bar.low), money.subtract(bar.high, bar.open)
    is_low_first = to_low < to_high or (to_low == to_high and bar.close >= bar.open)
    extremes = (bar.low, bar.high) if is_low_first else (bar.high, bar.low)
    points = [steps_up(price, tick) for price in (bar.open, *extremes, bar.close)]
    yield points[0]
    for start, end in pairwise(points):
        for part in range(1, LEG_QUOTES + 1):
            yield start + (end - start) * part // LEG_QUOTES


def _usual_interval_ns(bars: Sequence[Bar]) -> int:
    gaps = [after.time_ns - before.time_ns for before, after in pairwise(bars)]
    return median_low(gaps) if gaps else _ONE_MINUTE_NS


def _bar(row: Row, columns: dict[str, int], previous_ns: int | None) -> Bar:
    cells = cells_of(row, columns)
    time_ns = time_ns_of(row[0].strip())
    if previous_ns is not None and time_ns <= previous_ns:
        raise ValueError(f"time {row[0].strip()} is not after the row before")
    opened, high, low, close = (amount_in(name, cells[name]) for name in _PRICES)
    volume = cells.get("volume", "")
    bar = Bar(
        time_ns, opened, high, low, close, amount_in("volume", volume, is_positive=False) if volume else money.ZERO
    )
    if bar.high < max(bar.open, bar.close, bar.low):
        raise ValueError(f"high {cells['high']} is below another price of the bar")
    if bar.low > min(bar.open, bar.close):
        raise ValueError(f"low {cells['low']} is above another price of the bar")
    return bar
