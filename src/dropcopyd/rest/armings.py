"""Cancel on disconnect as a resource: what is armed for an account's strategies, and an end to it."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from dropcopyd.domain.account import Scope
from dropcopyd.domain.arming import Arming
from dropcopyd.rest import arming_schemas, openapi
from dropcopyd.rest.gate import Dependencies, admit, answer, query_parameter
from dropcopyd.rest.times import render_time

_PATH: Final = "/v1/accounts/{account_id}/armings"
_STRATEGY: Final = {
    "name": "strategy_id",
    "in": "query",
    "description": "Whose; left out: the arming of every order of the account.",
    "schema": {"type": "string"},
}


class ArmingRoutes:
    """GET and DELETE /v1/accounts/{account_id}/armings"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._disconnects = dependencies.disconnects

    def router(self) -> APIRouter:
        """The routes, described."""
        router = APIRouter(redirect_slashes=False)
        router.add_api_route(
            _PATH,
            self.armings,
            methods=["GET"],
            summary="Cancel on disconnect: what streams have armed",
            description="Armed by a stream (docs/controls.md). All on one page: their number is bounded.",
            response_model=None,
            responses=openapi.answers(200, arming_schemas.ArmingPage, "The armings", openapi.ADMISSION_CODES),
            openapi_extra=openapi.details(openapi.ACCOUNT_ID, scope=Scope.RECORDS_READ),
        )
        router.add_api_route(
            _PATH,
            self.disarm,
            methods=["DELETE"],
            status_code=204,
            summary="Disarm a strategy",
            description="Its stream may then be lost without consequence. Cancels that have begun go on.",
            response_model=None,
            responses=openapi.empty_answers("It is not armed.", openapi.ADMISSION_CODES),
            openapi_extra=openapi.details(openapi.ACCOUNT_ID, _STRATEGY, scope=Scope.INTENTS_EDIT),
        )
        return router

    async def armings(self, request: Request) -> Response:
        """Every arming of the account."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ)
        data = [_arming(arming, is_connected=is_there) for arming, is_there in self._disconnects.of(account)]
        return answer({"data": data, "next_cursor": None})

    async def disarm(self, request: Request) -> Response:
        """Disarm one strategy."""
        principal, account = await admit(self._access, request, Scope.INTENTS_EDIT, "strategy_id", is_cancel=True)
        await self._disconnects.disarm(principal.key_id, account, query_parameter(request, "strategy_id") or "")
        return Response(status_code=204, headers={"cache-control": "no-store"})


def _arming(arming: Arming, *, is_connected: bool) -> dict[str, Any]:
    return {
        "strategy_id": arming.strategy_id or None,
        "grace_s": arming.grace_s,
        "armed": arming.is_armed,
        "connected": is_connected,
        "key_id": arming.key_id,
        "armed_at": render_time(arming.armed_at_ns),
        "fired_at": None if arming.fired_at_ns is None else render_time(arming.fired_at_ns),
    }
