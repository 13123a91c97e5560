"""What one connection and its streams write: grpclib's `Connection` and `Stream`, in which only data ever waits."""

import asyncio
from functools import partial

import structlog
from grpclib.config import Configuration
from grpclib.protocol import Connection, Stream
from grpclib.utils import Wrapper
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import StreamClosedError
from h2.stream import H2Stream

from dropcopyd.rpc.fanout import Lane
from dropcopyd.rpc.requests import RequestBuffer

_log = structlog.get_logger(__name__)

_Headers = list[tuple[str, str]]

_HALF_OPEN_MAX = 256
"""Streams of one connection whose client has yet to end its side after the response; more are reset at once."""


class GatewayStream(Stream):
    """One call's HTTP/2 side. What it sends besides message data never waits: it is small and counted."""

    connection: "GatewayConnection"
    buffer: RequestBuffer  # type: ignore[assignment]  # stands in for grpclib's, which trips over empty DATA frames

    def init_stream(self, stream_id: int, connection: Connection) -> None:
        """Called by grpclib as the stream opens."""
        self.id = stream_id
        self.buffer = RequestBuffer(partial(connection.ack, stream_id))
        connection.streams_started += 1

    @property
    def stream_id(self) -> int:
        """The HTTP/2 stream id."""
        assert self.id is not None  # noqa: S101  a server's stream has its id from the start
        return self.id

    @property
    def h2_stream(self) -> H2Stream:
        """h2's state of the stream. Raises h2's StreamClosedError when it has ended."""
        if not self.closable:
            raise StreamClosedError(self.stream_id)
        return self._h2_connection.streams[self.stream_id]

    @property
    def closable(self) -> bool:
        """Whether the stream can still be sent on."""
        return not self.connection.is_closing() and super().closable

    async def send_headers(self, headers: _Headers, end_stream: bool = False) -> None:
        """Send at once; see `send_headers_nowait`."""
        self.send_headers_nowait(headers, end_stream=end_stream)

    def send_headers_nowait(self, headers: _Headers, *, end_stream: bool = False) -> None:
        """Send headers or trailers. Raises h2's StreamClosedError.

        A stream whose request is not over when its response ends is reset without error, as RFC 9113 8.1 advises;
        its client would otherwise keep it open, and us with it. Not at once: a client that is about to write when both
        arrive (grpcio's asyncio API) fails in that write, and tells "internal error" in place of the response's status.
        """
        self.h2_stream  # noqa: B018  raises when closed: h2's send_headers would try to open a new stream
        if end_stream:
            self._end_response()
        self._h2_connection.send_headers(self.stream_id, headers, end_stream=end_stream)
        if end_stream and self.closable:
            self.connection.reset_later(self)
        self.connection.flush()

    async def send_data(self, data: bytes, end_stream: bool = False) -> None:
        """grpclib's own path, which waits for the windows and the transport."""
        self.connection.senders.add(self)
        try:
            await super().send_data(data, end_stream)
        finally:
            self.connection.senders.discard(self)

    async def reset(self, error_code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """End the stream abruptly."""
        self.reset_nowait(error_code)

    def reset_nowait(self, error_code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """End the stream abruptly; nothing happens when it has ended already."""
        self._end_response()
        if self.closable:
            self._h2_connection.reset_stream(self.stream_id, error_code=error_code)
            self.connection.flush()

    def _end_response(self) -> None:
        """No data may follow the end of the stream, whoever ends it."""
        response = self.connection.lane.streams.get(self.stream_id)
        if response is not None:
            response.close()


class GatewayConnection(Connection):
    """Writes of one connection."""

    def __init__(
        self,
        h2_connection: H2Connection,
        transport: asyncio.Transport,
        config: Configuration,
        lane: Lane,
        *,
        unsent_bytes_max: int,
        linger_s: float,
    ) -> None:
        super().__init__(h2_connection, transport, config=config)
        self.lane = lane
        self.senders: set[GatewayStream] = set()
        """Streams that wait in grpclib's send path."""
        self.dead = False
        """Nothing is sent any more."""
        self._unsent_bytes_max = unsent_bytes_max
        self._linger_s = linger_s
        self._half_open = 0

    def create_stream(self, *, stream_id: int | None = None, wrapper: Wrapper | None = None) -> GatewayStream:
        """Called by grpclib for each request."""
        return GatewayStream(self, self._connection, self._transport, stream_id=stream_id, wrapper=wrapper)

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self.dead or self._transport.is_closing()

    def ack(self, stream_id: int, size: int) -> None:
        """Give the peer back window for `size` bytes that were read."""
        if size and not self.is_closing():
            self._connection.acknowledge_received_data(size, stream_id)
            self.flush()

    def reset_later(self, stream: GatewayStream) -> None:
        """Reset a stream without error in `linger_s`, unless its client ends it first, as it should."""
        if self._half_open < _HALF_OPEN_MAX:
            self._half_open += 1
            asyncio.get_running_loop().call_later(self._linger_s, self._reset, stream)
        else:
            stream.reset_nowait()

    def _reset(self, stream: GatewayStream) -> None:
        self._half_open -= 1
        stream.reset_nowait()

    def flush(self) -> None:
        """Hand what h2 has prepared to the transport."""
        data = self._connection.data_to_send()
        if data:
            self.write(data)

    def write(self, data: bytes) -> None:
        """Write control bytes, which no window bounds: a peer that lets too many pile up is aborted."""
        if self.is_closing():
            return
        self._transport.write(data)
        if not self.write_ready.is_set() and self._transport.get_write_buffer_size() > self._unsent_bytes_max:
            _log.info("connection.control_bytes_unread")
            self._transport.abort()

    def pause_writing(self) -> None:
        """The transport is full."""
        super().pause_writing()
        self.lane.pause()

    def resume_writing(self) -> None:
        """The transport has room."""
        super().resume_writing()
        self.lane.resume()

    def windows_opened(self) -> None:
        """The connection's window or all windows moved: whoever waits looks again."""
        self.lane.reschedule()
        for stream in self.senders:
            stream.window_updated.set()
