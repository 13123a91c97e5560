"""One status from many facts: FIX precedence as a ladder, and the table of what may follow what."""

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest

from dropcopyd.domain.order import (
    ActionType,
    Order,
    OrderState,
    OrderStatus,
    PendingRequest,
    state_of,
)
from dropcopyd.domain.transitions import TRANSITIONS
from tests.domain.build import Play

S = OrderStatus
CANCEL, REPLACE = PendingRequest(3, ActionType.CANCEL), PendingRequest(2, ActionType.REPLACE)


def order(**facts: object) -> Order:
    play = Play()
    play.create()
    return replace(play.order(), **facts)  # type: ignore[arg-type]


LADDER: list[tuple[OrderStatus, dict[str, object]]] = [
    (S.PENDING_CANCEL, {"pending": (REPLACE, CANCEL)}),
    (S.PENDING_REPLACE, {"pending": (REPLACE,)}),
    (S.FILLED, {"filled_quantity": Decimal(10)}),
    (S.CANCELLED, {"is_closed": True}),
    (S.STOPPED, {"is_stopped": True}),
    (S.PARTIALLY_FILLED, {"filled_quantity": Decimal(4)}),
    (S.REJECTED, {"is_rejected": True}),
    (S.NEW, {"is_accepted": True}),
]
"""Each status with the fact that makes it, highest first. FIX ranks Stopped above Canceled; here a closed order is
over, because STOPPED would show it as open."""


@pytest.mark.parametrize("higher", range(len(LADDER)))
@pytest.mark.parametrize("lower", range(len(LADDER)))
def test_the_higher_fact_gives_the_status(higher: int, lower: int) -> None:
    if higher > lower:
        return
    facts = {**LADDER[lower][1], **LADDER[higher][1]}
    assert order(**facts).status is LADDER[higher][0]


def test_nothing_reported_is_pending_new() -> None:
    assert order().status is S.PENDING_NEW
    assert order().state is OrderState.OPEN


def test_every_status_has_one_state() -> None:
    closed = {S.FILLED, S.CANCELLED, S.REPLACED}
    for status in S:
        wanted = OrderState.CLOSED if status in closed else OrderState.OPEN
        assert state_of(status) is (OrderState.REJECTED if status is S.REJECTED else wanted)


@pytest.mark.parametrize(
    ("facts", "leaves"),
    [
        ({}, "10"),
        ({"filled_quantity": Decimal(4)}, "6"),
        ({"filled_quantity": Decimal(10)}, "0"),
        ({"filled_quantity": Decimal(12)}, "0"),
        ({"filled_quantity": Decimal(4), "is_closed": True}, "0"),
        ({"is_rejected": True}, "0"),
        ({"filled_quantity": Decimal(10), "pending": (CANCEL,)}, "0"),
        ({"filled_quantity": Decimal(4), "pending": (REPLACE,)}, "6"),
    ],
)
def test_leaves(facts: dict[str, object], leaves: str) -> None:
    assert order(**facts).leaves_quantity == Decimal(leaves)


def test_leaves_are_never_negative_and_zero_for_what_is_over() -> None:
    flags = product((True, False), (True, False), (True, False))
    for filled, (closed, rejected, stopped) in product(map(Decimal, (0, 3, 10, 17)), flags):
        one = order(filled_quantity=filled, is_closed=closed, is_rejected=rejected, is_stopped=stopped)
        assert one.leaves_quantity >= 0
        if one.state is not OrderState.OPEN:
            assert one.leaves_quantity == 0


def test_average_price_is_of_the_filled_part_and_absent_before_it() -> None:
    assert order().average_price is None
    filled = order(filled_quantity=Decimal(3), filled_value=Decimal(301))
    assert f"{filled.average_price:f}" == "100.333333333333333333"


def test_a_doubt_keeps_an_order_working() -> None:
    assert not order(is_rejected=True).is_working
    assert order(is_rejected=True, in_doubt_since_ns=1).is_working
    assert order(is_accepted=True).is_working


def test_the_table_names_no_status_twice_in_a_pair_and_leaves_no_status_out() -> None:
    assert all(before is not after for before, after in TRANSITIONS)
    reached = {after for _, after in TRANSITIONS} | {S.PENDING_NEW}
    assert reached == set(S) - {S.REPLACED}, "one record per order: REPLACED is never the current status"
    assert not any(after is S.PENDING_NEW for _, after in TRANSITIONS), "nobody goes back before the broker spoke"
