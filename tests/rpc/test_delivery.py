"""grpcio clients get exactly the messages that sources gave, whatever their size and number, on both paths."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import grpc
import grpc.aio
import pytest
import uvloop

from tests.rpc.peers import EOF, SMALL_WINDOWS, Events, Service, channel_to, events_port, limits, serving, tls_contexts

SMALL = [bytes([n % 256]) * (n % 40) for n in range(500)]
LARGE = [b"a" * 100_000, b"b" * 1_000_000, b"", b"c" * 16_384, b"d" * 16_379, b"e"]
SIZES = {"small": SMALL, "larger than a frame and a window": LARGE}


async def collect(port: int, **options: Any) -> list[bytes]:
    async with channel_to(port, **options) as channel:
        return [message async for message in channel.stream_stream("/t.T/Events")(iter(()))]


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
@pytest.mark.parametrize("messages", SIZES.values(), ids=SIZES.keys())
async def test_a_client_gets_exactly_the_messages(messages: list[bytes], plain: bool) -> None:
    async with events_port(Events(lambda: messages), plain=plain) as listener:
        got = await collect(listener.port, **{"grpc.max_receive_message_length": -1})
    assert got == messages


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
async def test_a_hundred_streams_share_a_connection(plain: bool) -> None:
    events = Events(lambda: [*SMALL, b"z" * 70_000])
    async with (
        events_port(events, plain=plain) as listener,
        channel_to(listener.port) as channel,
    ):

        async def one() -> list[bytes]:
            return [message async for message in channel.stream_stream("/t.T/Events")(iter(()))]

        results = await asyncio.gather(*(one() for _ in range(100)))
        assert len(listener.connections) == 1
    assert all(result == [*SMALL, b"z" * 70_000] for result in results)


async def test_many_connections_each_get_everything() -> None:
    async with events_port(Events(lambda: SMALL)) as listener:
        results = await asyncio.gather(
            *(collect(listener.port, **{"grpc.use_local_subchannel_pool": 1, "t": n}) for n in range(30))
        )
    assert all(result == SMALL for result in results)


async def test_a_synchronous_client_gets_everything() -> None:
    got: list[bytes] = []

    def client(port: int) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as typed:
            channel: Any = typed
            got.extend(channel.unary_stream("/t.T/Events")(b""))

    async with events_port(Events(lambda: SMALL)) as listener:
        thread = threading.Thread(target=client, args=(listener.port,))
        thread.start()
        await asyncio.to_thread(thread.join, 20)
    assert got == SMALL


async def test_events_flow_on_after_the_client_has_ended_its_requests() -> None:
    requests_over = asyncio.Event()
    events = Events(forever=True)

    async def handler(stream: Any) -> None:
        assert await stream.recv_message() == b"hello"
        assert await stream.recv_message() is None
        requests_over.set()
        await events(stream)

    async with (
        serving(Service(Events=handler)) as listener,
        channel_to(listener.port) as channel,
    ):
        events.listener = listener
        call = channel.stream_stream("/t.T/Events")()
        await call.write(b"hello")
        await call.done_writing()
        await asyncio.wait_for(requests_over.wait(), 10)
        await events.opened.wait()
        for n in range(3):  # one at a time, each woken alone
            events.sources[0].waiting.append(b"\0\0\0\0\1" + bytes([n]))
            events.responses[0].wake()
            events.responses[0].wake()
            assert await call.read() == bytes([n])
        call.cancel()


async def over_tls_and_plain_tcp(uses_tls: bool) -> None:
    server, _, certificate = tls_contexts()
    events = Events(lambda: [*SMALL, *LARGE])
    async with events_port(events, context=server if uses_tls else None) as listener:
        target = f"localhost:{listener.port}" if uses_tls else f"127.0.0.1:{listener.port}"
        credentials = grpc.ssl_channel_credentials(certificate)
        options = [("grpc.max_receive_message_length", -1)]
        channel: Any = (
            grpc.aio.secure_channel(target, credentials, options)
            if uses_tls
            else grpc.aio.insecure_channel(target, options)
        )
        async with channel:
            assert [message async for message in channel.stream_stream("/t.T/Events")(iter(()))] == [*SMALL, *LARGE]


@pytest.mark.parametrize("uses_tls", [True, False], ids=["TLS", "TCP"])
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_both_event_loops_serve(new_loop: Callable[[], asyncio.AbstractEventLoop], uses_tls: bool) -> None:
    def run(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main)

    run(over_tls_and_plain_tcp(uses_tls))


async def test_a_client_that_pauses_holds_little_disturbs_nobody_and_completes() -> None:
    messages = [b"%06d" % n * 50 for n in range(8_000)]  # 2.4 MB
    events = Events(lambda: messages)
    small = limits(segment_bytes_max=16_384, write_buffer_bytes_max=32_768)
    async with (
        events_port(events, limits=small) as listener,
        channel_to(listener.port, **SMALL_WINDOWS) as channel,
    ):
        slow = channel.stream_stream("/t.T/Events")(iter(()))
        assert await slow.read() == messages[0]
        assert await collect(listener.port, **SMALL_WINDOWS) == messages  # others are not held up
        assert await collect(listener.port) == messages
        source, response = events.sources[0], events.responses[0]
        assert response.unsent_bytes <= 16_384
        assert len(source.waiting) > 2_000  # it stays a cursor: what it has not read is still with its source
        assert response.stalled_since_ns is not None
        assert [await slow.read() for _ in messages[1:]] == messages[1:]
        assert await slow.read() is EOF
