"""One gRPC call, from its headers to its trailers: every way out becomes a status, none tells an exception's text."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import structlog
from grpclib.const import Handler, Status
from grpclib.encoding.base import GRPC_CONTENT_TYPE, CodecBase
from grpclib.events import _DispatchServerEvents
from grpclib.exceptions import GRPCError
from grpclib.metadata import Deadline, decode_metadata, encode_grpc_message, encode_metadata
from grpclib.protocol import AbstractHandler
from grpclib.protocol import Stream as WireStream
from grpclib.server import Stream
from h2.errors import ErrorCodes
from h2.exceptions import H2Error

from dropcopyd.domain.limits import TransportLimits
from dropcopyd.errors import Code
from dropcopyd.rpc.connection import GatewayStream
from dropcopyd.rpc.fanout import Response, StreamGoneError
from dropcopyd.rpc.requests import ENCODINGS, CallError, read_message

_log = structlog.get_logger(__name__)

_Headers = list[tuple[str, str]]

_TIMEOUT_S_MAX = 10 * 86_400.0
"""A longer `grpc-timeout` is none: event loops refuse timers far out."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ends: status, text for people, further trailers."""

    status: Status
    message: str = ""
    trailers: tuple[tuple[str, str], ...] = ()


EndingOf = Callable[[Exception, str], Ending]
"""What a handler's exception becomes; the second argument is the method's path."""

_INTERNAL = Ending(Status.INTERNAL, "internal error", (("dropcopy-code", Code.INTERNAL),))
_STOPPING = Ending(Status.UNAVAILABLE, "the server is shutting down", (("dropcopy-code", Code.DRAINING),))


def default_ending(error: Exception, method: str) -> Ending:
    """Map what gRPC itself knows; everything else is a bug: logged, and told as "internal error"."""
    if isinstance(error, CallError):
        return Ending(error.status, error.message or "", (("dropcopy-code", error.code),))
    if isinstance(error, GRPCError):
        return Ending(error.status, error.message or "")
    _log.error("call.failed", method=method, exc_info=error)
    return _INTERNAL


class RawCodec(CodecBase):
    """Passes bytes through; other messages serialise themselves, as protobuf's do (health, reflection)."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:  # noqa: ARG002
        """Bytes of a response message."""
        return message if isinstance(message, bytes) else cast("bytes", message.SerializeToString())

    def decode(self, data: bytes, message_type: Any) -> Any:
        """A request message: the bytes, unless the method's request type can read them. Raises CallError."""
        if message_type is bytes or message_type is None:
            return data
        try:
            return message_type.FromString(data)
        except Exception as error:
            raise CallError(
                Status.INVALID_ARGUMENT, Code.INVALID_ARGUMENT, "the request message cannot be decoded"
            ) from error


class ServerStream(Stream[Any, Any]):
    """What a handler is given: grpclib's stream, with bounded requests and at most one fan-out response."""

    _stream: GatewayStream

    def __init__(
        self, call: "Call", wire: GatewayStream, method: str, handler: Handler, deadline: Deadline | None
    ) -> None:
        super().__init__(
            wire,
            method,
            handler.cardinality,
            handler.request_type,
            handler.reply_type,
            codec=call.calls.codec,
            status_details_codec=None,
            dispatch=_DispatchServerEvents(),
            deadline=deadline,
            user_agent=call.fields.get("user-agent"),
        )
        self.response: Response | None = None
        """The response that `Fanout.open` began on this stream."""
        self.metadata = decode_metadata(call.headers)
        self._call = call

    async def recv_message(self) -> Any:
        """Next request message; None after the last. Raises CallError: too large, malformed, not decodable."""
        encoding = self._call.fields.get("grpc-encoding", "identity")
        body = await read_message(self._stream.buffer, encoding, self._call.calls.limits.request_bytes_max)
        if body is None:
            return None
        self._messages_received += 1
        return self._codec.decode(body, self._recv_type)

    async def send_initial_metadata(self, *, metadata: Any = None) -> None:
        """Send the response's headers."""
        if not self._send_initial_metadata_done:
            headers = [*self.initial_headers(), *encode_metadata(metadata or ())]
            await self._stream.send_headers(headers)
            self._send_initial_metadata_done = True

    async def send_trailing_metadata(
        self,
        *,
        status: Status = Status.OK,
        status_message: str | None = None,
        status_details: Any = None,  # noqa: ARG002  grpclib's signature; details are not offered
        metadata: Any = None,
    ) -> None:
        """End the call, after everything that its fan-out response still has."""
        trailers = tuple(metadata.items() if isinstance(metadata, Mapping) else metadata or ())
        await self._call.end(Ending(status, status_message or "", trailers))

    def begin_response(self, response: Response) -> GatewayStream:
        """Tie a fan-out response to this call. Raises StreamGoneError when the stream has ended."""
        if not self._send_initial_metadata_done or self.response is not None:
            raise RuntimeError("a response begins once, after the initial metadata")
        if not self._stream.closable:
            raise StreamGoneError
        self.response = response
        return self._stream

    def fail(self, error: Exception) -> None:
        """End the call with `error` from outside its handler, which is cancelled."""
        self._call.fail(error)

    def initial_headers(self) -> _Headers:
        """The headers of every response."""
        return [
            (":status", "200"),
            ("content-type", self._content_type),
            ("grpc-accept-encoding", ",".join(ENCODINGS)),
        ]

    def end_nowait(self, ending: Ending) -> None:
        """Send the trailers, once; what the response still has is dropped, and nothing happens on an ended stream."""
        if self.response is not None:
            self.response.close()
        if self._send_trailing_metadata_done or not self._stream.closable:
            return
        headers = [] if self._send_initial_metadata_done else self.initial_headers()
        headers.append(("grpc-status", str(ending.status.value)))
        if ending.message:
            headers.append(("grpc-message", encode_grpc_message(ending.message)))
        headers.extend(encode_metadata(ending.trailers))
        self._send_trailing_metadata_done = True
        try:
            self._stream.send_headers_nowait(headers, end_stream=True)
        except H2Error:  # the stream ended in the meantime
            _log.debug("call.trailers_not_sent", method=self._method_name)
            self._stream.reset_nowait(ErrorCodes.INTERNAL_ERROR)

    @property
    def ended(self) -> bool:
        """Whether trailers were sent or the stream was cancelled."""
        return self._send_trailing_metadata_done or self._cancel_done or not self._stream.closable

    @property
    def lets_write(self) -> bool:
        """Whether the client may stream messages and none was read."""
        return self._cardinality.client_streaming and not self._messages_received

    @property
    def lacks_message(self) -> bool:
        """Whether a unary response has no message yet."""
        return not self._cardinality.server_streaming and not self._send_message_done


class Call:
    """Runs one handler and sees to it that its stream ends."""

    def __init__(self, calls: "Calls", wire: GatewayStream, headers: _Headers, fields: dict[str, str]) -> None:
        """`fields` has the last of the `headers` of each name. Raises ValueError for malformed ones."""
        self.calls = calls
        self.headers = headers
        self.fields = fields
        self.task: asyncio.Task[None] | None = None
        self._method = fields[":path"]
        self._failure: Exception | None = None
        self._wire = wire
        handler = calls.mapping[self._method]
        self._func = handler.func
        self._timeout_s, deadline = _deadline(fields)
        self._stream = ServerStream(self, wire, self._method, handler, deadline)

    async def run(self) -> None:
        """Run the handler; returns when the stream has ended, whatever the handler did."""
        try:
            async with asyncio.timeout(self._timeout_s) as deadline:
                await self._func(self._stream)
                if not self._stream.ended:
                    await self.end(self._missing() if self._stream.lacks_message else Ending(Status.OK))
        except asyncio.CancelledError:
            # The client is gone, the source failed, or the server stops: only then is there someone to tell.
            if self._failure is None:
                self._stream.end_nowait(_STOPPING)
                raise
            self._stream.end_nowait(self._ending_of(self._failure))
        except TimeoutError as error:
            expired = Ending(Status.DEADLINE_EXCEEDED, "deadline exceeded", (("dropcopy-code", "deadline_exceeded"),))
            self._stream.end_nowait(expired if deadline.expired() else self._ending_of(error))
        except Exception as error:  # noqa: BLE001  the one place where a handler's errors end
            await self._fail_with(error)
        finally:
            if self._stream.response is not None:
                self._stream.response.close()
            if not self._stream.ended:  # whatever happened, no stream stays open without a handler
                self._wire.reset_nowait(ErrorCodes.INTERNAL_ERROR)

    async def _fail_with(self, error: Exception) -> None:
        if self._stream.ended:
            if not isinstance(error, StreamGoneError | H2Error):
                self._ending_of(error)  # logs a bug that no client will hear of
            return
        ending = self._ending_of(error)
        try:
            await self._let_write()
        except asyncio.CancelledError:
            self._stream.end_nowait(ending)
            raise
        await self.end(ending)

    async def _let_write(self) -> None:
        """Let a client that streams finish its first write: grpcio's asyncio API, for one, tells a write that meets the
        end of its call as "internal error", and the refusal's own status and code are lost."""
        if not self._stream.lets_write:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self.calls.limits.first_message_s):
                await self._wire.buffer.begun()

    async def end(self, ending: Ending) -> None:
        """Send what the response still has, then the trailers. A client that takes too long loses the rest."""
        response = self._stream.response
        if response is not None and not self._stream.ended:
            try:
                async with asyncio.timeout(self.calls.limits.end_flush_s):
                    await response.drained()
            except StreamGoneError:  # closed on purpose
                pass
            except TimeoutError:
                if ending.status is Status.OK:
                    ending = Ending(Status.UNAVAILABLE, "the client did not take the rest of the response")
        self._stream.end_nowait(ending)

    def _ending_of(self, error: Exception) -> Ending:
        try:
            ending = self.calls.ending_of(error, self._method)
            encode_metadata(ending.trailers)
        except Exception:  # noqa: BLE001  whatever is wrong with the hook, the client gets an end
            _log.exception("call.ending_failed", method=self._method)
            return _INTERNAL
        return ending

    def _missing(self) -> Ending:
        _log.error("call.no_message", method=self._method)
        return _INTERNAL

    def fail(self, error: Exception) -> None:
        """Cancel the handler; the call ends with `error`."""
        self._failure = error
        self.cancel()

    def cancel(self) -> None:
        """Cancel the handler, and send nothing more of its response."""
        if self._stream.response is not None:
            self._stream.response.close()
        if self.task is not None:
            self.task.cancel()


class Calls(AbstractHandler):
    """Starts and ends the calls of one connection."""

    def __init__(
        self,
        mapping: Mapping[str, Handler],
        *,
        limits: TransportLimits,
        tasks: asyncio.TaskGroup,
        ending_of: EndingOf,
        on_end: Callable[[], None],
    ) -> None:
        self.mapping = mapping
        self.limits = limits
        self.ending_of = ending_of
        self.codec = RawCodec()
        self._tasks = tasks
        self._on_end = on_end
        self._running: dict[WireStream, Call] = {}

    def accept(self, stream: WireStream, headers: _Headers, release_stream: Callable[[], None]) -> None:
        """Called by grpclib with a new request."""
        wire = cast("GatewayStream", stream)
        fields = dict(headers)
        refusal = self._refusal(fields)
        if refusal is None:
            try:
                call = Call(self, wire, headers, fields)
            except ValueError:  # base64 of -bin metadata, or the deadline
                refusal = _trailers_only(Status.INVALID_ARGUMENT, "malformed request metadata")
        if refusal is not None:
            wire.send_headers_nowait(refusal, end_stream=True)
            release_stream()
            return
        run = call.run()
        try:
            call.task = self._tasks.create_task(run, name=f"call {fields[':path']}")
        except RuntimeError:  # the owner of the tasks is ending
            run.close()
            wire.reset_nowait(ErrorCodes.REFUSED_STREAM)
            release_stream()
            return
        self._running[stream] = call
        call.task.add_done_callback(lambda _: self._ended(stream, release_stream))

    def _ended(self, stream: WireStream, release_stream: Callable[[], None]) -> None:
        self._running.pop(stream, None)
        release_stream()
        self._on_end()

    def _refusal(self, fields: dict[str, str]) -> _Headers | None:
        """Complete response headers for what cannot become a call, as the gRPC specification has them."""
        if fields.get(":method") != "POST":
            return [(":status", "405")]
        base, _, subtype = fields.get("content-type", "").partition("+")
        if base != GRPC_CONTENT_TYPE or subtype not in {"", self.codec.__content_subtype__}:
            return [(":status", "415")]
        if fields.get(":path") not in self.mapping:
            return _trailers_only(Status.UNIMPLEMENTED, "unknown method")
        if fields.get("grpc-encoding", "identity") not in ENCODINGS:
            return _trailers_only(Status.UNIMPLEMENTED, "unknown grpc-encoding; use " + " or ".join(ENCODINGS))
        return None

    def cancel(self, stream: WireStream) -> None:
        """Called by grpclib when the stream was reset."""
        call = self._running.get(stream)
        if call is not None:
            call.cancel()

    def close(self) -> None:
        """Cancel all calls of the connection."""
        for call in list(self._running.values()):
            call.cancel()

    @property
    def tasks(self) -> "list[asyncio.Task[None]]":
        """The tasks of the calls that run."""
        return [call.task for call in self._running.values() if call.task is not None]


def _deadline(headers: dict[str, str]) -> tuple[float | None, Deadline | None]:
    """The call's time limit in seconds, and grpclib's form of it. Raises ValueError."""
    text = headers.get("grpc-timeout")
    if text is None:
        return None, None
    if len(text) > 9:  # the specification allows eight digits and a unit
        raise ValueError("grpc-timeout")
    deadline = Deadline.from_headers([("grpc-timeout", text)])
    remaining_s = deadline.time_remaining() if deadline is not None else None
    return (None if remaining_s is None or remaining_s > _TIMEOUT_S_MAX else remaining_s), deadline


def _trailers_only(status: Status, text: str) -> _Headers:
    code = Code.NOT_SUPPORTED if status is Status.UNIMPLEMENTED else Code.INVALID_ARGUMENT
    return [
        (":status", "200"),
        ("content-type", f"{GRPC_CONTENT_TYPE}+proto"),
        ("grpc-accept-encoding", ",".join(ENCODINGS)),
        ("grpc-status", str(status.value)),
        ("grpc-message", encode_grpc_message(text)),
        ("dropcopy-code", code),
    ]
