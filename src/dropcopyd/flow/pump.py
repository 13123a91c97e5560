"""Streams whose edge writes by itself, segment by segment (gRPC-Web, Connect, SSE): the session's frames on one side, a
connection with back-pressure on the other.

A slow client costs the segment in hand and what its connection buffers, both bounded. A pump is the `Wire` of its
stream: it knows since when the client takes nothing, and it ends the stream even while a write is stuck.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from dropcopyd.domain.account import Principal
from dropcopyd.domain.limits import KIB
from dropcopyd.flow.disconnect import Arm, ArmRequest
from dropcopyd.flow.ownership import Spawn
from dropcopyd.flow.quota import StreamQuota
from dropcopyd.flow.session import Session, SubscribeRequest
from dropcopyd.flow.streams import Edge, OpenStream, Streams
from dropcopyd.ports import Clock

_SEGMENT_BYTES: Final = 16 * KIB
"""What is pulled at a time: little, for what makes JSON of it holds up the loop meanwhile."""
_FLUSH_S: Final = 2.0
"""What the last words of a stream that has ended may take to be written, before the connection is aborted."""


class Connection(Protocol):
    """What an edge writes to."""

    @property
    def unsent_bytes(self) -> int:
        """What was written and waits in this process for the client to take it."""

    def abort(self) -> None:
        """Close at once and drop what is unsent."""


class Pump:
    """One stream. Everything runs in the event loop; one task asks for `segments` and writes them."""

    def __init__(self, session: Session, connection: Connection, arm: Arm, clock: Clock, spawn: Spawn) -> None:
        self._session = session
        self._arm = arm
        self._connection = connection
        self._clock = clock
        self._spawn = spawn
        self._stream: OpenStream
        self._woken = asyncio.Event()
        self._idle = asyncio.Event()
        self._error: Exception | None = None
        self._abort: asyncio.TimerHandle | None = None
        self._write: asyncio.Timeout | None = None
        self._held = 0
        self._handed = 0
        self._taken = 0
        self._progress_ns = clock.monotonic_ns()

    # --- the edge's side ------------------------------------------------------------------------------------------

    def subscribe(self, request: SubscribeRequest, arms: Sequence[ArmRequest] = ()) -> None:
        """Attach and arm beside the writing, which it needs; what is wrong with the request ends the stream."""
        self._woken.clear()
        self._spawn(self._subscribe(request, arms))

    async def answered(self) -> None:
        """Until the request is confirmed, or refused: then raises what is wrong with it."""
        await self._woken.wait()
        if self._error is not None:
            raise self._error

    async def segments(self) -> AsyncIterator[bytes]:
        """Framed messages, whole ones, until the stream is ended: raises what ended it."""
        while self._error is None:
            self._woken.clear()
            segment = self._session.pull(_SEGMENT_BYTES)
            if segment:
                self._held = len(segment)
                yield segment
                self._held = 0
                await asyncio.sleep(0)  # a write waits only for a slow client
            else:
                self._idle.set()
                await self._woken.wait()
        if self._error is not None:
            raise self._error

    async def write(self, writing: Awaitable[None], size: int) -> None:
        """Wait for the edge's own write. One that is stuck when the stream is ended is dropped."""
        try:
            async with asyncio.timeout(None) as self._write:
                await writing
        except TimeoutError:
            if self._error is None:
                raise
        finally:
            self._write = None
            self._handed += size

    @property
    def epoch(self) -> str:
        """The store's epoch, which belongs to every cursor."""
        return self._session.epoch

    @property
    def is_ended(self) -> bool:
        """Whether nothing more of the session goes out."""
        return self._error is not None

    # --- the stream's side ----------------------------------------------------------------------------------------

    @property
    def unsent_bytes(self) -> int:
        """What was pulled and the connection has not sent."""
        return self._held + self._connection.unsent_bytes

    @property
    def stalled_since_ns(self) -> int | None:
        """Since when the client takes nothing; its progress is noticed when this is asked."""
        taken = self._handed - self._connection.unsent_bytes
        unsent = self.unsent_bytes
        if not unsent or taken > self._taken:
            self._taken = max(taken, self._taken)
            self._progress_ns = self._clock.monotonic_ns()
        return self._progress_ns if unsent else None

    async def drained(self) -> None:
        """Until the connection has been handed all that the session has, or the stream has ended."""
        await self._idle.wait()

    def fail(self, error: Exception) -> None:
        """End the stream with this error, unless it is ending; its last words have a moment to be written."""
        if self._error is not None:
            return
        self._error = error
        self._abort = asyncio.get_running_loop().call_later(_FLUSH_S, self._connection.abort)
        self._woken.set()
        self._idle.set()
        if self._write is not None:
            self._write.reschedule(0)

    # --- its life, by Pumps ---------------------------------------------------------------------------------------

    def begin(self, stream: OpenStream) -> None:
        """The stream is open: one heartbeat at once, then whatever the session has."""
        self._stream = stream
        self._session.beat()
        self._session.on_ready = self._wake

    def close(self) -> None:
        """The edge has ended, last words included."""
        if self._abort is not None:
            self._abort.cancel()
        self._session.on_ready = lambda: None
        self._idle.set()

    def _wake(self) -> None:
        self._woken.set()
        self._idle.clear()

    async def _subscribe(self, request: SubscribeRequest, arms: Sequence[ArmRequest]) -> None:
        try:
            await self._session.subscribe(request)
            for arm in arms:
                await self._arm(self._stream, arm)
        except Exception as error:  # noqa: BLE001  the edge maps it, a bug included
            self.fail(error)
        else:
            self._stream.last_message = "subscribed"


class Pumps:
    """Opens pumped streams, in the one quota and the one list of all streams."""

    def __init__(
        self,
        *,
        quota: StreamQuota,
        streams: Streams,
        new_session: Callable[[Principal], Session],
        arm: Arm,
        clock: Clock,
        spawn: Spawn,
    ) -> None:
        self._quota = quota
        self._streams = streams
        self._new_session = new_session
        self._arm = arm
        self._clock = clock
        self._spawn = spawn

    @contextmanager
    def opened(self, principal: Principal, connection: Connection, edge: Edge, peer: str) -> Iterator[Pump]:
        """A stream for as long as the block runs. Raises DropcopyError(STREAM_QUOTA_EXCEEDED)."""
        with self._quota.place(principal):
            session = self._new_session(principal)
            pump = Pump(session, connection, self._arm, self._clock, self._spawn)
            with self._streams.entered(session, pump, edge, peer) as stream:
                pump.begin(stream)
                try:
                    yield pump
                finally:
                    pump.close()
