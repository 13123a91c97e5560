"""Controls in the flow: judged at acceptance and again at the attempt; races; kill and mass cancel; the audit log."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dropcopyd.domain.account import Principal, Scope
from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.domain.command import OutcomeKind
from dropcopyd.domain.controls import Control, ControlLimits, ControlScope
from dropcopyd.domain.instrument import key_of
from dropcopyd.domain.order import ActionType, OrderSide, OrderStatus
from dropcopyd.domain.report import OrderReport, ReportedOrder, ReportKind, Unknown
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.masscancel import CancelFilter, MassCancel
from dropcopyd.flow.refusals import ControlError
from dropcopyd.flow.submits import AmendRequest, SubmitRequest
from dropcopyd.store.admin import Admin
from tests.domain.build import AAPL, START_NS, limit_terms, report, trade
from tests.flow.trading import ONE, Gateway, create, never, trading
from tests.store.build import ORGANIZATIONS, account, account_id, make_folder

ORGANIZATION = ORGANIZATIONS[0]
PRINCIPAL = Principal(ORGANIZATION, "key", frozenset(Scope))


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    make_folder(tmp_path, accounts=3)
    async with trading(tmp_path) as running:
        yield running


def cancels(gateway: Gateway) -> MassCancel:
    return MassCancel(
        actors=gateway.actors,
        intake=gateway.intake,
        controls=gateway.controls,
        store=gateway.store,
        clock=gateway.clock,
    )


async def limit(gateway: Gateway, scope: ControlScope = ControlScope.ACCOUNT, **limits: Any) -> Control:
    subject = {"Organization": ORGANIZATION, "Account": ONE, "Symbol": "AAPL"}[scope.value]
    current = gateway.controls.kept.control(ORGANIZATION, scope, subject)
    return await gateway.controls.kept.limit(PRINCIPAL, current, ControlLimits(**limits), current.version)


async def refused(gateway: Gateway, request: SubmitRequest, **options: Any) -> str:
    with pytest.raises(ControlError) as caught:
        await gateway.submit(request, **options)
    assert caught.value.code is Code.CONTROL_REFUSED
    return caught.value.objection.control


def raised(intent_id: str, quantity: str) -> SubmitRequest:
    return SubmitRequest(
        command=AmendRequest(ref_intent_id=intent_id, terms=limit_terms(quantity)), received_ns=START_NS
    )


async def audit(gateway: Gateway) -> list[AuditEntry]:
    """What was done and refused, newest first; the operator's own lines left out."""
    lines = await gateway.store.read_audit(ORGANIZATION, 2**62, 100)
    return [line for line in lines if line.principal_id != "operator"]


# --- acceptance -----------------------------------------------------------------------------------------------------


async def test_a_refusal_names_its_rule_writes_nothing_and_is_audited(gateway: Gateway) -> None:
    await limit(gateway, order_quantity_max=Decimal(9))
    with pytest.raises(ControlError) as caught:
        await gateway.submit(create())
    assert caught.value.facts == {
        "control": "order_quantity_max",
        "scope": "Account",
        "subject": ONE,
        "limit": "9",
        "actual": "10",
    }
    actor = await gateway.actor()
    assert not actor.state.chains
    assert not gateway.journal[ONE]
    line = (await audit(gateway))[0]
    assert (line.action, line.subject, line.account_id) == (AuditAction.INTENT_REFUSED, "AAPL", ONE)
    assert line.detail["control"] == "order_quantity_max"


async def test_a_disabled_account_takes_cancels_only_and_repeats_what_it_promised(gateway: Gateway) -> None:
    """The retry of an accepted create gets its first answer, whatever was switched off since."""
    first = await gateway.submit(create(), "key 1")
    current = gateway.controls.kept.control(ORGANIZATION, ControlScope.ACCOUNT, ONE)
    await gateway.controls.kept.switch(PRINCIPAL, current, disabled=True, reason="lunch", version=None)
    assert await refused(gateway, create()) == "manually_disabled"
    assert await refused(gateway, raised(first, "11")) == "manually_disabled"
    assert await gateway.submit(create(), "key 1") == first
    cancel = await gateway.amend(first)
    assert cancel.action_type is ActionType.CANCEL


async def test_a_replace_is_judged_by_the_exposure_that_results(gateway: Gateway) -> None:
    await limit(gateway, position_quantity_max=Decimal(15))
    intent_id = (await gateway.create()).intent_id
    assert await refused(gateway, raised(intent_id, "1000000")) == "position_quantity_max"
    assert await refused(gateway, raised(intent_id, "16")) == "position_quantity_max"
    await gateway.submit(raised(intent_id, "15"))
    assert await refused(gateway, create(quantity="1")) == "position_quantity_max", "the larger of old and new counts"
    await gateway.submit(raised(intent_id, "5"))
    assert await refused(gateway, create(quantity="1")) == "position_quantity_max", "until the broker has decided"


async def test_two_orders_at_the_limit_at_once_are_not_both_taken(gateway: Gateway) -> None:
    await limit(gateway, position_quantity_max=Decimal(10))
    answers = await asyncio.gather(*(gateway.submit(create()) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(answer, str) for answer in answers) == 1
    assert sum(isinstance(answer, ControlError) for answer in answers) == 19


async def test_an_organizations_accounts_share_one_limit(gateway: Gateway) -> None:
    """Accounts 1 and 3 are one organization's: 10 of 15 are taken by either, then only 5 are left for both."""
    await limit(gateway, ControlScope.ORGANIZATION, position_quantity_max=Decimal(15), open_orders_max=9)
    answers = await asyncio.gather(
        *(gateway.submit(create(), of=account(number)) for number in (1, 3, 1, 3)), return_exceptions=True
    )
    assert sum(isinstance(answer, str) for answer in answers) == 1
    await gateway.submit(create(quantity="5"), of=account(3))
    assert await refused(gateway, create(quantity="1")) == "position_quantity_max"
    assert await gateway.submit(create(symbol="MSFT")), "another instrument has its own position"
    theirs = await gateway.submit(create(quantity="1000"), of=account(2))
    assert theirs, "another organization has its own limits"


async def test_a_symbols_control_is_for_every_account(gateway: Gateway) -> None:
    await limit(gateway, ControlScope.SYMBOL, order_quantity_max=Decimal(5))
    for number in (1, 3):
        assert await refused(gateway, create(), of=account(number)) == "order_quantity_max"
    assert await gateway.submit(create(symbol="MSFT"))
    assert await gateway.submit(create(), of=account(2))


async def test_orders_per_second(gateway: Gateway) -> None:
    await limit(gateway, orders_per_second_max=3)
    intents = [await gateway.submit(create()) for _ in range(3)]
    assert await refused(gateway, create()) == "orders_per_second_max"
    assert (await gateway.amend(intents[0])).action_type is ActionType.CANCEL, "a cancel is never held back"
    gateway.clock.advance(1.0)
    await gateway.submit(create())


# --- the attempt ----------------------------------------------------------------------------------------------------


async def test_a_control_changed_between_acceptance_and_attempt_withholds_the_command(gateway: Gateway) -> None:
    command = await gateway.create()  # durable; the broker is not connected yet
    await limit(gateway, order_quantity_max=Decimal(9))
    await gateway.connect()
    stopped = await gateway.until(command, OutcomeKind.WITHHELD)
    assert stopped.reason_code == "order_quantity_max"
    order = (await gateway.actor()).state.chains[command.order_id].order
    assert (order.status, order.reason_code) == (OrderStatus.REJECTED, "order_quantity_max")
    assert not gateway.broker.submissions
    await gateway.until_idle()
    assert (await audit(gateway))[0].action is AuditAction.COMMAND_WITHHELD


async def test_a_withheld_replace_leaves_its_order_as_it_was(gateway: Gateway) -> None:
    await gateway.connect()
    command = await gateway.create()
    await gateway.report(report(ReportKind.ACCEPTED, command.broker_command_id))
    await gateway.until_idle()
    await gateway.disconnect()
    replaced = await gateway.amend(command.intent_id, "12")
    await limit(gateway, order_quantity_max=Decimal(11))
    await gateway.connect()
    await gateway.until(replaced, OutcomeKind.WITHHELD)
    order = (await gateway.actor()).state.chains[command.order_id].order
    assert (order.status, order.terms.quantity) == (OrderStatus.NEW, Decimal(10))


# --- changing -------------------------------------------------------------------------------------------------------


async def test_what_loosens_needs_the_version_and_what_stops_does_not(gateway: Gateway) -> None:
    controls = gateway.controls

    def current() -> Control:
        return controls.kept.control(ORGANIZATION, ControlScope.ACCOUNT, ONE)

    async def code_of(change: Any) -> Code:
        with pytest.raises(DropcopyError) as caught:
            await change
        return caught.value.code

    disabled = await controls.kept.switch(PRINCIPAL, current(), disabled=True, reason=None, version=None)
    assert disabled.version == 1
    again = await controls.kept.switch(PRINCIPAL, current(), disabled=True, reason="still", version=None)
    assert again.version == 2
    enable: dict[str, Any] = {"disabled": False, "reason": None}
    assert await code_of(controls.kept.switch(PRINCIPAL, current(), **enable, version=None)) is Code.VERSION_REQUIRED
    assert await code_of(controls.kept.switch(PRINCIPAL, current(), **enable, version=1)) is Code.VERSION_CONFLICT
    assert current().manually_disabled
    enabled = await controls.kept.switch(PRINCIPAL, current(), **enable, version=2)
    assert (enabled.version, enabled.manually_disabled) == (3, False)
    assert await code_of(controls.kept.limit(PRINCIPAL, current(), ControlLimits(), None)) is Code.VERSION_REQUIRED
    assert [line.action for line in await audit(gateway)] == [AuditAction.CONTROL_CHANGED] * 3


async def test_controls_outlive_a_restart(tmp_path: Path) -> None:
    make_folder(tmp_path, accounts=3)
    async with trading(tmp_path) as gateway:
        await limit(gateway, order_quantity_max=Decimal(9), allowed_symbols=frozenset({"AAPL"}))
    async with trading(tmp_path) as gateway:
        await gateway.controls.open()
        assert await refused(gateway, create()) == "order_quantity_max"
        assert await refused(gateway, create(symbol="MSFT", quantity="1")) == "allowed_symbols"


# --- kill and mass cancel -------------------------------------------------------------------------------------------


async def working(gateway: Gateway, **facts: Any) -> Any:
    command = await gateway.create(**facts)
    await gateway.report(report(ReportKind.ACCEPTED, command.broker_command_id))
    return command


async def test_cancel_all_takes_what_its_filter_takes_and_nothing_twice(gateway: Gateway) -> None:
    await gateway.connect()
    one = await working(gateway, strategy_id="s1")
    two = await working(gateway, strategy_id="s2")
    three = await working(gateway, symbol="MSFT", strategy_id="s1")
    mass, of = cancels(gateway), account(1)
    first = await mass.cancel_all(PRINCIPAL, of, CancelFilter(strategy_id="s1", symbol="AAPL"))
    assert [command.order_id for command in first.commands] == [one.order_id]
    rest = await mass.cancel_all(PRINCIPAL, of, CancelFilter())
    assert {command.order_id for command in rest.commands} == {two.order_id, three.order_id}, "one has its cancel"
    assert not (await mass.cancel_all(PRINCIPAL, of, CancelFilter())).commands
    await gateway.until_sent(6)
    sent = [submission.command for submission in gateway.broker.submissions]
    assert sorted(command.action_type for command in sent) == ["CANCEL"] * 3 + ["CREATE"] * 3


async def test_a_kill_withholds_what_waits_and_cancels_what_works(gateway: Gateway) -> None:
    await gateway.connect()
    at_broker = await working(gateway)
    await gateway.until_idle()
    await gateway.disconnect()
    waiting = await gateway.create()
    control, stopped = await cancels(gateway).kill_account(PRINCIPAL, account(1), "fat finger")
    assert control.is_killed
    assert stopped.withheld == 1
    assert {command.order_id for command in stopped.commands} >= {at_broker.order_id}
    assert (await gateway.until(waiting, OutcomeKind.WITHHELD)).reason_code == "killed"
    assert await refused(gateway, create()) == "killed"
    await gateway.connect()
    await gateway.until_sent(2)
    assert [s.command.action_type for s in gateway.broker.submissions] == [ActionType.CREATE, ActionType.CANCEL]


async def test_the_latch_cancels_an_order_in_doubt_that_proves_alive(gateway: Gateway) -> None:
    await gateway.connect()
    gateway.broker.answers.append(Unknown("no answer"))
    gateway.broker.findings.extend([never] * 1_000)
    command = await gateway.create()
    await gateway.until(command, OutcomeKind.IN_DOUBT)
    mass = cancels(gateway)
    _, stopped = await mass.kill_account(PRINCIPAL, account(1), None)
    first = {one.order_id for one in stopped.commands}
    await gateway.report(report(ReportKind.ACCEPTED, command.broker_command_id))
    await mass._sweep(PRINCIPAL, await gateway.actor())
    chain = (await gateway.actor()).state.chains[command.order_id]
    assert [one.action_type for one in chain.commands.values()] == [ActionType.CREATE, ActionType.CANCEL]
    assert first <= {command.order_id}


async def test_the_latch_cancels_again_what_a_crossing_replace_kept_alive(gateway: Gateway) -> None:
    """The broker takes the replace and refuses the first cancel: the order works on, and the sweep cancels it."""
    await gateway.connect()
    command = await working(gateway)
    await gateway.until_idle()
    replaced = await gateway.amend(command.intent_id, "12")
    mass = cancels(gateway)
    _, stopped = await mass.kill_account(PRINCIPAL, account(1), None)
    (cancel,) = stopped.commands
    await gateway.until_sent(3)
    await gateway.report(report(ReportKind.REPLACED, replaced.broker_command_id))
    await gateway.report(report(ReportKind.REQUEST_REFUSED, cancel.broker_command_id, reason_code="busy"))
    order = (await gateway.actor()).state.chains[command.order_id].order
    assert order.is_working
    await mass._sweep(PRINCIPAL, await gateway.actor())
    chain = (await gateway.actor()).state.chains[command.order_id]
    assert [one.action_type for one in chain.commands.values()].count(ActionType.CANCEL) == 2
    await gateway.report(trade("e1", "12", "100", replaced.broker_command_id))
    await mass._sweep(PRINCIPAL, await gateway.actor())
    assert len(chain.commands) == 4, "what is over is left alone"


async def test_an_organizations_kill_is_for_all_its_accounts_and_is_released_by_version(gateway: Gateway) -> None:
    await gateway.connect()
    one = await working(gateway)
    control, stopped = await cancels(gateway).kill_organization(PRINCIPAL, "all of it")
    assert {command.order_id for command in stopped.commands} == {one.order_id}
    for number in (1, 3):
        assert await refused(gateway, create(), of=account(number)) == "killed"
    assert await gateway.submit(create(), of=account(2))
    with pytest.raises(DropcopyError) as caught:
        await gateway.controls.kept.release(PRINCIPAL, control, None)
    assert caught.value.code is Code.VERSION_REQUIRED
    await gateway.controls.kept.release(PRINCIPAL, control, control.version)
    assert await gateway.submit(create())
    assert AuditAction.KILLED in {line.action for line in await audit(gateway)}


async def test_an_organizations_kill_stops_the_others_where_an_account_is_halted(gateway: Gateway) -> None:
    await gateway.connect()
    one = await working(gateway)
    third = await gateway.actors.get(account_id(3))
    await gateway.submit(create(), of=account(3))
    third.halt(Code.INTERNAL, "a report could not be taken in", "KeyError")
    control, stopped = await cancels(gateway).kill_organization(PRINCIPAL, "all of it")
    assert control.is_killed
    assert {command.order_id for command in stopped.commands} == {one.order_id}
    assert stopped.failed == ((account_id(3), Code.ACCOUNT_HALTED),)
    assert await refused(gateway, create()) == "killed"


@pytest.mark.parametrize("is_whole", [False, True], ids=["account", "organization"])
async def test_whoever_kills_is_told_of_each_cancel_though_the_sweep_runs(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, is_whole: bool
) -> None:
    """The latch is in force a good while before it is durable."""
    monkeypatch.setattr("dropcopyd.flow.masscancel._SWEEP_S", 0)
    await gateway.connect()
    one = await working(gateway)
    mass, latch = cancels(gateway), gateway.controls.kept.latch
    sweeping = asyncio.get_running_loop().create_task(mass.run())

    async def slow(*arguments: Any) -> Any:
        latched = await latch(*arguments)
        for _ in range(200):
            await asyncio.sleep(0)
        return latched

    monkeypatch.setattr(gateway.controls.kept, "latch", slow)
    if is_whole:
        _, stopped = await mass.kill_organization(PRINCIPAL, "all of it")
    else:
        _, stopped = await mass.kill_account(PRINCIPAL, account(1), "all of it")
    assert [command.order_id for command in stopped.commands] == [one.order_id]
    assert not +mass._stopping
    sweeping.cancel()
    await asyncio.gather(sweeping, return_exceptions=True)


async def test_what_is_told_of_an_account_and_what_decides_change_at_once(gateway: Gateway, tmp_path: Path) -> None:
    """Disabled beside the gateway: whoever reads it first, no order is taken after somebody was told."""
    await gateway.connect()
    await gateway.submit(create())
    admin = Admin(tmp_path, START_NS)
    admin.disable_account(ONE)
    admin.close()
    await gateway.store.accounts()
    told = await gateway.store.find_account(ONE)
    assert told is not None
    assert [found.control for found in gateway.controls.judging.evaluate(told, None)] == ["account_disabled"]
    assert await refused(gateway, create()) == "account_disabled"


async def test_a_kill_holds_while_an_older_change_is_still_being_written(gateway: Gateway) -> None:
    """The limits were asked for before the kill and become durable after it: the latch never falls."""
    current = gateway.controls.kept.control(ORGANIZATION, ControlScope.ACCOUNT, ONE)
    gaps: list[bool] = []
    kept = gateway.controls.kept
    limiting = asyncio.ensure_future(kept.limit(PRINCIPAL, current, ControlLimits(open_orders_max=5), None))
    await asyncio.sleep(0)
    killing = asyncio.ensure_future(kept.latch(PRINCIPAL, current, None))
    await asyncio.sleep(0)
    limiting.add_done_callback(lambda _: gaps.append(gateway.controls.kept.is_killed(account(1))))
    while not killing.done():
        gaps.append(gateway.controls.kept.is_killed(account(1)))
        await asyncio.sleep(0)
    limited, killed = await limiting, await killing
    assert set(gaps) == {True}
    assert (limited.version, killed.version) == (1, 2)
    assert (killed.is_killed, killed.limits.open_orders_max) == (True, 5), "neither change is lost"
    assert (await gateway.store.controls())[0] == killed


async def test_of_two_changes_of_one_version_only_one_is_made(gateway: Gateway) -> None:
    first = await limit(gateway, open_orders_max=1)
    answers = await asyncio.gather(
        *(gateway.controls.kept.limit(PRINCIPAL, first, ControlLimits(open_orders_max=n), 1) for n in (2, 3)),
        return_exceptions=True,
    )
    assert [getattr(answer, "code", None) for answer in answers] == [None, Code.VERSION_CONFLICT]
    assert gateway.controls.kept.control(ORGANIZATION, ControlScope.ACCOUNT, ONE).limits.open_orders_max == 2


async def test_orders_from_outside_are_cancelled_too(gateway: Gateway) -> None:
    await gateway.connect()
    for number in (1, 2):
        await gateway.report(
            OrderReport(
                kind=ReportKind.STATUS,
                broker_command_id=f"their{number}",
                external_order_id=f"X{number}",
                quantity=Decimal(10),
                cumulative_quantity=Decimal(0),
                order=ReportedOrder(key=key_of(AAPL), order_side=OrderSide.BUY, terms=limit_terms()),
            )
        )
    _, stopped = await cancels(gateway).kill_account(PRINCIPAL, account(1), None)
    assert len(stopped.commands) == 2
    await gateway.until_sent(2)
    sent = [(one.command.action_type, one.external_order_id) for one in gateway.broker.submissions]
    assert sorted(sent) == [(ActionType.CANCEL, "X1"), (ActionType.CANCEL, "X2")]


async def test_two_who_cancel_at_once_cancel_each_order_once(gateway: Gateway) -> None:
    """A kill goes through its orders batch by batch; the sweep, or another kill, comes in between."""
    await gateway.connect()
    orders = [await gateway.create() for _ in range(150)]
    await gateway.until_idle()
    mass, actor = cancels(gateway), await gateway.actor()
    await asyncio.gather(
        mass.kill_account(PRINCIPAL, account(1), None),
        mass._sweep(PRINCIPAL, actor),
        mass.cancel_all(PRINCIPAL, account(1), CancelFilter()),
    )
    chains = [actor.state.chains[command.order_id] for command in orders]
    assert {len(chain.commands) for chain in chains} == {2}
