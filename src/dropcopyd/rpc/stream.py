"""The streaming calls: one handler for both services, one session for each open stream.

Parses requests into the session's words; what the session gives goes to the wire by the fan-out. Handlers end in
three ways: the client goes, the server drains, or the client stops reading for `stall_s`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from grpclib.const import Cardinality, Handler

from dropcopy import proto as pb
from dropcopyd.domain.account import Principal, Scope
from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, DropcopyError, InvalidError, StoreError
from dropcopyd.flow.access import Access
from dropcopyd.flow.quota import StreamQuota
from dropcopyd.flow.session import CursorRequest, Session, SubscribeRequest
from dropcopyd.ports import Clock
from dropcopyd.rpc.calls import ServerStream
from dropcopyd.rpc.fanout import Fanout, Response
from dropcopyd.rpc.guard import authenticate
from dropcopyd.wire import EVENT_TYPES

if TYPE_CHECKING:
    from grpclib._typing import IServable

_log = structlog.get_logger(__name__)
_NS: Final = 1_000_000_000
_BEAT_TICKS: Final = 20
"""Heartbeats are spread over their interval in so many steps, so that 10,000 streams are not one burst."""

SessionFactory = Callable[[Principal], Session]


@dataclass(eq=False, slots=True)
class _Open:
    """One open stream: what the pulse needs to beat, cut or drain it."""

    call: ServerStream
    session: Session
    response: Response
    beat_at_ns: int
    last_message: str = ""


class Streams:
    """All open streams of the node, over every listener: their heartbeats, their stalls, their drain."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._open: dict[_Open, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def entered(self, call: ServerStream, session: Session, response: Response) -> Iterator[_Open]:
        """Keep the stream's pulse while the block runs."""
        interval_ns = int(self._limits.heartbeat_s * _NS)
        stream = _Open(call, session, response, self._clock.monotonic_ns() + interval_ns)
        self._open[stream] = None
        try:
            yield stream
        finally:
            del self._open[stream]
            session.close()

    async def run(self) -> None:
        """Beat and watch until cancelled."""
        tick_s = self._limits.heartbeat_s / _BEAT_TICKS
        while True:
            await asyncio.sleep(tick_s)
            now_ns = self._clock.monotonic_ns()
            for stream in list(self._open):
                self._tend(stream, now_ns)

    def _tend(self, stream: _Open, now_ns: int) -> None:
        stalled_ns = stream.response.stalled_since_ns
        if stalled_ns is not None and now_ns - stalled_ns >= self._limits.stall_s * _NS:
            places = stream.session.cursors(has_unsent=stream.response.unsent_bytes > 0)
            epoch = stream.session.epoch
            cursors = ", ".join(f"{account_id} {epoch}:{sequence}" for account_id, sequence in places)
            stream.call.fail(
                DropcopyError(
                    Code.STREAM_STALLED, "the client took nothing for too long; resume from your cursor", cursor=cursors
                )
            )
        elif now_ns >= stream.beat_at_ns:
            stream.beat_at_ns = now_ns + int(self._limits.heartbeat_s * _NS)
            stream.session.beat()

    async def drain(self, within_s: float) -> None:
        """Say goodbye on every stream and end it with UNAVAILABLE; what is committed can be resumed."""
        streams = list(self._open)
        for stream in streams:
            stream.session.announce(stream.last_message, "draining")
        waits = [asyncio.wait_for(stream.response.drained(), within_s) for stream in streams]
        await asyncio.gather(*waits, return_exceptions=True)
        for stream in list(self._open):
            stream.call.fail(DropcopyError(Code.DRAINING, "the gateway is shutting down; reconnect with your cursor"))


class StreamService:
    """`trading.StreamingService` and `trading.TradingService`: the same handler behind all three methods."""

    def __init__(self, *, access: Access, quota: StreamQuota, streams: Streams, new_session: SessionFactory) -> None:
        self._access = access
        self._quota = quota
        self._streams = streams
        self._new_session = new_session
        self.fanout: Fanout
        """Of the listener that serves this; set once it is open."""

    def services(self) -> "tuple[IServable, ...]":
        """The contract's services, one object each: reflection names a service by its object's methods."""
        both, one = Cardinality.STREAM_STREAM, Cardinality.UNARY_STREAM
        streaming = {pb.STREAM_PATH: Handler(self._stream, both, pb.StreamRequest, bytes)}
        trading = {
            pb.STREAM_EVENTS_PATH: Handler(self._stream, both, pb.StreamEventsRequest, bytes),
            pb.SUBSCRIBE_EVENTS_PATH: Handler(self._subscribe, one, pb.Subscribe, bytes),
        }
        return _Service(streaming), _Service(trading)

    async def _stream(self, call: ServerStream) -> None:
        """StreamEvents, and the guide's Stream: subscriptions managed on the stream."""
        principal = await authenticate(self._access, call.metadata or {}, Scope.STREAM_READ)
        with self._quota.place(principal.organization_id):
            async with self._opened(call, principal) as stream:
                while (request := await call.recv_message()) is not None:
                    await self._take(stream, request)
                await _for_ever()  # half-closing ends requests, not events

    async def _subscribe(self, call: ServerStream) -> None:
        """SubscribeEvents: one subscription; a bad one ends the call."""
        principal = await authenticate(self._access, call.metadata or {}, Scope.STREAM_READ)
        with self._quota.place(principal.organization_id):
            request = await call.recv_message()
            if request is None:
                raise InvalidError("the request holds no Subscribe")
            async with self._opened(call, principal) as stream:
                await stream.session.subscribe(parse_subscribe(request))
                stream.last_message = "subscribed"
                await _for_ever()

    @asynccontextmanager
    async def _opened(self, call: ServerStream, principal: Principal) -> AsyncIterator[_Open]:
        """Initial metadata and one heartbeat at once; then the stream is in the pulse until the block ends."""
        session = self._new_session(principal)
        await call.send_initial_metadata()
        response = self.fanout.open(call, session)
        session.on_ready = response.wake
        session.beat()
        with self._streams.entered(call, session, response) as stream:
            yield stream

    async def _take(self, stream: _Open, request: pb.StreamEventsRequest | pb.StreamRequest) -> None:
        """One request on the stream. What is wrong with it is answered in the stream, which stays as it was."""
        session = stream.session
        await session.room()
        kind = request.WhichOneof("msg")
        account_id = getattr(request, kind).account_id if kind == "arm" else ""
        try:
            if kind == "subscribe":
                account_id = request.subscribe.trading_account_id
                await session.subscribe(parse_subscribe(request.subscribe))
                stream.last_message = "subscribed"
            elif kind == "unsubscribe":
                account_id = request.unsubscribe.trading_account_id
                await session.unsubscribe(account_id)
                stream.last_message = "unsubscribed"
            elif kind == "arm":
                raise DropcopyError(Code.NOT_SUPPORTED, "cancel on disconnect is not supported yet")
            else:
                raise InvalidError("the request holds neither subscribe nor unsubscribe")
        except StoreError:
            raise
        except DropcopyError as error:
            session.refuse(error, account_id)


class _Service:
    """What grpclib calls servable."""

    def __init__(self, methods: dict[str, Handler]) -> None:
        self._methods = methods

    def __mapping__(self) -> dict[str, Handler]:
        return self._methods


def parse_subscribe(request: pb.Subscribe) -> SubscribeRequest:
    """A Subscribe in the session's words. Unknown and zero kinds fall away; the session refuses an empty rest."""
    kinds = frozenset(EVENT_TYPES[number] for number in request.subscriptions if number in EVENT_TYPES)
    resume = tuple(
        CursorRequest(cursor.account_id, cursor.epoch, cursor.sequence, cursor.chain) for cursor in request.resume
    )
    return SubscribeRequest(
        account_id=request.trading_account_id,
        kinds=kinds,
        instrument_key=request.instrument_key,
        instrument_class=request.instrument_class,
        is_primed=request.order_delivery == pb.ORDER_DELIVERY_PRIMED,
        resume=resume,
    )


async def _for_ever() -> None:
    await asyncio.Event().wait()
