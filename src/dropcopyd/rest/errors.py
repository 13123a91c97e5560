"""Every code as an HTTP answer: one table, problem+json (RFC 9457) for whatever goes wrong."""

import json
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from dropcopyd.errors import Code, DropcopyError

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
INTERNAL_TEXT: Final = "internal error {error_id}"

STATUS: Final[Mapping[Code, tuple[int, str]]] = {
    Code.UNAUTHENTICATED: (401, "Credential missing or not accepted"),
    Code.TOKEN_EXPIRED: (401, "The token has expired"),
    Code.PERMISSION_DENIED: (403, "The key may not do this"),
    Code.INVALID_ARGUMENT: (422, "A value breaks a rule"),
    Code.MALFORMED_REQUEST: (400, "Not a valid HTTP request"),
    Code.REQUEST_TIMEOUT: (408, "The request did not arrive in time"),
    Code.DEADLINE_EXCEEDED: (504, "The time that the client set is over"),
    Code.INVALID_JSON: (400, "The body is not valid JSON"),
    Code.UNSUPPORTED_MEDIA_TYPE: (415, "The body's media type is not supported"),
    Code.METHOD_NOT_ALLOWED: (405, "The route has no such method"),
    Code.ROUTE_NOT_FOUND: (404, "There is no such route"),
    Code.BODY_TOO_LARGE: (413, "The body is too large"),
    Code.INVALID_IDEMPOTENCY_KEY: (400, "The Idempotency-Key is not usable"),
    Code.INVALID_CURSOR: (400, "The cursor is not usable"),
    Code.INVALID_INSTRUMENT_CLASS: (422, "Unknown instrument class"),
    Code.NO_KNOWN_EVENT_TYPE: (422, "No known event type"),
    Code.NOT_SUPPORTED: (422, "Not supported yet"),
    Code.NOT_A_PAPER_ACCOUNT: (422, "Not a paper account"),
    Code.TIME_IN_FORCE_REFUSED: (422, "The order type does not take this time in force"),
    Code.ACCOUNT_NOT_FOUND: (404, "No such account"),
    Code.INTENT_NOT_FOUND: (404, "No such intent"),
    Code.ORDER_NOT_FOUND: (404, "No such order"),
    Code.POSITION_NOT_FOUND: (404, "No such position"),
    Code.RECONCILIATION_NOT_FOUND: (404, "No such reconciliation"),
    Code.BREAK_NOT_FOUND: (404, "No such break"),
    Code.BREAK_CLOSED: (409, "The break is closed"),
    Code.BREAK_CHANGED: (409, "The record has moved since"),
    Code.HISTORY_GONE: (410, "No longer kept"),
    Code.STREAM_NOT_FOUND: (404, "No such stream"),
    Code.FLATTEN_NOT_FOUND: (404, "No such flatten"),
    Code.KEY_NOT_FOUND: (404, "No such key"),
    Code.KEY_DISABLED: (409, "The key is disabled"),
    Code.UNKNOWN_SYMBOL: (422, "Unknown symbol"),
    Code.AMBIGUOUS_SYMBOL: (422, "The symbol names several instruments"),
    Code.CONTROL_REFUSED: (403, "A control objects"),
    Code.VERSION_REQUIRED: (428, "The change needs the version"),
    Code.VERSION_CONFLICT: (412, "The version is another one"),
    Code.IDEMPOTENCY_KEY_REUSED: (409, "The Idempotency-Key was used for another command"),
    Code.RATE_LIMITED: (429, "Too many requests"),
    Code.STREAM_QUOTA_EXCEEDED: (429, "Too many streams"),
    Code.ORGANIZATION_LIMIT_EXCEEDED: (409, "The organization has as many as it may"),
    Code.SUBSCRIPTION_LIMIT_EXCEEDED: (429, "Too many subscriptions"),
    Code.REQUEST_TOO_LARGE: (431, "The request is too large"),
    Code.TOO_MANY_IN_FLIGHT: (429, "Too many commands wait to be sent"),
    Code.STREAM_STALLED: (429, "The stream was not read"),
    Code.STREAM_ENDED: (409, "The stream was ended"),
    Code.ACCOUNT_HALTED: (503, "The account is halted"),
    Code.OVERLOADED: (503, "The gateway is behind"),
    Code.DRAINING: (503, "The gateway is shutting down"),
    Code.NOT_READY: (503, "The gateway is not ready"),
    Code.INTERNAL: (500, "Internal error"),
    Code.FOLDER_IN_USE: (503, "The data folder is in use"),
    Code.NAME_IN_USE: (409, "The name is in use"),
    Code.INVALID_CONFIGURATION: (500, "The gateway is not configured"),
    Code.STORE_FAILED: (503, "The journal cannot be used"),
}
"""Code -> (HTTP status, title). Complete; one code has one status."""

RETRY_AFTER_S: Final[Mapping[Code, int]] = {
    Code.RATE_LIMITED: 1,
    Code.STREAM_QUOTA_EXCEEDED: 5,
    Code.SUBSCRIPTION_LIMIT_EXCEEDED: 5,
    Code.TOO_MANY_IN_FLIGHT: 1,
    Code.STREAM_STALLED: 1,
    Code.ACCOUNT_HALTED: 60,
    Code.OVERLOADED: 1,
    Code.DRAINING: 5,
    Code.NOT_READY: 1,
    Code.FOLDER_IN_USE: 60,
    Code.STORE_FAILED: 5,
}
"""Retry-After in seconds, for every code of status 429 and 503; the fact `retry_after_s` says it better."""


def parameter_error(name: str, message: str, code: Code = Code.INVALID_ARGUMENT) -> DropcopyError:
    """The refusal of a path or query parameter; the problem names it in `parameter`."""
    return DropcopyError(code, f"{name}: {message}", parameter=name)


def problem(code: Code, detail: str, facts: Mapping[str, str | int] | None = None) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) of a refusal. Facts become members of the problem; an empty pointer is left out."""
    status, title = STATUS[code]
    members: dict[str, str | int] = dict(facts or {})
    if members.get("pointer") == "":
        del members["pointer"]
    members |= {
        "type": f"urn:dropcopy:error:{code.value}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code.value,
    }
    headers = {"content-type": PROBLEM_MEDIA_TYPE, "cache-control": "no-store"}
    if status == 401:
        headers["www-authenticate"] = 'ApiKey realm="dropcopy", header="x-api-key", Bearer realm="dropcopy"'
    if code is Code.REQUEST_TIMEOUT:
        headers["connection"] = "close"  # the rest of the request may still come, and nobody waits for it
    if code in RETRY_AFTER_S:
        headers["retry-after"] = str(members.get("retry_after_s", RETRY_AFTER_S[code]))
    return status, headers, json.dumps(members).encode()


def problem_response(error: DropcopyError, extra_headers: Mapping[str, str] | None = None) -> Response:
    """The HTTP answer to an exception of the product."""
    status, headers, body = problem(error.code, error.message, error.facts)
    return Response(body, status, headers | dict(extra_headers or {}))


def internal_response(error_id: str) -> Response:
    """The HTTP answer to an exception nobody foresaw: its id in the log, and nothing of its text."""
    status, headers, body = problem(Code.INTERNAL, INTERNAL_TEXT.format(error_id=error_id), {"error_id": error_id})
    return Response(body, status, headers)
