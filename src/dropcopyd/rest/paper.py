"""The routes of paper accounts: adjustments pushed into their books, quotes into their markets."""

from decimal import Decimal
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from dropcopyd.domain import money
from dropcopyd.domain.account import Account, Principal, Scope
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.paper import PushedQuote
from dropcopyd.domain.report import AdjustmentReport
from dropcopyd.errors import Code, InvalidError
from dropcopyd.flow.access import parse_uuid
from dropcopyd.flow.paper import Named
from dropcopyd.rest import control_bodies, openapi, paper_bodies
from dropcopyd.rest.body import idempotency_key, read_json
from dropcopyd.rest.errors import parameter_error
from dropcopyd.rest.gate import Dependencies, answer, identify, query_parameter, refuse_unknown_parameters
from dropcopyd.rest.times import render_time

_CODES: Final = (
    *openapi.ADMISSION_CODES,
    Code.UNSUPPORTED_MEDIA_TYPE,
    Code.BODY_TOO_LARGE,
    Code.REQUEST_TIMEOUT,
    Code.INVALID_JSON,
    Code.NOT_A_PAPER_ACCOUNT,
    Code.UNKNOWN_SYMBOL,
    Code.AMBIGUOUS_SYMBOL,
    Code.NOT_READY,
)
_RELEASE: Final = {
    "account_id": "A paper account.",
    "symbol": "As the catalogue spells it.",
    "asset_class": "Where the symbol names several instruments.",
}
_RELEASE_CODES: Final = (
    *openapi.ADMISSION_CODES,
    Code.NOT_A_PAPER_ACCOUNT,
    Code.UNKNOWN_SYMBOL,
    Code.AMBIGUOUS_SYMBOL,
    Code.NOT_READY,
)
_KEY_CODES: Final = (Code.INVALID_IDEMPOTENCY_KEY, Code.IDEMPOTENCY_KEY_REUSED)


class PaperRoutes:
    """/v1/paper/adjustments, /v1/paper/quotes"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._bench = dependencies.paper
        self._limits = dependencies.limits

    def router(self) -> APIRouter:
        """The routes, described."""
        router = APIRouter(redirect_slashes=False)
        router.add_api_route(
            "/v1/paper/adjustments",
            self.adjust,
            methods=["POST"],
            status_code=201,
            summary="Book an adjustment at the paper broker",
            description="Answered once the broker's book has it; the account's stream tells it as of any broker.",
            response_model=None,
            responses=openapi.answers(
                201, paper_bodies.PaperAdjustment, "The broker has booked it.", (*_CODES, *_KEY_CODES), location=None
            ),
            openapi_extra=openapi.details(
                openapi.IDEMPOTENCY_KEY, body=paper_bodies.PushAdjustment, scope=Scope.PAPER_EDIT
            ),
        )
        router.add_api_route(
            "/v1/paper/quotes",
            self.push,
            methods=["POST"],
            summary="Move the paper market of an account",
            description="From its first pushed quote on, an account's market of that instrument is its own.",
            response_model=None,
            responses=openapi.answers(200, paper_bodies.PaperQuotes, "What stands in the market now.", _CODES),
            openapi_extra=openapi.details(body=paper_bodies.PushQuotes, scope=Scope.PAPER_EDIT),
        )
        asked = [_query(name, is_required=name != "asset_class") for name in _RELEASE]
        router.add_api_route(
            "/v1/paper/quotes",
            self.release,
            methods=["DELETE"],
            status_code=204,
            summary="Give an account the shared market of an instrument back",
            description="What works there trades with its next quote. Without an own one nothing happens.",
            response_class=Response,
            response_model=None,
            responses=openapi.empty_answers("The account has the shared market.", _RELEASE_CODES),
            openapi_extra=openapi.details(*asked, scope=Scope.PAPER_EDIT),
        )
        return router

    async def adjust(self, request: Request) -> Response:
        """One adjustment; the same Idempotency-Key books it once."""
        principal = await self._identify(request)
        key = idempotency_key(request)
        body = control_bodies.read(paper_bodies.PushAdjustment, await read_json(request, self._limits))
        account = await self._account(principal, body.account_id)
        report = await self._bench.adjust(principal, account, body.named(), body.asked(), key)
        return answer(_adjustment(account, report), 201)

    async def push(self, request: Request) -> Response:
        """Quotes, in order."""
        principal = await self._identify(request)
        body = control_bodies.read(paper_bodies.PushQuotes, await read_json(request, self._limits))
        account = await self._account(principal, body.account_id)
        standing = await self._bench.push(account, body.asked())
        return answer({"account_id": account.account_id, "quotes": [_quote(quote) for quote in standing]})

    async def release(self, request: Request) -> Response:
        """Back to the shared market."""
        principal = await self._identify(request, *_RELEASE)
        account_id, symbol, class_word = (query_parameter(request, name) for name in _RELEASE)
        try:
            account = await self._access.account(principal, parse_uuid(account_id or "", ""))
        except InvalidError as error:
            raise parameter_error("account_id", error.message) from error
        if symbol is None:
            raise parameter_error("symbol", "is required")
        if class_word is not None and class_word not in set(AssetClass):
            raise parameter_error("asset_class", f"must be one of {', '.join(AssetClass)}")
        named = Named(symbol, None if class_word is None else AssetClass(class_word))
        await self._bench.release(account, named)
        return Response(status_code=204, headers={"cache-control": "no-store"})

    async def _identify(self, request: Request, *known: str) -> Principal:
        principal = await identify(self._access, request, Scope.PAPER_EDIT)
        refuse_unknown_parameters(request, *known)
        return principal

    async def _account(self, principal: Principal, account_id: str) -> Account:
        return await self._access.account(principal, parse_uuid(account_id, "/account_id"), "/account_id")


def _query(name: str, *, is_required: bool) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if name == "account_id":
        schema["format"] = "uuid"
    if name == "asset_class":
        schema["enum"] = list(AssetClass)
    return {"name": name, "in": "query", "description": _RELEASE[name], "required": is_required, "schema": schema}


def _adjustment(account: Account, report: AdjustmentReport) -> dict[str, Any]:
    return {
        "adjustment_id": report.adjustment_id,
        "account_id": account.account_id,
        "organization_id": account.organization_id,
        "kind": report.kind.value,
        "symbol": None if report.key is None else report.key[1],
        "asset_class": None if report.key is None else report.key[0].value,
        "quantity_delta": _text(report.quantity_delta),
        "cost_delta": _text(report.cost_delta),
        "cash_delta": _text(report.cash_delta),
        "currency": report.currency,
        "note": report.note,
        "broker_sent_at": render_time(report.broker_sent_at_ns or 0),
    }


def _quote(quote: PushedQuote) -> dict[str, Any]:
    return {
        "symbol": quote.instrument.symbol,
        "asset_class": quote.instrument.asset_class.value,
        "bid": _text(quote.bid),
        "ask": _text(quote.ask),
        "bid_size": _text(quote.bid_size),
        "ask_size": _text(quote.ask_size),
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else money.render(value)
