"""Replay of bars: the path, the speed, where it goes on, and what is wrong with a file."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropcopyd.brokers.paper.exchange import Exchange
from dropcopyd.brokers.paper.records import Image, Standing, Tick
from dropcopyd.brokers.paper.replay import BAR_QUOTES, Bar, Replay, load_bars, path_of
from dropcopyd.domain.instrument import Crypto, Equity
from tests.brokers.build import AAPL, EURUSD, GTC, NOON_NS, D, Floor, fills, submission, terms
from tests.support.spec import spec_file

HOUR_NS = 3_600 * 10**9
HEADER = "time,open,high,low,close,volume\n"
BTC = Crypto(
    symbol="BTC-USD", base="BTC", quote="USD", venue="PAPER", tick_size=D("0.01"), quantity_increment=D("0.00000001")
)


def bar(hour: int, opened: str, high: str, low: str, close: str, volume: str = "13000") -> Bar:
    return Bar(hour * HOUR_NS, D(opened), D(high), D(low), D(close), D(volume))


RISING = bar(0, "100.00", "104.00", "98.00", "103.00")
"""Nearer extreme: the low."""
FALLING = bar(1, "103.00", "104.00", "96.00", "97.00")
"""Nearer extreme: the high."""


def replay(bars: list[Bar], speed: int | None = 1) -> Replay:
    return Replay(AAPL, bars, None if speed is None else Fraction(speed), "bars.csv")


# --- the path -------------------------------------------------------------------------------------------------------


def test_the_path_is_open_nearer_extreme_other_extreme_close_with_quotes_between() -> None:
    asks = [shown.ask for shown in path_of(AAPL, RISING)]
    assert len(asks) == BAR_QUOTES == 13
    assert [str(ask) for ask in asks] == [
        "100.00", "99.50", "99.00", "98.50", "98.01",
        "99.50", "101.00", "102.50", "104.00",
        "103.75", "103.50", "103.25", "103.00",
    ]  # fmt: skip
    asks = [shown.ask for shown in path_of(AAPL, FALLING)]
    assert (asks[0], asks[4], asks[8], asks[12]) == (D("103.00"), D("104.00"), D("96.01"), D("97.00"))


def test_equally_near_extremes_go_away_from_the_close_first() -> None:
    rising = [shown.ask for shown in path_of(AAPL, bar(0, "100", "102", "98", "101"))]
    falling = [shown.ask for shown in path_of(AAPL, bar(0, "100", "102", "98", "99"))]
    assert (rising[4], rising[8]) == (D("98.01"), D("102"))
    assert (falling[4], falling[8]) == (D("102"), D("98.01"))


prices = st.integers(1, 5_000)


@st.composite
def bars_strategy(draw: st.DrawFn) -> Bar:
    low = draw(prices)
    high = low + draw(st.integers(0, 400))
    opened, close = draw(st.integers(low, high)), draw(st.integers(low, high))
    prices_in_order = (Decimal(value).scaleb(-2) for value in (opened, high, low, close))
    volume = draw(st.decimals(0, 10**9, places=3, allow_nan=False, allow_infinity=False))
    first, top, bottom, last = prices_in_order
    return Bar(0, first, top, bottom, last, volume)


@given(bars_strategy())
def test_every_quote_lies_inside_the_bar_and_touches_both_ends(made: Bar) -> None:
    quotes = path_of(AAPL, made)
    assert len(quotes) == BAR_QUOTES
    if made.high - made.low >= D("0.01"):
        assert min(shown.bid for shown in quotes) == made.low
        assert max(shown.ask for shown in quotes) == made.high
    for shown in quotes:
        assert shown.ask - shown.bid == D("0.01")
        assert shown.bid_size == shown.ask_size >= 10
        assert shown.bid_size == shown.bid_size.to_integral_value()


def test_volume_is_shown_in_equal_parts_with_a_floor() -> None:
    assert path_of(AAPL, RISING)[0].ask_size == 1_000
    assert path_of(AAPL, bar(0, "100", "104", "98", "103", "7"))[0].ask_size == 10
    assert path_of(AAPL, bar(0, "100", "104", "98", "103", "0"))[0].ask_size == 10
    assert path_of(EURUSD, bar(0, "1.1", "1.2", "1.0", "1.1", "1413"))[0].ask_size == 10_000
    assert path_of(BTC, bar(0, "4.58", "7.38", "3.8", "5.55", "2012.25343589"))[0].ask_size == D("154.78872583")


def test_a_bar_off_the_tick_grid_is_quoted_on_it_and_above_zero() -> None:
    coarse = replace(AAPL, tick_size=D("0.25"))
    for made in (bar(0, "10.03", "10.90", "10.01", "10.60"), bar(0, "10.03", "10.04", "10.01", "10.02")):
        for shown in path_of(coarse, made):
            assert shown.ask - shown.bid == D("0.25")
            assert shown.bid % D("0.25") == 0
    assert path_of(coarse, bar(0, "0.01", "0.02", "0.01", "0.02"))[0].bid == D("0.25")


# --- trading along it -----------------------------------------------------------------------------------------------


def _play(floor: Floor, feed: Replay, now_ns: int, limit: int = 64) -> list[tuple[str, Decimal, Decimal]]:
    made = []
    for tick in feed.due([AAPL], now_ns, limit):
        floor.now_ns += 1
        decision = floor.exchange.quote(tick, feed.source, floor.now_ns)
        made += decision.order_reports
    return fills(made)


def test_limits_inside_a_bar_are_crossed_in_the_order_of_the_path_at_their_own_price() -> None:
    floor, feed = Floor(), replay([RISING], None)
    _play(floor, feed, NOON_NS, 1)
    floor.create("buy", 10, "98.40")
    floor.send(submission("sell", asked=terms(10, "103.90"), side=SELL_SIDE))
    floor.create("deep", 10, "97.99")
    assert _play(floor, feed, NOON_NS) == [("buy", D(10), D("98.40")), ("sell", D(10), D("103.90"))]


SELL_SIDE = submission("x").command.order_side.SELL


def test_an_order_sees_only_the_prices_after_its_arrival() -> None:
    floor, feed = Floor(), replay([RISING], None)
    _play(floor, feed, NOON_NS, 6)
    floor.create("late", 10, "98.40", GTC)
    assert _play(floor, feed, NOON_NS) == []


def test_the_next_bar_opens_with_a_jump() -> None:
    floor = Floor()
    feed = replay([RISING, bar(1, "90.00", "91.00", "89.00", "90.50")], None)
    _play(floor, feed, NOON_NS, BAR_QUOTES)
    floor.create("c1", 10, "95.00")
    assert _play(floor, feed, NOON_NS, 1) == [("c1", D(10), D("90.00"))]


# --- time -----------------------------------------------------------------------------------------------------------


def test_speed_is_a_multiple_of_real_time() -> None:
    feed = replay([RISING, FALLING, bar(2, "97", "98", "96", "97")], 3_600)
    second = 10**9
    assert len(feed.due([], NOON_NS, 64)) == 1
    assert feed.next_due_ns(NOON_NS) == NOON_NS + second // BAR_QUOTES
    assert len(feed.due([], NOON_NS + second // 2, 64)) == 6
    assert len(feed.due([], NOON_NS + second - 1, 64)) == 6
    (tick,) = feed.due([], NOON_NS + second, 64)
    assert (tick.quote.ask, tick.is_continuous, tick.is_mark) == (D("103.00"), False, True)
    assert len(feed.due([], NOON_NS + 2 * second, 64)) == BAR_QUOTES


def test_a_night_is_not_waited_for_and_a_long_month_is() -> None:
    hours = [replace(RISING, time_ns=hour * HOUR_NS) for hour in (0, 1, 2, 3, 51, 52)]
    feed = replay(hours)
    assert len(feed.due([], NOON_NS, 1_000)) == 1
    assert len(feed.due([], NOON_NS + 5 * HOUR_NS, 1_000)) == 5 * BAR_QUOTES
    months = [replace(RISING, time_ns=day * 24 * HOUR_NS) for day in (0, 31, 59, 90)]
    feed = replay(months)
    feed.due([], NOON_NS, 1)
    assert len(feed.due([], NOON_NS + 31 * 24 * HOUR_NS, 1_000)) == BAR_QUOTES


def test_as_fast_as_can_be_is_a_bounded_piece_at_a_time() -> None:
    feed = replay([RISING, FALLING], None)
    assert [len(feed.due([], NOON_NS, 10)) for _ in range(4)] == [10, 10, 6, 0]


def test_after_the_end_the_last_quote_stays_and_is_shown_again_to_who_waits() -> None:
    floor, feed = Floor(), replay([bar(0, "100", "101", "99", "100", "0")], None)
    _play(floor, feed, NOON_NS)
    floor.create("c1", 25)
    assert floor.order("c1").filled_quantity == 10
    assert _play(floor, feed, NOON_NS) == []
    assert _play(floor, feed, NOON_NS + 10**9) == [("c1", D(10), D("100.00"))]
    assert _play(floor, feed, NOON_NS + 10**9) == []
    assert _play(floor, feed, NOON_NS + 2 * 10**9) == [("c1", D(5), D("100.00"))]
    assert feed.due([], NOON_NS + 9 * 10**9, 64) == []


# --- restart --------------------------------------------------------------------------------------------------------


def _stood(tick: Tick, feed: Replay) -> Standing:
    return Standing(tick.instrument, feed.source, tick.place, tick.quote, NOON_NS)


@pytest.mark.parametrize("shown", [1, 5, 12, 13, 14, 20, 25, 26])
@pytest.mark.parametrize("speed", [None, 3_600])
def test_a_replay_goes_on_after_the_quote_that_was_recorded(shown: int, speed: int | None) -> None:
    def everything(feed: Replay, after_ns: int) -> list[Tick]:
        feed.due([], NOON_NS, 0)
        feed.next_due_ns(NOON_NS)
        return feed.due([], NOON_NS + after_ns, 1_000)

    bars = [RISING, FALLING]
    whole = everything(replay(bars, speed), 10**12)
    assert len(whole) == 26
    feed = replay(bars, speed)
    feed.resume([_stood(whole[shown - 1], feed)])
    assert everything(feed, 10**12) == whole[shown:]


def test_a_replay_that_goes_on_keeps_its_pace() -> None:
    feed = replay([RISING, FALLING], 3_600)
    first = feed.due([], NOON_NS, 1)[0]
    after = replay([RISING, FALLING], 3_600)
    after.resume([_stood(first, feed)])
    assert len(after.due([], NOON_NS, 64)) == 1
    assert len(after.due([], NOON_NS + 10**9 // BAR_QUOTES + 1, 64)) == 1


def test_a_file_that_lost_the_recorded_bar_goes_on_with_the_next_one() -> None:
    tick = replay([RISING, FALLING], None).due([], NOON_NS, 5)[-1]
    feed = replay([FALLING], None)
    feed.resume([_stood(tick, feed)])
    assert feed.due([], NOON_NS, 64)[0].place == f"{HOUR_NS}:0"


def test_a_file_that_grew_goes_on_with_the_new_bars() -> None:
    tick = replay([RISING], None).due([], NOON_NS, 64)[-1]
    feed = replay([RISING, FALLING], None)
    feed.resume([_stood(tick, feed)])
    assert feed.due([], NOON_NS, 64)[0].place == f"{HOUR_NS}:0"


# --- files ----------------------------------------------------------------------------------------------------------


def _file(folder: Path, text: str) -> Path:
    path = folder / "bars.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_headers_in_any_case_and_order_an_unnamed_time_and_other_columns(tmp_path: Path) -> None:
    text = "\ufeff,CLOSE,Open,High, low ,Adj Close,Volume\n2017-04-19 09:00:00,3,2,4,1,9,5\n\n2017-04-20,3,2,4,1,9,\n"
    first, second = load_bars(_file(tmp_path, text))
    assert first == Bar(1_492_592_400 * 10**9, D(2), D(4), D(1), D(3), D(5))
    assert second == Bar(1_492_646_400 * 10**9, D(2), D(4), D(1), D(3), D(0))


@pytest.mark.parametrize("time", ["2017-04-19T09:00:00Z", "2017-04-19T11:00:00+02:00", "2017-04-19 09:00"])
def test_times_may_have_an_offset(tmp_path: Path, time: str) -> None:
    (made,) = load_bars(_file(tmp_path, f"{HEADER}{time},1,1,1,1,1\n"))
    assert made.time_ns == 1_492_592_400 * 10**9


def test_volume_may_be_missing(tmp_path: Path) -> None:
    assert load_bars(_file(tmp_path, "Date,Open,High,Low,Close\n2020-01-01,1,1,1,1\n"))[0].volume == 0


GOOD = "2020-01-01,2,4,1,3,5\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the header lacks open, high, low, close"),
        ("time,open,high,low\n", "line 1: the header lacks close"),
        ("time,open,high,low,close,Open\n", "line 1: the header names open twice"),
        (HEADER, "holds no bars"),
        (HEADER + "yesterday,2,4,1,3,5\n", "line 2: not a date or date-time: 'yesterday'"),
        (HEADER + GOOD + "2020-01-02,5,4,1,3,5\n", "line 3: high 4 is below another price"),
        (HEADER + GOOD + "2020-01-02,2,4,3,3,5\n", "line 3: low 3 is above another price"),
        (HEADER + GOOD + "2020-01-02,2,1,4,3,5\n", "line 3: high 1 is below another price"),
        (HEADER + GOOD + "2020-01-02,0,4,0,3,5\n", "line 3: open must be above zero"),
        (HEADER + GOOD + "2020-01-02,-2,4,1,3,5\n", "line 3: open must be above zero"),
        (HEADER + GOOD + "2020-01-02,,4,1,3,5\n", "line 3: open is not a decimal"),
        (HEADER + GOOD + "2020-01-02,2,4,1\n", "line 3: close is not a decimal"),
        (HEADER + GOOD + "2020-01-02,2,4,1,nan,5\n", "line 3: close is not a decimal"),
        (HEADER + GOOD + "2020-01-02,2,4,1,3,-5\n", "line 3: volume must not be below zero"),
        (HEADER + GOOD + "2020-01-02,2,4,1,3,many\n", "line 3: volume is not a decimal"),
        (HEADER + GOOD + GOOD, "line 3: time 2020-01-01 is not after the row before"),
        (HEADER + GOOD + "\n\n2019-12-31,2,4,1,3,5\n", "line 5: time 2019-12-31 is not after"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        load_bars(_file(tmp_path, text))
    assert message in str(caught.value)
    assert "bars.csv" in str(caught.value)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ValueError, match=r"bars\.csv"):
        load_bars(path)


# --- real bars ------------------------------------------------------------------------------------------------------


class TestRealBars:
    pytestmark = pytest.mark.spec

    @pytest.mark.parametrize(
        ("name", "count", "instrument"),
        [
            ("EURUSD_hourly.csv", 5_000, EURUSD),
            ("GOOG_daily.csv", 2_148, Equity(symbol="GOOG", tick_size=D("0.01"), quantity_increment=D(1))),
            ("BTCUSD_monthly.csv", 156, BTC),
        ],
    )
    def test_real_bars_load_and_play_within_their_range(
        self, name: str, count: int, instrument: Equity | Crypto
    ) -> None:
        bars = load_bars(spec_file(f"data/{name}"))
        assert len(bars) == count
        feed = Replay(instrument, bars, None, name)
        ticks = feed.due([], NOON_NS, 10**6)
        assert len(ticks) == count * BAR_QUOTES
        for number, made in enumerate(bars):
            shown = [tick.quote for tick in ticks[number * BAR_QUOTES : (number + 1) * BAR_QUOTES]]
            assert min(quote.bid for quote in shown) == made.low
            flat = instrument.tick_size if made.high == made.low else None
            assert max(quote.ask for quote in shown) == made.high + (flat or 0)

    def test_an_hourly_file_takes_one_second_per_bar_at_3600(self) -> None:
        bars = load_bars(spec_file("data/EURUSD_hourly.csv"))
        feed = Replay(EURUSD, bars, Fraction(3_600), "EURUSD_hourly.csv")
        feed.due([], NOON_NS, 1)
        for second in range(1, 200):
            assert len(feed.due([], NOON_NS + second * 10**9, 64)) == BAR_QUOTES

    def test_a_limit_in_the_second_real_hour_fills_at_its_price(self) -> None:
        bars = load_bars(spec_file("data/EURUSD_hourly.csv"))
        feed = Replay(EURUSD, bars, None, "EURUSD_hourly.csv")
        exchange = Exchange(Image("book", NOON_NS))
        floor = Floor(exchange)
        for tick in feed.due([], NOON_NS, BAR_QUOTES):
            exchange.quote(tick, feed.source, NOON_NS)
        # 10:00: open 1.07214 = low, high 1.07296, close 1.0726.
        floor.create("c1", 5_000, "1.07250", instrument=EURUSD)
        floor.send(submission("c2", asked=terms(5_000, "1.07290"), side=SELL_SIDE, instrument=EURUSD))
        made = []
        for tick in feed.due([], NOON_NS, BAR_QUOTES):
            made += exchange.quote(tick, feed.source, NOON_NS).order_reports
        # The close before, 1.07219, was below the buy's limit: it filled on arrival. The sell waited for the high.
        assert floor.order("c1").filled_quantity == 5_000
        assert fills(floor.reports) == [("c1", D(5_000), D("1.07219"))]
        assert fills(made) == [("c2", D(5_000), D("1.07290"))]
