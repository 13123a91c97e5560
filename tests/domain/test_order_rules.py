"""The table of order types and times in force: complete, reasoned, and with one form for what can be written twice."""

from decimal import Decimal

import pytest

from dropcopyd.domain.order import OrderTerms, OrderType, TimeInForce
from dropcopyd.domain.order_rules import (
    FIELDS,
    RULES,
    SPECS,
    accepted_times,
    canonical,
    cell_of,
    refusal_of,
    spec_name,
)


def test_every_pair_has_a_cell_with_a_sentence() -> None:
    assert list(RULES) == list(OrderType) == list(SPECS)
    for row in RULES.values():
        assert list(row) == list(TimeInForce)
        for cell in row.values():
            assert len(cell.text.split()) >= 5
            assert not cell.text.endswith(".")


def test_every_type_takes_something_and_its_default_among_it() -> None:
    for order_type, spec in SPECS.items():
        times = accepted_times(order_type)
        assert times
        assert spec.default is None or spec.default in times
        assert set(spec.prices) <= set(FIELDS)


@pytest.mark.parametrize("order_type", OrderType)
@pytest.mark.parametrize("time_in_force", TimeInForce)
def test_a_refusal_quotes_the_cell_and_what_is_taken(order_type: OrderType, time_in_force: TimeInForce) -> None:
    cell, refusal = cell_of(order_type, time_in_force), refusal_of(order_type, time_in_force)
    assert (refusal is None) == cell.is_accepted
    if refusal is not None:
        assert refusal.startswith(f"{order_type} with {time_in_force} is refused: {cell.text} (")
        assert all(time in refusal for time in accepted_times(order_type))


def test_fill_or_kill_has_one_form() -> None:
    asked = OrderTerms(order_type=OrderType.FILL_OR_KILL, quantity=Decimal(1), time_in_force=TimeInForce.FILL_OR_KILL)
    market = canonical(asked)
    assert (market.order_type, market.time_in_force) == (OrderType.MARKET, TimeInForce.FILL_OR_KILL)
    limit = canonical(
        OrderTerms(
            order_type=OrderType.FILL_OR_KILL,
            quantity=Decimal(1),
            time_in_force=TimeInForce.FILL_OR_KILL,
            limit_price=Decimal(9),
        )
    )
    assert (limit.order_type, limit.limit_price) == (OrderType.LIMIT, Decimal(9))
    assert canonical(limit) is limit


def test_specs_are_named_in_pascal_case() -> None:
    assert [spec_name(order_type) for order_type in (OrderType.LIMIT_ON_OPEN, OrderType.TRAILING_STOP)] == [
        "LimitOnOpen",
        "TrailingStop",
    ]
