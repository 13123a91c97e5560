"""The rate of a key: its headers, the refusal, cancels beyond it, retries of what was accepted, one bucket per key."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace as changed
from pathlib import Path

import pytest

from tests.doubles import ManualClock
from tests.rest.gateway import PATIENT, Gateway, Tenants, cancel, create, opened, replace

LIMITS = changed(PATIENT, requests_per_key=10, cancels_per_key=40, rate_window_s=10)
POLICY = '"requests";q=10;w=10'


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def limited(tmp_path: Path, tenants: Tenants, clock: ManualClock) -> AsyncIterator[Gateway]:
    async with opened(tmp_path, tenants, LIMITS, clock) as gateway:
        yield gateway


async def use_up(gateway: Gateway) -> None:
    """Until the key's requests are refused."""
    for _ in range(100):
        if (await gateway.client.get("/v1/accounts")).status_code == 429:
            return
    raise AssertionError("no end to it")


async def test_every_answer_says_what_is_left(limited: Gateway, clock: ManualClock) -> None:
    left = []
    for path in ("/v1/accounts", "/v1/accounts/none", "/v1/keys/nobody", f"{limited.account}/orders"):
        answer = await limited.client.get(path)
        assert answer.headers["ratelimit-policy"] == POLICY
        match = re.fullmatch(r'"requests";r=([0-9]+);t=([0-9]+)', answer.headers["ratelimit"])
        assert match is not None
        left.append((int(match[1]), int(match[2])))
    assert left == [(9, 1), (8, 2), (7, 3), (6, 4)]
    clock.advance(2)
    answer = await limited.client.get("/v1/accounts", headers={"x-api-key": limited.tenants.edit_key})
    assert answer.status_code == 403
    assert answer.headers["ratelimit"] == '"requests";r=9;t=1', "another key, another bucket"
    assert (await limited.client.get("/v1/accounts")).headers["ratelimit"] == '"requests";r=7;t=3'
    unknown = await limited.client.get("/v1/accounts", headers={"x-api-key": "dc_nobody"})
    assert "ratelimit" not in unknown.headers


async def test_above_it_is_refused_and_told_when(limited: Gateway, clock: ManualClock) -> None:
    answers = [await limited.client.get("/v1/accounts") for _ in range(12)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    refused = answers[-1]
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["ratelimit"] == '"requests";r=0;t=10'
    problem = refused.json()
    assert (problem["code"], problem["policy"], problem["limit"]) == ("rate_limited", "requests", 10)
    assert problem["retry_after_s"] == 1
    clock.advance(1)
    assert [(await limited.client.get("/v1/accounts")).status_code for _ in range(2)] == [200, 429]
    clock.advance(1_000)
    assert (await limited.client.get("/v1/accounts")).headers["ratelimit"] == '"requests";r=9;t=1'


async def test_a_token_shares_its_keys_bucket(limited: Gateway) -> None:
    token = (await limited.client.post("/v1/tokens", json={})).json()["token"]
    await use_up(limited)
    async with limited.without_key() as client:
        answer = await client.get("/v1/accounts", headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert (await limited.client.post("/v1/tokens", json={})).status_code == 429


async def test_a_cancel_passes_up_to_a_bound_of_its_own(limited: Gateway) -> None:
    intent_id = await limited.create()
    await use_up(limited)
    refused = await limited.submit(create())
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert (await limited.submit(replace(intent_id))).status_code == 429
    answers = [await limited.submit(cancel(intent_id)) for _ in range(30)]
    assert {answer.status_code for answer in answers} == {201}
    assert answers[0].headers["ratelimit-policy"] == '"cancels";q=40;w=10'
    everything = await limited.client.post(f"{limited.account}/cancel-all", json={})
    assert everything.status_code == 200
    killed = await limited.client.post("/v1/kill", json={})
    assert killed.status_code == 200
    flood = [await limited.submit(cancel(intent_id)) for _ in range(20)]
    assert flood[-1].status_code == 429
    assert flood[-1].json()["policy"] == "cancels"
    assert (await limited.client.post("/v1/kill", json={})).status_code == 429


async def test_a_retry_of_what_was_accepted_gets_its_answer(limited: Gateway) -> None:
    first = await limited.submit(create(), key="once")
    await use_up(limited)
    again = await limited.submit(create(), key="once")
    assert (again.status_code, again.json()) == (201, first.json())
    other = await limited.submit(create(), key="twice")
    assert other.status_code == 429


async def test_the_events_of_an_account_count_as_one_request(limited: Gateway) -> None:
    async with limited.client.stream("GET", f"{limited.account}/events") as answer:
        assert answer.headers["ratelimit"] == '"requests";r=9;t=1'
    await use_up(limited)
    refused = await limited.client.get(f"{limited.account}/events")
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
