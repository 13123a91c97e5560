"""Test peers of the gRPC port: a service made of functions, a source made of a list, and a raw HTTP/2 client."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio
import hpack
import trustme
from grpclib.const import Cardinality, Handler

from dropcopyd.domain.limits import TransportLimits
from dropcopyd.rpc import frames
from dropcopyd.rpc.calls import EndingOf, ServerStream, default_ending
from dropcopyd.rpc.fanout import Response
from dropcopyd.rpc.transport import Listener, listen

WAIT_S = 10.0
EOF: Any = vars(grpc.aio)["EOF"]  # the stubs do not know it
LIMITS = TransportLimits(linger_s=0.2, end_flush_s=0.3)

HandlerFunc = Callable[[ServerStream], Awaitable[None]]


class Service:
    """Handlers under /t.T/<name>; streams of raw bytes both ways unless said otherwise."""

    def __init__(self, cardinality: Cardinality = Cardinality.STREAM_STREAM, **handlers: HandlerFunc) -> None:
        self._mapping = {f"/t.T/{name}": Handler(func, cardinality, bytes, bytes) for name, func in handlers.items()}

    def __mapping__(self) -> dict[str, Handler]:
        return self._mapping


@asynccontextmanager
async def serving(
    *services: Service,
    limits: TransportLimits = LIMITS,
    context: ssl.SSLContext | None = None,
    plain: bool = False,
    grace_s: float = 0.0,
    ending_of: EndingOf = default_ending,
) -> AsyncIterator[Listener]:
    """An open port, closed on the way out; its handlers must all have ended then."""
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        listener = await listen(
            services,
            limits=limits,
            host="127.0.0.1",
            port=0,
            ssl=context,
            monotonic_ns=time.monotonic_ns,
            tasks=tasks,
            ending_of=ending_of,
            plain=plain,
        )
        try:
            yield listener
        finally:
            await listener.close(grace_s)


def channel_to(port: int, *, compression: grpc.Compression | None = None, **options: Any) -> Any:
    """A grpcio channel, untyped: the stubs want serializers where bytes need none."""
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", list(options.items()), compression)


SMALL_WINDOWS: dict[str, Any] = {"grpc.http2.bdp_probe": 0, "grpc.http2.lookahead_bytes": 65_536}
"""Options of a grpcio channel that does not grow its windows to megabytes."""


def pairs(metadata: Any) -> dict[str, str]:
    """Metadata of a grpcio call as a dict."""
    return dict(tuple(pair) for pair in metadata)


def limits(**changes: Any) -> TransportLimits:
    """The test limits with changes."""
    return replace(LIMITS, **changes)


def framed(message: bytes) -> bytes:
    """A gRPC message on the wire."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def unframed(data: bytes) -> list[bytes]:
    """The messages of a stream's data, which must be whole."""
    messages = []
    while data:
        size = int.from_bytes(data[1:5], "big")
        assert data[0] == 0
        assert len(data) >= 5 + size
        messages.append(data[5 : 5 + size])
        data = data[5 + size :]
    return messages


class ListSource:
    """Gives framed messages from a list, as many whole ones as the budget allows and at least one."""

    has_more = True

    def __init__(self, messages: Iterable[bytes] = ()) -> None:
        self.waiting = deque(framed(message) for message in messages)
        self.pulled = 0

    def pull(self, budget_bytes: int) -> bytes:
        taken: list[bytes] = []
        while self.waiting and (not taken or budget_bytes >= len(self.waiting[0])):
            budget_bytes -= len(self.waiting[0])
            taken.append(self.waiting.popleft())
        self.pulled += len(taken)
        return b"".join(taken)


class Events:
    """A handler that streams a source and keeps its response for the test to look at."""

    def __init__(self, messages: Callable[[], Iterable[bytes]] = tuple, *, forever: bool = False) -> None:
        self.listener: Listener | None = None
        self.responses: list[Response] = []
        self.sources: list[ListSource] = []
        self.ended: list[BaseException | None] = []
        self.opened = asyncio.Event()
        self.over = asyncio.Event()
        self._messages = messages
        self._forever = forever

    async def __call__(self, stream: ServerStream) -> None:
        try:
            await self._run(stream)
        except BaseException as error:
            self.ended.append(error)
            raise
        else:
            self.ended.append(None)
        finally:
            self.over.set()

    async def _run(self, stream: ServerStream) -> None:
        assert self.listener is not None
        await stream.send_initial_metadata()
        source = ListSource(self._messages())
        response = self.listener.fanout.open(stream, source)
        self.sources.append(source)
        self.responses.append(response)
        self.opened.set()
        response.wake()
        if self._forever:
            await asyncio.Event().wait()
        await response.drained()


@asynccontextmanager
async def events_port(events: Events, **options: Any) -> AsyncIterator[Listener]:
    """A port with one method, /t.T/Events."""
    async with serving(Service(Events=events), **options) as listener:
        events.listener = listener
        yield listener


class ClosedError(Exception):
    """The server closed the connection."""


class RawPeer:
    """An HTTP/2 client that does exactly what the test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.heads: list[dict[str, str]] = []
        """All headers and trailers so far."""

    def send(self, kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> None:
        """Send one frame."""
        self.writer.write(frames.header_struct.pack(len(payload) << 8 | kind, flags, stream) + payload)

    def settings(self, **values: int) -> None:
        """Send SETTINGS: window, frame, table (bytes)."""
        ids = {"table": 1, "window": 4, "frame": 5}
        self.send(
            frames.SETTINGS, b"".join(ids[k].to_bytes(2, "big") + v.to_bytes(4, "big") for k, v in values.items())
        )

    def update(self, increment: int, stream: int = 0) -> None:
        """Send WINDOW_UPDATE."""
        self.send(frames.WINDOW_UPDATE, increment.to_bytes(4, "big"), stream=stream)

    def request(self, stream: int = 1, path: str = "/t.T/Events", *, end: bool = False, **extra: str) -> None:
        """Send the headers of a call; an extra header's underscores become dashes, and an empty one is left out."""
        fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "t"}
        fields |= {"content-type": "application/grpc", "te": "trailers"}
        fields |= {name.replace("_", "-"): value for name, value in extra.items()}
        block = self._encoder.encode([(name, value) for name, value in fields.items() if value])
        self.send(frames.HEADERS, block, flags=frames.END_HEADERS | (frames.END_STREAM if end else 0), stream=stream)

    async def frame(self) -> frames.Frame:
        """The next frame, with its payload only. Raises ClosedError."""
        async with asyncio.timeout(WAIT_S):
            try:
                head = await self._reader.readexactly(9)
                word, flags, stream = frames.header_struct.unpack(head)
                payload = await self._reader.readexactly(word >> 8)
            except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError) as error:
                raise ClosedError from error
        if word & 0xFF == frames.HEADERS:  # each must be decoded, in order
            self.heads.append(dict(self.decoder.decode(payload)))  # type: ignore[arg-type]
        if word & 0xFF == frames.SETTINGS and not flags & frames.ACK:
            self.send(frames.SETTINGS, flags=frames.ACK)
        return word & 0xFF, flags, stream, payload

    async def until(self, kind: int) -> frames.Frame:
        """The next frame of a kind; others are skipped."""
        while True:
            frame = await self.frame()
            if frame[0] == kind:
                return frame

    async def goaway_code(self) -> int:
        """The error code of the GOAWAY that comes, and then the end of the connection."""
        _, _, _, payload = await self.until(frames.GOAWAY)
        with suppress(ClosedError):
            while True:
                await self.frame()
        return int.from_bytes(payload[4:8], "big")

    async def headers(self) -> dict[str, str]:
        """The next headers or trailers."""
        await self.until(frames.HEADERS)
        return self.heads[-1]

    async def trailers(self) -> dict[str, str]:
        """The next headers that end a call."""
        while "grpc-status" not in (head := await self.headers()):
            pass
        return head

    async def data(self, size: int, stream: int = 1) -> bytes:
        """At least `size` bytes of a stream's data, other frames skipped."""
        got = b""
        while len(got) < size:
            _, _, of, payload = await self.until(frames.DATA)
            got += payload if of == stream else b""
        return got

    async def ponged(self) -> None:
        """Wait until the server has dealt with all that was sent so far."""
        self.send(frames.PING, b"are-you?")
        while True:
            _, flags, _, payload = await self.until(frames.PING)
            if flags & frames.ACK and payload == b"are-you?":
                return

    async def quiet(self) -> None:
        """Nothing but the answer to a ping is on its way: neither now nor a few loop turns later."""
        for _ in range(3):
            self.send(frames.PING, b"anything")
            kind, flags, _, _ = await self.frame()
            assert (kind, flags) == (frames.PING, frames.ACK)


@asynccontextmanager
async def raw_peer(
    port: int, *, context: ssl.SSLContext | None = None, greet: bool = True, **settings: int
) -> AsyncIterator[RawPeer]:
    """A connected raw client that has exchanged settings."""
    name = "localhost" if context else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name, limit=1 << 16)
    peer = RawPeer(reader, writer)
    try:
        if greet:
            writer.write(frames.PREFACE)
            peer.settings(**settings)
            await peer.until(frames.SETTINGS)
            await peer.ponged()
        yield peer
    finally:
        writer.transport.abort()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext, bytes]:
    """A server's context, a raw client's that offers h2, and the CA's certificate as PEM."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    client.set_alpn_protocols(["h2"])
    return server, client, authority.cert_pem.bytes()


async def eventually(holds: Callable[[], object]) -> None:
    """Wait until something holds; fails by its deadline."""
    async with asyncio.timeout(WAIT_S):
        while not holds():
            await asyncio.sleep(0.005)
