"""Who may: keys, scopes, accounts, and that nothing of a later check shows before an earlier one."""

import asyncio
from pathlib import Path

import pytest

from dropcopyd.store.admin import Admin
from tests.rest.gateway import Gateway, create

UUID = "00000000-0000-4000-8000-000000000000"


async def test_without_an_accepted_key_all_refusals_are_the_same(gateway: Gateway) -> None:
    key = gateway.tenants.key
    headers: list[list[tuple[str, str]]] = [
        [],
        [("x-api-key", "")],
        [("x-api-key", "dc_short")],
        [("x-api-key", key[:-1] + ("a" if key[-1] != "a" else "b"))],
        [("x-api-key", "dc_nobody_" + "a" * 40)],
        [("x-api-key", gateway.tenants.disabled_key)],
        [("x-api-key", f"Bearer {key}")],
        [("authorization", f"Bearer {key}")],
        [("x-api-key", key), ("x-api-key", key)],
    ]
    del gateway.client.headers["x-api-key"]
    answers = [
        await gateway.client.request(method, f"{gateway.account}/{path}", headers=given, content=b"no json")
        for given in headers
        for method, path in (("POST", "intents"), ("GET", "orders"), ("GET", "intents/not-a-uuid"))
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["code"] == "unauthenticated"
    assert all("x-api-key" in answer.headers["www-authenticate"] for answer in answers)


async def test_a_missing_scope_is_named(gateway: Gateway) -> None:
    tenants = gateway.tenants
    for key, method, path, scope in (
        (tenants.read_key, "POST", "intents", "intents:edit"),
        (tenants.edit_key, "GET", "orders", "records:read"),
        (tenants.edit_key, "GET", f"intents/{UUID}", "records:read"),
    ):
        for account in (tenants.account_id, tenants.foreign_account_id, "malformed"):
            url = f"/v1/accounts/{account}/{path}"
            answer = await gateway.client.request(method, url, headers={"x-api-key": key})
            assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
            assert answer.json()["scope"] == scope


async def test_each_scope_is_enough_for_its_routes(gateway: Gateway) -> None:
    tenants = gateway.tenants
    answer = await gateway.submit(create(), **{"x-api-key": tenants.edit_key})
    assert answer.status_code == 201
    for path in ("orders", "positions", "trades", f"intents/{answer.json()['intent_id']}"):
        read = await gateway.client.get(f"{gateway.account}/{path}", headers={"x-api-key": tenants.read_key})
        assert read.status_code == 200


@pytest.mark.parametrize(("method", "path"), [("POST", "intents"), ("GET", "trades"), ("GET", f"intents/{UUID}")])
async def test_an_unknown_and_a_foreign_account_look_the_same(gateway: Gateway, method: str, path: str) -> None:
    texts = set()
    for account in (UUID, gateway.tenants.foreign_account_id):
        answer = await gateway.client.request(method, f"/v1/accounts/{account}/{path}", json=create())
        assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")
        texts.add(answer.text.replace(account, "ACCOUNT"))
    assert len(texts) == 1


async def test_an_unknown_and_a_foreign_intent_look_the_same(gateway: Gateway) -> None:
    foreign = f"/v1/accounts/{gateway.tenants.foreign_account_id}"
    headers = {"x-api-key": gateway.tenants.foreign_key}
    submitted = await gateway.client.post(f"{foreign}/intents", json=create(), headers=headers)
    texts = set()
    for intent_id in (UUID, submitted.json()["intent_id"]):
        for path in ("", "/actions"):
            answer = await gateway.client.get(f"{gateway.account}/intents/{intent_id}{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "intent_not_found")
            texts.add(answer.text.replace(intent_id, "INTENT"))
    assert len(texts) == 1


async def test_upper_case_ids_are_the_same_ids(gateway: Gateway) -> None:
    intent_id = await gateway.create()
    path = f"/v1/accounts/{gateway.tenants.account_id.upper()}/intents/{intent_id.upper()}"
    assert (await gateway.client.get(path)).json()["intent_id"] == intent_id


async def test_the_order_of_checks(gateway: Gateway) -> None:
    """Key, scope, account, idempotency key, media type, JSON, command: mended one by one."""
    path = f"/v1/accounts/{UUID}/intents"
    headers = {"x-api-key": "wrong", "idempotency-key": "é", "content-type": "x"}
    body = b"{"
    seen = []
    for mend in (
        {"x-api-key": gateway.tenants.read_key},
        {"x-api-key": gateway.tenants.key},
        {},
        {"idempotency-key": "ok"},
        {"content-type": "application/json"},
        {},
    ):
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = await gateway.client.post(path, headers=encoded, content=body)
        seen.append(answer.json()["code"])
        headers |= mend
        if answer.status_code == 404:
            path = f"{gateway.account}/intents"
        if answer.json()["code"] == "invalid_json":
            body = b"{}"
    assert seen == [
        "unauthenticated",
        "permission_denied",
        "account_not_found",
        "invalid_idempotency_key",
        "unsupported_media_type",
        "invalid_json",
    ]
    answer = await gateway.client.post(path, headers=headers, content=body)
    assert answer.json()["code"] == "invalid_argument"


async def test_a_key_disabled_meanwhile_ends_at_once(gateway: Gateway, tmp_path: Path) -> None:
    await gateway.get("orders")

    def disable() -> None:
        admin = Admin(tmp_path, 1)
        admin.disable_key(gateway.tenants.key.split("_")[1])
        admin.close()

    await asyncio.to_thread(disable)
    assert (await gateway.client.get(f"{gateway.account}/orders")).status_code == 401
