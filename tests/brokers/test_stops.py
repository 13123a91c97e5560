"""Stop orders, case by case with the numbers worked out."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropcopyd.brokers.paper.funding import wallet_of
from dropcopyd.brokers.paper.plan import Parameters, Plan, Profile
from dropcopyd.brokers.paper.records import PaperStatus
from dropcopyd.brokers.paper.triggers import Triggers, is_passed, ratcheted
from dropcopyd.domain.order import OrderSide, OrderType
from dropcopyd.domain.report import ReportKind
from tests.brokers.build import AAPL, ACCOUNT, BUY, DAY, GTC, NOON_NS, SELL, D, Floor, asked, fills, kinds, quote, terms

K = ReportKind
STOP, STOP_LIMIT, TRAILING = OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP


def test_a_market_that_comes_through_every_price_fills_the_stop_at_its_price() -> None:
    floor = Floor()
    floor.show(quote("10.00", "10.02"))
    floor.enter("c1", asked(STOP, 100, stop_price="9.95"), SELL)
    assert fills(floor.show(quote("9.60", "9.62"), is_continuous=True)) == [("c1", D(100), D("9.95"))]


def test_a_stop_limit_may_stay_unfilled_and_then_rests_at_its_limit() -> None:
    """Stop 9.95, limit 9.90: the gap to 9.60 is beyond the limit; at 9.90 it fills."""
    floor = Floor()
    floor.show(quote("10.00", "10.02"))
    floor.enter("c1", asked(STOP_LIMIT, 100, stop_price="9.95", limit_price="9.90"), SELL)
    assert kinds(floor.show(quote("9.60", "9.62"))) == [K.TRIGGERED]
    assert floor.order("c1").is_triggered
    assert floor.show(quote("9.89", "9.91")) == []
    assert fills(floor.show(quote("9.90", "9.92"))) == [("c1", D(100), D("9.90"))]


def test_a_stop_that_the_market_has_passed_triggers_on_arrival() -> None:
    floor = Floor()
    floor.show(quote("10.00", "10.02"))
    assert kinds(floor.enter("c1", asked(STOP, 10, stop_price="10.01"), SELL)) == [K.ACCEPTED, K.TRIGGERED, K.TRADE]


def path(*, is_continuous: bool) -> list[tuple[str, Decimal, Decimal]]:
    """From 10.00 down to 9.60 past a sell stop at 9.95 and buys at 9.97, 9.96 (its ask when the bid is 9.95), 9.80."""
    floor = Floor()
    floor.show(quote("9.99", "10.00", 1000, 1000))
    floor.enter("stop", asked(STOP, 10, stop_price="9.95"), SELL)
    for name, limit in (("far", "9.80"), ("there", "9.96"), ("near", "9.97")):
        floor.create(name, 10, limit)
    return fills(floor.show(quote("9.59", "9.60", 1000, 1000), is_continuous=is_continuous))


def test_a_falling_market_meets_stops_and_limits_in_the_order_of_its_way() -> None:
    """At one place what rests comes first: the stop triggers by the price at which the limit has traded."""
    assert path(is_continuous=True) == [
        ("near", D(10), D("9.97")),
        ("there", D(10), D("9.96")),
        ("stop", D(10), D("9.95")),
        ("far", D(10), D("9.80")),
    ]


def test_a_jump_is_one_place_what_rests_comes_first() -> None:
    assert path(is_continuous=False) == [
        ("near", D(10), D("9.60")),
        ("there", D(10), D("9.60")),
        ("far", D(10), D("9.60")),
        ("stop", D(10), D("9.59")),
    ]


def test_a_rising_market_meets_them_in_order_too_and_each_rests_once() -> None:
    """Sells at 10.05 and 10.20, buy stops at 10.10 and 10.21: a size of 12 on the bid is there once for both sells."""
    floor = Floor()
    floor.show(quote("9.99", "10.00"))
    for name, stop in (("late", "10.21"), ("soon", "10.10")):
        floor.enter(name, asked(STOP, 5, stop_price=stop))
    for name, limit in (("high", "10.20"), ("low", "10.05")):
        floor.create(name, 10, limit, side=SELL)
    shown = quote("10.30", "10.31", bid_size=12, ask_size=7)
    assert fills(floor.show(shown, is_continuous=True)) == [
        ("low", D(10), D("10.05")),
        ("soon", D(5), D("10.10")),
        ("high", D(2), D("10.20")),
        ("late", D(2), D("10.21")),
    ]


def test_what_rests_takes_its_share_once_however_many_stops_are_on_the_way() -> None:
    """Half of the 8 that are displayed; the two stops ask for it twice more."""
    floor = Floor()
    plan = Plan(profile=Profile.DISPLAYED, seed=1, cash=None, parameters=Parameters(participation=D("0.5")))
    floor.exchange.open_account(ACCOUNT, plan, NOON_NS)
    floor.show(quote("9.99", "10.00"))
    for name, stop in (("first", "10.10"), ("second", "10.20")):
        floor.enter(name, asked(STOP, 1, stop_price=stop))
    floor.create("sell", 10, "10.05", side=SELL)
    assert fills(floor.show(quote("10.30", "10.31", bid_size=8), is_continuous=True)) == [
        ("sell", D(4), D("10.05")),
        ("first", D(1), D("10.10")),
        ("second", D(1), D("10.20")),
    ]


def test_what_was_in_reach_before_comes_before_a_stop_on_the_way() -> None:
    """A buy that found no size at 10.00 takes what there is before the buy stop that the rise triggers."""
    floor = Floor()
    floor.show(quote("9.99", "10.00", ask_size=0))
    floor.create("resting", 10, "10.50")
    floor.enter("stop", asked(STOP, 10, stop_price="10.10"))
    shown = quote("10.20", "10.21", ask_size=15)
    assert fills(floor.show(shown, is_continuous=True)) == [("resting", D(10), D("10.21")), ("stop", D(5), D("10.10"))]


def test_the_order_of_the_way_decides_what_a_stop_loses() -> None:
    """10 held at 10.00, stopped at 9.50 on the way down, 10 bought again at 9.00: 5 are lost, and 10 are held at 9.00.
    The other way round 20 at 9.50 would have lost nothing."""
    floor = Floor()
    floor.show(quote("9.99", "10.00"))
    floor.create("held", 10, "10.00")
    floor.enter("stop", asked(STOP, 10, stop_price="9.50"), SELL)
    floor.create("again", 10, "9.00")
    floor.show(quote("8.89", "8.90"), is_continuous=True)
    line = wallet_of(floor.exchange.image, ACCOUNT).held(AAPL)
    assert (line.quantity, line.cost, line.realized_pnl) == (D(10), D(90), D(-5))


@given(
    st.lists(st.tuples(st.booleans(), st.integers(900, 1099), st.integers(1, 30)), max_size=12), st.integers(901, 1099)
)
def test_a_way_is_the_same_as_all_its_prices_one_after_the_other(orders: list[tuple[bool, int, int]], end: int) -> None:
    """With size enough: one continuous quote trades what every tick between would have traded, in that order."""

    def played(steps: list[int]) -> list[tuple[str, Decimal, Decimal]]:
        floor = Floor()
        floor.show(quote("9.99", "10.00", 10**6, 10**6))
        for number, (is_stop, cents, quantity) in enumerate(orders):
            price, is_above = str(D(cents) / 100), cents > 1000
            if is_stop:
                floor.enter(f"c{number}", asked(STOP, quantity, stop_price=price), BUY if is_above else SELL)
            else:
                floor.create(f"c{number}", quantity, price, side=SELL if is_above else BUY)
        seen = len(floor.reports)
        for ask in steps:
            shown = quote(str(D(ask - 1) / 100), str(D(ask) / 100), 10**6, 10**6)
            floor.show(shown, is_continuous=True)
        return fills(floor.reports[seen:])

    step = 1 if end >= 1000 else -1
    assert played([end]) == played(list(range(1000 + step, end + step, step)) or [end])


def test_a_triggered_stop_comes_after_what_rested_there() -> None:
    """30 on the bid at 9.95: the limit order that rested takes 20, the stop the 10 that are left."""
    floor = Floor()
    floor.show(quote("10.00", "10.02"))
    floor.enter("stop", asked(STOP, 20, stop_price="9.95"), SELL)
    floor.create("other", 20, "10.05", side=SELL)
    floor.replace("limit", "other", terms(20, "9.95"))  # marketable only when the bid has 9.95 ... it trades at 10.00
    assert fills(floor.reports)[-1] == ("limit", D(20), D("10.00"))
    assert fills(floor.show(quote("9.95", "9.97", bid_size=10))) == [("stop", D(10), D("9.95"))]
    assert fills(floor.show(quote("9.90", "9.97", bid_size=50))) == [("stop", D(10), D("9.90"))]


def test_stops_trigger_nearest_first_then_earliest() -> None:
    floor = Floor()
    floor.show(quote("10.00", "10.02"))
    floor.enter("far", asked(STOP, 5, stop_price="9.90"), SELL)
    floor.enter("near", asked(STOP, 5, stop_price="9.95"), SELL)
    floor.enter("near too", asked(STOP, 5, stop_price="9.95"), SELL)
    reports = floor.show(quote("9.80", "9.82"))
    assert [name for name, *_ in fills(reports)] == ["near", "near too", "far"]


def test_a_trailing_stop_ratchets_by_a_percentage_to_whole_ticks_away_from_the_market() -> None:
    """A buy follows the ask down: 100.00 + 2.5 % = 102.50; at 99.99 it is 102.48975, a whole tick away: 102.49."""
    floor = Floor()
    floor.show(quote("99.98", "100.00"))
    floor.enter("c1", asked(TRAILING, 10, trail_percent="2.5"))
    assert floor.order("c1").terms.stop_price == D("102.50")
    floor.show(quote("99.97", "99.99"))
    assert floor.order("c1").terms.stop_price == D("102.49")
    assert floor.show(quote("101.00", "102.48")) == []
    assert fills(floor.show(quote("102.47", "102.49"))) == [("c1", D(10), D("102.49"))]


def test_a_trailing_stop_without_a_market_begins_at_the_first_quote() -> None:
    floor = Floor()
    assert kinds(floor.enter("c1", asked(TRAILING, 10, GTC, trail_amount="1"), SELL)) == [K.ACCEPTED]
    assert [(r.kind, r.stop_price) for r in floor.show(quote("10.00", "10.02"))] == [(K.RESTATED, D("9.00"))]


def test_a_replace_keeps_the_stop_of_an_unchanged_trail_and_begins_anew_with_another() -> None:
    floor = Floor()
    floor.show(quote("10.00", "10.02"))
    floor.enter("c1", asked(TRAILING, 10, trail_amount="0.50"), SELL)
    floor.show(quote("10.40", "10.42"))
    floor.show(quote("10.20", "10.22"))
    reports = floor.replace("c2", "c1", asked(TRAILING, 5, trail_amount="0.50"))
    assert [(r.kind, r.stop_price) for r in reports][1:] == [(K.REPLACED, D("9.90")), (K.RESTATED, D("9.90"))]
    reports = floor.replace("c3", "c2", asked(TRAILING, 5, trail_amount="0.30"))
    assert [(r.kind, r.stop_price) for r in reports][1:] == [(K.REPLACED, None), (K.RESTATED, D("9.90"))]
    assert floor.order("c3").terms.stop_price == D("9.90")  # 10.20 - 0.30


def test_a_triggered_stop_keeps_its_stop_price_but_can_be_changed_otherwise() -> None:
    floor = Floor()
    floor.show(quote("10.00", "10.02"))
    floor.enter("c1", asked(STOP_LIMIT, 100, stop_price="9.95", limit_price="9.90"), SELL)
    floor.show(quote("9.60", "9.62"))
    reports = floor.replace("c2", "c1", asked(STOP_LIMIT, 100, stop_price="9.50", limit_price="9.40"))
    assert [(r.kind, r.reason_code) for r in reports][-1] == (K.REQUEST_REFUSED, "too_late")
    reports = floor.replace("c3", "c1", asked(STOP_LIMIT, 100, stop_price="9.95", limit_price="9.60"))
    assert fills(reports) == [("c3", D(100), D("9.60"))]


def test_a_limit_order_becomes_a_stop_and_a_stop_a_limit_order() -> None:
    floor = Floor()
    floor.show(quote("10.00", "10.02"))
    floor.create("c1", 10, "10.10", side=SELL)
    floor.replace("c2", "c1", asked(STOP, 10, stop_price="9.90"))
    assert floor.show(quote("10.20", "10.22")) == []
    floor.replace("c3", "c2", terms(10, "10.30"))
    assert floor.show(quote("9.80", "9.82")) == []
    assert floor.order("c3").status is PaperStatus.WORKING
    assert fills(floor.show(quote("10.30", "10.32"))) == [("c3", D(10), D("10.30"))]


def test_a_waiting_stop_can_be_cancelled() -> None:
    floor = Floor()
    floor.show(quote("10.00", "10.02"))
    floor.enter("c1", asked(TRAILING, 10, trail_amount="0.50"), SELL)
    assert kinds(floor.cancel("x", "c1")) == [K.PENDING_CANCEL, K.CANCELLED]
    assert floor.show(quote("1.00", "1.02")) == []


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (asked(STOP, 1), "invalid_price"),
        (asked(STOP, 1, stop_price="9.955"), "invalid_price_increment"),
        (asked(STOP_LIMIT, 1, stop_price="9.95"), "invalid_price"),
        (asked(TRAILING, 1), "invalid_price"),
        (asked(TRAILING, 1, trail_amount="1", trail_percent="1"), "invalid_price"),
        (asked(TRAILING, 1, trail_amount="0.005"), "invalid_price_increment"),
        (asked(TRAILING, 1, trail_percent="100"), "invalid_price"),
    ],
)
def test_stops_with_impossible_prices_are_refused(bad: object, code: str) -> None:
    floor = Floor()
    (report,) = floor.enter("c1", bad)  # type: ignore[arg-type]
    assert (report.kind, report.reason_code) == (K.REJECTED, code)


PRICES = st.integers(200, 1800).map(lambda cents: Decimal(cents).scaleb(-2))
TRAILS = st.one_of(
    st.integers(1, 300).map(lambda cents: {"trail_amount": str(Decimal(cents).scaleb(-2))}),
    st.integers(1, 5000).map(lambda points: {"trail_percent": str(Decimal(points).scaleb(-2))}),
    PRICES.map(lambda price: {"stop_price": str(price)}),
)


@given(
    st.lists(st.tuples(TRAILS, st.sampled_from([BUY, SELL])), min_size=1, max_size=8),
    st.lists(PRICES, max_size=25),
)
def test_the_sorted_stops_do_what_looking_at_each_one_does(
    orders: list[tuple[dict[str, str], OrderSide]], prices: list[Decimal]
) -> None:
    """Triggers find exactly the stops that a walk over all of them would move and trigger."""
    floor = Floor()
    plain = {}
    triggers = Triggers()
    for number, (prices_of, side) in enumerate(orders):
        kind = STOP if "stop_price" in prices_of else TRAILING
        floor.enter(f"c{number}", asked(kind, 1, DAY, **prices_of), side)
        order = floor.order(f"c{number}")
        plain[order.number] = order
        triggers.add(order)
    for bid in prices:
        shown = quote(str(bid), str(bid + D("0.02")))
        expected = {n: m for n, order in plain.items() if (m := _moved(order, shown)) is not order}
        moved = {order.number: order for order in triggers.ratchets(shown)}
        assert moved == expected
        for order in moved.values():
            triggers.remove(order)
            triggers.add(order)
        plain |= moved
        hit = []
        for number in triggers.triggered(shown):
            hit.append(number)
            triggers.remove(plain[number])
        assert sorted(hit) == sorted(n for n, order in plain.items() if is_passed(order, shown))
        plain = {n: order for n, order in plain.items() if n not in hit}


def _moved(order: object, shown: object) -> object:
    if order.terms.order_type is not TRAILING:  # type: ignore[attr-defined]
        return order
    return ratcheted(order, shown)  # type: ignore[arg-type]
