"""Which prices the paper broker trades at: the words of the `--prices` option, and the feeds they stand for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Final

from dropcopyd.brokers.paper.market import Feed, SyntheticMarket
from dropcopyd.brokers.paper.replay import Replay, load_bars
from dropcopyd.brokers.paper.tables import PARQUET_SUFFIXES
from dropcopyd.brokers.paper.ticks import TickReplay, load_quotes, load_trades
from dropcopyd.domain.catalogue import Catalogue
from dropcopyd.domain.instrument import Instrument, key_of
from dropcopyd.errors import Code, DropcopyError

SPEED_MAX: Final = 10**9
_SUFFIXES: Final = (".csv", *PARQUET_SUFFIXES)
_NUMBER = re.compile(r"[0-9]{1,10}(\.[0-9]{1,6})?", re.ASCII)


class PriceSource(StrEnum):
    SYNTHETIC = "synthetic"
    BARS = "bars"
    QUOTES = "quotes"
    TRADES = "trades"


_WORDS: Final = {"csv": PriceSource.BARS, **{source.value: source for source in PriceSource}}
"""What an option may begin with; `csv` is the older word for bars."""


@dataclass(frozen=True, slots=True)
class PriceOption:
    """One `--prices` option. `speed` is a multiple of real time, None for as fast as can be."""

    source: PriceSource
    seed: int = 0
    symbol: str = ""
    path: Path = Path()
    speed: Fraction | None = Fraction(1)


def parse_price_option(text: str) -> PriceOption:
    """`synthetic[:SEED]`, or `bars:SYMBOL=PATH[@SPEED]` (`csv:` is the same), `quotes:` or `trades:`, the file CSV or
    Parquet, SPEED a multiple of real time (default 1) or `max`.

    Raises ValueError that says what is wrong with it.
    """
    kind, colon, rest = text.partition(":")
    source = _WORDS.get(kind)
    if source is PriceSource.SYNTHETIC:
        if colon and not re.fullmatch("[0-9]{1,18}", rest, re.ASCII):
            raise ValueError(f"--prices {text!r}: the seed must be a whole number, as in synthetic:42")
        return PriceOption(PriceSource.SYNTHETIC, seed=int(rest or "0"))
    if source is None:
        raise ValueError(f"--prices {text!r}: must be synthetic[:SEED] or bars|quotes|trades:SYMBOL=PATH[@SPEED]")
    symbol, equals, place = rest.partition("=")
    path, at, speed = place.rpartition("@")
    # A path may hold an @ of its own.
    if not at or "/" in speed or "\\" in speed or speed.lower().endswith(_SUFFIXES):
        path, speed = place, "1"
    if not symbol or not equals or not path:
        raise ValueError(f"--prices {text!r}: must name a symbol and a file, as in bars:GOOG=bars.csv@3600")
    return PriceOption(source, symbol=symbol, path=Path(path), speed=_speed(text, speed))


def open_feeds(options: Iterable[PriceOption], catalogue: Catalogue, start_ns: int) -> list[Feed]:
    """The feeds of the options, replays before the synthetic market, which prices everything else.

    `start_ns` is when the synthetic market was at its start prices: when the book was made. Reads the files. Raises
    DropcopyError (INVALID_CONFIGURATION) for what cannot be read, is said twice or names no known instrument.
    """
    replays: list[Feed] = []
    synthetic: list[SyntheticMarket] = []
    taken: set[object] = set()
    for option in options:
        if option.source is PriceSource.SYNTHETIC:
            synthetic.append(SyntheticMarket(option.seed, start_ns))
            continue
        try:
            instrument = catalogue.find(option.symbol)
            feed = _feed(option, instrument)
        except (DropcopyError, ValueError, OSError) as error:
            message = f"prices of {option.symbol}: {error}"
            raise DropcopyError(Code.INVALID_CONFIGURATION, message, symbol=option.symbol) from error
        if key_of(instrument) in taken:
            raise DropcopyError(Code.INVALID_CONFIGURATION, f"prices of {option.symbol} are given twice")
        taken.add(key_of(instrument))
        replays.append(feed)
    if len(synthetic) > 1:
        raise DropcopyError(Code.INVALID_CONFIGURATION, "synthetic prices are given twice")
    return [*replays, *synthetic]


def _feed(option: PriceOption, instrument: Instrument) -> Feed:
    name = str(option.path.resolve())
    if option.source is PriceSource.BARS:
        return Replay(instrument, load_bars(option.path), option.speed, name)
    load = load_quotes if option.source is PriceSource.QUOTES else load_trades
    return TickReplay(instrument, load(option.path, instrument), option.speed, f"{option.source}:{name}")


def _speed(option: str, text: str) -> Fraction | None:
    if text == "max":
        return None
    if not _NUMBER.fullmatch(text) or not 0 < Fraction(text) <= SPEED_MAX:
        raise ValueError(f"--prices {option!r}: the speed must be a number above zero or max, as in @3600")
    return Fraction(text)
