"""Busts, corrections and late fills that the paper broker makes by itself, by the account's parameters."""

from pathlib import Path

import pytest

from dropcopyd.brokers.paper.funding import wallet_of
from dropcopyd.brokers.paper.plan import Parameters, Plan, Profile, parse_plan
from dropcopyd.domain.report import OrderReport, ReportKind
from tests.brokers.build import (
    AAPL,
    ACCOUNT,
    BUY,
    GTC,
    IOC,
    NOON_NS,
    SELL,
    D,
    Floor,
    fills,
    kinds,
    quote,
    terms,
)
from tests.brokers.service import serving

K = ReportKind
SECOND_NS = 10**9


def plan(**chances: int | str) -> Plan:
    seed = int(chances.pop("seed", 1))
    parameters = Parameters(**{name: D(chance) for name, chance in chances.items()})
    return Plan(profile=Profile.DISPLAYED, seed=seed, cash={"USD": D(10_000)}, parameters=parameters)


def floor(**chances: int | str) -> Floor:
    desk = Floor()
    desk.exchange.open_account(ACCOUNT, plan(**chances), NOON_NS)
    return desk


def later(desk: Floor) -> list[OrderReport]:
    """What happens within a second."""
    return desk.at(desk.now_ns + SECOND_NS)


def held(desk: Floor) -> tuple[object, object]:
    wallet = wallet_of(desk.exchange.image, ACCOUNT)
    return wallet.held(AAPL).quantity, wallet.cash["USD"]


def test_a_bust_gives_everything_back_and_the_order_works_again() -> None:
    desk = floor(bust_chance=1)
    desk.show(quote("99", "100", 10, 10))
    desk.create("A", 10, "100", GTC)
    assert held(desk) == (D(10), D(9_000))
    (bust,) = later(desk)
    assert (bust.kind, bust.exec_ref_id, bust.cumulative_quantity) == (K.BUST, fill_id(desk), D(0))
    assert held(desk) == (D(0), D(10_000))
    assert desk.order("A").is_open
    assert fills(desk.show(quote("98", "99", 10, 10))) == [("A", D(10), D(99))]


def fill_id(desk: Floor) -> str | None:
    return next(report.exec_id for report in desk.reports if report.kind is K.TRADE)


def test_a_bust_leaves_the_fill_before_it_and_the_place_in_the_queue() -> None:
    desk = floor(bust_chance="0.5", seed=4)
    desk.show(quote("99", "100", 4, 4))
    desk.create("A", 10, "100", GTC)
    desk.show(quote("99", "100", 4, 4))
    busts = [one for one in later(desk) if one.kind is K.BUST]
    order = desk.order("A")
    assert order.filled_quantity == D(8) - 4 * len(busts)
    assert desk.position() == order.filled_quantity
    more = desk.show(quote("99", "100", 100, 100))
    assert fills(more) == [("A", 10 - order.filled_quantity, D(100))]


def test_what_had_one_chance_does_not_work_again() -> None:
    desk = floor(bust_chance=1)
    desk.show(quote("99", "100"))
    desk.create("A", 10, "100", IOC)
    assert kinds(later(desk)) == [K.BUST, K.CANCELLED]
    assert not desk.order("A").is_open
    (written,) = desk.decisions[-1].orders.values()
    assert written == desk.order("A")
    assert desk.show(quote("98", "99")) == []


def test_a_correction_is_a_tick_away_and_moves_the_cash() -> None:
    desk = floor(correction_chance=1)
    desk.show(quote("99", "100"))
    desk.create("A", 10)
    (correction,) = later(desk)
    assert (correction.kind, correction.last_quantity, correction.cumulative_quantity) == (K.CORRECTION, D(10), D(10))
    assert correction.last_price in (D("99.99"), D("100.01"))
    assert held(desk) == (D(10), 10_000 - 10 * correction.last_price)


def test_a_cancelled_order_may_be_filled_after_all() -> None:
    desk = floor(late_fill_chance=1)
    desk.show(quote("99", "100"))
    desk.create("A", 10, "98", GTC)
    assert kinds(desk.cancel("B", "A")) == [K.PENDING_CANCEL, K.CANCELLED]
    (late,) = later(desk)
    assert (late.kind, late.last_price, late.broker_command_id) == (K.TRADE, D(98), "A")
    assert late.last_quantity is not None
    assert 0 < late.last_quantity <= 10
    assert desk.position() == late.last_quantity
    assert desk.cancel("C", "A")[0].reason_code == "too_late"
    assert later(desk) == []


def test_a_cancelled_order_that_a_late_fill_completed_does_not_work_again_when_that_is_busted() -> None:
    desk = floor(late_fill_chance=1, bust_chance=1)
    desk.show(quote("99", "100"))
    desk.create("A", 1, "98", GTC)
    desk.cancel("B", "A")
    late, bust = later(desk) + later(desk)
    assert (late.kind, late.cumulative_quantity, late.raw_status) == (K.TRADE, D(1), "filled")
    assert (bust.kind, bust.cumulative_quantity, bust.raw_status) == (K.BUST, D(0), "cancelled")
    assert not desk.order("A").is_open
    assert desk.show(quote("96", "97")) == []


def test_nothing_was_under_way_where_nothing_rested() -> None:
    desk = floor(late_fill_chance=1)
    desk.create("market", 10)
    desk.create("limit", 10, "50", GTC)
    desk.cancel("B", "market")
    assert later(desk) == []


def test_the_same_seed_makes_the_same_mishaps() -> None:
    def story(seed: int) -> list[tuple[ReportKind, object, object]]:
        desk = floor(bust_chance="0.2", correction_chance="0.4", late_fill_chance="0.5", seed=seed)
        for number in range(20):
            desk.show(quote("99", "100", 5, 5))
            desk.create(f"A{number}", 7, "100", GTC, side=SELL if number % 3 else BUY)
            desk.cancel(f"B{number}", f"A{number}")
            later(desk)
        return [(one.kind, one.last_quantity, one.broker_sent_at_ns) for one in desk.reports]

    assert story(1) == story(1)
    assert story(1) != story(2)


async def test_a_mishap_comes_after_a_restart_too(tmp_path: Path) -> None:
    """The order is filled, durable and forgotten when its bust comes."""
    plans = {ACCOUNT: plan(bust_chance=1)}
    async with serving(tmp_path, plans=plans) as service:
        service.show(quote("99", "100"))
        await service.create("A", terms(10, "100"))
        await service.listener.until_reports(2)
        await service.book.writer.drained()
    async with serving(tmp_path, plans=plans) as service:
        service.clock.advance(2)
        service.broker.turn()
        assert kinds(await service.listener.until_reports(1)) == [K.BUST]
        snapshot = await service.broker.snapshot(ACCOUNT, "", 20)
        assert kinds(snapshot.executions) == [K.TRADE, K.BUST]
        assert [(one.quantity, one.cumulative_quantity) for one in snapshot.orders] == [(D(10), D(0))]


async def test_an_order_stays_in_memory_as_long_as_something_may_become_of_it(tmp_path: Path) -> None:
    async with serving(tmp_path, plans={ACCOUNT: plan(bust_chance=1)}) as service:
        service.show(quote("99", "100", 1000, 1000))
        await service.create("A", terms(10, "100"))
        await service.listener.until_reports(2)
        for number in range(5):
            await service.create(f"other-{number}", terms(1, "1"))
        service.clock.advance(2)
        service.broker.turn()
        reports = await service.listener.until_reports(8)
        assert reports[-1].kind is K.BUST
        await service.cancel("B", "A")
        await service.listener.until_reports(10)
        await service.create("last", terms(1, "1"))
        await service.listener.until_reports(11)
        assert "A" not in service.book.image.commands
        assert not service.book.image.pinned


@pytest.mark.parametrize("name", ["bust_chance", "correction_chance", "late_fill_chance"])
def test_a_chance_is_at_most_certain(name: str) -> None:
    assert parse_plan("displayed", parameters=[f"{name}=1"])
    with pytest.raises(ValueError, match=f"{name} must be at most 1"):
        parse_plan("displayed", parameters=[f"{name}=1.1"])


def test_a_bust_gives_the_fees_back_and_a_correction_keeps_them() -> None:
    desk = floor(bust_chance=1, equity_fee_per_unit="0.01")
    desk.show(quote("99", "100"))
    desk.create("A", 10)
    assert held(desk) == (D(10), D("8999.9"))
    later(desk)
    assert held(desk) == (D(0), D(10_000))
    desk = floor(correction_chance=1, equity_fee_per_unit="0.01")
    desk.show(quote("99", "100"))
    desk.create("A", 10)
    (correction,) = later(desk)
    assert correction.last_price is not None
    assert held(desk) == (D(10), D("9999.9") - 10 * correction.last_price)
