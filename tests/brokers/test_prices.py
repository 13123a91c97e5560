"""The `--prices` option and the feeds it opens."""

from fractions import Fraction
from pathlib import Path

import pytest

from dropcopyd.brokers.paper import PriceOption, PriceSource, Replay, SyntheticMarket, open_feeds, parse_price_option
from dropcopyd.domain.catalogue import Catalogue
from dropcopyd.errors import Code, DropcopyError
from tests.brokers.build import AAPL, EURUSD, NOON_NS

CSV = PriceSource.BARS
CATALOGUE = Catalogue([AAPL, EURUSD])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("synthetic", PriceOption(PriceSource.SYNTHETIC, seed=0)),
        ("synthetic:42", PriceOption(PriceSource.SYNTHETIC, seed=42)),
        ("csv:GOOG=bars.csv", PriceOption(CSV, symbol="GOOG", path=Path("bars.csv"), speed=Fraction(1))),
        ("csv:GOOG=bars.csv@3600", PriceOption(CSV, symbol="GOOG", path=Path("bars.csv"), speed=Fraction(3600))),
        ("csv:GOOG=/a/b.csv@0.5", PriceOption(CSV, symbol="GOOG", path=Path("/a/b.csv"), speed=Fraction(1, 2))),
        ("csv:GOOG=b=c.csv@max", PriceOption(CSV, symbol="GOOG", path=Path("b=c.csv"), speed=None)),
        ("csv:GOOG=me@home/b.csv", PriceOption(CSV, symbol="GOOG", path=Path("me@home/b.csv"), speed=Fraction(1))),
        ("csv:GOOG=me@b.csv@60", PriceOption(CSV, symbol="GOOG", path=Path("me@b.csv"), speed=Fraction(60))),
        ("bars:GOOG=b.pq", PriceOption(CSV, symbol="GOOG", path=Path("b.pq"), speed=Fraction(1))),
        ("quotes:GOOG=me@q.parquet", PriceOption(PriceSource.QUOTES, symbol="GOOG", path=Path("me@q.parquet"))),
        ("trades:GOOG=t.csv@max", PriceOption(PriceSource.TRADES, symbol="GOOG", path=Path("t.csv"), speed=None)),
    ],
)
def test_an_option_is_understood(text: str, expected: PriceOption) -> None:
    assert parse_price_option(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be synthetic"),
        ("live", "must be synthetic"),
        ("Synthetic", "must be synthetic"),
        ("synthetic:", "the seed must be a whole number"),
        ("synthetic:-1", "the seed must be a whole number"),
        ("csv", "must name a symbol and a file"),
        ("csv:GOOG", "must name a symbol and a file"),
        ("csv:=bars.csv", "must name a symbol and a file"),
        ("csv:GOOG=", "must name a symbol and a file"),
        ("csv:GOOG=@5", "must name a symbol and a file"),
        ("csv:GOOG=bars.csv@", "the speed must be a number above zero or max"),
        ("csv:GOOG=bars.csv@0", "the speed must be a number above zero or max"),
        ("csv:GOOG=bars.csv@-5", "the speed must be a number above zero or max"),
        ("csv:GOOG=bars.csv@fast", "the speed must be a number above zero or max"),
        ("csv:GOOG=bars.csv@1e9", "the speed must be a number above zero or max"),
        ("csv:GOOG=bars.csv@9999999999", "the speed must be a number above zero or max"),
    ],
)
def test_a_wrong_option_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_price_option(text)
    assert message in str(caught.value)
    assert repr(text) in str(caught.value)


def _bars(folder: Path) -> Path:
    path = folder / "bars.csv"
    path.write_text("time,open,high,low,close,volume\n2020-01-01,2,4,1,3,5\n")
    return path


def test_a_replay_prices_its_instrument_and_the_synthetic_market_the_rest(tmp_path: Path) -> None:
    path = _bars(tmp_path)
    options = [parse_price_option("synthetic:1"), parse_price_option(f"csv:AAPL={path}@max")]
    replay, synthetic = open_feeds(options, CATALOGUE, NOON_NS)
    assert isinstance(replay, Replay)
    assert isinstance(synthetic, SyntheticMarket)
    assert replay.covers(AAPL)
    assert not replay.covers(EURUSD)
    assert synthetic.covers(EURUSD)


def test_a_relative_and_an_absolute_path_name_the_same_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _bars(tmp_path)
    monkeypatch.chdir(tmp_path)
    (one,) = open_feeds([parse_price_option("csv:AAPL=bars.csv")], CATALOGUE, NOON_NS)
    (other,) = open_feeds([parse_price_option(f"csv:AAPL={path}@60")], CATALOGUE, NOON_NS)
    assert one.source == other.source


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["csv:NOPE={path}"], "prices of NOPE: no instrument has the symbol"),
        (["csv:AAPL={path}.missing"], "prices of AAPL: .*missing"),
        (["csv:AAPL={broken}"], "prices of AAPL: .*line 1: the header lacks"),
        (["csv:AAPL={path}", "csv:AAPL={path}@max"], "prices of AAPL are given twice"),
        (["synthetic:1", "synthetic:2"], "synthetic prices are given twice"),
    ],
)
def test_what_cannot_be_opened_says_why(tmp_path: Path, texts: list[str], message: str) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("hello")
    options = [parse_price_option(text.format(path=_bars(tmp_path), broken=broken)) for text in texts]
    with pytest.raises(DropcopyError, match=message) as caught:
        open_feeds(options, CATALOGUE, NOON_NS)
    assert caught.value.code is Code.INVALID_CONFIGURATION
