"""Auctions, case by case with the numbers worked out; on New York's calendar, 24 November 2026."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from dropcopyd.brokers.paper.auction import Interest, uncross
from dropcopyd.brokers.paper.calendars import load_sessions
from dropcopyd.brokers.paper.exchange import Exchange
from dropcopyd.brokers.paper.sessions import SessionMode, Timetable
from dropcopyd.domain.order import OrderType, TimeInForce
from dropcopyd.domain.report import ReportKind
from tests.brokers.build import (
    EURUSD,
    GTC,
    IOC,
    OTHER_ACCOUNT,
    SELL,
    D,
    Floor,
    asked,
    fills,
    kinds,
    listed_floor,
    new_york,
    quote,
    submission,
    terms,
)

K = ReportKind
MOO, LOO = OrderType.MARKET_ON_OPEN, OrderType.LIMIT_ON_OPEN
MOC, LOC = OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE
AT_OPEN, AT_CLOSE = TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE
MARKET, LIMIT = OrderType.MARKET, OrderType.LIMIT


def closing(shown: str = "2026-11-24 15:00") -> Floor:
    floor = listed_floor(new_york(shown))
    floor.show(quote("10.00", "10.04", bid_size=300, ask_size=200))
    return floor


def test_an_order_alone_in_an_auction_trades_with_the_market_as_far_as_its_size_goes() -> None:
    """500 wanted at any price, 200 displayed at 10.04: 200 trade there, 300 are cancelled."""
    floor = closing()
    floor.enter("moc", asked(MOC, 500, AT_CLOSE))
    assert floor.at(new_york("2026-11-24 15:59")) == []
    reports = floor.at(new_york("2026-11-24 16:00"))
    assert fills(reports) == [("moc", D(200), D("10.04"))]
    assert [(r.kind, r.cumulative_quantity) for r in reports][-1] == (K.CANCELLED, D(200))


def test_two_orders_without_limits_meet_in_the_middle() -> None:
    """100 against 100: at 10.00 the market's bid would add 300, at 10.04 its ask 200; at 10.02 nothing is left over."""
    floor = closing()
    floor.enter("buy", asked(MOC, 100, AT_CLOSE))
    floor.send(submission("sell", asked=asked(MOC, 100, AT_CLOSE), side=SELL, account_id=OTHER_ACCOUNT))
    reports = floor.at(new_york("2026-11-24 16:00"))
    assert fills(reports) == [("buy", D(100), D("10.02")), ("sell", D(100), D("10.02"))]
    standing = floor.exchange.image.standings[(floor.order("buy").instrument.asset_class, "AAPL")]
    assert (standing.quote.bid_size, standing.quote.ask_size) == (D(300), D(200))  # the market gave nothing


def test_time_decides_between_equals() -> None:
    """150 for sale at any price and the market's 200 at 10.04: 350 for buys of 100, 100 and 300, all to 10.05."""
    floor = closing()
    floor.enter("first", asked(LOC, 100, AT_CLOSE, limit_price="10.05"))
    floor.enter("second", asked(LOC, 100, AT_CLOSE, limit_price="10.05"))
    floor.enter("third", asked(LOC, 300, AT_CLOSE, limit_price="10.05"))
    floor.enter("sell", asked(MOC, 150, AT_CLOSE), SELL)
    reports = floor.at(new_york("2026-11-24 16:00"))
    assert fills(reports) == [
        ("first", D(100), D("10.04")),
        ("second", D(100), D("10.04")),
        ("third", D(150), D("10.04")),
        ("sell", D(150), D("10.04")),
    ]


def test_a_limit_that_the_price_does_not_reach_is_cancelled() -> None:
    floor = closing()
    floor.enter("loc", asked(LOC, 100, AT_CLOSE, limit_price="9.00"))
    reports = floor.at(new_york("2026-11-24 16:00"))
    assert [(r.kind, r.reason_code) for r in reports] == [(K.CANCELLED, "auction_remainder")]


def test_entry_ends_ten_minutes_before_the_close_and_two_before_the_open() -> None:
    for at, terms_, is_taken in (
        ("2026-11-24 15:49:59", asked(MARKET, 1, AT_CLOSE), True),
        ("2026-11-24 15:50:00", asked(MARKET, 1, AT_CLOSE), False),
        ("2026-11-24 16:00:00", asked(MARKET, 1, AT_CLOSE), True),  # tomorrow's
        ("2026-11-24 09:27:59", asked(MOO, 1, AT_OPEN), True),
        ("2026-11-24 09:28:00", asked(MOO, 1, AT_OPEN), False),
        ("2026-11-24 09:30:00", asked(MOO, 1, AT_OPEN), True),
    ):
        floor = listed_floor(new_york(at) - 1_000_000)  # entering takes the test's clock a millisecond
        (report,) = floor.enter("c1", terms_)
        assert (report.kind is K.ACCEPTED) == is_taken, at
        if not is_taken:
            assert report.reason_code == "auction_cutoff"


def test_after_the_cut_off_nothing_is_cancelled_or_changed() -> None:
    floor = closing()
    floor.enter("loc", asked(LOC, 100, AT_CLOSE, limit_price="10.04"))
    floor.now_ns = new_york("2026-11-24 15:49")
    assert kinds(floor.replace("r", "loc", asked(LOC, 50, AT_CLOSE, limit_price="10.04")))[-1] is K.REPLACED
    floor.now_ns = new_york("2026-11-24 15:50")
    for reports in (
        floor.cancel("x", "r"),
        floor.replace("r2", "r", asked(LOC, 10, AT_CLOSE, limit_price="10.04")),
        floor.replace("r3", "r", terms(10, "10.04")),
    ):
        assert [(r.kind, r.reason_code) for r in reports] == [(K.REQUEST_REFUSED, "auction_cutoff")]
    assert fills(floor.at(new_york("2026-11-24 16:00"))) == [("r", D(50), D("10.04"))]


def test_an_order_of_the_session_is_not_held_by_the_cut_off() -> None:
    floor = closing()
    floor.create("day", 10, "9.00")
    floor.now_ns = new_york("2026-11-24 15:59")
    assert kinds(floor.cancel("x", "day")) == [K.PENDING_CANCEL, K.CANCELLED]


def test_an_early_close_moves_the_auction_and_its_cut_off() -> None:
    """The Friday after Thanksgiving ends at 13:00; Thanksgiving itself has no session."""
    floor = listed_floor(new_york("2026-11-26 12:00"))
    floor.show(quote("10.00", "10.04"))
    floor.enter("moc", asked(MOC, 10, AT_CLOSE))
    assert floor.order("moc").trade_date == "2026-11-27"
    floor.now_ns = new_york("2026-11-27 12:50")
    assert floor.enter("late", asked(MOC, 10, AT_CLOSE))[0].reason_code == "auction_cutoff"
    assert fills(floor.at(new_york("2026-11-27 13:00"))) == [("moc", D(10), D("10.04"))]


def test_what_rests_takes_part_in_the_closing_auction() -> None:
    floor = closing()
    floor.create("gtc", 10, "10.02", GTC)
    floor.enter("moc", asked(MOC, 10, AT_CLOSE), SELL)
    assert fills(floor.at(new_york("2026-11-24 16:00"))) == [("gtc", D(10), D("10.02")), ("moc", D(10), D("10.02"))]


def test_a_stop_takes_no_part_in_an_auction() -> None:
    floor = closing()
    floor.enter("stop", asked(OrderType.STOP, 10, GTC, stop_price="9.00"), SELL)
    floor.enter("moc", asked(MOC, 10, AT_CLOSE))
    reports = floor.at(new_york("2026-11-24 16:00"))
    assert [name for name, *_ in fills(reports)] == ["moc"]


def test_an_auction_without_a_quote_of_this_run_waits_for_one_for_an_hour() -> None:
    floor = listed_floor(new_york("2026-11-24 15:00"))
    floor.enter("a", asked(MOC, 10, AT_CLOSE))
    assert floor.at(new_york("2026-11-24 16:00")) == []
    floor.now_ns = new_york("2026-11-24 16:30")
    assert floor.cancel("x", "a")[0].reason_code == "auction_cutoff"
    reports = floor.show(quote("10.00", "10.04"))
    assert [(r.kind, r.trade_date) for r in reports] == [(K.TRADE, "2026-11-24")]
    floor = listed_floor(new_york("2026-11-24 15:00"))
    floor.enter("a", asked(MOC, 10, AT_CLOSE))
    reports = floor.at(new_york("2026-11-24 17:00"))
    assert [(r.kind, r.reason_code) for r in reports] == [(K.CANCELLED, "expired")]


def test_after_a_restart_an_older_quote_is_no_price_to_hold_an_auction_at() -> None:
    """10.04 stood before; the auction of 16:00 is held at the first quote of the new run, 9.04."""
    before = closing()
    before.enter("moc", asked(MOC, 100, AT_CLOSE))
    floor = Floor(
        Exchange(before.exchange.image, Timetable(SessionMode.REAL, load_sessions)), new_york("2026-11-24 15:30")
    )
    assert floor.at(new_york("2026-11-24 16:00")) == []
    assert fills(floor.show(quote("9.00", "9.04", ask_size=200))) == [("moc", D(100), D("9.04"))]


def test_where_everything_trades_at_any_hour_an_auction_is_held_every_five_minutes() -> None:
    floor = Floor()  # 12:00:00 UTC
    floor.show(quote("10.00", "10.04"))
    floor.enter("moo", asked(MOO, 10, AT_OPEN))
    floor.enter("moc", asked(MARKET, 5, AT_CLOSE), SELL)
    start = floor.now_ns // (300 * 10**9) * (300 * 10**9)
    assert floor.at(start + 299 * 10**9) == []
    assert kinds(floor.cancel("x", "moo")) == [K.REQUEST_REFUSED]  # ten seconds before it is too late
    reports = floor.at(start + 300 * 10**9)
    assert sorted(fills(reports)) == [("moc", D(5), D("10.04")), ("moo", D(10), D("10.04"))]


def test_an_instrument_without_auctions_says_so() -> None:
    floor = listed_floor(new_york("2026-11-24 12:00"))
    (report,) = floor.enter("c1", asked(MARKET, 1, AT_OPEN), instrument=EURUSD)
    assert (report.kind, report.reason_code) == (K.REJECTED, "no_auction")


def test_an_immediate_order_finds_nothing_before_the_open() -> None:
    floor = listed_floor(new_york("2026-11-24 09:29"))
    floor.show(quote("10.00", "10.04"))
    (report,) = floor.enter("c1", terms(10, "10.04", IOC))
    assert (report.kind, report.reason_code) == (K.REJECTED, "market_closed")
    assert "2026-11-24T14:30:00Z" in (report.reason or "")


CENTS = st.integers(990, 1010).map(lambda cents: Decimal(cents).scaleb(-2))
INTERESTS = st.lists(st.tuples(st.booleans(), st.none() | CENTS, st.integers(1, 50).map(Decimal)), max_size=12).map(
    lambda rows: [Interest(n, is_buy, limit, size, n) for n, (is_buy, limit, size) in enumerate(rows, 1)]
)


@given(INTERESTS, CENTS, st.integers(1, 4), st.integers(0, 60), st.integers(0, 60))
def test_no_other_price_would_trade_more_and_nobody_trades_beyond_a_limit(
    interests: list[Interest], bid: Decimal, width: int, bid_size: int, ask_size: int
) -> None:
    shown = quote(str(bid), str(bid + Decimal(width).scaleb(-2)), bid_size, ask_size)
    result = uncross(interests, shown, D("0.01"), D(1))
    best = max(_volume_at(Decimal(cents).scaleb(-2), interests, shown) for cents in range(980, 1025))
    if result is None:
        assert best == 0
        return
    assert _volume_at(result.price, interests, shown) == best
    by_number = {interest.number: interest for interest in interests}
    bought = sum((size for number, size in result.fills if by_number[number].is_buy), D(0))
    sold = sum((size for number, size in result.fills if not by_number[number].is_buy), D(0))
    assert bought - result.bought == sold - result.sold
    assert 0 <= result.bought <= ask_size
    assert 0 <= result.sold <= bid_size
    assert max(bought, sold) <= best
    for number, size in result.fills:
        one = by_number[number]
        assert 0 < size <= one.quantity
        assert one.limit is None or (one.limit >= result.price if one.is_buy else one.limit <= result.price)
    if result.bought:
        assert result.price >= shown.ask
    if result.sold:
        assert result.price <= shown.bid


def _volume_at(price: Decimal, interests: list[Interest], shown: object) -> Decimal:
    """Counted from scratch: what is wanted at a price or above, for sale at it or below, the market included."""
    wanted = [i.quantity for i in interests if i.is_buy and (i.limit is None or i.limit >= price)]
    offered = [i.quantity for i in interests if not i.is_buy and (i.limit is None or i.limit <= price)]
    if price <= shown.bid:  # type: ignore[attr-defined]
        wanted.append(shown.bid_size)  # type: ignore[attr-defined]
    if price >= shown.ask:  # type: ignore[attr-defined]
        offered.append(shown.ask_size)  # type: ignore[attr-defined]
    return min(sum(wanted, D(0)), sum(offered, D(0)))
