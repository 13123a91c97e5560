"""Flatten: cancel, wait, one order for each position; what holds it back; beside a kill; across a restart."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dropcopyd.domain.account import Principal, Scope
from dropcopyd.domain.attenuation import Attenuation
from dropcopyd.domain.command import Command, OutcomeKind
from dropcopyd.domain.controls import ControlLimits, ControlScope
from dropcopyd.domain.flatten import Flatten, FlattenStatus, LegStatus
from dropcopyd.domain.order import ActionType, OrderSide, OrderType
from dropcopyd.domain.report import Refused, ReportKind, Unknown
from dropcopyd.errors import Code, DropcopyError, NotFoundError
from dropcopyd.flow.flatten import Flattener
from dropcopyd.flow.masscancel import CancelFilter, MassCancel
from dropcopyd.flow.refusals import ControlError
from dropcopyd.system import RandomIds
from tests.domain.build import bust, report, trade
from tests.flow.trading import Gateway, create, never, trading
from tests.store.build import ORGANIZATIONS, account, make_folder

PRINCIPAL = Principal(ORGANIZATIONS[0], "key", frozenset(Scope))


class Flattening:
    """A flattener over a gateway, its turns taken by hand."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.cancels = MassCancel(
            actors=gateway.actors,
            intake=gateway.intake,
            controls=gateway.controls,
            store=gateway.store,
            clock=gateway.clock,
        )
        self.flattener = Flattener(
            actors=gateway.actors,
            intake=gateway.intake,
            controls=gateway.controls,
            cancels=self.cancels,
            store=gateway.store,
            clock=gateway.clock,
            ids=RandomIds(),
        )

    async def start(self) -> Flatten:
        return await self.flattener.start(PRINCIPAL, account(1), "enough", 60)

    async def turn(self, flatten: Flatten) -> Flatten:
        await self.flattener.turn()
        return await self.flattener.find(account(1), flatten.flatten_id)

    async def closing(self, flatten: Flatten, index: int = 0) -> Command:
        """The command of a leg."""
        intent_id = (await self.flattener.find(account(1), flatten.flatten_id)).legs[index].intent_id
        assert intent_id is not None
        return await self.gateway.command(intent_id, 1)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    make_folder(tmp_path, accounts=3)
    async with trading(tmp_path) as running:
        await running.connect()
        yield running


async def hold(gateway: Gateway, symbol: str = "AAPL", quantity: str = "10", side: OrderSide = OrderSide.BUY) -> None:
    """A position."""
    command = await gateway.create(symbol=symbol, quantity=quantity, order_side=side)
    await gateway.report(report(ReportKind.ACCEPTED, command.broker_command_id))
    await gateway.report(trade(f"open {symbol}", quantity, "100", command.broker_command_id))
    await gateway.until_idle()


async def working(gateway: Gateway, **facts: Any) -> Command:
    command = await gateway.create(**facts)
    await gateway.report(report(ReportKind.ACCEPTED, command.broker_command_id))
    await gateway.until_idle()
    return command


def sent(gateway: Gateway) -> list[tuple[str, str, str]]:
    """(action, side, quantity) of each command sent."""
    commands = [submission.command for submission in gateway.broker.submissions]
    return [(one.action_type.value, one.order_side.value, str(one.terms.quantity)) for one in commands]


async def test_orders_are_cancelled_first_then_each_position_gets_one_order(gateway: Gateway) -> None:
    await hold(gateway)
    await hold(gateway, "MSFT", "7", OrderSide.SELL)
    resting = await working(gateway, quantity="3")
    flattening = Flattening(gateway)
    flatten = await flattening.start()
    assert (await flattening.start()).flatten_id == flatten.flatten_id, "the one under way"
    with pytest.raises(ControlError) as caught:
        await gateway.submit(create())
    assert caught.value.objection.control == "flattening"
    flatten = await flattening.turn(flatten)
    await gateway.until_sent(5)
    first, second = flatten.legs
    assert (first.key[1], first.status, first.reason_code) == ("AAPL", LegStatus.WAITING, "working")
    assert (second.key[1], second.status, second.order_quantity) == ("MSFT", LegStatus.CLOSING, Decimal(7))
    assert sorted(sent(gateway)[3:]) == [("CANCEL", "BUY", "3"), ("CREATE", "BUY", "7")]
    cancel = await gateway.command(resting.intent_id, 2)
    await gateway.report(trade("part", "1", "100", resting.broker_command_id))
    await gateway.report(report(ReportKind.CANCELLED, cancel.broker_command_id))
    flatten = await flattening.turn(flatten)
    await gateway.until_sent(6)
    assert sent(gateway)[5] == ("CREATE", "SELL", "11"), "what was filled meanwhile is closed too"
    close = await flattening.closing(flatten)
    assert close.terms.order_type is OrderType.MARKET
    await gateway.report(trade("out", "11", "99", close.broker_command_id))
    other = await flattening.closing(flatten, 1)
    await gateway.report(trade("in", "7", "99", other.broker_command_id))
    flatten = await flattening.turn(flatten)
    assert flatten.status is FlattenStatus.DONE
    assert {leg.status for leg in flatten.legs} == {LegStatus.FLAT}
    await flattening.flattener.turn()
    assert len(gateway.broker.submissions) == 6, "nothing is sent twice"
    await gateway.submit(create())
    lines = await gateway.store.read_audit(ORGANIZATIONS[0], 2**62, 10)
    assert [line.action for line in lines][:3] == ["flatten.ended", "intent.refused", "flatten.started"]


async def test_an_order_in_doubt_holds_its_instrument_back(gateway: Gateway) -> None:
    await hold(gateway)
    gateway.broker.answers.append(Unknown("no answer"))
    gateway.broker.findings.extend([never] * 1_000)
    doubtful = await gateway.create(quantity="5", order_side=OrderSide.SELL)
    await gateway.until(doubtful, OutcomeKind.IN_DOUBT)
    flattening = Flattening(gateway)
    flatten = await flattening.turn(await flattening.start())
    assert (flatten.legs[0].status, flatten.legs[0].reason_code) == (LegStatus.WAITING, "in_doubt")
    await gateway.report(trade("alive", "5", "100", doubtful.broker_command_id))
    flatten = await flattening.turn(flatten)
    assert (flatten.legs[0].status, flatten.legs[0].order_quantity) == (LegStatus.CLOSING, Decimal(5))


async def test_it_works_while_killed_and_a_kill_spares_its_orders(gateway: Gateway) -> None:
    await hold(gateway)
    flattening = Flattening(gateway)
    await flattening.cancels.kill_account(PRINCIPAL, account(1), "first")
    flatten = await flattening.turn(await flattening.start())
    close = await flattening.closing(flatten)
    await gateway.until_sent(2)
    await gateway.report(report(ReportKind.ACCEPTED, close.broker_command_id))
    await flattening.cancels.kill_account(PRINCIPAL, account(1), "again")
    await flattening.cancels._sweep(PRINCIPAL, await gateway.actor())
    chain = (await gateway.actor()).state.chains[close.order_id]
    assert [one.action_type for one in chain.commands.values()] == [ActionType.CREATE]
    await gateway.report(trade("out", "10", "99", close.broker_command_id))
    assert (await flattening.turn(flatten)).status is FlattenStatus.DONE
    with pytest.raises(ControlError) as caught:
        await gateway.submit(create())
    assert caught.value.objection.control == "killed", "the latch holds on"


async def test_limits_do_not_hold_it_back(gateway: Gateway) -> None:
    await hold(gateway)
    control = gateway.controls.kept.control(ORGANIZATIONS[0], ControlScope.ACCOUNT, account(1).account_id)
    limits = ControlLimits(order_quantity_max=Decimal(1), allows_short_selling=False, price_collar_percent=Decimal(1))
    await gateway.controls.kept.limit(PRINCIPAL, control, limits, None)
    flattening = Flattening(gateway)
    flatten = await flattening.turn(await flattening.start())
    await gateway.until_sent(2)
    assert flatten.legs[0].status is LegStatus.CLOSING
    assert sent(gateway)[1] == ("CREATE", "SELL", "10")


async def test_a_closing_order_that_would_not_only_reduce_any_more_does_not_leave(gateway: Gateway) -> None:
    """Between acceptance and attempt an order from before turns out to have been filled: the close is withheld."""
    await hold(gateway)
    actor = await gateway.actor()
    (opened,) = [chain.commands[1] for chain in actor.state.chains.values()]
    flattening = Flattening(gateway)
    flatten = await flattening.start()
    await gateway.disconnect()
    flatten = await flattening.turn(flatten)
    assert (flatten.legs[0].status, flatten.legs[0].reason_code) == (LegStatus.WAITING, "disconnected")
    principal = Principal(ORGANIZATIONS[0], flatten.closer, frozenset())
    intent_id = await gateway.intake.close_position(principal, actor, flatten, flatten.legs[0].key)
    assert intent_id is not None
    await gateway.report(bust("b1", "open AAPL", opened.broker_command_id))
    await gateway.connect()
    stopped = await gateway.until(await gateway.command(intent_id, 1), OutcomeKind.WITHHELD)
    assert stopped.reason_code == "is_reduce_only"
    assert len(gateway.broker.submissions) == 1


async def test_a_refused_close_is_told_and_not_tried_twice(gateway: Gateway) -> None:
    await hold(gateway)
    flattening = Flattening(gateway)
    flatten = await flattening.start()
    gateway.broker.answers.append(Refused("market_closed", "the market is closed"))
    await flattening.turn(flatten)
    await gateway.until_idle()
    flatten = await flattening.turn(flatten)
    assert flatten.status is FlattenStatus.INCOMPLETE
    (leg,) = flatten.legs
    assert (leg.status, leg.reason_code) == (LegStatus.FAILED, "market_closed")
    await flattening.flattener.turn()
    assert len(gateway.broker.submissions) == 2


async def test_its_time_is_bounded_and_what_still_works_then_is_cancelled(gateway: Gateway) -> None:
    await hold(gateway)
    flattening = Flattening(gateway)
    flatten = await flattening.turn(await flattening.start())
    close = await flattening.closing(flatten)
    await gateway.until_sent(2)
    await gateway.report(report(ReportKind.ACCEPTED, close.broker_command_id))
    gateway.clock.advance(61)
    flatten = await flattening.turn(flatten)
    assert flatten.status is FlattenStatus.INCOMPLETE
    await gateway.until_sent(3)
    assert sent(gateway)[2][0] == "CANCEL"
    await gateway.submit(create())


async def test_a_restart_goes_on_and_sends_nothing_twice(tmp_path: Path) -> None:
    make_folder(tmp_path, accounts=3)
    async with trading(tmp_path) as gateway:
        await gateway.connect()
        await hold(gateway)
        flattening = Flattening(gateway)
        begun = await flattening.start()
        principal = Principal(ORGANIZATIONS[0], begun.closer, frozenset())
        actor = await gateway.actor()
        (key,) = actor.state.positions
        first = await gateway.intake.close_position(principal, actor, begun, key)
        await gateway.until_sent(2)
    async with trading(tmp_path, ids=None) as gateway:
        flattening = Flattening(gateway)
        await flattening.flattener.open()
        with pytest.raises(ControlError):
            await gateway.submit(create())
        flatten = await flattening.turn(begun)
        assert (flatten.legs[0].status, flatten.legs[0].intent_id) == (LegStatus.CLOSING, first)
        close = await flattening.closing(flatten)
        await gateway.report(trade("out", "10", "99", close.broker_command_id))
        assert (await flattening.turn(flatten)).status is FlattenStatus.DONE
        assert not gateway.broker.submissions
    async with trading(tmp_path) as gateway:
        flattening = Flattening(gateway)
        await flattening.flattener.open()
        kept = await flattening.flattener.find(account(1), begun.flatten_id)
        assert (kept.status, kept.legs[0].status) == (FlattenStatus.DONE, LegStatus.FLAT)
        with pytest.raises(NotFoundError) as caught:
            await flattening.flattener.find(account(2), begun.flatten_id)
        assert caught.value.code is Code.FLATTEN_NOT_FOUND


async def test_a_cancel_all_by_hand_takes_a_closing_order_too(gateway: Gateway) -> None:
    await hold(gateway)
    flattening = Flattening(gateway)
    flatten = await flattening.turn(await flattening.start())
    close = await flattening.closing(flatten)
    await gateway.until_sent(2)
    await gateway.report(report(ReportKind.ACCEPTED, close.broker_command_id))
    cancelled = await flattening.cancels.cancel_all(PRINCIPAL, account(1), CancelFilter())
    assert [command.order_id for command in cancelled.commands] == [close.order_id]


async def test_a_key_with_limits_of_its_own_does_not_flatten(gateway: Gateway) -> None:
    """It would trade more than the key may; a key that only reduces may."""
    await hold(gateway)
    flattening = Flattening(gateway)
    for limits in (Attenuation(allowed_symbols=frozenset({"MSFT"})), Attenuation(allows_live_trading=False)):
        with pytest.raises(DropcopyError) as caught:
            await flattening.flattener.start(replace(PRINCIPAL, attenuation=limits), account(1), None, 60)
        assert caught.value.code is Code.PERMISSION_DENIED
    reducing = replace(PRINCIPAL, attenuation=Attenuation(is_reduce_only=True))
    assert (await flattening.flattener.start(reducing, account(1), None, 60)).status is FlattenStatus.RUNNING
