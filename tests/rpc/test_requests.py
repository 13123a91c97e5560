"""Requests: what is too large, compressed or malformed ends its call with a clean status, and nothing else."""

import asyncio
import gzip
import tracemalloc
import zlib
from typing import Any

import grpc
import grpc.aio
import pytest

from dropcopyd.rpc import frames
from dropcopyd.rpc.calls import ServerStream
from dropcopyd.rpc.requests import CallError, gunzip
from tests.rpc.peers import RawPeer, Service, channel_to, framed, limits, raw_peer, serving

LIMIT = 64 * 1024


async def echo(stream: ServerStream) -> None:
    async for message in stream:
        await stream.send_message(message)


ECHO = Service(Echo=echo)


def marked(body: bytes, flag: int = 1) -> bytes:
    return bytes([flag]) + len(body).to_bytes(4, "big") + body


async def end_of(peer: RawPeer, data: bytes, *, stream: int = 1, end: bool = False, **headers: Any) -> dict[str, str]:
    peer.request(stream, "/t.T/Echo", **headers)
    for start in range(0, len(data), 16_384):
        part = data[start : start + 16_384]
        last = end and start + 16_384 >= len(data)
        peer.send(frames.DATA, part, flags=frames.END_STREAM if last else 0, stream=stream)
    return await peer.trailers()


async def test_messages_come_back_as_they_were() -> None:
    messages = [b"", b"x", b"y" * 16_379, b"z" * LIMIT]
    async with serving(ECHO) as listener, channel_to(listener.port) as channel:
        assert [message async for message in channel.stream_stream("/t.T/Echo")(iter(messages))] == messages


async def test_gzip_requests_are_accepted() -> None:
    messages = [b"a" * 1_000, b"", b"b" * LIMIT]
    async with (
        serving(ECHO) as listener,
        channel_to(listener.port, compression=grpc.Compression.Gzip) as channel,
    ):
        assert [message async for message in channel.stream_stream("/t.T/Echo")(iter(messages))] == messages


async def test_another_encoding_is_refused_with_the_accepted_ones() -> None:
    async with serving(ECHO) as listener, raw_peer(listener.port) as peer:
        end = await end_of(peer, marked(b"x"), grpc_encoding="snappy")
        assert (end["grpc-status"], end["grpc-accept-encoding"]) == ("12", "identity,gzip")
        assert end["dropcopy-code"] == "not_supported"


async def test_a_message_beyond_the_limit_ends_the_call_from_its_length_alone() -> None:
    async with serving(ECHO) as listener, raw_peer(listener.port, window=1 << 20) as peer:
        peer.update(1 << 20)
        end = await end_of(peer, b"\0" + (30 << 20).to_bytes(4, "big") + b"only its beginning")
        assert (end["grpc-status"], end["dropcopy-code"]) == ("8", "request_too_large")
        peer.send(frames.DATA, b"more of it", stream=1)  # still under way when the call ended
        end = await end_of(peer, framed(b"q" * LIMIT), stream=3, end=True)
        assert end["grpc-status"] == "0"


async def test_a_client_that_sends_30_mb_learns_the_limit() -> None:
    async with serving(ECHO) as listener, channel_to(listener.port) as channel:
        call = channel.stream_stream("/t.T/Echo")(iter([b"x" * (30 << 20)]))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "65,536" in str(caught.value.details())


async def test_a_message_beyond_the_limit_after_gunzip_is_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * (100 << 20))[:LIMIT]
    async with serving(ECHO) as listener, raw_peer(listener.port) as peer:
        end = await end_of(peer, marked(bomb), grpc_encoding="gzip")
        assert (end["grpc-status"], end["dropcopy-code"]) == ("8", "request_too_large")
        just_over = gzip.compress(b"x" * (LIMIT + 1))
        assert (await end_of(peer, marked(just_over), stream=3, grpc_encoding="gzip"))["grpc-status"] == "8"


def test_unpacking_stops_at_the_limit() -> None:
    bomb = gzip.compress(b"\0" * (50 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(CallError):
            gunzip(bomb, LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 10 * LIMIT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "headers"),
    {
        "a flag that is neither 0 nor 1": (marked(b"x", 7), {}),
        "compressed without an encoding": (marked(gzip.compress(b"x")), {}),
        "not gzip": (marked(b"garbage"), {"grpc_encoding": "gzip"}),
        "half a gzip": (marked(gzip.compress(b"x" * 999)[:-9]), {"grpc_encoding": "gzip"}),
        "zlib": (marked(zlib.compress(b"x")), {"grpc_encoding": "gzip"}),
        "more than one gzip member": (marked(gzip.compress(b"x") * 2), {"grpc_encoding": "gzip"}),
        "half a prefix": (b"\0\0", {}),
        "half a message": (framed(b"whole") + framed(b"never whole")[:-1], {}),
    }.values(),
)
async def test_malformed_framing_is_an_internal_error_of_that_call(data: bytes, headers: dict[str, Any]) -> None:
    async with serving(ECHO) as listener, raw_peer(listener.port) as peer:
        end = await end_of(peer, data, end=True, **headers)
        assert (end["grpc-status"], end["dropcopy-code"]) == ("13", "invalid_argument")
        assert end["grpc-message"].startswith("malformed request")
        assert (await end_of(peer, framed(b"next"), stream=3, end=True))["grpc-status"] == "0"


async def test_frames_may_cut_messages_anywhere_and_be_empty_or_padded() -> None:
    async with serving(ECHO) as listener, raw_peer(listener.port) as peer:
        peer.request(1, "/t.T/Echo")
        for byte in framed(b"cut up") + framed(b""):
            peer.send(frames.DATA, bytes([byte]), stream=1)
            peer.send(frames.DATA, b"", stream=1)
            peer.send(frames.DATA, b"\x03" + b"\0" * 3, flags=frames.PADDED, stream=1)
        peer.send(frames.DATA, b"\x02" + framed(b"padded") + b"\0\0", flags=frames.PADDED, stream=1)
        peer.send(frames.DATA, b"", flags=frames.END_STREAM, stream=1)
        expected = framed(b"cut up") + framed(b"") + framed(b"padded")
        assert await peer.data(len(expected)) == expected
        assert (await peer.trailers())["grpc-status"] == "0"


async def test_what_a_handler_does_not_read_stays_with_the_client() -> None:
    async def deaf(stream: ServerStream) -> None:
        await stream.send_initial_metadata()
        await asyncio.Event().wait()

    async with serving(Service(Deaf=deaf)) as listener, raw_peer(listener.port) as peer:
        peer.request(1, "/t.T/Deaf")
        for _ in range(4):
            peer.send(frames.DATA, b"\0" * 16_384, stream=1)
        peer.send(frames.DATA, b"\0" * 5, stream=1)  # its window is used up, and is not given back
        await peer.until(frames.HEADERS)
        await peer.quiet()
        peer.send(frames.RST_STREAM, (8).to_bytes(4, "big"), stream=1)
        for stream in range(3, 3 + 2 * 20, 2):  # the connection's window was given back: more than it fits through
            peer.request(stream, "/t.T/Nothing")
            peer.send(frames.DATA, b"\0" * 16_384, stream=stream)
            assert (await peer.trailers())["grpc-status"] == "12"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({":method": "GET"}, (":status", "405")),
        ({":method": ""}, (":status", "405")),
        ({"content-type": ""}, (":status", "415")),
        ({"content-type": "application/json"}, (":status", "415")),
        ({"content-type": "application/grpc+json"}, (":status", "415")),
        ({":path": "/t.T/Nothing"}, ("grpc-status", "12")),
        ({":path": ""}, ("grpc-status", "12")),
        ({"grpc-timeout": "soon"}, ("grpc-status", "3")),
        ({"grpc-timeout": "9" * 4_000 + "H"}, ("grpc-status", "3")),
        ({"key-bin": "a"}, ("grpc-status", "3")),
        ({"key-bin": "é"}, ("grpc-status", "3")),
        ({"x-api-key": "é\x00"}, ("grpc-status", "0")),
        ({"te": ""}, ("grpc-status", "0")),
        ({"grpc-timeout": "99999999H"}, ("grpc-status", "0")),
        ({"content-type": "application/grpc+proto"}, ("grpc-status", "0")),
    ],
)
async def test_odd_headers_end_one_call(headers: dict[str, Any], expected: tuple[str, str]) -> None:
    async with serving(ECHO) as listener, raw_peer(listener.port) as peer:
        peer.request(1, "/t.T/Echo", end=True, **headers)
        await peer.headers()
        if "grpc-status" not in peer.heads[-1] and expected[0] == "grpc-status":
            await peer.trailers()
        assert peer.heads[-1][expected[0]] == expected[1]
        assert (await end_of(peer, framed(b"next"), stream=3, end=True))["grpc-status"] == "0"


async def test_headers_beyond_the_limit_end_the_connection() -> None:
    async with serving(ECHO, limits=limits(header_list_bytes_max=2_000)) as listener:
        async with raw_peer(listener.port) as peer:
            peer.request(1, "/t.T/Echo", filler="x" * 3_000)
            assert await peer.goaway_code() == 11
        async with raw_peer(listener.port) as peer:  # in pieces, and never complete
            peer.send(frames.HEADERS, b"\0", stream=1)
            for _ in range(3):
                peer.send(frames.CONTINUATION, b"\0" * 900, stream=1)
            assert await peer.goaway_code() == 11
