"""One streaming call on a connection of its own, and what its end means.

Each call opens a fresh channel: the next attempt must not go over a transport that has died silently. gRPC's own
keepalive stays off; the gateway's heartbeats prove more (that the event pipeline lives, not only the socket), and
they keep idle NAT entries open.
"""

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import grpc
import grpc.aio

from dropcopy import proto
from dropcopy._credential import Credential
from dropcopy._errors import (
    ApiError,
    InternalError,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    Unauthenticated,
    Unavailable,
)

_DETAILS_MAX: Final = 300
_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # or gRPC would hand out the dead transport again
    ("grpc.enable_retries", 0),
    ("grpc.service_config_disable_resolution", 1),
)
_FATAL: Final[dict[grpc.StatusCode, type[ApiError]]] = {
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.ALREADY_EXISTS: InvalidRequest,
    grpc.StatusCode.FAILED_PRECONDITION: Unavailable,
    grpc.StatusCode.UNIMPLEMENTED: InternalError,
}
_EOF: Final = cast("Any", grpc.aio).EOF  # which the stubs lack
_STALLED: Final = "stream_stalled"
QUOTA: Final = "stream_quota_exceeded"


@dataclass(frozen=True, slots=True)
class Target:
    """Where the gateway's gRPC port is. `roots` are PEM certificates to trust, None = the system's."""

    address: str
    credential: Credential
    is_plaintext: bool
    roots: bytes | None = None


class CallEnded(Exception):  # noqa: N818 # an end, not always an error
    """The call is over. `code` is the gateway's stable word; "" where the end did not come from the gateway."""

    def __init__(self, status: grpc.StatusCode, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def as_error(self) -> ApiError | None:
        """The exception for the caller; None where reconnecting helps."""
        if self.status is grpc.StatusCode.RESOURCE_EXHAUSTED:
            kind: type[ApiError] | None = None if self.code in ("", _STALLED) else QuotaExceeded
        else:
            kind = _FATAL.get(self.status)
        if kind is None:
            return None
        return kind(self.code or self.status.name.lower(), title=self.status.name, detail=self.message)


class Call:
    """SubscribeEvents: opened at once, read message by message, closed with its connection."""

    def __init__(self, target: Target, request: proto.Subscribe, metadata: Sequence[tuple[str, str]] = ()) -> None:
        options: list[tuple[str, Any]] = list(_OPTIONS)
        if is_loopback(target.address):
            options.append(("grpc.enable_http_proxy", 0))
        if target.is_plaintext:
            self._channel = grpc.aio.insecure_channel(target.address, options=options)
        else:
            credentials = grpc.ssl_channel_credentials(target.roots)
            self._channel = grpc.aio.secure_channel(target.address, credentials, options=options)
        method = self._channel.unary_stream(proto.SUBSCRIBE_EVENTS_PATH, proto.Subscribe.SerializeToString, None)
        self._call: Any = method(request, metadata=(target.credential.header(), *metadata))
        self._is_closed = False

    async def read(self) -> bytes:
        """The next message's bytes. Raises CallEnded. Cancelling the wait ends the call."""
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise _ended(error.code(), error.details(), error.trailing_metadata()) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._is_closed or (task is not None and task.cancelling()):
                raise
            raise CallEnded(grpc.StatusCode.CANCELLED, "", "closed by this side") from None
        if message is _EOF:
            raise _ended(grpc.StatusCode.OK, "the gateway ended the stream", ())
        return bytes(message)

    async def close(self) -> None:
        """End the call and its connection. Idempotent."""
        self._is_closed = True
        self._call.cancel()
        await self._channel.close(grace=None)


def _ended(status: grpc.StatusCode, details: str | None, trailers: Any) -> CallEnded:
    code = ""
    pairs: Sequence[tuple[str, str | bytes]] = tuple(trailers or ())
    for name, value in pairs:
        if name == "dropcopy-code":
            code = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    message = " ".join((details or "").split())[:_DETAILS_MAX]
    return CallEnded(status, code, message or status.name)


def is_loopback(address: str) -> bool:
    """Whether `host`, `host:port` or `[v6]:port` is this machine."""
    host = address.rsplit("]", 1)[0].lstrip("[") if address.startswith("[") else address
    if not address.startswith("[") and host.count(":") == 1:
        host = host.rsplit(":", 1)[0]
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
