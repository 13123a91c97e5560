"""The route that explains a position: every change that makes its numbers."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from dropcopyd.domain.account import Scope
from dropcopyd.domain.adjustment import Adjustment
from dropcopyd.domain.event import Trade
from dropcopyd.domain.fold import Execution
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.money import render
from dropcopyd.domain.position import Position
from dropcopyd.domain.state import PLACEHOLDER
from dropcopyd.errors import Code, DropcopyError, NotFoundError
from dropcopyd.record import ExplainedAmendment, ExplainedChange
from dropcopyd.rest import break_schemas, control_bodies, openapi
from dropcopyd.rest import listing as lists
from dropcopyd.rest import render as records
from dropcopyd.rest.gate import Dependencies, admit, query_parameter
from dropcopyd.rest.read import ACCOUNT, described_route
from dropcopyd.rest.times import render_time

Json = dict[str, Any]
_CODES: Final = (*openapi.ADMISSION_CODES, Code.INVALID_CURSOR, Code.POSITION_NOT_FOUND, Code.AMBIGUOUS_SYMBOL)
_ASSET_CLASS: Final = lists.Filter("asset_class", AssetClass)


class ExplanationRoutes:
    """GET .../positions/{symbol}/explanation"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._explanations = dependencies.record.explanations
        self._limits = dependencies.limits

    def router(self) -> APIRouter:
        """The route, described."""
        router = APIRouter(redirect_slashes=False)
        described_route(
            router,
            f"{ACCOUNT}/positions/{{symbol:path}}/explanation",  # a symbol may have a slash
            self.explain,
            break_schemas.Explanation,
            _CODES,
            "Every change that makes a position, with the position after each",
            [openapi.ACCOUNT_ID, openapi.SYMBOL, _ASSET_CLASS.described, *lists.EXPLANATION.described],
        )
        return router

    async def explain(self, request: Request) -> Response:
        """A page of the chain."""
        known = (*lists.EXPLANATION.known, "asset_class")
        _, account = await admit(self._access, request, Scope.RECORDS_READ, *known)
        symbol = control_bodies.symbol_of(request.path_params["symbol"])
        asset_class = await self._asset_class(request, account.account_id, symbol)
        asked = lists.read_listing(
            request, lists.EXPLANATION, self._limits, account.account_id, asset_class.value, symbol
        )
        found = await self._explanations.explain(account.account_id, (asset_class, symbol), asked.listing)
        if found is None:
            raise _no_position(symbol)
        position = found.position
        more = {"position": records.position(position), "changes": position.change_count, "head": found.head}
        return asked.answer(found, _change, **more)

    async def _asset_class(self, request: Request, account_id: str, symbol: str) -> AssetClass:
        text = query_parameter(request, "asset_class")
        if text is not None:
            return AssetClass(_ASSET_CLASS.read(text))
        classes = await self._explanations.classes_of(account_id, symbol)
        if not classes:
            raise _no_position(symbol)
        if len(classes) > 1:
            words = ", ".join(classes)
            message = f"{symbol} names positions of {words}: add asset_class"
            raise DropcopyError(Code.AMBIGUOUS_SYMBOL, message, parameter="asset_class", asset_classes=words)
        return classes[0]


def _no_position(symbol: str) -> NotFoundError:
    return NotFoundError(Code.POSITION_NOT_FOUND, f"the account never had a position of {symbol}")


def _change(explained: ExplainedChange) -> Json:
    """`break_schemas.Change`."""
    effect = explained.change.effect
    told = _adjusted(effect) if isinstance(effect, Adjustment) else _executed(effect, explained)
    return {**_NOTHING, **told, "sequence": explained.sequence, "after": _running(explained.after)}


_NOTHING: Final[Json] = {
    **dict.fromkeys(("price", "order_id", "intent_id", "external_order_id", "exec_id", "side")),
    **dict.fromkeys(("reported_quantity", "reported_price", "adjustment_id", "cost_delta", "cash_delta", "note")),
    "is_placeholder": False,
    "amendments": [],
}


def _executed(effect: Execution, explained: ExplainedChange) -> Json:
    trade = explained.trade
    if not isinstance(trade, Trade):
        raise TypeError("an execution is explained by its trade")
    return {
        "kind": "EXECUTION",
        "at": render_time(trade.received_at_ns),
        "broker_sent_at": None if trade.broker_sent_at_ns is None else render_time(trade.broker_sent_at_ns),
        "quantity_delta": render(effect.signed_quantity),
        "price": render(effect.price),
        "order_id": trade.order_id,
        "intent_id": trade.intent_id or None,
        "external_order_id": trade.external_order_id,
        "exec_id": trade.exec_id,
        "side": trade.order_side,
        "reported_quantity": render(trade.quantity),
        "reported_price": render(trade.price),
        "is_placeholder": (trade.exec_id or "").startswith(PLACEHOLDER),
        "amendments": [_amendment(one) for one in explained.amendments],
    }


def _adjusted(effect: Adjustment) -> Json:
    return {
        "kind": effect.kind,
        "at": render_time(effect.received_at_ns),
        "broker_sent_at": None if effect.broker_sent_at_ns is None else render_time(effect.broker_sent_at_ns),
        "quantity_delta": render(effect.quantity_delta),
        "adjustment_id": effect.adjustment_id,
        "cost_delta": None if effect.cost_delta is None else render(effect.cost_delta),
        "cash_delta": render(effect.cash_delta),
        "note": effect.note or None,
    }


def _amendment(explained: ExplainedAmendment) -> Json:
    amendment = explained.amendment
    return {
        "kind": amendment.kind,
        "sequence": explained.sequence,
        "at": render_time(amendment.received_at_ns),
        "exec_id": amendment.exec_id,
        "new_exec_id": amendment.new_exec_id,
        "quantity_before": render(amendment.quantity_before),
        "price_before": render(amendment.price_before),
        "quantity_after": render(amendment.quantity_after),
        "price_after": render(amendment.price_after),
        "reason": amendment.reason,
    }


def _running(after: Position) -> Json:
    return {
        "quantity": render(after.quantity),
        "average_cost": render(after.average_cost),
        "cost": render(after.cost),
        "realized_pnl": render(after.realized_pnl),
    }
