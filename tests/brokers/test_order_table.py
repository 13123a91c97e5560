"""Every order type with every time in force against the exchange, accepted ones to the end of their life.

Tuesday, 24 November 2026, New York: session 09:30 to 16:00, extended hours from 04:00 to 20:00. A buy of 10, and a
market that shows 5, so that every order has something left.
"""

from collections.abc import Callable
from decimal import Decimal

import pytest

from dropcopyd.domain.order import OrderTerms, OrderType, TimeInForce
from dropcopyd.domain.order_rules import FIELDS, RULES, SPECS, cell_of
from dropcopyd.domain.report import Liquidity, OrderReport, ReportKind
from tests.brokers.build import D, Floor, fills, kinds, listed_floor, new_york, quote

K, T, F = ReportKind, OrderType, TimeInForce
PRICES = {"price": D("10.14"), "stop_price": D("10.10"), "trail_amount": D("0.10")}
MORNING, OPEN, NOON = new_york("2026-11-24 08:00"), new_york("2026-11-24 09:30"), new_york("2026-11-24 12:00")
CLOSE, EVENING = new_york("2026-11-24 16:00"), new_york("2026-11-24 20:00")
NEXT_OPEN = new_york("2026-11-25 09:30")
Life = Callable[[OrderTerms], None]


def terms_of(order_type: OrderType, time_in_force: TimeInForce) -> OrderTerms:
    spec = SPECS[order_type]
    prices = {FIELDS[name]: PRICES[name] for name in (*spec.required, *spec.one_of[:1])}
    return OrderTerms(order_type=order_type, quantity=D(10), time_in_force=time_in_force, **prices)


def entered(terms: OrderTerms, at_ns: int, ask_size: int = 5) -> Floor:
    """The order, entered at that time into a market of 10.00 bid, 10.04 asked."""
    floor = listed_floor(at_ns)
    floor.show(quote("10.00", "10.04", ask_size=ask_size))
    floor.enter("c1", terms)
    return floor


def trades(reports: list[OrderReport]) -> list[tuple[Decimal, Decimal]]:
    return [(quantity, price) for _, quantity, price in fills(reports)]


def ended(reports: list[OrderReport], reason_code: str) -> None:
    assert [(r.kind, r.reason_code) for r in reports][-1] == (K.CANCELLED, reason_code)


def lives_through_the_day(terms: OrderTerms) -> None:
    """Waits in the morning, opens by the auction, works at noon, sleeps after hours, ends at the close."""
    floor = _until_the_close(terms)
    ended(floor.at(CLOSE), "expired")
    assert floor.order("c1").filled_quantity == 8


def lives_over_days(terms: OrderTerms) -> None:
    """The same, and opens again the next morning."""
    floor = _until_the_close(terms)
    assert floor.at(CLOSE) == []
    assert floor.show(quote("10.00", "10.04")) == []
    assert floor.at(NEXT_OPEN - 1) == []
    assert trades(floor.at(NEXT_OPEN)) == [(D(2), D("10.04"))]
    assert not floor.order("c1").is_open


def _until_the_close(terms: OrderTerms) -> Floor:
    floor = entered(terms, MORNING)
    assert kinds(floor.reports) == [K.ACCEPTED]
    reports = floor.at(OPEN)
    assert trades(reports) == [(D(5), D("10.04"))]
    assert reports[0].liquidity is Liquidity.AUCTION
    floor.now_ns = NOON
    assert trades(floor.show(quote("10.00", "10.04", ask_size=3))) == [(D(3), D("10.04"))]
    return floor


def trades_at_the_open(terms: OrderTerms) -> None:
    """In the opening auction and nowhere else."""
    floor = entered(terms, MORNING)
    assert kinds(floor.reports) == [K.ACCEPTED]
    assert floor.at(OPEN - 1) == []
    _takes_part(floor, OPEN)


def trades_at_the_close(terms: OrderTerms) -> None:
    """In the closing auction and nowhere else, the opening one included."""
    floor = entered(terms, MORNING)
    assert floor.at(OPEN) == []
    floor.now_ns = NOON
    assert floor.show(quote("10.00", "10.04", ask_size=5)) == []
    _takes_part(floor, CLOSE)


def _takes_part(floor: Floor, at_ns: int) -> None:
    reports = floor.at(at_ns)
    assert trades(reports) == [(D(5), D("10.04"))]
    assert reports[0].liquidity is Liquidity.AUCTION
    ended(reports, "auction_remainder")


def trades_at_once(terms: OrderTerms) -> None:
    """What is there is taken, the rest cancelled; outside the session it is refused."""
    floor = entered(terms, NOON)
    assert trades(floor.reports) == [(D(5), D("10.04"))]
    ended(floor.reports, "ioc_remainder")
    assert entered(terms, MORNING).reports[-1].reason_code == "market_closed"


def trades_whole_or_not(terms: OrderTerms) -> None:
    """Ten wanted: five shown are not enough, ten are; outside the session it is refused."""
    floor = entered(terms, NOON)
    assert trades(floor.reports) == []
    ended(floor.reports, "fok_not_filled")
    assert trades(entered(terms, NOON, ask_size=10).reports) == [(D(10), D("10.04"))]
    assert entered(terms, MORNING).reports[-1].reason_code == "market_closed"


def trades_at_any_hour(terms: OrderTerms) -> None:
    """Before, in and after the session, until the evening."""
    floor = entered(terms, MORNING)
    assert trades(floor.reports) == [(D(5), D("10.04"))]
    floor.at(NOON)
    assert trades(floor.show(quote("10.00", "10.04", ask_size=1))) == [(D(1), D("10.04"))]
    floor.at(CLOSE)
    assert trades(floor.show(quote("10.00", "10.04", ask_size=1))) == [(D(1), D("10.04"))]
    ended(floor.at(EVENING), "expired")


def triggers_in_the_session(terms: OrderTerms) -> None:
    """Sleeps through a spike in the morning, triggers at noon, ends at the close."""
    floor = _triggered(terms)
    ended(floor.at(CLOSE), "expired")


def triggers_over_days(terms: OrderTerms) -> None:
    """The same; what is left opens with the next session."""
    floor = _triggered(terms)
    assert floor.at(CLOSE) == []
    assert floor.show(quote("10.12", "10.14")) == []
    assert trades(floor.at(NEXT_OPEN)) == [(D(6), D("10.14"))]


def _triggered(terms: OrderTerms) -> Floor:
    floor = entered(terms, MORNING)
    assert floor.show(quote("10.30", "10.34")) == []
    assert floor.show(quote("10.00", "10.04")) == []
    assert [r.kind for r in floor.at(OPEN) if r.kind is not K.RESTATED] == []
    floor.now_ns = NOON
    assert floor.show(quote("10.00", "10.05")) == []
    reports = floor.show(quote("10.12", "10.14", ask_size=4))
    assert kinds(reports) == [K.TRIGGERED, K.TRADE]
    assert trades(reports) == [(D(4), D("10.14"))]
    return floor


def triggers_at_any_hour(terms: OrderTerms) -> None:
    """Triggers before the open, ends in the evening."""
    floor = entered(terms, MORNING)
    reports = floor.show(quote("10.12", "10.14", ask_size=4))
    assert trades(reports) == [(D(4), D("10.14"))]
    floor.at(CLOSE)
    ended(floor.at(EVENING), "expired")


LIVES: dict[tuple[OrderType, TimeInForce], Life] = {
    (T.LIMIT, F.DAY): lives_through_the_day,
    (T.LIMIT, F.GOOD_TILL_CANCEL): lives_over_days,
    (T.LIMIT, F.AT_OPEN): trades_at_the_open,
    (T.LIMIT, F.IMMEDIATE_OR_CANCEL): trades_at_once,
    (T.LIMIT, F.FILL_OR_KILL): trades_whole_or_not,
    (T.LIMIT, F.EXT): trades_at_any_hour,
    (T.LIMIT, F.AT_CLOSE): trades_at_the_close,
    (T.MARKET, F.DAY): lives_through_the_day,
    (T.MARKET, F.GOOD_TILL_CANCEL): lives_over_days,
    (T.MARKET, F.AT_OPEN): trades_at_the_open,
    (T.MARKET, F.IMMEDIATE_OR_CANCEL): trades_at_once,
    (T.MARKET, F.FILL_OR_KILL): trades_whole_or_not,
    (T.MARKET, F.AT_CLOSE): trades_at_the_close,
    (T.FILL_OR_KILL, F.FILL_OR_KILL): trades_whole_or_not,
    (T.LIMIT_ON_OPEN, F.DAY): trades_at_the_open,
    (T.LIMIT_ON_OPEN, F.AT_OPEN): trades_at_the_open,
    (T.LIMIT_ON_CLOSE, F.DAY): trades_at_the_close,
    (T.LIMIT_ON_CLOSE, F.AT_CLOSE): trades_at_the_close,
    (T.MARKET_ON_OPEN, F.DAY): trades_at_the_open,
    (T.MARKET_ON_OPEN, F.AT_OPEN): trades_at_the_open,
    (T.MARKET_ON_CLOSE, F.DAY): trades_at_the_close,
    (T.MARKET_ON_CLOSE, F.AT_CLOSE): trades_at_the_close,
    (T.STOP, F.DAY): triggers_in_the_session,
    (T.STOP, F.GOOD_TILL_CANCEL): triggers_over_days,
    (T.STOP_LIMIT, F.DAY): triggers_in_the_session,
    (T.STOP_LIMIT, F.GOOD_TILL_CANCEL): triggers_over_days,
    (T.STOP_LIMIT, F.EXT): triggers_at_any_hour,
    (T.TRAILING_STOP, F.DAY): triggers_in_the_session,
    (T.TRAILING_STOP, F.GOOD_TILL_CANCEL): triggers_over_days,
}
"""What is shown of each accepted cell."""


def test_every_accepted_cell_has_a_life() -> None:
    assert set(LIVES) == {(t, f) for t, row in RULES.items() for f, cell in row.items() if cell.is_accepted}


@pytest.mark.parametrize("time_in_force", TimeInForce)
@pytest.mark.parametrize("order_type", OrderType)
def test_cell(order_type: OrderType, time_in_force: TimeInForce) -> None:
    terms = terms_of(order_type, time_in_force)
    life = LIVES.get((order_type, time_in_force))
    if life is not None:
        life(terms)
        return
    floor = listed_floor(NOON)
    floor.show(quote("10.00", "10.04"))
    (report,) = floor.enter("c1", terms)
    assert (report.kind, report.reason_code) == (K.REJECTED, "unsupported_time_in_force")
    assert cell_of(order_type, time_in_force).text in (report.reason or "")
    assert floor.position() == 0
