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

from dropcopyd.domain.report import BalanceReport, ReportKind
from dropcopyd.rest import break_schemas
from tests.support.counterparty import Site, site

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
    gateway.broker.amend(placed, K.CORRECTION, "E2", last_quantity=Decimal(4), last_price=Decimal(101))
    assert (await gateway.reconcile())["healed"] == 1
    assert await found(gateway) == [("PRICE", "CLOSED", "price", "HEALED")]
    assert (await gateway.order_of(placed))["average_price"] == "101"
    await agreed(gateway)


async def test_10_a_correction_of_a_correction_is_taken_in_its_order(gateway: Site) -> None:
    """4 at 100, corrected to 3 at 101, corrected to 3 at 102; of the three the broker told the first only. The first
    correction is told after all, and changes nothing."""
    placed = await gateway.order("10")
    await gateway.broker.tell(gateway.broker.fill(placed, "4"))
    first = gateway.broker.amend(placed, K.CORRECTION, "E2", last_quantity=Decimal(3), last_price=Decimal(101))
    assert first.exec_id is not None
    gateway.broker.amend(placed, K.CORRECTION, first.exec_id, last_quantity=Decimal(3), last_price=Decimal(102))
    placed.filled, gateway.broker.positions["AAPL"] = Decimal(3), Decimal(3)
    assert (await gateway.reconcile())["mended"] == 2
    await gateway.broker.tell(first)
    order = await gateway.order_of(placed)
    assert (order["filled_quantity"], order["average_price"]) == ("3", "102")
    await agreed(gateway)


async def test_10_a_bust_that_was_never_told_is_taken_though_the_order_is_over(gateway: Site) -> None:
    """10 of 10, busted unheard, then told after all: 0 of 10 once and for all. The broker does not work it again."""
    placed = await gateway.order("10")
    await gateway.broker.tell(gateway.broker.fill(placed, "10"))
    await gateway.until("orders", lambda order: order["order_status"] == "FILLED")
    bust = gateway.broker.amend(placed, K.BUST, "E2")
    await gateway.broker.tell(placed.report(K.CANCELLED))
    placed.filled, gateway.broker.positions["AAPL"] = Decimal(0), Decimal(0)
    assert (await gateway.reconcile())["healed"] == 1
    assert await found(gateway) == [("QUANTITY", "CLOSED", "quantity", "HEALED")]
    await gateway.broker.tell(bust)
    order = await gateway.order_of(placed)
    assert (order["order_status"], order["filled_quantity"]) == ("CANCELLED", "0")
    assert await gateway.held() == "0"
    await agreed(gateway)


async def test_10_a_fill_and_its_bust_of_which_nothing_was_told_are_both_on_record(gateway: Site) -> None:
    """The record is the broker's: a trade, and its bust. Told later, in the wrong order, they change nothing."""
    placed = await gateway.order("10")
    fill = gateway.broker.fill(placed, "4")
    bust = gateway.broker.amend(placed, K.BUST, "E2")
    placed.filled, gateway.broker.positions["AAPL"] = Decimal(0), Decimal(0)
    run = await gateway.reconcile()
    assert (run["verdict"], run["mended"]) == ("AGREED", 2)
    for told in (bust, fill):
        await gateway.broker.tell(told)
    order = await gateway.order_of(placed)
    assert (order["order_status"], order["filled_quantity"], order["leaves_quantity"]) == ("NEW", "0", "10")
    (change,) = await gateway.all("positions/AAPL/explanation")
    assert (change["reported_quantity"], change["quantity_delta"], len(change["amendments"])) == ("4", "0", 1)
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


# --- how often ------------------------------------------------------------------------------------------------------


async def test_an_accounts_own_interval_is_set_by_rest_and_followed_at_once(gateway: Site) -> None:
    """The gateway reconciles when asked only; its timer follows, and stops again."""
    url = f"/v1/controls/accounts/{gateway.account_id}/reconciliation"

    async def put(seconds: int | None, *, key: str = "", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()} | ({"x-api-key": key} if key else {})
        return await gateway.client.put(url, json={"reconcile_s": seconds}, headers=named)

    first = await put(1)
    assert first.status_code == 200, first.text
    break_schemas.Interval.model_validate_json(first.content)
    assert (first.json()["reconcile_s"], first.json()["version"]) == (1, 1)
    await gateway.until("reconciliations", lambda run: run["trigger"] == "TIMER")
    required, conflict = await put(0), await put(0, if_match="7")
    assert (required.status_code, required.json()["code"]) == (428, "version_required")
    assert (conflict.status_code, conflict.json()["code"], conflict.json()["version"]) == (412, "version_conflict", 1)
    assert (await gateway.client.get(gateway.path)).json()["reconcile_s"] == 1
    twice = await asyncio.gather(put(0, if_match='"1"'), put(0, if_match="1"))
    assert sorted(answer.status_code for answer in twice) == [200, 412]
    shown = (await gateway.client.get(gateway.path)).json()
    assert (shown["reconcile_s"], shown["reconcile_version"]) == (0, 2)
    assert (await put(None, if_match="2")).json()["reconcile_s"] is None
    for bad in (-1, 1_000_001, "15", 1.5):
        assert (await put(bad, if_match="3")).status_code == 422  # type: ignore[arg-type]
    assert (await gateway.client.put(url, json={})).status_code == 422
    assert (await put(5, key=gateway.read_key)).status_code == 403
    assert (await put(5, key=gateway.foreign_key)).json()["code"] == "account_not_found"
    lines = (await gateway.client.get("/v1/audit")).json()["data"]
    changes = [line["detail"] for line in lines if line["action"] == "account.changed"]
    assert changes == [
        {"reconcile_s": "", "version": "3"},
        {"reconcile_s": "0", "version": "2"},
        {"reconcile_s": "1", "version": "1"},
    ]
