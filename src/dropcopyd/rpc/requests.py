"""Request messages from DATA frames: assembled, bounded before and after gunzip, and never trusted in their framing."""

import asyncio
import zlib
from collections.abc import Callable

from grpclib.const import Status
from grpclib.exceptions import GRPCError

from dropcopyd.errors import Code

PREFIX_BYTES = 5
ENCODINGS = ("identity", "gzip")
"""What `grpc-encoding` of a request may be."""
_GZIP_WINDOW_BITS = 31


class CallError(GRPCError):
    """A call that the transport itself ends, with the code that names why."""

    def __init__(self, status: Status, code: Code, message: str) -> None:
        super().__init__(status, message)
        self.code = code


class RequestBuffer:
    """Bytes of one request between the connection and its reader; one reader at a time.

    The peer's window is given back as the reader asks, so at most one window lies here unread.
    """

    def __init__(self, acknowledge: Callable[[int], None]) -> None:
        self._acknowledge = acknowledge
        self._arrived = bytearray()
        self._to_acknowledge = 0
        self._taken = bytearray()
        self._eof = False
        self._changed = asyncio.Event()

    def add(self, data: bytes, ack_size: int) -> None:
        """Called by grpclib with a DATA frame: its bytes, and its size in the flow-control window."""
        self._arrived += data
        self._to_acknowledge += ack_size
        self._changed.set()

    def eof(self) -> None:
        """Called by grpclib when the client has ended its side."""
        self._eof = True
        self._changed.set()

    def unacked_size(self) -> int:
        """Called by grpclib when the call is over: window to give back; what was not read is dropped."""
        size, self._to_acknowledge = self._to_acknowledge, 0
        self._arrived.clear()
        return size

    async def begun(self) -> None:
        """Wait until something of the request has arrived, or its end; nothing is taken or acknowledged."""
        while not (self._arrived or self._taken or self._eof):
            self._changed.clear()
            await self._changed.wait()

    async def read(self, size: int) -> bytes:
        """Take exactly `size` bytes, or fewer when the request ends before."""
        while len(self._taken) < size:
            if self._to_acknowledge:
                self._taken += self._arrived
                self._acknowledge(self.unacked_size())
            elif self._eof:
                break
            else:
                self._changed.clear()
                await self._changed.wait()
        part = bytes(self._taken[:size])
        del self._taken[:size]
        return part


async def read_message(buffer: RequestBuffer, encoding: str, bytes_max: int) -> bytes | None:
    """Read one message, decompressed; None at the end of the request.

    `encoding` is the request's `grpc-encoding`. Raises CallError: RESOURCE_EXHAUSTED above `bytes_max`, before the
    message is read and while it is unpacked; INTERNAL for malformed framing, as the gRPC specification has it.
    """
    prefix = await buffer.read(PREFIX_BYTES)
    if not prefix:
        return None
    if len(prefix) < PREFIX_BYTES:
        raise _malformed("the request ended within a message")
    flag, length = prefix[0], int.from_bytes(prefix[1:], "big")
    if flag > 1:
        raise _malformed("the compressed flag of a message is neither 0 nor 1")
    if flag and encoding == "identity":
        raise _malformed("a message is marked as compressed, but the request names no grpc-encoding")
    if length > bytes_max:
        raise _too_large(bytes_max)
    body = await buffer.read(length)
    if len(body) < length:
        raise _malformed("the request ended within a message")
    return gunzip(body, bytes_max) if flag else body


def gunzip(body: bytes, bytes_max: int) -> bytes:
    """Unpack one gzip member, never more than `bytes_max` bytes of it. Raises CallError."""
    inflater = zlib.decompressobj(_GZIP_WINDOW_BITS)
    try:
        message = inflater.decompress(body, bytes_max + 1)
    except zlib.error as error:
        raise _malformed("a message is not valid gzip") from error
    if len(message) > bytes_max:
        raise _too_large(bytes_max)
    if not inflater.eof or inflater.unused_data:
        raise _malformed("a message is not valid gzip")
    return message


def _malformed(text: str) -> CallError:
    return CallError(Status.INTERNAL, Code.INVALID_ARGUMENT, f"malformed request: {text}")


def _too_large(bytes_max: int) -> CallError:
    return CallError(
        Status.RESOURCE_EXHAUSTED, Code.REQUEST_TOO_LARGE, f"a request message may have at most {bytes_max:,} bytes"
    )
