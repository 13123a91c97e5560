"""What a submit is made of: exact amounts and order specifications; and the pages that come back."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Generic, TypeAlias, TypeVar

from dropcopy._enums import TimeInForce

_PLACES_MAX: Final = 18
_PLAIN: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")

Amount: TypeAlias = Decimal | str | int
"""How a caller may write an amount; never a float."""


def amount(value: Amount, name: str) -> Decimal:
    """The exact amount that a caller means.

    Raises TypeError for anything but Decimal, str and int, and ValueError for what is not a plain decimal of at most
    18 places ("1e5", "NaN", "1,000").
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | str | int):
        kind = type(value).__name__
        hint = f': a float is not exact; write "{value}" or Decimal("{value}")' if isinstance(value, float) else ""
        raise TypeError(f"{name} must be a Decimal, str or int, not {kind}{hint}")
    if isinstance(value, str):
        if not _PLAIN.fullmatch(value):
            raise ValueError(f'{name}: {value!r} is not a plain decimal such as "187.20"')
        value = Decimal(value)
    exact = Decimal(value)
    if not exact.is_finite():
        raise ValueError(f"{name}: {value} is not a number")
    exponent = exact.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > _PLACES_MAX:
        raise ValueError(f"{name}: {value} has more than {_PLACES_MAX} decimal places")
    return exact


def render(value: Decimal) -> str:
    """An amount as the contract writes it: plain digits, no exponent."""
    return format(value, "f")


@dataclass(frozen=True, slots=True, init=False)
class Limit:
    """A limit order: `quantity` in all, at `price` or better. Amounts are kept as Decimal."""

    price: Decimal
    quantity: Decimal
    time_in_force: TimeInForce

    def __init__(self, price: Amount, quantity: Amount, time_in_force: TimeInForce | str = TimeInForce.DAY) -> None:
        object.__setattr__(self, "price", amount(price, "price"))
        object.__setattr__(self, "quantity", amount(quantity, "quantity"))
        object.__setattr__(self, "time_in_force", TimeInForce.parse(time_in_force))

    def to_wire(self) -> dict[str, Any]:
        """The contract's tagged union."""
        return {
            "Limit": {
                "price": render(self.price),
                "quantity": render(self.quantity),
                "time_in_force": self.time_in_force.value,
            }
        }


@dataclass(frozen=True, slots=True, init=False)
class Market:
    """A market order for `quantity`, kept as Decimal."""

    quantity: Decimal
    time_in_force: TimeInForce

    def __init__(self, quantity: Amount, time_in_force: TimeInForce | str = TimeInForce.DAY) -> None:
        object.__setattr__(self, "quantity", amount(quantity, "quantity"))
        object.__setattr__(self, "time_in_force", TimeInForce.parse(time_in_force))

    def to_wire(self) -> dict[str, Any]:
        """The contract's tagged union."""
        return {"Market": {"quantity": render(self.quantity), "time_in_force": self.time_in_force.value}}


OrderSpec: TypeAlias = Limit | Market
"""The terms of an order; the quantity is the total over its life, also in a replace."""

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page, newest first. `next_cursor` asks for the next; None = this was the last."""

    data: tuple[Row, ...]
    next_cursor: str | None
