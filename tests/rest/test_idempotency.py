"""Idempotency keys (contract.md section 5): the same command gets the first answer, another one a 409 and where."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.rest.gateway import Gateway, Tenants, cancel, create, opened, replace


def limit_order(**terms: str) -> dict[str, Any]:
    return create(spec={"Limit": {"price": "10", "quantity": "5", "time_in_force": "DAY", **terms}})


async def intents_of(gateway: Gateway) -> list[str]:
    return [order["intent_id"] for order in (await gateway.get("orders"))["data"]]


async def test_the_same_command_gets_the_first_answer(gateway: Gateway) -> None:
    first = await gateway.submit(create(), key="k")
    again = await gateway.submit(create(), key="k")
    assert (again.status_code, again.json(), again.headers["location"]) == (
        first.status_code,
        first.json(),
        first.headers["location"],
    )
    assert await intents_of(gateway) == [first.json()["intent_id"]]


async def test_without_a_key_each_submit_is_its_own(gateway: Gateway) -> None:
    body = create() | {"client_reference_id": "the same"}
    ids = {(await gateway.submit(body)).json()["intent_id"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (limit_order(price="10"), limit_order(price="10.000")),
        (limit_order(quantity="5"), limit_order(quantity="0005.0")),
        (create(), create(order_venue="SMART", valid_until=None, asset_class=None)),
        (create(), create(spec={"Market": {"time_in_force": "DAY", "quantity": "1.0"}})),
        (create(), dict(reversed(create().items())) | {"client_reference_id": None}),
        (create(valid_until="2100-01-01T00:00:00Z"), create(valid_until="2100-01-01T02:00:00.0+02:00")),
    ],
)
async def test_commands_are_compared_by_value(gateway: Gateway, first: Any, second: Any) -> None:
    answers = [await gateway.submit(body, key="k") for body in (first, second, first)]
    assert [answer.status_code for answer in answers] == [201, 201, 201], answers[1].text
    assert await intents_of(gateway) == [answers[0].json()["intent_id"]] == [answers[1].json()["intent_id"]]


@pytest.mark.parametrize(
    ("second", "pointer"),
    [
        (limit_order(price="10.000000000000000001"), "/command/payload/spec/Limit/price"),
        (limit_order(quantity="6", price="11"), "/command/payload/spec/Limit/quantity"),
        (limit_order(time_in_force="GOOD_TILL_CANCEL"), "/command/payload/spec/Limit/time_in_force"),
        (create(), "/command/payload/spec"),
        (create(symbol="SPY"), "/command/payload/symbol"),
        (limit_order() | {"strategy_id": "s"}, "/strategy_id"),
        (limit_order() | {"client_reference_id": "c"}, "/client_reference_id"),
        (cancel("00000000-0000-4000-8000-000000000000"), "/command/action_type"),
    ],
)
async def test_another_command_under_the_key_is_refused(gateway: Gateway, second: Any, pointer: str) -> None:
    first = await gateway.submit(limit_order(), key="k")
    if second["command"]["action_type"] == "CANCEL":
        second = cancel(first.json()["intent_id"])
    answer = await gateway.submit(second, key="k")
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["pointer"]) == (409, "idempotency_key_reused", pointer)
    assert problem["intent_id"] == first.json()["intent_id"]
    assert await intents_of(gateway) == [first.json()["intent_id"]]
    assert (await gateway.submit(limit_order(), key="k")).json() == first.json()


async def test_twins_at_once_make_one_intent(gateway: Gateway) -> None:
    answers = await asyncio.gather(*(gateway.submit(create(), key="twin") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    ids = {answer.json()["intent_id"] for answer in answers}
    assert await intents_of(gateway) == list(ids)


async def test_of_two_different_twins_one_wins(gateway: Gateway) -> None:
    answers = await asyncio.gather(*(gateway.submit(create(order_side=side), key="k") for side in ("BUY", "SELL")))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    winner = next(answer for answer in answers if answer.status_code == 201)
    loser = next(answer for answer in answers if answer.status_code == 409)
    assert loser.json()["pointer"] == "/command/payload/order_side"
    assert await intents_of(gateway) == [winner.json()["intent_id"]]


async def test_keys_of_replace_and_cancel(gateway: Gateway) -> None:
    intent_id = await gateway.create()
    for _ in range(2):
        assert (await gateway.submit(replace(intent_id), key="r")).json() == {"intent_id": intent_id}
        assert (await gateway.submit(cancel(intent_id), key="c")).json() == {"intent_id": intent_id}
    actions = (await gateway.get(f"intents/{intent_id}/actions"))["data"]
    assert [action["action_type"] for action in actions] == ["CREATE", "REPLACE", "CANCEL"]


async def test_a_key_survives_a_restart(tmp_path: Path, tenants: Tenants) -> None:
    async with opened(tmp_path, tenants) as gateway:
        first = await gateway.submit(limit_order(), key="kept")
    async with opened(tmp_path, tenants) as gateway:
        assert (await gateway.submit(limit_order(price="10.0"), key="kept")).json() == first.json()
        assert (await gateway.submit(limit_order(price="11"), key="kept")).status_code == 409
        assert await intents_of(gateway) == [first.json()["intent_id"]]


async def test_a_refused_submit_does_not_use_its_key_up(gateway: Gateway) -> None:
    assert (await gateway.submit(create(symbol="NOPE"), key="k")).status_code == 422
    assert (await gateway.submit(create(), key="k")).status_code == 201


async def test_keys_are_per_account(gateway: Gateway) -> None:
    path = f"/v1/accounts/{gateway.tenants.second_account_id}/intents"
    first = await gateway.submit(create(), key="k")
    second = await gateway.client.post(path, json=create(order_side="SELL"), headers={"idempotency-key": "k"})
    assert (second.status_code, second.json() != first.json()) == (201, True)


@pytest.mark.parametrize("key", ["", "a" * 256, "é", "a\tb"])
async def test_an_unusable_key_is_refused(gateway: Gateway, key: str) -> None:
    headers = [(b"idempotency-key", key.encode("latin-1"))]
    answer = await gateway.client.post(f"{gateway.account}/intents", json=create(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")
    assert await intents_of(gateway) == []


async def test_two_keys_are_refused(gateway: Gateway) -> None:
    headers = [("idempotency-key", "a"), ("idempotency-key", "a")]
    answer = await gateway.client.post(f"{gateway.account}/intents", json=create(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")


async def test_the_longest_key(gateway: Gateway) -> None:
    key = "!" + " " * 253 + "~"
    first = await gateway.submit(create(), key=key)
    again = await gateway.submit(create(), key=key)
    assert (first.status_code, again.json()) == (201, first.json())
