"""The account's stream as server-sent events: the same events, cursor and ends as over gRPC, as lines of JSON."""

import asyncio
import json
import re
import secrets
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from dropcopyd.domain.account import Account, Principal, Scope
from dropcopyd.domain.event import EventType
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.disconnect import ARM_HEADER, ArmRequest, parse_arm
from dropcopyd.flow.pump import Pump, Pumps
from dropcopyd.flow.session import CursorRequest, SubscribeRequest
from dropcopyd.flow.streams import Edge
from dropcopyd.rest import openapi
from dropcopyd.rest.body import one_header
from dropcopyd.rest.errors import INTERNAL_TEXT, parameter_error
from dropcopyd.rest.gate import Dependencies, admit, query_parameter
from dropcopyd.wire import event_json, messages_of

_log = structlog.get_logger()
_MEDIA_TYPE: Final = "text/event-stream"
_EVENT_ID: Final = re.compile(r"([A-Za-z0-9-]{1,64}):([0-9]{1,18})", re.ASCII)
_RETRY: Final = b"retry: 1000\n\n"
"""Milliseconds until an EventSource comes back."""
_KEPT_EVENTS: Final = 1_024
"""Events that are kept as text, so that one event for many clients is converted once."""
_PARAMETERS: Final = ("kinds", "order_delivery", "instrument_key", "instrument_class", "last_event_id")
_CODES: Final = (
    *openapi.ADMISSION_CODES,
    Code.INVALID_CURSOR,
    Code.INVALID_INSTRUMENT_CLASS,
    Code.NO_KNOWN_EVENT_TYPE,
    Code.STREAM_QUOTA_EXCEEDED,
)
_DESCRIPTION: Final = (
    "Server-sent events: the same messages as `SubscribeEvents`, each as protobuf JSON with the contract's field names."
    " Journal events carry `id: EPOCH:SEQUENCE`; the last one, given back, resumes. A last event named `end` says why"
    " the stream ended."
)


def _query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_DESCRIBED: Final = (
    openapi.ACCOUNT_ID,
    _query("kinds", "Event types, separated by commas; all by default.", {"type": "string"}),
    _query("order_delivery", "PRIMED replays the orders, too.", {"type": "string", "enum": ["LIVE", "PRIMED"]}),
    _query("instrument_key", "Narrows orders and positions to one symbol.", {"type": "string"}),
    _query("instrument_class", "The asset class of that symbol, in lower case.", {"type": "string"}),
    _query("last_event_id", "As the header Last-Event-ID, which wins.", {"type": "string"}),
    {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "`EPOCH:SEQUENCE` of the last event that was processed: what follows it is sent.",
        "schema": {"type": "string"},
    },
    {
        "name": ARM_HEADER,
        "in": "header",
        "description": "Cancel on disconnect: `account_id=..&strategy_id=..&grace_s=..`, percent-encoded.",
        "schema": {"type": "string"},
    },
)


class EventRoutes:
    """GET /v1/accounts/{account_id}/events"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._pumps = dependencies.pumps
        self._as_text = lru_cache(_KEPT_EVENTS)(_event_text)

    def router(self) -> APIRouter:
        """The route, described."""
        router = APIRouter(redirect_slashes=False)
        router.add_api_route(
            "/v1/accounts/{account_id}/events",
            self.events,
            methods=["GET"],
            summary="The account's events, as they happen",
            description=_DESCRIPTION,
            response_model=None,
            response_class=Response,
            responses=openapi.stream_answers([_MEDIA_TYPE], "The stream", _CODES),
            openapi_extra=openapi.details(*_DESCRIBED, scope=Scope.STREAM_READ),
        )
        return router

    async def events(self, request: Request) -> Response:
        """A stream; what is wrong with the request is a problem, before it begins."""
        principal, account = await admit(self._access, request, Scope.STREAM_READ, *_PARAMETERS)
        arms = [parse_arm(text) for text in request.headers.getlist(ARM_HEADER)]
        return _EventStream(self._pumps, principal, _subscribe(request, account), arms, self._as_text)


def _event_text(epoch: str, message: bytes) -> bytes:
    """One message as an event; those of the journal with their id."""
    sequence, text = event_json(message)
    return (f"id: {epoch}:{sequence}\ndata: {text}\n\n" if sequence else f"data: {text}\n\n").encode()


class _EventStream(Response):
    """The answer that goes on until its client or the gateway ends it."""

    media_type = _MEDIA_TYPE

    def __init__(
        self,
        pumps: Pumps,
        principal: Principal,
        request: SubscribeRequest,
        arms: Sequence[ArmRequest],
        as_text: Callable[[str, bytes], bytes],
    ) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        self._pumps = pumps
        self._principal = principal
        self._request = request
        self._arms = arms
        self._as_text = as_text

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Serve. Raises what is wrong with the request as long as nothing was sent."""
        host, port = scope["client"] or ("", 0)
        with self._pumps.opened(self._principal, scope["dropcopy.connection"], Edge.SSE, f"{host}:{port}") as pump:
            pump.subscribe(self._request, self._arms)
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(_fail_when_gone(receive, pump))
                refusal = await self._serve(pump, send)
                watch.cancel()
        if refusal is not None:
            raise refusal

    async def _serve(self, pump: Pump, send: Send) -> Exception | None:
        try:
            await pump.answered()
        except Exception as error:  # noqa: BLE001  raised by the caller, outside of its tasks
            return error
        headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _write(pump, send, _RETRY)
        try:
            async for segment in pump.segments():
                await _write(
                    pump, send, b"".join(self._as_text(pump.epoch, message) for message in messages_of(segment))
                )
        except ClientDisconnect:
            return None
        except Exception as error:  # noqa: BLE001  told to the client, a bug by its id
            await _write(pump, send, _end_text(error), is_last=True)
        return None


async def _write(pump: Pump, send: Send, body: bytes, *, is_last: bool = False) -> None:
    await pump.write(send({"type": "http.response.body", "body": body, "more_body": not is_last}), len(body))


async def _fail_when_gone(receive: Receive, pump: Pump) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    pump.fail(ClientDisconnect())


def _end_text(error: Exception) -> bytes:
    """The last event: why the stream ended."""
    if isinstance(error, DropcopyError):
        facts = {"code": error.code.value, "detail": error.message, **error.facts}
    else:
        error_id = secrets.token_hex(6)
        _log.error("events.failed", error_id=error_id, exc_info=error)
        facts = {"code": Code.INTERNAL.value, "detail": INTERNAL_TEXT.format(error_id=error_id)}
    return f"event: end\ndata: {json.dumps(facts)}\n\n".encode()


# --- the request --------------------------------------------------------------------------------------------------


def _subscribe(request: Request, account: Account) -> SubscribeRequest:
    """What the parameters ask for. Raises DropcopyError."""
    delivery = query_parameter(request, "order_delivery")
    if delivery not in (None, "LIVE", "PRIMED"):
        raise parameter_error("order_delivery", "is one of LIVE, PRIMED")
    return SubscribeRequest(
        account_id=account.account_id,
        kinds=_kinds(query_parameter(request, "kinds")),
        instrument_key=query_parameter(request, "instrument_key") or "",
        instrument_class=query_parameter(request, "instrument_class") or "",
        is_primed=delivery == "PRIMED",
        resume=_resume(request, account.account_id),
    )


def _kinds(text: str | None) -> frozenset[EventType]:
    """The kinds of a list. Unlike numbers on the wire, an unknown name is a slip, and refused."""
    if text is None:
        return frozenset(EventType)
    names = [name for name in text.split(",") if name]
    known = {kind.value: kind for kind in EventType}
    for name in names:
        if name not in known:
            raise parameter_error("kinds", f"known are {', '.join(known)}")
    return frozenset(known[name] for name in names)


def _resume(request: Request, account_id: str) -> tuple[CursorRequest, ...]:
    header = one_header(request, "last-event-id", Code.INVALID_CURSOR)
    text = header or query_parameter(request, "last_event_id")
    if not text:
        return ()
    match = _EVENT_ID.fullmatch(text)
    if match is None:
        raise parameter_error(
            "Last-Event-ID" if header else "last_event_id",
            "must be EPOCH:SEQUENCE as an event's id",
            Code.INVALID_CURSOR,
        )
    return (CursorRequest(account_id, match[1], int(match[2]), 0),)
