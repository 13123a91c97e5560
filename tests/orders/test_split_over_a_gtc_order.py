"""A good-till-cancelled order works through a split: the broker restates it, and adjusts the position."""

from decimal import Decimal

from dropcopyd.domain import machine
from dropcopyd.domain.adjustment import AdjustmentKind
from dropcopyd.domain.instrument import key_of
from dropcopyd.domain.order import OrderStatus, TimeInForce
from dropcopyd.domain.report import CORPORATE_ACTION_REASON, AdjustmentReport, OrderReport, ReportKind
from tests.domain.build import AAPL, START_NS, Play, bust, report, trade
from tests.orders.reading import figures, held, working

K, S = ReportKind, OrderStatus
DAY_NS = 86_400 * 1_000_000_000
YESTERDAY, TODAY = START_NS + 1, START_NS + DAY_NS + 1


def split(play: Play) -> OrderReport:
    """Two for one: 10 at 100 become 20 at 50, the 4 held become 8."""
    shares = AdjustmentReport(
        adjustment_id="split",
        kind=AdjustmentKind.SPLIT,
        key=key_of(AAPL),
        quantity_delta=Decimal(4),
        broker_sent_at_ns=START_NS + DAY_NS,
    )
    play.take(machine.take_adjustment(play.state, shares, AAPL, play.now_ns))
    return report(
        K.RESTATED,
        quantity=Decimal(20),
        limit_price=Decimal(50),
        cumulative_quantity=Decimal(8),
        reason_code=CORPORATE_ACTION_REASON,
        broker_sent_at_ns=START_NS + DAY_NS,
    )


def test_a_split_over_a_gtc_order() -> None:
    """Buy 10 at 100: 4 at 100 yesterday, cost 400. Two for one over night: 20 at 50, 8 of them filled at 50, 12 left.

    Today the 12 at 49: the order has 20 for 400 + 588 = 988, 49.4 each; so has the position.
    """
    play = working(time_in_force=TimeInForce.GOOD_TILL_CANCEL)
    play.report(trade("e1", "4", "100", broker_sent_at_ns=YESTERDAY))
    assert figures(play) == (S.PARTIALLY_FILLED, "4", "6", "100")
    told = split(play)
    play.report(told)
    assert figures(play) == (S.PARTIALLY_FILLED, "8", "12", "50")
    assert play.order().terms.limit_price == 50
    assert held(play) == ("8", "400", "0")
    play.report(told)
    assert figures(play) == (S.PARTIALLY_FILLED, "8", "12", "50"), "told again it splits nothing again"
    play.report(trade("e2", "12", "49", broker_sent_at_ns=TODAY))
    assert figures(play) == (S.FILLED, "20", "0", "49.4")
    assert held(play) == ("20", "988", "0")
    assert not [one for batch in play.batches for one in batch.breaks]


def test_a_fill_of_before_the_split_that_comes_after_it_counts_twice_its_shares() -> None:
    """1 at 96 of yesterday comes today: it is 2 of the 20; 8 + 2 are filled for 400 + 96, 49.6 each."""
    play = working(time_in_force=TimeInForce.GOOD_TILL_CANCEL)
    play.report(trade("e1", "4", "100", broker_sent_at_ns=YESTERDAY))
    play.report(split(play))
    play.report(trade("late", "1", "96", broker_sent_at_ns=YESTERDAY + 1))
    assert figures(play) == (S.PARTIALLY_FILLED, "10", "10", "49.6")


def test_a_bust_of_a_fill_of_before_the_split_takes_all_it_became() -> None:
    """8 of the 20 were yesterday's 4: none is left, 20 are to be had again."""
    play = working(time_in_force=TimeInForce.GOOD_TILL_CANCEL)
    play.report(trade("e1", "4", "100", broker_sent_at_ns=YESTERDAY))
    play.report(split(play))
    play.report(bust("e2", "e1"))
    assert figures(play) == (S.NEW, "0", "20", None)
