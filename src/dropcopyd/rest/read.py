"""The routes that look: accounts, and an account's intents, orders, trades and positions, single and in pages."""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from dropcopyd.domain.account import Scope
from dropcopyd.errors import Code, NotFoundError
from dropcopyd.rest import account_schemas, openapi, order_schemas, render
from dropcopyd.rest import listing as lists
from dropcopyd.rest.gate import (
    Dependencies,
    admit,
    answer,
    identify,
    refuse_unknown_parameters,
    uuid_parameter,
)

ACCOUNT: Final = "/v1/accounts/{account_id}"
_INTENT: Final = f"{ACCOUNT}/intents/{{intent_id}}"
_ORDER: Final = f"{ACCOUNT}/orders/{{order_id}}"
ORGANIZATION_PAGE_CODES: Final = (
    *openapi.TRANSPORT_CODES,
    *openapi.CREDENTIAL_CODES,
    Code.INVALID_ARGUMENT,
    Code.INVALID_CURSOR,
    Code.STORE_FAILED,
)
_ONE: Final = openapi.ADMISSION_CODES
_PAGE: Final = (*openapi.ADMISSION_CODES, Code.INVALID_CURSOR)
_INTENT_PARAMETERS: Final = [openapi.ACCOUNT_ID, openapi.INTENT_ID]


def described_route(
    router: APIRouter,
    path: str,
    endpoint: Any,
    model: type[BaseModel],
    codes: Sequence[Code],
    summary: str,
    parameters: Sequence[openapi.Json],
) -> None:
    """Add a GET that needs records:read, with all it says of itself."""
    router.add_api_route(
        path,
        endpoint,
        methods=["GET"],
        summary=summary,
        response_model=None,
        responses=openapi.answers(200, model, summary, codes),
        openapi_extra=openapi.details(*parameters, scope=Scope.RECORDS_READ),
    )


class ReadRoutes:
    """GET /v1/accounts and below."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._queries = dependencies.record.queries
        self._limits = dependencies.limits

    def router(self) -> APIRouter:
        """The routes, described."""
        router = APIRouter(redirect_slashes=False)
        account = [openapi.ACCOUNT_ID]
        described: Sequence[tuple[str, Any, type[BaseModel], Sequence[Code], str, Sequence[openapi.Json]]] = (
            (
                "/v1/accounts",
                self.accounts,
                account_schemas.AccountPage,
                ORGANIZATION_PAGE_CODES,
                "Accounts, by name",
                lists.ACCOUNTS.described,
            ),
            (ACCOUNT, self.account, account_schemas.Account, _ONE, "One account", account),
            (
                f"{ACCOUNT}/intents",
                self.intents,
                order_schemas.IntentActionPage,
                _PAGE,
                "Intents, each with its latest action, newest first",
                [*account, *lists.INTENTS.described],
            ),
            (
                _INTENT,
                self.intent,
                order_schemas.IntentAction,
                (*_ONE, Code.INTENT_NOT_FOUND),
                "The latest action of an intent",
                _INTENT_PARAMETERS,
            ),
            (
                f"{_INTENT}/actions",
                self.actions,
                order_schemas.IntentActionPage,
                (*_PAGE, Code.INTENT_NOT_FOUND),
                "All actions of an intent, ascending seq",
                [*_INTENT_PARAMETERS, *lists.ACTIONS.described],
            ),
            (
                f"{ACCOUNT}/orders",
                self.orders,
                order_schemas.OrderPage,
                _PAGE,
                "Orders, newest first",
                [*account, *lists.ORDERS.described],
            ),
            (
                _ORDER,
                self.order,
                order_schemas.Order,
                (*_ONE, Code.ORDER_NOT_FOUND),
                "One order",
                [*account, openapi.ORDER_ID],
            ),
            (
                f"{ACCOUNT}/positions",
                self.positions,
                account_schemas.PositionPage,
                _PAGE,
                "Positions, flat ones too",
                [*account, *lists.POSITIONS.described],
            ),
            (
                f"{ACCOUNT}/trades",
                self.trades,
                order_schemas.TradePage,
                _PAGE,
                "Executions, newest first",
                [*account, *lists.TRADES.described],
            ),
        )
        for path, endpoint, model, codes, summary, parameters in described:
            described_route(router, path, endpoint, model, codes, summary, parameters)
        return router

    async def accounts(self, request: Request) -> Response:
        """A page of the accounts that the caller may see."""
        principal = await identify(self._access, request, Scope.RECORDS_READ)
        refuse_unknown_parameters(request, *lists.ACCOUNTS.known)
        asked = lists.read_listing(request, lists.ACCOUNTS, self._limits, principal.organization_id)
        page = await self._queries.accounts(principal.organization_id, principal.account_ids, asked.listing)
        return asked.answer(page, render.account)

    async def account(self, request: Request) -> Response:
        """One account."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ)
        return answer(render.account(await self._queries.account(account.account_id)))

    async def intents(self, request: Request) -> Response:
        """A page of intents."""
        account_id, asked = await self._asked(request, lists.INTENTS)
        return asked.answer(await self._queries.intents(account_id, asked.listing), render.intent_action)

    async def intent(self, request: Request) -> Response:
        """The latest action of one intent."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ)
        intent_id = uuid_parameter(request, "intent_id")
        command = await self._queries.latest_action(account.account_id, intent_id)
        if command is None:
            raise _no_intent(intent_id)
        return answer(render.intent_action(command))

    async def actions(self, request: Request) -> Response:
        """A page of one intent's actions."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ, *lists.ACTIONS.known)
        intent_id = uuid_parameter(request, "intent_id")
        asked = lists.read_listing(request, lists.ACTIONS, self._limits, account.account_id, intent_id)
        page = await self._queries.actions(account.account_id, intent_id, asked.listing)
        if not page.items and await self._queries.latest_action(account.account_id, intent_id) is None:
            raise _no_intent(intent_id)
        return asked.answer(page, render.intent_action)

    async def orders(self, request: Request) -> Response:
        """A page of the account's orders."""
        account_id, asked = await self._asked(request, lists.ORDERS)
        return asked.answer(await self._queries.orders(account_id, asked.listing), render.order)

    async def order(self, request: Request) -> Response:
        """One order."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ)
        order_id = uuid_parameter(request, "order_id")
        order = await self._queries.order(account.account_id, order_id)
        if order is None:
            raise no_order(order_id)
        return answer(render.order(order))

    async def positions(self, request: Request) -> Response:
        """A page of the account's positions."""
        account_id, asked = await self._asked(request, lists.POSITIONS)
        return asked.answer(await self._queries.positions(account_id, asked.listing), render.position)

    async def trades(self, request: Request) -> Response:
        """A page of the account's executions."""
        account_id, asked = await self._asked(request, lists.TRADES)
        return asked.answer(await self._queries.trades(account_id, asked.listing), render.trade)

    async def _asked(self, request: Request, kind: lists.Kind) -> tuple[str, lists.Asked]:
        _, account = await admit(self._access, request, Scope.RECORDS_READ, *kind.known)
        return account.account_id, lists.read_listing(request, kind, self._limits, account.account_id)


def no_order(order_id: str) -> NotFoundError:
    """Unknown, or another account's."""
    return NotFoundError(Code.ORDER_NOT_FOUND, f"the account has no order {order_id}")


def _no_intent(intent_id: str) -> NotFoundError:
    return NotFoundError(Code.INTENT_NOT_FOUND, f"the account has no intent {intent_id}")
