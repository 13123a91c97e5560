"""The routes of flatten: begin one, look at it, and list them."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from dropcopyd.domain import money
from dropcopyd.domain.account import Scope
from dropcopyd.domain.flatten import Flatten, FlattenLeg
from dropcopyd.errors import Code
from dropcopyd.rest import control_bodies, flatten_schemas, openapi
from dropcopyd.rest import listing as lists
from dropcopyd.rest.body import read_json
from dropcopyd.rest.gate import Dependencies, admit, answer, uuid_parameter
from dropcopyd.rest.read import described_route
from dropcopyd.rest.times import render_time


class FlattenRoutes:
    """POST /v1/accounts/{account_id}/flatten, GET .../flattens and GET .../flattens/{flatten_id}"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._flattener = dependencies.flattener
        self._queries = dependencies.record.queries
        self._limits = dependencies.limits

    def router(self) -> APIRouter:
        """The routes, described."""
        router = APIRouter(redirect_slashes=False)
        body_codes = (
            Code.ACCOUNT_HALTED,
            Code.UNSUPPORTED_MEDIA_TYPE,
            Code.BODY_TOO_LARGE,
            Code.REQUEST_TIMEOUT,
            Code.INVALID_JSON,
        )
        router.add_api_route(
            "/v1/accounts/{account_id}/flatten",
            self.flatten,
            methods=["POST"],
            status_code=202,
            summary="Cancel everything, then close every position",
            description="One at a time: asked again while it runs, the one under way is answered.",
            response_model=None,
            responses=openapi.answers(
                202, flatten_schemas.Flatten, "It is under way.", (*openapi.ADMISSION_CODES, *body_codes)
            ),
            openapi_extra=openapi.details(
                openapi.ACCOUNT_ID, body=control_bodies.FlattenAccount, scope=Scope.INTENTS_EDIT
            ),
        )
        described_route(
            router,
            "/v1/accounts/{account_id}/flattens",
            self.flattens,
            flatten_schemas.FlattenPage,
            (*openapi.ADMISSION_CODES, Code.INVALID_CURSOR),
            "Flattens, the newest first",
            [openapi.ACCOUNT_ID, *lists.FLATTENS.described],
        )
        router.add_api_route(
            "/v1/accounts/{account_id}/flattens/{flatten_id}",
            self.find,
            methods=["GET"],
            summary="A flatten, as far as it is",
            response_model=None,
            responses=openapi.answers(
                200, flatten_schemas.Flatten, "The flatten", (*openapi.ADMISSION_CODES, Code.FLATTEN_NOT_FOUND)
            ),
            openapi_extra=openapi.details(openapi.ACCOUNT_ID, openapi.FLATTEN_ID, scope=Scope.RECORDS_READ),
        )
        return router

    async def flatten(self, request: Request) -> Response:
        """Begin, or find the one under way."""
        principal, account = await admit(self._access, request, Scope.INTENTS_EDIT, is_cancel=True)
        asked = control_bodies.read(control_bodies.FlattenAccount, await read_json(request, self._limits))
        flatten = await self._flattener.start(principal, account, asked.reason, asked.timeout_s)
        place = f"/v1/accounts/{account.account_id}/flattens/{flatten.flatten_id}"
        return answer(_flatten(flatten), 202, {"location": place})

    async def flattens(self, request: Request) -> Response:
        """A page of them."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ, *lists.FLATTENS.known)
        asked = lists.read_listing(request, lists.FLATTENS, self._limits, account.account_id)
        page = await self._queries.flattens(account.account_id, asked.listing)
        return asked.answer(page, lambda one: _flatten(self._flattener.as_it_is(one)))

    async def find(self, request: Request) -> Response:
        """One flatten."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ)
        return answer(_flatten(await self._flattener.find(account, uuid_parameter(request, "flatten_id"))))


def _flatten(flatten: Flatten) -> dict[str, Any]:
    return {
        "flatten_id": flatten.flatten_id,
        "account_id": flatten.account_id,
        "status": flatten.status.value,
        "key_id": flatten.key_id,
        "reason": flatten.reason,
        "started_at": render_time(flatten.started_at_ns),
        "deadline": render_time(flatten.deadline_ns),
        "finished_at": None if flatten.finished_at_ns is None else render_time(flatten.finished_at_ns),
        "positions": [_leg(leg) for leg in flatten.legs],
    }


def _leg(leg: FlattenLeg) -> dict[str, Any]:
    return {
        "symbol": leg.key[1],
        "asset_class": leg.key[0].value,
        "quantity": money.render(leg.quantity),
        "status": leg.status.value,
        "reason_code": leg.reason_code,
        "reason": leg.reason,
        "intent_id": leg.intent_id,
        "order_quantity": None if leg.order_quantity is None else money.render(leg.order_quantity),
    }
