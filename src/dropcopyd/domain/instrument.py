"""What can be traded: one type per asset class, with the terms that money is computed from.

Facts the catalogue does not know are None and stay unknown on the wire (contract.md section 3: an unspecified
settlement is never linear, an unspecified outcome never YES). An instrument is named by (asset_class, symbol); its
terms never change once known.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from dropcopyd.domain import money


class AssetClass(StrEnum):
    EQUITY = "EQUITY"
    FUTURE = "FUTURE"
    OPTION = "OPTION"
    CURRENCY = "CURRENCY"
    CRYPTO = "CRYPTO"
    PERPETUAL = "PERPETUAL"
    PREDICTION = "PREDICTION"


class OptionType(StrEnum):
    CALL = "CALL"
    PUT = "PUT"


class ExerciseStyle(StrEnum):
    AMERICAN = "AMERICAN"
    EUROPEAN = "EUROPEAN"


class PerpetualUnderlying(StrEnum):
    CRYPTO = "CRYPTO"
    FUTURE = "FUTURE"
    PREDICTION = "PREDICTION"


class Settlement(StrEnum):
    LINEAR = "LINEAR"
    INVERSE = "INVERSE"


class PredictionOutcome(StrEnum):
    YES = "YES"
    NO = "NO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Equity:
    asset_class: ClassVar[AssetClass] = AssetClass.EQUITY
    symbol: str
    exchange: str | None = None
    calendar: str | None = None
    """Whose hours it keeps, by the ISO code of the market (XHKG); None: those that its exchange is known to keep."""
    currency: str = "USD"
    tick_size: Decimal | None = None
    quantity_increment: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Future:
    asset_class: ClassVar[AssetClass] = AssetClass.FUTURE
    symbol: str
    root: str
    exchange: str
    expiration_ns: int
    tick_size: Decimal
    multiplier: Decimal
    currency: str
    calendar: str | None = None
    quantity_increment: Decimal | None = money.ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionInstrument:
    asset_class: ClassVar[AssetClass] = AssetClass.OPTION
    symbol: str
    underlying: str
    expiration_ns: int
    strike: Decimal
    option_type: OptionType
    exercise_style: ExerciseStyle
    multiplier: Decimal
    exchange: str | None = None
    calendar: str | None = None
    tick_size: Decimal | None = None
    currency: str = "USD"
    quantity_increment: Decimal | None = money.ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    asset_class: ClassVar[AssetClass] = AssetClass.CURRENCY
    symbol: str
    base: str
    quote: str
    tick_size: Decimal | None = None
    quantity_increment: Decimal | None = None

    @property
    def currency(self) -> str:
        return self.quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Crypto:
    asset_class: ClassVar[AssetClass] = AssetClass.CRYPTO
    symbol: str
    base: str
    quote: str
    venue: str
    tick_size: Decimal
    """The contract's price_increment."""
    quantity_increment: Decimal

    @property
    def currency(self) -> str:
        return self.quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Perpetual:
    asset_class: ClassVar[AssetClass] = AssetClass.PERPETUAL
    symbol: str
    base: str
    quote: str
    venue: str
    underlying: PerpetualUnderlying | None
    settlement: Settlement | None
    multiplier: Decimal
    funding_interval_s: int
    tick_size: Decimal
    quantity_increment: Decimal

    @property
    def currency(self) -> str:
        """Profit and loss of an inverse perpetual is in the base asset."""
        return self.base if self.settlement is Settlement.INVERSE else self.quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    asset_class: ClassVar[AssetClass] = AssetClass.PREDICTION
    symbol: str
    market: str
    outcome: PredictionOutcome | None
    venue: str
    payout: Decimal
    currency: str
    tick_size: Decimal
    expiration_ns: int | None = None
    quantity_increment: Decimal | None = money.ONE


Instrument = Equity | Future | OptionInstrument | Currency | Crypto | Perpetual | Prediction
InstrumentKey = tuple[AssetClass, str]


def key_of(instrument: Instrument) -> InstrumentKey:
    """What names the instrument everywhere inside."""
    return instrument.asset_class, instrument.symbol


def multiplier_of(instrument: Instrument) -> Decimal:
    """Currency per point and unit; 1 for classes that have no contract size."""
    if isinstance(instrument, Future | OptionInstrument | Perpetual):
        return instrument.multiplier
    return money.ONE


def is_inverse(instrument: Instrument) -> bool:
    """Whether value is multiplier * quantity / price."""
    return isinstance(instrument, Perpetual) and instrument.settlement is Settlement.INVERSE


def value_of(instrument: Instrument, quantity: Decimal, price: Decimal) -> Decimal:
    """Value of a quantity at a price, half-even at 18 places, with the quantity's sign (contract.md section 3).

    Linear: price * multiplier * quantity, in the quote currency; inverse: multiplier * quantity / price, in the base.
    """
    contracts = money.multiply(multiplier_of(instrument), quantity)
    if is_inverse(instrument):
        return money.divide(contracts, price)
    return money.round_half_even(money.multiply(contracts, price))


def average_of(instrument: Instrument, quantity: Decimal, value: Decimal) -> Decimal:
    """The price at which a quantity has that value, half-even at 18 places; 0 where either is 0.

    The inverse of `value_of`: linear value / (quantity * multiplier), inverse multiplier * quantity / value.
    """
    if not quantity or not value:
        return money.ZERO
    contracts = money.multiply(multiplier_of(instrument), quantity)
    if is_inverse(instrument):
        return money.divide(contracts, value)
    return money.divide(value, contracts)
