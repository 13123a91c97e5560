"""The error codes of the product and the few exceptions that carry them; nobody else invents one.

A code is stable and documented (docs/errors.md). The edges map codes to their own words by one table each:
`rest.errors` to problem+json, `rpc.guard` to gRPC status. The message is in the user's words and holds no secret.
"""

from enum import StrEnum


class Code(StrEnum):
    """What went wrong, for programs."""

    # the caller
    UNAUTHENTICATED = "unauthenticated"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105  a code
    PERMISSION_DENIED = "permission_denied"
    INVALID_ARGUMENT = "invalid_argument"
    MALFORMED_REQUEST = "malformed_request"
    REQUEST_TIMEOUT = "request_timeout"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    INVALID_JSON = "invalid_json"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    ROUTE_NOT_FOUND = "route_not_found"
    BODY_TOO_LARGE = "body_too_large"
    INVALID_IDEMPOTENCY_KEY = "invalid_idempotency_key"
    INVALID_CURSOR = "invalid_cursor"
    INVALID_INSTRUMENT_CLASS = "invalid_instrument_class"
    NO_KNOWN_EVENT_TYPE = "no_known_event_type"
    NOT_SUPPORTED = "not_supported"
    NOT_A_PAPER_ACCOUNT = "not_a_paper_account"
    TIME_IN_FORCE_REFUSED = "time_in_force_refused"
    # what the caller names
    ACCOUNT_NOT_FOUND = "account_not_found"
    INTENT_NOT_FOUND = "intent_not_found"
    ORDER_NOT_FOUND = "order_not_found"
    POSITION_NOT_FOUND = "position_not_found"
    RECONCILIATION_NOT_FOUND = "reconciliation_not_found"
    BREAK_NOT_FOUND = "break_not_found"
    BREAK_CLOSED = "break_closed"
    BREAK_CHANGED = "break_changed"
    HISTORY_GONE = "history_gone"
    STREAM_NOT_FOUND = "stream_not_found"
    FLATTEN_NOT_FOUND = "flatten_not_found"
    KEY_NOT_FOUND = "key_not_found"
    KEY_DISABLED = "key_disabled"
    UNKNOWN_SYMBOL = "unknown_symbol"
    AMBIGUOUS_SYMBOL = "ambiguous_symbol"
    CONTROL_REFUSED = "control_refused"
    VERSION_REQUIRED = "version_required"
    VERSION_CONFLICT = "version_conflict"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    # limits and state of the service
    RATE_LIMITED = "rate_limited"
    STREAM_QUOTA_EXCEEDED = "stream_quota_exceeded"
    ORGANIZATION_LIMIT_EXCEEDED = "organization_limit_exceeded"
    SUBSCRIPTION_LIMIT_EXCEEDED = "subscription_limit_exceeded"
    REQUEST_TOO_LARGE = "request_too_large"
    TOO_MANY_IN_FLIGHT = "too_many_in_flight"
    STREAM_STALLED = "stream_stalled"
    STREAM_ENDED = "stream_ended"
    ACCOUNT_HALTED = "account_halted"
    OVERLOADED = "overloaded"
    DRAINING = "draining"
    NOT_READY = "not_ready"
    INTERNAL = "internal"
    # the operator's side
    FOLDER_IN_USE = "folder_in_use"
    NAME_IN_USE = "name_in_use"
    INVALID_CONFIGURATION = "invalid_configuration"
    STORE_FAILED = "store_failed"


class DropcopyError(Exception):
    """A failure with a stable code, a message for people and facts for programs."""

    def __init__(self, code: Code, message: str, **facts: str | int) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.facts = facts


class InvalidError(DropcopyError):
    """The request cannot be understood; `pointer` is the JSON pointer of the member at fault ("" = the whole)."""

    def __init__(self, message: str, *, pointer: str = "", code: Code = Code.INVALID_ARGUMENT) -> None:
        super().__init__(code, message, pointer=pointer)
        self.pointer = pointer


class NotFoundError(DropcopyError):
    """What the request names does not exist for this caller: unknown and foreign look the same."""


class StoreError(DropcopyError):
    """The journal could not be written or read; nothing of the batch was kept."""
