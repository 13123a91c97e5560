"""Every route of the document that reads: nothing of another organization, no scope too few, whatever route comes."""

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.rest.gateway import Gateway, create
from tests.rest.test_pages import fill

UUID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def document(gateway: Gateway) -> Any:
    return (await gateway.client.get("/openapi.json")).json()


def reading(document: Any) -> Iterator[str]:
    """The paths with a GET that needs records:read."""
    for path, methods in document["paths"].items():
        if methods.get("get", {}).get("x-scope") == "records:read":
            yield path


def filled(path: str, account_id: str, **ids: str) -> str:
    """A path with its parameters; what is not named is an id that nobody has."""
    return re.sub(r"{(\w+)}", lambda match: {"account_id": account_id, **QUERY, **ids}.get(match[1], UUID), path)


QUERY = {"name": "trades"}
NEEDED = {"/v1/search": {"q": "AAPL"}, "/v1/accounts/{account_id}/state": {"as_of": "0"}}
"""Query parameters that a route cannot do without."""


async def get(gateway: Gateway, path: str, url: str, key: str) -> httpx2.Response:
    return await gateway.client.get(url, params=NEEDED.get(path, {}), headers={"x-api-key": key})


async def test_unknown_and_foreign_accounts_look_the_same(gateway: Gateway, document: Any) -> None:
    tenants = gateway.tenants
    paths = [path for path in reading(document) if "{account_id}" in path]
    assert len(paths) >= 8
    for path in paths:
        texts = set()
        for account_id in (UUID, tenants.foreign_account_id):
            answer = await get(gateway, path, filled(path, account_id), tenants.key)
            assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found"), path
            texts.add(answer.text.replace(account_id, "ACCOUNT"))
        assert len(texts) == 1, path


async def test_each_needs_the_scope_and_a_key(gateway: Gateway, document: Any) -> None:
    tenants = gateway.tenants
    for path in reading(document):
        url = filled(path, tenants.account_id)
        refused = await get(gateway, path, url, tenants.edit_key)
        assert (refused.status_code, refused.json()["code"], refused.json()["scope"]) == (
            403,
            "permission_denied",
            "records:read",
        ), path
        for key in ("", "dc_nobody_" + "a" * 40, tenants.disabled_key):
            answer = await get(gateway, path, url, key)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), path
        read = await get(gateway, path, url, tenants.read_key)
        assert read.status_code in (200, 404), (path, read.text)


async def test_a_token_for_one_account_reads_that_one(gateway: Gateway, document: Any) -> None:
    tenants = gateway.tenants
    body = {"account_ids": [tenants.second_account_id]}
    token = (await gateway.client.post("/v1/tokens", json=body)).json()["token"]
    headers = {"authorization": f"Bearer {token}", "x-api-key": ""}
    del gateway.client.headers["x-api-key"]
    del headers["x-api-key"]
    for path in reading(document):
        query = NEEDED.get(path, {})
        if "{account_id}" in path:
            hidden = await gateway.client.get(filled(path, tenants.account_id), params=query, headers=headers)
            assert (hidden.status_code, hidden.json()["code"]) == (404, "account_not_found"), path
        answer = await gateway.client.get(filled(path, tenants.second_account_id), params=query, headers=headers)
        assert answer.status_code == 200 or answer.json()["code"] != "account_not_found", path
        assert tenants.account_id not in answer.text, path


async def test_nothing_of_a_foreign_organization_is_in_any_answer(gateway: Gateway, document: Any) -> None:
    """The foreign organization trades; its ids, asked for from ours, are as unknown as any."""
    tenants = gateway.tenants
    foreign = f"/v1/accounts/{tenants.foreign_account_id}"
    headers = {"x-api-key": tenants.foreign_key}
    body = create() | {"client_reference_id": "theirs", "strategy_id": "theirs"}
    intent_id = (await gateway.client.post(f"{foreign}/intents", json=body, headers=headers)).json()["intent_id"]
    order = (await gateway.client.get(f"{foreign}/orders", headers=headers)).json()["data"][0]
    ids = {"intent_id": intent_id, "order_id": order["order_id"]}
    await gateway.report(await gateway.create(), fill("ours"))
    for path in reading(document):
        answer = await get(gateway, path, filled(path, tenants.account_id, **ids), tenants.key)
        named = set(re.findall(r"{(\w+)}", path)) - {"account_id", *QUERY}
        assert answer.status_code == (404 if named else 200), path
        for secret in (tenants.foreign_account_id, tenants.foreign_organization_id, "theirs"):
            assert secret not in answer.text, path
        unknown = await get(gateway, path, filled(path, tenants.account_id), tenants.key)
        if answer.status_code == 404:
            assert answer.text.replace(intent_id, UUID).replace(order["order_id"], UUID) == unknown.text


async def test_a_key_for_one_account_asks_for_nothing_of_all(gateway: Gateway) -> None:
    """What is the whole organization's is refused to it, whatever the method, and before anything is looked up."""
    headers = {"x-api-key": gateway.tenants.restricted_key}
    asked: list[tuple[str, str, Any]] = [
        ("GET", "/v1/streams", None),
        ("DELETE", f"/v1/streams/{gateway.tenants.account_id}", None),
        ("GET", "/v1/controls", None),
        ("GET", "/v1/audit", None),
        ("PATCH", "/v1/organization", {"name": "mine"}),
        ("POST", "/v1/accounts", {"name": "mine"}),
        ("PUT", "/v1/controls/organization", {"manually_disabled": True}),
        ("PUT", "/v1/controls/organization/limits", {}),
        ("PUT", "/v1/controls/symbols/AAPL", {"manually_disabled": True}),
        ("PUT", "/v1/controls/symbols/AAPL/limits", {}),
        ("POST", "/v1/kill", {}),
        ("DELETE", "/v1/kill", None),
    ]
    for method, path, body in asked:
        answer = await gateway.client.request(method, path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied"), (method, path)


async def test_a_key_for_one_account_finds_nothing_of_another(gateway: Gateway) -> None:
    submitted = await gateway.submit({**create(), "client_reference_id": "only in the first"})
    assert submitted.status_code == 201
    headers = {"x-api-key": gateway.tenants.restricted_key}
    for words in ("only in the first", gateway.tenants.account_id, "first", submitted.json()["intent_id"]):
        found = await gateway.client.get("/v1/search", params={"q": words})
        assert found.json()["data"], words
        hidden = await gateway.client.get("/v1/search", params={"q": words}, headers=headers)
        assert hidden.json() == {"data": [], "next_cursor": None}, words
