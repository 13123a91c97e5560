"""The route that trades: a submit becomes a durable intent, or a refusal that says why."""

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.routing import Route

from dropcopyd.domain.account import Scope
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.rates import Policy
from dropcopyd.rest import openapi, order_schemas, submission
from dropcopyd.rest.body import idempotency_key, read_json
from dropcopyd.rest.command import parse_submit
from dropcopyd.rest.gate import (
    Dependencies,
    answer,
    authenticated,
    counted,
    refuse_unknown_parameters,
    uuid_parameter,
)
from dropcopyd.rest.straight import Straight

_PATH: Final = "/v1/accounts/{account_id}/intents"
_POINTERS: Final = {
    Code.UNKNOWN_SYMBOL: "/command/payload/symbol",
    Code.AMBIGUOUS_SYMBOL: "/command/payload/asset_class",
}
"""The member at fault where the domain, which knows no body, raises without one."""
_CODES: Final = (
    *openapi.ADMISSION_CODES,
    Code.INVALID_IDEMPOTENCY_KEY,
    Code.UNSUPPORTED_MEDIA_TYPE,
    Code.BODY_TOO_LARGE,
    Code.REQUEST_TIMEOUT,
    Code.INVALID_JSON,
    Code.TIME_IN_FORCE_REFUSED,
    Code.UNKNOWN_SYMBOL,
    Code.AMBIGUOUS_SYMBOL,
    Code.INTENT_NOT_FOUND,
    Code.ORDER_NOT_FOUND,
    Code.IDEMPOTENCY_KEY_REUSED,
    Code.CONTROL_REFUSED,
    Code.TOO_MANY_IN_FLIGHT,
    Code.ACCOUNT_HALTED,
    Code.OVERLOADED,
    Code.DRAINING,
)


class WriteRoutes:
    """POST /v1/accounts/{account_id}/intents"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._intake = dependencies.intake
        self._clock = dependencies.clock
        self._limits = dependencies.limits

    def straight(self) -> Straight:
        """The submit as an application of its own, for whoever does without the framework."""
        return Straight(Route(_PATH, self.submit, methods=["POST"]), self.submit)

    def router(self) -> APIRouter:
        """The routes, described."""
        router = APIRouter(redirect_slashes=False)
        router.add_api_route(
            _PATH,
            self.submit,
            methods=["POST"],
            status_code=201,
            summary="Submit a command: a new order, a replace or a cancel",
            description="Answered once the command is durable, whether or not the broker is connected.",
            response_model=None,
            responses=openapi.answers(201, order_schemas.IntentAccepted, "The command is durable.", _CODES),
            openapi_extra=openapi.details(
                openapi.ACCOUNT_ID, openapi.IDEMPOTENCY_KEY, body=submission.SubmitIntent, scope=Scope.INTENTS_EDIT
            ),
        )
        return router

    async def submit(self, request: Request) -> Response:
        """Check in the documented order, hand the command to intake, answer its intent."""
        received_ns = self._clock.now_ns()
        principal = await authenticated(self._access, request)
        refusal = counted(self._access, request, principal)
        if refusal is not None:  # a cancel passes all the same, and so does what has an answer already
            flood = counted(self._access, request, principal, Policy.CANCELS)
            if flood is not None:
                raise flood
        self._access.require(principal, Scope.INTENTS_EDIT)
        account = await self._access.account(principal, uuid_parameter(request, "account_id"))
        refuse_unknown_parameters(request)
        key = idempotency_key(request)
        command = parse_submit(await read_json(request, self._limits), received_ns)
        try:
            intent_id = await self._intake.submit(principal, account, command, key, refusal)
        except DropcopyError as error:
            if error.code in _POINTERS:
                error.facts.setdefault("pointer", _POINTERS[error.code])
            raise
        location = f"/v1/accounts/{account.account_id}/intents/{intent_id}"
        return answer({"intent_id": intent_id}, 201, {"location": location})
