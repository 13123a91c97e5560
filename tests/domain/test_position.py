"""Positions against a model in fractions, and worked numbers that a reader can check by hand."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropcopyd.domain import money
from dropcopyd.domain.account import BrokerKind
from dropcopyd.domain.instrument import Instrument, average_of
from dropcopyd.domain.position import Position, take_execution
from tests.domain.build import AAPL, ES, INVERSE, LINEAR, perpetual
from tests.histories.ledger import SCALE, ledger_of


def flat(instrument: Instrument) -> Position:
    return Position(account_id="a", organization_id="o", broker=BrokerKind.PAPER, instrument=instrument)


def digits(maximum: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.builds(
        lambda units, scale: Decimal(units).scaleb(-scale), st.integers(1, maximum), st.integers(0, places)
    )


fills = st.lists(
    st.tuples(st.booleans(), digits(10**9, 9) | digits(10**20 - 1, 18), digits(10**9, 6) | digits(10**20 - 1, 18)),
    max_size=12,
)
instruments = st.sampled_from([AAPL, ES, LINEAR, INVERSE])


@given(instruments, fills)
def test_the_fold_is_the_models_to_the_last_digit(
    instrument: Instrument, executions: list[tuple[bool, Decimal, Decimal]]
) -> None:
    position, model = flat(instrument), ledger_of(instrument.symbol)
    for is_buy, size, price in executions:
        signed = size if is_buy else -size
        position = take_execution(position, signed, price)
        model.trade(Fraction(signed), Fraction(price))
        figures = model.figures()
        assert Fraction(position.quantity) == figures.quantity
        assert Fraction(position.cost) == figures.cost
        assert Fraction(position.realized_pnl) == figures.realized
        assert Fraction(position.average_cost) == model.average(figures)
        left = -figures.left if model.is_inverse else figures.left
        assert figures.flow == Fraction(position.realized_pnl) - left, "cash adds up"


@given(instruments, fills)
def test_back_to_flat_leaves_no_cost_and_the_whole_cash_flow_realized(
    instrument: Instrument, executions: list[tuple[bool, Decimal, Decimal]]
) -> None:
    position, model = flat(instrument), ledger_of(instrument.symbol)
    for is_buy, size, price in executions:
        position = take_execution(position, size if is_buy else -size, price)
        model.trade(Fraction(size if is_buy else -size), Fraction(price))
    if position.quantity:
        last = Decimal(97)
        model.trade(-Fraction(position.quantity), Fraction(last))
        position = take_execution(position, money.negate(position.quantity), last)
    assert (position.quantity, position.cost, position.average_cost) == (Decimal(0), Decimal(0), Decimal(0))
    assert Fraction(position.realized_pnl) == model.figures().flow


@given(digits(10**12, 9), digits(10**9, 4), st.integers(1, 100))
def test_a_reduction_keeps_the_average_up_to_the_18th_place(size: Decimal, price: Decimal, percent: int) -> None:
    """Where the value has no more than 18 places, a reduction does not move the average at all but for its rounding."""
    held = take_execution(flat(AAPL), size, price)
    part = money.divide(money.multiply(size, Decimal(percent)), Decimal(100))
    reduced = take_execution(held, money.negate(part), Decimal(1))
    if reduced.quantity:
        off = abs(Fraction(reduced.average_cost) - Fraction(held.average_cost))
        unit = Fraction(1, SCALE)
        assert off <= unit + unit / abs(Fraction(reduced.quantity))


@pytest.mark.parametrize(
    ("instrument", "executions", "expected"),
    [
        pytest.param(
            AAPL,
            [("100", "10"), ("50", "13")],
            {"quantity": "150", "cost": "1650", "average_cost": "11", "realized_pnl": "0"},
            id="two buys average",
        ),
        pytest.param(
            AAPL,
            [("150", "11"), ("-60", "12")],
            {"quantity": "90", "cost": "990", "average_cost": "11", "realized_pnl": "60"},
            id="a sale realizes and keeps the average",
        ),
        pytest.param(
            AAPL,
            [("3", "1"), ("-1", "2"), ("-1", "2")],
            {"quantity": "1", "cost": "1", "average_cost": "1", "realized_pnl": "2"},
            id="thirds leave nothing behind",
        ),
        pytest.param(
            AAPL,
            [("1", "10"), ("2", "10.5"), ("-1", "10")],
            {
                "quantity": "2",
                "cost": "20.666666666666666667",
                "average_cost": "10.333333333333333334",  # half of ...667 is a tie and goes to the even ...334
                "realized_pnl": "-0.333333333333333333",
            },
            id="a removed cost is rounded once, the rest stays",
        ),
        pytest.param(
            AAPL,
            [("100", "10"), ("-150", "12")],
            {"quantity": "-50", "cost": "600", "average_cost": "12", "realized_pnl": "200"},
            id="through zero the residue opens at the execution's price",
        ),
        pytest.param(
            AAPL,
            [("-10", "20"), ("4", "15")],
            {"quantity": "-6", "cost": "120", "average_cost": "20", "realized_pnl": "20"},
            id="a short gains when it buys back lower",
        ),
        pytest.param(
            ES,
            [("2", "5000.25"), ("-1", "5010")],
            {"quantity": "1", "cost": "250012.5", "average_cost": "5000.25", "realized_pnl": "487.5"},
            id="a future counts 50 a point",
        ),
        pytest.param(
            ES,
            [("1", "-37.5"), ("-1", "10")],
            {"quantity": "0", "cost": "0", "average_cost": "0", "realized_pnl": "2375"},
            id="prices may be negative",
        ),
        pytest.param(
            INVERSE,
            [("100", "50000"), ("-100", "62500")],
            {"quantity": "0", "cost": "0", "average_cost": "0", "realized_pnl": "0.04"},
            id="an inverse long gains base: 0.2 - 0.16 BTC",
        ),
        pytest.param(
            INVERSE,
            [("100", "50000"), ("100", "100000")],
            {"quantity": "200", "cost": "0.3", "average_cost": "66666.666666666666666667", "realized_pnl": "0"},
            id="an inverse average is harmonic",
        ),
        pytest.param(
            INVERSE,
            [("-100", "50000"), ("50", "40000")],
            {"quantity": "-50", "cost": "0.1", "average_cost": "50000", "realized_pnl": "0.025"},
            id="an inverse short gains when the price falls: 0.125 - 0.1 BTC",
        ),
    ],
)
def test_worked_numbers(instrument: Instrument, executions: list[tuple[str, str]], expected: dict[str, str]) -> None:
    position = flat(instrument)
    for signed, price in executions:
        position = take_execution(position, Decimal(signed), Decimal(price))
    assert {name: money.render(getattr(position, name)) for name in expected} == expected


def test_profit_of_an_inverse_perpetual_is_in_its_base_and_an_unknown_settlement_is_not_inverse() -> None:
    assert INVERSE.currency == "BTC"
    assert LINEAR.currency == "USD"
    assert perpetual(None).currency == "USD"


def test_no_quantity_has_no_average() -> None:
    assert average_of(AAPL, Decimal(0), Decimal(5)) == 0
    assert average_of(INVERSE, Decimal(5), Decimal(0)) == 0
