"""The shape of an instrument, one for each asset class."""

from typing import Annotated, Literal

from pydantic import Field

from dropcopyd.domain.instrument import (
    AssetClass,
    ExerciseStyle,
    OptionType,
    PerpetualUnderlying,
    PredictionOutcome,
    Settlement,
)
from dropcopyd.rest.shapes import Amount, Shape, Time


class Equity(Shape):
    """A share."""

    asset_class: Literal[AssetClass.EQUITY]
    symbol: str
    exchange: str | None


class Future(Shape):
    """A dated future."""

    asset_class: Literal[AssetClass.FUTURE]
    symbol: str
    root: str
    exchange: str
    expiration: Time
    tick_size: Amount
    multiplier: Amount
    currency: str


class OptionInstrument(Shape):
    """A listed option; the symbol is the OCC one."""

    asset_class: Literal[AssetClass.OPTION]
    symbol: str
    underlying: str
    expiration: Time
    strike: Amount
    option_type: OptionType
    exercise_style: ExerciseStyle
    multiplier: Amount
    exchange: str | None
    tick_size: Amount | None


class Currency(Shape):
    """A currency pair."""

    asset_class: Literal[AssetClass.CURRENCY]
    symbol: str
    base: str
    quote: str


class Crypto(Shape):
    """A spot pair."""

    asset_class: Literal[AssetClass.CRYPTO]
    symbol: str
    base: str
    quote: str
    venue: str
    price_increment: Amount
    quantity_increment: Amount


class FundingSchedule(Shape):
    """How often a perpetual pays funding."""

    interval_seconds: int


class Perpetual(Shape):
    """A perpetual swap; an unknown settlement is null, never linear."""

    asset_class: Literal[AssetClass.PERPETUAL]
    symbol: str
    base: str
    quote: str
    venue: str
    underlying: PerpetualUnderlying | None
    settlement: Settlement | None
    multiplier: Amount
    funding: FundingSchedule
    tick_size: Amount
    quantity_increment: Amount


class Prediction(Shape):
    """One outcome of a prediction market; an unknown outcome is null, never yes."""

    asset_class: Literal[AssetClass.PREDICTION]
    symbol: str
    market: str
    outcome: PredictionOutcome | None
    venue: str
    payout: Amount
    currency: str
    tick_size: Amount
    expiration: Time | None


Instrument = Annotated[
    Equity | Future | OptionInstrument | Currency | Crypto | Perpetual | Prediction,
    Field(discriminator="asset_class"),
]
