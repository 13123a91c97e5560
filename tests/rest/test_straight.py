"""The submit goes around the framework: every answer is the one that the framework's own route gives."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from dropcopyd.observe import Metrics
from dropcopyd.rest.app import create_app
from dropcopyd.rest.server import RestServer
from tests.rest.gateway import WAIT_S, Gateway, cancel, create

Answer = tuple[int, dict[str, str], Any]
_OWN = ("date", "ratelimit", "location", "content-length")
"""Headers that differ from one answer to the next."""


def _compared(answer: httpx2.Response) -> Answer:
    body = answer.json() if answer.content else None
    if isinstance(body, dict):
        body.pop("intent_id", None)
    return answer.status_code, {name: value for name, value in answer.headers.items() if name not in _OWN}, body


_JSON = {"content-type": "application/json"}
_NOWHERE = "00000000-0000-4000-8000-00000000dead"
REQUESTS: dict[str, Callable[[Gateway], Awaitable[httpx2.Response]]] = {
    "taken": lambda g: g.submit(create()),
    "taken under a key": lambda g: g.submit(create(), key="same"),
    "unknown symbol": lambda g: g.submit(create(symbol="NONE")),
    "ambiguous symbol": lambda g: g.submit(create(symbol="TWIN")),
    "a number for an amount": lambda g: g.submit(create(spec={"Market": {"quantity": 1}})),
    "a member twice": lambda g: g.client.post(f"{g.account}/intents", content=b'{"a":1,"a":2}', headers=_JSON),
    "no JSON": lambda g: g.client.post(f"{g.account}/intents", content=b"{", headers=_JSON),
    "no body": lambda g: g.client.post(f"{g.account}/intents", headers=_JSON),
    "another media type": lambda g: g.client.post(f"{g.account}/intents", content=b"{}"),
    "too large": lambda g: g.client.post(f"{g.account}/intents", content=b" " * 2_000_000, headers=_JSON),
    "no key": lambda g: g.client.post(f"{g.account}/intents", json=create(), headers={"x-api-key": ""}),
    "a key that may not": lambda g: g.submit(create(), **{"x-api-key": g.tenants.read_key}),
    "a foreign key": lambda g: g.submit(create(), **{"x-api-key": g.tenants.foreign_key}),
    "a disabled key": lambda g: g.submit(create(), **{"x-api-key": g.tenants.disabled_key}),
    "no account": lambda g: g.client.post(f"/v1/accounts/{_NOWHERE}/intents", json=create()),
    "no UUID": lambda g: g.client.post("/v1/accounts/x%2Fy/intents", json=create()),
    "a line end": lambda g: g.client.post(f"{g.account}/intents%0A", json=create()),
    "a slash more": lambda g: g.client.post(f"{g.account}/intents/", json=create()),
    "a parameter": lambda g: g.client.post(f"{g.account}/intents?force=1", json=create()),
    "an odd idempotency key": lambda g: g.submit(create(), key="k" * 256),
    "a cancel of nothing": lambda g: g.submit(cancel(_NOWHERE)),
    "a read": lambda g: g.client.get(f"{g.account}/intents?limit=1&next_cursor=no"),
    "another method": lambda g: g.client.delete(f"{g.account}/intents"),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_every_answer_is_the_frameworks(gateway: Gateway, name: str) -> None:
    straight = _compared(await REQUESTS[name](gateway))
    gateway.app.straight = None
    assert _compared(await REQUESTS[name](gateway)) == straight


async def test_only_the_submit_goes_around(gateway: Gateway) -> None:
    assert gateway.app.straight is not None
    application, _ = gateway.app.straight
    taken: list[bool] = []
    takes = application.takes
    application.takes = lambda scope: taken.append(takes(scope)) or taken[-1]  # type: ignore[func-returns-value,method-assign]
    await gateway.submit(create())
    await gateway.client.get(f"{gateway.account}/intents")
    await gateway.client.post(f"{gateway.account}/cancel-all", json={})
    assert taken == [True, False, False]


@asynccontextmanager
async def _for_pages(gateway: Gateway, origin: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The same gateway on another port, for pages from there."""
    app = create_app(replace(gateway.dependencies, metrics=Metrics()), cors_origins=[origin])
    server = RestServer(app, "127.0.0.1", 0)
    running = asyncio.create_task(server.run())
    await server.started()
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=WAIT_S) as client:
        yield client
    await server.stop(1.0)
    await running


async def test_a_page_may_submit_where_it_may_call(gateway: Gateway) -> None:
    headers = {"x-api-key": gateway.tenants.key, "origin": "https://desk.example"}
    async with _for_pages(gateway, "https://desk.example") as client:
        answer = await client.post(f"{gateway.account}/intents", json=create(), headers=headers)
        assert answer.status_code == 201
        assert answer.headers["access-control-allow-origin"] == "https://desk.example"
        refused = await client.post(f"{gateway.account}/intents", json={}, headers=headers)
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (422, "https://desk.example")
        asked = {"access-control-request-method": "POST", "origin": "https://desk.example"}
        assert (await client.options(f"{gateway.account}/intents", headers=asked)).status_code == 200


async def test_what_nobody_foresaw_is_answered_with_an_id(gateway: Gateway) -> None:
    gateway.intake._controls = None  # type: ignore[assignment]  # whatever comes is a bug
    answer = await gateway.submit(create())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.headers["content-type"] == "application/problem+json"
