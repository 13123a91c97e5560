"""The paper exchange, case by case with the numbers worked out."""

from decimal import Decimal

import pytest

from dropcopyd.brokers.paper.records import PaperStatus
from dropcopyd.domain.instrument import Future
from dropcopyd.domain.order import ActionType, OrderTerms, OrderType, TimeInForce
from dropcopyd.domain.report import Acknowledged, Liquidity, Refused, ReportKind
from tests.brokers.build import (
    ACCOUNT,
    BUY,
    DAY,
    DAY_NS,
    EURUSD,
    FOK,
    GTC,
    IOC,
    NOON_NS,
    OTHER_ACCOUNT,
    SELL,
    SELL_SHORT,
    D,
    Floor,
    fills,
    kinds,
    quote,
    submission,
    terms,
)

K = ReportKind


# --- prices and sizes -----------------------------------------------------------------------------------------------


def test_a_limit_buy_fills_at_the_ask_not_at_its_limit() -> None:
    floor = Floor()
    floor.show(quote("187.18", "187.20"))
    reports = floor.create("c1", 100, "187.50")
    assert kinds(reports) == [K.ACCEPTED, K.TRADE]
    assert fills(reports) == [("c1", D(100), D("187.20"))]
    assert floor.order("c1").status is PaperStatus.FILLED
    assert floor.position() == 100


def test_a_limit_sell_fills_at_the_bid_not_at_its_limit() -> None:
    floor = Floor()
    floor.show(quote("187.18", "187.20"))
    assert fills(floor.create("c1", 40, "187.00", side=SELL)) == [("c1", D(40), D("187.18"))]
    assert floor.position() == -40


def test_selling_short_counts_like_selling() -> None:
    floor = Floor()
    floor.show(quote("187.18", "187.20"))
    floor.create("c1", 100)
    floor.create("c2", 130, side=SELL_SHORT)
    assert floor.position() == -30


def test_a_limit_below_the_ask_rests_until_the_ask_comes_down_to_it() -> None:
    floor = Floor()
    floor.show(quote("187.18", "187.20"))
    assert kinds(floor.create("c1", 10, "187.19")) == [K.ACCEPTED]
    assert floor.show(quote("187.19", "187.20")) == []
    reports = floor.show(quote("187.18", "187.19"))
    assert fills(reports) == [("c1", D(10), D("187.19"))]
    assert reports[0].liquidity is Liquidity.ADDED


def test_a_limit_above_the_bid_rests_until_the_bid_comes_up_to_it() -> None:
    floor = Floor()
    floor.show(quote("187.18", "187.20"))
    assert kinds(floor.create("c1", 10, "187.19", side=SELL)) == [K.ACCEPTED]
    assert floor.show(quote("187.18", "187.19")) == []
    assert fills(floor.show(quote("187.19", "187.20"))) == [("c1", D(10), D("187.19"))]


def test_an_arriving_order_that_trades_at_once_removes_liquidity() -> None:
    floor = Floor()
    floor.show(quote("187.18", "187.20"))
    assert floor.create("c1", 10, "187.20")[-1].liquidity is Liquidity.REMOVED


def test_a_larger_order_fills_over_the_sizes_displayed_one_quote_after_the_other() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00", ask_size=30))
    seen = floor.create("c1", 100, "10.02")
    seen += floor.show(quote("9.99", "10.01", ask_size=50))
    seen += floor.show(quote("9.99", "10.03", ask_size=500))
    seen += floor.show(quote("9.99", "10.02", ask_size=500))
    assert fills(seen) == [("c1", D(30), D("10.00")), ("c1", D(50), D("10.01")), ("c1", D(20), D("10.02"))]
    assert [report.cumulative_quantity for report in seen] == [0, 30, 80, 100]
    assert [report.raw_status for report in seen] == ["working", "partially_filled", "partially_filled", "filled"]


def test_a_displayed_size_is_consumed_once_whoever_comes() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00", ask_size=30))
    assert fills(floor.create("c1", 20)) == [("c1", D(20), D("10.00"))]
    assert fills(floor.create("c2", 20, account_id=OTHER_ACCOUNT)) == [("c2", D(10), D("10.00"))]
    assert fills(floor.create("c3", 20)) == []


def test_both_sides_of_a_quote_have_their_own_size() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00", bid_size=5, ask_size=5))
    assert fills(floor.create("c1", 5)) == [("c1", D(5), D("10.00"))]
    assert fills(floor.create("c2", 5, side=SELL)) == [("c2", D(5), D("9.99"))]


def test_fills_are_whole_quantity_increments() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00", ask_size="7.9"))
    assert fills(floor.create("c1", 10)) == [("c1", D(7), D("10.00"))]


def test_a_market_order_without_a_quote_works_until_one_comes() -> None:
    floor = Floor()
    assert kinds(floor.create("c1", 10)) == [K.ACCEPTED]
    assert fills(floor.show(quote("9.99", "10.00"))) == [("c1", D(10), D("10.00"))]


def test_an_order_never_trades_with_a_quote_that_was_gone_when_it_arrived() -> None:
    floor = Floor()
    floor.show(quote("9.00", "9.01"))
    floor.show(quote("10.00", "10.01"))
    assert kinds(floor.create("c1", 10, "9.50")) == [K.ACCEPTED]


def test_instruments_do_not_share_quotes() -> None:
    floor = Floor()
    floor.show(quote("1.08499", "1.08500"), EURUSD)
    assert kinds(floor.create("c1", 10)) == [K.ACCEPTED]


def test_a_market_that_moves_through_every_price_crosses_a_limit_at_the_limit() -> None:
    floor = Floor()
    floor.show(quote("99.99", "100.00"))
    floor.create("low", 10, "97.00")
    floor.create("high", 10, "98.00")
    reports = floor.show(quote("94.99", "95.00"), is_continuous=True)
    assert fills(reports) == [("high", D(10), D("98.00")), ("low", D(10), D("97.00"))]


def test_a_market_that_jumps_fills_a_limit_at_the_better_price() -> None:
    floor = Floor()
    floor.show(quote("99.99", "100.00"))
    floor.create("c1", 10, "97.00")
    assert fills(floor.show(quote("94.99", "95.00"))) == [("c1", D(10), D("95.00"))]


def test_a_rising_continuous_market_crosses_sells_from_the_lowest() -> None:
    floor = Floor()
    floor.show(quote("100.00", "100.01"))
    floor.create("high", 10, "103.00", side=SELL)
    floor.create("low", 10, "102.00", side=SELL)
    reports = floor.show(quote("105.00", "105.01", bid_size=15), is_continuous=True)
    assert fills(reports) == [("low", D(10), D("102.00")), ("high", D(5), D("103.00"))]


def test_what_was_in_reach_already_trades_at_the_new_quote_of_a_continuous_market() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00", ask_size=1))
    floor.create("c1", 5, "10.00")
    reports = floor.show(quote("9.97", "9.98"), is_continuous=True)
    assert fills(reports) == [("c1", D(4), D("9.98"))]


# --- time in force --------------------------------------------------------------------------------------------------


def test_an_immediate_or_cancel_takes_what_is_there_and_ends_in_the_same_decision() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00", ask_size=30))
    reports = floor.create("c1", 100, "10.00", IOC)
    assert kinds(reports) == [K.ACCEPTED, K.TRADE, K.CANCELLED]
    assert fills(reports) == [("c1", D(30), D("10.00"))]
    assert (reports[-1].reason_code, reports[-1].cumulative_quantity) == ("ioc_remainder", D(30))
    assert floor.show(quote("9.99", "10.00")) == []


def test_an_immediate_or_cancel_out_of_reach_ends_unfilled() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00"))
    assert kinds(floor.create("c1", 100, "9.99", IOC)) == [K.ACCEPTED, K.CANCELLED]


def test_an_immediate_or_cancel_without_a_quote_ends_unfilled() -> None:
    assert kinds(Floor().create("c1", 100, None, IOC)) == [K.ACCEPTED, K.CANCELLED]


@pytest.mark.parametrize("displayed", [99, 0])
def test_a_fill_or_kill_that_cannot_be_filled_whole_from_one_quote_takes_nothing(displayed: int) -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00", ask_size=displayed))
    reports = floor.create("c1", 100, "10.00", FOK)
    assert kinds(reports) == [K.ACCEPTED, K.CANCELLED]
    assert reports[-1].reason_code == "fok_not_filled"
    assert fills(floor.create("c2", 99)) == ([("c2", D(displayed), D("10.00"))] if displayed else [])


def test_a_fill_or_kill_fills_whole_when_the_displayed_size_allows() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00", ask_size=100))
    assert fills(floor.create("c1", 100, "10.00", FOK)) == [("c1", D(100), D("10.00"))]


def test_the_order_type_fill_or_kill_means_the_same() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00", ask_size=99))
    asked = OrderTerms(order_type=OrderType.FILL_OR_KILL, quantity=D(100), time_in_force=FOK, limit_price=D("10.00"))
    assert kinds(floor.send(submission("c1", asked=asked))) == [K.ACCEPTED, K.CANCELLED]


def test_a_day_order_ends_with_its_day_and_a_good_till_cancel_order_does_not() -> None:
    floor = Floor()
    floor.create("day", 10, "9.00")
    floor.create("gtc", 10, "9.00", GTC)
    assert floor.expire() == []
    floor.now_ns = NOON_NS + DAY_NS // 2 - 1
    assert floor.expire() == []
    floor.now_ns += 1
    reports = floor.expire()
    assert [(r.kind, r.broker_command_id, r.reason_code, r.raw_status) for r in reports] == [
        (K.CANCELLED, "day", "expired", "expired")
    ]
    assert floor.expire() == []
    assert fills(floor.show(quote("8.99", "9.00"))) == [("gtc", D(10), D("9.00"))]


def test_the_end_of_a_day_leaves_the_orders_of_the_new_day_alone() -> None:
    floor = Floor()
    floor.create("old", 10, "9.00")
    floor.now_ns = NOON_NS + DAY_NS
    reports = floor.create("new", 10, "9.00")
    assert [(report.kind, report.broker_command_id) for report in reports] == [
        (K.CANCELLED, "old"),  # what was due comes first
        (K.ACCEPTED, "new"),
    ]
    assert floor.expire() == []
    assert floor.order("new").is_open


# --- priority -------------------------------------------------------------------------------------------------------


def test_the_better_price_goes_first_then_the_earlier_arrival() -> None:
    floor = Floor()
    floor.create("first", 10, "9.00", account_id=OTHER_ACCOUNT)
    floor.create("second", 10, "9.00")
    floor.create("better", 10, "9.01")
    floor.create("market", 10)
    reports = floor.show(quote("8.98", "8.99", ask_size=35))
    assert [(name, quantity) for name, quantity, _ in fills(reports)] == [
        ("market", D(10)),
        ("better", D(10)),
        ("first", D(10)),
        ("second", D(5)),
    ]


def test_a_partly_filled_order_keeps_its_place() -> None:
    floor = Floor()
    floor.create("first", 10, "9.00")
    floor.create("second", 10, "9.00")
    floor.show(quote("8.98", "9.00", ask_size=4))
    assert fills(floor.show(quote("8.98", "9.00", ask_size=8))) == [
        ("first", D(6), D("9.00")),
        ("second", D(2), D("9.00")),
    ]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (terms(8, "9.00"), "first"),
        (terms(11, "9.00"), "second"),
        (terms(8, "9.00", GTC), "second"),
    ],
    ids=["less keeps the place", "more loses it", "another time in force loses it"],
)
def test_a_replaced_order_loses_its_place_unless_only_its_quantity_goes_down(asked: OrderTerms, expected: str) -> None:
    floor = Floor()
    floor.create("first", 10, "9.00")
    floor.create("second", 10, "9.00")
    floor.replace("r1", "first", asked)
    ((name, _, _),) = fills(floor.show(quote("8.98", "9.00", ask_size=1)))
    assert {"r1": "first"}.get(name, name) == expected


# --- replace --------------------------------------------------------------------------------------------------------


def test_a_replace_is_pending_then_replaced_and_later_fills_carry_its_id() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00", ask_size=30))
    floor.create("c1", 100, "10.00")
    reports = floor.replace("r1", "c1", terms(120, "10.00"))
    assert [(r.kind, r.broker_command_id, r.quantity, r.cumulative_quantity) for r in reports] == [
        (K.PENDING_REPLACE, "r1", D(100), D(30)),
        (K.REPLACED, "r1", D(120), D(30)),
    ]
    assert fills(floor.show(quote("9.99", "10.00", ask_size=500))) == [("r1", D(90), D("10.00"))]


def test_a_replace_to_a_price_in_reach_trades_at_once() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00"))
    floor.create("c1", 100, "9.90")
    reports = floor.replace("r1", "c1", terms(100, "10.05"))
    assert kinds(reports) == [K.PENDING_REPLACE, K.REPLACED, K.TRADE]
    assert fills(reports) == [("r1", D(100), D("10.00"))]


@pytest.mark.parametrize("asked", ["20", "30"])
def test_a_total_at_or_below_what_is_filled_becomes_the_filled_quantity(asked: str) -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00", ask_size=30))
    floor.create("c1", 100, "10.00")
    reports = floor.replace("r1", "c1", terms(asked, "10.00"))
    assert kinds(reports) == [K.PENDING_REPLACE, K.REPLACED]
    assert (reports[-1].quantity, reports[-1].cumulative_quantity, reports[-1].raw_status) == (D(30), D(30), "filled")
    assert floor.order("c1").status is PaperStatus.FILLED
    assert floor.show(quote("9.99", "10.00")) == []


def test_a_replace_with_impossible_terms_leaves_the_order_as_it_was() -> None:
    floor = Floor()
    floor.create("c1", 100, "9.90")
    reports = floor.replace("r1", "c1", terms(100, "9.901"))
    assert [(r.kind, r.reason_code) for r in reports] == [
        (K.PENDING_REPLACE, None),
        (K.REQUEST_REFUSED, "invalid_price_increment"),
    ]
    assert fills(floor.show(quote("9.89", "9.90"))) == [("c1", D(100), D("9.90"))]


def test_a_replace_after_a_refused_one_names_the_create_again() -> None:
    floor = Floor()
    floor.create("c1", 100, "9.90")
    floor.replace("r1", "c1", terms("1.5", "9.90"))
    assert kinds(floor.replace("r2", "c1", terms(50, "9.90"))) == [K.PENDING_REPLACE, K.REPLACED]
    assert kinds(floor.cancel("x1", "r2")) == [K.PENDING_CANCEL, K.CANCELLED]


def test_a_replace_to_immediate_or_cancel_ends_the_order() -> None:
    floor = Floor()
    floor.create("c1", 100, "9.90")
    reports = floor.replace("r1", "c1", terms(100, "9.90", IOC))
    assert kinds(reports) == [K.PENDING_REPLACE, K.REPLACED, K.CANCELLED]
    assert floor.show(quote("9.89", "9.90")) == []


# --- cancel ---------------------------------------------------------------------------------------------------------


def test_a_cancel_is_pending_then_done_and_keeps_what_was_filled() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00", ask_size=30))
    floor.create("c1", 100, "10.00")
    reports = floor.cancel("x1", "c1")
    assert [(r.kind, r.broker_command_id, r.cumulative_quantity, r.raw_status) for r in reports] == [
        (K.PENDING_CANCEL, "x1", D(30), "cancel_pending"),
        (K.CANCELLED, "x1", D(30), "cancelled"),
    ]
    assert floor.show(quote("9.99", "10.00")) == []
    assert floor.position() == 30


def test_a_cancel_that_a_fill_has_overtaken_is_too_late() -> None:
    floor = Floor()
    floor.create("c1", 100, "10.00")
    floor.show(quote("9.99", "10.00"))
    reports = floor.cancel("x1", "c1")
    assert [(r.kind, r.broker_command_id, r.reason_code, r.raw_status) for r in reports] == [
        (K.REQUEST_REFUSED, "x1", "too_late", "filled")
    ]


def _filled(floor: Floor) -> None:
    floor.create("c1", 10)
    floor.show(quote("9.99", "10.00"))


def _cancelled(floor: Floor) -> None:
    floor.create("c1", 10, "9.00")
    floor.cancel("x0", "c1")


def _rejected(floor: Floor) -> None:
    floor.create("c1", 10, "9.001")


@pytest.mark.parametrize("end", [_filled, _cancelled, _rejected])
@pytest.mark.parametrize("action", [ActionType.REPLACE, ActionType.CANCEL])
def test_every_request_about_an_ended_order_is_too_late(end: object, action: ActionType) -> None:
    floor = Floor()
    assert callable(end)
    end(floor)
    before = floor.order("c1")
    reports = floor.send(submission("r1", action, terms(500, "10.00"), original="c1"))
    assert [(r.kind, r.reason_code) for r in reports] == [(K.REQUEST_REFUSED, "too_late")]
    assert floor.order("c1") == before


@pytest.mark.parametrize("action", [ActionType.REPLACE, ActionType.CANCEL])
def test_a_request_about_an_order_that_never_came_is_refused_and_makes_none(action: ActionType) -> None:
    floor = Floor()
    answer, reports = floor.answer(submission("r1", action, original="never-came"))
    assert answer == Acknowledged(None)
    assert [(r.kind, r.broker_command_id, r.reason_code, r.external_order_id) for r in reports] == [
        (K.REQUEST_REFUSED, "r1", "unknown_order", None)
    ]
    assert not floor.exchange.image.orders


def test_an_order_of_another_account_is_unknown() -> None:
    floor = Floor()
    floor.create("c1", 10, "9.00")
    external_order_id = floor.order("c1").external_order_id
    assert floor.cancel("x1", "c1", OTHER_ACCOUNT)[0].reason_code == "unknown_order"
    sent = submission("x2", ActionType.CANCEL, account_id=OTHER_ACCOUNT, external_order_id=external_order_id)
    assert floor.send(sent)[0].reason_code == "unknown_order"


def test_an_order_may_be_named_by_the_brokers_own_id() -> None:
    floor = Floor()
    floor.create("c1", 10, "9.00")
    external_order_id = floor.order("c1").external_order_id
    sent = submission("x1", ActionType.CANCEL, external_order_id=external_order_id)
    assert kinds(floor.send(sent)) == [K.PENDING_CANCEL, K.CANCELLED]


@pytest.mark.parametrize("name", ["b00c00000000-2", "ffff00000000-1", "b00c00000000-01", "b00c00000000-", "1", ""])
def test_an_id_that_is_none_of_this_brokers_names_nothing(name: str) -> None:
    floor = Floor()
    floor.create("c1", 10, "9.00")
    assert floor.send(submission("x1", ActionType.CANCEL, external_order_id=name))[0].reason_code == "unknown_order"
    assert floor.order("c1").is_open


# --- what is not taken ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (terms(10, "9.001"), "invalid_price_increment"),
        (terms("10.5", "9.00"), "invalid_quantity_increment"),
        (terms(0, "9.00"), "invalid_quantity"),
        (terms(10, "0"), "invalid_price"),
        (OrderTerms(order_type=OrderType.LIMIT, quantity=D(1), time_in_force=DAY), "invalid_price"),
        (OrderTerms(order_type=OrderType.STOP, quantity=D(1), time_in_force=DAY), "invalid_price"),
        (terms(10, None, TimeInForce.EXT), "unsupported_time_in_force"),
    ],
)
def test_a_create_with_impossible_terms_is_refused_and_reported_rejected(asked: OrderTerms, code: str) -> None:
    floor = Floor()
    answer, reports = floor.answer(submission("c1", asked=asked))
    assert isinstance(answer, Refused)
    assert answer.reason_code == code
    assert [(r.kind, r.reason_code, r.reason) for r in reports] == [(K.REJECTED, code, answer.reason)]
    assert not floor.order("c1").is_open


def test_an_instrument_without_prices_is_refused() -> None:
    answer, _ = Floor().answer(submission("c1"), has_market=False)
    assert isinstance(answer, Refused)
    assert answer.reason_code == "no_market"


def test_an_expired_contract_is_refused_from_its_expiration_on() -> None:
    future = Future(
        symbol="ESZ6", root="ES", exchange="CME", expiration_ns=NOON_NS + 3_000_000, tick_size=D("0.25"),
        multiplier=Decimal(50), currency="USD",
    )  # fmt: skip
    floor = Floor()
    assert isinstance(floor.answer(submission("c1", instrument=future))[0], Acknowledged)
    floor.now_ns = NOON_NS + 2_000_000
    answer, _ = floor.answer(submission("c2", instrument=future))
    assert isinstance(answer, Refused)
    assert answer.reason_code == "instrument_expired"


# --- once only ------------------------------------------------------------------------------------------------------


def test_a_command_sent_twice_is_one_order_and_gets_the_first_answer_again() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00"))
    first, _ = floor.answer(submission("c1", asked=terms(100)))
    second, reports = floor.answer(submission("c1", asked=terms(100)))
    assert second == first
    assert reports == []
    assert floor.position() == 100
    assert [entry.broker_command_id for decision in floor.decisions for entry in decision.submits] == ["c1", "c1"]


def test_a_refused_create_sent_twice_is_refused_the_same_way() -> None:
    floor = Floor()
    first, _ = floor.answer(submission("c1", asked=terms("0.5")))
    floor.show(quote("9.99", "10.00"))
    assert floor.answer(submission("c1", asked=terms(100)))[0] == first


def test_a_command_id_used_for_something_else_does_nothing() -> None:
    floor = Floor()
    floor.create("c1", 10, "9.00")
    answer, reports = floor.answer(submission("c1", ActionType.CANCEL, original="c1"))
    assert isinstance(answer, Refused)
    assert answer.reason_code == "duplicate_command_id"
    assert reports == []
    assert floor.order("c1").is_open


# --- reports --------------------------------------------------------------------------------------------------------


def test_reports_are_numbered_per_account_without_a_gap() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00"))
    floor.create("c1", 10)
    floor.create("o1", 10, account_id=OTHER_ACCOUNT)
    floor.create("c2", 10, "9.00")
    floor.cancel("x2", "c2")
    numbers: dict[str, list[int]] = {}
    for decision in floor.decisions:
        for numbered in decision.reports:
            numbers.setdefault(numbered.account_id, []).append(numbered.number)
            assert numbered.report.cursor == f"{floor.exchange.image.book_id}:{numbered.number}"
    assert numbers == {ACCOUNT: [1, 2, 3, 4, 5], OTHER_ACCOUNT: [1, 2]}


def test_a_trade_says_all_there_is_to_say() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00"))
    trade = floor.create("c1", 10, "10.05", side=BUY)[-1]
    order = floor.order("c1")
    assert trade.exec_id == "b00c00000000-E1"
    assert trade.external_order_id == order.external_order_id == "b00c00000000-1"
    assert (trade.trade_date, trade.venue, trade.broker_sent_at_ns) == ("2026-11-18", "PAPER", floor.now_ns)
    assert (trade.quantity, trade.limit_price, trade.cumulative_quantity) == (D(10), D("10.05"), D(10))


def test_time_never_goes_back_behind_the_last_execution() -> None:
    floor = Floor()
    floor.show(quote("9.99", "10.00"))
    floor.create("c1", 10)
    last_ns = floor.now_ns
    floor.now_ns -= 10**12
    assert [report.broker_sent_at_ns for report in floor.create("c2", 10)] == [last_ns, last_ns]
