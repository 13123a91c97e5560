"""The quota of 100 streams: the 101st is refused on one connection and on many, and every way out frees a place."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import h2.config
import h2.connection
import pytest

from tests.support.daemon import Daemon
from tests.support.streams import StreamClient, has, new_channel, trailer


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    impatient = {"DROPCOPYD_TRANSPORT__PING_INTERVAL_S": "0.3", "DROPCOPYD_TRANSPORT__PING_TIMEOUT_S": "0.3"}
    async with Daemon(tmp_path / "data", **impatient) as running:
        yield running


async def open_streams(stack: AsyncExitStack, daemon: Daemon, count: int, channel: grpc.aio.Channel | None) -> None:
    clients = [
        await stack.enter_async_context(
            StreamClient(
                daemon.info["grpc"], daemon.info["api_key"], channel=channel or new_channel(daemon.info["grpc"])
            )
        )
        for _ in range(count)
    ]
    for client in clients:
        await client.until(has("heartbeat"), "the first heartbeat")


async def refused(daemon: Daemon, channel: grpc.aio.Channel | None = None) -> bool:
    """Whether a further stream is refused with RESOURCE_EXHAUSTED (and not queued)."""
    async with StreamClient(daemon.info["grpc"], daemon.info["api_key"], channel=channel) as client:
        try:
            await client.until(has("heartbeat"))
        except AssertionError:
            error = await client.ended()
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert trailer(error, "dropcopy-code") == "stream_quota_exceeded"
            return True
        return False


@pytest.mark.parametrize("on_one_connection", [True, False])
async def test_the_101st_stream_is_refused_and_a_closed_one_frees_its_place(
    daemon: Daemon, on_one_connection: bool
) -> None:
    channel = new_channel(daemon.info["grpc"]) if on_one_connection else None
    async with AsyncExitStack() as stack:
        await open_streams(stack, daemon, 99, channel)
        async with AsyncExitStack() as last:
            await open_streams(last, daemon, 1, channel)
            assert await refused(daemon, channel)
        async with asyncio.timeout(10):
            while await refused(daemon, channel):
                await asyncio.sleep(0.05)
        await open_streams(stack, daemon, 1, channel)
        assert await refused(daemon, channel)
    if channel is not None:
        await channel.close(None)
    async with asyncio.timeout(10):
        while await refused(daemon):
            await asyncio.sleep(0.05)


async def test_failed_authentication_takes_no_place(daemon: Daemon) -> None:
    async with AsyncExitStack() as stack:
        await open_streams(stack, daemon, 99, None)
        for key in (None, "wrong", "dc_nobody_0123456789012345678901234567890123456789"):
            async with StreamClient(daemon.info["grpc"], key) as client:
                error = await client.ended()
                assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        await open_streams(stack, daemon, 1, None)
        assert await refused(daemon)


def raw_stream(daemon: Daemon) -> socket.socket:
    """A connection with one open stream, by a peer that will never read nor write again."""
    host, port = daemon.info["grpc"].rsplit(":", 1)
    peer = socket.create_connection((host, int(port)), timeout=10)
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/trading.TradingService/StreamEvents"),
        (":authority", daemon.info["grpc"]),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("x-api-key", daemon.info["api_key"]),
    ]
    connection.send_headers(1, headers)
    peer.sendall(connection.data_to_send())
    assert peer.recv(1)  # the server has seen us
    return peer


async def test_a_raw_peer_that_stops_reading_and_vanishes_frees_its_place(daemon: Daemon) -> None:
    async with AsyncExitStack() as stack:
        await open_streams(stack, daemon, 98, None)
        silent = raw_stream(daemon)  # stays open and answers no ping: found by keepalive
        closed = raw_stream(daemon)
        try:
            async with asyncio.timeout(20):
                while not await refused(daemon):
                    await asyncio.sleep(0.02)
            closed.close()
            async with asyncio.timeout(20):
                while await refused(daemon):
                    await asyncio.sleep(0.1)
            await open_streams(stack, daemon, 1, None)
            async with asyncio.timeout(20):
                while await refused(daemon):
                    await asyncio.sleep(0.1)
            await open_streams(stack, daemon, 1, None)
            assert await refused(daemon)
        finally:
            silent.close()
            closed.close()
