"""A trailing stop follows the market one way only."""

from dropcopyd.domain.order import OrderType
from dropcopyd.domain.report import ReportKind
from tests.brokers.build import SELL, D, Floor, asked, fills, quote

K, TRAILING = ReportKind, OrderType.TRAILING_STOP


def test_a_trailing_stop_ratchets_by_an_amount_and_never_goes_back() -> None:
    """Bid 10.00, trail 0.50: stop 9.50. Bid 10.30: 9.80. Bid 10.10: still 9.80. Bid 9.80: it sells."""
    floor = Floor()
    floor.show(quote("10.00", "10.02"))
    reports = floor.enter("c1", asked(TRAILING, 10, trail_amount="0.50"), SELL)
    assert [(r.kind, r.stop_price) for r in reports] == [(K.ACCEPTED, None), (K.RESTATED, D("9.50"))]
    assert [(r.kind, r.stop_price) for r in floor.show(quote("10.30", "10.32"))] == [(K.RESTATED, D("9.80"))]
    assert floor.show(quote("10.10", "10.12")) == []
    assert floor.order("c1").terms.stop_price == D("9.80")
    reports = floor.show(quote("9.80", "9.82"))
    assert [r.kind for r in reports] == [K.TRIGGERED, K.TRADE]
    assert fills(reports) == [("c1", D(10), D("9.80"))]
