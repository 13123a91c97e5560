"""Hostile peers against the real program, plaintext and TLS.

Each holds an open stream of a real key while it attacks. What must hold every time: the connection ends with the right
error, a stream on another connection hears everything in order, memory stays bounded, and the attacker's place in the
quota is free again.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import hpack
import pytest
import pytest_asyncio

from dropcopy import proto as pb
from dropcopyd.rpc import frames
from tests.rpc.peers import ClosedError, RawPeer, framed, raw_peer
from tests.support.daemon import Daemon, Rest
from tests.support.streams import StreamClient, has

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

PATH = pb.STREAM_EVENTS_PATH
CANCEL = (8).to_bytes(4, "big")
PLACES = 3
GROWTH_BYTES_MAX = 24 * 1024 * 1024
BEYOND_BURST = 3_000
"""Frames of a flood: well above the burst that is allowed, and what is refilled meanwhile on a slow machine."""
NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL, FRAME_SIZE, COMPRESSION, CALM = 0, 1, 3, 6, 9, 11


@dataclass
class Site:
    """The program under attack, and a client whose stream must not notice."""

    daemon: Daemon
    rest: Rest
    witness: StreamClient
    tls: ssl.SSLContext
    traded: int = field(default=0)

    @property
    def pid(self) -> int:
        assert self.daemon.process is not None
        return self.daemon.process.pid

    def memory(self, name: str) -> int:
        """VmRSS or VmHWM of the program, in bytes."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024

    def reset_peak(self) -> None:
        """Let VmHWM begin anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    @asynccontextmanager
    async def peer(self, uses_tls: bool, *, window: int = 65_535) -> AsyncIterator[RawPeer]:
        """A raw client of the program."""
        target = self.daemon.info["grpc_tls" if uses_tls else "grpc"]
        port = int(target.rpartition(":")[2])
        async with raw_peer(port, context=self.tls if uses_tls else None, window=window) as peer:
            yield peer

    def open_stream(self, peer: RawPeer, stream: int = 1) -> None:
        """Ask for a stream with a real key."""
        peer.request(stream, PATH, x_api_key=self.daemon.info["api_key"])

    async def trade(self) -> None:
        """Something for the witness to hear."""
        await self.rest.create("AAPL", "BUY", "1")
        self.traded += 1

    async def assert_undisturbed(self) -> None:
        """The witness hears of every trade, in order and without a gap."""
        await self.witness.until(lambda _: len(self.witness.of("broker_trade")) >= self.traded, "every trade")
        sequences = [event.sequence for event in self.witness.journal]
        assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))

    async def assert_places_free(self) -> None:
        """All places but the witness's can be taken."""
        async with asyncio.timeout(20):
            while not await self._take_all():
                await asyncio.sleep(0.05)

    async def _take_all(self) -> bool:
        async with AsyncExitStack() as stack:
            for _ in range(PLACES - 1):
                client = StreamClient(self.daemon.info["grpc"], self.daemon.info["api_key"])
                await stack.enter_async_context(client)
                try:
                    await client.until(has("heartbeat"))
                except AssertionError:
                    return False
        return True


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    quick = {
        "DROPCOPYD_LIMITS__STREAMS_PER_ORGANIZATION": str(PLACES),
        "DROPCOPYD_LIMITS__STALL_S": "1",
        "DROPCOPYD_TRANSPORT__PING_INTERVAL_S": "1",
        "DROPCOPYD_TRANSPORT__PING_TIMEOUT_S": "1",
        "DROPCOPYD_TRANSPORT__HANDSHAKE_TIMEOUT_S": "1",
    }
    folder = tmp_path_factory.mktemp("hostile") / "data"
    async with Daemon(folder, "--heartbeat-s", "0.5", **quick) as daemon, Rest(daemon.info) as rest:
        tls = ssl.create_default_context(cafile=daemon.info["ca"])
        tls.set_alpn_protocols(["h2"])
        async with StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as witness:
            witness.subscribe(daemon.info["account_id"])
            await witness.until(has("status"))
            for _ in range(40):  # working orders, which every primed attach replays
                await rest.create("MSFT", "BUY", "1", price="1.00")
            yield Site(daemon, rest, witness, tls)


Attack = Callable[[RawPeer], Awaitable[None]]


async def flood(peer: RawPeer, send: Callable[[int], object], count: int = BEYOND_BURST) -> None:
    """The same again and again, without waiting for answers."""
    for number in range(count):
        send(number)
        if number % 100 == 99:
            with suppress(ConnectionError):
                await peer.writer.drain()


def raw_head(length: int, kind: int, flags: int = 0, stream: int = 0) -> bytes:
    return frames.header_struct.pack(length << 8 | kind, flags, stream)


async def oversized_frame(peer: RawPeer) -> None:
    peer.writer.write(raw_head(16_385, frames.DATA, stream=1) + bytes(16_385))


async def huge_frame(peer: RawPeer) -> None:
    """Only announced: its 16 MiB must not be waited for."""
    peer.writer.write(raw_head((1 << 24) - 1, 0x42, stream=1) + bytes(1_000))


async def oversized_headers(peer: RawPeer) -> None:
    block = hpack.Encoder().encode([("filler", "x" * 40_000)], huffman=False)
    peer.send(frames.HEADERS, block[:16_000], stream=3)
    for start in range(16_000, len(block), 16_000):
        peer.send(frames.CONTINUATION, block[start : start + 16_000], stream=3)


async def header_bomb(peer: RawPeer) -> None:
    """One entry of 4 KB in the peer's table, named a thousand times by one byte each."""
    literal = b"\x40\x04bomb\x7f\xa1\x1e" + b"b" * 4_000  # with incremental indexing: entry 62
    peer.send(frames.HEADERS, literal + b"\xbe" * 10_000, flags=frames.END_HEADERS, stream=3)


async def bad_compression(peer: RawPeer) -> None:
    peer.send(frames.HEADERS, b"\xff" * 50, flags=frames.END_HEADERS, stream=3)


async def continuation_flood(peer: RawPeer) -> None:
    peer.send(frames.HEADERS, b"", stream=3)
    await flood(peer, lambda _: peer.send(frames.CONTINUATION, b"", stream=3))


async def continuation_growth(peer: RawPeer) -> None:
    peer.send(frames.HEADERS, b"", stream=3)
    await flood(peer, lambda _: peer.send(frames.CONTINUATION, b"\x00" * 1_000, stream=3), 100)


async def reset_flood(peer: RawPeer) -> None:
    await flood(peer, lambda _: peer.send(frames.RST_STREAM, CANCEL, stream=1))


async def rapid_reset(peer: RawPeer) -> None:
    def open_and_reset(number: int) -> None:
        peer.request(3 + 2 * number, PATH, x_api_key="dc_nobody_0123456789")
        peer.send(frames.RST_STREAM, CANCEL, stream=3 + 2 * number)

    await flood(peer, open_and_reset)


async def made_to_reset(peer: RawPeer) -> None:
    """The server resets each stream for an overflowing window, which costs its peer as little."""

    def overflow(number: int) -> None:
        peer.request(3 + 2 * number, PATH, x_api_key="dc_nobody_0123456789")
        peer.update((1 << 31) - 1, stream=3 + 2 * number)

    await flood(peer, overflow)


async def ping_flood(peer: RawPeer) -> None:
    await flood(peer, lambda _: peer.send(frames.PING, b"12345678"))


async def settings_flood(peer: RawPeer) -> None:
    await flood(peer, lambda number: peer.settings(window=1_000 + number % 2))


async def empty_data_flood(peer: RawPeer) -> None:
    await flood(peer, lambda _: peer.send(frames.DATA, b"", stream=1))


async def priority_flood(peer: RawPeer) -> None:
    await flood(peer, lambda _: peer.send(frames.PRIORITY, b"\0\0\0\1\7", stream=5))


async def unknown_flood(peer: RawPeer) -> None:
    await flood(peer, lambda _: peer.send(0x77, b"?"))


async def connection_window_overflow(peer: RawPeer) -> None:
    peer.update((1 << 31) - 1)


async def settings_window_overflow(peer: RawPeer) -> None:
    """Allowed by itself, but it lifts the open stream's window beyond 2^31 - 1."""
    peer.update((1 << 31) - 1 - 65_535, stream=1)
    peer.settings(window=(1 << 31) - 1)


async def sends_beyond_the_window(peer: RawPeer) -> None:
    """A message that never ends, and nothing of it acknowledged."""
    peer.send(frames.DATA, b"\0" + (60_000).to_bytes(4, "big"), stream=1)
    for stream in range(3, 60, 2):  # calls that do not exist: what they send is nobody's, only the window's
        peer.request(stream, "/t.T/Nothing")
    await flood(peer, lambda _: peer.send(frames.DATA, bytes(16_384), stream=1), 40)


async def data_on_stream_0(peer: RawPeer) -> None:
    peer.send(frames.DATA, b"x", stream=0)


ATTACKS: dict[str, tuple[Attack, int]] = {
    "oversized frame": (oversized_frame, FRAME_SIZE),
    "announced huge frame": (huge_frame, FRAME_SIZE),
    "oversized headers": (oversized_headers, CALM),
    "header bomb": (header_bomb, CALM),
    "bad compression": (bad_compression, PROTOCOL_ERROR),
    "CONTINUATION flood": (continuation_flood, CALM),
    "CONTINUATION growth": (continuation_growth, CALM),
    "RST_STREAM flood": (reset_flood, CALM),
    "rapid reset": (rapid_reset, CALM),
    "made to reset": (made_to_reset, CALM),
    "PING flood": (ping_flood, CALM),
    "SETTINGS flood": (settings_flood, CALM),
    "empty DATA flood": (empty_data_flood, CALM),
    "PRIORITY flood": (priority_flood, CALM),
    "unknown flood": (unknown_flood, CALM),
    "connection window overflow": (connection_window_overflow, FLOW_CONTROL),
    "SETTINGS window overflow": (settings_window_overflow, FLOW_CONTROL),
    "sends beyond the window": (sends_beyond_the_window, FLOW_CONTROL),
    "DATA on stream 0": (data_on_stream_0, PROTOCOL_ERROR),
}
BOTH_PORTS = pytest.mark.parametrize("uses_tls", [False, True], ids=["plaintext", "TLS"])


@asynccontextmanager
async def watched(site: Site) -> AsyncIterator[None]:
    """What happens in the block disturbs nobody, costs bounded memory, and leaves no place taken."""
    before = site.memory("VmRSS")
    site.reset_peak()
    trade = asyncio.create_task(site.trade())
    yield
    await trade
    await site.trade()
    await site.assert_undisturbed()
    assert site.memory("VmHWM") - before < GROWTH_BYTES_MAX
    await site.assert_places_free()


@BOTH_PORTS
@pytest.mark.parametrize(("attack", "code"), ATTACKS.values(), ids=ATTACKS.keys())
async def test_an_attack_ends_its_own_connection_only(site: Site, attack: Attack, code: int, uses_tls: bool) -> None:
    async with watched(site), site.peer(uses_tls) as peer:
        site.open_stream(peer)
        assert (await peer.headers())[":status"] == "200"
        await attack(peer)
        assert await peer.goaway_code() == code


@BOTH_PORTS
async def test_an_overflowing_window_of_a_stream_ends_that_stream(site: Site, uses_tls: bool) -> None:
    async with watched(site), site.peer(uses_tls) as peer:
        site.open_stream(peer, 1)
        site.open_stream(peer, 3)
        for _ in range(2):
            await peer.headers()
        peer.update((1 << 31) - 1, stream=1)
        _, _, stream, payload = await peer.until(frames.RST_STREAM)
        assert (stream, int.from_bytes(payload, "big")) == (1, FLOW_CONTROL)
        while (await peer.until(frames.DATA))[2] != 3:  # its neighbour's heartbeats go on
            pass


@BOTH_PORTS
async def test_a_request_beyond_the_limit_ends_its_call_with_a_status(site: Site, uses_tls: bool) -> None:
    async with watched(site), site.peer(uses_tls) as peer:
        site.open_stream(peer)
        peer.send(frames.DATA, b"\0" + (64 * 1024 + 1).to_bytes(4, "big") + b"only its beginning", stream=1)
        trailers = await peer.trailers()
        assert (trailers["grpc-status"], trailers["dropcopy-code"]) == ("8", "request_too_large")


def subscribe(site: Site) -> bytes:
    kinds = [pb.EVENT_TYPE_BROKER_ORDER, pb.EVENT_TYPE_BROKER_TRADE, pb.EVENT_TYPE_BROKER_POSITION]
    request = pb.Subscribe(trading_account_id=site.daemon.info["account_id"], subscriptions=kinds)
    request.order_delivery = pb.ORDER_DELIVERY_PRIMED
    return framed(pb.StreamEventsRequest(subscribe=request).SerializeToString())


@BOTH_PORTS
async def test_a_peer_that_opens_no_window_is_cut_with_a_status(site: Site, uses_tls: bool) -> None:
    async with watched(site), site.peer(uses_tls, window=100) as peer:
        site.open_stream(peer)
        await peer.headers()
        for _ in range(200):
            peer.send(frames.DATA, subscribe(site), stream=1)
        trailers = await peer.trailers()
        assert (trailers["grpc-status"], trailers["dropcopy-code"]) == ("8", "stream_stalled")


@BOTH_PORTS
async def test_a_peer_that_never_reads_and_answers_nothing_is_dropped(site: Site, uses_tls: bool) -> None:
    """Half-open as the server sees it: the socket is there, bytes for it lie buffered, nobody is behind it."""
    async with watched(site), site.peer(uses_tls, window=(1 << 31) - 1) as peer:
        sock = peer.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        peer.update((1 << 31) - 1 - 65_535)
        site.open_stream(peer)
        await peer.headers()
        transport = peer.writer.transport
        transport.pause_reading()  # type: ignore[attr-defined]  # every stream transport has it
        for _ in range(300):
            peer.send(frames.DATA, subscribe(site), stream=1)
        await site.assert_places_free()
        transport.resume_reading()  # type: ignore[attr-defined]
        with pytest.raises(ClosedError):
            await peer.until(0x99)  # what was buffered, then the end


@BOTH_PORTS
async def test_a_peer_that_only_connects_is_dropped(site: Site, uses_tls: bool) -> None:
    target = site.daemon.info["grpc_tls" if uses_tls else "grpc"]
    async with watched(site):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
        try:
            writer.write(b"\x16\x03" if uses_tls else frames.PREFACE[:5])
            async with asyncio.timeout(20):
                with suppress(ConnectionError):
                    while await reader.read(1_000):
                        pass
        finally:
            writer.transport.abort()


@BOTH_PORTS
async def test_more_streams_than_places_are_refused_and_cost_nothing(site: Site, uses_tls: bool) -> None:
    async with watched(site), site.peer(uses_tls) as peer:
        for stream in range(1, 401, 2):
            site.open_stream(peer, stream)
        refused = 0
        while refused < 200 - (PLACES - 1):
            trailers = await peer.trailers()
            assert (trailers["grpc-status"], trailers["dropcopy-code"]) == ("8", "stream_quota_exceeded")
            refused += 1
