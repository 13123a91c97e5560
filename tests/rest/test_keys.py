"""Keys by REST: shown once, restricted, rotated with an overlap, revoked; never more handed on than is held."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from dropcopyd.domain.account import Scope
from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.domain.keys import KeyRecord, KeySettings
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.rest import admin_bodies
from dropcopyd.rest.times import render_time
from dropcopyd.store.admin import Admin
from dropcopyd.store.migrate import DATABASE_NAME
from tests.doubles import ManualClock
from tests.rest.gateway import PATIENT, Gateway, Tenants, create, opened

FAR = "2100-01-01T00:00:00Z"


async def make(gateway: Gateway, body: Any, key: str | None = None) -> httpx2.Response:
    headers = {} if key is None else {"x-api-key": key}
    return await gateway.client.post("/v1/keys", json=body, headers=headers)


async def made(gateway: Gateway, **body: Any) -> tuple[str, str]:
    """(key_id, the key) of a new key."""
    answer = await make(gateway, {"name": "bot", "scopes": [scope.value for scope in Scope], **body})
    assert answer.status_code == 201, answer.text
    return answer.json()["key"]["key_id"], answer.json()["api_key"]


async def status(gateway: Gateway, key: str, path: str = "/v1/accounts") -> int:
    return (await gateway.client.get(path, headers={"x-api-key": key})).status_code


async def test_a_key_is_shown_once_and_kept_as_a_hash(gateway: Gateway, tmp_path: Path) -> None:
    body = {
        "name": "bot",
        "scopes": ["records:read", "intents:edit"],
        "account_ids": [gateway.tenants.account_id.upper()],
        "expires_at": FAR,
        "allowed_addresses": ["127.0.0.1", "2001:db8::/32"],
        "attenuation": {"allowed_symbols": ["AAPL"], "allowed_sides": ["BUY"], "order_notional_max": "1000.50"},
    }
    answer = await make(gateway, body)
    assert answer.status_code == 201
    shown = admin_bodies.ShownKey.model_validate_json(answer.content)
    assert answer.headers["location"] == f"/v1/keys/{shown.key.key_id}"
    assert answer.headers["cache-control"] == "no-store"
    assert shown.key.account_ids == [gateway.tenants.account_id]
    assert shown.key.allowed_addresses == ["127.0.0.1/32", "2001:db8::/32"]
    assert shown.key.attenuation is not None
    assert shown.key.attenuation.order_notional_max == "1000.5"
    assert shown.key.created_by == gateway.tenants.key.split("_")[1]
    one = await gateway.client.get(f"/v1/keys/{shown.key.key_id}")
    assert one.json() == answer.json()["key"]
    assert await status(gateway, shown.api_key) == 200
    secret = shown.api_key.split("_")[2]
    page = await gateway.client.get("/v1/keys")
    admin_bodies.KeyPage.model_validate_json(page.content)
    audit = await gateway.client.get("/v1/audit")
    kept = (tmp_path / DATABASE_NAME).read_bytes() + (tmp_path / f"{DATABASE_NAME}-wal").read_bytes()
    for text in (one.content, page.content, audit.content, kept):
        assert secret.encode() not in text
    line = audit.json()["data"][0]
    assert (line["action"], line["subject"]) == ("key.created", shown.key.key_id)
    assert line["detail"]["scopes"] == "intents:edit records:read"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["root"]}, "/scopes/0"),
        ({"scopes": "records:read"}, "/scopes"),
        ({"account_ids": ["x"]}, "/account_ids/0"),
        ({"account_ids": []}, "/account_ids"),
        ({"expires_at": "tomorrow"}, "/expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"allowed_addresses": ["10.0.0.1/8"]}, "/allowed_addresses/0"),
        ({"allowed_addresses": ["10.0.0.0/8", "localhost"]}, "/allowed_addresses/1"),
        ({"attenuation": {"order_notional_max": 5}}, "/attenuation/order_notional_max"),
        ({"attenuation": {"orders_per_minute_max": 0}}, "/attenuation/orders_per_minute_max"),
        ({"attenuation": {"allowed_sides": ["UP"]}}, "/attenuation/allowed_sides/0"),
        ({"secret": "mine"}, "/secret"),
    ],
)
async def test_a_bad_request_names_its_member(gateway: Gateway, change: Any, pointer: str) -> None:
    answer = await make(gateway, {"name": "bot", "scopes": ["records:read"], **change})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_argument")
    assert answer.json()["pointer"] == pointer


async def test_nobody_grants_more_than_he_holds(gateway: Gateway) -> None:
    tenants = gateway.tenants
    account = tenants.second_account_id
    lesser: dict[str, dict[str, Any]] = {
        "scope": {"scopes": ["keys:admin"]},
        "accounts": {"account_ids": [account]},
        "time": {"expires_at": FAR},
        "address": {"allowed_addresses": ["127.0.0.0/8"]},
    }
    plain = {"name": "x", "scopes": ["keys:admin"]}
    more: dict[str, list[tuple[Any, str]]] = {
        "scope": [({**plain, "scopes": ["keys:admin", "records:read"]}, "/scopes")],
        "accounts": [(plain, "/account_ids")],
        "time": [(plain, "/expires_at"), ({**plain, "expires_at": "2100-01-02T00:00:00Z"}, "/expires_at")],
        "address": [
            (plain, "/allowed_addresses"),
            ({**plain, "allowed_addresses": ["0.0.0.0/0"]}, "/allowed_addresses"),
            ({**plain, "allowed_addresses": ["127.0.0.1", "::1"]}, "/allowed_addresses"),
        ],
    }
    within = {
        "scope": plain,
        "accounts": {**plain, "account_ids": [account]},
        "time": {**plain, "expires_at": FAR},
        "address": {**plain, "allowed_addresses": ["127.0.0.1"]},
    }
    for name, restriction in lesser.items():
        maker_id, maker = await made(gateway, **restriction)
        for body, pointer in more[name]:
            refused = await make(gateway, body, maker)
            assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied"), name
            assert refused.json()["pointer"] == pointer
        assert (await make(gateway, within[name], maker)).status_code == 201, name
        other, _ = await made(gateway)
        for path, body in ((f"/v1/keys/{other}/rotate", {}), (f"/v1/keys/{other}", {"name": "mine"})):
            method = "PATCH" if path.endswith(other) else "POST"
            refused = await gateway.client.request(method, path, json=body, headers={"x-api-key": maker})
            assert refused.status_code in (403, 404), (name, refused.text)
        widened = await gateway.client.patch(
            f"/v1/keys/{maker_id}",
            json={**dict.fromkeys(restriction), "scopes": [scope.value for scope in Scope]},
            headers={"x-api-key": maker},
        )
        assert widened.status_code == 403, "not even one's own"
    foreign = {"name": "x", "scopes": ["records:read"], "account_ids": [tenants.foreign_account_id]}
    answer = await make(gateway, foreign)
    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")


async def test_attenuated_keys_and_tokens_make_no_keys(gateway: Gateway) -> None:
    _, attenuated = await made(gateway, attenuation={"orders_per_minute_max": 5})
    body = {"name": "x", "scopes": ["records:read"]}
    assert (await make(gateway, body, attenuated)).status_code == 403
    token = (await gateway.client.post("/v1/tokens", json={})).json()["token"]
    async with gateway.without_key() as client:
        headers = {"authorization": f"Bearer {token}"}
        assert (await client.post("/v1/keys", json=body, headers=headers)).status_code == 403
        assert (await client.get("/v1/keys", headers=headers)).status_code == 200


async def test_a_change_sets_what_it_names_and_null_takes_a_restriction_away(gateway: Gateway) -> None:
    key_id, key = await made(gateway, account_ids=[gateway.tenants.account_id], expires_at=FAR)
    path = f"/v1/keys/{key_id}"
    answer = await gateway.client.patch(path, json={"scopes": ["stream:read"], "expires_at": None})
    assert answer.status_code == 200
    changed = admin_bodies.Key.model_validate_json(answer.content)
    assert changed.scopes == [Scope.STREAM_READ]
    assert changed.expires_at is None
    assert changed.account_ids == [gateway.tenants.account_id]
    assert await status(gateway, key) == 403, "at once"
    shut = await gateway.client.patch(path, json={"allowed_addresses": ["203.0.113.0/24"]})
    assert shut.status_code == 200
    assert await status(gateway, key) == 401


async def test_a_token_never_has_more_than_its_key_has_now(gateway: Gateway) -> None:
    tenants = gateway.tenants
    key_id, key = await made(gateway)
    accounts = {"account_ids": [tenants.account_id, tenants.second_account_id]}
    tokens = [
        (await gateway.client.post("/v1/tokens", json=body, headers={"x-api-key": key})).json()["token"]
        for body in ({}, accounts)
    ]
    narrower = {"account_ids": [tenants.second_account_id], "scopes": ["records:read"]}
    assert (await gateway.client.patch(f"/v1/keys/{key_id}", json=narrower)).status_code == 200
    async with gateway.without_key() as client:
        for token in tokens:
            bearer = {"authorization": f"Bearer {token}"}
            hidden = await client.get(gateway.account, headers=bearer)
            assert (hidden.status_code, hidden.json()["code"]) == (404, "account_not_found")
            assert (await client.get(f"/v1/accounts/{tenants.second_account_id}", headers=bearer)).status_code == 200
            assert (await client.get("/v1/keys", headers=bearer)).status_code == 403


async def test_rotation_leaves_the_old_key_good_for_the_overlap(tmp_path: Path, tenants: Tenants) -> None:
    clock = ManualClock()
    async with opened(tmp_path, tenants, PATIENT, clock) as gateway:
        key_id, first = await made(gateway)
        minted = await gateway.client.post("/v1/tokens", json={"lifetime_s": 3600}, headers={"x-api-key": first})
        answer = await gateway.client.post(f"/v1/keys/{key_id}/rotate", json={"overlap_s": 60})
        assert answer.status_code == 200
        shown = admin_bodies.ShownKey.model_validate_json(answer.content)
        second = shown.api_key
        assert shown.key.key_id == key_id
        assert shown.key.previous_valid_until is not None
        assert [await status(gateway, key) for key in (first, second)] == [200, 200]
        clock.advance(59)
        assert [await status(gateway, key) for key in (first, second)] == [200, 200]
        clock.advance(1)
        assert [await status(gateway, key) for key in (first, second)] == [401, 200]
        async with gateway.without_key() as client:
            bearer = {"authorization": f"Bearer {minted.json()['token']}"}
            assert (await client.get("/v1/accounts", headers=bearer)).status_code == 401, "it ends with its secret"
        third = (await gateway.client.post(f"/v1/keys/{key_id}/rotate", json={})).json()["api_key"]
        fourth = (await gateway.client.post(f"/v1/keys/{key_id}/rotate", json={})).json()["api_key"]
        assert [await status(gateway, key) for key in (second, third, fourth)] == [401, 200, 200], "two at a time"
        now = (await gateway.client.post(f"/v1/keys/{key_id}/rotate", json={"overlap_s": 0})).json()["api_key"]
        assert [await status(gateway, key) for key in (fourth, now)] == [401, 200]


async def test_a_revoked_key_is_refused_for_good(gateway: Gateway) -> None:
    key_id, key = await made(gateway)
    assert (await gateway.client.delete(f"/v1/keys/{key_id}")).status_code == 204
    assert (await gateway.client.delete(f"/v1/keys/{key_id}")).status_code == 204
    assert await status(gateway, key) == 401
    shown = (await gateway.client.get(f"/v1/keys/{key_id}")).json()
    assert shown["disabled_at"] is not None
    rotated = await gateway.client.post(f"/v1/keys/{key_id}/rotate", json={})
    assert (rotated.status_code, rotated.json()["code"]) == (409, "key_disabled")
    lines = (await gateway.client.get("/v1/audit")).json()["data"]
    assert [line["action"] for line in lines if line["subject"] == key_id] == ["key.revoked", "key.created"]


async def test_an_expiry_comes_by_itself_and_bounds_tokens(tmp_path: Path, tenants: Tenants) -> None:
    clock = ManualClock()
    async with opened(tmp_path, tenants, PATIENT, clock) as gateway:
        _, key = await made(gateway, expires_at="2026-11-18T11:07:40Z")
        assert await status(gateway, key) == 200
        token = await gateway.client.post("/v1/tokens", json={"lifetime_s": 3600}, headers={"x-api-key": key})
        assert token.json()["expires_at"] == "2026-11-18T11:07:40.000000000Z"
        clock.advance(60)
        assert await status(gateway, key) == 401


async def test_the_last_use_is_seen_at_once_and_written_rarely(gateway: Gateway) -> None:
    key_id, key = await made(gateway)
    assert (await gateway.client.get(f"/v1/keys/{key_id}")).json()["last_used_at"] is None
    await status(gateway, key)
    shown = (await gateway.client.get(f"/v1/keys/{key_id}")).json()
    assert shown["last_used_at"] is not None
    assert shown["last_used_from"] == "127.0.0.1"
    record = await gateway.store.find_key(key_id)
    assert record is not None
    assert record.last_used_at_ns is None, "not a write per request"
    await gateway.dependencies.access.uses.flush(gateway.store.registry)
    record = await gateway.store.find_key(key_id)
    assert record is not None
    assert record.last_used_from == "127.0.0.1"
    assert (await gateway.client.get(f"/v1/keys/{key_id}")).json()["last_used_at"] == shown["last_used_at"]


async def test_keys_are_walked_in_pages(gateway: Gateway) -> None:
    for _ in range(5):
        await made(gateway)
    seen: list[str] = []
    query: dict[str, str] = {"limit": "3"}
    while True:
        page = (await gateway.client.get("/v1/keys", params=query)).json()
        seen += [key["key_id"] for key in page["data"]]
        if page["next_cursor"] is None:
            break
        query["next_cursor"] = page["next_cursor"]
    assert len(seen) == len(set(seen)) >= 15
    assert seen == sorted(seen)
    foreign = await gateway.client.get("/v1/keys", headers={"x-api-key": gateway.tenants.foreign_key})
    assert not {key["key_id"] for key in foreign.json()["data"]} & set(seen)
    assert len(foreign.json()["data"]) == 1
    stolen = await gateway.client.get("/v1/keys", params=query, headers={"x-api-key": gateway.tenants.foreign_key})
    assert (stolen.status_code, stolen.json()["code"]) == (400, "invalid_cursor")


async def test_a_restricted_administrator_sees_the_keys_of_his_accounts(gateway: Gateway) -> None:
    tenants = gateway.tenants
    inside, _ = await made(gateway, account_ids=[tenants.second_account_id])
    outside, _ = await made(gateway, account_ids=[tenants.account_id])
    headers = {"x-api-key": tenants.restricted_key}
    listed = (await gateway.client.get("/v1/keys", headers=headers, params={"limit": "1"})).json()
    assert len(listed["data"]) == 1
    assert listed["next_cursor"] is not None
    assert (await gateway.client.get(f"/v1/keys/{inside}", headers=headers)).status_code == 200
    assert (await gateway.client.get(f"/v1/keys/{outside}", headers=headers)).status_code == 404
    assert (await gateway.client.delete(f"/v1/keys/{tenants.key.split('_')[1]}", headers=headers)).status_code == 404


async def test_changes_of_one_key_are_made_in_turn(gateway: Gateway) -> None:
    key_id, _ = await made(gateway)
    path = f"/v1/keys/{key_id}"
    bodies: list[Any] = [{"name": "one"}, {"scopes": ["records:read"]}, {"expires_at": FAR}]
    answers = await asyncio.gather(*(gateway.client.patch(path, json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    shown = (await gateway.client.get(path)).json()
    assert (shown["name"], shown["scopes"]) == ("one", ["records:read"])
    assert shown["expires_at"] is not None


async def test_a_key_that_trades_is_refused_by_its_attenuation(gateway: Gateway) -> None:
    _, key = await made(gateway, attenuation={"allowed_symbols": ["MSFT"]})
    refused = await gateway.submit(create(), **{"x-api-key": key})
    assert (refused.status_code, refused.json()["code"]) == (403, "control_refused")
    facts = refused.json()
    assert (facts["control"], facts["scope"], facts["subject"]) == ("allowed_symbols", "Key", key.split("_")[1])
    assert (facts["limit"], facts["actual"]) == ("MSFT", "AAPL")
    minted = await gateway.client.post("/v1/tokens", json={}, headers={"x-api-key": key})
    async with gateway.without_key() as client:
        bearer = {"authorization": f"Bearer {minted.json()['token']}"}
        same = await client.post(f"{gateway.account}/intents", json=create(), headers=bearer)
        assert same.json()["control"] == "allowed_symbols", "a token keeps its key's"
        body = {"account_id": gateway.tenants.account_id, "symbol": "AAPL"}
        evaluation = (await client.post("/v1/controls/evaluate", json=body, headers=bearer)).json()
    assert evaluation["allowed"] is False
    assert evaluation["triggered"][0]["scope"] == {"Key": key.split("_")[1]}


@pytest.mark.parametrize("path", ["/v1/keys", "/v1/tokens", "/v1/accounts", "intents"])
@pytest.mark.parametrize("is_beside", [False, True], ids=["by REST", "beside the daemon"])
async def test_a_body_that_comes_after_the_revocation_asks_for_nothing(
    gateway: Gateway, tmp_path: Path, path: str, is_beside: bool
) -> None:
    """Whoever lost his key cannot keep requests half sent, to have a new one when it is revoked."""
    key_id, api_key = await made(gateway)
    bodies = {
        "/v1/keys": {"name": "mine", "scopes": ["keys:admin"]},
        "/v1/accounts": {"name": "mine"},
        "/v1/tokens": {},
        "intents": create(),
    }
    body = json.dumps(bodies[path]).encode()
    where = f"{gateway.account}/intents" if path == "intents" else path
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
    head = f"POST {where} HTTP/1.1\r\nHost: x\r\nx-api-key: {api_key}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
    await writer.drain()
    async with asyncio.timeout(20):
        while (await gateway.client.get(f"/v1/keys/{key_id}")).json()["last_used_at"] is None:
            await asyncio.sleep(0.001)
    if is_beside:
        admin = Admin(tmp_path, 1)
        admin.disable_key(key_id)
        admin.close()
    else:
        assert (await gateway.client.delete(f"/v1/keys/{key_id}")).status_code == 204
    before = await gateway.client.get("/v1/keys"), await gateway.client.get("/v1/accounts")
    writer.write(body)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    assert answer.startswith(b"HTTP/1.1 401 "), answer
    writer.close()
    after = await gateway.client.get("/v1/keys"), await gateway.client.get("/v1/accounts")
    names = [[[one["name"] for one in page.json()["data"]] for page in pages] for pages in (before, after)]
    assert names[0] == names[1]
    assert not (await gateway.get("orders"))["data"]


async def test_a_body_that_comes_after_a_narrowing_is_asked_for_again(gateway: Gateway) -> None:
    key_id, api_key = await made(gateway)
    body = json.dumps(create()).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
    head = f"POST {gateway.account}/intents HTTP/1.1\r\nHost: x\r\nx-api-key: {api_key}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    async with asyncio.timeout(20):
        while (await gateway.client.get(f"/v1/keys/{key_id}")).json()["last_used_at"] is None:
            await asyncio.sleep(0.001)
    narrow = {"attenuation": {"is_reduce_only": True}}
    assert (await gateway.client.patch(f"/v1/keys/{key_id}", json=narrow)).status_code == 200
    writer.write(body)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    assert answer.startswith(b"HTTP/1.1 403 "), answer
    writer.close()


async def test_the_secret_before_a_rotation_makes_nothing_that_outlives_it(tmp_path: Path, tenants: Tenants) -> None:
    """It was rotated because somebody else has it: he gets no key, no rotation, no token beyond the overlap."""
    clock = ManualClock()
    async with opened(tmp_path, tenants, PATIENT, clock) as gateway:
        key_id, first = await made(gateway)
        rotated = await gateway.client.post(f"/v1/keys/{key_id}/rotate", json={"overlap_s": 60})
        until, second = rotated.json()["key"]["previous_valid_until"], rotated.json()["api_key"]
        stolen = {"x-api-key": first}
        for path, body in (
            ("/v1/keys", {"name": "mine", "scopes": ["keys:admin"]}),
            (f"/v1/keys/{key_id}/rotate", {"overlap_s": 0}),
        ):
            refused = await gateway.client.post(path, json=body, headers=stolen)
            assert (refused.status_code, refused.json()["pointer"]) == (403, "/expires_at"), path
        lasting = await gateway.client.patch(f"/v1/keys/{key_id}", json={"name": "mine"}, headers=stolen)
        assert lasting.status_code == 403
        minted = await gateway.client.post("/v1/tokens", json={"lifetime_s": 3600}, headers=stolen)
        assert minted.json()["expires_at"] == until
        assert await status(gateway, second) == 200


async def test_nothing_is_made_by_a_key_that_is_revoked_in_the_same_moment(gateway: Gateway) -> None:
    """All at once: whatever was made has been made before; the last word of the record is the revocation."""
    key_id, api_key = await made(gateway)
    bodies = [{"name": f"made {number}", "scopes": ["keys:admin"]} for number in range(20)]
    *answers, gone = await asyncio.gather(
        *(make(gateway, body, api_key) for body in bodies), gateway.client.delete(f"/v1/keys/{key_id}")
    )
    assert gone.status_code == 204
    assert {one.status_code for one in answers} <= {201, 401}
    lines = (await gateway.client.get("/v1/audit")).json()["data"]
    revoked_at = next(line["number"] for line in lines if line["action"] == "key.revoked")
    assert all(line["number"] < revoked_at for line in lines if line["principal_id"] == key_id)
    made_here = [line for line in lines if line["principal_id"] == key_id and line["action"] == "key.created"]
    assert len(made_here) == sum(one.status_code == 201 for one in answers)


async def test_an_organization_has_so_many_keys_and_accounts(tmp_path: Path, tenants: Tenants) -> None:
    """Of keys those count that are good; many at once get no more than there is room for."""
    clock = ManualClock()
    async with opened(tmp_path, tenants, PATIENT, clock) as gateway:
        listed = [one for one in (await gateway.client.get("/v1/keys")).json()["data"] if one["disabled_at"] is None]
        good = [one for one in listed if one["expires_at"] is None]
        accounts = len((await gateway.client.get("/v1/accounts")).json()["data"])
    bounded = replace(PATIENT, keys_per_organization=len(good) + 3, accounts_per_organization=accounts + 1)
    async with opened(tmp_path, tenants, bounded, clock) as gateway:
        soon = render_time(clock.now_ns() + 60 * 10**9)
        bodies: list[Any] = [
            {"name": f"{number}", "scopes": ["records:read"], "expires_at": soon} for number in range(9)
        ]
        answers = await asyncio.gather(*(make(gateway, body) for body in bodies))
        assert sorted(one.status_code for one in answers) == [201] * 3 + [409] * 6
        problem = next(one.json() for one in answers if one.status_code == 409)
        facts = problem["code"], problem["resource"], problem["limit"]
        assert facts == ("organization_limit_exceeded", "keys", len(good) + 3)
        first = next(one.json()["key"]["key_id"] for one in answers if one.status_code == 201)
        await gateway.client.delete(f"/v1/keys/{first}")
        assert [(await make(gateway, body)).status_code for body in bodies[:2]] == [201, 409]
        clock.advance(60)
        assert (await make(gateway, {"name": "after", "scopes": ["records:read"]})).status_code == 201
        theirs = await make(gateway, {"name": "x", "scopes": ["records:read"]}, tenants.foreign_key)
        assert theirs.status_code == 201, "another organization has its own"
        opening = [gateway.client.post("/v1/accounts", json={"name": f"new {number}"}) for number in range(3)]
        opened_now = await asyncio.gather(*opening)
        assert sorted(one.status_code for one in opened_now) == [201, 409, 409]
        refused = next(one.json() for one in opened_now if one.status_code == 409)
        assert (refused["resource"], refused["limit"]) == ("accounts", accounts + 1)


async def test_who_is_revoked_by_then_leaves_no_key_in_the_record(gateway: Gateway) -> None:
    """In the transaction itself, whatever was looked up before it."""
    maker, organization_id = gateway.tenants.disabled_key.split("_")[1], gateway.tenants.organization_id
    settings = KeySettings(name="late", scopes=frozenset({Scope.KEYS_ADMIN}))
    late = KeyRecord(
        key_id="late", organization_id=organization_id, settings=settings, digest=b"", created_at_ns=1, created_by=maker
    )
    entry = AuditEntry(
        organization_id=organization_id,
        at_ns=1,
        principal_id=maker,
        action=AuditAction.KEY_CREATED,
        subject="late",
        detail={},
    )
    registry = gateway.store.registry
    with pytest.raises(DropcopyError) as refused:
        await registry.add_key(late, entry, 1_000)
    assert refused.value.code is Code.UNAUTHENTICATED
    with pytest.raises(DropcopyError):
        await registry.rotate_key(gateway.tenants.key.split("_")[1], b"", 1, 1, entry)
    assert "late" not in [one["name"] for one in (await gateway.client.get("/v1/keys")).json()["data"]]
    assert not [
        line for line in (await gateway.client.get("/v1/audit")).json()["data"] if line["principal_id"] == maker
    ]
