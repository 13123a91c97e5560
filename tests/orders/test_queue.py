"""A resting order waits for what came before it at its price."""

from dropcopyd.brokers.paper.exchange import Exchange
from dropcopyd.brokers.paper.plan import Parameters, Plan, Profile
from dropcopyd.brokers.paper.records import Image
from tests.brokers.build import ACCOUNT, NOON_NS, D, Floor, fills, quote


def queueing() -> Floor:
    """An exchange where all that is displayed at a price is ahead of a new order there."""
    exchange = Exchange(Image("b00c0000-0000-4000-8000-000000000000", NOON_NS))
    whole = Parameters(queue_least=D(1), queue_most=D(1))
    exchange.open_account(ACCOUNT, Plan(profile=Profile.REALISTIC, seed=1, parameters=whole), NOON_NS)
    return Floor(exchange)


def test_the_queue_ahead_is_worked_off_by_what_trades_at_the_price() -> None:
    """1,000 are ahead at 100.00. 600 trade there, then 600 more: 400 for the queue, 200 for the order of 300."""
    desk = queueing()
    desk.show(quote("100.00", "100.02", 1000, 1000))
    desk.create("A", 300, "100.00")
    assert ahead(desk) == 1000
    assert not fills(desk.show(quote("99.99", "100.00", 1000, 600)))
    assert ahead(desk) == 400
    assert fills(desk.show(quote("99.99", "100.00", 1000, 600))) == [("A", D(200), D("100.00"))]
    assert fills(desk.show(quote("99.99", "100.00", 1000, 50))) == [("A", D(50), D("100.00"))]


def ahead(desk: Floor) -> object:
    return desk.exchange.image.places[desk.order("A").number].ahead
