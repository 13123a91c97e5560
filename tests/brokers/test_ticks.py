"""Recorded quotes and trades as prices, from CSV and from Parquet."""

import csv
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from dropcopyd.brokers.paper import open_feeds, parse_price_option
from dropcopyd.brokers.paper.exchange import Exchange
from dropcopyd.brokers.paper.market import Feed
from dropcopyd.brokers.paper.records import Image, Standing
from dropcopyd.brokers.paper.replay import load_bars
from dropcopyd.brokers.paper.tables import NEEDS_PYARROW
from dropcopyd.brokers.paper.ticks import GAP_MAX_NS, Recorded, TickReplay, load_quotes, load_trades
from dropcopyd.domain.catalogue import Catalogue
from dropcopyd.domain.instrument import Equity
from dropcopyd.errors import DropcopyError
from tests.brokers.build import AAPL, EURUSD, NOON_NS, SELL, D, Floor, fills, quote, submission, terms
from tests.support.spec import spec_file

QUOTES = "time,bid,ask,bid_size,ask_size\n"
TRADES = "time,price,size,side\n"
SECOND_NS = 10**9
START_NS = 1_767_614_400 * SECOND_NS
"""2026-01-05 12:00:00 UTC."""


def file(folder: Path, text: str, name: str = "ticks.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def feed(rows: list[tuple[int, str, str]], speed: int | None = 1) -> TickReplay:
    """Quotes at seconds after the start."""
    found = [Recorded(START_NS + second * SECOND_NS, quote(bid, ask)) for second, bid, ask in rows]
    return TickReplay(AAPL, found, None if speed is None else Fraction(speed), "quotes:a")


def asks(feed: TickReplay, second: float) -> list[Decimal]:
    return [tick.quote.ask for tick in feed.due([AAPL], NOON_NS + int(second * SECOND_NS), 64)]


# --- files ----------------------------------------------------------------------------------------------------------


def test_quotes_are_as_recorded_on_ticks_with_the_usual_size_where_there_is_none(tmp_path: Path) -> None:
    text = (
        "Time,ASK,Bid,extra,ask_size\n2026-01-05T12:00:00Z,100.014,99.996,x,7\n2026-01-05 12:00:00.5,100.02,100.01,x,\n"
    )
    first, second = load_quotes(file(tmp_path, text), AAPL)
    assert first == Recorded(START_NS, quote("99.99", "100.02", 100, 7))
    assert second == Recorded(START_NS + SECOND_NS // 2, quote("100.01", "100.02", 100, 100))


def test_a_trade_is_at_the_ask_when_bought_and_at_the_bid_when_sold(tmp_path: Path) -> None:
    """Without a side it is one of those by the last price: up is bought, down is sold, the same stays so."""
    lines = ("100.00,5,buy", "100.00,6,SELL", "100.10,7,", "100.10,8,", "100.05,9,", "100.05,9,")
    text = TRADES + "".join(f"2026-01-05 12:00:0{number},{line}\n" for number, line in enumerate(lines))
    shown = [row.quote for row in load_trades(file(tmp_path, text), AAPL)]
    assert shown[:2] == [quote("99.99", "100.00", 5, 5), quote("100.00", "100.01", 6, 6)]
    assert [(one.bid, one.ask) for one in shown[2:]] == [
        (D("100.09"), D("100.10")),
        (D("100.09"), D("100.10")),
        (D("100.05"), D("100.06")),
        (D("100.05"), D("100.06")),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the header lacks bid, ask; needed: time, bid, ask, bid_size, ask_size"),
        (QUOTES, "holds no rows"),
        (QUOTES + "2026-01-05,1,2,1,1\nsoon,1,2,1,1\n", "line 3: not a date or date-time: 'soon'"),
        (QUOTES + "2026-01-05,2,2,1,1\n", "line 2: ask 2 is not above bid 2"),
        (QUOTES + "2026-01-05,0,2,1,1\n", "line 2: bid must be above zero"),
        (QUOTES + "2026-01-05,0.001,2,1,1\n", "line 2: bid 0.001 is below a tick"),
        (QUOTES + "2026-01-05,1,2,-1,1\n", "line 2: bid_size must not be below zero"),
        (QUOTES + "2026-01-05,1,x,1,1\n", "line 2: ask is not a decimal"),
        (QUOTES + "2026-01-05,1,2,1,1\n2026-01-04,1,2,1,1\n", "line 3: time 2026-01-04 is before the row before"),
        ("time,bid,bid,ask\n", "line 1: the header names bid twice"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        load_quotes(file(tmp_path, text), AAPL)
    assert said in str(caught.value)
    assert "ticks.csv" in str(caught.value)


def test_a_trade_has_a_size_and_a_side_that_is_known(tmp_path: Path) -> None:
    for line, said in (("1,0,buy", "size must be above zero"), ("1,1,up", "side must be buy or sell, not 'up'")):
        with pytest.raises(ValueError, match=said):
            load_trades(file(tmp_path, f"{TRADES}2026-01-05,{line}\n"), AAPL)


# --- Parquet --------------------------------------------------------------------------------------------------------


def write(path: Path, columns: dict[str, Any]) -> Path:
    parquet.write_table(arrow.table(columns), path)
    return path


def test_parquet_says_the_same_as_csv_whatever_its_columns_are(tmp_path: Path) -> None:
    moments = [datetime(2026, 1, 5, 12, tzinfo=UTC) + timedelta(milliseconds=250 * number) for number in range(3)]
    bids, asks = ["99.95", "100.1", "0.07"], ["100.05", "100.3", "0.08"]
    lines = [f"{at.isoformat()},{bid},{ask},5,6\n" for at, bid, ask in zip(moments, bids, asks, strict=True)]
    expected = load_quotes(file(tmp_path, QUOTES + "".join(lines)), AAPL)
    sizes = {"bid_size": [5, 5, 5], "ask_size": ["6", "6", "6"]}
    for number, amounts in enumerate((str, float, Decimal)):
        prices = {"bid": [amounts(one) for one in bids], "ask": [amounts(one) for one in asks]}
        stamps = arrow.array(moments, arrow.timestamp(("ms", "us", "ns")[number], tz="UTC"))
        path = write(tmp_path / f"{number}.parquet", {**prices, "Timestamp": stamps, **sizes})
        assert load_quotes(path, AAPL) == expected
    naive = arrow.array([moment.replace(tzinfo=None) for moment in moments], arrow.timestamp("us"))
    path = write(tmp_path / "naive.pq", {**prices, "__index_level_0__": naive, **sizes})
    assert load_quotes(path, AAPL) == expected


def test_a_parquet_file_that_is_none_or_lacks_a_value_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 no")
    with pytest.raises(ValueError, match=r"broken\.parquet, line 1: not a Parquet file"):
        load_quotes(broken, AAPL)
    with pytest.raises(FileNotFoundError):
        load_quotes(tmp_path / "none.parquet", AAPL)
    path = write(
        tmp_path / "holes.parquet", {"time": ["2026-01-05", "2026-01-06"], "bid": [1.0, None], "ask": [2.0, 2.0]}
    )
    with pytest.raises(ValueError, match=r"line 3: bid is not a decimal"):
        load_quotes(path, AAPL)


def test_without_pyarrow_a_parquet_file_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "q.parquet", {"time": ["2026-01-05"], "bid": [1.0], "ask": [2.0]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    options = [parse_price_option(f"quotes:AAPL={path}")]
    with pytest.raises(DropcopyError) as caught:
        open_feeds(options, Catalogue([AAPL]), NOON_NS)
    assert NEEDS_PYARROW in str(caught.value)
    load_quotes(file(tmp_path, QUOTES + "2026-01-05,1,2,1,1\n"), AAPL)  # CSV needs nothing


class TestRealBars:
    pytestmark = pytest.mark.spec

    def test_real_bars_in_parquet_are_those_in_csv(self, tmp_path: Path) -> None:
        source = spec_file("data/GOOG_daily.csv")
        with source.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        columns = {name: [float(row[name]) for row in rows] for name in ("Open", "High", "Low", "Close", "Volume")}
        dates = arrow.array([datetime.fromisoformat(row[""]) for row in rows], arrow.timestamp("ns"))
        path = write(tmp_path / "goog.parquet", {**columns, "Date": dates})
        assert load_bars(path) == load_bars(source)

    def test_closes_as_trades_fill_at_their_prices(self, tmp_path: Path) -> None:
        """A month of real closes as a tape: a buyer with a limit below trades when the market has come down to it."""
        bars = load_bars(spec_file("data/GOOG_daily.csv"))[:30]
        goog = Equity(symbol="GOOG", tick_size=D("0.01"), quantity_increment=D(1))
        tape = "".join(
            f"{datetime.fromtimestamp(bar.time_ns // SECOND_NS, UTC).date()},{bar.close},{bar.volume}\n" for bar in bars
        )
        path = file(tmp_path, "time,price,size\n" + tape)
        (market, _) = open_feeds(
            [parse_price_option(f"trades:GOOG={path}@max"), parse_price_option("synthetic")], Catalogue([goog]), 0
        )
        low = min(bars[5:], key=lambda bar: bar.close).close
        floor = play(market, 5, goog)
        floor.create("A", 10, str(low + D("0.01")), instrument=goog)
        assert fills(rest(floor, market, goog)) == [("A", D(10), low + D("0.01"))]


def play(market: Feed, count: int, instrument: Equity) -> Floor:
    """An exchange after so many rows."""
    floor = Floor(Exchange(Image("book", NOON_NS)))
    for tick in market.due([instrument], NOON_NS, count):
        floor.show(tick.quote, instrument)
    return floor


def rest(floor: Floor, market: Feed, instrument: Equity) -> list[Any]:
    made: list[Any] = []
    for tick in market.due([instrument], NOON_NS, 1_000):
        made += floor.show(tick.quote, instrument)
    return made


# --- time -----------------------------------------------------------------------------------------------------------


def test_rows_come_at_their_times_and_the_last_one_stays() -> None:
    market = feed([(0, "1", "2"), (1, "2", "3"), (1, "3", "4"), (3, "4", "5")])
    assert asks(market, 0) == [D(2)]
    assert asks(market, 0.9) == []
    assert asks(market, 1) == [D(3), D(4)]
    assert market.next_due_ns(NOON_NS + SECOND_NS) == NOON_NS + 3 * SECOND_NS
    assert asks(market, 3) == [D(5)]
    assert asks(market, 3.5) == []
    assert asks(market, 4) == [D(5)]
    assert market.due([EURUSD], NOON_NS + 60 * SECOND_NS, 64) == []


def test_speed_and_long_gaps() -> None:
    market = feed([(0, "1", "2"), (10, "2", "3"), (100_000, "3", "4")], speed=10)
    assert asks(market, 0) == [D(2)]
    assert asks(market, 1) == [D(3)]
    gap_s = GAP_MAX_NS / SECOND_NS / 10
    assert asks(market, 1 + gap_s - 0.1) == []
    assert asks(market, 1 + gap_s) == [D(4)]
    assert asks(feed([(0, "1", "2"), (10, "2", "3")], speed=None), 0) == [D(2), D(3)]


def test_it_goes_on_after_the_row_that_the_book_has() -> None:
    rows = [(0, "1", "2"), (1, "2", "3"), (1, "3", "4"), (2, "4", "5")]
    tick = feed(rows, None).due([AAPL], NOON_NS, 2)[-1]
    standing = Standing(AAPL, "quotes:a", tick.place, tick.quote, NOON_NS)
    again = feed(rows, None)
    again.resume([standing])
    assert asks(again, 0) == [D(4), D(5)]
    shifted = feed([(-5, "9", "10"), *rows], None)
    shifted.resume([standing])
    assert asks(shifted, 0) == [D(3), D(4), D(5)], "a file that begins earlier now goes on by the time"


def test_the_market_jumps_between_rows() -> None:
    """A limit at 100.50 is passed by a jump from 101 to 100: it trades at 100, not on the way."""
    market, floor = feed([(0, "100.90", "101"), (1, "99.90", "100")], None), Floor()
    first, second = market.due([AAPL], NOON_NS, 64)
    floor.exchange.quote(first, market.source, NOON_NS)
    floor.create("A", 10, "100.50")
    decision = floor.exchange.quote(second, market.source, NOON_NS)
    assert fills([one.report for one in decision.reports]) == [("A", D(10), D(100))]  # type: ignore[misc]
    floor.send(submission("B", asked=terms(5), side=SELL))
    assert fills(floor.reports)[-1] == ("B", D(5), D("99.90"))
