"""Cancel on disconnect in the flow: what is pursued and until when, races, and what a failed write leaves."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from dropcopyd.domain.account import Principal, Scope
from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.domain.command import Command, OutcomeKind
from dropcopyd.domain.keys import KeySettings
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.order import ActionType, OrderStatus
from dropcopyd.domain.report import ReportKind, Unknown
from dropcopyd.errors import Code, DropcopyError, InvalidError, StoreError
from dropcopyd.flow.access import Access
from dropcopyd.flow.disconnect import ArmRequest, DisconnectCancels, parse_arm
from dropcopyd.flow.masscancel import MassCancel
from dropcopyd.flow.streams import Edge, OpenStream, Streams
from dropcopyd.ports import Store
from dropcopyd.store.admin import Admin
from dropcopyd.store.sqlite import SqliteStore
from dropcopyd.system import RandomIds
from tests.domain.build import START_NS, report
from tests.flow.trading import ONE, Gateway, never, trading
from tests.store.build import ORGANIZATIONS, account, make_folder

PRINCIPAL = Principal(ORGANIZATIONS[0], "key", frozenset(Scope))


class Confirmed:
    """The part of a session that an arming needs: what was confirmed."""

    principal = PRINCIPAL

    def __init__(self) -> None:
        self.said: list[str] = []

    def announce(self, _message: str, code: str, _account_id: str = "") -> None:
        self.said.append(code)

    def close(self) -> None:
        pass


class FullDisk:
    """The store, but no arming can be written."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def put_arming(self, *_: object) -> None:
        raise StoreError(Code.STORE_FAILED, "the disk is full")


class Node:
    """Streams that can be lost, and what watches them."""

    def __init__(self, gateway: Gateway) -> None:
        store, clock = gateway.store, gateway.clock
        cancels = MassCancel(
            actors=gateway.actors, intake=gateway.intake, controls=gateway.controls, store=store, clock=clock
        )
        self.streams = Streams(store=store, clock=clock, ids=RandomIds(), limits=Limits())
        access = Access(store, b"pepper", clock)
        self.disconnects = DisconnectCancels(
            access=access, actors=gateway.actors, cancels=cancels, store=store, clock=clock
        )
        self.streams.on_lost = self.disconnects.lost
        self.gateway = gateway

    @contextmanager
    def stream(self) -> Iterator[OpenStream]:
        session: Any = Confirmed()
        with self.streams.entered(session, object(), Edge.GRPC, "peer") as stream:  # type: ignore[arg-type]
            yield stream

    async def arm(self, stream: OpenStream, strategy_id: str = "s", grace_s: int = 5) -> None:
        await self.disconnects.arm(stream, ArmRequest(ONE, strategy_id, grace_s))

    async def after(self, seconds: float) -> None:
        self.gateway.clock.advance(seconds)
        await self.disconnects.turn()

    def state(self) -> list[tuple[str, bool, bool]]:
        """(strategy, armed, fired) of each arming."""
        found = self.disconnects.of(account(1))
        return [(arming.strategy_id, arming.is_armed, arming.fired_at_ns is not None) for arming, _ in found]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    make_folder(tmp_path, accounts=3)
    admin = Admin(tmp_path, START_NS)
    admin.add_key("key", ORGANIZATIONS[0], "key", b"", Scope)
    admin.close()
    async with trading(tmp_path) as running:
        yield running


async def actions(gateway: Gateway, command: Command) -> list[ActionType]:
    chain = (await gateway.actor()).state.chains[command.order_id]
    return [one.action_type for one in chain.commands.values()]


async def test_the_grace_runs_from_the_loss_to_the_second(gateway: Gateway) -> None:
    await gateway.connect()
    command = await gateway.create(strategy_id="s")
    await gateway.report(report(ReportKind.ACCEPTED, command.broker_command_id))
    node = Node(gateway)
    with node.stream() as stream:
        await node.arm(stream)
        assert stream.session.said == ["armed"]  # type: ignore[attr-defined]
        await node.after(3_600)
    await node.after(4.9)
    assert await actions(gateway, command) == [ActionType.CREATE]
    await node.after(0.2)
    assert await actions(gateway, command) == [ActionType.CREATE, ActionType.CANCEL]
    assert node.state() == [("s", False, True)], "pursued until the broker has cancelled it"


async def test_an_order_in_doubt_is_cancelled_when_it_proves_alive_and_a_later_one_is_not(gateway: Gateway) -> None:
    await gateway.connect()
    gateway.broker.answers.append(Unknown("no answer"))
    gateway.broker.findings.extend([never] * 1_000)
    command = await gateway.create(strategy_id="s")
    await gateway.until(command, OutcomeKind.IN_DOUBT)
    node = Node(gateway)
    with node.stream() as stream:
        await node.arm(stream, grace_s=0)
    await node.after(0)
    (first,) = [one for one in (await gateway.actor()).state.chains[command.order_id].commands.values() if one.seq > 1]
    gateway.clock.advance(1)
    later = await gateway.create(strategy_id="s")
    await gateway.report(report(ReportKind.ACCEPTED, later.broker_command_id))
    await gateway.report(report(ReportKind.ACCEPTED, command.broker_command_id))
    await gateway.until_sent(3)
    await gateway.report(report(ReportKind.REQUEST_REFUSED, first.broker_command_id, reason_code="unknown"))
    await node.after(1)
    assert await actions(gateway, command) == [ActionType.CREATE, ActionType.CANCEL, ActionType.CANCEL]
    assert await actions(gateway, later) == [ActionType.CREATE]
    last = (await gateway.actor()).state.chains[command.order_id].commands[3]
    await gateway.report(report(ReportKind.CANCELLED, last.broker_command_id))
    await node.after(1)
    assert node.state() == [], "nothing is left to pursue"
    assert not await gateway.store.armings()


async def test_what_has_not_left_yet_is_withheld(gateway: Gateway) -> None:
    waiting = await gateway.create(strategy_id="s")  # the broker is not connected
    other = await gateway.create(strategy_id="t")
    node = Node(gateway)
    with node.stream() as stream:
        await node.arm(stream, grace_s=0)
    await node.after(0)
    order = (await gateway.actor()).state.chains[waiting.order_id].order
    assert (order.status, order.reason_code) == (OrderStatus.REJECTED, "stream_lost")
    assert (await gateway.actor()).state.chains[other.order_id].order.is_working
    assert node.state() == []


async def test_no_strategy_is_every_order(gateway: Gateway) -> None:
    orders = [await gateway.create(strategy_id="s"), await gateway.create()]
    node = Node(gateway)
    with node.stream() as stream:
        await node.arm(stream, strategy_id="", grace_s=0)
    await node.after(0)
    for command in orders:
        assert not (await gateway.actor()).state.chains[command.order_id].order.is_working


async def test_a_stream_that_is_gone_already_arms_nothing(gateway: Gateway) -> None:
    node = Node(gateway)
    with node.stream() as stream:
        pass
    await node.arm(stream)
    assert node.state() == []


async def test_a_failed_write_leaves_what_was_armed_before(gateway: Gateway) -> None:
    node = Node(gateway)
    with node.stream() as stream:
        await node.arm(stream, grace_s=7)

        node.disconnects._store = cast("Store", FullDisk(gateway.store))
        for strategy_id in ("s", "new"):
            with pytest.raises(StoreError):
                await node.arm(stream, strategy_id=strategy_id, grace_s=0)
        ((arming, is_there),) = node.disconnects.of(account(1))
        assert (arming.strategy_id, arming.grace_s, is_there) == ("s", 7, True)
        assert stream.session.said == ["armed"]  # type: ignore[attr-defined]


async def test_fired_and_armed_anew_both_hold(gateway: Gateway) -> None:
    """The stream comes back too late: its old orders are pursued, the new ones are watched."""
    await gateway.connect()
    command = await gateway.create(strategy_id="s")
    await gateway.report(report(ReportKind.ACCEPTED, command.broker_command_id))
    node = Node(gateway)
    with node.stream() as stream:
        await node.arm(stream, grace_s=0)
    await node.after(0)
    with node.stream() as stream:
        await node.arm(stream, grace_s=9)
        assert node.state() == [("s", True, True)]
        cancel = (await gateway.actor()).state.chains[command.order_id].commands[2]
        await gateway.until_sent(2)
        await gateway.report(report(ReportKind.CANCELLED, cancel.broker_command_id))
        await node.after(1)
        assert node.state() == [("s", True, False)]
        (kept,) = await gateway.store.armings()
        assert (kept.grace_s, kept.fired_at_ns) == (9, None)


@pytest.mark.parametrize(
    "text",
    ["", "x", "account_id=a", "grace_s=1", "account_id=a&grace_s=-1", "account_id=a&grace_s=1&grace_s=2",
     "account_id=a&grace_s=1&x=1", "account_id=a&grace_s=9999999999", "account_id=a&grace_s=1.5"],
)  # fmt: skip
def test_headers_that_are_no_arming(text: str) -> None:
    with pytest.raises(InvalidError):
        parse_arm(text)


def test_a_header_is_percent_encoded() -> None:
    assert parse_arm("account_id=a&strategy_id=m%26m+%C3%BC&grace_s=30") == ArmRequest("a", "m&m ü", 30)


async def test_a_stream_arms_nothing_that_its_key_may_not_do_any_more(gateway: Gateway, tmp_path: Path) -> None:
    node = Node(gateway)
    with node.stream() as stream:
        await node.arm(stream, "before")
        entry = AuditEntry(
            organization_id=ORGANIZATIONS[0],
            at_ns=START_NS,
            principal_id="other",
            action=AuditAction.KEY_CHANGED,
            subject="key",
            detail={},
        )
        lesser = KeySettings(name="key", scopes=frozenset({Scope.STREAM_READ}))
        await gateway.store.registry.change_key("key", lesser, entry)
        with pytest.raises(DropcopyError) as refused:
            await node.arm(stream, "narrowed")
        assert refused.value.code is Code.PERMISSION_DENIED
        admin = Admin(tmp_path, START_NS)
        admin.disable_key("key")
        admin.close()
        with pytest.raises(DropcopyError) as refused:
            await node.arm(stream, "revoked")
        assert refused.value.code is Code.UNAUTHENTICATED
    assert node.state() == [("before", True, False)]
