"""Reconciliations under trouble: cancelled in the middle, a journal that cannot be written, lines that go and come."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from dropcopyd.domain import machine
from dropcopyd.domain.account import Principal, Scope
from dropcopyd.domain.adjustment import AdjustmentKind
from dropcopyd.domain.audit import AuditEntry
from dropcopyd.domain.instrument import key_of
from dropcopyd.domain.order import OrderStatus
from dropcopyd.domain.reconciliation import Difference, Trigger, Verdict
from dropcopyd.domain.report import AdjustmentReport, BrokerSnapshot, Found, PositionClaim, ReportKind
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow import mending
from dropcopyd.flow.activity import Activity
from dropcopyd.record import Listing
from dropcopyd.store.sqlite import SqliteStore
from tests.domain.build import AAPL, MSFT, report, trade
from tests.flow.test_ingest import accepted, durable
from tests.flow.trading import FAST, ONE, Gateway, never, trading
from tests.store.build import account, make_folder

K = ReportKind
HELD = BrokerSnapshot(reports=(), orders=(), positions=(PositionClaim(key_of(MSFT), Decimal(5)),), cursor="")


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    make_folder(tmp_path, accounts=3)
    async with trading(tmp_path) as running:
        await running.connect()
        yield running


async def tickets(gateway: Gateway) -> int:
    return len((await gateway.store.record.queries.breaks(ONE, Listing(limit=100))).items)


async def test_cancelled_between_its_snapshots_it_leaves_nothing(tmp_path: Path) -> None:
    make_folder(tmp_path, accounts=3)
    async with trading(tmp_path, limits=replace(FAST, reconcile_confirm_s=60)) as gateway:
        await gateway.connect()
        gateway.broker.snapshots.extend([HELD, HELD])
        running = asyncio.get_running_loop().create_task(gateway.ingest.reconcile(ONE))
        async with asyncio.timeout(20):
            while len(gateway.broker.snapshots) == 2:
                await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.wait([running])
        assert not await tickets(gateway)
        assert not (await gateway.store.record.queries.reconciliations(ONE, Listing(limit=9))).items
        gateway.ingest.reconciliations._limits = FAST
        gateway.broker.snapshots.extend([HELD, HELD])
        run = await gateway.ingest.reconcile(ONE)
        assert run is not None
        assert run.opened == 1, "nothing holds the account's turn"


async def test_a_line_that_went_and_came_between_the_snapshots_confirms_nothing(gateway: Gateway) -> None:
    real = gateway.broker.snapshot

    async def cutting(account_id: str, after_cursor: str, timeout_s: float, listed_after: str = "") -> BrokerSnapshot:
        if len(gateway.broker.snapshots) == 1:
            await gateway.ingest.on_disconnected(ONE, "cut")
            gateway.broker.snapshots.appendleft(replace(HELD, positions=()))
            gateway.broker.snapshot = real  # type: ignore[method-assign]
            await gateway.ingest.on_connected(ONE)
        return await real(account_id, after_cursor, timeout_s, listed_after)

    gateway.broker.snapshot = cutting  # type: ignore[method-assign]
    gateway.broker.snapshots.extend([HELD, HELD])
    run = await gateway.ingest.reconcile(ONE)
    assert run is not None
    assert (run.verdict, run.opened) == (Verdict.UNSETTLED, 0)
    assert not await tickets(gateway)


async def test_what_a_person_books_meanwhile_opens_no_new_ticket(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both snapshots have shown 5; before that is written down somebody books them."""
    booking = AdjustmentReport(
        adjustment_id="a1", kind=AdjustmentKind.MANUAL, key=key_of(MSFT), quantity_delta=Decimal(5)
    )

    async def restate(*_arguments: object) -> list[Difference]:
        actor = await gateway.actor()
        await actor.decide(lambda state, now_ns: machine.take_adjustment(state, booking, MSFT, now_ns))
        return []

    monkeypatch.setattr(gateway.ingest._reconciler, "restate", restate)
    gateway.broker.snapshots.extend([HELD, HELD])
    run = await gateway.ingest.reconcile(ONE)
    assert run is not None
    assert (run.verdict, run.opened) == (Verdict.UNSETTLED, 0)
    monkeypatch.undo()
    gateway.broker.snapshots.extend([HELD, HELD])
    run = await gateway.ingest.reconcile(ONE)
    assert run is not None
    assert run.verdict is Verdict.AGREED


async def test_a_snapshot_that_the_adapter_cannot_read_concludes_nothing(gateway: Gateway) -> None:
    gateway.broker.snapshots.append(KeyError("positions"))
    run = await gateway.ingest.reconcile(ONE)
    assert run is not None
    assert (run.verdict, run.detail) == (Verdict.FAILED, "it failed inside; see the log")
    assert not await tickets(gateway)


async def test_a_broker_that_answers_no_question_of_a_look_holds_it_for_one_limit(tmp_path: Path) -> None:
    """Each of its answers would come within the limit of one call; then it answers again."""
    make_folder(tmp_path, accounts=3)
    async with trading(tmp_path, limits=replace(FAST, reconcile_look_s=FAST.broker_call_s)) as gateway:
        await gateway.connect()
        commands = [await accepted(gateway) for _ in range(3)]
        gateway.broker.findings.extend([never] * 6)
        gateway.broker.snapshots.append(replace(HELD, orders=()))
        run = await gateway.ingest.reconcile(ONE)
        assert run is not None
        assert (run.verdict, run.snapshots, run.opened) == (Verdict.FAILED, 1, 0)
        assert run.detail == "the broker took longer than 0.05 s for one look"
        assert gateway.broker.asked.total() <= 1, "the others are not asked for any more"
        assert not await tickets(gateway)
        gateway.broker.findings.clear()
        told = [Found((report(K.CANCELLED, command.broker_command_id),)) for command in commands]
        gateway.broker.findings.extend(told)
        gateway.ingest._limits = FAST
        await gateway.ingest.reconcile(ONE)
        assert [(await durable(gateway, command)).status for command in commands] == [OrderStatus.CANCELLED] * 3


async def test_a_session_begins_without_the_answers_that_take_too_long_and_they_are_asked_for_again(
    tmp_path: Path,
) -> None:
    make_folder(tmp_path, accounts=3)
    async with trading(tmp_path, limits=replace(FAST, reconcile_look_s=FAST.broker_call_s)) as gateway:
        await gateway.connect()
        commands = [await accepted(gateway) for _ in range(3)]
        await gateway.disconnect()
        gateway.broker.findings.extend([never] * 6)
        await gateway.connect()
        actor = await gateway.actor()
        assert actor.connected.is_set()
        assert gateway.broker.asked.total() <= 1
        gateway.broker.findings.clear()
        told = [Found((report(K.CANCELLED, command.broker_command_id),)) for command in commands]
        gateway.broker.findings.extend(told)
        gateway.ingest._limits = FAST
        reconciliations = gateway.ingest.reconciliations
        run = await reconciliations.reconcile(actor, Trigger.CONNECT, reconciliations._firsts.pop(ONE))
        assert run is not None
        assert (run.verdict, run.mended, run.healed) == (Verdict.AGREED, 3, 0), "what was missed is no break"
        assert [(await durable(gateway, command)).status for command in commands] == [OrderStatus.CANCELLED] * 3
        assert not await tickets(gateway)


async def test_a_journal_that_cannot_be_written_halts_and_keeps_no_ticket(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.broker.snapshots.extend([HELD, HELD])
    commit = SqliteStore.commit

    def failing(store: SqliteStore, batch):  # type: ignore[no-untyped-def]
        if batch.reconciliation is not None:
            batch = replace(batch, reconciliation=replace(batch.reconciliation, account_id=None, detail=None))
        return commit(store, batch)

    monkeypatch.setattr(SqliteStore, "commit", failing)
    with pytest.raises(DropcopyError):
        await gateway.ingest.reconcile(ONE)
    monkeypatch.undo()
    actor = await gateway.actor()
    assert actor.is_halted
    async with asyncio.timeout(20):
        while actor.state.tickets:
            await asyncio.sleep(0.001)
    assert not await tickets(gateway)


async def test_who_asks_before_it_runs_is_refused_and_who_asks_without_a_line_is_told(tmp_path: Path) -> None:
    make_folder(tmp_path, accounts=3)
    async with trading(tmp_path) as gateway:
        one = account(1)
        principal = Principal(one.organization_id, "key", frozenset(Scope))
        with pytest.raises(DropcopyError) as refused:
            await gateway.ingest.reconciliations.ask(principal, one)
        assert refused.value.code is Code.NOT_READY
        watching = asyncio.get_running_loop().create_task(gateway.ingest.watch())
        async with asyncio.timeout(20):
            while not gateway.ingest.reconciliations._is_running:
                await asyncio.sleep(0.001)
            run = await gateway.ingest.reconciliations.ask(principal, one)
        assert (run.trigger, run.verdict, run.snapshots) == (Trigger.DEMAND, Verdict.FAILED, 0)
        asking = asyncio.get_running_loop().create_task(gateway.ingest.reconciliations.ask(principal, one))
        await asyncio.sleep(0)
        watching.cancel()
        await asyncio.wait([watching, asking], timeout=20)
        assert asking.done(), "the end of the gateway leaves nobody waiting"


async def test_who_is_still_written_down_when_one_begins_is_answered_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ask; the second one's line of the audit log takes until the first is answered."""
    make_folder(tmp_path, accounts=3)
    first_is_over, audit = asyncio.Event(), SqliteStore.audit
    asked = 0

    async def slow(store: SqliteStore, entry: AuditEntry) -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            await first_is_over.wait()
        await audit(store, entry)

    monkeypatch.setattr(SqliteStore, "audit", slow)
    async with trading(tmp_path) as gateway, asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        await gateway.connect()
        reconciliations = gateway.ingest.reconciliations
        watching = tasks.create_task(gateway.ingest.watch())
        while not reconciliations._is_running:
            await asyncio.sleep(0.001)
        one = account(1)
        principal = Principal(one.organization_id, "key", frozenset(Scope))
        reconciliations._limits = replace(FAST, broker_call_s=10)
        first = tasks.create_task(reconciliations.ask(principal, one))
        second = tasks.create_task(reconciliations.ask(principal, one))
        earlier = await first
        first_is_over.set()
        assert (await second).reconciliation_id != earlier.reconciliation_id
        watching.cancel()


async def test_a_snapshot_that_the_adapter_cancels_concludes_nothing_and_is_on_record(gateway: Gateway) -> None:
    gateway.broker.snapshots.append(asyncio.CancelledError())
    run = await gateway.ingest.reconcile(ONE)
    assert run is not None
    assert (run.verdict, run.detail) == (Verdict.FAILED, "the adapter cancelled its call")


async def test_who_asks_is_not_answered_from_what_a_connection_showed_before(tmp_path: Path) -> None:
    make_folder(tmp_path, accounts=3)
    async with trading(tmp_path) as gateway, asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        reconciliations = gateway.ingest.reconciliations
        reconciliations._limits = replace(FAST, broker_call_s=10)
        reconciliations._busy.add(ONE)  # one is under way
        await gateway.connect()
        watching = tasks.create_task(gateway.ingest.watch())
        one = account(1)
        principal = Principal(one.organization_id, "key", frozenset(Scope))
        while not reconciliations._is_running:
            await asyncio.sleep(0.001)
        asking = tasks.create_task(reconciliations.ask(principal, one))
        while not reconciliations._asked[ONE]:
            await asyncio.sleep(0.001)
        before = len(gateway.broker.asked_after)
        reconciliations._busy.discard(ONE)
        reconciliations._wake.set()
        run = await asking
        assert run.trigger is Trigger.DEMAND
        assert len(gateway.broker.asked_after) > before
        runs = await gateway.store.record.queries.reconciliations(ONE, Listing(limit=10))
        assert [one.trigger for one in runs.items] == [Trigger.DEMAND, Trigger.CONNECT], (
            "what came up is judged as well"
        )
        watching.cancel()


async def test_executions_remembered_between_lists_are_bounded(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mending, "_TAKEN_MAX", 10)
    command = await accepted(gateway)
    for number in range(9):
        await gateway.report(trade(f"e{number}", "1", "100", command.broker_command_id))
    await gateway.report(report(K.CANCELLED, command.broker_command_id))
    other = await accepted(gateway)
    for number in range(20):
        await gateway.report(trade(f"x{number}", "1", "100", other.broker_command_id))
        assert 0 < len(gateway.ingest._mending._taken[ONE]) <= 10
    assert (await durable(gateway, command)).filled_quantity == 9


def test_what_is_said_of_something_unknown_may_be_about_anything() -> None:
    activity = Activity()
    mark = activity.mark()
    activity.begin(key_of(MSFT))
    assert not activity.is_quiet(key_of(MSFT), mark), "it is being taken in"
    assert activity.is_quiet(key_of(AAPL), mark)
    activity.end(key_of(MSFT))
    assert not activity.is_quiet(key_of(MSFT), mark)
    assert activity.is_quiet(key_of(MSFT), activity.mark())
    activity.begin(None)
    assert not activity.is_quiet(key_of(AAPL), activity.mark())
    activity.end(None)
    assert not activity.is_quiet(key_of(AAPL), mark)
    assert activity.is_quiet(key_of(AAPL), activity.mark())


def test_one_that_came_before_and_is_not_taken_in_yet_is_not_quiet() -> None:
    activity = Activity()
    activity.begin(key_of(MSFT))
    mark = activity.mark()
    assert not activity.is_quiet(key_of(MSFT), mark)
    activity.end(key_of(MSFT))
    assert not activity.is_quiet(key_of(MSFT), mark)
