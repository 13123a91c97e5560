"""The bodies of the control routes: shapes for the document, and the strict reading of them."""

import json
import re
from dataclasses import fields
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, Field, ValidationError

from dropcopyd.domain import money
from dropcopyd.domain.controls import ControlLimits
from dropcopyd.domain.order import OrderSide
from dropcopyd.errors import InvalidError
from dropcopyd.flow.flatten import DEADLINE_S, DEADLINE_S_MAX
from dropcopyd.rest.body import Number
from dropcopyd.rest.shapes import Shape, Uuid

_Body = TypeVar("_Body", bound=BaseModel)
_SYMBOL: Final = re.compile(r"[!-~]{1,64}", re.ASCII)
_WHOLE: Final = re.compile(r"(-?[0-9]{1,18})(?:\.0+)?", re.ASCII)
_SYMBOLS_MAX: Final = 1_000

Reason = Annotated[str, Field(max_length=500)]
Symbol = Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]
Positive = Annotated[
    str, Field(pattern=r"^[0-9]{1,20}(\.[0-9]{1,18})?$", description="An exact decimal, never a JSON number.")
]
Whole = Annotated[int, Field(ge=0, le=1_000_000)]


class Switch(Shape):
    """Disable (true) or enable (false) trading by hand."""

    manually_disabled: bool
    manual_reason: Reason | None = None


class Evaluate(Shape):
    """Whether an order of the account would pass, in the symbol if one is named."""

    account_id: Uuid
    symbol: Symbol | None = None


class CancelAll(Shape):
    """Which working orders; all when nothing is named."""

    side: OrderSide | None = None
    symbol: Symbol | None = None
    strategy_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None


class Kill(Shape):
    """Why."""

    reason: Reason | None = None


class FlattenAccount(Shape):
    """Why, and how long it may take."""

    reason: Reason | None = None
    timeout_s: Annotated[int, Field(ge=1, le=DEADLINE_S_MAX)] = DEADLINE_S


class Limits(Shape):
    """All limits at once; what is left out or null has no limit."""

    order_quantity_max: Positive | None = None
    order_notional_max: Positive | None = None
    position_quantity_max: Positive | None = None
    position_notional_max: Positive | None = None
    open_orders_max: Whole | None = None
    orders_per_second_max: Whole | None = None
    price_collar_percent: Positive | None = None
    reference_age_s_max: Annotated[int, Field(ge=1, le=86_400)] | None = None
    allowed_symbols: Annotated[list[Symbol], Field(max_length=_SYMBOLS_MAX)] | None = None
    blocked_symbols: Annotated[list[Symbol], Field(max_length=_SYMBOLS_MAX, default_factory=list)]
    allows_short_selling: bool = True
    is_reduce_only: bool = False
    allows_live_trading: bool = True
    daily_loss_max: Positive | None = None
    drawdown_max: Positive | None = None
    flattens_on_breach: bool = False

    def limits(self) -> ControlLimits:
        """In the domain's words."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(ControlLimits)}
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = frozenset(value)
            elif isinstance(value, str):
                values[name] = money.parse(value)
        return ControlLimits(**values)


def read(body: type[_Body], value: Any) -> _Body:
    """A JSON value as that body. Raises InvalidError with the pointer of the first member at fault."""
    try:
        return body.model_validate_json(json.dumps(_plain(value)))  # as JSON: enums by their words
    except ValidationError as error:
        fault = error.errors()[0]
        pointer = "".join(f"/{str(part)[:64]}" for part in fault["loc"])
        raise InvalidError(str(fault["msg"]).lower(), pointer=pointer) from error


def _plain(value: Any) -> Any:
    """Whole JSON numbers (174.0 is one) as int: `read_json` keeps every number as it was written."""
    if isinstance(value, Number):
        match = _WHOLE.fullmatch(value)
        return int(match[1]) if match else float("nan")
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def symbol_of(text: str) -> str:
    """A symbol of a path. Raises InvalidError."""
    if not _SYMBOL.fullmatch(text):
        raise InvalidError("a symbol has 1 to 64 printable ASCII characters without blanks")
    return text
