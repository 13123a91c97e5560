"""The hot path of responses: framed messages go from sources to sockets in as few DATA frames and writes as possible.

A producer never sends. It wakes its stream, and at the end of the loop turn the fan-out *pulls* what each woken
stream may still take, so a slow client costs a cursor and not a queue. One connection gets one write per turn.

h2 does not see these DATA frames. It does not need to: sending DATA changes no state of a stream, only the two
flow-control windows, and those are counted down here (tests/rpc/test_pins.py holds h2 to that).

A stream is idle, ready (in its lane's queue), blocked (its own window is shut) or closed. Only an idle one needs
to be woken; `queued` is true in all other states, which makes `wake` one test.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog
from h2.connection import H2Connection

from dropcopyd.domain.limits import TransportLimits
from dropcopyd.rpc.frames import header_struct
from dropcopyd.rpc.response import Response, Source, StreamGoneError

if TYPE_CHECKING:
    from dropcopyd.rpc.calls import ServerStream

__all__ = ["Fanout", "Lane", "Response", "ResponseStream", "Source", "StreamGoneError"]

_log = structlog.get_logger(__name__)

_Parts = list[bytes | memoryview]

_LANES_PER_TURN = 64
"""Connections served before the event loop may send and read again; keeps the first of 1,000 from waiting."""

_data_header = header_struct.pack
"""A DATA frame's header: kind and flags are zero, so `_data_header(length << 8, 0, stream_id)`."""


class Fanout:
    """Serves the woken lanes of one event loop, in one callback per loop turn."""

    def __init__(
        self,
        limits: TransportLimits,
        monotonic_ns: Callable[[], int],
        tasks: asyncio.TaskGroup,
        *,
        kind: "Callable[[Fanout, ServerStream, Source], Response] | None" = None,
    ) -> None:
        """`kind` makes the responses, `ResponseStream` by default; `tasks` owns the tasks that they may need."""
        self.limits = limits
        self.monotonic_ns = monotonic_ns
        self.tasks = tasks
        self._kind = kind or ResponseStream
        self.woken: list[Lane] = []
        self._due: list[Lane] = []
        self.is_scheduled = False
        self.segment = b""
        """The segment framed last, for which stream id, and its DATA frame."""
        self.segment_stream_id = 0
        self.segment_frame = b""
        loop = asyncio.get_running_loop()
        delay_s = limits.flush_delay_ms / 1e3
        self._call_soon = loop.call_soon
        self._call_flush = partial(loop.call_later, delay_s) if delay_s else loop.call_soon

    def open(self, stream: "ServerStream", source: Source) -> Response:
        """Begin a response on `stream`, whose initial metadata has been sent. Raises StreamGoneError."""
        return self._kind(self, stream, source)

    def schedule(self, lane: "Lane") -> None:
        """Serve `lane` in the next turn, or when the flush timer is over."""
        self.woken.append(lane)
        if not self.is_scheduled:
            self.is_scheduled = True
            self._call_flush(self._flush)

    def framed(self, stream_id: int, segment: bytes) -> bytes:
        """The segment as one DATA frame, which is remembered."""
        self.segment, self.segment_stream_id = segment, stream_id
        self.segment_frame = frame = _data_header(len(segment) << 8, 0, stream_id) + segment
        return frame

    def _flush(self) -> None:
        """A slice of the lanes that are due; those woken meanwhile wait for the next round, and its timer."""
        due = self._due
        if not due:
            due, self._due, self.woken = self.woken, self.woken, due
        lanes = due[:_LANES_PER_TURN]
        del due[:_LANES_PER_TURN]
        if due:
            self._call_soon(self._flush)
        elif self.woken:
            self._call_flush(self._flush)
        else:
            self.is_scheduled = False
        for lane in lanes:
            try:
                lane.flush()
            except Exception:  # noqa: BLE001
                _log.exception("fanout.flush_failed")
                lane.abort()  # its windows and bytes can no longer be trusted; the other lanes go on


class Lane:
    """The responses of one connection: who is next, and what the connection may take."""

    def __init__(self, fanout: Fanout, h2_connection: H2Connection, transport: asyncio.WriteTransport) -> None:
        self.streams: dict[int, Response] = {}
        """Open responses by stream id."""
        self.bytes_sent = 0
        self.ready: deque[ResponseStream] = deque()
        self._blocked: dict[int, ResponseStream] = {}
        self.scheduled = False
        self._writable = True
        self.fanout = fanout
        self.schedule = fanout.schedule
        self._h2 = h2_connection
        self._transport = transport
        self._write = transport.write
        self._turn_bytes = fanout.limits.write_buffer_bytes_max
        self._quantum = fanout.limits.segment_bytes_max

    def pause(self) -> None:
        """The transport holds enough."""
        self._writable = False

    def resume(self) -> None:
        """The transport takes bytes again."""
        self._writable = True
        self.reschedule()

    def reschedule(self) -> None:
        """Serve this lane again if something waits; the connection's window may have opened."""
        if self.ready and not self.scheduled:
            self.scheduled = True
            self.schedule(self)

    def window_opened(self, stream_id: int) -> None:
        """A stream's own window has grown; it may still be shut."""
        stream = self._blocked.get(stream_id)
        if stream is not None and stream.window > 0:
            del self._blocked[stream_id]
            self.ready.append(stream)
            self.reschedule()

    def settings_changed(self) -> None:
        """The peer moved all windows at once, up or down, or the frame size."""
        for stream_id in list(self._blocked):
            self.window_opened(stream_id)

    def abort(self) -> None:
        """Drop the connection."""
        self.close()
        self._transport.abort()

    def close(self) -> None:
        """The connection is gone: forget every response."""
        self._writable = False
        for response in list(self.streams.values()):
            response.close()

    def forget(self, stream: "ResponseStream") -> None:
        """Drop a stream that ended, whatever it was waiting for."""
        self.streams.pop(stream.stream_id, None)
        if self._blocked.pop(stream.stream_id, None) is None and stream in self.ready:
            self.ready.remove(stream)

    def flush(self) -> None:
        """Take from the ready streams, in turn, what both windows and this turn allow; one write."""
        self.scheduled = False
        h2_connection = self._h2
        window: int = h2_connection.outbound_flow_control_window
        if not self._writable or window <= 0:
            self._mark_waiting()
            return
        turn = window if window < self._turn_bytes else self._turn_bytes  # noqa: FURB136  min() costs 70 ns
        frame_max = h2_connection.max_outbound_frame_size
        ready = self.ready
        if len(ready) == 1 and ready[0].rest is None and self._sent_alone(ready[0], turn, frame_max):
            return
        parts: _Parts = []
        sent = turn - self._serve_ready(parts, turn, frame_max)
        if sent:
            h2_connection.outbound_flow_control_window = window - sent
            self.bytes_sent += sent
            self._write(b"".join(parts))
        if ready:
            if self._writable and sent < window:
                self.reschedule()
            else:
                self._mark_waiting()

    def _sent_alone(self, stream: "ResponseStream", room: int, frame_max: int) -> bool:
        """The usual case, written out: one stream has one segment that fits into a frame, and nothing behind it.

        False: it is another case, and what was pulled is the stream's rest. Many streams get the same segment one
        after the other, and where a connection has one stream, under the same id: then the frame is the last one's.
        """
        source = stream.source
        try:
            segment = source.pull(self._quantum)
        except Exception as error:  # noqa: BLE001  one source's bug must not stop the other streams
            stream.fail(error)
            return False
        size = len(segment)
        h2_stream = stream.h2_stream
        window: int = h2_stream.outbound_flow_control_window
        if not 0 < size <= frame_max or size > room or size > window or source.has_more:
            stream.rest = memoryview(segment) if size else None
            return False
        h2_stream.outbound_flow_control_window = window - size
        self._h2.outbound_flow_control_window -= size
        stream.bytes_sent += size
        self.bytes_sent += size
        self.ready.clear()
        if stream.waiters:
            stream.idle()
        else:
            stream.queued = False
            stream.stalled_since_ns = None
        fanout = self.fanout
        if segment is fanout.segment and stream.stream_id == fanout.segment_stream_id:
            frame = fanout.segment_frame
        else:
            frame = fanout.framed(stream.stream_id, segment)
        self._write(frame)
        return True

    def _serve_ready(self, parts: _Parts, room: int, frame_max: int) -> int:
        """Append frames to `parts`, `room` bytes of payload at most; returns what is left of `room`.

        Written out for the usual stream, as above.
        """
        ready = self.ready
        quantum = self._quantum
        waiting = len(ready)
        while waiting and ready and room > 0:
            waiting -= 1
            stream = ready.popleft()
            segment = None
            if stream.rest is None:
                source = stream.source
                try:
                    segment = source.pull(quantum)
                    size = len(segment)
                    h2_stream = stream.h2_stream
                    window: int = h2_stream.outbound_flow_control_window
                    if size <= frame_max and size <= room and size <= window and size < quantum:
                        if size:
                            parts += (_data_header(size << 8, 0, stream.stream_id), segment)
                            room -= size
                            h2_stream.outbound_flow_control_window = window - size
                            stream.bytes_sent += size
                            segment = source.pull(quantum) if source.has_more else b""
                        if not segment:
                            if stream.waiters:
                                stream.idle()
                            else:
                                stream.queued = False
                                stream.stalled_since_ns = None
                            continue
                        stream.stalled_since_ns = None
                except Exception as error:  # noqa: BLE001  as above
                    stream.fail(error)
                    continue
            room -= self._serve(stream, segment, parts, room, frame_max)
        return room

    def _serve(self, stream: "ResponseStream", segment: bytes | None, parts: _Parts, room: int, frame_max: int) -> int:
        """Append one stream's frames to `parts`, its rest or `segment` first; returns their payload's size.

        The source is asked also when nothing more may be sent: a call that waits for its end must not have to wait
        for a window that it does not need.
        """
        h2_stream = stream.h2_stream
        window = h2_stream.outbound_flow_control_window
        limit = min(room, window)
        quantum = self._quantum - stream.turn_bytes
        rest = memoryview(segment) if segment else stream.rest
        sent = 0
        while True:
            if rest is None:
                if quantum <= sent < limit:
                    break
                try:
                    segment = stream.source.pull(self._quantum)
                except Exception as error:  # noqa: BLE001  as above
                    stream.fail(error)
                    break
                if not segment:
                    break
                rest = memoryview(segment)
            size = min(len(rest), limit - sent, frame_max)
            if size <= 0:
                break
            parts += (_data_header(size << 8, 0, stream.stream_id), rest[:size])
            sent += size
            rest = rest[size:] if size < len(rest) else None
        h2_stream.outbound_flow_control_window = window - sent
        stream.served(sent, rest)
        if segment == b"" and rest is None:
            stream.idle()
        elif stream.is_open:
            self._requeue(stream, sent, own_window_shut=sent >= window, turn_over=sent >= quantum)
        return sent

    def _requeue(self, stream: "ResponseStream", sent: int, *, own_window_shut: bool, turn_over: bool) -> None:
        turn_bytes, stream.turn_bytes = stream.turn_bytes, 0
        if own_window_shut:
            self._blocked[stream.stream_id] = stream
            stream.stall(self.fanout.monotonic_ns())
        elif turn_over:
            self.ready.append(stream)
        else:  # the connection ran short in the middle of its turn: it goes on first
            self.ready.appendleft(stream)
            stream.turn_bytes = turn_bytes + sent

    def _mark_waiting(self) -> None:
        now_ns = self.fanout.monotonic_ns()
        for stream in list(self.ready):
            stream.stall(now_ns)
            if stream.is_awaited:
                self.ask(stream)

    def ask(self, stream: "ResponseStream") -> None:
        """Ask the source of a stream that cannot be served now: someone waits to hear that it has nothing."""
        if stream.rest is not None:
            return
        try:
            segment = stream.source.pull(self._quantum)
        except Exception as error:  # noqa: BLE001  as above
            stream.fail(error)
            return
        if segment:
            stream.rest = memoryview(segment)
        elif stream.is_open:
            self.ready.remove(stream)
            stream.idle()


class ResponseStream:
    """One open response on the fast path; see `Response` for what its members promise."""

    __slots__ = (
        "_call",
        "_lane",
        "bytes_sent",
        "h2_stream",
        "is_open",
        "queued",
        "rest",
        "source",
        "stalled_since_ns",
        "stream_id",
        "turn_bytes",
        "waiters",
    )

    def __init__(self, fanout: Fanout, stream: "ServerStream", source: Source) -> None:  # noqa: ARG002  as others do
        """`stream` has sent its initial metadata. Raises StreamGoneError when it has already ended."""
        wire = stream.begin_response(self)
        self._lane = wire.connection.lane
        self._call = stream
        self.stream_id = wire.stream_id
        self.h2_stream = wire.h2_stream
        self.source = source
        self.rest: memoryview | None = None
        self.bytes_sent = 0
        self.turn_bytes = 0
        """Sent in a turn that the connection's window has interrupted."""
        self.stalled_since_ns: int | None = None
        self.is_open = True
        self.queued = False
        self.waiters: list[asyncio.Future[None]] = []
        self._lane.streams[self.stream_id] = self

    @property
    def is_awaited(self) -> bool:
        """Whether someone waits for `drained`."""
        return bool(self.waiters)

    def wake(self) -> None:
        """See `Response.wake`."""
        if self.queued:
            return
        self.queued = True
        lane = self._lane
        lane.ready.append(self)
        if not lane.scheduled:
            lane.scheduled = True
            fanout = lane.fanout
            if fanout.is_scheduled:
                fanout.woken.append(lane)
            else:
                fanout.schedule(lane)

    async def drained(self) -> None:
        """See `Response.drained`."""
        if self.queued and self.is_open and not self._lane.scheduled:
            self._lane.ask(self)
        if self.queued and self.is_open:
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            await waiter
        elif not self.is_open:
            raise StreamGoneError

    def close(self) -> None:
        """See `Response.close`."""
        if not self.is_open:
            return
        self.is_open = False
        self.queued = True  # wake() is a no-op from now on
        self._lane.forget(self)
        self.rest = None
        self.stalled_since_ns = None
        self.source = _NOTHING
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_exception(StreamGoneError())
        self.waiters.clear()

    @property
    def unsent_bytes(self) -> int:
        """See `Response.unsent_bytes`."""
        return len(self.rest) if self.rest is not None else 0

    @property
    def window(self) -> int:
        """The stream's own flow-control window; negative after SETTINGS shrank it."""
        return self.h2_stream.outbound_flow_control_window

    def served(self, sent: int, rest: memoryview | None) -> None:
        """`sent` bytes went out, `rest` is left."""
        if sent:
            self.bytes_sent += sent
            self.stalled_since_ns = None
        if self.is_open:
            self.rest = rest

    def idle(self) -> None:
        """The source had nothing, and all that it gave is sent."""
        if not self.is_open:
            return
        self.queued = False
        self.stalled_since_ns = None
        if self.waiters:
            for waiter in self.waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self.waiters.clear()

    def stall(self, now_ns: int) -> None:
        """The stream has to wait for its client."""
        if self.stalled_since_ns is None:
            self.stalled_since_ns = now_ns

    def fail(self, error: Exception) -> None:
        """The source raised: the call ends with it."""
        self.close()
        self._call.fail(error)


class _Nothing:
    """The source of a stream that has ended."""

    has_more = False

    def pull(self, _budget_bytes: int) -> bytes:
        return b""


_NOTHING = _Nothing()
