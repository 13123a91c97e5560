"""Refused attempts in the audit log: who tried what, and no flood of them."""

from pathlib import Path
from typing import Any

from dropcopyd.flow.denials import KEY_LINES_MAX
from tests.doubles import ManualClock
from tests.rest.gateway import PATIENT, Gateway, Tenants, create, opened


async def lines(gateway: Gateway) -> list[Any]:
    """Refused requests, newest first."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await gateway.client.get("/v1/audit", params=cursor)).json()
        found += [line for line in page["data"] if line["action"] == "request.refused"]
        if page["next_cursor"] is None:
            return found
        cursor = {"next_cursor": page["next_cursor"]}


async def test_what_a_key_may_not_do_is_written_down(gateway: Gateway) -> None:
    tenants = gateway.tenants
    account = f"/v1/accounts/{tenants.account_id}"
    new_key = {"name": "mine", "scopes": ["keys:admin"]}
    tried: list[tuple[str, str, str, Any, str | None]] = [
        (tenants.read_key, "POST", "/v1/keys", new_key, "keys:admin"),
        (tenants.read_key, "GET", "/v1/keys", None, "keys:admin"),
        (tenants.read_key, "DELETE", f"/v1/keys/{tenants.key.split('_')[1]}", None, "keys:admin"),
        (tenants.edit_key, "POST", "/v1/accounts", {"name": "mine"}, "accounts:admin"),
        (tenants.edit_key, "POST", "/v1/kill", {}, "controls:edit"),
        (tenants.read_key, "POST", f"{account}/intents", create(), "intents:edit"),
        (tenants.read_key, "POST", f"{account}/flatten", {}, "intents:edit"),
        (tenants.restricted_key, "PATCH", "/v1/organization", {"name": "mine"}, None),
        (tenants.restricted_key, "POST", "/v1/keys", new_key, None),
        (tenants.edit_key, "POST", "/v1/tokens", {"scopes": ["keys:admin"]}, "keys:admin"),
    ]
    for key, method, path, body, _scope in tried:
        answer = await gateway.client.request(method, path, json=body, headers={"x-api-key": key})
        assert answer.status_code == 403, (method, path, answer.text)
        assert answer.json()["code"] == "permission_denied"
    said = [
        (line["principal_id"], line["subject"], line["detail"]["path"], line["detail"].get("scope"))
        for line in reversed(await lines(gateway))
    ]
    assert said == [(key.split("_")[1], method, path, scope) for key, method, path, _body, scope in tried]
    assert {line["detail"]["address"] for line in await lines(gateway)} == {"127.0.0.1"}
    everything = (await gateway.client.get("/v1/audit")).text
    for key in (tenants.key, tenants.read_key, tenants.edit_key, tenants.restricted_key):
        assert key.split("_")[2] not in everything


async def test_what_only_reads_and_what_nobody_asks_is_not(gateway: Gateway) -> None:
    edit = {"x-api-key": gateway.tenants.edit_key}
    assert (await gateway.client.get("/v1/accounts", headers=edit)).status_code == 403
    async with gateway.without_key() as client:
        assert (await client.post("/v1/keys", json={})).status_code == 401
    assert not await lines(gateway)


async def test_a_flood_writes_few_lines_and_says_how_many_it_was(tmp_path: Path, tenants: Tenants) -> None:
    clock = ManualClock()
    async with opened(tmp_path, tenants, PATIENT, clock) as gateway:
        read, edit = {"x-api-key": tenants.read_key}, {"x-api-key": tenants.edit_key}
        for _ in range(KEY_LINES_MAX + 30):
            assert (await gateway.client.post("/v1/kill", json={}, headers=read)).status_code == 403
        assert len(await lines(gateway)) == KEY_LINES_MAX
        await gateway.client.post("/v1/kill", json={}, headers=edit)
        newest = (await lines(gateway))[0]
        assert (newest["principal_id"], newest["detail"]["left_out"]) == (tenants.edit_key.split("_")[1], "30")
        for _ in range(2):
            await gateway.client.post("/v1/kill", json={}, headers=read)
        clock.advance(3_600)
        await gateway.client.post("/v1/kill", json={}, headers=read)
        newest = (await lines(gateway))[0]
        assert newest["detail"]["left_out"] == "2"
        await gateway.client.post("/v1/kill", json={}, headers=read)
        assert "left_out" not in (await lines(gateway))[0]["detail"]
        assert len(await lines(gateway)) == KEY_LINES_MAX + 3
