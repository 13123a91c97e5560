"""Ingest: what the broker says is taken in once, in order, and nothing is passed over."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dropcopyd.domain.account import AccountConnection
from dropcopyd.domain.command import Command, OutcomeKind
from dropcopyd.domain.event import EventType
from dropcopyd.domain.order import Order
from dropcopyd.domain.report import OrderReport, ReportKind
from dropcopyd.errors import Code, DropcopyError, StoreError
from dropcopyd.store.migrate import DATABASE_NAME
from dropcopyd.store.sqlite import SqliteStore
from tests.domain.build import report, trade
from tests.flow.trading import ONE, Gateway, create, said_since, trading
from tests.store.build import account, account_id, make_folder, writing
from tests.store.journal import verify

K = ReportKind
MINUTE_S = 61


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path, accounts=3)
    return tmp_path


@pytest.fixture
async def gateway(folder: Path) -> AsyncIterator[Gateway]:
    async with trading(folder) as running:
        yield running


async def accepted(gateway: Gateway) -> Command:
    command = await gateway.create()
    await gateway.until_acknowledged(command)
    await gateway.report(report(K.ACCEPTED, command.broker_command_id))
    return await gateway.until(command, OutcomeKind.ACCEPTED)


async def durable(gateway: Gateway, command: Command) -> Order:
    """The order once everything decided so far is durable."""
    actor = await gateway.actor()
    async with asyncio.timeout(20):
        while actor._committing:
            await asyncio.sleep(0.001)
    chain = await gateway.store.load_chain(ONE, order_id=command.order_id)
    assert chain is not None
    return chain.order


def fills(command: Command, *numbers: int) -> list[OrderReport]:
    """One unit each, with the broker's cursor."""
    return [trade(f"e{number}", "1", "100", command.broker_command_id, cursor=str(number)) for number in numbers]


def statuses(gateway: Gateway) -> int:
    return sum(event.kind is EventType.ACCOUNT_STATUS for event in gateway.journal[ONE])


# --- reports --------------------------------------------------------------------------------------------------------


async def test_a_report_of_an_order_that_left_memory_finds_it(gateway: Gateway) -> None:
    await gateway.connect()
    command = await accepted(gateway)
    await gateway.report(report(K.CANCELLED, command.broker_command_id))
    await gateway.until_idle()
    order = await durable(gateway, command)
    assert order.is_closed
    actor = await gateway.actor()
    gateway.clock.advance(MINUTE_S)
    assert actor.forget_idle() == 1
    assert not actor.state.chains
    for said in fills(command, 1, 1):
        await gateway.report(said)
    assert (await durable(gateway, command)).filled_quantity == 1


async def test_what_is_open_or_undecided_stays_in_memory(gateway: Gateway) -> None:
    await gateway.connect()
    command = await accepted(gateway)
    await gateway.until_idle()
    gateway.clock.advance(MINUTE_S)
    actor = await gateway.actor()
    assert actor.forget_idle() == 0
    assert list(actor.state.chains) == [command.order_id]


async def test_a_report_that_the_journal_could_not_place_is_not_passed_over(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next report's cursor stands behind it: skipped once would be skipped for ever."""
    monkeypatch.setattr("dropcopyd.flow.ingest._RETRY_S", 0.001)
    await gateway.connect()
    command = await accepted(gateway)
    await gateway.report(report(K.CANCELLED, command.broker_command_id))
    await durable(gateway, command)
    gateway.clock.advance(MINUTE_S)
    await gateway.until_idle()
    (await gateway.actor()).forget_idle()
    faults = iter([True, True])
    load_chain = SqliteStore.load_chain

    async def failing(store: SqliteStore, *arguments: Any, **names: Any) -> Any:
        if next(faults, False):
            raise StoreError(Code.STORE_FAILED, "the journal could not be read")
        return await load_chain(store, *arguments, **names)

    monkeypatch.setattr(SqliteStore, "load_chain", failing)
    for said in fills(command, 1, 2):
        await gateway.report(said)
    assert (await durable(gateway, command)).filled_quantity == 2


async def test_the_cursor_moves_with_reports_of_a_live_session_only(gateway: Gateway) -> None:
    await gateway.connect()
    command = await accepted(gateway)
    first, second, third = fills(command, 1, 2, 3)
    await gateway.report(first)
    await gateway.disconnect()
    await gateway.report(third)
    actor = await gateway.actor()
    assert actor.state.report_cursor == "1"
    gateway.broker.snapshots.append(said_since(second, third, cursor="3"))
    await gateway.connect()
    assert gateway.broker.asked_after == ["", "1"]
    assert actor.state.report_cursor == "3"
    assert (await durable(gateway, command)).filled_quantity == 3


# --- sessions -------------------------------------------------------------------------------------------------------


async def test_the_snapshot_is_taken_in_before_the_session_is_trusted(gateway: Gateway) -> None:
    await gateway.connect()
    command = await accepted(gateway)
    await gateway.disconnect()
    before = len(gateway.journal[ONE])
    gateway.broker.snapshots.append(said_since(*fills(command, 1, 2), cursor="2"))
    await gateway.connect()
    kinds = [event.kind.value for event in gateway.journal[ONE][before:]]
    fill = ["BROKER_TRADE", "BROKER_ORDER", "BROKER_POSITION"]
    assert kinds == ["ACCOUNT_STATUS", *fill, *fill, "ACCOUNT_STATUS"]
    assert (await gateway.actor()).state.status.connection is AccountConnection.LIVE


async def test_a_snapshot_seen_before_changes_nothing(gateway: Gateway) -> None:
    await gateway.connect()
    command = await accepted(gateway)
    said = fills(command, 1, 2)
    for _ in range(3):
        gateway.broker.snapshots.append(said_since(*said, cursor="2"))
        await gateway.disconnect()
        await gateway.connect()
    trades = [event for event in gateway.journal[ONE] if event.kind is EventType.BROKER_TRADE]
    assert len(trades) == 2
    assert (await durable(gateway, command)).filled_quantity == 2


async def test_a_snapshot_that_fails_is_asked_for_again(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropcopyd.flow.ingest._RETRY_S", 0.001)
    failures = [TimeoutError(), ConnectionError(), DropcopyError(Code.NOT_READY, "not yet")]
    gateway.broker.snapshots.extend(failures)
    await gateway.connect()
    assert len(gateway.broker.asked_after) == 4
    assert (await gateway.actor()).connected.is_set()
    assert statuses(gateway) == 2, "catching up was told once"


async def test_a_line_that_goes_down_while_catching_up_is_not_trusted(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the adapter gets its call back, to begin anew."""
    monkeypatch.setattr("dropcopyd.flow.ingest._RETRY_S", 0.001)
    gateway.broker.snapshots.append(ConnectionError())
    gateway.broker.is_up = False
    await gateway.connect()
    actor = await gateway.actor()
    assert not actor.connected.is_set()
    gateway.broker.is_up = True
    await gateway.connect()
    assert actor.connected.is_set()


async def test_a_session_that_ended_meanwhile_is_not_taken_for_live(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first session's snapshot answers late: after its end, and after the second one has begun."""
    snapshot, late = gateway.broker.snapshot, asyncio.Event()
    asked = asyncio.Event()

    async def slow(*arguments: Any) -> Any:
        monkeypatch.setattr(gateway.broker, "snapshot", snapshot)
        asked.set()
        await late.wait()
        return said_since()

    monkeypatch.setattr(gateway.broker, "snapshot", slow)
    monkeypatch.setattr(gateway.ingest, "_limits", type(gateway.ingest._limits)(broker_call_s=20))
    first = asyncio.get_running_loop().create_task(gateway.ingest.on_connected(ONE))
    await asyncio.wait_for(asked.wait(), 20)
    await gateway.disconnect()
    late.set()
    await asyncio.wait_for(first, 20)
    actor = await gateway.actor()
    assert not actor.connected.is_set()
    assert actor.connected_count == 0
    assert actor.state.status.connection is not AccountConnection.LIVE


async def test_differences_to_the_broker_are_stated_and_nothing_is_mended(gateway: Gateway) -> None:
    await gateway.connect()
    command = await accepted(gateway)
    before = await durable(gateway, command)
    await gateway.disconnect()
    await gateway.connect()
    assert await durable(gateway, command) == before


@pytest.mark.parametrize("surprise", [KeyError("member"), asyncio.CancelledError()], ids=["a bug", "cancelled"])
async def test_a_session_whose_snapshot_surprises_is_not_trusted_and_gets_another(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, surprise: BaseException
) -> None:
    monkeypatch.setattr("dropcopyd.flow.ingest._RETRY_S", 0.001)
    actor = await gateway.actor()
    trusted: list[bool] = []
    asked = gateway.broker.snapshot

    async def snapshot(*arguments: Any) -> Any:
        trusted.append(actor.connected.is_set())
        return await asked(*arguments)

    monkeypatch.setattr(gateway.broker, "snapshot", snapshot)
    gateway.broker.snapshots.extend([surprise, surprise])
    await gateway.connect()
    assert trusted == [False, False, False]
    assert actor.connected.is_set()
    assert actor.state.status.connection is AccountConnection.LIVE


# --- halted ---------------------------------------------------------------------------------------------------------


async def test_an_account_whose_commit_failed_is_halted_and_says_so(folder: Path) -> None:
    async with trading(folder) as gateway:
        await gateway.connect()
        command = await accepted(gateway)
        actor = await gateway.actor()
        connection = writing(gateway.store)
        connection.execute(
            "CREATE TEMP TRIGGER broken BEFORE INSERT ON main.trades BEGIN SELECT raise(ABORT, 'disk on fire'); END"
        )
        await gateway.report(fills(command, 1)[0])
        async with asyncio.timeout(20):
            while actor.state.status.connection is not AccountConnection.HALTED or actor._committing:
                await asyncio.sleep(0.001)
        assert actor.is_halted
        assert not actor.connected.is_set()
        assert actor.state.chains[command.order_id].order.filled_quantity == 0, "what was not kept is not in memory"
        connection.execute("DROP TRIGGER broken")
        with pytest.raises(DropcopyError) as refusal:
            await gateway.create()
        assert refusal.value.code is Code.ACCOUNT_HALTED
        await gateway.report(fills(command, 2)[0])
        await gateway.connect()
        await gateway.disconnect()
        assert not actor.connected.is_set()
        three = await gateway.actor(account_id(3))
        assert not three.is_halted
        await asyncio.wait_for(gateway.submit(create(), of=account(3)), 20)
        async with asyncio.timeout(20):
            while gateway.journal[ONE][-1].kind is not EventType.ACCOUNT_STATUS:
                await asyncio.sleep(0.001)
    verify(folder / DATABASE_NAME, ONE)
    async with trading(folder) as gateway:
        gateway.broker.snapshots.append(said_since(*fills(command, 1, 2), cursor="2"))
        await gateway.connect()
        order = await durable(gateway, command)
        assert order.filled_quantity == Decimal(2), "the restart takes in what was missed"
        assert (await gateway.actor()).state.status.connection is AccountConnection.LIVE
