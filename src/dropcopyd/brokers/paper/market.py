"""Price sources. A feed is asked, never running by itself: what is due comes out when somebody says what time it is.

The synthetic market moves round the clock by seed: its price is a function of (seed, instrument, step) and nothing
else, so that the same seed gives the same path, any step can be computed at any time, and nothing needs to be kept.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import isqrt
from typing import Final, Protocol

from dropcopyd.brokers.paper.records import Quote, Standing, Tick, amount_of, steps_of
from dropcopyd.domain import money
from dropcopyd.domain.instrument import AssetClass, Instrument, InstrumentKey, Prediction, key_of

QUOTE_INTERVAL_NS: Final = 250_000_000
"""Four quotes a second for each instrument that somebody trades."""

_TICKS: Final[dict[AssetClass, Decimal]] = {AssetClass.CURRENCY: Decimal("0.00001")}
_LOTS: Final[dict[AssetClass, Decimal]] = {
    AssetClass.EQUITY: Decimal(100),
    AssetClass.FUTURE: Decimal(5),
    AssetClass.OPTION: Decimal(5),
    AssetClass.CURRENCY: Decimal(100_000),
    AssetClass.CRYPTO: Decimal("0.5"),
    AssetClass.PERPETUAL: Decimal(10),
    AssetClass.PREDICTION: Decimal(100),
}
_CLASS_START: Final[dict[AssetClass, Decimal]] = {
    AssetClass.EQUITY: Decimal(100),
    AssetClass.FUTURE: Decimal(5_000),
    AssetClass.OPTION: Decimal(5),
    AssetClass.CURRENCY: Decimal(1),
    AssetClass.CRYPTO: Decimal(100),
    AssetClass.PERPETUAL: Decimal(100),
}
_SYMBOL_START: Final[dict[str, Decimal]] = {
    "AAPL": Decimal("187.20"),
    "MSFT": Decimal("415.00"),
    "GOOG": Decimal("172.50"),
    "NVDA": Decimal("138.00"),
    "SPY": Decimal("585.00"),
    "ESZ7": Decimal("6000.00"),
    "AAPL271217C00200000": Decimal("21.50"),
    "EURUSD": Decimal("1.0850"),
    "BTC-USD": Decimal("97000.00"),
    "ETH-USD": Decimal("3400.00"),
    "BTC-PERP": Decimal("97000.0"),
    "BTCUSD-INVERSE": Decimal("97000.0"),
}


class Feed(Protocol):
    """One source of prices. Nothing here waits, sleeps or reads a clock."""

    @property
    def source(self) -> str:
        """The name under which the book records where this source stands."""

    def covers(self, instrument: Instrument) -> bool:
        """Whether the instrument has its prices from here."""

    def resume(self, standings: Sequence[Standing]) -> None:
        """Go on from what the book recorded under this source's name; called once, before anything else."""

    def due(self, active: Iterable[Instrument], now_ns: int, limit: int) -> list[Tick]:
        """The quotes due by now and not yet handed out, at most `limit`, in order.

        `active`: the covered instruments that somebody has an order for; others may be left out.
        """

    def next_due_ns(self, now_ns: int) -> int | None:
        """When to ask again; None when there is nothing to come."""

    def now(self, instrument: Instrument, now_ns: int) -> Quote | None:
        """What this source says the instrument is worth, without showing it; None: what it showed last."""


def tick_of(instrument: Instrument) -> Decimal:
    """The price step to quote in, where the instrument names none: its class's usual one."""
    return instrument.tick_size or _TICKS.get(instrument.asset_class, Decimal("0.01"))


def lot_of(instrument: Instrument) -> Decimal:
    """A usual displayed size of the class."""
    return _LOTS[instrument.asset_class]


def size_of(instrument: Instrument, amount: Decimal) -> Decimal:
    """A displayed size: the amount in whole quantity increments (whole units where there is none), at least one."""
    increment = instrument.quantity_increment or Decimal(1)
    return amount_of(max(1, steps_of(amount, increment)), increment)


def start_price_of(instrument: Instrument) -> Decimal:
    """A sensible price to start from."""
    if isinstance(instrument, Prediction):
        return money.divide(instrument.payout, Decimal(2))
    return _SYMBOL_START.get(instrument.symbol) or _CLASS_START[instrument.asset_class]


class SyntheticMarket:
    """Seeded prices for every instrument that no other feed covers.

    Only instruments that somebody trades are computed: the walk needs no past.
    """

    def __init__(self, seed: int, start_ns: int, interval_ns: int = QUOTE_INTERVAL_NS) -> None:
        """`start_ns`: when step 0 was; at step 0 every instrument is at its start price."""
        self._seed = seed
        self._start_ns = start_ns
        self._interval_ns = interval_ns
        self._walks: dict[InstrumentKey, Walk] = {}
        self._shown: dict[InstrumentKey, int] = {}
        """The last step handed out."""

    @property
    def source(self) -> str:
        return f"synthetic:{self._seed}"

    def covers(self, instrument: Instrument) -> bool:
        return instrument.asset_class in _LOTS

    def resume(self, standings: Sequence[Standing]) -> None:
        """What was shown before is not shown again: its displayed size may have been consumed."""
        for standing in standings:
            self._shown[key_of(standing.instrument)] = int(standing.place)

    def due(self, active: Iterable[Instrument], now_ns: int, limit: int) -> list[Tick]:
        """The current step's quotes. Steps that nobody asked for in time are passed over, as a slow line does."""
        step = self._step(now_ns)
        late = [instrument for instrument in active if self._shown.get(key_of(instrument), -1) < step]
        return [self._tick(instrument, step) for instrument in late[:limit]]

    def next_due_ns(self, now_ns: int) -> int | None:
        return self._start_ns + (self._step(now_ns) + 1) * self._interval_ns

    def now(self, instrument: Instrument, now_ns: int) -> Quote | None:
        return self._walk(instrument).quote(self._step(now_ns))

    def _step(self, now_ns: int) -> int:
        return max(0, (now_ns - self._start_ns) // self._interval_ns)

    def _tick(self, instrument: Instrument, step: int) -> Tick:
        self._shown[key_of(instrument)] = step
        return Tick(instrument, self._walk(instrument).quote(step), place=str(step))

    def _walk(self, instrument: Instrument) -> "Walk":
        key = key_of(instrument)
        walk = self._walks.get(key)
        if walk is None:
            walk = self._walks[key] = Walk(self._seed, instrument)
        return walk


class ManualFeed:
    """Prices pushed by hand, for tests and scripted markets: each is shown at the next turn, in order."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._keys = {key_of(instrument) for instrument in instruments}
        self._waiting: deque[Tick] = deque()

    @property
    def source(self) -> str:
        return "manual"

    def push(self, instrument: Instrument, quote: Quote, *, is_continuous: bool = False) -> None:
        """Show this quote next. Raises ValueError for an instrument that the feed does not cover."""
        if not self.covers(instrument):
            raise ValueError(f"this feed does not cover {instrument.symbol}")
        self._waiting.append(Tick(instrument, quote, is_continuous))

    def covers(self, instrument: Instrument) -> bool:
        return key_of(instrument) in self._keys

    def resume(self, standings: Sequence[Standing]) -> None:
        """The standing quotes stay; there is nothing to go on with."""

    def due(self, _active: Iterable[Instrument], _now_ns: int, limit: int) -> list[Tick]:
        return [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]

    def next_due_ns(self, now_ns: int) -> int | None:
        return now_ns if self._waiting else None

    def now(self, _instrument: Instrument, _now_ns: int) -> Quote | None:
        """What was pushed and shown last."""


_OCTAVES: Final = 17
"""The slowest swing takes 2**17 steps, nine hours at four quotes a second."""
_UNIT: Final = 1_000_000
_WEIGHTS: Final = tuple(isqrt(_UNIT * _UNIT << octave) for octave in range(_OCTAVES))
"""Amplitude of each octave in millionths: it grows with the root of time, as a random walk's spread does."""
_SIZES: Final = (Decimal("0.05"), Decimal("0.2"), Decimal("0.5"), Decimal(1), Decimal(1), Decimal(2), Decimal(5))


class Walk:
    """One instrument's price path: step -> quote, whole numbers only, the same on every machine.

    The middle is the start price plus noise at every time scale (value noise: chance at lattice points, straight
    lines between). It is folded back between half and twice the start price, or inside a prediction's payout.
    """

    def __init__(self, seed: int, instrument: Instrument) -> None:
        self._name = f"{seed}|{instrument.asset_class}|{instrument.symbol}"
        self._instrument = instrument
        self._tick = tick_of(instrument)
        start = max(10, steps_of(start_price_of(instrument), self._tick))
        self._start = start
        self._low, self._high = max(4, start // 2), start * 2
        if isinstance(instrument, Prediction):
            top = steps_of(instrument.payout, self._tick)
            self._low, self._high = 2, max(4, top - 3)
        # One step moves the price by about half a basis point, or half a tick where that is less.
        self._amplitude = max(start * _UNIT // 20_000, _UNIT // 2)
        self._lattice: list[tuple[int, int, int]] = [(-1, 0, 0)] * _OCTAVES
        self._last: tuple[int, Quote] | None = None

    def quote(self, step: int) -> Quote:
        """The quote of a step >= 0; asked again for the same step, it is at hand."""
        last = self._last
        if last is None or last[0] != step:
            last = self._last = (step, self._quote(step))
        return last[1]

    def _quote(self, step: int) -> Quote:
        middle = self._fold(self._start + self._amplitude * self._noise(step) // (_UNIT * _UNIT))
        chance = self._chance(0, step, b"sizes")
        spread = 1 + chance % 2
        bid = middle - spread // 2
        lot = lot_of(self._instrument)
        bid_size, ask_size = (
            size_of(self._instrument, money.multiply(lot, _SIZES[(chance >> shift) % len(_SIZES)])) for shift in (8, 24)
        )
        return Quote(amount_of(bid, self._tick), amount_of(bid + spread, self._tick), bid_size, ask_size)

    def _noise(self, step: int) -> int:
        """Distance from the start in millionths of the amplitude; 0 at step 0."""
        return sum(_WEIGHTS[octave] * self._smooth(octave, step) // _UNIT for octave in range(_OCTAVES))

    def _smooth(self, octave: int, step: int) -> int:
        """The octave's value at a step, between -1 and 1 million."""
        length = 1 << octave
        point, inside = divmod(step, length)
        known, left, right = self._lattice[octave]
        if known != point:
            left, right = self._point(octave, point), self._point(octave, point + 1)
            self._lattice[octave] = (point, left, right)
        return (left * (length - inside) + right * inside) // length

    def _point(self, octave: int, point: int) -> int:
        return self._chance(octave, point, b"price") % (2 * _UNIT + 1) - _UNIT if point else 0

    def _chance(self, octave: int, point: int, purpose: bytes) -> int:
        text = f"{self._name}|{octave}|{point}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8, person=purpose).digest(), "big")

    def _fold(self, ticks: int) -> int:
        """Reflect at both ends, as often as needed."""
        width = self._high - self._low
        offset = (ticks - self._low) % (2 * width)
        return self._low + (offset if offset <= width else 2 * width - offset)
