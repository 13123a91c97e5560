"""The product's records beside the models' figures."""

from decimal import Decimal
from fractions import Fraction

from dropcopyd.domain.order import Order
from dropcopyd.domain.position import Position
from tests.histories.ledger import LedgerModel
from tests.histories.orders import OrderModel


def compare_order(order: Order, model: OrderModel) -> None:
    """Status, terms in force, what is filled, what is left, at what average."""
    now = model.facts()
    amounts = (
        order.terms.quantity,
        order.terms.limit_price,
        order.filled_quantity,
        order.leaves_quantity,
        order.average_price,
    )
    ours = order.status.value, *map(_fraction, amounts)
    theirs = model.status(now), now.quantity, now.price, now.filled, model.leaves(now), model.average(now)
    assert ours == theirs, f"{order.order_id}: {ours}, not {theirs}"
    assert order.leaves_quantity >= 0


def compare_position(position: Position, model: LedgerModel, mark: Fraction, day_mark: Fraction | None) -> None:
    """What is held, at what cost and average, what was realized, what the day brought; and cash adds up.

    `mark` is the price at the last publication, `day_mark` the one at the roll, None where none was taken.
    """
    figures = model.figures()
    if not position.is_quiet:
        assert Fraction(position.value_bought) == figures.bought, position
        assert Fraction(position.value_sold) == figures.sold, position
    assert Fraction(position.quantity) == figures.quantity, position
    assert Fraction(position.cost) == figures.cost, position
    assert Fraction(position.average_cost) == model.average(figures), position
    assert Fraction(position.realized_pnl) == figures.realized, position
    sign = -1 if model.is_inverse else 1
    assert figures.flow == figures.realized - sign * (figures.left - figures.contributed), "cash adds up"
    if position.is_quiet:
        return
    then = figures.day
    expected = None
    if figures.is_day_known and (then is None or not then.quantity or day_mark is not None):
        base = Fraction(0) if then is None else then.realized + model.unrealized(then, day_mark or Fraction(1))
        expected = figures.realized + model.unrealized(figures, mark) - base
    assert _fraction(position.daily_pnl) == expected, position


def _fraction(value: Decimal | None) -> Fraction | None:
    return None if value is None else Fraction(value)
