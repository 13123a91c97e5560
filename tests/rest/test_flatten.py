"""The routes of flatten, armings and risk: what they answer and refuse."""

from pathlib import Path
from typing import Any

import pytest

from dropcopyd.rest import flatten_schemas, risk_schemas
from tests.doubles import ManualClock
from tests.rest.gateway import PATIENT, Gateway, Tenants, create, opened


async def test_a_flatten_is_a_resource_and_one_at_a_time(gateway: Gateway) -> None:
    intent_id = await gateway.create()
    begun = await gateway.client.post(f"{gateway.account}/flatten", json={"reason": "enough", "timeout_s": 30})
    assert begun.status_code == 202, begun.text
    flatten_schemas.Flatten.model_validate_json(begun.content)
    assert begun.headers["location"] == f"{gateway.account}/flattens/{begun.json()['flatten_id']}"
    again = await gateway.client.post(f"{gateway.account}/flatten", json={})
    assert again.json()["flatten_id"] == begun.json()["flatten_id"]
    refused = await gateway.submit(create())
    assert (refused.status_code, refused.json()["control"]) == (403, "flattening")
    evaluated = await gateway.client.post("/v1/controls/evaluate", json={"account_id": gateway.tenants.account_id})
    assert [one["control"] for one in evaluated.json()["triggered"]] == ["flattening"]
    await gateway.dependencies.flattener.turn()
    found = await gateway.client.get(begun.headers["location"])
    assert (found.status_code, found.json()["status"], found.json()["positions"]) == (200, "DONE", [])
    order = next(one for one in (await gateway.get("orders"))["data"] if one["intent_id"] == intent_id)
    assert (order["order_status"], order["reason_code"]) == ("REJECTED", "flattening"), "it had not left yet"
    assert (await gateway.submit(create())).status_code == 201
    other = f"/v1/accounts/{gateway.tenants.second_account_id}/flattens/{begun.json()['flatten_id']}"
    foreign = await gateway.client.get(other)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "flatten_not_found")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [([], ""), ({"timeout_s": 0}, "/timeout_s"), ({"timeout_s": 3_601}, "/timeout_s"), ({"reason": 1}, "/reason"),
     ({"x": 1}, "/x")],
)  # fmt: skip
async def test_bad_bodies_name_their_member(gateway: Gateway, body: Any, pointer: str) -> None:
    answer = await gateway.client.post(f"{gateway.account}/flatten", json=body)
    assert (answer.status_code, answer.json().get("pointer", "")) == (422, pointer)


async def test_scopes_and_tenants(gateway: Gateway) -> None:
    read, edit = {"x-api-key": gateway.tenants.read_key}, {"x-api-key": gateway.tenants.edit_key}
    foreign = {"x-api-key": gateway.tenants.foreign_key}
    flatten, armings, risk = (f"{gateway.account}/{name}" for name in ("flatten", "armings", "risk"))
    assert (await gateway.client.post(flatten, json={}, headers=read)).status_code == 403
    assert (await gateway.client.post(flatten, json={}, headers=foreign)).status_code == 404
    assert (await gateway.client.delete(armings, headers=read)).status_code == 403
    assert (await gateway.client.delete(armings, headers=edit)).status_code == 204
    for path in (armings, risk):
        assert (await gateway.client.get(path, headers=edit)).status_code == 403
        assert (await gateway.client.get(path, headers=foreign)).status_code == 404
        assert (await gateway.client.get(path, headers=read)).status_code == 200


async def test_risk_says_what_is_not_known(gateway: Gateway) -> None:
    answer = await gateway.client.get(f"{gateway.account}/risk")
    risk_schemas.AccountRisk.model_validate_json(answer.content)
    assert answer.json()["currencies"] == []


async def test_losses_are_not_watched_of_a_symbol(gateway: Gateway) -> None:
    answer = await gateway.client.put("/v1/controls/symbols/AAPL/limits", json={"daily_loss_max": "1"})
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/daily_loss_max")


async def flattened(gateway: Gateway, reason: str) -> str:
    """A flatten from its begin to its end."""
    begun = await gateway.client.post(f"{gateway.account}/flatten", json={"reason": reason})
    await gateway.dependencies.flattener.turn()
    return str(begun.json()["flatten_id"])


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_flattens_are_walked_in_pages_both_ways(tmp_path: Path, tenants: Tenants, order: str) -> None:
    """Several that began in one moment, too; what begins meanwhile disturbs no page."""
    clock = ManualClock()
    async with opened(tmp_path, tenants, PATIENT, clock) as gateway:
        ids = []
        for number in range(7):
            ids.append(await flattened(gateway, str(number)))
            clock.advance(number % 2)
        expected = [one["flatten_id"] for one in (await gateway.get("flattens", order=order))["data"]]
        assert sorted(expected) == sorted(ids)
        walked: list[str] = []
        query: dict[str, Any] = {"limit": 2, "order": order}
        while True:
            page = await gateway.get("flattens", **query)
            flatten_schemas.FlattenPage.model_validate(page)
            walked += [one["flatten_id"] for one in page["data"]]
            if page["next_cursor"] is None:
                break
            query["next_cursor"] = page["next_cursor"]
            if order == "desc":
                clock.advance(1)
                await flattened(gateway, "meanwhile")
        assert walked == expected
        times = [one["started_at"] for one in (await gateway.get("flattens", order="asc"))["data"]]
        assert times == sorted(times)
        since = await gateway.get("flattens", order="asc", since=times[3], until=times[6])
        assert [one["started_at"] for one in since["data"]] == [at for at in times if times[3] <= at < times[6]]
        other = {"next_cursor": (await gateway.get("flattens", limit=1))["next_cursor"], "order": "asc"}
        refused = await gateway.client.get(f"{gateway.account}/flattens", params=other)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_cursor")
        second = f"/v1/accounts/{tenants.second_account_id}/flattens"
        assert (await gateway.client.get(second)).json() == {"data": [], "next_cursor": None}
        foreign = await gateway.client.get(f"{gateway.account}/flattens", headers={"x-api-key": tenants.foreign_key})
        assert foreign.status_code == 404


async def test_the_flatten_under_way_is_listed_as_it_is(gateway: Gateway) -> None:
    begun = (await gateway.client.post(f"{gateway.account}/flatten", json={})).json()
    assert (await gateway.get("flattens"))["data"] == [begun]
