"""One instrument of each class that `build` does not have."""

from decimal import Decimal

from dropcopyd.domain.instrument import (
    Crypto,
    Currency,
    ExerciseStyle,
    Instrument,
    OptionInstrument,
    OptionType,
    Prediction,
    PredictionOutcome,
)
from tests.domain.build import AAPL, ES, INVERSE, LINEAR

CALL = OptionInstrument(
    symbol="AAPL271217C00200000",
    underlying="AAPL",
    expiration_ns=1_829_077_200_000_000_000,
    strike=Decimal(200),
    option_type=OptionType.CALL,
    exercise_style=ExerciseStyle.AMERICAN,
    multiplier=Decimal(100),
)
YES = Prediction(
    symbol="RAIN-YES",
    market="RAIN",
    outcome=PredictionOutcome.YES,
    venue="PAPER",
    payout=Decimal(1),
    currency="USD",
    tick_size=Decimal("0.01"),
)
BITCOIN = Crypto(
    symbol="BTC-USD",
    base="BTC",
    quote="USD",
    venue="PAPER",
    tick_size=Decimal("0.01"),
    quantity_increment=Decimal("0.00000001"),
)
EURO = Currency(symbol="EURUSD", base="EUR", quote="USD")
ALL: tuple[Instrument, ...] = (AAPL, CALL, YES, BITCOIN, EURO, ES, LINEAR, INVERSE)
