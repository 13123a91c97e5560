"""What is displayed trades, the rest works on."""

from dropcopyd.domain.order import OrderStatus
from tests.brokers.build import D, Floor, fills, quote
from tests.domain.build import trade
from tests.orders.reading import figures, held, working

S = OrderStatus


def test_an_order_takes_what_is_displayed_and_waits_with_the_rest() -> None:
    """500 wanted at 100.02, 200 are for sale there; then 150 at 100.01: 150 are left."""
    floor = Floor()
    floor.show(quote("100.00", "100.02", ask_size=200))
    assert fills(floor.create("A", 500, "100.02")) == [("A", D(200), D("100.02"))]
    assert floor.order("A").leaves_quantity == 300
    assert fills(floor.show(quote("100.00", "100.01", ask_size=150))) == [("A", D(150), D("100.01"))]
    assert floor.order("A").leaves_quantity == 150


def test_the_average_is_that_of_what_has_filled() -> None:
    """4 at 99 and 4 at 100 of 10: (396 + 400) / 8 = 99.5. The last 2 at 97: (796 + 194) / 10 = 99."""
    play = working()
    play.report(trade("e1", "4", "99"))
    assert figures(play) == (S.PARTIALLY_FILLED, "4", "6", "99")
    play.report(trade("e2", "4", "100"))
    assert figures(play) == (S.PARTIALLY_FILLED, "8", "2", "99.5")
    play.report(trade("e3", "2", "97"))
    assert figures(play) == (S.FILLED, "10", "0", "99")
    assert held(play) == ("10", "990", "0")
