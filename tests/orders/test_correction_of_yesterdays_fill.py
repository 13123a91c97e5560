"""A fill of yesterday that the broker corrects today: the order, the position, yesterday's profit and today's."""

from decimal import Decimal

from dropcopyd.domain import machine
from dropcopyd.domain.instrument import key_of
from dropcopyd.domain.money import render
from dropcopyd.domain.order import OrderStatus, TimeInForce
from dropcopyd.domain.report import ReportKind
from tests.domain.build import AAPL, START_NS, Play, correction, report, trade
from tests.orders.reading import figures, held, working

K, S = ReportKind, OrderStatus
DAY_NS = 86_400 * 1_000_000_000
YESTERDAY, TODAY = "2026-11-18", "2026-11-19"


def daily(play: Play) -> str:
    pnl = play.state.positions[key_of(AAPL)].daily_pnl
    assert pnl is not None
    return render(pnl)


def test_a_correction_of_yesterdays_fill() -> None:
    """A good-till-cancelled buy of 10. Yesterday 4 at 100, marked 105 at the roll: 4 * 5 = 20 were yesterday's.

    Today 2 at 103, marked 106: 4 * (106 - 105) + 2 * (106 - 103) = 10. Now yesterday's fill becomes 3 at 98: the order
    has 3 + 2 = 5 at (294 + 206) / 5 = 100. Of today are left 3 * 1 + 2 * 3 = 9; yesterday's would have been
    3 * (105 - 98) = 21, and the 30 that the 5 are above cost now (530 - 500) are 21 and 9.
    """
    marks = {"AAPL": Decimal(105)}
    play = working(time_in_force=TimeInForce.GOOD_TILL_CANCEL)
    play.state.marks = lambda one: marks[one.symbol]
    play.report(trade("e1", "4", "100", trade_date=YESTERDAY, broker_sent_at_ns=START_NS + 1))
    assert daily(play) == "20"
    play.report(report(K.DONE_FOR_DAY))
    assert figures(play) == (S.PARTIALLY_FILLED, "4", "6", "100"), "it goes on tomorrow"

    play.now_ns += DAY_NS
    play.take(machine.roll_day(play.state, START_NS + DAY_NS, TODAY, play.now_ns))
    assert daily(play) == "0"
    play.report(report(K.RESTATED))
    marks["AAPL"] = Decimal(106)
    play.report(trade("e1", "2", "103", trade_date=TODAY, broker_sent_at_ns=START_NS + DAY_NS + 1))
    assert figures(play) == (S.PARTIALLY_FILLED, "6", "4", "101"), "ids of executions begin anew each day"
    assert daily(play) == "10"

    play.report(correction("e2", "e1", "3", "98", trade_date=YESTERDAY))
    assert figures(play) == (S.PARTIALLY_FILLED, "5", "5", "100")
    assert held(play) == ("5", "500", "0")
    assert daily(play) == "9"
