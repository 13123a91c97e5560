"""The life of a connection: settings, floods, faults, silence, drain; and that its handlers end with it."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable

import grpc
import grpc.aio
import hpack
import pytest
import uvloop

from dropcopyd.rpc import frames
from dropcopyd.rpc.calls import ServerStream
from tests.rpc.peers import (
    EOF,
    ClosedError,
    Events,
    RawPeer,
    Service,
    channel_to,
    events_port,
    eventually,
    limits,
    pairs,
    raw_peer,
    serving,
    tls_contexts,
)

ENHANCE_YOUR_CALM = 11
PROTOCOL_ERROR = 1
CANCEL = (8).to_bytes(4, "big")


async def settings_of(port: int) -> tuple[dict[int, int], int]:
    """The server's SETTINGS by id, and how much it opens the connection's window at once."""
    async with raw_peer(port, greet=False) as peer:
        peer.writer.write(frames.PREFACE)
        peer.settings()
        _, _, _, payload = await peer.frame()
        entries = [payload[n : n + 6] for n in range(0, len(payload), 6)]
        _, _, stream, increment = await peer.until(frames.WINDOW_UPDATE)
        assert stream == 0
        settings = {int.from_bytes(e[:2], "big"): int.from_bytes(e[2:], "big") for e in entries}
        return settings, int.from_bytes(increment, "big")


async def test_the_settings_are_those_of_the_limits() -> None:
    async with events_port(Events(), limits=limits(concurrent_streams_max=7_000, header_list_bytes_max=9_000)) as port:
        settings, increment = await settings_of(port.port)
    assert (settings[3], settings[6]) == (7_000, 9_000)
    assert increment == 256 * 1024 - 65_535


async def test_more_than_a_hundred_streams_run_on_one_channel() -> None:
    events = Events(lambda: [b"hello"], forever=True)
    async with (
        events_port(events) as listener,
        channel_to(listener.port) as channel,
    ):
        calls = [channel.stream_stream("/t.T/Events")(iter(())) for _ in range(150)]
        assert await asyncio.gather(*(call.read() for call in calls)) == [b"hello"] * 150
        assert len(listener.connections) == 1
        for call in calls:
            call.cancel()


async def test_the_socket_does_not_wait_to_fill_packets_and_the_backlog_is_deep() -> None:
    async with events_port(Events()) as listener, raw_peer(listener.port):
        (protocol,) = listener.connections
        sock = protocol.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert listener._environment.limits.listen_backlog == 2_048


async def test_a_peers_offer_to_remember_headers_is_taken_up_to_a_limit() -> None:
    async with events_port(Events()) as listener, raw_peer(listener.port, table=1 << 30) as peer:
        peer.decoder.max_allowed_table_size = 1 << 30
        (protocol,) = listener.connections
        assert protocol.h2.encoder.header_table_size == 4_096
        peer.request()
        assert (await peer.headers())[":status"] == "200"


async def test_unknown_frame_types_are_ignored() -> None:
    events = Events(lambda: [b"x"])
    async with events_port(events) as listener, raw_peer(listener.port) as peer:
        for kind in (0x0A, 0x0C, 0x10, 0x21, 0xFF):
            peer.send(kind, b"whatever", flags=0xFF, stream=kind % 2)
        peer.request()
        assert await peer.data(6) == b"\0\0\0\0\1x"


FLOODS: dict[str, Callable[[RawPeer, int], None]] = {
    "PING": lambda peer, _: peer.send(frames.PING, b"12345678"),
    "PING answers": lambda peer, _: peer.send(frames.PING, b"12345678", flags=frames.ACK),
    "SETTINGS": lambda peer, _: peer.settings(window=1_000),
    "empty DATA": lambda peer, _: peer.send(frames.DATA, b"", stream=1),
    "DATA of padding": lambda peer, _: peer.send(frames.DATA, b"\1\0", flags=frames.PADDED, stream=1),
    "PRIORITY": lambda peer, _: peer.send(frames.PRIORITY, b"\0\0\0\1\7", stream=5),
    "RST_STREAM": lambda peer, n: peer.send(frames.RST_STREAM, CANCEL, stream=1),
    "unknown": lambda peer, _: peer.send(0x77),
}


async def rapid_reset(peer: RawPeer, n: int) -> None:
    peer.request(3 + 2 * n)
    peer.send(frames.RST_STREAM, CANCEL, stream=3 + 2 * n)


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
async def test_a_flood_is_answered_with_enhance_your_calm(flood: Callable[[RawPeer, int], None]) -> None:
    events = Events(forever=True)
    few = limits(control_frames_per_s_max=1, control_frames_burst=50)
    async with events_port(events, limits=few) as listener, raw_peer(listener.port) as peer:
        peer.request()
        await asyncio.wait_for(events.opened.wait(), 5)
        for n in range(40):
            flood(peer, n)
        await peer.ponged()  # still within the limit
        for n in range(40):
            flood(peer, n)
        assert await peer.goaway_code() == ENHANCE_YOUR_CALM
        await asyncio.wait_for(events.over.wait(), 5)


@pytest.mark.parametrize(
    "attack",
    {
        "open and reset": lambda peer, stream: (
            peer.request(stream),
            peer.send(frames.RST_STREAM, CANCEL, stream=stream),
        ),
        "make the server reset": lambda peer, stream: (
            peer.request(stream),
            peer.update((1 << 31) - 1, stream=stream),
        ),
        "CONTINUATION": lambda peer, stream: (
            peer.send(frames.HEADERS, b"", flags=frames.END_STREAM, stream=stream),
            [peer.send(frames.CONTINUATION, b"", stream=stream) for _ in range(62)],
        ),
    }.values(),
    ids=["open and reset", "make the server reset", "CONTINUATION"],
)
async def test_rapid_resets_and_continuations_count(attack: Callable[[RawPeer, int], object]) -> None:
    events = Events(forever=True)
    few = limits(control_frames_per_s_max=1, control_frames_burst=50)
    async with events_port(events, limits=few) as listener, raw_peer(listener.port) as peer:
        for n in range(60):
            attack(peer, 1 + 2 * n)
        assert await peer.goaway_code() == ENHANCE_YOUR_CALM
        await eventually(lambda: not listener.connections)


async def test_pings_are_free_while_data_is_sent() -> None:
    events = Events(forever=True)
    few = limits(control_frames_per_s_max=1, control_frames_burst=5)
    async with events_port(events, limits=few) as listener, raw_peer(listener.port) as peer:
        peer.request()
        await asyncio.wait_for(events.opened.wait(), 5)
        for _ in range(50):
            events.sources[0].waiting.append(b"\0\0\0\0\0")
            events.responses[0].wake()
            await peer.data(5)
            await peer.ponged()


@pytest.mark.parametrize(
    ("attack", "code"),
    {
        "not HTTP/2": (lambda peer: peer.writer.write(b"GET / HTTP/1.1\r\n\r\n"), PROTOCOL_ERROR),
        "DATA on no stream": (lambda peer: peer.send(frames.DATA, b"x", stream=0), PROTOCOL_ERROR),
        "DATA on an idle stream": (lambda peer: peer.send(frames.DATA, b"x", stream=9), PROTOCOL_ERROR),
        "an even stream": (lambda peer: peer.request(2), PROTOCOL_ERROR),
        "PUSH_PROMISE": (lambda peer: peer.send(frames.PUSH_PROMISE, b"\0\0\0\2", flags=4, stream=1), PROTOCOL_ERROR),
        "WINDOW_UPDATE by 0": (lambda peer: peer.update(0), PROTOCOL_ERROR),
        "WINDOW_UPDATE of an idle stream": (lambda peer: peer.update(1, stream=77), PROTOCOL_ERROR),
        "a window beyond 2^31": (lambda peer: peer.update((1 << 31) - 1), 3),
        "PING of 7 bytes": (lambda peer: peer.send(frames.PING, b"1234567"), 6),
        "PING on a stream": (lambda peer: peer.send(frames.PING, b"12345678", stream=1), PROTOCOL_ERROR),
        "a frame too large": (lambda peer: peer.writer.write(b"\x00\x40\x01\x00\x00\x00\x00\x00\x01"), 6),
        "SETTINGS out of range": (lambda peer: peer.settings(window=1 << 31), 3),
        "garbage headers": (lambda peer: peer.send(frames.HEADERS, b"\xff" * 50, flags=4, stream=1), PROTOCOL_ERROR),
        "PING within headers": (
            lambda peer: (peer.send(frames.HEADERS, b"", stream=1), peer.send(frames.PING, b"12345678")),
            PROTOCOL_ERROR,
        ),
        "an unknown frame within headers": (
            lambda peer: (peer.send(frames.HEADERS, b"", stream=1), peer.send(0x99)),
            PROTOCOL_ERROR,
        ),
        "GOAWAY of 1 byte": (lambda peer: peer.send(frames.GOAWAY, b"1"), 6),
    }.values(),
)
async def test_a_fault_is_answered_with_its_code(attack: Callable[[RawPeer], object], code: int) -> None:
    async with events_port(Events()) as listener:
        async with raw_peer(listener.port, greet=code != PROTOCOL_ERROR) as peer:
            if code == PROTOCOL_ERROR and "write" not in attack.__code__.co_names:
                peer.writer.write(frames.PREFACE)
                peer.settings()
            attack(peer)
            assert await peer.goaway_code() == code
        await eventually(lambda: not listener.connections)


async def test_bytes_may_arrive_one_at_a_time() -> None:
    async with events_port(Events(lambda: [b"x"])) as listener, raw_peer(listener.port, greet=False) as peer:
        settings = frames.header_struct.pack(frames.SETTINGS, 0, 0)
        fields = [(":method", "POST"), (":path", "/t.T/Events"), ("content-type", "application/grpc")]
        block = hpack.Encoder().encode(fields)
        head = frames.header_struct.pack(len(block) << 8 | frames.HEADERS, frames.END_HEADERS, 1)
        for byte in frames.PREFACE + settings + head + block:
            peer.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await peer.data(6) == b"\0\0\0\0\1x"


FAST_PINGS = limits(ping_interval_s=0.1, ping_timeout_s=0.1)


async def test_a_silent_peer_is_pinged_and_lives_while_it_answers() -> None:
    events = Events(forever=True)
    async with events_port(events, limits=FAST_PINGS) as listener, raw_peer(listener.port) as peer:
        peer.request()
        for _ in range(4):
            _, flags, _, payload = await peer.until(frames.PING)
            if not flags & frames.ACK:
                peer.send(frames.PING, payload, flags=frames.ACK)
        assert not events.over.is_set()


async def dead_peer(uses_tls: bool, reads: bool) -> None:
    server, client, _ = tls_contexts()
    events = Events(lambda: [b"x" * 1_000_000] * (0 if reads else 30), forever=True)
    async with (
        events_port(events, limits=FAST_PINGS, context=server if uses_tls else None) as listener,
        raw_peer(listener.port, context=client if uses_tls else None, window=(1 << 31) - 1) as peer,
    ):
        peer.update((1 << 31) - 1 - 65_535)
        peer.request()
        await asyncio.wait_for(events.opened.wait(), 5)
        if reads:
            with pytest.raises(ClosedError):
                await peer.until(0x99)  # it comes never, and nothing is answered
        else:
            (protocol,) = listener.connections
            await eventually(lambda: events.over.is_set() or protocol.transport.get_write_buffer_size() > 0)
        await asyncio.wait_for(events.over.wait(), 10)
        await eventually(lambda: not listener.connections)
        assert isinstance(events.ended[0], asyncio.CancelledError)


@pytest.mark.parametrize("reads", [True, False], ids=["reads", "does not read"])
@pytest.mark.parametrize("uses_tls", [False, True], ids=["TCP", "TLS"])
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_peer_that_does_not_answer_is_aborted_and_its_handlers_end(
    new_loop: Callable[[], asyncio.AbstractEventLoop], uses_tls: bool, reads: bool
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(dead_peer(uses_tls, reads))


@pytest.mark.parametrize("uses_tls", [False, True], ids=["TCP", "TLS"])
async def test_a_peer_that_vanishes_ends_its_handlers(uses_tls: bool) -> None:
    server, client, _ = tls_contexts()
    events = Events(lambda: [b"x" * 1_000_000] * 30, forever=True)
    async with events_port(events, context=server if uses_tls else None) as listener:
        async with raw_peer(listener.port, context=client if uses_tls else None, window=(1 << 31) - 1) as peer:
            peer.update((1 << 31) - 1 - 65_535)
            peer.request()
            await eventually(lambda: events.responses and events.responses[0].stalled_since_ns)
        await asyncio.wait_for(events.over.wait(), 5)
        await eventually(lambda: not listener.connections)


async def test_a_half_closed_socket_ends_the_connection() -> None:
    events = Events(forever=True)
    async with events_port(events) as listener, raw_peer(listener.port) as peer:
        peer.request()
        await asyncio.wait_for(events.opened.wait(), 5)
        peer.writer.write_eof()
        await asyncio.wait_for(events.over.wait(), 5)
        await eventually(lambda: not listener.connections)


@pytest.mark.parametrize("buffer_bytes", [65_536, 1 << 20], ids=["resumes often", "drains for long"])
async def test_a_slow_reader_is_alive_although_its_pings_come_late(buffer_bytes: int) -> None:
    events = Events(lambda: [b"x" * 100_000] * 300)
    tiny = limits(ping_interval_s=0.2, ping_timeout_s=0.4, write_buffer_bytes_max=buffer_bytes)
    async with events_port(events, limits=tiny) as listener:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", listener.port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=4_096)
        peer = RawPeer(reader, writer)
        writer.write(frames.PREFACE)
        peer.settings(window=(1 << 31) - 1)
        peer.update((1 << 31) - 1 - 65_535)
        peer.request()
        await eventually(lambda: events.responses and events.responses[0].stalled_since_ns)
        (protocol,) = listener.connections
        protocol.heard = False
        start = time.monotonic()
        while time.monotonic() - start < 1.8:  # it reads some now and then, and says nothing
            await reader.read(20_000)
            await asyncio.sleep(0.01)
        assert not events.over.is_set()
        assert listener.connections
        writer.transport.abort()
        await asyncio.wait_for(events.over.wait(), 5)


async def test_goaway_lets_running_streams_finish_and_refuses_new_ones() -> None:
    events = Events(forever=True)
    async with events_port(events) as listener, raw_peer(listener.port) as peer:
        peer.request(1)
        await asyncio.wait_for(events.opened.wait(), 5)
        listener.goaway()
        listener.goaway()
        _, _, _, payload = await peer.until(frames.GOAWAY)
        assert (payload[:4], payload[4:8]) == ((1).to_bytes(4, "big"), bytes(4))
        peer.request(3)
        _, _, stream, payload = await peer.until(frames.RST_STREAM)
        assert (stream, payload) == (3, (7).to_bytes(4, "big"))
        events.sources[0].waiting.append(b"\0\0\0\0\1!")
        events.responses[0].wake()
        assert await peer.data(6) == b"\0\0\0\0\1!"
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection("127.0.0.1", listener.port)
        peer.send(frames.RST_STREAM, CANCEL, stream=1)
        await eventually(lambda: not listener.connections)  # the last stream closes the connection


async def test_goaway_and_a_grpcio_client() -> None:
    release = asyncio.Event()

    async def handler(stream: ServerStream) -> None:
        await stream.send_message(b"first")
        await release.wait()
        await stream.send_message(b"last")

    async with (
        serving(Service(Events=handler), grace_s=5) as listener,
        channel_to(listener.port) as channel,
    ):
        call = channel.stream_stream("/t.T/Events")(iter(()))
        assert await call.read() == b"first"
        listener.goaway()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_stream("/t.T/Events")(b"").read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        release.set()
        assert await call.read() == b"last"
        assert await call.read() is EOF
        assert await call.code() is grpc.StatusCode.OK


async def test_close_ends_calls_with_unavailable_after_the_grace() -> None:
    events = Events(lambda: [b"x"], forever=True)
    async with (
        events_port(events) as listener,
        channel_to(listener.port) as channel,
    ):
        call = channel.stream_stream("/t.T/Events")(iter(()))
        assert await call.read() == b"x"
        await listener.close(0.05)
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert pairs(await call.trailing_metadata())["dropcopy-code"] == "draining"
        assert not listener.connections
        await listener.close(0.05)


async def test_a_client_that_says_goaway_keeps_its_streams() -> None:
    events = Events(forever=True)
    async with events_port(events) as listener, raw_peer(listener.port) as peer:
        peer.request()
        await asyncio.wait_for(events.opened.wait(), 5)
        peer.send(frames.GOAWAY, bytes(8) + b"bye")
        await peer.ponged()
        events.sources[0].waiting.append(b"\0\0\0\0\1!")
        events.responses[0].wake()
        assert await peer.data(6) == b"\0\0\0\0\1!"
        peer.send(frames.GOAWAY, bytes(7) + b"\2")  # INTERNAL_ERROR: it is in no state to go on
        await asyncio.wait_for(events.over.wait(), 5)


async def test_the_last_stream_of_a_client_that_said_goaway_closes_the_connection() -> None:
    events = Events(forever=True)
    async with events_port(events) as listener, raw_peer(listener.port) as peer:
        peer.request()
        await asyncio.wait_for(events.opened.wait(), 5)
        peer.send(frames.GOAWAY, bytes(8))
        await peer.ponged()
        assert listener.connections
        peer.send(frames.RST_STREAM, CANCEL, stream=1)
        await eventually(lambda: not listener.connections)


async def test_after_its_goaway_the_server_reads_on_for_a_while() -> None:
    async with events_port(Events()) as listener, raw_peer(listener.port) as peer:
        peer.update(0)
        await peer.until(frames.GOAWAY)
        assert listener.connections  # closed at once, a TCP reset could overtake the GOAWAY
        await eventually(lambda: not listener.connections)


async def test_a_peer_that_leaves_control_answers_unread_is_aborted() -> None:
    async with events_port(
        Events(),
        limits=limits(unread_control_bytes_max=50_000, write_buffer_bytes_max=10_000, control_frames_burst=10**9),
    ) as listener:
        sock = socket.create_connection(("127.0.0.1", listener.port))
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, frames.PREFACE + frames.header_struct.pack(frames.SETTINGS, 0, 0))
        await eventually(lambda: listener.connections)

        async def ping_without_reading() -> None:
            while True:
                await loop.sock_sendall(sock, frames.ping(b"01234567") * 1_000)

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(ping_without_reading(), 20)
        sock.close()
        await eventually(lambda: not listener.connections)


async def test_a_failed_tls_handshake_leaves_nothing() -> None:
    server, _, _ = tls_contexts()
    async with events_port(Events(), context=server, limits=limits(handshake_timeout_s=0.1)) as listener:
        with pytest.raises(ssl.SSLError):
            await asyncio.open_connection("127.0.0.1", listener.port, ssl=ssl.create_default_context())
        _, silent = await asyncio.open_connection("127.0.0.1", listener.port)
        assert not listener.connections
        silent.close()
        await silent.wait_closed()
