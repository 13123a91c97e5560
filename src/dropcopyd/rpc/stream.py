"""The streaming calls: one handler for both services, one session for each open stream.

Parses requests into the session's words; what the session gives goes to the wire by the fan-out. Handlers end when the
client goes, or as `flow/streams` decides: drained, stalled, expired, revoked, ended by hand.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grpclib.const import Cardinality, Handler
from multidict import MultiDict

from dropcopy import proto as pb
from dropcopyd.domain.account import Principal, Scope
from dropcopyd.errors import DropcopyError, InvalidError, StoreError
from dropcopyd.flow.access import Access
from dropcopyd.flow.disconnect import ARM_HEADER, Arm, ArmRequest, parse_arm
from dropcopyd.flow.quota import StreamQuota
from dropcopyd.flow.session import CursorRequest, Session, SubscribeRequest
from dropcopyd.flow.streams import Edge, OpenStream, Streams
from dropcopyd.rpc.calls import ServerStream
from dropcopyd.rpc.fanout import Fanout, Response
from dropcopyd.rpc.guard import authenticate
from dropcopyd.wire import EVENT_TYPES

if TYPE_CHECKING:
    from grpclib._typing import IServable

SessionFactory = Callable[[Principal], Session]


@dataclass(frozen=True, slots=True)
class _GrpcWire:
    """A call and its fan-out response as the pulse sees them."""

    call: ServerStream
    response: Response

    @property
    def stalled_since_ns(self) -> int | None:
        return self.response.stalled_since_ns

    @property
    def unsent_bytes(self) -> int:
        return self.response.unsent_bytes

    async def drained(self) -> None:
        await self.response.drained()

    def fail(self, error: DropcopyError) -> None:
        self.call.fail(error)


class StreamService:
    """`trading.StreamingService` and `trading.TradingService`: the same handler behind all three methods."""

    def __init__(
        self,
        *,
        access: Access,
        quota: StreamQuota,
        streams: Streams,
        new_session: SessionFactory,
        arm: Arm,
    ) -> None:
        self._access = access
        self._arm = arm
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
        principal = await authenticate(self._access, call.metadata or MultiDict(), _peer_of(call), Scope.STREAM_READ)
        with self._quota.place(principal):
            async with self._opened(call, principal) as stream:
                for text in _arms_of(call):
                    await self._arm(stream, parse_arm(text))
                while (request := await call.recv_message()) is not None:
                    await self._take(stream, request)
                await _for_ever()  # half-closing ends requests, not events

    async def _subscribe(self, call: ServerStream) -> None:
        """SubscribeEvents: one subscription; a bad one ends the call."""
        principal = await authenticate(self._access, call.metadata or MultiDict(), _peer_of(call), Scope.STREAM_READ)
        with self._quota.place(principal):
            request = await call.recv_message()
            if request is None:
                raise InvalidError("the request holds no Subscribe")
            async with self._opened(call, principal) as stream:
                await stream.session.subscribe(parse_subscribe(request))
                stream.last_message = "subscribed"
                for text in _arms_of(call):
                    await self._arm(stream, parse_arm(text))
                await _for_ever()

    @asynccontextmanager
    async def _opened(self, call: ServerStream, principal: Principal) -> AsyncIterator[OpenStream]:
        """Initial metadata and one heartbeat at once; then the stream is in the pulse until the block ends."""
        session = self._new_session(principal)
        await call.send_initial_metadata()
        response = self.fanout.open(call, session.source)
        session.on_ready = response.wake
        session.beat()
        with self._streams.entered(session, _GrpcWire(call, response), Edge.GRPC, _peer_of(call)) as stream:
            yield stream

    async def _take(self, stream: OpenStream, request: pb.StreamEventsRequest | pb.StreamRequest) -> None:
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
                arm = request.arm
                await self._arm(stream, ArmRequest(arm.account_id, arm.strategy_id, arm.grace_s))
            else:
                raise InvalidError("the request holds none of subscribe, unsubscribe, arm")
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


def _arms_of(call: ServerStream) -> tuple[str, ...]:
    """What the stream is to be armed with from its beginning."""
    values = (call.metadata or MultiDict()).getall(ARM_HEADER, ())
    return tuple(value for value in values if isinstance(value, str))


def _peer_of(call: ServerStream) -> str:
    """The client's address as host:port; "" where the socket has none."""
    address = None if call.peer is None else call.peer.addr()
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else ""


async def _for_ever() -> None:
    await asyncio.Event().wait()
