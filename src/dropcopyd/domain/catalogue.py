"""The instruments the gateway knows, and their one-line form: a row of columns, all text.

The same row serves the packaged file, an operator's CSV file and the store's JSON definition. A column that a class
does not have must be empty or absent; an optional column that is empty takes the class's default. Amounts are decimal
strings, times RFC 3339 with an offset (kept in UTC). `instrument_of(row_of(x)) == x` for every instrument.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from dropcopyd.domain import money
from dropcopyd.domain.instrument import (
    AssetClass,
    Crypto,
    Currency,
    Equity,
    ExerciseStyle,
    Future,
    Instrument,
    InstrumentKey,
    OptionInstrument,
    OptionType,
    Perpetual,
    PerpetualUnderlying,
    Prediction,
    PredictionOutcome,
    Settlement,
    key_of,
)
from dropcopyd.errors import Code, DropcopyError, NotFoundError

COLUMNS: Final = (
    "asset_class",
    "symbol",
    "currency",
    "tick_size",
    "quantity_increment",
    "exchange",
    "calendar",
    "root",
    "underlying",
    "expiration",
    "strike",
    "option_type",
    "exercise_style",
    "multiplier",
    "base",
    "quote",
    "venue",
    "settlement",
    "funding_interval_s",
    "market",
    "outcome",
    "payout",
)
"""Every column of an instrument file, in the order they are written."""

NO_INCREMENT: Final = "none"
"""What a `quantity_increment` says when any quantity may be traded although the class's default is whole units."""

_TEXT = re.compile(r"[!-~]([ -~]{0,62}[!-~])?", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_OCC = re.compile(r"[A-Z0-9]{1,6} *(\d\d)(\d\d)(\d\d)([CP])(\d{8})", re.ASCII)
_CALENDAR = re.compile(r"[A-Z0-9]{3,8}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_FUNDING_INTERVAL_S_MAX = 2**32 - 1


def instrument_of(row: Mapping[str, str | None], where: str = "") -> Instrument:
    """The instrument that a row describes.

    `where` names the row in messages, such as `"row 7"`. Raises ValueError naming the column for anything unknown,
    missing, out of place or inconsistent.
    """
    asset_class = _asset_class(row, where)
    shape = _SHAPES[asset_class]
    columns = {column.name: column for column in shape.columns}
    for name, text in row.items():
        if name not in COLUMNS:
            raise _fault(where, str(name), "there is no such column")
        if text and name != "asset_class" and name not in columns:
            raise _fault(where, name, f"does not apply to {asset_class}, leave it empty")
    values: dict[str, Any] = {}
    for column in shape.columns:
        text = row.get(column.name) or ""
        if text:
            try:
                values[column.field] = column.kind.parse(text)
            except ValueError as error:
                raise _fault(where, column.name, str(error)) from error
        elif column.is_required:
            raise _fault(where, column.name, f"is required for {asset_class}")
        elif column.may_be_unknown:
            values[column.field] = None
    instrument: Instrument = shape.make(**values)
    if isinstance(instrument, OptionInstrument):
        _check_occ(instrument, where)
    return instrument


def row_of(instrument: Instrument) -> dict[str, str]:
    """The row of an instrument: its class's columns only, in file order, without the empty ones."""
    row = {"asset_class": str(instrument.asset_class)}
    for column in _SHAPES[instrument.asset_class].columns:
        value = getattr(instrument, column.field)
        if value is not None:
            row[column.name] = column.kind.render(value)
        elif column.kind is _INCREMENT_OR_NONE:
            row[column.name] = NO_INCREMENT
    return {name: row[name] for name in COLUMNS if name in row}


def instruments_of(rows: Iterable[Mapping[str, str | None]]) -> tuple[Instrument, ...]:
    """The instruments of a file's rows; messages count rows as a spreadsheet does, the header being row 1."""
    return tuple(instrument_of(row, f"row {number}") for number, row in enumerate(rows, start=2))


class Catalogue:
    """The known instruments, by (asset_class, symbol). Terms never change once known: money depends on them."""

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self._by_key: dict[InstrumentKey, Instrument] = {}
        self._by_symbol: dict[str, list[Instrument]] = {}
        for instrument in instruments:
            self.add(instrument)

    def __iter__(self) -> Iterator[Instrument]:
        """In the order they were added."""
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

    def __contains__(self, key: InstrumentKey) -> bool:
        return key in self._by_key

    def check(self, instrument: Instrument) -> bool:
        """Whether the instrument is new. Raises DropcopyError (INVALID_ARGUMENT) if it is known with other terms."""
        known = self._by_key.get(key_of(instrument))
        if known is None:
            return True
        if known == instrument:
            return False
        ours, theirs = row_of(known), row_of(instrument)
        column = next(name for name in COLUMNS if ours.get(name) != theirs.get(name))
        raise DropcopyError(
            Code.INVALID_ARGUMENT,
            f"{instrument.asset_class} {instrument.symbol} is known with another {column} "
            f"({ours.get(column, 'none')}, not {theirs.get(column, 'none')}); terms never change",
            symbol=instrument.symbol,
            asset_class=str(instrument.asset_class),
            column=column,
        )

    def add(self, instrument: Instrument) -> bool:
        """Take an instrument in; False when it was known already. Raises as `check` does, and changes nothing then."""
        is_new = self.check(instrument)
        if is_new:
            self._by_key[key_of(instrument)] = instrument
            self._by_symbol.setdefault(instrument.symbol, []).append(instrument)
        return is_new

    def find(self, symbol: str, asset_class: AssetClass | None = None) -> Instrument:
        """The instrument of that symbol, byte for byte, case-sensitive.

        Raises NotFoundError (UNKNOWN_SYMBOL), or DropcopyError (AMBIGUOUS_SYMBOL) when the symbol names instruments
        of several classes and none was given.
        """
        if asset_class is not None:
            instrument = self._by_key.get((asset_class, symbol))
            if instrument is None:
                raise NotFoundError(
                    Code.UNKNOWN_SYMBOL,
                    f"no {asset_class} instrument has the symbol {symbol!r}",
                    symbol=symbol,
                    asset_class=str(asset_class),
                )
            return instrument
        named = self._by_symbol.get(symbol, [])
        if not named:
            raise NotFoundError(Code.UNKNOWN_SYMBOL, f"no instrument has the symbol {symbol!r}", symbol=symbol)
        if len(named) > 1:
            classes = ", ".join(sorted(instrument.asset_class for instrument in named))
            raise DropcopyError(
                Code.AMBIGUOUS_SYMBOL,
                f"the symbol {symbol!r} names several instruments ({classes}); give asset_class",
                symbol=symbol,
                asset_classes=classes,
            )
        return named[0]


# --- columns ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a cell is read and written; `parse` raises ValueError with a message that needs no subject."""

    parse: Callable[[str], Any]
    render: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    kind: _Kind
    is_required: bool = False
    may_be_unknown: bool = False
    as_field: str = ""

    @property
    def field(self) -> str:
        """The dataclass's name of it."""
        return self.as_field or self.name


@dataclass(frozen=True, slots=True)
class _Shape:
    make: Callable[..., Instrument]
    columns: tuple[_Column, ...]


def _text(text: str) -> str:
    if not _TEXT.fullmatch(text):
        raise ValueError(f"must be 1 to 64 printable ASCII characters without outer spaces, not {text[:64]!r}")
    return text


def _amount(text: str) -> Decimal:
    value = money.parse(text)
    if value <= 0:
        raise ValueError(f"must be above zero, not {text!r}")
    return value


def _increment(text: str) -> Decimal | None:
    return None if text == NO_INCREMENT else _amount(text)


def _calendar_name(text: str) -> str:
    if not _CALENDAR.fullmatch(text):
        raise ValueError(f"must be a market's code such as XHKG, not {text[:64]!r}")
    return text


def _seconds(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) or not 0 < int(text) <= _FUNDING_INTERVAL_S_MAX:
        raise ValueError(f"must be a whole number of seconds above zero, not {text[:64]!r}")
    return int(text)


def _time_ns(text: str) -> int:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"must be an RFC 3339 time such as 2027-12-17T14:30:00Z, not {text[:64]!r}")
    offset = "+00:00" if match[3] in "Zz" else match[3]
    try:
        moment = datetime.fromisoformat(match[1] + offset)
    except ValueError as error:
        raise ValueError(f"is no time of the calendar: {text!r}") from error
    return (moment - _EPOCH) // timedelta(seconds=1) * 10**9 + int((match[2] or "").ljust(9, "0"))


def _render_time(time_ns: int) -> str:
    seconds, fraction = divmod(time_ns, 10**9)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{text}{digits}Z"


def _one_of(values: type[StrEnum]) -> _Kind:
    def parse(text: str) -> StrEnum:
        try:
            return values(text)
        except ValueError as error:
            raise ValueError(f"must be one of {', '.join(values)}, not {text[:64]!r}") from error

    return _Kind(parse, str)


_STRING = _Kind(_text, str)
_AMOUNT = _Kind(_amount, money.render)
_INCREMENT_OR_NONE = _Kind(_increment, money.render)
_TIME_NS = _Kind(_time_ns, _render_time)
_SECONDS = _Kind(_seconds, str)

_CALENDAR_COLUMN = _Column("calendar", _Kind(_calendar_name, str))
_SYMBOL = _Column("symbol", _STRING, is_required=True)
_CURRENCY = _Column("currency", _STRING)
_TICK_SIZE = _Column("tick_size", _AMOUNT)
_TICK_SIZE_NEEDED = _Column("tick_size", _AMOUNT, is_required=True)
_QUANTITY_INCREMENT = _Column("quantity_increment", _AMOUNT)
_QUANTITY_INCREMENT_NEEDED = _Column("quantity_increment", _AMOUNT, is_required=True)
_WHOLE_UNITS = _Column("quantity_increment", _INCREMENT_OR_NONE)
_EXPIRATION_NEEDED = _Column("expiration", _TIME_NS, is_required=True, as_field="expiration_ns")
_MULTIPLIER = _Column("multiplier", _AMOUNT, is_required=True)
_VENUE = _Column("venue", _STRING, is_required=True)
_PAIR = (_Column("base", _STRING, is_required=True), _Column("quote", _STRING, is_required=True))

_SHAPES: Final[dict[AssetClass, _Shape]] = {
    AssetClass.EQUITY: _Shape(
        Equity,
        (_SYMBOL, _CURRENCY, _TICK_SIZE, _QUANTITY_INCREMENT, _Column("exchange", _STRING), _CALENDAR_COLUMN),
    ),
    AssetClass.FUTURE: _Shape(
        Future,
        (
            _SYMBOL,
            _Column("currency", _STRING, is_required=True),
            _TICK_SIZE_NEEDED,
            _WHOLE_UNITS,
            _Column("exchange", _STRING, is_required=True),
            _CALENDAR_COLUMN,
            _Column("root", _STRING, is_required=True),
            _EXPIRATION_NEEDED,
            _MULTIPLIER,
        ),
    ),
    AssetClass.OPTION: _Shape(
        OptionInstrument,
        (
            _SYMBOL,
            _CURRENCY,
            _TICK_SIZE,
            _WHOLE_UNITS,
            _Column("exchange", _STRING),
            _CALENDAR_COLUMN,
            _Column("underlying", _STRING, is_required=True),
            _EXPIRATION_NEEDED,
            _Column("strike", _AMOUNT, is_required=True),
            _Column("option_type", _one_of(OptionType), is_required=True),
            _Column("exercise_style", _one_of(ExerciseStyle), is_required=True),
            _MULTIPLIER,
        ),
    ),
    AssetClass.CURRENCY: _Shape(Currency, (_SYMBOL, _TICK_SIZE, _QUANTITY_INCREMENT, *_PAIR)),
    AssetClass.CRYPTO: _Shape(Crypto, (_SYMBOL, _TICK_SIZE_NEEDED, _QUANTITY_INCREMENT_NEEDED, *_PAIR, _VENUE)),
    AssetClass.PERPETUAL: _Shape(
        Perpetual,
        (
            _SYMBOL,
            _TICK_SIZE_NEEDED,
            _QUANTITY_INCREMENT_NEEDED,
            _Column("underlying", _one_of(PerpetualUnderlying), may_be_unknown=True),
            _MULTIPLIER,
            *_PAIR,
            _VENUE,
            _Column("settlement", _one_of(Settlement), may_be_unknown=True),
            _Column("funding_interval_s", _SECONDS, is_required=True),
        ),
    ),
    AssetClass.PREDICTION: _Shape(
        Prediction,
        (
            _SYMBOL,
            _Column("currency", _STRING, is_required=True),
            _TICK_SIZE_NEEDED,
            _WHOLE_UNITS,
            _Column("expiration", _TIME_NS, as_field="expiration_ns"),
            _VENUE,
            _Column("market", _STRING, is_required=True),
            _Column("outcome", _one_of(PredictionOutcome), may_be_unknown=True),
            _Column("payout", _AMOUNT, is_required=True),
        ),
    ),
}


def _asset_class(row: Mapping[str, str | None], where: str) -> AssetClass:
    text = row.get("asset_class") or ""
    try:
        return AssetClass(text)
    except ValueError as error:
        message = f"must be one of {', '.join(AssetClass)}, not {text[:64]!r}"
        raise _fault(where, "asset_class", message) from error


def _check_occ(option: OptionInstrument, where: str) -> None:
    """A symbol in OCC form must say what the other columns say: a wrong strike or type is a wrong trade."""
    match = _OCC.fullmatch(option.symbol)
    if match is None:
        return
    if (match[4] == "C") != (option.option_type is OptionType.CALL):
        raise _fault(where, "option_type", f"contradicts the symbol {option.symbol}")
    if money.multiply(option.strike, Decimal(1000)) != int(match[5]):
        raise _fault(where, "strike", f"contradicts the symbol {option.symbol}")
    try:
        day = date(2000 + int(match[1]), int(match[2]), int(match[3]))
    except ValueError as error:
        raise _fault(where, "symbol", f"holds no date of the calendar: {option.symbol}") from error
    expires_on = (_EPOCH + timedelta(seconds=option.expiration_ns // 10**9)).date()
    # An evening's close in America is the next day in UTC.
    if expires_on not in (day, day + _DAY):
        raise _fault(where, "expiration", f"contradicts the symbol {option.symbol}")


def _fault(where: str, column: str, problem: str) -> ValueError:
    return ValueError(f"{where}, column {column}: {problem}" if where else f"column {column}: {problem}")
