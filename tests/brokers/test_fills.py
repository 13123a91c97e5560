"""How much trades under each profile, with the numbers worked out."""

from decimal import Decimal

from dropcopyd.brokers.chance import between, delay_ns, draw, happens
from dropcopyd.brokers.paper.exchange import Exchange
from dropcopyd.brokers.paper.plan import REALISTIC, Parameters, Plan, Profile
from dropcopyd.brokers.paper.records import Image
from dropcopyd.domain.report import ReportKind
from tests.brokers.build import AAPL, ACCOUNT, BUY, FOK, GTC, NOON_NS, SELL, D, Floor, fills, kinds, quote


def floor(plan: Plan) -> Floor:
    exchange = Exchange(Image("b00c0000-0000-4000-8000-000000000000", NOON_NS))
    exchange.open_account(ACCOUNT, plan, NOON_NS)
    return Floor(exchange)


def realistic(**parameters: str) -> Plan:
    """Realistic with these parameters alone, nothing by chance unless said."""
    return Plan(
        profile=Profile.REALISTIC, seed=1, parameters=Parameters(**{name: D(v) for name, v in parameters.items()})
    )


def place(desk: Floor, command_id: str) -> Decimal:
    return desk.exchange.image.places[desk.order(command_id).number].ahead


def test_instant_fills_whole_at_the_quote_whatever_is_displayed() -> None:
    desk = floor(Plan(profile=Profile.INSTANT, seed=1))
    desk.show(quote("100.00", "100.02", 1, 1))
    assert fills(desk.create("A", 500)) == [("A", D(500), D("100.02"))]
    assert fills(desk.create("B", 500, "100.00", side=SELL)) == [("B", D(500), D("100.00"))]


def test_instant_leaves_the_displayed_size_to_others() -> None:
    desk = floor(Plan(profile=Profile.INSTANT, seed=1))
    desk.show(quote("100.00", "100.02", 10, 10))
    desk.create("A", 500)
    assert fills(desk.create("B", 10, account_id="unplanned")) == [("B", D(10), D("100.02"))]


def test_participation_caps_what_one_quote_gives() -> None:
    """A quarter of 1,000 displayed, then a quarter of the 750 that the next quote shows."""
    desk = floor(realistic(participation="0.25"))
    desk.show(quote("100.00", "100.02", 1000, 1000))
    assert fills(desk.create("A", 400, "100.02")) == [("A", D(250), D("100.02"))]
    assert fills(desk.show(quote("100.00", "100.02", 400, 400))) == [("A", D(100), D("100.02"))]
    assert desk.order("A").leaves_quantity == 50


def test_a_share_below_one_unit_is_one_unit() -> None:
    desk = floor(realistic(participation="0.25"))
    desk.show(quote("100.00", "100.02", 2, 2))
    assert fills(desk.create("A", 5)) == [("A", D(1), D("100.02"))]


def test_a_trade_through_the_price_clears_the_queue() -> None:
    desk = floor(realistic(queue_least="1", queue_most="1"))
    desk.show(quote("100.00", "100.02", 1000, 1000))
    desk.create("A", 300, "100.00")
    assert fills(desk.show(quote("99.98", "99.99", 1000, 1000))) == [("A", D(300), D("99.99"))]


def test_inside_the_spread_nobody_is_ahead() -> None:
    desk = floor(realistic(queue_least="1", queue_most="1"))
    desk.show(quote("100.00", "100.02", 1000, 1000))
    desk.create("A", 300, "100.01")
    assert place(desk, "A") == 0
    assert fills(desk.show(quote("99.99", "100.01", 1000, 1000))) == [("A", D(300), D("100.01"))]


def test_a_new_price_begins_at_the_end_of_the_queue_and_a_smaller_quantity_keeps_the_place() -> None:
    desk = floor(realistic(queue_least="1", queue_most="1"))
    desk.show(quote("100.00", "100.02", 1000, 1000))
    desk.create("A", 300, "100.00")
    desk.show(quote("99.99", "100.00", 700, 600))
    number = desk.order("A").number
    asked = desk.order("A").terms
    desk.replace(
        "B", "A", type(asked)(order_type=asked.order_type, quantity=D(200), time_in_force=GTC, limit_price=D(99))
    )
    assert desk.exchange.image.places[number].ahead == 700


def test_a_queue_does_not_hold_up_those_behind_it_who_have_none() -> None:
    desk = floor(realistic(queue_least="1", queue_most="1"))
    desk.show(quote("100.00", "100.02", 1000, 1000))
    desk.create("A", 300, "100.00")
    desk.create("B", 20, "100.00", account_id="unplanned")
    assert fills(desk.show(quote("99.99", "100.00", 1000, 600))) == [("B", D(20), D("100.00"))]


def test_partial_fills_by_chance_leave_a_rest_that_trades_later() -> None:
    desk = floor(realistic(partial_chance="1"))
    desk.show(quote("100.00", "100.02", 1000, 1000))
    ((_, quantity, _),) = fills(desk.create("A", 100, "100.02"))
    assert 0 < quantity < 100
    for _ in range(100):
        if not desk.exchange.image.orders.get(1) or not desk.order("A").is_open:
            break
        desk.show(quote("100.00", "100.02", 1000, 1000))
    assert sum(filled for _, filled, _ in fills(desk.reports)) == 100


def test_fill_or_kill_is_never_filled_in_part_by_chance() -> None:
    desk = floor(realistic(partial_chance="1"))
    desk.show(quote("100.00", "100.02", 1000, 1000))
    assert kinds(desk.create("A", 100, "100.02", FOK)) == [ReportKind.ACCEPTED, ReportKind.TRADE]


def test_makers_and_takers_pay_their_own_rates() -> None:
    """Crypto: 0.2 % of 50,000 taken, 0.1 % of 40,000 made."""
    plan = Plan(profile=Profile.REALISTIC, seed=1, parameters=REALISTIC)
    desk = floor(plan)
    desk.show(quote("100.00", "100.02", 1000, 1000))
    (trade,) = [report for report in desk.create("A", 1) if report.kind is ReportKind.TRADE]
    assert trade.fees[0].amount == D("0.0035")
    assert trade.fees[0].currency == AAPL.currency


def test_the_same_seed_draws_the_same_and_another_one_differs() -> None:
    plans = [Plan(profile=Profile.REALISTIC, seed=seed, parameters=REALISTIC) for seed in (5, 5, 6)]
    runs = []
    for plan in plans:
        desk = floor(plan)
        desk.show(quote("100.00", "100.02", 1000, 1000))
        for number in range(40):
            desk.create(f"C{number}", 100 + number, "100.02", side=BUY)
            desk.show(quote("100.00", "100.02", 1000, 1000))
        runs.append([(r.kind, r.last_quantity) for r in desk.reports])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_drawn_numbers_are_where_they_should_be() -> None:
    numbers = [draw(1, "test", n) for n in range(2000)]
    assert sum(happens(D("0.25"), n) for n in numbers) in range(400, 600)
    assert all(D(2) <= between(D(2), D(3), n) <= D(3) for n in numbers)
    delays = [delay_ns(D(5), D(10), n) for n in numbers]
    assert min(delays) >= 5_000_000
    assert 14_000_000 < sum(delays) // len(delays) < 16_000_000
    assert delay_ns(D(0), D(0), numbers[0]) == 0
