"""HTTP/2 frames as bytes (RFC 9113): the few we build by hand, the splitter of what arrives, the flood guard."""

from collections.abc import Callable, Iterator
from struct import Struct

from h2.errors import ErrorCodes
from h2.exceptions import DenialOfServiceError, FrameTooLargeError

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8

HEADER_BYTES = 9
FRAME_BYTES_MAX = 16_384
"""Payload we accept: the protocol's default, which we never raise."""
WINDOW_MAX = 2**31 - 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

header_struct = Struct(">IBI")
"""A frame header as (length << 8 | kind, flags, stream id): 9 bytes."""

Frame = tuple[int, int, int, bytes]
"""Kind, flags, stream id, and the whole frame with its header."""


def ping(payload: bytes, *, ack: bool = False) -> bytes:
    """A PING with 8 bytes of payload."""
    return header_struct.pack(8 << 8 | PING, ACK if ack else 0, 0) + payload


def goaway(last_stream_id: int, code: ErrorCodes, text: bytes = b"") -> bytes:
    """A GOAWAY; h2 would refuse to send anything after its own, so ours is made here."""
    payload = last_stream_id.to_bytes(4, "big") + int(code).to_bytes(4, "big") + text
    return header_struct.pack(len(payload) << 8 | GOAWAY, 0, 0) + payload


class FrameSplitter:
    """Cuts the inbound bytes into whole frames and holds at most one incomplete frame.

    h2 checks a frame's length only once all of it has arrived, up to 16 MiB; here the header is enough.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._wanted = HEADER_BYTES

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that `data` completes, in order. Raises h2's FrameTooLargeError."""
        if self._held:
            self._held += data
            if len(self._held) < self._wanted:
                return
            data = bytes(self._held)
            self._held.clear()
        start, end = 0, len(data)
        while end - start >= HEADER_BYTES:
            word, flags, stream_id = header_struct.unpack_from(data, start)
            length = word >> 8
            if length > FRAME_BYTES_MAX:
                raise FrameTooLargeError(f"frame of {length} bytes")
            stop = start + HEADER_BYTES + length
            if stop > end:
                self._wanted = stop - start
                break
            yield word & 0xFF, flags, stream_id & WINDOW_MAX, data[start:stop]
            start = stop
        else:
            self._wanted = HEADER_BYTES
        self._held += data[start:]


def is_empty_data(flags: int, frame: bytes) -> bool:
    """Whether a DATA frame carries nothing: no bytes, or only padding, and no end of the stream."""
    if flags & END_STREAM:
        return False
    length = len(frame) - HEADER_BYTES
    return length == 0 or bool(flags & PADDED and frame[HEADER_BYTES] + 1 >= length)


class FloodGuard:
    """A token bucket over frames that cost us work and their sender nothing."""

    def __init__(self, per_s: int, burst: int, monotonic_ns: Callable[[], int]) -> None:
        self._tokens_per_ns = per_s / 1e9
        self._burst = burst
        self._tokens = float(burst)
        self._monotonic_ns = monotonic_ns
        self._seen_ns = monotonic_ns()

    def count(self) -> None:
        """Spend one token. Raises h2's DenialOfServiceError (ENHANCE_YOUR_CALM) when there is none."""
        now_ns = self._monotonic_ns()
        refilled = self._tokens + (now_ns - self._seen_ns) * self._tokens_per_ns
        self._tokens = min(float(self._burst), refilled) - 1.0
        self._seen_ns = now_ns
        if self._tokens < 0:
            raise DenialOfServiceError("too many control frames")


_BLOCK_FRAMES_MAX = 50
"""Of one header block; h2 would give up at 64 with a code that does not say why."""


class HeaderBlock:
    """Follows HEADERS and CONTINUATION, between which nothing else may come, and bounds their bytes and number."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._frames = 0
        self.open = False

    def follow(self, kind: int, flags: int, frame: bytes) -> None:
        """Take note of a frame. Raises h2's DenialOfServiceError when the block grows beyond its limits."""
        if kind == HEADERS and not self.open:
            self._bytes = self._frames = 0
        elif kind != CONTINUATION:
            return
        self._bytes += len(frame) - HEADER_BYTES
        self._frames += 1
        self.open = not flags & END_HEADERS
        if self._frames > _BLOCK_FRAMES_MAX:
            raise DenialOfServiceError("header block of too many frames")
        if self._bytes > self._bytes_max:
            raise DenialOfServiceError("header block too large")
