"""Every route of the application with every kind of credential: a route that is added is in the matrix by itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from dropcopyd.domain.account import Scope
from tests.rest.gateway import Gateway

UUID = "00000000-0000-4000-8000-000000000000"
OPEN = {"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"}
"""Routes that take no credential."""


@dataclass(frozen=True)
class Operation:
    """One method of one route, as the document describes it. `scope` None: any key will do."""

    method: str
    path: str
    scope: Scope | None
    takes_tokens: bool
    has_body: bool
    needed: dict[str, str]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def url(self, account_id: str) -> str:
        """The path for an account; other ids are nobody's."""
        ids = {"account_id": account_id, "symbol": "AAPL", "key_id": "nobody", "name": "trades"}
        return re.sub(r"{(\w+)}", lambda match: ids.get(match[1], UUID), self.path)


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    """What the application serves, whichever router has it."""
    found: set[tuple[str, str]] = set()
    routes = list(app.routes)
    while routes:
        route = routes.pop()
        if isinstance(route, Route):
            found |= {(method, route.path_format) for method in route.methods or () if method != "HEAD"}
        routes += getattr(getattr(route, "original_router", None), "routes", ())
    return found


def described(document: Any) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "security" not in operation:
                continue
            schemes = {name for scheme in operation["security"] for name in scheme}
            query = [one for one in operation.get("parameters", ()) if one["in"] == "query" and one.get("required")]
            scope = operation.get("x-scope")
            yield Operation(
                method.upper(),
                path,
                None if scope is None else Scope(scope),
                "Bearer" in schemes,
                "requestBody" in operation,
                {one["name"]: "0" for one in query},
            )


@pytest.fixture
async def operations(gateway: Gateway) -> list[Operation]:
    document = (await gateway.client.get("/openapi.json")).json()
    found = list(described(document))
    assert len(found) >= 45
    return found


async def ask(client: httpx2.AsyncClient, operation: Operation, account_id: str, **headers: str) -> httpx2.Response:
    """The operation's answer, with an empty body where it takes one; of a stream only its head."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    body: dict[str, Any] = {"json": {}} if operation.has_body else {}
    url = operation.url(account_id)
    request = client.build_request(operation.method, url, params=operation.needed, headers=names, **body)
    answer = await client.send(request, stream=True)
    if not answer.headers.get("content-type", "").startswith("text/event-stream"):
        await answer.aread()
    await answer.aclose()
    return answer


def told(answer: httpx2.Response) -> tuple[int, str | None]:
    """Status and code."""
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    return answer.status_code, answer.json()["code"] if is_problem else None


async def test_every_route_is_described_and_asks_for_a_key_or_is_known_to_be_open(
    gateway: Gateway, operations: list[Operation]
) -> None:
    app: Any = gateway.server._environment.config.app
    served = {(method, path) for method, path in routes_of(app) if path not in OPEN}
    assert served == {(operation.method, operation.path) for operation in operations}
    scoped = {operation.path for operation in operations if operation.scope is None}
    assert scoped == {"/v1/tokens"}, "every other route needs a scope"


async def test_bad_credentials_look_all_the_same(gateway: Gateway, operations: list[Operation]) -> None:
    tenants = gateway.tenants
    bad = [
        {},
        {"x_api_key": "dc_nobody_" + "a" * 40},
        {"x_api_key": tenants.disabled_key},
        {"x_api_key": tenants.expired_key},
        {"x_api_key": tenants.elsewhere_key},
        {"x_api_key": tenants.elsewhere_key, "x_forwarded_for": "203.0.113.7", "forwarded": "for=203.0.113.7"},
        {"authorization": f"Bearer {tenants.key}"},
    ]
    async with gateway.without_key() as client:
        for operation in operations:
            answers = [await ask(client, operation, tenants.account_id, **headers) for headers in bad]
            assert {told(answer) for answer in answers} == {(401, "unauthenticated")}, operation
            assert len({answer.text for answer in answers}) == 1, operation


@pytest.mark.parametrize("form", ["key", "token"])
async def test_each_operation_with_each_scope_alone(gateway: Gateway, operations: list[Operation], form: str) -> None:
    tenants = gateway.tenants
    async with gateway.without_key() as client:
        for scope, key in tenants.scope_keys.items():
            headers = {"x_api_key": key}
            if form == "token":
                minted = await client.post("/v1/tokens", json={}, headers={"x-api-key": key})
                headers = {"authorization": f"Bearer {minted.json()['token']}"}
            for operation in operations:
                answer = await ask(client, operation, tenants.second_account_id, **headers)
                if operation.scope is None:
                    assert answer.status_code == (201 if form == "key" else 403), operation
                elif operation.scope is scope:
                    assert answer.status_code not in (401, 403, 500), (operation, answer.text)
                else:
                    assert told(answer) == (403, "permission_denied"), (operation, scope)
                    assert answer.json()["scope"] == operation.scope.value


async def test_an_account_of_another_organization_is_as_unknown_as_one_that_is_not(
    gateway: Gateway, operations: list[Operation]
) -> None:
    tenants = gateway.tenants
    for operation in operations:
        if "{account_id}" not in operation.path:
            continue
        texts = set()
        for account_id in (UUID, tenants.foreign_account_id):
            answer = await ask(gateway.client, operation, account_id)
            assert told(answer) == (404, "account_not_found"), operation
            texts.add(answer.text.replace(account_id, "ACCOUNT"))
        assert len(texts) == 1, operation


async def test_a_key_for_one_account_finds_no_other_and_nothing_of_it(
    gateway: Gateway, operations: list[Operation]
) -> None:
    tenants = gateway.tenants
    await gateway.create()
    async with gateway.without_key() as client:
        for operation in operations:
            headers = {"x_api_key": tenants.restricted_key}
            answer = await ask(client, operation, tenants.account_id, **headers)
            if "{account_id}" in operation.path:
                assert told(answer) == (404, "account_not_found"), operation
                own = await ask(client, operation, tenants.second_account_id, **headers)
                assert told(own)[1] not in ("account_not_found", "permission_denied"), operation
            elif not answer.headers.get("content-type", "").startswith("text/event-stream"):
                assert tenants.account_id not in answer.text, operation
                assert answer.status_code in (200, 201, 204, 403, 404, 422), (operation, answer.text)


async def test_what_a_foreign_key_names_of_ours_is_not_there(gateway: Gateway, operations: list[Operation]) -> None:
    """Keys, and whatever has an id of its own below an account."""
    tenants = gateway.tenants
    ours = tenants.read_key.split("_")[1]
    for operation in operations:
        if "{key_id}" not in operation.path:
            continue
        texts = set()
        for key_id in ("nobody", ours):
            url = operation.path.replace("{key_id}", key_id)
            body: dict[str, Any] = {"json": {}} if operation.has_body else {}
            answer = await gateway.client.request(
                operation.method, url, headers={"x-api-key": tenants.foreign_key}, **body
            )
            assert told(answer) == (404, "key_not_found"), operation
            texts.add(answer.text.replace(key_id, "KEY"))
        assert len(texts) == 1, operation
    assert (await gateway.client.get("/v1/accounts", headers={"x-api-key": tenants.read_key})).status_code == 200
