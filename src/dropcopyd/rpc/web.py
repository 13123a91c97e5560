"""SubscribeEvents for browsers: gRPC-Web (binary and text) and Connect (binary and JSON) over HTTP/1.1.

An ASGI application that `node` mounts into the REST port. The wire forms are connectrpc's; what is ours: the
credential and the quota before the body is read, bounds of size and time, gRPC-Web's text form, messages that pass as
the bytes that they are, and a stable code at every end.
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from functools import lru_cache
from typing import Any, Final

from connectrpc.code import Code as ConnectCode
from connectrpc.codec import Codec
from connectrpc.errors import ConnectError
from connectrpc.interceptor import MetadataInterceptor
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from google.protobuf import json_format

from dropcopy import proto as pb
from dropcopyd.domain.account import Scope
from dropcopyd.domain.limits import Limits, TransportLimits
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.access import Access, credential_of
from dropcopyd.flow.disconnect import ARM_HEADER, parse_arm
from dropcopyd.flow.pump import Connection, Pump, Pumps
from dropcopyd.flow.streams import Edge
from dropcopyd.rpc.guard import ending_of
from dropcopyd.rpc.stream import parse_subscribe
from dropcopyd.wire import messages_of

_TEXT: Final = b"application/grpc-web-text"
_BINARY: Final = b"application/grpc-web"
_PROTO: Final = _BINARY + b"+proto"
_EDGES: Final[Mapping[bytes, Edge]] = {
    _BINARY: Edge.GRPC_WEB,
    _PROTO: Edge.GRPC_WEB,
    _TEXT: Edge.GRPC_WEB,
    _TEXT + b"+proto": Edge.GRPC_WEB,
    b"application/connect+proto": Edge.CONNECT,
    b"application/connect+json": Edge.CONNECT,
}
"""The media types that are served."""
_JSON_EVENTS: Final = 1_024
"""Events that are kept in their JSON form, so that one event for many browsers is converted once."""
_OWN_CODES: Final[Mapping[ConnectCode, tuple[Code, str]]] = {
    ConnectCode.RESOURCE_EXHAUSTED: (Code.REQUEST_TOO_LARGE, "the request message is too large"),
    ConnectCode.UNIMPLEMENTED: (Code.NOT_SUPPORTED, "one Subscribe, uncompressed, is what the call takes"),
    ConnectCode.DEADLINE_EXCEEDED: (Code.DEADLINE_EXCEEDED, "the time that the client set for the call is over"),
}
"""What the library refuses by itself, in the product's words; the rest is a request that cannot be read."""

Message = dict[str, Any]


class BinaryCodec(Codec[bytes, Any]):
    """Events are bytes already."""

    def name(self) -> str:
        return "proto"

    def encode(self, message: bytes) -> bytes:
        return message

    def decode(self, data: bytes | bytearray, message_class: type[Any]) -> Any:
        return message_class.FromString(bytes(data))


class JsonCodec(Codec[bytes, Any]):
    """Protobuf's canonical JSON form."""

    def __init__(self) -> None:
        self._encoded = lru_cache(_JSON_EVENTS)(_json_of)

    def name(self) -> str:
        return "json"

    def encode(self, message: bytes) -> bytes:
        return self._encoded(message)

    def decode(self, data: bytes | bytearray, message_class: type[Any]) -> Any:
        return json_format.Parse(bytes(data), message_class(), ignore_unknown_fields=True)


def _json_of(message: bytes) -> bytes:
    return json_format.MessageToJson(pb.TradingEvent.FromString(message), indent=None).encode()


class WebService:
    """The ASGI application. `scope["dropcopy.connection"]` is what the server below puts there: a `Connection`."""

    paths: Final = (pb.SUBSCRIBE_EVENTS_PATH,)

    def __init__(self, *, access: Access, pumps: Pumps, limits: Limits, transport: TransportLimits) -> None:
        self._access = access
        self._pumps = pumps
        self._limits = limits
        self._request_bytes_max = transport.request_bytes_max
        self._codecs = (BinaryCodec(), JsonCodec())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request. Raises DropcopyError for one that is not of a protocol served here."""
        media_type = _media_type(scope)
        if media_type not in _EDGES:
            raise DropcopyError(
                Code.UNSUPPORTED_MEDIA_TYPE,
                "SubscribeEvents takes application/grpc-web, application/grpc-web-text, application/connect+proto and"
                " application/connect+json",
            )
        is_text = media_type.startswith(_TEXT)
        if is_text:
            receive = _TextBody(receive, self._request_bytes_max)
        call = _Call(self._access, self._pumps, scope, _EDGES[media_type], send, is_text=is_text)
        application = _Application(
            service=call,
            endpoints=_endpoints,
            interceptors=(call,),
            read_max_bytes=self._request_bytes_max,
            compressions=(),
            codecs=self._codecs,
        )
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-type" and value.isascii()]
        headers.append((b"content-type", _PROTO if is_text else media_type))
        body = _TimedBody(receive, self._limits.request_read_s)
        with call.opened:
            await application({**scope, "headers": headers}, body, call.send)


def _media_type(scope: Any) -> bytes:
    """The Content-Type in lower case and without parameters; b"" for none or several."""
    given = [value for name, value in scope["headers"] if name == b"content-type"]
    return given[0].partition(b";")[0].strip().lower() if len(given) == 1 else b""


class _Application(ConnectASGIApplication["_Call"]):
    """connectrpc's application over one call."""

    @property
    def path(self) -> str:
        return f"/{pb.SUBSCRIBE_EVENTS_PATH.split('/')[1]}"


def _endpoints(call: "_Call") -> Mapping[str, Any]:
    _, service, name = pb.SUBSCRIBE_EVENTS_PATH.split("/")
    method = MethodInfo(
        name=name,
        service_name=service,
        input=pb.Subscribe,
        output=bytes,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.SERVER_STREAM,
    )
    return {pb.SUBSCRIBE_EVENTS_PATH: Endpoint.server_stream(method=method, function=call.events)}


class _Call(MetadataInterceptor[None]):
    """One call: admitted before its body is read, its stream, and how it ends."""

    def __init__(self, access: Access, pumps: Pumps, scope: Any, edge: Edge, send: Any, *, is_text: bool) -> None:
        self._access = access
        self._pumps = pumps
        self._connection: Connection = scope["dropcopy.connection"]
        self._peer = f"{scope['client'][0]}:{scope['client'][1]}" if scope.get("client") else ""
        self._edge = edge
        self._send = send
        self._is_text = is_text
        self._pump: Pump | None = None
        self.opened = ExitStack()
        """Holds the place and the stream until the last byte of the answer is written."""

    async def on_start(self, ctx: RequestContext[Any, Any]) -> None:
        """Credential, scope, quota; the stream is open from here on."""
        ctx.response_headers.update({"cache-control": "no-store", "x-accel-buffering": "no"})
        headers = ctx.request_headers
        try:
            credential = credential_of(headers.getall("x-api-key"), headers.getall("authorization"))
            principal = await self._access.admit(credential, self._peer.rpartition(":")[0], Scope.STREAM_READ)
            stream = self._pumps.opened(principal, self._connection, self._edge, self._peer)
            self._pump = self.opened.enter_context(stream)
        except Exception as error:
            raise _ended(error, ctx) from error

    async def events(self, request: pb.Subscribe, ctx: RequestContext[Any, Any]) -> AsyncIterator[bytes]:
        """The stream's messages until something ends it."""
        pump = self._pump
        if pump is None:
            raise RuntimeError("the call was not admitted")
        arms = [parse_arm(text) for text in ctx.request_headers.getall(ARM_HEADER)]
        pump.subscribe(parse_subscribe(request), arms)
        async for segment in pump.segments():
            for message in messages_of(segment):
                if pump.is_ended:
                    break
                yield message

    async def on_end(self, _: None, ctx: RequestContext[Any, Any], error: Exception | None, /) -> None:
        """Put the product's code on the end."""
        if error is not None:
            raise _ended(error, ctx) from error

    async def send(self, message: Message) -> None:
        """To the server below, with an eye on how long it takes."""
        if message["type"] == "http.response.start":
            if self._is_text:
                message = {**message, "headers": [_as_text(pair) for pair in message["headers"]]}
        elif self._is_text and message.get("body"):
            message = {**message, "body": base64.b64encode(message["body"])}
        if self._pump is None:
            await self._send(message)
        else:
            await self._pump.write(self._send(message), len(message.get("body", b"")))


def _as_text(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    return (header[0], _TEXT + b"+proto") if header[0] == b"content-type" else header


def _ended(error: Exception, ctx: RequestContext[Any, Any]) -> ConnectError:
    """How the call ends that raised, with its code in the trailers."""
    if isinstance(error, ConnectError):
        code, text = _OWN_CODES.get(error.code, (Code.INVALID_ARGUMENT, "the request cannot be read as one Subscribe"))
        error = DropcopyError(code, text)
    ending = ending_of(error, pb.SUBSCRIBE_EVENTS_PATH)
    for name, value in ending.trailers:
        ctx.response_trailers[name] = value
    return ConnectError(ConnectCode[ending.status.name.replace("CANCELLED", "CANCELED")], ending.message)


class _TimedBody:
    """The request, whose body has a deadline; after it, whatever comes."""

    def __init__(self, receive: Any, read_s: float) -> None:
        self._receive = receive
        self._read_s = read_s
        self._deadline = asyncio.get_running_loop().time() + read_s
        self._is_read = False

    async def __call__(self) -> Message:
        if self._is_read:
            return await self._next()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._next()
        except TimeoutError as error:
            raise DropcopyError(
                Code.REQUEST_TIMEOUT, f"the request did not arrive within {self._read_s:g} s"
            ) from error
        self._is_read = not message.get("more_body", False)
        return message

    async def _next(self) -> Message:
        message: Message = await self._receive()
        return message


class _TextBody:
    """A body in gRPC-Web's text form as the bytes it stands for: base64."""

    def __init__(self, receive: Any, bytes_max: int) -> None:
        self._receive = receive
        self._characters_max = bytes_max * 4 // 3 + 1_024
        self._is_read = False

    async def __call__(self) -> Message:
        if self._is_read:
            message: Message = await self._receive()
            return message
        text = bytearray()
        while not self._is_read:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            text += message.get("body", b"")
            if len(text) > self._characters_max:
                raise DropcopyError(Code.REQUEST_TOO_LARGE, "the request message is too large")
            self._is_read = not message.get("more_body", False)
        return {"type": "http.request", "body": _unpacked(bytes(text)), "more_body": False}


def _unpacked(text: bytes) -> bytes:
    """Bytes of base64 text. Raises DropcopyError(INVALID_ARGUMENT)."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise DropcopyError(Code.INVALID_ARGUMENT, "the request is not base64") from error
