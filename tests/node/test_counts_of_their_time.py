"""A broker's cumulative quantity is of its time: one that was made before what is on record by now is no break."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from dropcopyd.domain.report import FindResult, Found, OrderReport, ReportKind, SnapshotPart
from dropcopyd.ports import Submission
from tests.support.counterparty import Counterparty, Placed, Site, site

K = ReportKind


class Answering(Counterparty):
    """Answers about an order with what it had made before a fill that is told while the answer is on its way."""

    overtaken_by: OrderReport | None = None
    stale: tuple[OrderReport, ...] = ()

    async def find(self, submission: Submission, timeout_s: float) -> FindResult:
        if not self.stale:
            return await super().find(submission, timeout_s)
        if self.overtaken_by is not None:
            told, self.overtaken_by = self.overtaken_by, None
            await self.tell(told)
        return Found(self.stale)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Site]:
    broker = Answering("00000000-0000-4000-8000-0000000000c2")
    async with site(tmp_path / "data", broker=broker) as running:
        yield running


async def filled(gateway: Site, placed: Placed, quantity: str) -> None:
    await gateway.until(
        "orders", lambda order: order["filled_quantity"] == quantity, external_order_id=placed.external_id
    )


async def listed_in_part(gateway: Site) -> tuple[Placed, OrderReport, OrderReport]:
    """An order with two executions, after a list that had the second and not the first."""
    placed = await gateway.order("100")
    one, two = gateway.broker.fill(placed, "4"), gateway.broker.fill(placed, "3")
    placed.executions.remove(one)
    gateway.broker.lacks = frozenset({SnapshotPart.EXECUTIONS})
    await gateway.reconcile()
    return placed, one, two


async def counted(gateway: Site) -> list[str]:
    return [one["detail"] for one in await gateway.all("breaks", kind="CUMULATIVE_DIFFERS")]


async def test_an_answer_from_before_a_fill_is_no_break(gateway: Site) -> None:
    broker = gateway.broker
    assert isinstance(broker, Answering)
    placed = await gateway.order("100")
    await broker.tell(broker.fill(placed, "4"))
    broker.stale = (placed.report(K.STATUS, cumulative_quantity=Decimal(4)),)
    broker.overtaken_by = broker.fill(placed, "3")
    broker.lacks, placed.is_open = frozenset({SnapshotPart.EXECUTIONS}), False
    placed.executions.clear()
    await gateway.reconcile()
    assert broker.overtaken_by is None, "the order was asked for"
    await filled(gateway, placed, "7")
    assert not await counted(gateway)


async def test_an_order_from_outside_is_not_judged_by_one_snapshot(gateway: Site) -> None:
    """Its list came without its execution, which is told behind the first snapshot."""
    broker = gateway.broker
    placed = broker.place("10", is_described=True)
    told = broker.fill(placed, "4")
    placed.executions.clear()
    broker.lacks = frozenset({SnapshotPart.EXECUTIONS})
    first = broker.snapshots_given + 1

    async def late(number: int) -> None:
        if number == first + 1:
            await broker.tell(told)

    broker.before_snapshot = late
    await gateway.reconcile()
    await filled(gateway, placed, "4")
    assert not await gateway.all("breaks", status="OPEN")


@pytest.mark.parametrize("kind", [None, K.STATUS])
async def test_what_a_partial_list_left_out_may_be_told_later(gateway: Site, kind: ReportKind | None) -> None:
    """The session tells both executions in their order."""
    broker = gateway.broker
    placed, one, two = await listed_in_part(gateway)
    await filled(gateway, placed, "3")
    await broker.tell(one)
    if kind is not None:
        await broker.tell(placed.report(kind, cumulative_quantity=Decimal(4)))
    await broker.tell(two)
    await filled(gateway, placed, "7")
    assert not await counted(gateway)


@pytest.mark.parametrize("is_whole", [False, True])
async def test_what_the_session_counts_otherwise_is_still_a_break(gateway: Site, is_whole: bool) -> None:
    """As soon as all that a partial list brought was told, or a whole list was taken in."""
    broker = gateway.broker
    placed, one, two = await listed_in_part(gateway)
    if is_whole:
        broker.lacks, placed.executions[:0] = frozenset(), [one]
        await gateway.reconcile()
    else:
        await broker.tell(one)
        await broker.tell(two)
    await filled(gateway, placed, "7")
    await broker.tell(placed.report(K.STATUS, cumulative_quantity=Decimal(9)))
    await gateway.until("breaks", lambda found: found["kind"] == "CUMULATIVE_DIFFERS")
    (said,) = await counted(gateway)
    assert said.endswith("cumulative quantity 9 is not 7")
