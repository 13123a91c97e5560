"""Daily loss and drawdown: watched without an order, latched, flattened, unknown said, across restarts and days."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dropcopyd.domain import machine
from dropcopyd.domain.account import Account, Principal, Scope
from dropcopyd.domain.audit import AuditAction
from dropcopyd.domain.controls import Control, ControlLimits, ControlScope, Reference
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.order import ActionType, OrderSide
from dropcopyd.domain.report import ReportKind
from dropcopyd.flow.flatten import Flattener
from dropcopyd.flow.losses import LossWatch
from dropcopyd.flow.masscancel import MassCancel
from dropcopyd.flow.refusals import ControlError
from dropcopyd.flow.submits import SubmitRequest
from dropcopyd.system import RandomIds
from tests.domain.build import START_NS, report, trade
from tests.doubles import ManualClock, SequentialIds
from tests.flow.trading import ONE, Gateway, create, trading
from tests.store.build import ORGANIZATIONS, account, make_folder

ORGANIZATION = ORGANIZATIONS[0]
PRINCIPAL = Principal(ORGANIZATION, "key", frozenset(Scope))


class Prices:
    """Prices set by hand, each with its time."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._known: dict[str, Reference] = {}

    def __call__(self, _account: Account, instrument: Instrument) -> Reference | None:
        return self._known.get(instrument.symbol)

    def move(self, **prices: str) -> None:
        for symbol, price in prices.items():
            self._known[symbol] = Reference(Decimal(price), self._clock.now_ns())


class Watching:
    """A gateway with its losses watched by hand."""

    def __init__(self, gateway: Gateway, prices: Prices) -> None:
        self.gateway, self.prices = gateway, prices
        shared: dict[str, Any] = {
            "actors": gateway.actors,
            "controls": gateway.controls,
            "store": gateway.store,
            "clock": gateway.clock,
        }
        self.cancels = MassCancel(intake=gateway.intake, **shared)
        self.flattener = Flattener(intake=gateway.intake, cancels=self.cancels, ids=RandomIds(), **shared)
        self.losses = LossWatch(cancels=self.cancels, flattener=self.flattener, references=prices, **shared)

    def control(self, scope: ControlScope = ControlScope.ACCOUNT) -> Control:
        subject = {"Organization": ORGANIZATION, "Account": ONE}[scope.value]
        return self.gateway.controls.kept.control(ORGANIZATION, scope, subject)

    async def limit(self, scope: ControlScope = ControlScope.ACCOUNT, **limits: Any) -> None:
        control = self.control(scope)
        await self.gateway.controls.kept.limit(PRINCIPAL, control, ControlLimits(**limits), control.version)

    async def hold(self, symbol: str = "AAPL", quantity: str = "10", price: str = "100", **facts: Any) -> None:
        command = await self.gateway.create(symbol=symbol, quantity=quantity, **facts)
        await self.gateway.report(report(ReportKind.ACCEPTED, command.broker_command_id))
        await self.gateway.report(trade(f"e {command.broker_command_id}", quantity, price, command.broker_command_id))
        await self.gateway.until_idle()

    async def at(self, **prices: str) -> Control:
        """Prices move; the account's control after the next look."""
        self.prices.move(**prices)
        await self.losses.turn()
        return self.control()

    async def refused(self, request: SubmitRequest) -> dict[str, Any]:
        with pytest.raises(ControlError) as caught:
            await self.gateway.submit(request)
        return caught.value.facts


@asynccontextmanager
async def watching(folder: Path, clock: ManualClock, ids: str = "0") -> AsyncIterator[Watching]:
    prices = Prices(clock)
    async with trading(folder, clock=clock, ids=SequentialIds(ids), references=prices) as gateway:
        await gateway.controls.open()
        await gateway.actor()
        running = Watching(gateway, prices)
        await running.losses.open()
        await gateway.connect()
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_NS)


@pytest.fixture
async def watch(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Watching]:
    make_folder(tmp_path, accounts=3)
    async with watching(tmp_path, clock) as running:
        yield running


async def test_a_mark_alone_breaches_and_the_refusal_names_it_all(watch: Watching) -> None:
    await watch.limit(daily_loss_max=Decimal(50))
    await watch.hold()
    resting = await watch.gateway.create(symbol="MSFT", quantity="1")
    await watch.gateway.report(report(ReportKind.ACCEPTED, resting.broker_command_id))
    assert not (await watch.at(AAPL="95")).is_killed, "the limit itself is not passed"
    control = await watch.at(AAPL="94.9")
    assert control.is_killed
    assert await watch.refused(create()) == {
        "control": "daily_loss_max",
        "scope": "Account",
        "subject": ONE,
        "limit": "50",
        "actual": "51",
    }
    chain = (await watch.gateway.actor()).state.chains[resting.order_id]
    assert [one.action_type for one in chain.commands.values()] == [ActionType.CREATE, ActionType.CANCEL]
    lines = await watch.gateway.store.read_audit(ORGANIZATION, 2**62, 10)
    assert AuditAction.LIMIT_BREACHED in [line.action for line in lines]
    assert (await watch.at(AAPL="200")).is_killed, "a latch: what recovers stays stopped"
    evaluated = watch.gateway.controls.judging.evaluate(account(1), None)
    assert [found.control for found in evaluated] == ["daily_loss_max"]


async def test_a_missing_or_stale_mark_is_said_and_never_zero(watch: Watching, clock: ManualClock) -> None:
    await watch.limit(daily_loss_max=Decimal(50))
    await watch.hold()
    control = await watch.at()
    assert not control.is_killed
    facts = await watch.refused(create())
    assert (facts["control"], facts["limit"], facts["actual"]) == ("daily_loss_max", "50", "unknown")
    ((currency, standing, _),) = await watch.losses.figures(account(1))
    assert (currency, standing.daily_pnl, standing.unknown[0].symbol) == ("USD", None, "AAPL")
    await watch.gateway.submit(create(quantity="10", order_side=OrderSide.SELL))  # it only reduces
    await watch.at(AAPL="99")
    await watch.gateway.submit(create())
    clock.advance(61)
    await watch.losses.turn()
    assert (await watch.refused(create()))["actual"] == "unknown"
    assert not watch.control().is_killed
    await watch.limit()
    await watch.losses.turn()
    await watch.gateway.submit(create())


async def test_the_day_begins_anew_and_the_latch_is_a_persons_to_release(watch: Watching, clock: ManualClock) -> None:
    await watch.limit(daily_loss_max=Decimal(50))
    await watch.hold()
    await watch.hold(order_side=OrderSide.SELL, price="90")
    control = await watch.at()
    assert control.breach is not None
    assert (control.breach.rule, control.breach.actual, control.breach.currency) == ("daily_loss_max", "100", "USD")
    released = await watch.gateway.controls.kept.release(PRINCIPAL, control, control.version)
    assert released.breach is None
    assert (await watch.at()).is_killed, "the loss of the day is still there"
    clock.advance(86_400)
    actor = await watch.gateway.actor()
    await actor.decide(lambda state, now_ns: machine.roll_day(state, now_ns, "2026-11-19", now_ns))
    control = await watch.at()
    assert control.is_killed, "a new day does not release"
    await watch.gateway.controls.kept.release(PRINCIPAL, control, control.version)
    assert not (await watch.at()).is_killed
    await watch.gateway.submit(create())


async def test_drawdown_is_from_the_most_that_was_made_and_outlives_a_restart(
    tmp_path: Path, clock: ManualClock
) -> None:
    make_folder(tmp_path, accounts=3)
    async with watching(tmp_path, clock) as watch:
        await watch.limit(drawdown_max=Decimal(100))
        await watch.hold()
        for price in ("100", "130", "125"):
            clock.advance(2)
            await watch.at(AAPL=price)
        ((_, standing, mark),) = await watch.losses.figures(account(1))
        assert (standing.profit, mark) == (Decimal(250), Decimal(300))
    async with watching(tmp_path, clock, "1") as watch:
        assert not (await watch.at(AAPL="120")).is_killed
        control = await watch.at(AAPL="119")
        assert control.breach is not None
        assert (control.breach.rule, control.breach.actual) == ("drawdown_max", "110")
    async with watching(tmp_path, clock, "2") as watch:
        control = watch.control()
        assert (control.is_killed, control.breach is not None) == (True, True)
        assert (await watch.refused(create()))["control"] == "drawdown_max"
        await watch.gateway.controls.kept.release(PRINCIPAL, control, control.version)
        assert not (await watch.at(AAPL="119")).is_killed, "released, it is measured from here"
        assert not (await watch.at(AAPL="109")).is_killed
        assert (await watch.at(AAPL="108.9")).is_killed


async def test_what_was_realized_before_the_start_counts(tmp_path: Path, clock: ManualClock) -> None:
    make_folder(tmp_path, accounts=3)
    async with watching(tmp_path, clock) as watch:
        await watch.hold()
        await watch.hold(order_side=OrderSide.SELL, price="107")
    clock.advance(3 * 86_400)
    async with watching(tmp_path, clock, "1") as watch:
        actor = await watch.gateway.actor()
        await actor.decide(lambda state, now_ns: machine.roll_day(state, now_ns, "2026-11-21", now_ns))
        actor.forget_idle()
        await watch.hold("MSFT", "1", "100")
        await watch.at(MSFT="99")
        ((_, standing, _),) = await watch.losses.figures(account(1))
        assert (standing.profit, standing.daily_pnl) == (Decimal(69), Decimal(-1))


async def test_an_organizations_accounts_are_judged_by_their_sum(watch: Watching) -> None:
    await watch.limit(ControlScope.ORGANIZATION, daily_loss_max=Decimal(50))
    await watch.hold()
    await watch.gateway.actors.get(account(3).account_id)
    await watch.at(AAPL="94")
    assert watch.control(ControlScope.ORGANIZATION).is_killed
    with pytest.raises(ControlError) as caught:
        await watch.gateway.submit(create(), of=account(3))
    assert (caught.value.facts["scope"], caught.value.facts["actual"]) == ("Organization", "60")
    await watch.gateway.submit(create(), of=account(2))


async def test_a_breach_flattens_if_it_is_set_once_and_after_a_restart_too(tmp_path: Path, clock: ManualClock) -> None:
    make_folder(tmp_path, accounts=3)
    async with watching(tmp_path, clock) as watch:
        await watch.limit(daily_loss_max=Decimal(50), flattens_on_breach=True)
        await watch.hold()
        await watch.at(AAPL="90")
        clock.advance(1)
        await watch.at(AAPL="90")
        (running,) = await watch.gateway.store.running_flattens()
        assert running.key_id == "gateway"
        await watch.flattener.turn()
        await watch.gateway.until_sent(2)
        close = watch.gateway.broker.submissions[1].command
        assert (close.order_side, close.terms.quantity) == (OrderSide.SELL, Decimal(10))
        await watch.gateway.report(trade("out", "10", "90", close.broker_command_id))
        await watch.flattener.turn()
        await watch.at(AAPL="90")
        assert not await watch.gateway.store.running_flattens()
    async with watching(tmp_path, clock, "1") as watch:
        await watch.at(AAPL="90")
        assert not await watch.gateway.store.running_flattens(), "once for a breach"


async def test_a_thousand_marks_a_second_cost_one_look_each_quarter(watch: Watching) -> None:
    """Prices may move as often as they like: a look asks once for each instrument that is held."""
    asked: list[str] = []
    prices = watch.prices

    def count(of: Account, instrument: Instrument) -> Reference | None:
        asked.append(instrument.symbol)
        return prices(of, instrument)

    watch.losses._references = count
    await watch.limit(daily_loss_max=Decimal(10**6), drawdown_max=Decimal(10**6))
    await watch.limit(ControlScope.ORGANIZATION, daily_loss_max=Decimal(10**6))
    await watch.hold()
    for price in range(1_000):
        prices.move(AAPL=str(100 + price))
    await watch.losses.turn()
    assert asked == ["AAPL"]
