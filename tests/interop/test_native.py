"""Clients in every language that can be had here, built as docs/clients/ says, against the real server.

Each runs the same scenarios. What it printed of an event, the canonical JSON of protobuf, is compared member for member
with what the contract's own classes make of the event.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.program import running
from tests.interop.toolchain import NATIVE, Client, build, require
from tests.interop.transcript import assert_complete, confirmed, count, filled
from tests.support.daemon import Daemon, Rest
from tests.support.streams import StreamClient, has

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


@pytest.fixture(params=NATIVE, ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> Client:
    chosen: Client = request.param
    require(chosen)
    build(chosen)
    return chosen


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    async with Daemon(tmp_path_factory.mktemp("shared") / "data", "--heartbeat-s", "0.2") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """A gateway that allows one stream."""
    one = {"DROPCOPYD_LIMITS__STREAMS_PER_ORGANIZATION": "1"}
    async with Daemon(tmp_path_factory.mktemp("strict") / "data", **one) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def rest(daemon: Daemon) -> AsyncIterator[Rest]:
    async with Rest(daemon.info) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def reference(daemon: Daemon) -> AsyncIterator[StreamClient]:
    """A client of this process that is there before the client under test."""
    async with StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as client:
        client.subscribe(daemon.info["account_id"])
        await client.until(has("status"))
        yield client


@pytest.mark.parametrize("tls", [False, True], ids=["plaintext", "tls"])
async def test_every_event_arrives_as_it_was_sent(
    client: Client, daemon: Daemon, rest: Rest, reference: StreamClient, tls: bool
) -> None:
    async with running(client, daemon, tls=tls) as program:
        await program.until(confirmed("subscribed"), "the confirmation")
        assert "heartbeat" in program.lines[0], "the first sign of life comes before all else"
        await rest.create("AAPL", "BUY", "3")
        await rest.create("AAPL", "SELL", "1", price="1.25")
        await program.until(filled(2), "two filled orders")
        beats = count(program.lines, "heartbeat")
        await program.until(lambda lines: count(lines, "heartbeat") >= beats + 2, "two more heartbeats")
    heard = program.journal
    await assert_complete(heard, int(program.status().get("head", 0)) + 1, reference)
    assert {"intentAction", "brokerOrder", "brokerTrade", "brokerPosition"} <= {key for line in heard for key in line}


async def test_after_an_unsubscribe_only_heartbeats_come(
    client: Client, daemon: Daemon, rest: Rest, reference: StreamClient
) -> None:
    async with running(client, daemon, "--unsubscribe-after", "1") as program:
        await program.until(confirmed("subscribed"), "the confirmation")
        await rest.create("AAPL", "BUY", "3")
        await program.until(confirmed("unsubscribed"), "the second confirmation")
        assert program.journal, "events came until then"
        before = len(program.lines)
        await rest.create("AAPL", "BUY", "4")
        await reference.until(lambda _: len(reference.of("broker_trade")) >= 2, "two trades")
        await program.until(lambda lines: count(lines[before:], "heartbeat") >= 3, "three heartbeats")
        assert all("heartbeat" in line for line in program.lines[before:])


async def test_a_cursor_resumes_without_gap_or_repeat(
    client: Client, daemon: Daemon, rest: Rest, reference: StreamClient
) -> None:
    async with running(client, daemon) as program:
        await program.until(confirmed("subscribed"), "the confirmation")
        await rest.create("AAPL", "BUY", "3")
        await program.until(filled(1), "a filled order")
        first = program.journal[:3]
        cursor = program.cursor(first[-1])
    await rest.create("MSFT", "SELL", "2")
    async with running(client, daemon, "--resume", cursor) as program:
        await program.until(filled(2), "both filled orders")
    [answer] = program.status()["resumes"]
    assert answer["outcome"] == "RESUME_OUTCOME_RESUMED"
    assert count(program.lines, "primed") == 0
    await assert_complete(first + program.journal, int(first[0]["sequence"]), reference)


async def test_a_wrong_key_is_refused_with_the_reason(client: Client, strict: Daemon) -> None:
    async with running(client, strict, key="dc_nobody_0123456789") as program:
        end = await program.ended()
    assert (end["status"], end["code"]) == ("UNAUTHENTICATED", "unauthenticated")
    assert len(program.lines) == 1


async def test_a_stream_above_the_quota_is_refused_with_the_reason(client: Client, strict: Daemon) -> None:
    async with StreamClient(strict.info["grpc"], strict.info["api_key"]) as holder:
        await holder.until(has("heartbeat"))
        async with running(client, strict) as program:
            end = await program.ended()
    assert (end["status"], end["code"]) == ("RESOURCEEXHAUSTED", "stream_quota_exceeded")
    assert end["message"]
    assert len(program.lines) == 1


async def test_a_stop_of_the_server_is_announced_to_every_client(tmp_path: Path) -> None:
    """All at once: the stop is one."""
    for client in NATIVE:
        require(client)
        build(client)
    async with Daemon(tmp_path / "data") as daemon, AsyncExitStack() as stack:
        programs = [await stack.enter_async_context(running(client, daemon)) for client in NATIVE]
        for program in programs:
            await program.until(confirmed("subscribed"), "the confirmation")
        await daemon.stop()
        for client, program in zip(NATIVE, programs, strict=True):
            end = await program.ended()
            assert (end["status"], end["code"]) == ("UNAVAILABLE", "draining"), client.name
            announced = program.lines[-2]["status"]
            assert (announced["code"], announced["message"]) == ("draining", "subscribed"), client.name
