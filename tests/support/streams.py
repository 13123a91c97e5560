"""A grpcio client of the streaming calls that keeps everything it hears, for tests to wait on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from dropcopy import proto as pb

ALL_KINDS = tuple(number for name, number in pb.EventType.items() if number)
_WAIT_S = 20.0


class StreamClient:
    """One StreamEvents call. `events` grows as the server sends; `error` is how the call ended."""

    def __init__(
        self,
        target: str,
        api_key: str | None,
        *,
        ca: str | None = None,
        path: str = pb.STREAM_EVENTS_PATH,
        channel: grpc.aio.Channel | None = None,
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.events: list[pb.TradingEvent] = []
        self.error: grpc.aio.AioRpcError | None = None
        self._owns_channel = channel is None
        self._channel = channel or new_channel(target, ca)
        self._metadata = metadata + (() if api_key is None else (("x-api-key", api_key),))
        self._path = path
        self._requests: asyncio.Queue[Any] = asyncio.Queue()
        self._grown = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._call: Any = None

    async def __aenter__(self) -> Self:
        method = self._channel.stream_stream(
            self._path,
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=pb.TradingEvent.FromString,
        )
        self._call = method(self._outgoing(), metadata=self._metadata)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call.cancel()
        assert self._reader is not None
        await asyncio.gather(self._reader, return_exceptions=True)
        if self._owns_channel:
            await self._channel.close(None)

    async def _outgoing(self) -> AsyncIterator[Any]:
        while (request := await self._requests.get()) is not None:
            yield request

    async def _read(self) -> None:
        try:
            async for event in self._call:
                self.events.append(event)
                self._grown.set()
        except grpc.aio.AioRpcError as error:
            self.error = error
        except asyncio.CancelledError:
            pass
        self._grown.set()

    def send(self, request: Any) -> None:
        """Put a request on the stream."""
        self._requests.put_nowait(request)

    def half_close(self) -> None:
        """No more requests."""
        self._requests.put_nowait(None)

    def subscribe(self, account_id: str, kinds: tuple[int, ...] = ALL_KINDS, **fields: Any) -> None:
        """Send a Subscribe."""
        subscribe = pb.Subscribe(trading_account_id=account_id, **fields)
        subscribe.subscriptions.extend(kinds)  # type: ignore[arg-type]
        self.send(pb.StreamEventsRequest(subscribe=subscribe))

    def unsubscribe(self, account_id: str) -> None:
        """Send an Unsubscribe."""
        self.send(pb.StreamEventsRequest(unsubscribe=pb.Unsubscribe(trading_account_id=account_id)))

    async def until(self, is_so: Callable[[list[pb.TradingEvent]], Any], what: str = "") -> Any:
        """Wait until the predicate over all events so far is true; its value."""
        try:
            async with asyncio.timeout(_WAIT_S):
                while not (value := is_so(self.events)):
                    if self.error is not None or (self._reader is not None and self._reader.done()):
                        raise AssertionError(f"the stream ended before {what or 'that'}: {self.error}")
                    self._grown.clear()
                    await self._grown.wait()
                return value
        except TimeoutError:
            tail = [event.WhichOneof("event") for event in self.events[-12:]]
            raise AssertionError(f"waited in vain for {what or 'that'}; last events: {tail}") from None

    async def ended(self) -> grpc.aio.AioRpcError:
        """Wait for the end of the call by the server; the error it ended with."""
        assert self._reader is not None
        await asyncio.wait_for(asyncio.shield(self._reader), _WAIT_S)
        assert self.error is not None, "the call ended without a status"
        return self.error

    def of(self, kind: str) -> list[Any]:
        """Every message of one oneof member, in order."""
        return [getattr(event, kind) for event in self.events if event.WhichOneof("event") == kind]

    @property
    def journal(self) -> list[pb.TradingEvent]:
        """The journal events among those heard."""
        return [event for event in self.events if event.sequence]


def new_channel(target: str, ca: str | None = None) -> grpc.aio.Channel:
    """A channel of its own connection."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    if ca is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(Path(ca).read_bytes()), options=options)


def trailer(error: grpc.aio.AioRpcError, name: str) -> str | None:
    """One trailer of an ended call."""
    trailers: Any = error.trailing_metadata() or ()
    return next((str(value) for key, value in trailers if key == name), None)


def has(kind: str, count: int = 1) -> Callable[[list[pb.TradingEvent]], bool]:
    """Predicate: at least so many events of one oneof member."""
    return lambda events: sum(event.WhichOneof("event") == kind for event in events) >= count
