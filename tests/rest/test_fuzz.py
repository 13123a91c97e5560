"""Whatever is sent, the answer is a documented one: never a 5xx, never a status or code that the document lacks."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rest.gateway import Gateway, opened, populate
from tests.rest.test_openapi import BODIES

RELAXED = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
UUID = "00000000-0000-4000-8000-000000000000"


class Target:
    """A gateway in a thread of its own, with its document."""

    def __init__(self, gateway: Gateway) -> None:
        self.tenants = gateway.tenants
        headers = {"x-api-key": gateway.tenants.key}
        self.client = httpx2.Client(base_url=str(gateway.client.base_url), headers=headers, verify=False)
        self.document: Any = self.client.get("/openapi.json").json()

    def check(self, method: str, route: str, answer: httpx2.Response) -> None:
        """The answer is one that the route documents."""
        documented = self.document["paths"][route][method.lower()]["responses"]
        assert answer.status_code < 500, answer.text
        assert str(answer.status_code) in documented, answer.text
        if answer.status_code >= 400:
            problem = answer.json()
            content = documented[str(answer.status_code)]["content"]["application/problem+json"]
            assert problem["code"] in content["schema"]["allOf"][1]["properties"]["code"]["enum"]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("fuzz")
    ready, done, found = threading.Event(), threading.Event(), []

    async def serve() -> None:
        async with opened(folder, populate(folder)) as gateway:
            found.append(gateway)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    result = Target(found[0])
    yield result
    result.client.close()
    done.set()
    thread.join(30)
    assert not thread.is_alive()


HEADER_VALUES = st.one_of(
    st.sampled_from([b"", b"application/json", b"gzip", b"a", b"*/*", b"close", b"\xff"]),
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=300).map(str.encode),
    st.binary(max_size=20).map(lambda value: bytes(byte for byte in value if byte > 32 and byte != 127)),
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [b"x-api-key", b"idempotency-key", b"content-type", b"content-encoding", b"accept", b"origin", b"cookie"]
        ),
        HEADER_VALUES,
    ),
    max_size=4,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
)
SEGMENTS = st.one_of(
    st.sampled_from([UUID, UUID.upper(), "%00", "..", "%2e%2e", "%F0%9F%98%80", "%ff"]), st.text("abc%25-", min_size=1)
)


@RELAXED
@given(body=st.one_of(BODIES, JSON))
def test_any_json(target: Target, body: Any) -> None:
    path = f"/v1/accounts/{target.tenants.account_id}/intents"
    content = json.dumps(body).encode()
    answer = target.client.post(path, content=content, headers={"content-type": "application/json"})
    target.check("POST", "/v1/accounts/{account_id}/intents", answer)


@RELAXED
@given(content=st.binary(max_size=300), headers=HEADERS)
def test_any_bytes_and_headers(target: Target, content: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    path = f"/v1/accounts/{target.tenants.account_id}/intents"
    answer = target.client.post(path, content=content, headers=headers)
    target.check("POST", "/v1/accounts/{account_id}/intents", answer)


@RELAXED
@given(
    name=st.sampled_from(["orders", "positions", "trades"]),
    query=st.lists(
        st.tuples(
            st.sampled_from(["limit", "next_cursor", "x"]), st.one_of(st.text(max_size=30), st.integers().map(str))
        ),
        max_size=3,
    ),
)
def test_any_query(target: Target, name: str, query: list[tuple[str, str]]) -> None:
    encoded = urlencode(query, errors="replace")
    answer = target.client.get(f"/v1/accounts/{target.tenants.account_id}/{name}?{encoded}")
    target.check("GET", f"/v1/accounts/{{account_id}}/{name}", answer)


EVENT_QUERIES = st.lists(
    st.tuples(
        st.sampled_from(["kinds", "order_delivery", "instrument_key", "instrument_class", "last_event_id", "token"]),
        st.one_of(
            st.sampled_from(["BROKER_TRADE", "PRIMED", "equity", "AAPL", "", "e:1", "e:-1", ":", "BROKER_TRADE,X"]),
            st.text(max_size=30),
        ),
    ),
    max_size=4,
)


@RELAXED
@given(query=EVENT_QUERIES, last_event_id=HEADER_VALUES)
def test_any_request_for_events(target: Target, query: list[tuple[str, str]], last_event_id: bytes) -> None:
    path = f"/v1/accounts/{target.tenants.account_id}/events?{urlencode(query, errors='replace')}"
    with target.client.stream("GET", path, headers={b"last-event-id": last_event_id}) as answer:
        if answer.status_code != 200:
            answer.read()
            target.check("GET", "/v1/accounts/{account_id}/events", answer)


@RELAXED
@given(account=SEGMENTS, intent=SEGMENTS, method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "PATCH"]))
def test_any_path(target: Target, account: str, intent: str, method: str) -> None:
    url = httpx2.URL(f"{target.client.base_url}/v1/accounts/{account}/intents/{intent}".replace("//v1", "/v1"))
    answer = target.client.request(method, url)
    assert answer.status_code in (200, 400, 404, 405, 422), answer.text


def test_it_still_works(target: Target) -> None:
    answer = target.client.get(f"/v1/accounts/{target.tenants.account_id}/orders")
    assert answer.status_code == 200
