"""Hours: what is open when, and what becomes of orders between sessions. New York's calendar, November 2026."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dropcopyd.brokers.paper.calendars import load_sessions
from dropcopyd.brokers.paper.exchange import Exchange
from dropcopyd.brokers.paper.opening import open_timetable
from dropcopyd.brokers.paper.records import PaperStatus
from dropcopyd.brokers.paper.sessions import CALENDARS, Auction, Listed, SessionMode, Timetable
from dropcopyd.domain.instrument import AssetClass, Future, Instrument
from dropcopyd.domain.order import OrderType, TimeInForce
from dropcopyd.domain.report import ReportKind
from dropcopyd.errors import DropcopyError
from tests.brokers.build import (
    AAPL,
    GTC,
    IOC,
    SELL,
    D,
    Floor,
    asked,
    fills,
    kinds,
    listed_floor,
    new_york,
    packaged_instruments,
    quote,
)

K = ReportKind
EXT = TimeInForce.EXT
REAL = Timetable(SessionMode.REAL, load_sessions)
BY_SYMBOL = {instrument.symbol: instrument for instrument in packaged_instruments()}


def session_at(symbol: str, at_ns: int) -> tuple[str, str, str]:
    """(trade date, open, close) of the session in progress or next, in UTC."""
    session = REAL.hours_of(BY_SYMBOL[symbol]).session_after(at_ns)
    return session.trade_date, _text(session.open_ns), _text(session.close_ns)


def _text(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 10**9, UTC).strftime("%m-%d %H:%M")


@pytest.mark.parametrize(
    ("symbol", "at", "expected"),
    [
        ("AAPL", "2026-11-24 12:00", ("2026-11-24", "11-24 14:30", "11-24 21:00")),
        ("AAPL", "2026-11-25 16:00", ("2026-11-27", "11-27 14:30", "11-27 18:00")),  # Thanksgiving, an early close
        ("AAPL", "2026-11-28 12:00", ("2026-11-30", "11-30 14:30", "11-30 21:00")),
        ("AAPL", "2026-12-31 16:00", ("2027-01-04", "01-04 14:30", "01-04 21:00")),  # New Year's Day is a Friday
        ("AAPL271217C00200000", "2026-11-24 12:00", ("2026-11-24", "11-24 14:30", "11-24 21:00")),
        ("ESZ7", "2026-11-24 12:00", ("2026-11-24", "11-23 23:00", "11-24 23:00")),
        ("ESZ7", "2026-11-28 12:00", ("2026-11-30", "11-29 23:00", "11-30 23:00")),
        ("EURUSD", "2026-11-24 16:59", ("2026-11-24", "11-23 22:00", "11-24 22:00")),
        ("EURUSD", "2026-11-24 17:00", ("2026-11-25", "11-24 22:00", "11-25 22:00")),
        (
            "EURUSD",
            "2026-11-27 17:00",
            ("2026-11-30", "11-29 22:00", "11-30 22:00"),
        ),  # the weekend
        ("BTC-USD", "2026-11-28 12:00", ("2026-11-28", "11-28 00:00", "11-29 00:00")),
        ("BTC-PERP", "2026-11-28 12:00", ("2026-11-28", "11-28 00:00", "11-29 00:00")),
        ("FED-CUT-2027-12-YES", "2026-11-28 12:00", ("2026-11-28", "11-28 00:00", "11-29 00:00")),
    ],
)
def test_each_class_keeps_its_hours(symbol: str, at: str, expected: tuple[str, str, str]) -> None:
    assert session_at(symbol, new_york(at)) == expected


def test_only_listed_equities_open_and_close_by_auction() -> None:
    found = {
        instrument.asset_class
        for instrument in BY_SYMBOL.values()
        if REAL.hours_of(instrument).auction_after(Auction.OPENING, new_york("2026-11-24 12:00"))
    }
    assert found == {AssetClass.EQUITY}


def test_the_next_opening_auction_after_the_open_is_tomorrows() -> None:
    hours = REAL.hours_of(AAPL)
    call = hours.auction_after(Auction.OPENING, new_york("2026-11-24 09:30"))
    assert call is not None
    assert (call.trade_date, call.at_ns) == ("2026-11-25", new_york("2026-11-25 09:30"))
    assert call.cutoff_ns == new_york("2026-11-25 09:28")


def test_an_instrument_may_name_its_calendar() -> None:
    """Hong Kong opens at 09:30, 01:30 in UTC, whatever the exchange is called; without it New York's hours hold."""
    listed = replace(AAPL, symbol="0700", exchange="SEHK", calendar="XHKG")
    session = REAL.hours_of(listed).session_after(new_york("2026-11-23 16:00"))
    assert (session.trade_date, _text(session.open_ns)) == ("2026-11-24", "11-24 01:30")
    other = REAL.hours_of(replace(listed, calendar=None)).session_after(new_york("2026-11-23 16:00"))
    assert _text(other.open_ns) == "11-24 14:30"
    with pytest.raises(DropcopyError, match="the hours of 0700: there is no exchange calendar 'XYZZ'"):
        open_timetable(SessionMode.REAL, [replace(listed, calendar="XYZZ")], new_york("2026-11-23 16:00"))


@pytest.mark.parametrize("name", sorted(set(CALENDARS.values())))
def test_every_calendar_named_here_exists(name: str) -> None:
    session = Listed(name, load_sessions, has_auctions=True).session_after(new_york("2026-11-24 12:00"))
    assert session.open_ns < session.close_ns


def test_calendars_are_not_loaded_where_nothing_keeps_hours() -> None:
    """The library takes more than a second to import; a daemon that trades round the clock never does."""
    code = (
        "import sys, dropcopyd.cli\n"
        "from dropcopyd.brokers.paper import SessionMode, Timetable\n"
        "from tests.brokers.build import AAPL\n"
        "Timetable(SessionMode.ALWAYS).hours_of(AAPL).session_after(0)\n"
        "sys.exit(any(name in sys.modules for name in ('exchange_calendars', 'pandas', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


# --- orders between sessions --------------------------------------------------------------------------------------


def test_a_day_order_entered_after_the_close_belongs_to_the_next_session() -> None:
    floor = listed_floor(new_york("2026-11-25 17:00"))
    floor.show(quote("10.00", "10.04"))
    assert kinds(floor.create("c1", 10, "10.04")) == [K.ACCEPTED]
    assert floor.order("c1").trade_date == "2026-11-27"
    assert floor.show(quote("9.90", "9.94")) == []  # nothing trades at night
    floor.at(new_york("2026-11-27 09:30"))
    assert fills(floor.reports) == [("c1", D(10), D("9.94"))]


def test_a_day_order_ends_at_the_close_an_early_one_included() -> None:
    floor = listed_floor(new_york("2026-11-27 10:00"))
    floor.show(quote("10.00", "10.04"))
    floor.create("c1", 10, "9.00")
    assert floor.at(new_york("2026-11-27 13:00") - 1) == []
    reports = floor.at(new_york("2026-11-27 13:00"))
    assert [(r.kind, r.reason_code, r.raw_status) for r in reports] == [(K.CANCELLED, "expired", "expired")]


def test_a_good_till_cancel_order_works_in_every_regular_session() -> None:
    floor = listed_floor(new_york("2026-11-24 10:00"))
    floor.show(quote("10.00", "10.04"))
    floor.create("c1", 10, "9.50", GTC)
    floor.at(new_york("2026-11-24 16:00"))
    assert floor.show(quote("9.40", "9.44")) == []  # after hours
    floor.at(new_york("2026-11-25 09:29:59"))
    assert floor.show(quote("9.45", "9.49")) == []  # before the open
    floor.at(new_york("2026-11-25 09:30"))
    assert fills(floor.reports) == [("c1", D(10), D("9.49"))]
    assert floor.reports[-1].trade_date == "2026-11-25"


def test_extended_hours_trade_who_asked_for_them_and_nobody_else() -> None:
    floor = listed_floor(new_york("2026-11-24 03:00"))
    floor.show(quote("10.00", "10.04"))
    floor.enter("ext", asked(OrderType.LIMIT, 10, EXT, limit_price="10.04"))
    floor.create("day", 10, "10.04")
    assert floor.show(quote("10.00", "10.03")) == []  # nobody before 04:00
    assert fills(floor.at(new_york("2026-11-24 04:00"))) == [("ext", D(10), D("10.03"))]
    assert fills(floor.show(quote("9.98", "10.02"))) == []
    assert fills(floor.at(new_york("2026-11-24 09:30"))) == [("day", D(10), D("10.02"))]


def test_an_extended_order_works_until_the_evening_four_hours_after_an_early_close_too() -> None:
    floor = listed_floor(new_york("2026-11-27 10:00"))
    floor.show(quote("10.00", "10.04"))
    floor.enter("ext", asked(OrderType.LIMIT, 10, EXT, limit_price="9.00"))
    floor.at(new_york("2026-11-27 13:00"))
    assert fills(floor.show(quote("8.98", "9.00", ask_size=4))) == [("ext", D(4), D("9.00"))]
    reports = floor.at(new_york("2026-11-27 17:00"))
    assert [(r.kind, r.reason_code) for r in reports] == [(K.CANCELLED, "expired")]


def test_a_stop_sleeps_outside_its_hours_and_a_trailing_stop_keeps_its_place() -> None:
    floor = listed_floor(new_york("2026-11-24 15:00"))
    floor.show(quote("10.00", "10.04"))
    floor.enter("stop", asked(OrderType.STOP, 10, GTC, stop_price="9.50"), SELL)
    floor.enter("trail", asked(OrderType.TRAILING_STOP, 10, GTC, trail_amount="1.00"), SELL)
    floor.at(new_york("2026-11-24 16:00"))
    assert floor.show(quote("9.00", "9.04")) == []
    assert floor.show(quote("20.00", "20.04")) == []
    floor.show(quote("9.60", "9.64"))
    floor.at(new_york("2026-11-25 09:30"))
    assert floor.order("trail").terms.stop_price == D("9.00")
    assert floor.order("stop").is_open
    reports = floor.show(quote("8.90", "8.94"))  # the gap after the open
    assert fills(reports) == [("stop", D(10), D("8.90")), ("trail", D(10), D("8.90"))]


def test_a_stop_limit_with_ext_triggers_before_the_open() -> None:
    floor = listed_floor(new_york("2026-11-24 05:00"))
    floor.show(quote("10.00", "10.04"))
    floor.enter("c1", asked(OrderType.STOP_LIMIT, 10, EXT, stop_price="9.95", limit_price="9.90"), SELL)
    assert fills(floor.show(quote("9.93", "9.97"))) == [("c1", D(10), D("9.93"))]


def test_an_expired_future_takes_its_orders_with_it() -> None:
    future = next(instrument for instrument in BY_SYMBOL.values() if isinstance(instrument, Future))
    floor = Floor(now_ns=future.expiration_ns - 3600 * 10**9)
    floor.show(quote("6000.00", "6000.25"), future)
    floor.enter("c1", asked(OrderType.LIMIT, 1, GTC, limit_price="5000.00"), instrument=future)
    reports = floor.at(future.expiration_ns)
    assert [(r.kind, r.reason_code) for r in reports] == [(K.CANCELLED, "instrument_expired")]


@pytest.mark.parametrize("instrument", BY_SYMBOL.values(), ids=lambda instrument: instrument.symbol)
def test_every_class_trades_in_its_hours(instrument: Instrument) -> None:
    """On a Tuesday at noon in New York all of them are open; fractions where the increment allows them."""
    floor = listed_floor(new_york("2026-11-24 12:00"))
    bid = {"EURUSD": "1.08000", "FED-CUT-2027-12-YES": "0.40"}.get(instrument.symbol, "97000.0")
    ask = {"EURUSD": "1.08001", "FED-CUT-2027-12-YES": "0.41"}.get(instrument.symbol, "97000.5")
    floor.show(quote(bid, ask), instrument)
    size = instrument.quantity_increment or D(1)
    reports = floor.enter("c1", asked(OrderType.MARKET, str(size)), instrument=instrument)
    assert fills(reports) == [("c1", size, D(ask))]
    assert floor.position(instrument=instrument) == size
    half = size / 2
    (report,) = floor.enter("c2", asked(OrderType.MARKET, format(half, "f")), instrument=instrument)
    assert report.reason_code == "invalid_quantity_increment"
    off_tick = format(D(bid) + (instrument.tick_size or D(1)) / 2, "f")
    (report,) = floor.enter("c3", asked(OrderType.LIMIT, str(size), limit_price=off_tick), instrument=instrument)
    assert report.reason_code == "invalid_price_increment"


def test_an_exchange_that_was_away_over_the_close_finds_everything_where_it_belongs() -> None:
    """Rebuilt from its book in the evening: the DAY order is over, the GTC order and the stop wait for the morning."""
    floor = listed_floor(new_york("2026-11-24 10:00"))
    floor.show(quote("10.00", "10.04"))
    floor.create("day", 10, "9.00")
    floor.create("gtc", 10, "9.50", GTC)
    floor.enter("trail", asked(OrderType.TRAILING_STOP, 10, GTC, trail_amount="1.00"), SELL)
    again = Floor(Exchange(floor.exchange.image, REAL), new_york("2026-11-24 18:00"))
    reports = again.at(again.now_ns)
    assert [(r.kind, r.broker_command_id) for r in reports] == [(K.CANCELLED, "day")]
    assert again.show(quote("9.40", "9.44")) == []
    again.at(new_york("2026-11-25 09:30"))
    again.show(quote("9.46", "9.48"))
    assert fills(again.reports) == [("gtc", D(10), D("9.44"))]
    assert fills(again.show(quote("9.00", "9.02"))) == [("trail", D(10), D("9.00"))]
    assert again.order("gtc").status is PaperStatus.FILLED


def test_immediate_orders_work_in_the_session() -> None:
    floor = listed_floor(new_york("2026-11-24 12:00"))
    floor.show(quote("10.00", "10.04", ask_size=4))
    assert kinds(floor.create("c1", 10, "10.04", IOC)) == [K.ACCEPTED, K.TRADE, K.CANCELLED]
