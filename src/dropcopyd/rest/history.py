"""The routes that look back: the raw journal, an order's timeline, an account's state at any time; and search."""

import base64
import json
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from dropcopyd import decode
from dropcopyd.domain.account import Scope
from dropcopyd.domain.event import Trade
from dropcopyd.domain.order import Order
from dropcopyd.domain.position import Position
from dropcopyd.errors import Code
from dropcopyd.record import AccountRecord, Hit, JournalEntry, StateThen, TimelineEntry
from dropcopyd.rest import account_schemas, openapi, record_schemas, render
from dropcopyd.rest import listing as lists
from dropcopyd.rest.errors import parameter_error
from dropcopyd.rest.gate import (
    Dependencies,
    admit,
    answer,
    identify,
    query_parameter,
    refuse_unknown_parameters,
    uuid_parameter,
)
from dropcopyd.rest.read import ACCOUNT, ORGANIZATION_PAGE_CODES, described_route, no_order
from dropcopyd.rest.times import parse_time, render_time
from dropcopyd.wire import event_json

Json = dict[str, Any]
_SEQUENCE_DIGITS_MAX: Final = 18
_ONE: Final = openapi.ADMISSION_CODES
_PAGE: Final = (*openapi.ADMISSION_CODES, Code.INVALID_CURSOR)
_AS_OF: Final[Json] = {
    "name": "as_of",
    "in": "query",
    "description": "A sequence of the journal, or an RFC 3339 time; now when left out.",
    "schema": {"type": "string"},
}
_Q: Final[Json] = {
    "name": "q",
    "in": "query",
    "required": True,
    "description": "An id, reference, strategy, account name or symbol, exactly.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": lists.TEXT_PATTERN},
}


class HistoryRoutes:
    """GET .../journal, .../orders/{order_id}/timeline, .../state, .../balances, /v1/search"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._record = dependencies.record
        self._limits = dependencies.limits
        self._clock = dependencies.clock

    def router(self) -> APIRouter:
        """The routes, described."""
        router = APIRouter(redirect_slashes=False)
        account = openapi.ACCOUNT_ID
        described_route(
            router,
            f"{ACCOUNT}/journal",
            self.journal,
            record_schemas.JournalPage,
            _PAGE,
            "The journal's events as they were streamed, by sequence",
            [account, *lists.JOURNAL.described],
        )
        described_route(
            router,
            f"{ACCOUNT}/orders/{{order_id}}/timeline",
            self.timeline,
            record_schemas.TimelinePage,
            (*_PAGE, Code.ORDER_NOT_FOUND),
            "All that happened to one order, by sequence",
            [account, openapi.ORDER_ID, *lists.TIMELINE.described],
        )
        described_route(
            router,
            f"{ACCOUNT}/state",
            self.state,
            record_schemas.State,
            (*_ONE, Code.HISTORY_GONE),
            "Working orders, positions and balances as they stood",
            [account, _AS_OF],
        )
        described_route(
            router,
            f"{ACCOUNT}/balances",
            self.balances,
            account_schemas.BalancePage,
            _ONE,
            "Balances, by currency",
            [account],
        )
        described_route(
            router,
            "/v1/search",
            self.search,
            record_schemas.SearchPage,
            ORGANIZATION_PAGE_CODES,
            "What has exactly this name, in all accounts",
            [_Q, openapi.LIMIT, openapi.NEXT_CURSOR],
        )
        return router

    async def journal(self, request: Request) -> Response:
        """A page of the journal."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ, *lists.JOURNAL.known)
        asked = lists.read_listing(request, lists.JOURNAL, self._limits, account.account_id)
        page = await self._record.history.journal(account.account_id, asked.listing)
        return asked.answer(page, journal_entry, head=page.head, oldest=page.oldest)

    async def timeline(self, request: Request) -> Response:
        """A page of one order's events."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ, *lists.TIMELINE.known)
        order_id = uuid_parameter(request, "order_id")
        asked = lists.read_listing(request, lists.TIMELINE, self._limits, account.account_id, order_id)
        page = await self._record.history.timeline(account.account_id, order_id, asked.listing)
        if page is None:
            raise no_order(order_id)
        return asked.answer(page, _timeline_entry)

    async def state(self, request: Request) -> Response:
        """The account as it stood."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ, "as_of")
        place = _as_of(query_parameter(request, "as_of"), self._clock.now_ns())
        then = await self._record.history.state_at(account.account_id, **place)
        return answer({"account_id": account.account_id, **state_json(then)})

    async def balances(self, request: Request) -> Response:
        """All balances: currencies are few."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ)
        found = await self._record.queries.balances(account.account_id)
        return answer({"data": [render.balance(balance) for balance in found], "next_cursor": None})

    async def search(self, request: Request) -> Response:
        """A page of hits."""
        principal = await identify(self._access, request, Scope.RECORDS_READ)
        refuse_unknown_parameters(request, "q", "limit", "next_cursor")
        text = query_parameter(request, "q")
        if text is None:
            raise parameter_error("q", "is required")
        text = lists.Filter("q").read(text)
        asked = lists.read_listing(request, lists.SEARCH, self._limits, principal.organization_id, text)
        page = await self._record.search.search(principal.organization_id, principal.account_ids, text, asked.listing)
        return asked.answer(page, _hit)


def journal_entry(entry: JournalEntry) -> Json:
    """`record_schemas.JournalEntry`: the event in protobuf's JSON form, as over server-sent events, and its bytes."""
    _, event = event_json(entry.payload)
    return {
        **_place(entry),
        "kind_sequence": entry.kind_sequence,
        "chain": entry.chain,
        "event": json.loads(event),
        "bytes": base64.b64encode(entry.payload).decode(),
    }


def _place(entry: JournalEntry) -> Json:
    return {"sequence": entry.sequence, "kind": entry.kind, "at": render_time(entry.at_ns)}


def _timeline_entry(entry: TimelineEntry) -> Json:
    command = None if entry.command is None else render.command(entry.command)
    return {**_place(entry.entry), "record": decode.event(entry.entry.payload, render_time), "command": command}


def state_json(then: StateThen) -> Json:
    """`record_schemas.State`, without the account."""
    orders = (
        {**decode.event(one.payload, render_time), "created_at": render_time(one.created_at_ns)}
        for one in then.orders
        if decode.is_working(one.payload)
    )
    return {
        "sequence": then.sequence,
        "at": None if then.at_ns is None else render_time(then.at_ns),
        "head": then.head,
        "oldest": then.oldest,
        "status": None if then.status is None else decode.event(then.status, render_time),
        "orders": list(orders),
        "positions": [decode.event(payload, render_time) for payload in then.positions],
        "balances": [decode.event(payload, render_time) for payload in then.balances],
    }


def _as_of(text: str | None, now_ns: int) -> dict[str, int]:
    """Which point of the journal. A time to come has no state yet."""
    if text is None:
        return {}
    if text.isascii() and text.isdigit():
        if len(text) > _SEQUENCE_DIGITS_MAX:
            raise parameter_error("as_of", "is no sequence of this journal")
        return {"sequence": int(text)}
    try:
        at_ns = parse_time(text)
    except ValueError as error:
        raise parameter_error("as_of", f"must be a sequence or a time: {error}") from error
    if at_ns > now_ns:
        raise parameter_error("as_of", "must not be in the future")
    return {"at_ns": at_ns}


def _hit(hit: Hit) -> Json:
    found: Json = dict.fromkeys(("account", "order", "trade", "position"))
    match hit.found:
        case AccountRecord() as record:
            found["account"] = render.account(record)
        case Order() as order:
            found["order"] = render.order(order)
        case Trade() as trade:
            found["trade"] = render.trade(trade)
        case Position() as position:
            found["position"] = render.position(position)
    return {"matched": hit.matched, **found}
