"""Cancel on disconnect over real sockets: native and browser streams, restarts and drains, and who may arm."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import grpc
import pytest
import pytest_asyncio

from dropcopy import proto as pb
from tests.support.daemon import Daemon, Rest, create_command
from tests.support.streams import StreamClient, has, trailer
from tests.support.web import FORMS, WebStream

pytestmark = pytest.mark.asyncio(loop_scope="module")
_WAIT_S = 30.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    async with Daemon(tmp_path_factory.mktemp("arm") / "data", "--heartbeat-s", "0.3") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def rest(daemon: Daemon) -> AsyncIterator[Rest]:
    async with Rest(daemon.info) as client:
        yield client
        await client.client.post(f"/v1/accounts/{client.account_id}/cancel-all", json={})


def arm(strategy_id: str, grace_s: int, account_id: str) -> pb.StreamEventsRequest:
    return pb.StreamEventsRequest(arm=pb.Arm(account_id=account_id, strategy_id=strategy_id, grace_s=grace_s))


def arm_header(strategy_id: str, grace_s: int, account_id: str) -> str:
    return urlencode({"account_id": account_id, "strategy_id": strategy_id, "grace_s": grace_s})


async def work(rest: Rest, strategy_id: str) -> str:
    """A limit order far from the market, working; its intent."""
    answer = await rest.submit(create_command("AAPL", "BUY", "1", price="0.50"), strategy_id=strategy_id)
    assert answer.status_code == 201, answer.text
    intent_id = str(answer.json()["intent_id"])
    await settled(rest, intent_id, "NEW")
    return intent_id


async def status_of(rest: Rest, intent_id: str) -> str:
    found = await rest.all("orders")
    return next(str(order["order_status"]) for order in found if order["intent_id"] == intent_id)


async def settled(rest: Rest, intent_id: str, order_status: str) -> None:
    async with asyncio.timeout(_WAIT_S):
        while await status_of(rest, intent_id) != order_status:
            await asyncio.sleep(0.02)


async def armings(rest: Rest) -> dict[str | None, dict[str, Any]]:
    answer = await rest.client.get(f"/v1/accounts/{rest.account_id}/armings")
    assert answer.status_code == 200, answer.text
    return {one["strategy_id"]: one for one in answer.json()["data"]}


async def disarmed(rest: Rest, strategy_id: str) -> None:
    """Wait until nothing is left of an arming, its cancels included."""
    async with asyncio.timeout(_WAIT_S):
        while strategy_id in await armings(rest):
            await asyncio.sleep(0.02)


def is_armed(client: StreamClient | WebStream, count: int = 1) -> Any:
    return lambda _: sum(status.code == "armed" for status in client.of("status")) >= count


async def test_a_lost_stream_cancels_its_strategys_orders_and_no_others(daemon: Daemon, rest: Rest) -> None:
    mine, other = await work(rest, "mine"), await work(rest, "other")
    async with StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as client:
        client.send(arm("mine", 0, rest.account_id))
        await client.until(is_armed(client), "armed")
        assert client.of("status")[0].trading_account_id == rest.account_id
        assert (await armings(rest))["mine"]["connected"] is True
        later = await work(rest, "mine")
        assert await status_of(rest, mine) == "NEW", "the stream is there"
    await settled(rest, mine, "CANCELLED")
    await settled(rest, later, "CANCELLED")
    await disarmed(rest, "mine")
    assert await status_of(rest, other) == "NEW"
    after = await work(rest, "mine")
    assert await status_of(rest, after) == "NEW", "what comes after is not cancelled"
    lines = (await rest.client.get("/v1/audit")).json()["data"]
    about = [line for line in lines if line["subject"] == "mine"]
    assert [line["action"] for line in about] == ["disconnect.fired", "disconnect.armed"]
    assert about[0]["principal_id"] == "gateway"


async def test_a_stream_that_comes_back_within_the_grace_keeps_them(daemon: Daemon, rest: Rest) -> None:
    """The second stream takes the arming over; the first one's end means nothing any more."""
    mine, witness = await work(rest, "keep"), await work(rest, "witness")
    async with StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as first:
        first.send(arm("keep", 600, rest.account_id))
        await first.until(is_armed(first))
    async with asyncio.timeout(_WAIT_S):
        while (await armings(rest))["keep"]["connected"]:
            await asyncio.sleep(0.02)
    async with StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as half_open:
        half_open.send(arm("keep", 0, rest.account_id))
        await half_open.until(is_armed(half_open))
        async with StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as second:
            second.send(arm("keep", 0, rest.account_id))
            second.send(arm("witness", 0, rest.account_id))
            await second.until(is_armed(second, 2))
            half_open._call.cancel()
            async with asyncio.timeout(_WAIT_S):
                while len((await rest.client.get("/v1/streams")).json()["data"]) > 1:
                    await asyncio.sleep(0.02)
            second.send(arm("keep", 600, rest.account_id))
            await second.until(is_armed(second, 3))
    await settled(rest, witness, "CANCELLED")
    assert await status_of(rest, mine) == "NEW", "its grace is long"
    query = {"strategy_id": "keep"}
    for _ in range(2):  # idempotent
        answer = await rest.client.delete(f"/v1/accounts/{rest.account_id}/armings", params=query)
        assert answer.status_code == 204
    assert "keep" not in await armings(rest)


@pytest.mark.parametrize("form", FORMS)
async def test_a_browsers_stream_is_armed_by_a_header(form: str, daemon: Daemon, rest: Rest) -> None:
    strategy_id = f"web & {form}"
    mine = await work(rest, strategy_id)
    headers = {"x-api-key": daemon.info["api_key"], "dropcopy-arm": arm_header(strategy_id, 0, rest.account_id)}
    async with WebStream(daemon.info["rest"], form, rest.account_id, headers=headers) as stream:
        await stream.until(is_armed(stream), "armed")
        assert (await armings(rest))[strategy_id]["connected"] is True
    await settled(rest, mine, "CANCELLED")


@pytest.mark.parametrize("form", FORMS)
async def test_a_header_that_is_none_ends_a_browsers_stream(form: str, daemon: Daemon, rest: Rest) -> None:
    headers = {"x-api-key": daemon.info["api_key"], "dropcopy-arm": "strategy_id=x"}
    async with WebStream(daemon.info["rest"], form, rest.account_id, headers=headers) as stream:
        assert (await stream.ended()).code == "invalid_argument"


async def test_subscribe_events_is_armed_by_metadata(daemon: Daemon, rest: Rest) -> None:
    mine = await work(rest, "unary")
    metadata = (("x-api-key", daemon.info["api_key"]), ("dropcopy-arm", arm_header("unary", 0, rest.account_id)))
    request = pb.Subscribe(trading_account_id=rest.account_id, subscriptions=[pb.EVENT_TYPE_BROKER_ORDER])
    async with grpc.aio.insecure_channel(daemon.info["grpc"]) as channel:
        method = channel.unary_stream(
            pb.SUBSCRIBE_EVENTS_PATH,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=pb.TradingEvent.FromString,
        )
        call = method(request, metadata=metadata)
        async with asyncio.timeout(_WAIT_S):
            event: Any = None
            while event is None or event.status.code != "armed":
                event = await call.read()
        call.cancel()
    await settled(rest, mine, "CANCELLED")


async def test_who_may_not_cancel_may_not_arm_and_bad_arms_leave_the_stream(daemon: Daemon, rest: Rest) -> None:
    answer = await rest.client.post("/v1/tokens", json={"scopes": ["stream:read", "records:read"]})
    metadata = (("authorization", f"Bearer {answer.json()['token']}"),)
    foreign = "00000000-0000-4000-8000-000000000000"
    async with StreamClient(daemon.info["grpc"], None, metadata=metadata) as client:
        client.send(arm("x", 1, rest.account_id))
        await client.until(has("error"))
        assert client.of("error")[0].code == "permission_denied"
    async with StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as client:
        for request in (arm("x", 1, foreign), arm("x", 1, "x"), arm("x" * 129, 1, rest.account_id)):
            client.send(request)
        client.send(arm("x", 86_401, rest.account_id))
        await client.until(has("error", 4))
        codes = [error.code for error in client.of("error")]
        assert codes == ["account_not_found", "invalid_argument", "invalid_argument", "invalid_argument"]
        client.subscribe(rest.account_id)
        await client.until(has("status"))
    assert "x" not in await armings(rest)


async def test_a_killed_client_is_lost_as_soon_as_its_connection_is(daemon: Daemon, rest: Rest) -> None:
    """A reset instead of a goodbye."""
    mine = await work(rest, "reset")
    host, port = daemon.info["rest"].removeprefix("http://").split(":")
    head = (
        f"GET /v1/accounts/{rest.account_id}/events HTTP/1.1\r\nhost: x\r\nx-api-key: {daemon.info['api_key']}\r\n"
        f"dropcopy-arm: {arm_header('reset', 0, rest.account_id)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode())
    async with asyncio.timeout(_WAIT_S):
        while not (await armings(rest)).get("reset"):
            await asyncio.sleep(0.02)
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()
    await settled(rest, mine, "CANCELLED")


async def test_an_arming_outlives_the_daemon_and_a_drain_is_a_loss(tmp_path: Path) -> None:
    """After a start the grace runs from the start; a stream that comes back in time keeps its orders."""
    daemon = Daemon(tmp_path / "data")
    async with daemon:
        async with Rest(daemon.info) as rest, StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as client:
            lost, kept, drained = await work(rest, "lost"), await work(rest, "kept"), await work(rest, "drained")
            client.send(arm("lost", 1, rest.account_id))
            client.send(arm("kept", 60, rest.account_id))
            await client.until(is_armed(client, 2))
            await daemon.kill()
        await daemon.start()
        async with Rest(daemon.info) as rest, StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as client:
            client.send(arm("kept", 60, rest.account_id))
            client.send(arm("drained", 2, rest.account_id))
            await client.until(is_armed(client, 2))
            await settled(rest, lost, "CANCELLED")
            assert await status_of(rest, kept) == "NEW"
            await daemon.stop()
            error = await client.ended()
            assert trailer(error, "dropcopy-code") == "draining"
        await daemon.start()
        async with Rest(daemon.info) as rest:
            await settled(rest, drained, "CANCELLED")
            assert await status_of(rest, kept) == "NEW"
