"""POST /v1/tokens: a short-lived part of a key, and what is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from dropcopyd.rest import token_schemas
from tests.rest.gateway import Gateway


async def mint(gateway: Gateway, body: Any, **headers: str) -> Any:
    return await gateway.client.post("/v1/tokens", json=body, headers=headers)


async def test_a_token_reads_what_its_key_reads_and_no_more(gateway: Gateway) -> None:
    answer = await mint(gateway, {"scopes": ["records:read"], "account_ids": [gateway.tenants.account_id]})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    token = token_schemas.Token.model_validate_json(answer.content)
    assert [scope.value for scope in token.scopes] == ["records:read"]
    left_s = (datetime.fromisoformat(token.expires_at) - datetime.now(UTC)).total_seconds()
    assert 600 < left_s <= 900
    bearer = {"authorization": f"Bearer {token.token}", "x-api-key": ""}
    async with gateway.without_key() as client:
        del bearer["x-api-key"]
        read = await client.get(f"{gateway.account}/orders", headers=bearer)
        assert read.status_code == 200
        other = await client.get(f"/v1/accounts/{gateway.tenants.second_account_id}/orders", headers=bearer)
        assert (other.status_code, other.json()["code"]) == (404, "account_not_found")
        write = await client.post(f"{gateway.account}/intents", json={}, headers=bearer)
        assert (write.status_code, write.json()["scope"]) == (403, "intents:edit")
        again = await client.post("/v1/tokens", json={}, headers=bearer)
        assert (again.status_code, again.json()["code"]) == (403, "permission_denied")
        both = await client.get(f"{gateway.account}/orders", headers=bearer | {"x-api-key": gateway.tenants.key})
        assert (both.status_code, both.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], None),
        ({"scope": ["records:read"]}, "/scope"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": "records:read"}, "/scopes"),
        ({"scopes": ["records:read", "root"]}, "/scopes/1"),
        ({"scopes": [1]}, "/scopes"),
        ({"account_ids": ["x"]}, "/account_ids/0"),
        ({"account_ids": ["00000000-0000-4000-8000-000000000000"] * 33}, "/account_ids"),
        ({"lifetime_s": 0}, "/lifetime_s"),
        ({"lifetime_s": -1}, "/lifetime_s"),
        ({"lifetime_s": 3601}, "/lifetime_s"),
        ({"lifetime_s": 1.5}, "/lifetime_s"),
        ({"lifetime_s": "60"}, "/lifetime_s"),
        ({"lifetime_s": 10**30}, "/lifetime_s"),
        ({"lifetime_s": True}, "/lifetime_s"),
    ],
)
async def test_a_bad_request_names_its_member(gateway: Gateway, body: Any, pointer: str | None) -> None:
    answer = await mint(gateway, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_argument")
    assert answer.json().get("pointer") == pointer


async def test_never_wider_than_the_key(gateway: Gateway) -> None:
    wider = await mint(gateway, {"scopes": ["intents:edit"]}, **{"x-api-key": gateway.tenants.read_key})
    assert (wider.status_code, wider.json()["scope"]) == (403, "intents:edit")
    foreign = await mint(gateway, {"account_ids": [gateway.tenants.foreign_account_id]})
    assert (foreign.status_code, foreign.json()["code"]) == (404, "account_not_found")
    assert (await mint(gateway, {}, **{"x-api-key": gateway.tenants.disabled_key})).status_code == 401
    own = await mint(gateway, {}, **{"x-api-key": gateway.tenants.read_key})
    assert own.json()["scopes"] == ["records:read"]
    assert own.json()["account_ids"] is None
