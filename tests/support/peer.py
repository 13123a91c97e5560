"""A light gRPC client on raw HTTP/2: thousands of streams in one process, and a client that can stop reading.

It knows nothing of the product: frames and headers are written by hand, messages are bytes. A stream's window is given
back whenever a quarter of it was taken, as gRPC's own clients do, unless the call stalls: a frame for each message
would be a load on the server that no client is.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Any, Final, Self

import hpack

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_ACK = _END_STREAM = 0x1
_END_HEADERS = 0x4
_WINDOW_MAX: Final = 2**31 - 1
_WINDOW_DEFAULT: Final = 65_535
_CONNECTS_AT_ONCE: Final = 128
WAIT_S: Final = 30.0


class EndedError(Exception):
    """The call or its connection is over; the trailers say why."""


def framed(message: bytes) -> bytes:
    """A gRPC message on the wire."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def header_block(path: str, **metadata: str) -> bytes:
    """Request headers without compression state, the same for every connection; underscores become dashes."""
    pairs = {":path": path, ":authority": "peer", "content-type": "application/grpc", "te": "trailers"}
    pairs |= {name.replace("_", "-"): value for name, value in metadata.items()}
    block = b"\x83\x86"  # :method POST, :scheme http
    for name, value in pairs.items():
        assert max(len(name), len(value)) < 127
        block += b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    return block


class Call:
    """One streaming call. Every message goes to `on_message`; the end is told by `trailers` or `is_gone`."""

    def __init__(self, peer: "Peer", stream_id: int, on_message: Callable[[bytes], None], window: int) -> None:
        self._peer = peer
        self._stream_id = stream_id
        self._given_back_at = window // 4
        self._on_message = on_message
        self._partial = b""
        self._unacknowledged = 0
        self._changed: asyncio.Event | None = None
        self.is_stalled = False
        self.headers: dict[str, str] | None = None
        self.trailers: dict[str, str] | None = None
        self.is_gone = False
        """Ended without trailers: reset, or the connection is lost."""

    @property
    def is_over(self) -> bool:
        return self.trailers is not None or self.is_gone

    def send(self, message: bytes) -> None:
        """One request message. Nothing happens when the call is over."""
        if not self.is_over:
            self._peer.write(_DATA, self._stream_id, framed(message))

    def stall(self) -> None:
        """Give no more window: what is on its way still comes."""
        self.is_stalled = True

    def go_on(self) -> None:
        """Read again."""
        self.is_stalled = False
        self._acknowledge()

    def cancel(self) -> None:
        """Reset the stream."""
        if not self.is_over:
            self._peer.write(_RST_STREAM, self._stream_id, struct.pack(">I", 8))
            self.end(None)

    async def until(self, holds: Callable[[], object], what: str = "", wait_s: float = WAIT_S) -> None:
        """Wait until something holds, looking again at each message. Raises EndedError when the call is over before."""
        self._changed = changed = asyncio.Event()
        try:
            async with asyncio.timeout(wait_s):
                while not holds():
                    if self.is_over:
                        raise EndedError(f"ended before {what or 'that'}: {self.trailers}")
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            raise AssertionError(f"waited in vain for {what or 'that'}") from None

    # --- from the connection --------------------------------------------------------------------------------------

    def take(self, data: bytes) -> None:
        self._unacknowledged += len(data)
        data = self._partial + data if self._partial else data
        at = 0
        while len(data) - at >= 5:
            end = at + 5 + int.from_bytes(data[at + 1 : at + 5], "big")
            if end > len(data):
                break
            self._on_message(data[at + 5 : end])
            at = end
        self._partial = data[at:]
        if not self.is_stalled and self._unacknowledged >= self._given_back_at:
            self._acknowledge()
        self.wake()

    def _acknowledge(self) -> None:
        if self._unacknowledged and not self.is_over:
            self._peer.write(_WINDOW_UPDATE, self._stream_id, struct.pack(">I", self._unacknowledged))
            self._unacknowledged = 0

    def end(self, trailers: dict[str, str] | None) -> None:
        if not self.is_over:
            self.trailers, self.is_gone = trailers, trailers is None
            self._peer.forget(self._stream_id)
            self.wake()

    def wake(self) -> None:
        if self._changed is not None:
            self._changed.set()


class Peer(asyncio.Protocol):
    """One connection."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._buffer = b""
        self._calls: dict[int, Call] = {}
        self._next_id = 1
        self._given = 0
        self._decoder: Any = None
        self._transport: Any = None
        self.is_lost = False
        self.goaway: int | None = None

    @classmethod
    async def connect(cls, target: str, *, window: int = _WINDOW_DEFAULT) -> Self:
        """A connection to host:port; `window` is what each of its streams may be sent unread."""
        host, port = target.rsplit(":", 1)
        _, peer = await asyncio.get_running_loop().create_connection(lambda: cls(window), host, int(port))
        return peer

    def open(self, block: bytes, on_message: Callable[[bytes], None], *messages: bytes) -> Call:
        """Begin a call with these headers and request messages."""
        stream_id, self._next_id = self._next_id, self._next_id + 2
        call = self._calls[stream_id] = Call(self, stream_id, on_message, self._window)
        self.write(_HEADERS, stream_id, block, _END_HEADERS)
        for message in messages:
            call.send(message)
        return call

    def write(self, kind: int, stream_id: int, payload: bytes = b"", flags: int = 0) -> None:
        if not self._transport.is_closing():
            self._transport.write(struct.pack(">IBI", len(payload) << 8 | kind, flags, stream_id) + payload)

    def forget(self, stream_id: int) -> None:
        self._calls.pop(stream_id, None)

    def abort(self) -> None:
        """Vanish: the calls are gone at once."""
        self._transport.abort()
        self.connection_lost(None)

    # --- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(_PREFACE)
        self.write(_SETTINGS, 0, struct.pack(">HI", 4, self._window))
        self.write(_WINDOW_UPDATE, 0, struct.pack(">I", _WINDOW_MAX - _WINDOW_DEFAULT))

    def connection_lost(self, exc: BaseException | None) -> None:
        self.is_lost = True
        for call in list(self._calls.values()):
            call.end(None)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        at = 0
        while len(data) - at >= 9:
            word, flags, stream_id = struct.unpack_from(">IBI", data, at)
            end = at + 9 + (word >> 8)
            if end > len(data):
                break
            self._take(word & 0xFF, flags, stream_id, data[at + 9 : end])
            at = end
        self._buffer = data[at:]

    def _take(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        call = self._calls.get(stream_id)
        if kind == _DATA:
            self._give_back(len(payload))
            if call is not None:
                call.take(payload)
        elif kind == _HEADERS:
            self._take_headers(call, flags, payload)
        elif kind == _RST_STREAM and call is not None:
            call.end(None)
        elif kind == _SETTINGS and not flags & _ACK:
            self.write(_SETTINGS, 0, b"", _ACK)
        elif kind == _PING and not flags & _ACK:
            self.write(_PING, 0, payload, _ACK)
        elif kind == _GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")

    def _give_back(self, size: int) -> None:
        self._given += size
        if self._given > _WINDOW_MAX // 2:
            self.write(_WINDOW_UPDATE, 0, struct.pack(">I", self._given))
            self._given = 0

    def _take_headers(self, call: Call | None, flags: int, payload: bytes) -> None:
        if self._decoder is None:
            self._decoder = hpack.Decoder()
        fields = {str(name): str(value) for name, value in self._decoder.decode(payload)}
        if call is None:
            return
        if call.headers is None:
            call.headers = fields
        if flags & _END_STREAM:
            call.end(fields)
        call.wake()


async def connect_many(target: str, count: int) -> list[Peer]:
    """So many connections, a limited number at a time: more would overflow the kernel's queue of new ones."""
    peers: list[Peer] = []
    while len(peers) < count:
        size = min(_CONNECTS_AT_ONCE, count - len(peers))
        peers += await asyncio.gather(*(Peer.connect(target) for _ in range(size)))
    return peers
