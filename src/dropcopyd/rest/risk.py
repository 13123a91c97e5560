"""The route that shows what daily loss and drawdown are judged by."""

from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from dropcopyd.domain import money
from dropcopyd.domain.account import Scope
from dropcopyd.domain.losses import Standing
from dropcopyd.rest import openapi, risk_schemas
from dropcopyd.rest.gate import Dependencies, admit, answer
from dropcopyd.rest.times import render_time


class RiskRoutes:
    """GET /v1/accounts/{account_id}/risk"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._losses = dependencies.losses
        self._clock = dependencies.clock

    def router(self) -> APIRouter:
        """The route, described."""
        router = APIRouter(redirect_slashes=False)
        router.add_api_route(
            "/v1/accounts/{account_id}/risk",
            self.risk,
            methods=["GET"],
            summary="Daily profit and drawdown, by currency, at the prices of now",
            response_model=None,
            responses=openapi.answers(200, risk_schemas.AccountRisk, "The figures", openapi.ADMISSION_CODES),
            openapi_extra=openapi.details(openapi.ACCOUNT_ID, scope=Scope.RECORDS_READ),
        )
        return router

    async def risk(self, request: Request) -> Response:
        """The account's figures."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ)
        figures = await self._losses.figures(account)
        currencies = [_currency(currency, standing, mark) for currency, standing, mark in figures]
        at = render_time(self._clock.now_ns())
        return answer({"account_id": account.account_id, "at": at, "currencies": currencies})


def _currency(currency: str, standing: Standing, mark: Decimal | None) -> dict[str, Any]:
    drawdown = None if mark is None or standing.profit is None else money.subtract(mark, standing.profit)
    return {
        "currency": currency,
        "daily_pnl": _text(standing.daily_pnl),
        "profit": _text(standing.profit),
        "high_water": _text(mark),
        "drawdown": _text(drawdown),
        "unknown": [{"symbol": one.symbol, "why": one.why} for one in standing.unknown],
    }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else money.render(amount)
