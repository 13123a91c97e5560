"""The door of the gRPC port: credentials to a principal, and every exception to a status with no secrets."""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import structlog
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from dropcopyd.domain.account import Principal, Scope
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.access import Access, credential_of
from dropcopyd.rpc.calls import Ending, default_ending

if TYPE_CHECKING:
    from multidict import MultiDict

_log = structlog.get_logger(__name__)

CODE_TRAILER: Final = "dropcopy-code"
CURSOR_TRAILER: Final = "dropcopy-cursor"

_CLIENT, _MISSING, _LIMIT = Status.INVALID_ARGUMENT, Status.NOT_FOUND, Status.RESOURCE_EXHAUSTED
STATUSES: Final[Mapping[Code, Status]] = {
    Code.UNAUTHENTICATED: Status.UNAUTHENTICATED,
    Code.TOKEN_EXPIRED: Status.UNAUTHENTICATED,
    Code.PERMISSION_DENIED: Status.PERMISSION_DENIED,
    Code.INVALID_ARGUMENT: _CLIENT,
    Code.INVALID_JSON: _CLIENT,
    Code.NOT_A_PAPER_ACCOUNT: _CLIENT,
    Code.UNSUPPORTED_MEDIA_TYPE: _CLIENT,
    Code.MALFORMED_REQUEST: _CLIENT,
    Code.REQUEST_TIMEOUT: Status.UNAVAILABLE,
    Code.DEADLINE_EXCEEDED: Status.DEADLINE_EXCEEDED,
    Code.METHOD_NOT_ALLOWED: Status.UNIMPLEMENTED,
    Code.ROUTE_NOT_FOUND: Status.UNIMPLEMENTED,
    Code.BODY_TOO_LARGE: _LIMIT,
    Code.INVALID_IDEMPOTENCY_KEY: _CLIENT,
    Code.INVALID_CURSOR: _CLIENT,
    Code.INVALID_INSTRUMENT_CLASS: _CLIENT,
    Code.NO_KNOWN_EVENT_TYPE: _CLIENT,
    Code.NOT_SUPPORTED: Status.UNIMPLEMENTED,
    Code.TIME_IN_FORCE_REFUSED: _CLIENT,
    Code.ACCOUNT_NOT_FOUND: _MISSING,
    Code.INTENT_NOT_FOUND: _MISSING,
    Code.ORDER_NOT_FOUND: _MISSING,
    Code.POSITION_NOT_FOUND: _MISSING,
    Code.RECONCILIATION_NOT_FOUND: _MISSING,
    Code.BREAK_NOT_FOUND: _MISSING,
    Code.BREAK_CLOSED: Status.FAILED_PRECONDITION,
    Code.BREAK_CHANGED: Status.ABORTED,
    Code.HISTORY_GONE: Status.OUT_OF_RANGE,
    Code.STREAM_NOT_FOUND: _MISSING,
    Code.FLATTEN_NOT_FOUND: _MISSING,
    Code.KEY_NOT_FOUND: _MISSING,
    Code.KEY_DISABLED: Status.FAILED_PRECONDITION,
    Code.UNKNOWN_SYMBOL: _CLIENT,
    Code.AMBIGUOUS_SYMBOL: _CLIENT,
    Code.CONTROL_REFUSED: Status.PERMISSION_DENIED,
    Code.VERSION_REQUIRED: Status.FAILED_PRECONDITION,
    Code.VERSION_CONFLICT: Status.ABORTED,
    Code.IDEMPOTENCY_KEY_REUSED: Status.ALREADY_EXISTS,
    Code.RATE_LIMITED: _LIMIT,
    Code.STREAM_QUOTA_EXCEEDED: _LIMIT,
    Code.ORGANIZATION_LIMIT_EXCEEDED: _LIMIT,
    Code.SUBSCRIPTION_LIMIT_EXCEEDED: _LIMIT,
    Code.REQUEST_TOO_LARGE: _LIMIT,
    Code.TOO_MANY_IN_FLIGHT: _LIMIT,
    Code.STREAM_STALLED: _LIMIT,
    Code.STREAM_ENDED: Status.ABORTED,
    Code.ACCOUNT_HALTED: Status.FAILED_PRECONDITION,
    Code.OVERLOADED: Status.UNAVAILABLE,
    Code.DRAINING: Status.UNAVAILABLE,
    Code.NOT_READY: Status.UNAVAILABLE,
    Code.INTERNAL: Status.INTERNAL,
    Code.FOLDER_IN_USE: Status.INTERNAL,
    Code.NAME_IN_USE: Status.ALREADY_EXISTS,
    Code.INVALID_CONFIGURATION: Status.INTERNAL,
    Code.STORE_FAILED: Status.UNAVAILABLE,
}
"""What a code is in gRPC's words; docs/errors.md says the same, and a test holds them together."""


async def authenticate(access: Access, metadata: "MultiDict[Any]", peer: str, scope: Scope) -> Principal:
    """The principal behind `x-api-key` or a bearer token, which holds the scope; `peer` is host:port.

    Raises DropcopyError.
    """
    keys, authorizations = metadata.getall("x-api-key", ()), metadata.getall("authorization", ())
    return await access.admit(credential_of(keys, authorizations), peer.rpartition(":")[0], scope)


def ending_of(error: Exception, method: str) -> Ending:
    """How a call ends that raised: the product's errors by the table, anything else as a bug with an id."""
    if isinstance(error, DropcopyError):
        trailers = [(CODE_TRAILER, error.code.value)]
        if error.facts.get("cursor"):  # an empty value is no metadata
            trailers.append((CURSOR_TRAILER, str(error.facts["cursor"])))
        return Ending(STATUSES[error.code], error.message, tuple(trailers))
    if isinstance(error, GRPCError):
        return default_ending(error, method)
    error_id = secrets.token_hex(6)
    _log.error("call.failed", method=method, error_id=error_id, exc_info=error)
    return Ending(Status.INTERNAL, f"internal error {error_id}", ((CODE_TRAILER, Code.INTERNAL.value),))
