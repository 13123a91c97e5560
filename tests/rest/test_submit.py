"""Submits: each command becomes a durable action, readable as it was asked."""

import asyncio
import re
from pathlib import Path

import httpx2
import pytest

from dropcopyd.domain.limits import Limits
from dropcopyd.domain.report import OrderReport, ReportKind
from tests.doubles import ManualClock
from tests.rest.gateway import Gateway, Tenants, cancel, create, opened, replace

NO_INTENT = "00000000-0000-4000-8000-000000000000"


async def test_a_create_is_answered_with_its_intent_and_reads_back_as_asked(gateway: Gateway) -> None:
    spec = {"Limit": {"price": "187.20", "quantity": "010.50", "time_in_force": "GOOD_TILL_CANCEL"}}
    body = create(symbol="SPY", spec=spec, order_side="SELL_SHORT", order_venue="ARCA", asset_class="EQUITY")
    body |= {"client_reference_id": "réf 1", "strategy_id": "s-1"}
    answer = await gateway.submit(body)
    assert answer.status_code == 201
    assert list(answer.json()) == ["intent_id"]
    intent_id = answer.json()["intent_id"]
    assert answer.headers["location"] == f"{gateway.account}/intents/{intent_id}"
    action = await gateway.get(f"intents/{intent_id}")
    order = (await gateway.get("orders"))["data"][0]
    times = {name: action.pop(name) for name in ("received_at", "created_at", "outcome_at")}
    assert action == {
        "account_id": gateway.tenants.account_id,
        "organization_id": gateway.tenants.organization_id,
        "intent_id": intent_id,
        "seq": 1,
        "action_type": "CREATE",
        "symbol": "SPY",
        "order_side": "SELL_SHORT",
        "order_type": "LIMIT",
        "quantity": "10.5",
        "limit_price": "187.2",
        "stop_price": None,
        "trail_amount": None,
        "trail_percent": None,
        "order_venue": "ARCA",
        "time_in_force": "GOOD_TILL_CANCEL",
        "client_reference_id": "réf 1",
        "principal_type": "API_KEY",
        "order_id": order["order_id"],
        "strategy_id": "s-1",
        "outcome": "PENDING",
        "outcome_reason_code": None,
        "outcome_reason": None,
    }
    assert times["received_at"] <= times["created_at"] == times["outcome_at"] == order["created_at"]
    assert (order["order_status"], order["leaves_quantity"]) == ("PENDING_NEW", "10.5")


async def test_defaults_are_day_and_smart(gateway: Gateway) -> None:
    action = await gateway.get(f"intents/{await gateway.create()}")
    assert (action["order_type"], action["time_in_force"], action["order_venue"]) == ("MARKET", "DAY", "SMART")
    assert action["limit_price"] is None
    named = {"asset_class": None, "order_venue": None, "valid_until": None}
    action = await gateway.get(f"intents/{await gateway.create(**named)}")
    assert (action["time_in_force"], action["order_venue"]) == ("DAY", "SMART")


async def test_amounts_are_kept_to_the_last_digit(gateway: Gateway) -> None:
    quantity, price = "99999999999999999999.999999999999999999", "0.000000000000000001"
    spec = {"Limit": {"price": price, "quantity": quantity, "time_in_force": "DAY"}}
    action = await gateway.get(f"intents/{await gateway.create(spec=spec)}")
    assert (action["quantity"], action["limit_price"]) == (quantity, price)


async def test_replace_and_cancel_append_to_the_chain_and_answer_its_id(gateway: Gateway) -> None:
    intent_id = await gateway.create()
    for body in (replace(intent_id, quantity="7"), cancel(intent_id.upper())):
        answer = await gateway.submit(body)
        assert (answer.status_code, answer.json()) == (201, {"intent_id": intent_id})
    actions = (await gateway.get(f"intents/{intent_id}/actions"))["data"]
    assert [(action["seq"], action["action_type"]) for action in actions] == [
        (1, "CREATE"),
        (2, "REPLACE"),
        (3, "CANCEL"),
    ]
    assert [action["quantity"] for action in actions] == ["1", "7", "1"]
    assert len({action["order_id"] for action in actions}) == 1
    assert await gateway.get(f"intents/{intent_id}") == actions[-1]


async def test_a_cancel_may_name_the_order(gateway: Gateway) -> None:
    intent_id = await gateway.create()
    order_id = (await gateway.get(f"intents/{intent_id}"))["order_id"]
    body = {"command": {"action_type": "CANCEL", "payload": {"ref_order_id": order_id, "ref_intent_id": None}}}
    assert (await gateway.submit(body)).json() == {"intent_id": intent_id}
    assert (await gateway.get(f"intents/{intent_id}"))["action_type"] == "CANCEL"


async def test_an_amend_of_a_closed_intent_is_durable_and_refused_by_the_broker(gateway: Gateway) -> None:
    intent_id = await gateway.create()
    await gateway.report(intent_id, OrderReport(kind=ReportKind.CANCELLED, broker_command_id=""))
    assert (await gateway.submit(cancel(intent_id))).status_code == 201
    refusal = OrderReport(
        kind=ReportKind.REQUEST_REFUSED, broker_command_id="", reason_code="too_late", reason="the order is closed"
    )
    await gateway.report(intent_id, refusal)
    action = await gateway.get(f"intents/{intent_id}")
    assert (action["outcome"], action["outcome_reason_code"]) == ("REFUSED", "too_late")
    assert action["outcome_reason"] == "the order is closed"


async def test_without_a_broker_a_create_ends_not_sent_and_a_cancel_waits(tmp_path: Path, tenants: Tenants) -> None:
    async with opened(tmp_path, tenants, Limits(dispatch_deadline_s=0.01)) as gateway:
        intent_id = await gateway.create()
        action = await gateway.get(f"intents/{intent_id}")
        while action["outcome"] == "PENDING":
            await asyncio.sleep(0.01)
            action = await gateway.get(f"intents/{intent_id}")
        assert (action["outcome"], action["outcome_reason_code"]) == ("NOT_SENT", "not_sent")
        assert action["outcome_at"] > action["created_at"]
        order = (await gateway.get("orders"))["data"][0]
        assert (order["order_status"], order["reason_code"], order["leaves_quantity"]) == ("REJECTED", "not_sent", "0")
        assert (await gateway.submit(cancel(intent_id))).status_code == 201
        await asyncio.sleep(0.05)
        assert (await gateway.get(f"intents/{intent_id}"))["outcome"] == "PENDING"


async def test_valid_until_in_the_past_is_taken_and_ends_not_sent(gateway: Gateway) -> None:
    """Refused at the edge, a repetition under the same Idempotency-Key could not get its first answer again."""
    body = create(valid_until="2001-01-01T00:00:00+01:00")
    intent_id = (await gateway.submit(body, key="late")).json()["intent_id"]
    while (await gateway.get(f"intents/{intent_id}"))["outcome"] == "PENDING":
        await asyncio.sleep(0.01)
    assert (await gateway.get(f"intents/{intent_id}"))["outcome"] == "NOT_SENT"
    assert (await gateway.submit(body, key="late")).json() == {"intent_id": intent_id}


async def test_valid_until_outlives_the_dispatch_deadline(tmp_path: Path, tenants: Tenants) -> None:
    async with opened(tmp_path, tenants, Limits(dispatch_deadline_s=0.01)) as gateway:
        long_id = await gateway.create(valid_until="2262-04-11T23:47:16.854775807Z")
        short_id = await gateway.create()
        while (await gateway.get(f"intents/{short_id}"))["outcome"] == "PENDING":
            await asyncio.sleep(0.01)
        assert (await gateway.get(f"intents/{long_id}"))["outcome"] == "PENDING"


async def test_times_keep_their_nanoseconds(tmp_path: Path, tenants: Tenants) -> None:
    clock = ManualClock(1_795_000_000_000_000_000 + 1_000_000_007)
    async with opened(tmp_path, tenants, clock=clock) as gateway:
        action = await gateway.get(f"intents/{await gateway.create()}")
    assert action["received_at"] == action["created_at"] == "2026-11-18T11:06:41.000000007Z"


async def test_a_caller_that_leaves_mid_submit_loses_nothing(gateway: Gateway) -> None:
    """Whatever moment it leaves at, the same key finds the one intent or makes it."""
    first = create(order_side="SELL")
    for number in range(20):
        task = asyncio.create_task(gateway.submit(first, key=f"left-{number}"))
        await asyncio.sleep(number / 4_000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    ids = [(await gateway.submit(first, key=f"left-{number}")).json()["intent_id"] for number in range(20)]
    orders = (await gateway.get("orders"))["data"]
    assert sorted(order["intent_id"] for order in orders) == sorted(ids)


async def test_a_reference_stays_with_its_chain(gateway: Gateway) -> None:
    answer = await gateway.submit(create() | {"client_reference_id": "a" * 128, "strategy_id": "momentum"})
    intent_id = answer.json()["intent_id"]
    await gateway.submit(cancel(intent_id) | {"client_reference_id": "other"})
    action = await gateway.get(f"intents/{intent_id}")
    assert (action["client_reference_id"], action["strategy_id"]) == ("a" * 128, "momentum")


@pytest.mark.parametrize("action", [replace, cancel])
async def test_an_unknown_or_foreign_intent_is_not_amended(gateway: Gateway, action: object) -> None:
    assert callable(action)
    foreign = await gateway.client.post(
        f"/v1/accounts/{gateway.tenants.foreign_account_id}/intents",
        json=create(),
        headers={"x-api-key": gateway.tenants.foreign_key},
    )
    texts = set()
    for intent_id in (NO_INTENT, foreign.json()["intent_id"]):
        answer = await gateway.submit(action(intent_id))
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (404, "intent_not_found")
        assert problem["pointer"] == "/command/payload/ref_intent_id"
        texts.add(re.sub(intent_id, "ID", answer.text))
    assert len(texts) == 1


async def test_an_intent_of_another_own_account_is_not_amended(gateway: Gateway) -> None:
    intent_id = await gateway.create()
    path = f"/v1/accounts/{gateway.tenants.second_account_id}/intents"
    answer = await gateway.client.post(path, json=cancel(intent_id))
    assert (answer.status_code, answer.json()["code"]) == (404, "intent_not_found")
    assert (await gateway.client.get(f"{path}/{intent_id}")).json()["code"] == "intent_not_found"
    assert len((await gateway.get(f"intents/{intent_id}/actions"))["data"]) == 1


async def test_an_unknown_order_is_not_cancelled(gateway: Gateway) -> None:
    body = {"command": {"action_type": "CANCEL", "payload": {"ref_order_id": NO_INTENT}}}
    problem = (await gateway.submit(body)).json()
    assert (problem["status"], problem["code"]) == (404, "order_not_found")
    assert problem["pointer"] == "/command/payload/ref_order_id"


async def test_commands_that_wait_are_bounded_but_cancels_never_are(tmp_path: Path, tenants: Tenants) -> None:
    limits = Limits(dispatch_deadline_s=600, intents_in_flight_per_account=2)
    async with opened(tmp_path, tenants, limits) as gateway:
        intent_id = await gateway.create()
        await gateway.create()
        answer = await gateway.submit(create())
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_in_flight")
        assert answer.headers["retry-after"] == "1"
        assert (await gateway.submit(cancel(intent_id))).status_code == 201


async def test_a_gateway_that_drains_refuses_submits_and_still_reads(gateway: Gateway) -> None:
    intent_id = await gateway.create()
    gateway.intake.is_draining = True
    answer: httpx2.Response = await gateway.submit(create())
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "draining", "5")
    assert (await gateway.get(f"intents/{intent_id}"))["seq"] == 1
