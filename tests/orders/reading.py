"""What a reader sees of an order and its position, in short."""

from dropcopyd.domain import money
from dropcopyd.domain.instrument import key_of
from dropcopyd.domain.order import OrderStatus
from dropcopyd.domain.report import ReportKind
from tests.domain.build import AAPL, Play, limit_terms, report


def working(**terms: object) -> Play:
    """An acknowledged buy of 10 at 100."""
    play = Play()
    play.begin(play.create(terms=limit_terms(**terms)))  # type: ignore[arg-type]
    play.report(report(ReportKind.ACCEPTED))
    return play


def figures(play: Play) -> tuple[OrderStatus, str, str, str | None]:
    """(status, filled, leaves, average price)."""
    order = play.order()
    average = None if order.average_price is None else money.render(order.average_price)
    return order.status, money.render(order.filled_quantity), money.render(order.leaves_quantity), average


def held(play: Play) -> tuple[str, str, str]:
    """(quantity, cost, realized) of the position."""
    position = play.state.positions[key_of(AAPL)]
    return money.render(position.quantity), money.render(position.cost), money.render(position.realized_pnl)
