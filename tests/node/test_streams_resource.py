"""Open streams as a resource of the running program: listed, ended by hand, by expiry, by a disabled key; the quota."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from dropcopy import proto as pb
from dropcopyd.rest import stream_schemas
from tests.support.daemon import Daemon, Rest
from tests.support.streams import StreamClient, has, trailer

pytestmark = pytest.mark.asyncio(loop_scope="module")
ORDER, TRADE = pb.EVENT_TYPE_BROKER_ORDER, pb.EVENT_TYPE_BROKER_TRADE


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    async with Daemon(tmp_path_factory.mktemp("streams") / "data", "--heartbeat-s", "0.3") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def rest(daemon: Daemon) -> AsyncIterator[Rest]:
    async with Rest(daemon.info) as client:
        yield client


def admin(daemon: Daemon, *words: str) -> str:
    command = [sys.executable, "-m", "dropcopyd", *words, "--data", str(daemon.folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=90).stdout.strip()


def other_organization(daemon: Daemon, name: str) -> dict[str, str]:
    """Another organization's key."""
    admin(daemon, "orgs", "add", name)
    added: dict[str, str] = json.loads(admin(daemon, "keys", "add", "theirs", "--org", name))
    return added


async def listed(rest: Rest, **headers: str) -> list[dict[str, Any]]:
    answer = await rest.client.get("/v1/streams", headers=headers)
    assert answer.status_code == 200, answer.text
    stream_schemas.StreamPage.model_validate_json(answer.content)
    streams: list[dict[str, Any]] = answer.json()["data"]
    return streams


async def test_the_list_says_who_is_connected_and_how_far(daemon: Daemon, rest: Rest) -> None:
    account_id = daemon.info["account_id"]
    async with StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as client:
        client.subscribe(account_id, (ORDER, TRADE), instrument_key="AAPL", instrument_class="equity")
        client.subscribe("", (TRADE,))
        await client.until(has("status", 2))
        await rest.create("AAPL", "BUY", "3")
        await client.until(has("broker_trade"))
        await client.until(lambda _: client.of("heartbeat")[-1].delivered == len(client.journal))
        (stream,) = await listed(rest)
        assert stream["edge"] == "GRPC"
        assert stream["key_id"] == daemon.info["api_key"].split("_")[1]
        assert stream["peer"].startswith("127.0.0.1:")
        assert stream["sent"] >= len(client.journal) > 0
        assert stream["subscriptions"] == [
            {
                "trading_account_id": account_id,
                "event_types": ["BROKER_ORDER", "BROKER_TRADE"],
                "instrument_key": "AAPL",
                "instrument_class": "EQUITY",
            },
            {
                "trading_account_id": None,
                "event_types": ["BROKER_TRADE"],
                "instrument_key": None,
                "instrument_class": None,
            },
        ]
        (cursor,) = stream["cursors"]
        assert cursor["account_id"] == account_id
        assert cursor["sequence"] >= client.journal[-1].sequence
        assert cursor["lag"] == cursor["head"] - cursor["sequence"]
        assert daemon.info["api_key"].split("_")[2] not in json.dumps(stream)
        theirs = other_organization(daemon, "lookers")
        assert await listed(rest, **{"x-api-key": theirs["api_key"]}) == []
        path = f"/v1/streams/{stream['stream_id']}"
        foreign = await rest.client.delete(path, headers={"x-api-key": theirs["api_key"]})
        assert (foreign.status_code, foreign.json()["code"]) == (404, "stream_not_found")
        assert (await rest.client.delete(path)).status_code == 204
        error = await client.ended()
        assert (error.code(), trailer(error, "dropcopy-code")) == (grpc.StatusCode.ABORTED, "stream_ended")
        assert (await rest.client.delete(path)).status_code == 404
        bad = await rest.client.delete("/v1/streams/nonsense")
        assert (bad.status_code, bad.json()["parameter"]) == (422, "stream_id")
    assert await listed(rest) == []


async def test_a_token_opens_a_stream_that_ends_with_it(daemon: Daemon, rest: Rest) -> None:
    account_id = daemon.info["account_id"]
    body = {"scopes": ["stream:read"], "account_ids": [account_id], "lifetime_s": 2}
    token = (await rest.client.post("/v1/tokens", json=body)).json()["token"]
    bearer = (("authorization", f"Bearer {token}"),)
    async with StreamClient(daemon.info["grpc"], None, metadata=bearer) as client:
        client.subscribe("", (ORDER,))
        await client.until(has("error"))
        assert client.of("error")[0].code == "permission_denied"
        client.subscribe(account_id, (ORDER,))
        await client.until(has("status"))
        assert [stream["is_token"] for stream in await listed(rest)] == [True]
        error = await client.ended()
        assert (error.code(), trailer(error, "dropcopy-code")) == (grpc.StatusCode.UNAUTHENTICATED, "token_expired")
    async with StreamClient(daemon.info["grpc"], None, metadata=bearer) as client:
        error = await client.ended()
        assert (error.code(), trailer(error, "dropcopy-code")) == (grpc.StatusCode.UNAUTHENTICATED, "token_expired")


async def test_a_disabled_key_loses_its_open_streams(daemon: Daemon) -> None:
    key = json.loads(admin(daemon, "keys", "add", "leaving", "--org", "dev"))
    async with (
        StreamClient(daemon.info["grpc"], key["api_key"]) as leaving,
        StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as staying,
    ):
        await leaving.until(has("heartbeat"))
        await staying.until(has("heartbeat"))
        admin(daemon, "keys", "disable", key["key_id"])
        error = await leaving.ended()
        assert (error.code(), trailer(error, "dropcopy-code")) == (grpc.StatusCode.UNAUTHENTICATED, "unauthenticated")
        beats = len(staying.of("heartbeat"))
        await staying.until(has("heartbeat", beats + 2))


async def test_an_organizations_own_quota_holds_from_its_next_stream_on(daemon: Daemon) -> None:
    key = other_organization(daemon, "small")["api_key"]
    admin(daemon, "orgs", "set", "small", "--streams", "1")
    async with StreamClient(daemon.info["grpc"], key) as first:
        await first.until(has("heartbeat"))
        async with StreamClient(daemon.info["grpc"], key) as second:
            error = await second.ended()
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert trailer(error, "dropcopy-code") == "stream_quota_exceeded"
        admin(daemon, "orgs", "set", "small", "--streams", "default")
        async with StreamClient(daemon.info["grpc"], key) as third:
            await third.until(has("heartbeat"))
