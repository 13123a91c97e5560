"""What is no break: what is under way, what failed, what was not listed whole; and when an account is reconciled."""

import asyncio
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dropcopyd.domain.report import ReportKind, SnapshotPart
from dropcopyd.flow import reconciliations
from dropcopyd.store.admin import Admin
from tests.node.test_reconciliation import found, standing
from tests.support.counterparty import WAIT_S, Counterparty, Site, site
from tests.support.daemon import Daemon, Rest

K = ReportKind


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path / "data") as running:
        yield running


async def test_a_snapshot_that_fails_concludes_nothing(gateway: Site) -> None:
    placed = await gateway.order("10")
    await gateway.broker.tell(gateway.broker.fill(placed, "4"))
    await gateway.until("positions", lambda position: position["quantity"] == "4")
    gateway.broker.fails = True
    run = await gateway.reconcile()
    assert (run["verdict"], run["detail"]) == ("FAILED", "page 2 of 3 did not come")
    assert not await found(gateway)
    assert await gateway.held() == "4"


@pytest.mark.parametrize("part", list(SnapshotPart))
async def test_a_partial_snapshot_is_never_flat(gateway: Site, part: SnapshotPart) -> None:
    """What is left out of a part that is not whole is unknown; what it does list counts."""
    placed = await gateway.order("10")
    await gateway.broker.tell(gateway.broker.fill(placed, "4"))
    await gateway.until("positions", lambda position: position["quantity"] == "4")
    broker = gateway.broker
    broker.lacks, broker.is_mute = frozenset({part}), True
    if part is SnapshotPart.POSITIONS:
        broker.positions.clear()
    if part is SnapshotPart.ORDERS:
        placed.is_open = False
    if part is SnapshotPart.EXECUTIONS:
        placed.executions.clear()
    assert (await gateway.reconcile())["verdict"] == "AGREED"
    assert not await found(gateway)
    assert (await gateway.order_of(placed))["order_status"] == "PARTIALLY_FILLED"
    assert await gateway.held() == "4"


async def test_a_partial_snapshot_closes_no_ticket(gateway: Site) -> None:
    gateway.broker.positions["MSFT"] = Decimal(25)
    await gateway.reconcile()
    gateway.broker.positions.clear()
    gateway.broker.lacks = frozenset({SnapshotPart.POSITIONS})
    await gateway.reconcile()
    assert await found(gateway) == [("POSITION", "OPEN", "quantity", None)]


async def test_two_snapshots_that_differ_are_no_break(gateway: Site) -> None:
    async def moving(number: int) -> None:
        gateway.broker.positions["MSFT"] = Decimal(number)

    gateway.broker.before_snapshot = moving
    assert (await gateway.reconcile())["verdict"] == "UNSETTLED"
    assert not await found(gateway)


async def test_one_snapshot_that_agrees_closes_no_ticket(gateway: Site) -> None:
    gateway.broker.positions["MSFT"] = Decimal(25)
    await gateway.reconcile()
    first = gateway.broker.snapshots_given + 1

    async def gone(number: int) -> None:
        if number == first + 1:
            del gateway.broker.positions["MSFT"]

    gateway.broker.before_snapshot = gone
    assert (await gateway.reconcile())["closed"] == 0
    assert (await standing(gateway, "POSITION"))["symbol"] == "MSFT"
    assert (await gateway.reconcile())["closed"] == 1


async def test_a_report_of_the_instrument_in_between_leaves_it_open(gateway: Site) -> None:
    """The report is of AAPL: the position of AAPL is not judged, that of MSFT is."""
    placed = await gateway.order("10")
    gateway.broker.positions |= {"MSFT": Decimal(25), "AAPL": Decimal(3)}
    first = gateway.broker.snapshots_given + 1

    async def talking(number: int) -> None:
        if number == first + 1:
            await gateway.broker.tell(placed.report(K.STATUS))

    gateway.broker.before_snapshot = talking
    run = await gateway.reconcile()
    assert (run["verdict"], run["opened"]) == ("DIFFERENT", 1)
    assert (await standing(gateway, "POSITION"))["symbol"] == "MSFT"
    gateway.broker.before_snapshot = None
    assert (await gateway.reconcile())["opened"] == 1


async def test_a_fill_that_is_still_under_way_is_no_break(gateway: Site) -> None:
    """The first snapshot has it before its report comes: taken in at once, and nothing was wrong."""
    placed = await gateway.order("10")
    told = gateway.broker.fill(placed, "4")
    first = gateway.broker.snapshots_given + 1

    async def late(number: int) -> None:
        if number == first + 1:
            await gateway.broker.tell(told)

    gateway.broker.before_snapshot = late
    run = await gateway.reconcile()
    assert (run["verdict"], run["healed"]) == ("AGREED", 0)
    assert not await found(gateway)
    assert len(await gateway.all("trades")) == 1


async def test_terms_of_an_older_snapshot_do_not_overwrite_newer_ones(gateway: Site) -> None:
    """Both snapshots were made before a restatement that is told while they are on their way."""
    placed = await gateway.order("10")
    placed.quantity = Decimal(8)
    first = gateway.broker.snapshots_given + 1

    async def overtaken(number: int) -> None:
        if number == first + 1:
            newer = placed.report(K.RESTATED, quantity=Decimal(7))
            await gateway.broker.tell(newer)

    gateway.broker.before_snapshot = overtaken
    await gateway.reconcile()
    assert (await gateway.order_of(placed))["quantity"] == "7"


async def test_a_connection_brings_what_was_missed_and_that_is_no_break(tmp_path: Path) -> None:
    broker = Counterparty("00000000-0000-4000-8000-0000000000c1")
    async with site(tmp_path / "data", broker=broker) as before:
        placed = await before.order("10")
    broker.is_up.clear()
    broker.fill(placed, "4")
    broker.positions["MSFT"] = Decimal(25)
    async with site(tmp_path / "data", broker=broker) as gateway:
        assert await gateway.held() == "4"
        ticket = await gateway.until("breaks", lambda one: one["status"] == "OPEN")
        assert (ticket["kind"], ticket["symbol"]) == ("POSITION", "MSFT")
        assert await found(gateway) == [("POSITION", "OPEN", "quantity", None)]
        run = await gateway.until("reconciliations", lambda run: run["opened"] == 1)
        assert run["trigger"] == "CONNECT"
    broker.is_up.clear()
    del broker.positions["MSFT"]
    async with site(tmp_path / "data", broker=broker) as gateway:
        await gateway.until("breaks", lambda one: one["closing"] == "AGREED")


async def test_the_timer_finds_what_nobody_asked_about(tmp_path: Path) -> None:
    async with site(tmp_path / "data", reconcile_s=0.05) as gateway:
        gateway.broker.positions["MSFT"] = Decimal(25)
        await gateway.until("breaks", lambda one: one["status"] == "OPEN")
        runs = await gateway.all("reconciliations", trigger="TIMER", verdict="DIFFERENT")
        assert runs


async def test_an_account_has_its_own_interval_and_a_running_gateway_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliations, "_SCAN_S", 0.05)
    async with site(tmp_path / "data") as gateway:
        gateway.broker.positions["MSFT"] = Decimal(25)

        def every(seconds: int | None) -> None:
            admin = Admin(gateway.folder, 1)
            admin.set_reconcile(gateway.account_id, seconds)
            admin.close()

        assert not await gateway.all("reconciliations", trigger="TIMER")
        words = ("accounts", "set", gateway.account_id, "--reconcile-s", "1", "--data", str(gateway.folder))
        program = await asyncio.create_subprocess_exec(sys.executable, "-m", "dropcopyd", *words)
        assert await asyncio.wait_for(program.wait(), WAIT_S) == 0
        await gateway.until("breaks", lambda one: one["status"] == "OPEN")
        every(0)
        await asyncio.sleep(0.2)
        before = await gateway.all("reconciliations", trigger="TIMER")
        every(1)
        await gateway.until("reconciliations", lambda run: run["begun_at"] > before[0]["ended_at"], trigger="TIMER")


async def test_many_who_ask_at_once_share_reconciliations(gateway: Site) -> None:
    runs = await asyncio.gather(*(gateway.reconcile() for _ in range(10)))
    assert 1 <= len({run["reconciliation_id"] for run in runs}) < 10
    kept = {run["reconciliation_id"] for run in await gateway.all("reconciliations", trigger="DEMAND")}
    assert {run["reconciliation_id"] for run in runs} == kept


async def test_the_paper_exchange_and_its_record_agree_while_it_trades(tmp_path: Path) -> None:
    """The real program: fills, positions and cash of a paper account, reconciled all the while."""
    is_open = ("--clock", "2026-11-25T15:00:00Z")
    words = ("--profile", "realistic", "--cash", "USD=100000", *is_open)
    daemon = Daemon(tmp_path / "data", *words, DROPCOPYD_LIMITS__RECONCILE_CONFIRM_S="1")
    async with daemon, Rest(daemon.info) as rest:
        url = f"/v1/accounts/{rest.account_id}"
        run: Any = {}
        for number in range(3):
            await rest.create("AAPL", "SELL" if number % 3 == 2 else "BUY", "10")
            run = (await rest.client.post(f"{url}/reconciliations")).json()
            assert (run["opened"], run["healed"], run["standing"]) == (0, 0, 0), run
        async with asyncio.timeout(WAIT_S):
            while {order["order_status"] for order in await rest.all("orders")} != {"FILLED"}:
                await asyncio.sleep(0.05)
            run = {}  # the last one may be older than the last fill, whose cash is told behind it
            while run.get("verdict") != "AGREED":
                run = (await rest.client.post(f"{url}/reconciliations")).json()
        assert not (await rest.client.get(f"{url}/breaks")).json()["data"]
        (balance,) = (await rest.client.get(f"{url}/balances")).json()["data"]
        assert Decimal(balance["cash"]) < 100_000
