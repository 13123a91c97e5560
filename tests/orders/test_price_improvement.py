"""A limit is the worst price, not the price."""

from tests.brokers.build import SELL, D, Floor, fills, quote


def test_a_buy_limit_above_the_ask_pays_the_ask() -> None:
    """100.05 would be paid, 100.02 is asked: 100 shares cost 10,002 and not 10,005: 3 better."""
    floor = Floor()
    floor.show(quote("100.00", "100.02"))
    ((_, quantity, price),) = fills(floor.create("A", 100, "100.05"))
    assert (quantity, price) == (D(100), D("100.02"))
    assert (D("100.05") - price) * quantity == D(3)


def test_a_sell_limit_below_the_bid_gets_the_bid() -> None:
    """99.90 would be taken, 100.00 is bid."""
    floor = Floor()
    floor.show(quote("100.00", "100.02"))
    assert fills(floor.create("A", 100, "99.90", side=SELL)) == [("A", D(100), D("100.00"))]


def test_a_limit_that_rests_trades_at_its_own_price_or_better() -> None:
    """It rests at 99.98. The ask comes to 99.97: it pays 99.97."""
    floor = Floor()
    floor.show(quote("100.00", "100.02"))
    assert fills(floor.create("A", 100, "99.98")) == []
    assert fills(floor.show(quote("99.95", "99.97"))) == [("A", D(100), D("99.97"))]
