"""A market that jumps over a stop fills it where the market is."""

from dropcopyd.domain.order import OrderType
from tests.brokers.build import SELL, D, Floor, asked, fills, quote

STOP = OrderType.STOP


def test_a_gap_through_the_stop_fills_at_the_gapped_price() -> None:
    """Stop 9.95; the market jumps from 10.00 to 9.60: no price between was there to be had."""
    floor = Floor()
    floor.show(quote("10.00", "10.02"))
    floor.enter("c1", asked(STOP, 100, stop_price="9.95"), SELL)
    assert fills(floor.show(quote("9.60", "9.62"))) == [("c1", D(100), D("9.60"))]
