"""Controls judge exactly: each rule at its limit and just above it, on the exposure that would result."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from dropcopyd.domain.controls import (
    Ask,
    Control,
    ControlLimits,
    ControlScope,
    Reference,
    Risk,
    limits_from_json,
    limits_to_json,
    objection,
)
from dropcopyd.domain.exposure import Exposure, Pool, leaves_at_most
from dropcopyd.domain.instrument import key_of
from dropcopyd.domain.order import ActionType, OrderSide, OrderTerms, OrderType, TimeInForce
from dropcopyd.domain.report import ReportKind
from tests.domain.build import AAPL, INVERSE, START_NS, Play, limit_terms, report, trade

BUY, SELL, SHORT = OrderSide.BUY, OrderSide.SELL, OrderSide.SELL_SHORT


def judged(limits: ControlLimits, risk: Risk | None = None, **changes: Any) -> str | None:
    """The name of the rule that an ask for 10 AAPL at 100 breaks."""
    ask = Ask(
        instrument=AAPL,
        order_side=BUY,
        terms=limit_terms("10", "100"),
        leaves=Decimal(10),
        is_create=True,
        is_live=False,
        now_ns=START_NS,
        reference=Reference(Decimal(100), START_NS),
    )
    control = Control(organization_id="o", scope=ControlScope.ACCOUNT, subject="a", limits=limits)
    found = objection(control, replace(ask, **changes), risk or Risk())
    return None if found is None else found.control


def market(quantity: str) -> OrderTerms:
    return OrderTerms(order_type=OrderType.MARKET, quantity=Decimal(quantity), time_in_force=TimeInForce.DAY)


def stop(price: str) -> OrderTerms:
    return replace(market("10"), order_type=OrderType.STOP, stop_price=Decimal(price))


def trail(**distance: Decimal) -> OrderTerms:
    return replace(market("10"), order_type=OrderType.TRAILING_STOP, **distance)  # type: ignore[arg-type]


D = Decimal
CHEAP = limit_terms("10", "0.01")
"""Of a sale: what it asks for at least, far below the market."""
DEARER = Reference(Decimal(101), START_NS)
OLD = {"now_ns": START_NS + 61 * 10**9}
SIZE, SHORTS, COLLAR = "position_quantity_max", "allows_short_selling", "price_collar_percent"


@pytest.mark.parametrize(
    ("limits", "risk", "changes", "broken"),
    [
        ({"order_quantity_max": D(10)}, {}, {}, None),
        ({"order_quantity_max": D("9.999999999999999999")}, {}, {}, "order_quantity_max"),
        ({"order_notional_max": D(1000)}, {}, {}, None),
        ({"order_notional_max": D("999.99")}, {}, {}, "order_notional_max"),
        # a limit far from the market is judged at the dearer of the two
        ({"order_notional_max": D(1000)}, {}, {"reference": DEARER}, "order_notional_max"),
        ({"order_notional_max": D(1500)}, {}, {"terms": stop("150")}, None),
        ({"order_notional_max": D(1499)}, {}, {"terms": stop("150")}, "order_notional_max"),
        ({"order_notional_max": D(1500)}, {}, {"terms": trail(trail_amount=D(50))}, None),
        ({"order_notional_max": D(1499)}, {}, {"terms": trail(trail_amount=D(50))}, "order_notional_max"),
        ({"order_notional_max": D(1499)}, {}, {"terms": trail(trail_percent=D(50))}, "order_notional_max"),
        ({"order_notional_max": D(999)}, {}, {**OLD, "order_side": SELL, "terms": CHEAP}, "order_notional_max"),
        ({"position_notional_max": D(1499)}, {}, {"terms": stop("150")}, "position_notional_max"),
        # the position if everything were filled: held 5, others would buy 85, this one 10
        ({SIZE: D(100)}, {"position": D(5), "buys": D(85)}, {}, None),
        ({SIZE: D(99)}, {"position": D(5), "buys": D(85)}, {}, SIZE),
        # sells that may never happen do not make room
        ({SIZE: D(14)}, {"position": D(5), "sells": D(90)}, {}, SIZE),
        # what reduces is not stopped by the size of what it reduces
        ({SIZE: D(14)}, {"position": D(500)}, {"order_side": SELL}, None),
        ({SIZE: D(14)}, {"position": D(-5)}, {"order_side": SELL}, SIZE),
        ({"position_notional_max": D(1500)}, {"position": D(5)}, {}, None),
        ({"position_notional_max": D(1499)}, {"position": D(5)}, {}, "position_notional_max"),
        ({"open_orders_max": 3}, {"open_orders": 2}, {}, None),
        ({"open_orders_max": 3}, {"open_orders": 3}, {}, "open_orders_max"),
        ({"open_orders_max": 3}, {"open_orders": 3}, {"is_create": False}, None),
        ({COLLAR: D(1)}, {}, {"terms": limit_terms("10", "101")}, None),
        ({COLLAR: D(1)}, {}, {"terms": limit_terms("10", "101.01")}, COLLAR),
        ({COLLAR: D(1)}, {}, {"terms": limit_terms("10", "1")}, None),
        ({COLLAR: D(1)}, {}, {"terms": limit_terms("10", "98.99"), "order_side": SELL}, COLLAR),
        ({COLLAR: D(1)}, {}, {"terms": market("10")}, None),
        # a price that is too old is none: a market order has nothing to be judged by
        ({COLLAR: D(1)}, {}, {"terms": market("10"), **OLD}, "reference_age_s_max"),
        ({COLLAR: D(1)}, {}, OLD, "reference_age_s_max"),
        ({"order_notional_max": D(9999)}, {}, {"terms": market("10"), "reference": None}, "reference_age_s_max"),
        ({"order_notional_max": D(9999), "reference_age_s_max": 120}, {}, OLD, None),
        ({"allowed_symbols": frozenset({"AAPL"})}, {}, {}, None),
        ({"allowed_symbols": frozenset({"MSFT"})}, {}, {}, "allowed_symbols"),
        ({"allowed_symbols": frozenset()}, {}, {}, "allowed_symbols"),
        ({"blocked_symbols": frozenset({"AAPL"})}, {}, {}, "blocked_symbols"),
        ({SHORTS: False}, {"position": D(10)}, {"order_side": SELL}, None),
        ({SHORTS: False}, {"position": D(10), "sells": D(1)}, {"order_side": SELL}, SHORTS),
        ({SHORTS: False}, {"position": D(10)}, {"order_side": SHORT}, SHORTS),
        ({"is_reduce_only": True}, {"position": D(-10)}, {}, None),
        ({"is_reduce_only": True}, {"position": D(-9)}, {}, "is_reduce_only"),
        ({"is_reduce_only": True}, {"position": D(-10), "buys": D(1)}, {}, "is_reduce_only"),
        ({"allows_live_trading": False}, {}, {}, None),
        ({"allows_live_trading": False}, {}, {"is_live": True}, "allows_live_trading"),
    ],
)  # fmt: skip
def test_each_rule_at_its_limit(
    limits: dict[str, Any], risk: dict[str, Any], changes: dict[str, Any], broken: str | None
) -> None:
    assert judged(ControlLimits(**limits), Risk(**risk), **changes) == broken


def test_an_inverse_contract_is_dearest_at_the_lower_price() -> None:
    """100 contracts of 100 USD are worth 0.2 of the base at 50,000 and 0.25 at 40,000."""
    for reference, broken in (("50000", None), ("40000", "order_notional_max")):
        found = judged(
            ControlLimits(order_notional_max=Decimal("0.2")),
            instrument=INVERSE,
            terms=limit_terms("100", "50000"),
            leaves=Decimal(100),
            reference=Reference(Decimal(reference), START_NS),
        )
        assert found == broken


def test_a_switch_comes_before_every_rule() -> None:
    for changes, name in (({"manually_disabled": True}, "manually_disabled"), ({"is_killed": True}, "killed")):
        control = Control(organization_id="o", scope=ControlScope.SYMBOL, subject="AAPL", **changes)  # type: ignore[arg-type]
        ask = Ask(
            instrument=AAPL,
            order_side=BUY,
            terms=market("1"),
            leaves=Decimal(1),
            is_create=True,
            is_live=False,
            now_ns=0,
        )
        found = objection(control, ask, Risk())
        assert found is not None
        assert (found.control, found.scope, found.subject) == (name, ControlScope.SYMBOL, "AAPL")


def test_limits_survive_json() -> None:
    limits = ControlLimits(
        order_quantity_max=Decimal("0.000000000000000001"),
        open_orders_max=7,
        allowed_symbols=frozenset({"A", "B"}),
        blocked_symbols=frozenset({"C"}),
        allows_short_selling=False,
    )
    assert limits_from_json(limits_to_json(limits)) == limits
    assert limits_from_json(limits_to_json(ControlLimits())) == ControlLimits()


def test_exposure_counts_each_order_at_its_largest() -> None:
    """Bought 10, 4 filled; a replace to 30 is asked; then refused; then the rest is cancelled."""
    play, key = Play(), key_of(AAPL)
    exposure = Exposure()

    def leaves() -> Decimal:
        exposure.take(play.state.chains[command.order_id])
        return exposure.of(key)[0]

    command = play.create("1", terms=limit_terms("10", "100"))
    assert leaves() == 10, "from the moment it is asked for"
    play.begin(command)
    play.report(report(ReportKind.ACCEPTED, "c1.1"))
    play.report(trade("e1", "4", "100", "c1.1"))
    assert leaves() == 6
    asked = play.amend("1", ActionType.REPLACE, terms=limit_terms("30", "100"))
    assert leaves() == 26, "30 in all, 4 are filled: the larger of old and new"
    assert leaves_at_most(play.state.chains[command.order_id], Decimal(50)) == 46
    play.begin(asked)
    play.doubt(asked)
    assert leaves() == 26, "in doubt counts"
    play.report(report(ReportKind.REQUEST_REFUSED, "c1.2"))
    assert leaves() == 6
    assert exposure.open_orders == 1
    assert exposure.of(key, command.order_id) == (Decimal(0), Decimal(0)), "the order itself left out"
    play.begin(play.amend("1", ActionType.CANCEL))
    assert leaves() == 6, "a cancel under way makes no room"
    play.report(report(ReportKind.CANCELLED, "c1.3"))
    assert leaves() == 0
    assert exposure.open_orders == 0


def test_a_pool_is_the_sum_of_its_accounts_and_one_may_leave() -> None:
    """Two accounts: one holds 4 and has 6 to buy, the other is short 3 and has 5 to sell."""
    pool, key = Pool(), key_of(AAPL)
    first, second = Play(), Play()
    command = first.create("1", terms=limit_terms("10", "100"))
    first.begin(command)
    first.report(trade("e1", "4", "100", "c1.1"))
    short = second.create("1", order_side=OrderSide.SELL, terms=limit_terms("8", "100"))
    second.begin(short)
    second.report(trade("e1", "3", "100", "c1.1"))
    one, two = (Exposure(play.state.chains.values(), play.state.positions.values(), pool) for play in (first, second))
    assert (pool.position(key), pool.open_count) == (Decimal(1), 2)
    assert pool.sides.without(key, None) == (Decimal(6), Decimal(5))
    assert pool.sides.without(key, one.line("o1")) == (Decimal(0), Decimal(5)), "one order left out"
    first.report(trade("e2", "6", "100", "c1.1"))
    one.take(first.state.chains["o1"])
    one.hold(first.state.positions[key])
    assert (pool.position(key), pool.open_count) == (Decimal(7), 1)
    assert pool.sides.without(key, None) == (Decimal(0), Decimal(5))
    two.leave()
    assert (pool.position(key), pool.open_count, pool.sides.has(key)) == (Decimal(10), 0, False)
    assert not two.open_orders
    assert two.of(key) == (Decimal(0), Decimal(0))
