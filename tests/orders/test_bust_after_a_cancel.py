"""A bust takes a fill back even when the order is long over; it opens nothing again."""

from dropcopyd.domain.order import OrderStatus
from dropcopyd.domain.report import ReportKind
from tests.domain.build import bust, report, trade
from tests.orders.reading import figures, held, working

K, S = ReportKind, OrderStatus


def test_a_bust_after_a_cancel_leaves_the_order_cancelled() -> None:
    """D35: 4 filled, the rest cancelled, the 4 busted, then a late fill of 3: cancelled all along, leaves 0."""
    play = working()
    play.report(trade("e1", "4", "100"))
    play.report(report(K.CANCELLED))
    assert figures(play) == (S.CANCELLED, "4", "0", "100")
    play.report(bust("e2", "e1"))
    assert figures(play) == (S.CANCELLED, "0", "0", None)
    assert held(play)[0] == "0"
    play.report(trade("e3", "3", "100"))
    assert figures(play) == (S.CANCELLED, "3", "0", "100")
    assert held(play)[0] == "3"
