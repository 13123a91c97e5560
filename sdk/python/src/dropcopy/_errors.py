"""What the SDK raises.

DropcopyError
├── ConfigurationError     the client cannot be built or used like this
├── ConnectionFailed       no connection, or no answer to a read; nothing was changed
├── SubmitInDoubt          a submit may or may not have been accepted; carries the key to ask again with
├── UnexpectedAnswer       an answer that is not the gateway's (a proxy's page, broken JSON)
├── StreamGap              a stream's events do not follow each other; the stream mends it by resuming
├── ChainBroken            the hash chain does not verify, also when read again: the history was altered
└── ApiError               the gateway refused: code, title, detail, status, pointer
    ├── Unauthenticated    no, a wrong or a disabled key
    ├── PermissionDenied   the key lacks a scope
    ├── NotFound           unknown, or not yours
    ├── InvalidRequest     malformed or meaningless; `pointer` names the member at fault
    ├── Conflict           the idempotency key was used for another command; `pointer` names the first difference
    ├── QuotaExceeded      too many streams or requests
    ├── Unavailable        the gateway cannot take it now; `retry_after_s` if it says when
    └── InternalError      a bug of the gateway; `detail` holds its id

A caller's mistake in an argument is Python's TypeError or ValueError. No message holds the API key.
"""

# ruff: noqa: N818 # named for what happened, as a caller reads it in an except clause

from collections.abc import Mapping
from typing import Any, Final


class DropcopyError(Exception):
    """Base of everything that the SDK raises by itself."""


class ConfigurationError(DropcopyError):
    """The client cannot be built or used like this."""


class ConnectionFailed(DropcopyError):
    """No connection, or no answer to a read. Nothing was changed by the call."""


class SubmitInDoubt(DropcopyError):
    """A create, replace or cancel went out and no certain answer came: it may or may not have been accepted.

    Call again with the same arguments and `idempotency_key`: the gateway then answers with what it did the first
    time, or does it now, never twice. The cause is in `__cause__`.
    """

    def __init__(self, account_id: str, idempotency_key: str, reason: str) -> None:
        super().__init__(
            f"no certain answer ({reason}): the command may or may not have been accepted;"
            f" ask again with idempotency key {idempotency_key}"
        )
        self.account_id = account_id
        self.idempotency_key = idempotency_key
        self.reason = reason


class UnexpectedAnswer(DropcopyError):
    """An answer that is not the gateway's: a proxy's page, broken JSON, a member of the wrong type."""


class StreamGap(DropcopyError):
    """A stream's events do not follow each other. The stream mends it; callers see its text in Disconnected."""


class ChainBroken(DropcopyError):
    """The journal's hash chain does not verify, also when read a second time: its history was altered."""


class ApiError(DropcopyError):
    """The gateway refused. `code` is its stable word, `status` the HTTP status (None on a stream).

    `title` and `detail` are for people; `pointer` is the JSON pointer of the member at fault ("" = none named);
    `retry_after_s` says when to come back (None = not said); `facts` holds the answer's further members.
    """

    def __init__(
        self,
        code: str,
        *,
        title: str = "",
        detail: str = "",
        status: int | None = None,
        pointer: str = "",
        retry_after_s: float | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        text = detail or title or code
        super().__init__(f"{text} [{code}]" + (f" at {pointer}" if pointer else ""))
        self.code = code
        self.title = title
        self.detail = detail
        self.status = status
        self.pointer = pointer
        self.retry_after_s = retry_after_s
        self.facts = dict(facts or {})


class Unauthenticated(ApiError):
    """No key, a wrong one or a disabled one."""


class PermissionDenied(ApiError):
    """The key lacks a scope."""


class NotFound(ApiError):
    """What the request names does not exist for this key: unknown and foreign look the same."""


class InvalidRequest(ApiError):
    """The request is malformed or asks for what makes no sense."""


class Conflict(ApiError):
    """The idempotency key was used before, for another command."""


class QuotaExceeded(ApiError):
    """Too many streams or requests."""


class Unavailable(ApiError):
    """The gateway cannot take the request now and has not taken it."""


class InternalError(ApiError):
    """A bug of the gateway."""


_BY_HTTP_STATUS: Final[Mapping[int, type[ApiError]]] = {
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    412: Conflict,
    429: QuotaExceeded,
    503: Unavailable,
}


def error_class_of(status: int) -> type[ApiError]:
    """The class for an HTTP status of 400 or above; what is not in the table is the caller's or the gateway's fault."""
    return _BY_HTTP_STATUS.get(status, InvalidRequest if status < 500 else InternalError)
