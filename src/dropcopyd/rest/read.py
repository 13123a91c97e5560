"""The routes that look: an intent and its actions, and pages of orders, positions and trades."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from dropcopyd.domain.account import Scope
from dropcopyd.errors import Code, NotFoundError
from dropcopyd.rest import cursor, openapi, render, schemas
from dropcopyd.rest.gate import Dependencies, admit, answer, page_limit, query_parameter, uuid_parameter

_ACCOUNT: Final = "/v1/accounts/{account_id}"
_PAGE: Final = ("limit", "next_cursor")
_INTENT_CODES: Final = (*openapi.ADMISSION_CODES, Code.INTENT_NOT_FOUND)
_PAGE_CODES: Final = (*openapi.ADMISSION_CODES, Code.INVALID_CURSOR)
_Record = TypeVar("_Record")
_ReadPage = Callable[[str, str, int], Awaitable[tuple[list[_Record], str]]]


class ReadRoutes:
    """GET below /v1/accounts/{account_id}"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._store = dependencies.store
        self._limits = dependencies.limits

    def router(self) -> APIRouter:
        """The routes, described."""
        router = APIRouter(redirect_slashes=False)
        intent = f"{_ACCOUNT}/intents/{{intent_id}}"
        described = (
            (intent, self.intent, schemas.IntentAction, _INTENT_CODES, "The latest action of an intent"),
            (
                f"{intent}/actions",
                self.actions,
                schemas.IntentActionPage,
                (*_PAGE_CODES, Code.INTENT_NOT_FOUND),
                "All actions of an intent, ascending seq",
            ),
            (f"{_ACCOUNT}/orders", self.orders, schemas.OrderPage, _PAGE_CODES, "Orders, newest first"),
            (f"{_ACCOUNT}/positions", self.positions, schemas.PositionPage, _PAGE_CODES, "Positions, flat ones too"),
            (f"{_ACCOUNT}/trades", self.trades, schemas.TradePage, _PAGE_CODES, "Executions, newest first"),
        )
        for path, endpoint, model, codes, summary in described:
            parameters = [openapi.ACCOUNT_ID]
            parameters += [openapi.INTENT_ID] if "{intent_id}" in path else []
            parameters += [openapi.LIMIT, openapi.NEXT_CURSOR] if Code.INVALID_CURSOR in codes else []
            router.add_api_route(
                path,
                endpoint,
                methods=["GET"],
                summary=summary,
                response_model=None,
                responses=openapi.answers(200, model, summary, codes),
                openapi_extra=openapi.details(*parameters, scope=Scope.RECORDS_READ),
            )
        return router

    async def intent(self, request: Request) -> Response:
        """The latest action of one intent."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ)
        intent_id = uuid_parameter(request, "intent_id")
        command = await self._store.read_command(account.account_id, intent_id)
        if command is None:
            raise _no_intent(intent_id)
        return answer(render.intent_action(command))

    async def actions(self, request: Request) -> Response:
        """A page of one intent's actions."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ, *_PAGE)
        intent_id = uuid_parameter(request, "intent_id")
        limit = page_limit(request, self._limits)
        binding = f"actions/{account.account_id}/{intent_id}"
        after_seq = int(_mark(request, binding, cursor.NUMBER) or 0)
        commands = await self._store.read_commands(account.account_id, intent_id, after_seq, limit + 1)
        if not commands and await self._store.read_command(account.account_id, intent_id) is None:
            raise _no_intent(intent_id)
        mark = str(commands[limit - 1].seq) if len(commands) > limit else ""
        return _page([render.intent_action(command) for command in commands[:limit]], binding, mark)

    async def orders(self, request: Request) -> Response:
        """A page of the account's orders."""
        return await self._list(request, "orders", self._store.read_orders, render.order, cursor.NUMBER)

    async def positions(self, request: Request) -> Response:
        """A page of the account's positions."""
        return await self._list(request, "positions", self._store.read_positions, render.position, cursor.NAME)

    async def trades(self, request: Request) -> Response:
        """A page of the account's executions."""
        return await self._list(request, "trades", self._store.read_trades, render.trade, cursor.NUMBER)

    async def _list(
        self,
        request: Request,
        name: str,
        read: _ReadPage[_Record],
        as_json: Callable[[_Record], dict[str, Any]],
        shape: re.Pattern[str],
    ) -> Response:
        _, account = await admit(self._access, request, Scope.RECORDS_READ, *_PAGE)
        limit = page_limit(request, self._limits)
        binding = f"{name}/{account.account_id}"
        records, mark = await read(account.account_id, _mark(request, binding, shape), limit)
        return _page([as_json(record) for record in records], binding, mark)


def _mark(request: Request, binding: str, shape: re.Pattern[str]) -> str:
    text = query_parameter(request, "next_cursor")
    return "" if text is None else cursor.read_cursor(binding, text, shape)


def _page(data: list[dict[str, Any]], binding: str, mark: str) -> Response:
    return answer({"data": data, "next_cursor": cursor.make_cursor(binding, mark) if mark else None})


def _no_intent(intent_id: str) -> NotFoundError:
    return NotFoundError(Code.INTENT_NOT_FOUND, f"the account has no intent {intent_id}")
