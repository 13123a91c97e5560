"""A cancel asked for while fills are on their way: both count, and only the broker says which came first."""

from dropcopyd.domain.command import OutcomeKind
from dropcopyd.domain.order import OrderStatus
from dropcopyd.domain.report import ReportKind
from tests.domain.build import report, trade
from tests.orders.reading import figures, held, working

K, S = ReportKind, OrderStatus


def test_the_fill_wins() -> None:
    """3 of 10 filled, then a cancel. 2 cross it, 5 come while it is pending; it is refused: the order has filled."""
    play = working()
    play.report(trade("e1", "3", "100"))
    play.begin(play.cancel())
    play.report(trade("e2", "2", "100"))
    assert figures(play) == (S.PARTIALLY_FILLED, "5", "5", "100"), "the broker has not seen the cancel"
    play.report(report(K.PENDING_CANCEL, "c1.2"))
    assert figures(play) == (S.PENDING_CANCEL, "5", "5", "100")
    play.report(trade("e3", "5", "100"))
    assert figures(play) == (S.PENDING_CANCEL, "10", "0", "100")
    play.report(report(K.REQUEST_REFUSED, "c1.2", reason_code="too_late"))
    assert figures(play) == (S.FILLED, "10", "0", "100"), "the status now due, not the one from before"
    assert play.outcome(seq=2) is OutcomeKind.REFUSED
    assert held(play)[0] == "10"


def test_the_cancel_wins_and_a_fill_from_before_it_comes_late() -> None:
    """3 of 10 filled, 7 cancelled; the 2 that were executed before the cancel count when they come."""
    play = working()
    play.report(trade("e1", "3", "100"))
    play.begin(play.cancel())
    play.report(report(K.CANCELLED, "c1.2"))
    assert figures(play) == (S.CANCELLED, "3", "0", "100")
    play.report(trade("e2", "2", "95"))
    assert figures(play) == (S.CANCELLED, "5", "0", "98"), "(300 + 190) / 5"
    assert play.outcome(seq=2) is OutcomeKind.ACCEPTED
    assert held(play)[0] == "5"
