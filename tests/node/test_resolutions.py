"""What a person decides about a break: refused where it does not fit, booked once, and nobody else's business."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from dropcopyd.domain.instrument import Equity
from dropcopyd.domain.report import OrderReport, ReportKind
from dropcopyd.store.admin import Admin
from tests.support.counterparty import Placed, Site, site

UUID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path / "data") as running:
        yield running


async def position_break(gateway: Site, quantity: str = "25") -> str:
    """The id of an open ticket about MSFT."""
    gateway.broker.positions["MSFT"] = Decimal(quantity)
    await gateway.reconcile()
    (ticket,) = await gateway.all("breaks", status="OPEN", symbol="MSFT")
    return str(ticket["break_id"])


async def test_the_same_decision_again_is_booked_once(gateway: Site) -> None:
    break_id = await position_break(gateway)
    body = {"quantity_delta": "25", "cost_delta": "1000.50"}
    first = await gateway.resolved(break_id, "BOOK_ADJUSTMENT", **body)
    again = await gateway.resolved(break_id, "BOOK_ADJUSTMENT", **{**body, "quantity_delta": "25.000"})
    assert again == first
    assert await gateway.held("MSFT") == "25"
    other = await gateway.resolve(break_id, "BOOK_ADJUSTMENT", quantity_delta="26")
    assert (other.status_code, other.json()["code"], other.json()["closing"]) == (409, "break_closed", "RESOLVED")


async def test_two_who_decide_at_once_book_once(gateway: Site) -> None:
    break_id = await position_break(gateway)
    answers = await asyncio.gather(*(gateway.resolve(break_id, "BOOK_ADJUSTMENT") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert await gateway.held("MSFT") == "25"
    others = await asyncio.gather(
        *(gateway.resolve(break_id, "BOOK_ADJUSTMENT", quantity_delta=str(number)) for number in range(1, 4))
    )
    assert {answer.json()["code"] for answer in others} == {"break_closed"}
    assert await gateway.held("MSFT") == "25"


async def test_a_decision_on_figures_that_are_no_more_is_refused(gateway: Site) -> None:
    """The position has moved since the ticket was seen: what to book by its figures is not known any more."""
    break_id = await position_break(gateway)
    placed = await gateway.order("10", symbol="MSFT")
    told = gateway.broker.fill(placed, "10")
    await gateway.broker.tell(told)
    await gateway.until("positions", lambda position: position["symbol"] == "MSFT" and position["quantity"] == "10")
    refused = await gateway.resolve(break_id, "BOOK_ADJUSTMENT")
    assert (refused.status_code, refused.json()["code"], refused.json()["ours"]) == (409, "break_changed", "10")
    await gateway.reconcile()
    await gateway.resolved(break_id, "BOOK_ADJUSTMENT")
    assert await gateway.held("MSFT") == "35"
    assert (await gateway.reconcile())["verdict"] == "AGREED"


async def missing_fill(gateway: Site) -> tuple[Placed, OrderReport, str]:
    """An order of which the broker says 4 are filled and lists no execution; the report of it, and the ticket."""
    placed = await gateway.order("10")
    missing = gateway.broker.fill(placed, "4", "101")
    placed.executions.remove(missing)
    await gateway.reconcile()
    (ticket,) = await gateway.all("breaks", status="OPEN", kind="QUANTITY")
    return placed, missing, str(ticket["break_id"])


async def told(gateway: Site, placed: Placed, report: OrderReport) -> None:
    placed.executions.append(report)
    await gateway.broker.tell(report)
    await gateway.until("trades", lambda trade: trade["exec_id"] == report.exec_id)


async def test_a_placeholder_after_the_real_execution_is_refused(gateway: Site) -> None:
    """It came while a person looked at the break; by either ticket it would be counted twice."""
    placed, missing, break_id = await missing_fill(gateway)
    await told(gateway, placed, missing)
    order_id = (await gateway.order_of(placed))["order_id"]
    for one in await gateway.all("breaks", status="OPEN"):
        body = {"order_id": order_id, "quantity": "4", "price": "101"}
        refused = await gateway.resolve(one["break_id"], "BOOK_EXECUTION", **body)
        assert (refused.status_code, refused.json()["code"]) == (409, "break_changed")
    assert await gateway.held() == (await gateway.order_of(placed))["filled_quantity"] == "4"
    assert (await gateway.reconcile())["verdict"] == "AGREED"
    closed = await gateway.resolve(break_id, "BOOK_EXECUTION", quantity="4", price="101")
    assert (closed.json()["code"], closed.json()["closing"]) == ("break_closed", "AGREED")


async def test_two_tickets_of_one_missing_fill_book_it_once(gateway: Site) -> None:
    """The order's and the position's, decided about by two people."""
    placed, _, break_id = await missing_fill(gateway)
    (position,) = await gateway.all("breaks", status="OPEN", kind="POSITION")
    body = {"order_id": (await gateway.order_of(placed))["order_id"], "quantity": "4", "price": "101"}
    answers = await asyncio.gather(
        *(gateway.resolve(one, "BOOK_EXECUTION", **body) for one in (break_id, position["break_id"]))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert await gateway.held() == "4"


async def test_a_placeholder_stands_over_a_restart_until_the_real_one_comes(tmp_path: Path) -> None:
    async with site(tmp_path / "data") as gateway:
        placed, missing, break_id = await missing_fill(gateway)
        await gateway.resolved(break_id, "BOOK_EXECUTION", quantity="4", price="101")
        broker = gateway.broker
    async with site(tmp_path / "data", broker=broker) as gateway:
        assert await gateway.held() == "4"
        await told(gateway, placed, missing)
        assert await gateway.held() == (await gateway.order_of(placed))["filled_quantity"] == "4"
        assert (await gateway.reconcile())["verdict"] == "AGREED"
    placed.executions.remove(missing)
    bust = replace(missing, kind=ReportKind.BUST, exec_id="B1", exec_ref_id=missing.exec_id, cumulative_quantity=None)
    placed.filled, broker.positions["AAPL"] = Decimal(0), Decimal(0)
    async with site(tmp_path / "data", broker=broker) as gateway:
        await gateway.broker.tell(bust)
        await gateway.until("positions", lambda position: position["quantity"] == "0")
        assert (await gateway.order_of(placed))["filled_quantity"] == "0"
        assert (await gateway.reconcile())["verdict"] == "AGREED"


async def test_a_real_execution_that_comes_while_the_gateway_is_down_takes_its_place(tmp_path: Path) -> None:
    async with site(tmp_path / "data") as gateway:
        placed, missing, break_id = await missing_fill(gateway)
        await gateway.resolved(break_id, "BOOK_EXECUTION", quantity="4", price="101")
        broker = gateway.broker
    placed.executions.append(missing)
    async with site(tmp_path / "data", broker=broker) as gateway:
        assert await gateway.held() == (await gateway.order_of(placed))["filled_quantity"] == "4"
        assert {trade["exec_id"] for trade in await gateway.all("trades")} >= {missing.exec_id}
        assert (await gateway.reconcile())["verdict"] == "AGREED"


async def test_a_placeholder_that_was_a_mistake_is_taken_back(gateway: Site) -> None:
    placed, _, break_id = await missing_fill(gateway)
    await gateway.resolved(break_id, "BOOK_EXECUTION", quantity="9", price="101")
    await gateway.reconcile()
    (ticket,) = await gateway.all("breaks", status="OPEN", kind="QUANTITY")
    assert (ticket["ours"], ticket["theirs"], "BOOK_CORRECTION" in ticket["actions"]) == ("9", "4", True)
    asked = await gateway.resolve(ticket["break_id"], "BOOK_CORRECTION")
    assert (asked.status_code, asked.json()["pointer"]) == (422, "/quantity")
    await gateway.resolved(ticket["break_id"], "BOOK_CORRECTION", quantity="4")
    assert await gateway.held() == (await gateway.order_of(placed))["filled_quantity"] == "4"
    assert (await gateway.reconcile())["verdict"] == "AGREED"


async def test_the_brokers_figure_of_an_execution_that_was_corrected_meanwhile_is_not_booked(gateway: Site) -> None:
    placed = await gateway.order("10")
    first = gateway.broker.fill(placed, "4")
    await gateway.broker.tell(first)
    placed.executions[0] = replace(first, last_price=Decimal(101))
    await gateway.reconcile()
    (ticket,) = await gateway.all("breaks", status="OPEN", kind="PRICE")
    real = replace(first, kind=ReportKind.CORRECTION, exec_id="C1", exec_ref_id=first.exec_id, last_price=Decimal(102))
    await gateway.broker.tell(real)
    await gateway.until("positions", lambda position: position["average_cost"] == "102")
    refused = await gateway.resolve(ticket["break_id"], "BOOK_CORRECTION")
    assert (refused.status_code, refused.json()["code"], refused.json()["ours"]) == (409, "break_changed", "102")
    assert (await gateway.order_of(placed))["average_price"] == "102"
    await gateway.resolved(ticket["break_id"], "BOOK_CORRECTION", price="101")
    assert (await gateway.order_of(placed))["average_price"] == "101"


async def test_an_order_that_lives_on_meanwhile_is_not_closed_by_hand(gateway: Site) -> None:
    placed = await gateway.order("10")
    placed.is_open, gateway.broker.is_mute = False, True
    await gateway.reconcile()
    (ticket,) = await gateway.all("breaks", status="OPEN")
    placed.is_open = True
    await gateway.broker.tell(gateway.broker.fill(placed, "4"))
    await gateway.until("positions", lambda position: position["quantity"] == "4")
    refused = await gateway.resolve(ticket["break_id"], "CLOSE_ORDER")
    assert (refused.status_code, refused.json()["code"]) == (409, "break_changed")
    assert (await gateway.order_of(placed))["order_status"] == "PARTIALLY_FILLED"


async def test_an_accepted_break_is_decided_about_by_the_figures_it_has_now(gateway: Site) -> None:
    """Both sides moved together; the difference is the accepted one."""
    break_id = await position_break(gateway)
    await gateway.resolved(break_id, "ACCEPT")
    placed = await gateway.order("10", symbol="MSFT")
    await gateway.broker.tell(gateway.broker.fill(placed, "10"))
    await gateway.until("positions", lambda position: position["symbol"] == "MSFT" and position["quantity"] == "10")
    await gateway.reconcile()
    ticket = await gateway.get(f"breaks/{break_id}")
    assert (ticket["status"], ticket["ours"], ticket["theirs"]) == ("ACCEPTED", "10", "35")
    await gateway.resolved(break_id, "BOOK_ADJUSTMENT")
    assert await gateway.held("MSFT") == "35"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "CLOSE_ORDER"}, "/action"),
        ({"action": "BOOK_CORRECTION"}, "/order_id"),
        ({"action": "NOTHING"}, "/action"),
        ({"action": "ACCEPT", "reason": ""}, "/reason"),
        ({"action": "BOOK_EXECUTION", "quantity": "1", "price": "1"}, "/order_id"),
        ({"action": "BOOK_EXECUTION", "order_id": UUID, "quantity": "1", "price": "1"}, "/order_id"),
        ({"action": "BOOK_ADJUSTMENT", "quantity_delta": 25}, "/quantity_delta"),
        ({"action": "BOOK_ADJUSTMENT", "quantity_delta": "1e3"}, "/quantity_delta"),
        ({"action": "BOOK_ADJUSTMENT", "kind": "SPLIT"}, "/kind"),
        ({"action": "BOOK_ADJUSTMENT", "unknown": "1"}, "/unknown"),
        ({"action": "BOOK_EXECUTION", "executed_at": "yesterday"}, "/executed_at"),
    ],
)
async def test_what_does_not_fit_is_refused_and_books_nothing(
    gateway: Site, body: dict[str, Any], pointer: str
) -> None:
    break_id = await position_break(gateway)
    url = f"{gateway.path}/breaks/{break_id}/resolution"
    answer = await gateway.client.post(url, json={"reason": "because", **body})
    assert (answer.status_code, answer.json()["pointer"]) == (422, pointer), answer.text
    (ticket,) = await gateway.all("breaks", status="OPEN")
    assert ticket["resolution"] is None
    assert await gateway.held("MSFT") == "0"


async def test_a_placeholder_of_another_instrument_or_size_is_refused(gateway: Site) -> None:
    break_id = await position_break(gateway)
    other = await gateway.order_of(await gateway.order("10", symbol="AAPL"))
    answer = await gateway.resolve(break_id, "BOOK_EXECUTION", order_id=other["order_id"], quantity="10", price="100")
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/order_id")
    right = await gateway.order_of(await gateway.order("30", symbol="MSFT"))
    await gateway.reconcile()
    for missing in ({"price": "100"}, {"quantity": "0", "price": "100"}, {"quantity": "25"}):
        answer = await gateway.resolve(break_id, "BOOK_EXECUTION", order_id=right["order_id"], **missing)
        assert answer.status_code == 422
    later = {"quantity": "25", "price": "100", "executed_at": "2200-01-01T00:00:00Z"}
    answer = await gateway.resolve(break_id, "BOOK_EXECUTION", order_id=right["order_id"], **later)
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/executed_at")
    await gateway.resolved(break_id, "BOOK_EXECUTION", order_id=right["order_id"], quantity="25", price="100")
    assert await gateway.held("MSFT") == "25"


async def test_what_the_catalogue_does_not_have_can_be_accepted_only(gateway: Site) -> None:
    gateway.broker.positions["QQQ"] = Decimal(3)
    await gateway.reconcile()
    (ticket,) = await gateway.all("breaks", status="OPEN", symbol="QQQ")
    answer = await gateway.resolve(ticket["break_id"], "BOOK_ADJUSTMENT")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_symbol")
    assert (await gateway.resolved(ticket["break_id"], "ACCEPT"))["status"] == "ACCEPTED"


async def test_an_instrument_that_was_imported_meanwhile_is_booked_and_explained(gateway: Site) -> None:
    """Its symbol has a slash."""
    gateway.broker.positions["BRK/B"] = Decimal(3)
    await gateway.reconcile()
    (ticket,) = await gateway.all("breaks", status="OPEN", symbol="BRK/B")
    admin = Admin(gateway.folder, 1)
    admin.add_instruments([Equity(symbol="BRK/B")])
    admin.close()
    await gateway.resolved(ticket["break_id"], "BOOK_ADJUSTMENT", cost_delta="1200")
    for path in ("positions/BRK%2FB/explanation", "positions/BRK/B/explanation"):
        chain = await gateway.get(path)
        assert [change["after"]["average_cost"] for change in chain["data"]] == ["400"]


async def test_what_a_broker_said_that_cannot_be_is_a_break_too(gateway: Site) -> None:
    """An execution told twice with different figures: it is counted on, and can be acknowledged."""
    placed = await gateway.order("10")
    told = gateway.broker.fill(placed, "4")
    await gateway.broker.tell(told)
    for price in ("101", "102"):
        await gateway.broker.tell(replace(told, last_price=Decimal(price)))
    ticket = await gateway.until("breaks", lambda one: one["times"] == 2)
    assert (ticket["kind"], ticket["actions"], ticket["ours"]) == ("EXECUTION_DIFFERS", ["ACCEPT"], None)
    first = await gateway.resolved(ticket["break_id"], "ACCEPT", reason="a test message of theirs")
    assert (first["status"], first["closing"]) == ("CLOSED", "RESOLVED")
    await gateway.broker.tell(replace(told, last_price=Decimal(103)))
    again = await gateway.until("breaks", lambda one: one["times"] == 3)
    assert (again["break_id"], again["status"]) == (ticket["break_id"], "CLOSED")
    assert await gateway.resolved(ticket["break_id"], "ACCEPT", reason="a test message of theirs") == again


async def test_every_decision_is_in_the_audit_log(gateway: Site) -> None:
    break_id = await position_break(gateway)
    await gateway.resolved(break_id, "BOOK_ADJUSTMENT", reason="statement of the 24th", cost_delta="5")
    lines = (await gateway.client.get("/v1/audit")).json()["data"]
    resolved, asked = lines[0], lines[1]
    assert (resolved["action"], resolved["subject"]) == ("break.resolved", break_id)
    assert resolved["detail"] == {
        "kind": "POSITION",
        "action": "BOOK_ADJUSTMENT",
        "reason": "statement of the 24th",
        "cost_delta": "5",
        "booked": f"break:{break_id}",
    }
    assert (asked["action"], asked["account_id"]) == ("reconciliation.asked", gateway.account_id)
    assert asked["principal_id"] == resolved["principal_id"] != "gateway"


async def test_nobody_else_sees_or_decides(gateway: Site) -> None:
    break_id = await position_break(gateway)
    run = await gateway.reconcile()
    paths = [
        ("GET", "breaks"),
        ("GET", f"breaks/{break_id}"),
        ("POST", f"breaks/{break_id}/resolution"),
        ("GET", "reconciliations"),
        ("GET", f"reconciliations/{run['reconciliation_id']}"),
        ("POST", "reconciliations"),
        ("GET", "positions/MSFT/explanation"),
    ]
    base = str(gateway.client.base_url)
    body = {"action": "ACCEPT", "reason": "mine"}
    async with httpx2.AsyncClient(base_url=base, headers={"x-api-key": gateway.foreign_key}) as stranger:
        for method, path in paths:
            answer = await stranger.request(method, f"{gateway.path}/{path}", json=body if method == "POST" else None)
            assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found"), path
    async with httpx2.AsyncClient(base_url=base, headers={"x-api-key": gateway.read_key}) as reader:
        for method, path in paths[:-1]:
            answer = await reader.request(method, f"{gateway.path}/{path}", json=body if method == "POST" else None)
            expected = 200 if method == "GET" else 403
            assert answer.status_code == expected, path
    (ticket,) = await gateway.all("breaks", status="OPEN")
    assert ticket["resolution"] is None


async def test_what_is_not_there_is_named(gateway: Site) -> None:
    for path, code in (
        (f"breaks/{UUID}", "break_not_found"),
        (f"reconciliations/{UUID}", "reconciliation_not_found"),
        ("positions/MSFT/explanation", "position_not_found"),
        ("positions/MSFT/explanation?asset_class=EQUITY", "position_not_found"),
    ):
        answer = await gateway.client.get(f"{gateway.path}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, code)
    answer = await gateway.resolve(UUID, "ACCEPT")
    assert (answer.status_code, answer.json()["code"]) == (404, "break_not_found")


async def test_lists_are_walked_by_cursor_in_both_directions(gateway: Site) -> None:
    for symbol in ("MSFT", "AAPL", "SPY", "GOOG", "NVDA"):
        gateway.broker.positions[symbol] = Decimal(1)
        await gateway.reconcile()
    for path in ("breaks", "reconciliations"):
        down, up = await gateway.all(path, limit=2), await gateway.all(path, limit=2, order="asc")
        assert len(down) >= 5
        assert up == down[::-1]
    assert [one["symbol"] for one in await gateway.all("breaks", symbol="SPY")] == ["SPY"]
    for query in ({"kind": "NONSENSE"}, {"status": "open"}, {"nothing": "1"}):
        answer = await gateway.client.get(f"{gateway.path}/breaks", params=query)
        assert answer.status_code == 422
