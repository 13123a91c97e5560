"""The routes of controls: the contract's account control and evaluate, limits, mass cancel, kill, audit; bad input."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dropcopyd.domain.limits import Limits
from dropcopyd.rest import audit_schemas, control_schemas
from tests.rest.gateway import Gateway, Tenants, create, opened


async def put(gateway: Gateway, path: str, body: Any, version: int | str | None = None, key: str | None = None) -> Any:
    headers = {} if version is None else {"if-match": str(version)}
    if key is not None:
        headers["x-api-key"] = key
    return await gateway.client.put(f"/v1/controls/{path}", json=body, headers=headers)


def of_account(gateway: Gateway) -> str:
    return f"accounts/{gateway.tenants.account_id}"


async def test_the_contracts_account_control(gateway: Gateway) -> None:
    path = of_account(gateway)
    answer = await put(gateway, path, {"manually_disabled": True, "manual_reason": "lunch"})
    assert answer.status_code == 200
    control_schemas.AccountControl.model_validate_json(answer.content)
    control = answer.json()
    assert control["account_id"] == gateway.tenants.account_id
    assert (control["manually_disabled"], control["manual_reason"], control["version"]) == (True, "lunch", 1)
    refused = await gateway.submit(create())
    assert (refused.status_code, refused.json()["code"]) == (403, "control_refused")
    assert refused.json()["control"] == "manually_disabled"
    evaluation = await gateway.client.post("/v1/controls/evaluate", json={"account_id": gateway.tenants.account_id})
    control_schemas.Evaluation.model_validate_json(evaluation.content)
    assert evaluation.json()["allowed"] is False
    assert evaluation.json()["triggered"][0]["scope"] == {"Account": gateway.tenants.account_id}
    enable = {"manually_disabled": False}
    assert (await put(gateway, path, enable)).status_code == 428
    conflict = await put(gateway, path, enable, 7)
    assert (conflict.status_code, conflict.json()["version"]) == (412, 1)
    assert (await put(gateway, path, enable, 1)).json()["version"] == 2
    assert (await gateway.submit(create())).status_code == 201
    again = await gateway.client.post("/v1/controls/evaluate", json={"account_id": gateway.tenants.account_id})
    assert again.json() == {"allowed": True, "triggered": []}


async def test_limits_are_set_all_at_once_and_shown(gateway: Gateway) -> None:
    limits = {"order_quantity_max": "0.5", "blocked_symbols": ["MSFT"], "open_orders_max": 3}
    answer = await put(gateway, f"{of_account(gateway)}/limits", limits)
    assert answer.status_code == 200, answer.text
    control_schemas.Control.model_validate_json(answer.content)
    assert answer.json()["limits"]["order_quantity_max"] == "0.5"
    assert answer.json()["limits"]["position_quantity_max"] is None
    refused = await gateway.submit(create())
    assert {name: refused.json()[name] for name in ("control", "scope", "limit", "actual")} == {
        "control": "order_quantity_max",
        "scope": "Account",
        "limit": "0.5",
        "actual": refused.json()["actual"],
    }
    body = {"account_id": gateway.tenants.account_id, "symbol": "MSFT"}
    evaluation = await gateway.client.post("/v1/controls/evaluate", json=body)
    assert evaluation.json()["triggered"][0]["control"] == "blocked_symbols"
    assert (await put(gateway, f"{of_account(gateway)}/limits", {})).status_code == 428
    assert (await put(gateway, f"{of_account(gateway)}/limits", {}, 1)).status_code == 200
    assert (await gateway.submit(create())).status_code == 201
    page = await gateway.client.get("/v1/controls")
    control_schemas.ControlPage.model_validate_json(page.content)
    assert len(page.json()["data"]) == 1


async def test_a_symbol_and_an_organization_have_controls_too(gateway: Gateway) -> None:
    for path, scope in (("symbols/AAPL", "Symbol"), ("organization", "Organization")):
        answer = await put(gateway, path, {"manually_disabled": True})
        assert list(answer.json()["scope"]) == [scope]
        assert (await gateway.submit(create())).status_code == 403
        assert (await put(gateway, path, {"manually_disabled": False}, 1)).status_code == 200
        assert (await put(gateway, f"{path}/limits", {"order_quantity_max": "0.5"}, 2)).status_code == 200
        assert (await gateway.submit(create())).json()["scope"] == scope
        assert (await put(gateway, f"{path}/limits", {}, 3)).status_code == 200
    assert (await gateway.submit(create())).status_code == 201


async def test_kill_cancel_all_and_release(gateway: Gateway) -> None:
    intent_id = await gateway.create()
    cancelled = await gateway.client.post(f"{gateway.account}/cancel-all", json={"symbol": "MSFT", "side": "SELL"})
    assert cancelled.json() == {"cancels": [], "withheld": 0}
    killed = await gateway.client.post(f"{gateway.account}/kill", json={"reason": "fat finger"})
    assert killed.status_code == 200, killed.text
    control_schemas.Killed.model_validate_json(killed.content)
    assert killed.json()["control"]["killed"] is True
    assert killed.json()["withheld"] == 1, "it had not left yet"
    assert intent_id
    assert (await gateway.submit(create())).json()["control"] == "killed"
    assert (await gateway.client.delete(f"{gateway.account}/kill")).status_code == 428
    released = await gateway.client.delete(f"{gateway.account}/kill", headers={"if-match": '"1"'})
    assert released.json()["killed"] is False
    assert (await gateway.submit(create())).status_code == 201
    everywhere = await gateway.client.post("/v1/kill", json={})
    assert everywhere.status_code == 200
    assert (await gateway.client.delete("/v1/kill", headers={"if-match": "1"})).status_code == 200


async def test_the_audit_log_is_paged_newest_first(gateway: Gateway) -> None:
    for _ in range(3):
        await put(gateway, of_account(gateway), {"manually_disabled": True})
    await gateway.submit(create())
    seen: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = await gateway.client.get("/v1/audit", params={"limit": "3", **cursor})
        audit_schemas.AuditPage.model_validate_json(page.content)
        seen += page.json()["data"]
        if page.json()["next_cursor"] is None:
            break
        cursor = {"next_cursor": page.json()["next_cursor"]}
    actions = [line["action"] for line in seen if line["principal_id"] != "operator"]
    assert actions == ["intent.refused", *["control.changed"] * 3]
    assert [line["number"] for line in seen] == sorted((line["number"] for line in seen), reverse=True)
    theirs = await gateway.client.get("/v1/audit", headers={"x-api-key": gateway.tenants.foreign_key})
    assert {line["principal_id"] for line in theirs.json()["data"]} == {"operator"}
    assert not {line["number"] for line in theirs.json()["data"]} & {line["number"] for line in seen}


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("accounts/{a}", {}, "/manually_disabled"),
        ("accounts/{a}", [], ""),
        ("accounts/{a}", {"manually_disabled": "true"}, "/manually_disabled"),
        ("accounts/{a}", {"manually_disabled": True, "x": 1}, "/x"),
        ("accounts/{a}", {"manually_disabled": True, "manual_reason": "x" * 501}, "/manual_reason"),
        ("accounts/{a}/limits", {"order_quantity_max": 5}, "/order_quantity_max"),
        ("accounts/{a}/limits", {"order_quantity_max": "1e5"}, "/order_quantity_max"),
        ("accounts/{a}/limits", {"order_quantity_max": "-1"}, "/order_quantity_max"),
        ("accounts/{a}/limits", {"order_quantity_max": "NaN"}, "/order_quantity_max"),
        ("accounts/{a}/limits", {"open_orders_max": -1}, "/open_orders_max"),
        ("accounts/{a}/limits", {"open_orders_max": 1.5}, "/open_orders_max"),
        ("accounts/{a}/limits", {"open_orders_max": 10**30}, "/open_orders_max"),
        ("accounts/{a}/limits", {"allowed_symbols": ["A B"]}, "/allowed_symbols/0"),
        ("accounts/{a}/limits", {"order_limit": "5"}, "/order_limit"),
        ("symbols/A%20B", {"manually_disabled": True}, ""),
    ],
)
async def test_bad_bodies_name_their_member(gateway: Gateway, path: str, body: Any, pointer: str) -> None:
    answer = await put(gateway, path.replace("{a}", gateway.tenants.account_id), body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_argument"), answer.text
    assert answer.json().get("pointer", "") == pointer


async def test_controls_take_their_own_scope_and_their_own_organization(gateway: Gateway) -> None:
    body = {"manually_disabled": True}
    lacking = await put(gateway, of_account(gateway), body, key=gateway.tenants.edit_key)
    assert (lacking.status_code, lacking.json()["scope"]) == (403, "controls:edit")
    foreign = await put(gateway, of_account(gateway), body, key=gateway.tenants.foreign_key)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "account_not_found")
    theirs = await put(gateway, "organization", body, key=gateway.tenants.foreign_key)
    assert theirs.json()["organization_id"] == gateway.tenants.foreign_organization_id
    assert (await gateway.submit(create())).status_code == 201, "another organization's switch is not ours"
    bad = await put(gateway, of_account(gateway), {"manually_disabled": False}, "W/1")
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid_argument")


async def test_symbols_with_a_control_of_their_own_are_bounded(tmp_path: Path, tenants: Tenants) -> None:
    """Per organization, across a restart, also when several come at once; what exists may change, wider stops always
    can be set."""
    limits = Limits(dispatch_deadline_s=600, symbol_controls_per_organization=3)
    off, foreign = {"manually_disabled": True}, tenants.foreign_key
    async with opened(tmp_path, tenants, limits) as gateway:
        assert (await put(gateway, "symbols/AAPL", off)).status_code == 200
        wanted = (put(gateway, f"symbols/{symbol}", off) for symbol in ("MSFT", "EURUSD", "TSLA"))
        answers = await asyncio.gather(*wanted)
        assert sorted(one.status_code for one in answers) == [200, 200, 409]
    async with opened(tmp_path, tenants, limits) as gateway:
        for path, body in (("symbols/NVDA", off), ("symbols/NVDA/limits", {"open_orders_max": 1})):
            full = await put(gateway, path, body)
            assert (full.status_code, full.json()["code"]) == (409, "organization_limit_exceeded")
            assert (full.json()["resource"], full.json()["limit"]) == ("symbol_controls", 3)
        listed = (await gateway.client.get("/v1/controls")).json()["data"]
        assert len(listed) == 3, "what was refused is in force nowhere"
        assert {"Symbol": "NVDA"} not in [one["scope"] for one in listed]
        evaluation = {"account_id": tenants.account_id, "symbol": "NVDA"}
        assert (await gateway.client.post("/v1/controls/evaluate", json=evaluation)).json()["allowed"]
        assert (await put(gateway, "symbols/AAPL", {"manually_disabled": False}, 1)).status_code == 200
        assert (await put(gateway, "symbols/NVDA", off, key=foreign)).status_code == 200
        assert (await put(gateway, "organization", off)).status_code == 200
