"""Reconcile: what the broker lists mends what was missed; absence proves nothing; a failed snapshot changes nothing."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from dropcopyd.domain.command import Command, OutcomeKind
from dropcopyd.domain.event import EventType
from dropcopyd.domain.instrument import key_of
from dropcopyd.domain.order import OrderStatus
from dropcopyd.domain.report import (
    BrokerSnapshot,
    Found,
    NotFound,
    OrderClaim,
    OrderReport,
    PositionClaim,
    ReportKind,
    SnapshotPart,
)
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.record import Listing
from dropcopyd.store.migrate import DATABASE_NAME
from tests.domain.build import bust, report, trade
from tests.flow.test_ingest import accepted, durable
from tests.flow.trading import ONE, Gateway, trading
from tests.store.build import make_folder
from tests.store.journal import verify

K = ReportKind


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    make_folder(tmp_path, accounts=3)
    async with trading(tmp_path) as running:
        await running.connect()
        yield running


def listing(
    command: Command, *executions: OrderReport, filled: str = "0", quantity: str = "10", is_open: bool = True
) -> BrokerSnapshot:
    """The broker's list: one order, open or not, and executions."""
    claim = OrderClaim(
        broker_command_id=command.broker_command_id,
        external_order_id="X1",
        key=(command.instrument.asset_class, command.instrument.symbol),
        is_open=True,
        quantity=Decimal(quantity),
        limit_price=command.terms.limit_price,
        cumulative_quantity=Decimal(filled),
    )
    return BrokerSnapshot(
        reports=(), orders=(claim,) if is_open else (), positions=(), cursor="", executions=executions
    )


async def test_a_fill_that_was_never_told_is_taken_from_the_list_once(gateway: Gateway) -> None:
    command = await accepted(gateway)
    fill = trade("e1", "4", "100", command.broker_command_id)
    for _ in range(3):
        gateway.broker.snapshots.append(listing(command, fill, filled="4"))
        await gateway.ingest.reconcile(ONE)
    order = await durable(gateway, command)
    assert (order.status, order.filled_quantity) == (OrderStatus.PARTIALLY_FILLED, Decimal(4))
    await gateway.report(replace(fill, cursor="7"))  # and the broker tells it after all
    assert (await durable(gateway, command)).filled_quantity == 4
    assert [event.kind for event in gateway.journal[ONE]].count(EventType.BROKER_TRADE) == 1


async def test_an_execution_that_was_told_otherwise_before_is_still_compared(gateway: Gateway) -> None:
    """Told at 100, then at 101, and listed at 101."""
    command = await accepted(gateway)
    first = trade("e1", "4", "100", command.broker_command_id)
    listed = replace(first, last_price=Decimal(101))
    for told in (first, listed):
        await gateway.report(told)
    for _ in range(2):
        gateway.broker.snapshots.append(listing(command, listed, filled="4"))
    await gateway.ingest.reconcile(ONE)
    found = (await gateway.store.record.queries.breaks(ONE, Listing(limit=9, filters=(("kind", "PRICE"),)))).items
    assert [(one.difference.ours, one.difference.theirs) for one in found] == [("100", "101")]


async def test_one_execution_id_of_two_orders_is_two_executions(gateway: Gateway) -> None:
    first, second = await accepted(gateway), await accepted(gateway)
    fills = [trade("e1", "4", "100", command.broker_command_id) for command in (first, second)]
    both = replace(
        listing(first, *fills, filled="4"),
        orders=(*listing(first, filled="4").orders, *listing(second, filled="4").orders),
    )
    gateway.broker.snapshots.append(both)
    await gateway.ingest.reconcile(ONE)
    assert [(await durable(gateway, command)).filled_quantity for command in (first, second)] == [4, 4]


async def test_an_order_that_ended_unheard_is_asked_for(gateway: Gateway) -> None:
    command = await accepted(gateway)
    told = (report(K.ACCEPTED, command.broker_command_id), report(K.CANCELLED, command.broker_command_id))
    gateway.broker.findings.append(Found(told))
    gateway.broker.snapshots.append(listing(command, is_open=False))
    await gateway.ingest.reconcile(ONE)
    assert (await durable(gateway, command)).status is OrderStatus.CANCELLED


async def test_older_commands_are_asked_for_only_while_the_broker_does_not_know_the_newer(gateway: Gateway) -> None:
    """What it says of a command is all that it has told about the order."""
    create = await accepted(gateway)
    replaces = []
    for quantity in ("11", "12"):
        replaces.append(await gateway.amend(create.intent_id, quantity))
        await gateway.until_acknowledged(replaces[-1])
        await gateway.report(report(K.REPLACED, replaces[-1].broker_command_id))
    gateway.broker.findings += [NotFound(), Found(())] * 2
    gateway.broker.snapshots.append(listing(create, is_open=False))
    await gateway.ingest.reconcile(ONE)
    asked = [gateway.broker.asked[command.broker_command_id] for command in (create, *replaces)]
    assert asked[0] == 0
    assert asked[1] == asked[2] > 0


async def test_an_acknowledgement_that_was_never_told_is_asked_for(gateway: Gateway) -> None:
    command = await gateway.create()
    await gateway.until_acknowledged(command)
    gateway.broker.findings.append(Found((report(K.ACCEPTED, command.broker_command_id),)))
    gateway.broker.snapshots.append(listing(command))
    await gateway.ingest.reconcile(ONE)
    await gateway.until(command, OutcomeKind.ACCEPTED)


async def test_absence_closes_nothing(gateway: Gateway) -> None:
    command = await accepted(gateway)
    before = await durable(gateway, command)
    gateway.broker.snapshots.append(listing(command, is_open=False))  # and the broker finds nothing
    await gateway.ingest.reconcile(ONE)
    assert await durable(gateway, command) == before


@pytest.mark.parametrize("failure", [DropcopyError(Code.NOT_READY, "page 2 of 3"), TimeoutError(), ConnectionError()])
async def test_a_snapshot_that_fails_changes_nothing(gateway: Gateway, failure: Exception) -> None:
    command = await accepted(gateway)
    before, events = await durable(gateway, command), len(gateway.journal[ONE])
    gateway.broker.snapshots.append(failure)
    await gateway.ingest.reconcile(ONE)
    assert await durable(gateway, command) == before
    assert len(gateway.journal[ONE]) == events


async def test_nothing_is_compared_while_the_line_is_down(gateway: Gateway) -> None:
    command = await accepted(gateway)
    await gateway.disconnect()
    gateway.broker.snapshots.append(listing(command, trade("e1", "4", "100", command.broker_command_id)))
    await gateway.ingest.reconcile(ONE)
    assert (await durable(gateway, command)).filled_quantity == 0
    assert len(gateway.broker.snapshots) == 1


async def test_what_is_mended_is_an_ordinary_part_of_the_journal(gateway: Gateway, tmp_path: Path) -> None:
    command = await accepted(gateway)
    gateway.broker.snapshots.append(listing(command, trade("e1", "4", "100", command.broker_command_id), filled="4"))
    await gateway.ingest.reconcile(ONE)
    await durable(gateway, command)
    verify(tmp_path / DATABASE_NAME, ONE)


async def test_what_was_listed_is_marked_durably_and_the_next_list_begins_there(tmp_path: Path) -> None:
    """A list of which a part is missing marks nothing, nor does a difference before it has a ticket."""
    make_folder(tmp_path, accounts=3)
    async with trading(tmp_path) as gateway:
        await gateway.connect()
        command = await accepted(gateway)
        fill = trade("e1", "4", "100", command.broker_command_id)
        held = PositionClaim(key_of(command.instrument), Decimal(4))
        whole = replace(listing(command, fill, filled="4"), positions=(held,))
        partial = replace(whole, cursor="6", lacks=frozenset({SnapshotPart.EXECUTIONS}))
        differing = replace(whole, cursor="7", executions=(replace(fill, last_price=Decimal(101)),))
        gateway.broker.snapshots.extend([replace(whole, cursor="5"), replace(whole, cursor="5")])
        await gateway.ingest.reconcile(ONE)
        gateway.broker.snapshots.append(partial)
        await gateway.ingest.reconcile(ONE)
        gateway.broker.snapshots.extend([differing, differing])
        await gateway.ingest.reconcile(ONE)
        assert gateway.broker.listed_after == ["", "", "5", "5", "5", "5"]
        assert (await gateway.actor()).state.listed_cursor == "5"
        gateway.broker.snapshots.append(differing)
        await gateway.ingest.reconcile(ONE)
        assert (await gateway.actor()).state.listed_cursor == "7", "it has a ticket now"
    async with trading(tmp_path) as gateway:
        await gateway.connect()
        assert gateway.broker.listed_after == ["7"]


async def test_a_bust_of_an_order_that_has_left_memory_is_taken_from_the_list(gateway: Gateway) -> None:
    command = await accepted(gateway)
    name = command.broker_command_id
    await gateway.report(trade("e1", "10", "100", name))
    assert (await durable(gateway, command)).status is OrderStatus.FILLED
    actor = await gateway.actor()
    actor.state.forget(command.order_id)
    told = (trade("e1", "10", "100", name), bust("b1", "e1", name))
    for _ in range(2):
        gateway.broker.snapshots.append(listing(command, *told, is_open=False))
        await gateway.ingest.reconcile(ONE)
    order = await durable(gateway, command)
    assert (order.filled_quantity, order.leaves_quantity) == (Decimal(0), Decimal(10))
    assert [event.kind for event in gateway.journal[ONE]].count(EventType.TRADE_AMENDMENT) == 1
