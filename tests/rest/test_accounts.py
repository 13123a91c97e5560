"""The organization and its accounts by REST: opened, renamed, disabled; what a disabled account still does."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dropcopyd.rest import account_schemas, admin_bodies
from dropcopyd.store.admin import Admin
from dropcopyd.system import SystemClock
from tests.rest.gateway import Gateway, cancel, create, replace


async def add(gateway: Gateway, **body: Any) -> Any:
    return await gateway.client.post("/v1/accounts", json={"name": "new", **body})


async def test_an_account_is_opened_and_trades_at_once(gateway: Gateway) -> None:
    paper = {"profile": "realistic", "seed": 7, "cash": {"USD": "1000"}, "parameters": {"participation": "0.5"}}
    answer = await add(gateway, broker="PAPER", paper=paper, time_zone="America/New_York", roll_time="17:00")
    assert answer.status_code == 201, answer.text
    account = account_schemas.Account.model_validate_json(answer.content)
    assert answer.headers["location"] == f"/v1/accounts/{account.account_id}"
    assert (account.name, account.time_zone, account.roll_time) == ("new", "America/New_York", "17:00")
    assert account.disabled_at is None
    found = await gateway.store.find_account(account.account_id)
    assert found is not None
    assert '"seed":7' in found.broker_settings
    submitted = await gateway.client.post(f"/v1/accounts/{account.account_id}/intents", json=create())
    assert submitted.status_code == 201
    listed = (await gateway.client.get("/v1/accounts")).json()["data"]
    assert account.account_id in {one["account_id"] for one in listed}
    line = (await gateway.client.get("/v1/audit")).json()["data"][0]
    assert (line["action"], line["account_id"]) == ("account.created", account.account_id)
    assert line["principal_id"] == gateway.tenants.key.split("_")[1]


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({"name": ""}, 422, "invalid_argument", "/name"),
        ({"name": "first"}, 409, "name_in_use", None),
        ({"broker": "ALPACA"}, 422, "not_supported", None),
        ({"broker": "X"}, 422, "invalid_argument", "/broker"),
        ({"time_zone": "Mars/Olympus"}, 422, "invalid_argument", "/time_zone"),
        ({"time_zone": "../../etc/passwd"}, 422, "invalid_argument", "/time_zone"),
        ({"roll_time": "24:00"}, 422, "invalid_argument", "/roll_time"),
        ({"paper": {"profile": "lucky"}}, 422, "invalid_argument", "/paper/profile"),
        ({"paper": {"seed": -1}}, 422, "invalid_argument", "/paper/seed"),
        ({"paper": {"cash": {"usd": "1"}}}, 422, "invalid_argument", "/paper"),
        ({"paper": {"parameters": {"luck": "1"}}}, 422, "invalid_argument", "/paper"),
    ],
)
async def test_a_bad_account_is_refused_with_the_member(
    gateway: Gateway, body: Any, status: int, code: str, pointer: str | None
) -> None:
    answer = await add(gateway, **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json().get("pointer") == pointer
    assert len((await gateway.client.get("/v1/accounts")).json()["data"]) == 2


async def test_a_disabled_account_takes_no_orders_but_cancels(gateway: Gateway) -> None:
    intent_id = await gateway.create()
    accepted = await gateway.submit(create(), key="once")
    answer = await gateway.client.post(f"{gateway.account}/disable", json={"reason": "audit"})
    assert answer.status_code == 200
    assert account_schemas.Account.model_validate_json(answer.content).disabled_at is not None
    for body in (create(), replace(intent_id)):
        refused = await gateway.submit(body)
        assert (refused.status_code, refused.json()["code"]) == (403, "control_refused")
        facts = refused.json()
        assert (facts["control"], facts["scope"]) == ("account_disabled", "Account")
        assert facts["subject"] == gateway.tenants.account_id
    repeated = await gateway.submit(create(), key="once")
    assert (repeated.status_code, repeated.json()) == (201, accepted.json()), "a retry gets its first answer"
    assert (await gateway.submit(cancel(intent_id))).status_code == 201
    assert len((await gateway.get("orders"))["data"]) == 2
    evaluate = {"account_id": gateway.tenants.account_id}
    evaluation = (await gateway.client.post("/v1/controls/evaluate", json=evaluate)).json()
    assert (evaluation["allowed"], evaluation["triggered"][0]["control"]) == (False, "account_disabled")
    other = f"/v1/accounts/{gateway.tenants.second_account_id}/intents"
    assert (await gateway.client.post(other, json=create())).status_code == 201
    enabled = await gateway.client.post(f"{gateway.account}/enable", json={})
    assert enabled.json()["disabled_at"] is None
    assert (await gateway.submit(create())).status_code == 201
    actions = [line["action"] for line in (await gateway.client.get("/v1/audit")).json()["data"]]
    assert actions[:4] == ["account.enabled", "intent.refused", "intent.refused", "account.disabled"]


async def test_an_account_gets_another_name_and_day(gateway: Gateway) -> None:
    answer = await gateway.client.patch(gateway.account, json={"name": "renamed", "time_zone": "Europe/Berlin"})
    assert answer.status_code == 200
    account = account_schemas.Account.model_validate_json(answer.content)
    assert (account.name, account.time_zone, account.roll_time) == ("renamed", "Europe/Berlin", "00:00")
    taken = await gateway.client.patch(gateway.account, json={"name": "second"})
    assert (taken.status_code, taken.json()["code"]) == (409, "name_in_use")
    assert (await gateway.client.get(gateway.account)).json()["name"] == "renamed"


async def test_the_organization_is_the_keys_own(gateway: Gateway) -> None:
    answer = await gateway.client.get("/v1/organization")
    assert answer.status_code == 200
    organization = admin_bodies.Organization.model_validate_json(answer.content)
    assert (organization.organization_id, organization.name) == (gateway.tenants.organization_id, "ours")
    renamed = await gateway.client.patch("/v1/organization", json={"name": "renamed"})
    assert renamed.json()["name"] == "renamed"
    foreign = await gateway.client.get("/v1/organization", headers={"x-api-key": gateway.tenants.foreign_key})
    assert foreign.json()["name"] == "theirs"


async def test_no_name_tells_that_another_organization_has_it(gateway: Gateway, tmp_path: Path) -> None:
    """Renaming, opening accounts and making keys are answered alike whatever the others call theirs; and the operator's
    commands are about the one that he named, whatever another one calls itself."""
    tenants, foreign = gateway.tenants, {"x-api-key": gateway.tenants.foreign_key}
    answers = [await gateway.client.patch("/v1/organization", json={"name": name}) for name in ("free", "theirs")]
    told = [(one.status_code, {**one.json(), "name": ""}) for one in answers]
    assert told[0] == told[1]
    assert (told[1][0], answers[1].json()["name"]) == (200, "theirs")
    assert (await gateway.client.get("/v1/organization", headers=foreign)).json()["name"] == "theirs"
    line = (await gateway.client.get("/v1/audit")).json()["data"][0]
    assert (line["action"], line["detail"]) == ("organization.changed", {"name": "theirs"})
    account = {"json": {"name": "shared"}}
    key = {"json": {"name": "shared", "scopes": ["records:read"]}}
    for path, body in (("/v1/accounts", account), ("/v1/keys", key)):
        for headers in ({}, foreign):
            assert (await gateway.client.post(path, headers=headers, **body)).status_code == 201
    admin = Admin(tmp_path, SystemClock().now_ns())
    try:
        assert admin.find_organization("theirs") == tenants.foreign_organization_id
        assert admin.find_organization("ours") == tenants.organization_id
        assert admin.find_organization("free") is None
        assert {(one.name, one.own_name) for one in admin.organizations()} == {("ours", "theirs"), ("theirs", None)}
    finally:
        admin.close()


async def test_changes_at_once_of_one_account_undo_none_of_each_other(gateway: Gateway) -> None:
    answers = await asyncio.gather(
        gateway.client.patch(gateway.account, json={"name": "renamed"}),
        gateway.client.patch(gateway.account, json={"time_zone": "Europe/Berlin"}),
        gateway.client.patch(gateway.account, json={"roll_time": "17:00"}),
    )
    assert {one.status_code for one in answers} == {200}
    now = (await gateway.client.get(gateway.account)).json()
    assert (now["name"], now["time_zone"], now["roll_time"]) == ("renamed", "Europe/Berlin", "17:00")
