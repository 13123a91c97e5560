"""Planted differences between the record and a scripted broker: each is found, and treated by its rule.

What the broker lists with its own execution id, or as an order, is mended; the rest waits for a person. What is still
under way, or was not listed whole, is no break.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dropcopyd.domain.report import BalanceReport, ReportKind, SnapshotPart
from dropcopyd.flow import reconciliations
from dropcopyd.rest import break_schemas
from dropcopyd.store.admin import Admin
from tests.support.counterparty import WAIT_S, Counterparty, Site, site
from tests.support.daemon import Daemon, Rest

K = ReportKind


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path / "data") as running:
        yield running


async def test_answers_are_of_the_documented_shapes(gateway: Site) -> None:
    gateway.broker.positions["MSFT"] = Decimal(25)
    placed = await gateway.order("10")
    await gateway.broker.tell(gateway.broker.fill(placed, "4"))
    run = await gateway.reconcile()
    break_schemas.Reconciliation.model_validate_json(json.dumps(run))
    answer = await gateway.client.get(f"{gateway.path}/reconciliations/{run['reconciliation_id']}")
    assert answer.json() == run
    page = await gateway.get("reconciliations")
    break_schemas.ReconciliationPage.model_validate_json(json.dumps(page))
    break_schemas.BreakPage.model_validate_json(json.dumps(await gateway.get("breaks")))
    ticket = await standing(gateway, "POSITION")
    body = {"kind": "OPENING", "cost_delta": "2500", "cash_delta": "-2500"}
    after = await gateway.resolved(ticket["break_id"], "BOOK_ADJUSTMENT", **body)
    break_schemas.Break.model_validate_json(json.dumps(after))
    for symbol in ("MSFT", "AAPL"):
        chain = await gateway.get(f"positions/{symbol}/explanation", asset_class="EQUITY", order="desc", limit=1)
        break_schemas.Explanation.model_validate_json(json.dumps(chain))


async def found(gateway: Site) -> list[tuple[str, str, str | None, str | None]]:
    """Each break: kind, status, figure, why it is closed; oldest first."""
    breaks = await gateway.all("breaks", order="asc")
    return [(one["kind"], one["status"], one["figure"], one["closing"]) for one in breaks]


async def standing(gateway: Site, kind: str) -> Any:
    """The one ticket of that kind that is open."""
    (ticket,) = await gateway.all("breaks", kind=kind, status="OPEN")
    return ticket


async def agreed(gateway: Site) -> None:
    """Nothing differs any more, and nothing more was found."""
    before = await found(gateway)
    run = await gateway.reconcile()
    assert (run["verdict"], run["standing"], run["opened"]) == ("AGREED", 0, 0), run
    assert await found(gateway) == before


# --- mended by what the broker lists --------------------------------------------------------------------------------


async def test_1_a_fill_that_was_never_told_is_taken_in_once(gateway: Site) -> None:
    placed = await gateway.order("10")
    told = gateway.broker.fill(placed, "4")
    run = await gateway.reconcile()
    assert (run["verdict"], run["healed"], run["snapshots"]) == ("AGREED", 1, 2)
    assert await found(gateway) == [("MISSING_FILL", "CLOSED", "quantity", "HEALED")]
    assert (await gateway.order_of(placed))["filled_quantity"] == await gateway.held() == "4"
    await gateway.broker.tell(told)
    await agreed(gateway)
    assert len(await gateway.all("trades")) == 1


async def test_2_a_fill_of_an_order_from_outside_brings_the_order_along(gateway: Site) -> None:
    placed = gateway.broker.place("5", is_described=True)
    gateway.broker.fill(placed, "5")
    assert (await gateway.reconcile())["verdict"] == "AGREED"
    assert await found(gateway) == [("MISSING_FILL", "CLOSED", "quantity", "HEALED")]
    order = await gateway.order_of(placed)
    assert (order["origin"], order["order_status"], await gateway.held()) == ("EXTERNAL", "FILLED", "5")
    await agreed(gateway)


async def test_3_an_open_order_from_outside_is_taken_in(gateway: Site) -> None:
    placed = gateway.broker.place("5", is_described=True)
    assert (await gateway.reconcile())["healed"] == 1
    assert await found(gateway) == [("UNKNOWN_ORDER", "CLOSED", "order", "HEALED")]
    assert (await gateway.order_of(placed))["order_status"] == "NEW"
    await agreed(gateway)


async def test_5_a_quantity_that_the_broker_changed_unheard_is_in_force(gateway: Site) -> None:
    placed = await gateway.order("10")
    placed.quantity = Decimal(8)
    assert (await gateway.reconcile())["healed"] == 1
    assert await found(gateway) == [("QUANTITY", "CLOSED", "quantity", "HEALED")]
    assert (await gateway.order_of(placed))["quantity"] == "8"
    await agreed(gateway)


async def test_6_a_price_that_the_broker_changed_unheard_is_in_force(gateway: Site) -> None:
    placed = await gateway.order("10")
    placed.price = Decimal("99.5")
    assert (await gateway.reconcile())["healed"] == 1
    assert await found(gateway) == [("PRICE", "CLOSED", "limit_price", "HEALED")]
    assert (await gateway.order_of(placed))["limit_price"] == "99.5"
    await agreed(gateway)


async def test_8_an_order_that_ended_unheard_is_asked_for(gateway: Site) -> None:
    placed = await gateway.order("10")
    placed.is_open = False
    assert (await gateway.reconcile())["healed"] == 1
    assert await found(gateway) == [("QUANTITY", "CLOSED", "order_state", "HEALED")]
    assert (await gateway.order_of(placed))["order_status"] == "CANCELLED"
    await agreed(gateway)


async def test_10_a_correction_that_was_never_told_is_taken_by_its_own_id(gateway: Site) -> None:
    placed = await gateway.order("10")
    await gateway.broker.tell(gateway.broker.fill(placed, "4"))
    placed.executions[0] = replace(placed.executions[0], last_price=Decimal(101), exec_ref_id="C1")
    assert (await gateway.reconcile())["healed"] == 1
    assert await found(gateway) == [("PRICE", "CLOSED", "price", "HEALED")]
    assert (await gateway.order_of(placed))["average_price"] == "101"
    await agreed(gateway)


# --- for a person -----------------------------------------------------------------------------------------------------


async def test_4_an_order_without_a_description_waits_for_a_person(gateway: Site) -> None:
    placed = gateway.broker.place("5", is_described=False)
    run = await gateway.reconcile()
    assert (run["verdict"], run["opened"], run["standing"]) == ("DIFFERENT", 1, 1)
    ticket = await standing(gateway, "UNKNOWN_ORDER")
    assert (ticket["subject"], ticket["symbol"], ticket["actions"]) == (placed.external_id, "AAPL", ["ACCEPT"])
    await gateway.reconcile()
    again = await standing(gateway, "UNKNOWN_ORDER")
    assert (again["break_id"], again["times"]) == (ticket["break_id"], 2)
    placed.is_open = False
    run = await gateway.reconcile()
    assert (run["verdict"], run["closed"], run["standing"]) == ("AGREED", 1, 0)
    assert await found(gateway) == [("UNKNOWN_ORDER", "CLOSED", "order", "AGREED")]
    audit = (await gateway.client.get("/v1/audit")).json()["data"]
    (closed,) = [line for line in audit if line["action"] == "break.closed"]
    assert (closed["principal_id"], closed["subject"]) == ("gateway", ticket["break_id"])


async def test_7_a_fill_without_an_execution_gets_a_placeholder_and_then_the_real_one(gateway: Site) -> None:
    """Two tickets: the order's filled quantity, and the position. The placeholder settles both."""
    placed = await gateway.order("10")
    await gateway.broker.tell(gateway.broker.fill(placed, "3"))
    missing = gateway.broker.fill(placed, "4", "101")
    placed.executions.remove(missing)
    assert (await gateway.reconcile())["opened"] == 2
    position, ticket = await standing(gateway, "POSITION"), await standing(gateway, "QUANTITY")
    assert (position["ours"], position["theirs"], position["difference"]) == ("3", "7", "4")
    assert (ticket["figure"], ticket["ours"], ticket["theirs"]) == ("filled_quantity", "3", "7")
    assert await gateway.held() == "3", "no guess was booked"
    after = await gateway.resolved(ticket["break_id"], "BOOK_EXECUTION", quantity="4", price="100.50")
    assert (after["status"], after["closing"]) == ("CLOSED", "RESOLVED")
    assert after["resolution"]["booked"] == f"placeholder:{ticket['break_id']}"
    assert await gateway.held() == "7"
    assert (await gateway.reconcile())["closed"] == 1
    assert sorted(str(one[3]) for one in await found(gateway)) == ["AGREED", "RESOLVED"]

    head = (await gateway.get("state"))["sequence"]
    placed.executions.append(missing)
    await gateway.broker.tell(missing)
    await gateway.until("trades", lambda trade: trade["exec_id"] == missing.exec_id)
    events = (await gateway.get("journal", after=head))["data"]
    assert [event["kind"] for event in events] == [
        "TRADE_AMENDMENT",
        "BROKER_TRADE",
        "BROKER_ORDER",
        "BROKER_POSITION",
    ]
    assert len({event["at"] for event in events}) == 1, "one commit"
    assert (await gateway.order_of(placed))["filled_quantity"] == await gateway.held() == "7"
    chain = (await gateway.get("positions/AAPL/explanation"))["data"]
    booked = next(change for change in chain if change["is_placeholder"])
    assert (booked["quantity_delta"], booked["reported_quantity"]) == ("0", "4")
    assert [one["kind"] for one in booked["amendments"]] == ["BUST"]
    await agreed(gateway)
    assert (await gateway.order_of(placed))["average_price"] == (await average(gateway))


async def average(gateway: Site) -> str:
    """Of the executions in force."""
    (position,) = (await gateway.get("positions", symbol="AAPL"))["data"]
    return str(position["average_cost"])


async def test_9_an_order_that_the_broker_does_not_know_waits_and_is_closed_by_hand(gateway: Site) -> None:
    placed = await gateway.order("10")
    placed.is_open, gateway.broker.is_mute = False, True
    assert (await gateway.reconcile())["opened"] == 1
    ticket = await standing(gateway, "QUANTITY")
    assert (ticket["ours"], ticket["theirs"]) == ("NEW", "NOT_OPEN")
    assert (await gateway.order_of(placed))["order_status"] == "NEW", "absence closes nothing"
    await gateway.resolved(ticket["break_id"], "CLOSE_ORDER", reason="the desk says it expired")
    order = await gateway.order_of(placed)
    assert (order["order_status"], order["reason_code"], order["reason"]) == (
        "CANCELLED",
        "closed_by_hand",
        "the desk says it expired",
    )
    await agreed(gateway)


async def test_10b_another_price_without_a_correction_waits_and_is_corrected_by_hand(gateway: Site) -> None:
    placed = await gateway.order("10")
    await gateway.broker.tell(gateway.broker.fill(placed, "4"))
    placed.executions[0] = replace(placed.executions[0], last_price=Decimal(101))
    assert (await gateway.reconcile())["opened"] == 1
    ticket = await standing(gateway, "PRICE")
    assert (ticket["ours"], ticket["theirs"], ticket["figure"]) == ("100", "101", "price")
    assert (await gateway.order_of(placed))["average_price"] == "100"
    await gateway.resolved(ticket["break_id"], "BOOK_CORRECTION")
    assert (await gateway.order_of(placed))["average_price"] == "101"
    await agreed(gateway)


async def test_11_a_position_waits_and_is_adjusted_by_hand(gateway: Site) -> None:
    gateway.broker.positions["MSFT"] = Decimal(25)
    assert (await gateway.reconcile())["opened"] == 1
    ticket = await standing(gateway, "POSITION")
    assert (ticket["subject"], ticket["ours"], ticket["theirs"]) == ("EQUITY|MSFT", "0", "25")
    assert await gateway.held("MSFT") == "0"
    body = {"kind": "OPENING", "cost_delta": "2500"}
    after = await gateway.resolved(ticket["break_id"], "BOOK_ADJUSTMENT", **body)
    assert after["resolution"]["asked"] == body
    (change,) = (await gateway.get("positions/MSFT/explanation"))["data"]
    assert (change["kind"], change["quantity_delta"], change["after"]["average_cost"]) == ("OPENING", "25", "100")
    assert change["adjustment_id"] == after["resolution"]["booked"]
    assert change["note"] == "asked the desk"
    await agreed(gateway)


async def test_11b_a_position_that_the_broker_has_no_more_is_not_flattened_here(gateway: Site) -> None:
    placed = await gateway.order("10")
    await gateway.broker.tell(gateway.broker.fill(placed, "10"))
    await gateway.until("positions", lambda position: position["quantity"] == "10")
    gateway.broker.positions.clear()
    assert (await gateway.reconcile())["opened"] == 1
    ticket = await standing(gateway, "POSITION")
    assert (ticket["ours"], ticket["theirs"], await gateway.held()) == ("10", "0", "10")
    gateway.broker.positions["AAPL"] = Decimal(10)
    assert (await gateway.reconcile())["closed"] == 1
    assert await found(gateway) == [("POSITION", "CLOSED", "quantity", "AGREED")]


async def test_12_cash_waits_and_is_adjusted_by_hand(gateway: Site) -> None:
    gateway.broker.cash = Decimal(1000)
    await gateway.broker.tell(BalanceReport(currency="USD", cash=Decimal(1000)))
    await agreed(gateway)
    gateway.broker.cash = Decimal("987.65")
    assert (await gateway.reconcile())["opened"] == 1
    ticket = await standing(gateway, "CASH")
    assert (ticket["subject"], ticket["difference"]) == ("USD", "-12.35")
    assert (await gateway.get("balances"))["data"][0]["cash"] == "1000"
    await gateway.resolved(ticket["break_id"], "BOOK_ADJUSTMENT", reason="wire fee of the 24th")
    assert (await gateway.get("balances"))["data"][0]["cash"] == "987.65"
    await agreed(gateway)


async def test_a_difference_that_is_accepted_stands_quietly_until_it_changes_or_goes(gateway: Site) -> None:
    gateway.broker.positions["MSFT"] = Decimal(25)
    await gateway.reconcile()
    ticket = await standing(gateway, "POSITION")
    await gateway.resolved(ticket["break_id"], "ACCEPT", reason="held for somebody else")
    run = await gateway.reconcile()
    assert (run["verdict"], run["opened"], run["standing"]) == ("DIFFERENT", 0, 1)
    gateway.broker.positions["MSFT"] = Decimal(26)
    await gateway.reconcile()
    assert await found(gateway) == [
        ("POSITION", "CLOSED", "quantity", "CHANGED"),
        ("POSITION", "OPEN", "quantity", None),
    ]
    second = await standing(gateway, "POSITION")
    await gateway.resolved(second["break_id"], "ACCEPT", reason="still held for somebody else")
    del gateway.broker.positions["MSFT"]
    await gateway.reconcile()
    assert [one[3] for one in await found(gateway)] == ["CHANGED", "AGREED"]


# --- no breaks --------------------------------------------------------------------------------------------------------


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
        every(1)
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
    daemon = Daemon(
        tmp_path / "data", "--profile", "realistic", "--cash", "USD=100000", DROPCOPYD_LIMITS__RECONCILE_CONFIRM_S="1"
    )
    async with daemon, Rest(daemon.info) as rest:
        url = f"/v1/accounts/{rest.account_id}"
        run: Any = {}
        for number in range(6):
            await rest.create("AAPL", "SELL" if number % 3 == 2 else "BUY", "10")
            run = (await rest.client.post(f"{url}/reconciliations")).json()
            assert (run["opened"], run["healed"], run["standing"]) == (0, 0, 0), run
        async with asyncio.timeout(WAIT_S):
            while run["verdict"] != "AGREED":
                run = (await rest.client.post(f"{url}/reconciliations")).json()
        assert not (await rest.client.get(f"{url}/breaks")).json()["data"]
        (balance,) = (await rest.client.get(f"{url}/balances")).json()["data"]
        assert Decimal(balance["cash"]) < 100_000
