"""One HTTP/2 connection of the gRPC port: grpclib's server protocol on h2, with the ends and limits those lack.

What arrives is cut into frames here. WINDOW_UPDATE, PING and GOAWAY are dealt with at once, unknown kinds are
dropped, floods are counted, and everything else goes through h2 and grpclib's events.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import structlog
from grpclib.config import Configuration
from grpclib.protocol import AbstractHandler, EventsProcessor, H2Protocol
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import Event, RequestReceived, StreamReset
from h2.exceptions import H2Error, ProtocolError
from h2.settings import SettingCodes

from dropcopyd.domain.limits import TransportLimits
from dropcopyd.rpc import frames
from dropcopyd.rpc.connection import GatewayConnection
from dropcopyd.rpc.fanout import Fanout, Lane
from dropcopyd.rpc.requests import PREFIX_BYTES

_log = structlog.get_logger(__name__)

_ENCODER_TABLE_BYTES_MAX = 4_096
"""Of header compression towards the peer, whatever more it offers to remember at our cost."""


@dataclass(slots=True)
class Environment:
    """What the connections of one listener share."""

    limits: TransportLimits
    fanout: Fanout
    monotonic_ns: Callable[[], int]
    accept: Callable[["GatewayProtocol"], AbstractHandler]
    """Makes what runs the calls of one connection."""
    connections: "set[GatewayProtocol]" = field(default_factory=set)
    all_closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while there is no connection."""
    draining: bool = False


_GRPCLIB_CONFIG = Configuration().__for_server__()
_H2_CONFIG = H2Configuration(
    client_side=False,
    header_encoding="latin-1",  # decodes whatever arrives: a stray byte must not end the connection
    validate_inbound_headers=False,  # calls look at what they need themselves
    validate_outbound_headers=False,
    normalize_inbound_headers=False,
    normalize_outbound_headers=False,
)


class _H2(H2Connection):
    MAX_CLOSED_STREAMS = 1_024  # remembered by id; h2's 65,536 cost a long-lived connection 10 MB


class _Events(EventsProcessor):
    """h2's events to calls; kinds that grpclib does not know are ignored."""

    connection: GatewayConnection

    def __init__(self, protocol: "GatewayProtocol") -> None:
        super().__init__(protocol.handler, protocol.connection)
        self._protocol = protocol

    def process(self, event: Event) -> None:
        processor = self.processors.get(event.__class__)
        if processor is not None:
            processor(event)  # type: ignore[operator]

    def process_request_received(self, event: RequestReceived) -> None:
        if self._protocol.refuses_streams:
            self._protocol.flood.count()
            self._protocol.h2.reset_stream(event.stream_id, ErrorCodes.REFUSED_STREAM)
            return
        super().process_request_received(event)

    def process_stream_reset(self, event: StreamReset) -> None:
        if not event.remote_reset:
            self._protocol.flood.count()  # the peer made us reset: as cheap for it as its own
        super().process_stream_reset(event)


class GatewayProtocol(H2Protocol):
    """One connection from its first byte to its last."""

    connection: GatewayConnection

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.heard = True
        """Set whenever the peer shows life; the keepalive clears it."""
        self.h2: H2Connection = _H2(_H2_CONFIG)
        self.refuses_streams = False
        limits = environment.limits
        self.flood = frames.FloodGuard(
            limits.control_frames_per_s_max, limits.control_frames_burst, environment.monotonic_ns
        )
        self._splitter = frames.FrameSplitter()
        self._block = frames.HeaderBlock(limits.header_list_bytes_max)
        self._preface = frames.PREFACE
        self._bytes_at_ping = -1
        self._closer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop: announce our settings."""
        limits = self.environment.limits
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=limits.write_buffer_bytes_max)
        self._set_socket_options()
        self.h2.local_settings.update(
            {
                SettingCodes.MAX_CONCURRENT_STREAMS: limits.concurrent_streams_max,
                SettingCodes.MAX_HEADER_LIST_SIZE: limits.header_list_bytes_max,
                SettingCodes.INITIAL_WINDOW_SIZE: limits.request_bytes_max + PREFIX_BYTES,  # one whole message
            }
        )
        self.h2.local_settings.acknowledge()  # in force at once: a stricter server need not wait for the peer
        self.h2.decoder.max_header_list_size = limits.header_list_bytes_max
        self.h2.initiate_connection()
        grow = limits.receive_window_bytes - self.h2.inbound_flow_control_window
        if grow > 0:
            self.h2.increment_flow_control_window(grow)
        lane = Lane(self.environment.fanout, self.h2, self.transport)
        unsent_bytes_max = limits.unread_control_bytes_max + 2 * limits.write_buffer_bytes_max
        self.connection = GatewayConnection(
            self.h2,
            self.transport,
            _GRPCLIB_CONFIG,
            lane,
            unsent_bytes_max=unsent_bytes_max,
            linger_s=limits.linger_s,
        )
        self.handler = self.environment.accept(self)
        self.processor = _Events(self)
        self.environment.connections.add(self)
        self.environment.all_closed.clear()
        self.connection.flush()
        if self.environment.draining:
            self.goaway()

    def _set_socket_options(self) -> None:
        """No delay, and no megabytes of unsent bytes in the kernel: pings and trailers would queue behind them, and a
        slow reader's progress would show only in steps of many seconds."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                lowat = self.environment.limits.write_buffer_bytes_max // 2
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, lowat)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop: whole frames are dealt with in order; a fault of the peer ends the connection."""
        self.heard = True
        if self.connection.dead:
            return
        try:
            if self._preface:
                data = self._take_preface(data)
            for kind, flags, stream_id, frame in self._splitter.feed(data):
                self._receive(kind, flags, stream_id, frame)
                if self.connection.dead:
                    return
        except ProtocolError as error:
            self.fail(error.error_code, str(error))
        except H2Error as error:
            self.fail(ErrorCodes.PROTOCOL_ERROR, str(error))
        except Exception:  # noqa: BLE001  a bug of ours or of a library's: this connection ends, not the process
            _log.exception("connection.receive_failed")
            self.fail(ErrorCodes.INTERNAL_ERROR, "internal error")

    def _take_preface(self, data: bytes) -> bytes:
        part = data[: len(self._preface)]
        if not self._preface.startswith(part):
            raise ProtocolError("not an HTTP/2 client")
        self._preface = self._preface[len(part) :]
        self.h2.receive_data(part)
        return data[len(part) :]

    def _receive(self, kind: int, flags: int, stream_id: int, frame: bytes) -> None:
        if self._costs(kind, flags, frame):
            self.flood.count()
        if not self._block.open:  # between HEADERS and their end, h2 is the judge
            if kind == frames.WINDOW_UPDATE and self._open_window(stream_id, frame):
                return
            if kind == frames.PING and stream_id == 0 and len(frame) == frames.HEADER_BYTES + 8:
                if not flags & frames.ACK:
                    self.connection.write(frames.ping(frame[frames.HEADER_BYTES :], ack=True))
                return
            if kind == frames.GOAWAY and stream_id == 0 and len(frame) >= frames.HEADER_BYTES + 8:
                self._peer_leaves(int.from_bytes(frame[13:17], "big"))
                return
            if kind > frames.CONTINUATION:
                return
        self._block.follow(kind, flags, frame)
        for event in self.h2.receive_data(frame):
            self.processor.process(event)
        if kind == frames.SETTINGS and not flags & frames.ACK:
            self._settings_changed()
        self.connection.flush()

    def _costs(self, kind: int, flags: int, frame: bytes) -> bool:
        """Whether a frame counts against the flood limit.

        A PING is free after data was sent: gRPC clients measure the path with one per round trip while they receive.
        """
        if kind == frames.DATA:
            return frames.is_empty_data(flags, frame)
        if kind == frames.PING:
            sent = self.connection.lane.bytes_sent + self.connection.data_sent
            free, self._bytes_at_ping = sent > self._bytes_at_ping, sent
            return not free
        return kind not in {frames.HEADERS, frames.WINDOW_UPDATE, frames.GOAWAY}

    def _open_window(self, stream_id: int, frame: bytes) -> bool:
        """WINDOW_UPDATE without the cost of h2's way; False leaves what is odd to h2, which knows the errors."""
        increment = int.from_bytes(frame[frames.HEADER_BYTES :], "big") & frames.WINDOW_MAX
        target = self.h2 if stream_id == 0 else self.h2.streams.get(stream_id)
        if target is None or not increment or len(frame) != frames.HEADER_BYTES + 4:
            return False
        window = target.outbound_flow_control_window + increment
        if window > frames.WINDOW_MAX:
            return False
        target.outbound_flow_control_window = window
        if stream_id == 0:
            self.connection.windows_opened()
        else:
            self.connection.lane.window_opened(stream_id)
            stream = self.processor.streams.get(stream_id)
            if stream is not None:
                stream.window_updated.set()
        return True

    def _settings_changed(self) -> None:
        if self.h2.encoder.header_table_size > _ENCODER_TABLE_BYTES_MAX:
            self.h2.encoder.header_table_size = _ENCODER_TABLE_BYTES_MAX
        self.connection.lane.settings_changed()
        self.connection.windows_opened()

    def _peer_leaves(self, code: int) -> None:
        """A client's GOAWAY: it opens no more streams; those that run go on, unless it reports an error."""
        self.refuses_streams = True
        if code != ErrorCodes.NO_ERROR:
            self.close("the client reported an error")
        else:
            self.close_if_unused()

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        self.connection.write(frames.ping(b"dropcopy"))

    def goaway(self) -> None:
        """Ask the client to go elsewhere: running streams go on, new ones are refused. Idempotent."""
        if not self.refuses_streams and not self.connection.is_closing():
            self.refuses_streams = True
            self.connection.write(frames.goaway(self.h2.highest_inbound_stream_id, ErrorCodes.NO_ERROR, b"draining"))
            self.close_if_unused()

    def close_if_unused(self) -> None:
        """Close when no stream may come and none is left; called when a call has ended."""
        if self.refuses_streams and not self.processor.streams:
            self._end("drained")
            self._close_later()

    def fail(self, code: ErrorCodes | int | None, reason: str) -> None:
        """End the connection for its peer's fault: GOAWAY with the code, handlers end, reading on for `linger_s`."""
        if self.connection.dead:
            return
        code = ErrorCodes.PROTOCOL_ERROR if code is None else ErrorCodes(code)
        _log.info("connection.failed", code=code.name, reason=reason[:200])
        self.connection.write(frames.goaway(self.h2.highest_inbound_stream_id, code))
        self._end(reason)
        self._close_later()

    def close(self, reason: str) -> None:
        """End the connection now; what is in the transport's buffer is still sent."""
        self._end(reason)
        self.transport.close()

    def abort(self, reason: str) -> None:
        """End the connection without sending what is buffered: its peer is dead."""
        _log.info("connection.aborted", reason=reason)
        self._end(reason)
        self.transport.abort()

    def _close_later(self) -> None:
        if self._closer is None and not self.transport.is_closing():
            loop = asyncio.get_running_loop()
            self._closer = loop.call_later(self.environment.limits.linger_s, self.transport.close)

    def _end(self, reason: str) -> None:
        """Nothing is sent or read any more; every handler is cancelled."""
        if not self.connection.dead:
            self.connection.dead = True
            self.connection.lane.close()
            self.handler.close()
            _log.debug("connection.ended", reason=reason)

    def eof_received(self) -> None:
        """Called by the event loop: a gRPC client that ends its side can neither acknowledge nor ask any more."""
        self.close("the client closed the connection")

    def pause_writing(self) -> None:
        """Called by the event loop."""
        self.connection.pause_writing()

    def resume_writing(self) -> None:
        """Called by the event loop."""
        self.heard = True  # the peer's TCP took bytes
        self.connection.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Called by the event loop, once."""
        if self._closer is not None:
            self._closer.cancel()
        self._end("connection lost" if exc is None else f"connection lost: {type(exc).__name__}")
        self.environment.connections.discard(self)
        if not self.environment.connections:
            self.environment.all_closed.set()
        # Cut the reference cycles, or each connection waits for the garbage collector.
        self.h2._frame_dispatch_table.clear()
        self.processor.processors.clear()
