"""A stop order sleeps until the market is at its stop, then it is a market order."""

from dropcopyd.domain.order import OrderType
from dropcopyd.domain.report import ReportKind
from tests.brokers.build import SELL, D, Floor, asked, fills, kinds, quote

K, STOP = ReportKind, OrderType.STOP


def test_a_sell_stop_triggers_on_the_bid_and_trades_there() -> None:
    floor = Floor()
    floor.show(quote("10.00", "10.02"))
    assert kinds(floor.enter("c1", asked(STOP, 100, stop_price="9.95"), SELL)) == [K.ACCEPTED]
    assert floor.show(quote("9.96", "9.98")) == []
    reports = floor.show(quote("9.95", "9.97"))  # the bid is at the stop
    assert kinds(reports) == [K.TRIGGERED, K.TRADE]
    assert fills(reports) == [("c1", D(100), D("9.95"))]
    assert reports[0].stop_price == D("9.95")


def test_a_buy_stop_triggers_on_the_ask() -> None:
    floor = Floor()
    floor.show(quote("10.00", "10.02"))
    floor.enter("c1", asked(STOP, 100, stop_price="10.05"))
    assert floor.show(quote("10.03", "10.04")) == []  # the ask is a tick below
    assert fills(floor.show(quote("10.04", "10.05"))) == [("c1", D(100), D("10.05"))]
