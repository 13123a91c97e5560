"""The quantity of a replace is the total over the order's life: it cannot be less than what has filled."""

from decimal import Decimal

from dropcopyd.domain.order import OrderStatus
from dropcopyd.domain.report import ReportKind
from tests.domain.build import report, trade
from tests.orders.reading import figures, working

K, S = ReportKind, OrderStatus


def test_a_replace_below_what_is_filled_fills_the_order() -> None:
    """C.3.c: 7 asked with 8 of 10 filled: the quantity becomes 8, nothing is left to work."""
    play = working()
    play.report(trade("e1", "8", "100"))
    play.begin(play.replace(quantity="7"))
    assert figures(play) == (S.PARTIALLY_FILLED, "8", "2", "100"), "asking changes nothing"
    play.report(report(K.REPLACED, "c1.2", quantity=Decimal(7)))
    assert figures(play) == (S.FILLED, "8", "0", "100")
    assert play.order().terms.quantity == 8


def test_a_replace_above_what_is_filled_leaves_the_difference() -> None:
    """9 asked with 8 filled: 1 is left."""
    play = working()
    play.report(trade("e1", "8", "100"))
    play.begin(play.replace(quantity="9"))
    play.report(report(K.REPLACED, "c1.2"))
    assert figures(play) == (S.PARTIALLY_FILLED, "8", "1", "100")
