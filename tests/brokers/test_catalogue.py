"""Instrument rows: read and written without loss, refused with the place of the mistake, found by symbol."""

import csv
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropcopyd.domain.catalogue import COLUMNS, Catalogue, instrument_of, instruments_of, row_of
from dropcopyd.domain.instrument import (
    AssetClass,
    Crypto,
    Currency,
    Equity,
    ExerciseStyle,
    Future,
    Instrument,
    OptionInstrument,
    OptionType,
    Perpetual,
    PerpetualUnderlying,
    Prediction,
    PredictionOutcome,
    Settlement,
)
from dropcopyd.errors import Code, DropcopyError, NotFoundError
from tests.brokers.build import packaged_instruments, packaged_text

EQUITY_ROW = {"asset_class": "EQUITY", "symbol": "AAPL", "tick_size": "0.01"}
OPTION_ROW = {
    "asset_class": "OPTION",
    "symbol": "AAPL271217C00200000",
    "underlying": "AAPL",
    "expiration": "2027-12-17T21:00:00Z",
    "strike": "200",
    "option_type": "CALL",
    "exercise_style": "AMERICAN",
    "multiplier": "100",
}
PERPETUAL_ROW = {
    "asset_class": "PERPETUAL",
    "symbol": "BTC-PERP",
    "tick_size": "0.5",
    "quantity_increment": "0.001",
    "multiplier": "1",
    "base": "BTC",
    "quote": "USD",
    "venue": "PAPER",
    "funding_interval_s": "28800",
}


# --- the packaged file ----------------------------------------------------------------------------------------------


def test_the_packaged_catalogue_has_every_class_and_what_the_documentation_names() -> None:
    catalogue = Catalogue(packaged_instruments())
    assert {instrument.asset_class for instrument in catalogue} == set(AssetClass)
    for symbol in ("AAPL", "MSFT", "GOOG", "SPY", "EURUSD", "BTC-USD", "BTC-PERP", "BTCUSD-INVERSE"):
        catalogue.find(symbol)
    assert catalogue.find("BTCUSD-INVERSE").currency == "BTC"
    future = catalogue.find("ESZ7")
    assert isinstance(future, Future)
    assert future.expiration_ns == 1_829_053_800 * 10**9
    assert future.multiplier == 50
    prediction = next(instrument for instrument in catalogue if isinstance(instrument, Prediction))
    assert prediction.outcome is PredictionOutcome.YES


def test_the_packaged_file_has_the_columns_of_the_format() -> None:
    assert tuple(packaged_text().splitlines()[0].split(",")) == COLUMNS


# --- there and back -------------------------------------------------------------------------------------------------

calendars = st.none() | st.from_regex(r"[A-Z0-9]{3,8}", fullmatch=True)
texts = st.from_regex(r"[A-Z0-9][A-Z0-9. -]{0,10}[A-Z0-9]", fullmatch=True)
amounts = st.decimals("0.000000000000000001", "99999999999999999999", places=18, allow_nan=False)
maybe_amounts = st.none() | amounts
times = st.integers(0, 4_102_444_800 * 10**9)
option_symbols = st.from_regex(r"[a-z]{1,8}", fullmatch=True)

instruments = st.one_of(
    st.builds(
        Equity, symbol=texts, exchange=st.none() | texts, currency=texts, tick_size=maybe_amounts,
        quantity_increment=maybe_amounts, calendar=calendars,
    ),
    st.builds(
        Future, symbol=texts, root=texts, exchange=texts, expiration_ns=times, tick_size=amounts, multiplier=amounts,
        currency=texts, quantity_increment=maybe_amounts, calendar=calendars,
    ),
    st.builds(
        OptionInstrument, symbol=option_symbols, underlying=texts, expiration_ns=times, strike=amounts,
        option_type=st.sampled_from(OptionType), exercise_style=st.sampled_from(ExerciseStyle), multiplier=amounts,
        exchange=st.none() | texts, tick_size=maybe_amounts, currency=texts, quantity_increment=maybe_amounts,
        calendar=calendars,
    ),
    st.builds(
        Currency, symbol=texts, base=texts, quote=texts, tick_size=maybe_amounts, quantity_increment=maybe_amounts
    ),
    st.builds(
        Crypto, symbol=texts, base=texts, quote=texts, venue=texts, tick_size=amounts, quantity_increment=amounts
    ),
    st.builds(
        Perpetual, symbol=texts, base=texts, quote=texts, venue=texts,
        underlying=st.none() | st.sampled_from(PerpetualUnderlying),
        settlement=st.none() | st.sampled_from(Settlement), multiplier=amounts,
        funding_interval_s=st.integers(1, 2**32 - 1), tick_size=amounts, quantity_increment=amounts,
    ),
    st.builds(
        Prediction, symbol=texts, market=texts, outcome=st.none() | st.sampled_from(PredictionOutcome), venue=texts,
        payout=amounts, currency=texts, tick_size=amounts, expiration_ns=st.none() | times,
        quantity_increment=maybe_amounts,
    ),
)  # fmt: skip


@given(instruments)
def test_every_instrument_survives_its_row(instrument: Instrument) -> None:
    row = row_of(instrument)
    assert instrument_of(row) == instrument
    assert instrument_of({name: row.get(name, "") for name in COLUMNS}) == instrument


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("2027-12-17T14:30:00Z", 1_829_053_800_000_000_000),
        ("2027-12-17t09:30:00-05:00", 1_829_053_800_000_000_000),
        ("2027-12-17T14:30:00.000000001Z", 1_829_053_800_000_000_001),
    ],
)
def test_times_are_rfc_3339_to_the_nanosecond(text: str, expected_ns: int) -> None:
    option = instrument_of(OPTION_ROW | {"expiration": text})
    assert isinstance(option, OptionInstrument)
    assert option.expiration_ns == expected_ns


def test_an_unspecified_settlement_stays_unknown() -> None:
    perpetual = instrument_of(PERPETUAL_ROW)
    assert isinstance(perpetual, Perpetual)
    assert perpetual.settlement is None
    assert "settlement" not in row_of(perpetual)


def test_an_empty_increment_means_whole_contracts_and_none_means_any_quantity() -> None:
    assert instrument_of(OPTION_ROW).quantity_increment == 1
    assert instrument_of(OPTION_ROW | {"quantity_increment": "none"}).quantity_increment is None


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"symbol": "A"}, "column asset_class: must be one of EQUITY, FUTURE"),
        (EQUITY_ROW | {"asset_class": "equity"}, "column asset_class: must be one of"),
        (EQUITY_ROW | {"symbol": ""}, "column symbol: is required for EQUITY"),
        (EQUITY_ROW | {"symbol": " AAPL"}, "column symbol: must be 1 to 64 printable"),
        (EQUITY_ROW | {"symbol": "Ä"}, "column symbol: must be 1 to 64 printable"),
        (EQUITY_ROW | {"tick_size": "0.01 "}, "column tick_size: not a decimal"),
        (EQUITY_ROW | {"tick_size": "1e-2"}, "column tick_size: not a decimal"),
        (EQUITY_ROW | {"tick_size": "0"}, "column tick_size: must be above zero"),
        (EQUITY_ROW | {"tick_size": "-0.01"}, "column tick_size: must be above zero"),
        (EQUITY_ROW | {"strike": "5"}, "column strike: does not apply to EQUITY, leave it empty"),
        (EQUITY_ROW | {"colour": ""}, "column colour: there is no such column"),
        (EQUITY_ROW | {"quantity_increment": "none"}, "column quantity_increment: not a decimal"),
        (OPTION_ROW | {"expiration": "2027-12-17"}, "column expiration: must be an RFC 3339 time"),
        (OPTION_ROW | {"expiration": "2027-02-30T00:00:00Z"}, "column expiration: is no time of the calendar"),
        (OPTION_ROW | {"option_type": "Call"}, "column option_type: must be one of CALL, PUT"),
        (OPTION_ROW | {"option_type": "PUT"}, "column option_type: contradicts the symbol"),
        (OPTION_ROW | {"strike": "20"}, "column strike: contradicts the symbol"),
        (OPTION_ROW | {"expiration": "2027-12-19T00:00:00Z"}, "column expiration: contradicts the symbol"),
        (OPTION_ROW | {"multiplier": ""}, "column multiplier: is required for OPTION"),
        (PERPETUAL_ROW | {"settlement": "QUANTO"}, "column settlement: must be one of LINEAR, INVERSE"),
        (PERPETUAL_ROW | {"funding_interval_s": "0"}, "column funding_interval_s: must be a whole number of seconds"),
        (PERPETUAL_ROW | {"funding_interval_s": "8h"}, "column funding_interval_s: must be a whole number of seconds"),
    ],
)
def test_a_mistake_is_named_with_its_row_and_column(row: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        instruments_of([EQUITY_ROW | {"symbol": "FIRST"}, row])
    assert str(caught.value).startswith(f"row 3, {message}")


def test_a_row_with_too_many_or_too_few_cells_is_refused() -> None:
    lines = ["asset_class,symbol,tick_size", "EQUITY,AAPL,0.01,7"]
    with pytest.raises(ValueError, match=r"row 2, .*no such column"):
        instruments_of(csv.DictReader(lines))
    assert instruments_of(csv.DictReader(["asset_class,symbol,tick_size", "EQUITY,AAPL"])) == (Equity(symbol="AAPL"),)


# --- the catalogue --------------------------------------------------------------------------------------------------

AAPL = Equity(symbol="AAPL", tick_size=Decimal("0.01"))
EURUSD = Currency(symbol="EURUSD", base="EUR", quote="USD")
EURUSD_PERPETUAL = instrument_of(PERPETUAL_ROW | {"symbol": "EURUSD"})


def test_an_instrument_is_found_by_symbol_and_by_class() -> None:
    catalogue = Catalogue([AAPL, EURUSD, EURUSD_PERPETUAL])
    assert catalogue.find("AAPL") is AAPL
    assert catalogue.find("EURUSD", AssetClass.CURRENCY) is EURUSD
    assert catalogue.find("EURUSD", AssetClass.PERPETUAL) is EURUSD_PERPETUAL
    assert (AssetClass.EQUITY, "AAPL") in catalogue
    assert len(catalogue) == 3


def test_an_ambiguous_symbol_names_the_classes_to_choose_from() -> None:
    with pytest.raises(DropcopyError, match="CURRENCY, PERPETUAL") as caught:
        Catalogue([AAPL, EURUSD, EURUSD_PERPETUAL]).find("EURUSD")
    assert caught.value.code is Code.AMBIGUOUS_SYMBOL


@pytest.mark.parametrize("asked", [("aapl", None), ("AAPL ", None), ("AAPL", AssetClass.FUTURE), ("", None)])
def test_an_unknown_symbol_is_not_found(asked: tuple[str, Any]) -> None:
    with pytest.raises(NotFoundError) as caught:
        Catalogue([AAPL]).find(*asked)
    assert caught.value.code is Code.UNKNOWN_SYMBOL


def test_terms_never_change() -> None:
    catalogue = Catalogue([AAPL])
    assert catalogue.add(replace(AAPL)) is False
    with pytest.raises(DropcopyError, match=r"another tick_size \(0\.01, not 0\.05\)") as caught:
        catalogue.add(replace(AAPL, tick_size=Decimal("0.05")))
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.facts["column"] == "tick_size"
    assert catalogue.find("AAPL") is AAPL
    assert catalogue.add(EURUSD) is True
