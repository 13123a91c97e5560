"""What a submit is made of: exact amounts and order specifications; and the pages that come back."""

import re
from dataclasses import dataclass, fields
from decimal import Decimal
from types import NoneType
from typing import Any, ClassVar, Final, Generic, TypeAlias, TypeVar, cast, get_args

from dropcopy._enums import OrderType, TimeInForce

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


class _Spec:
    """What the specs share: their form on the wire."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def to_wire(self) -> dict[str, Any]:
        """The contract's tagged union: the class names it, what is None is left out."""
        members = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            type(self).__name__: {
                name: render(value) if isinstance(value, Decimal) else value.value
                for name, value in members.items()
                if value is not None
            }
        }


@dataclass(frozen=True, slots=True, init=False)
class Limit(_Spec):
    """A limit order: `quantity` in all, at `price` or better. Amounts are kept as Decimal."""

    price: Decimal
    quantity: Decimal
    time_in_force: TimeInForce

    def __init__(self, price: Amount, quantity: Amount, time_in_force: TimeInForce | str = TimeInForce.DAY) -> None:
        _keep(self, time_in_force, price=price, quantity=quantity)


@dataclass(frozen=True, slots=True, init=False)
class Market(_Spec):
    """A market order for `quantity`, kept as Decimal."""

    quantity: Decimal
    time_in_force: TimeInForce

    def __init__(self, quantity: Amount, time_in_force: TimeInForce | str = TimeInForce.DAY) -> None:
        _keep(self, time_in_force, quantity=quantity)


@dataclass(frozen=True, slots=True, init=False)
class FillOrKill(_Spec):
    """Whole at once or not at all, at `price` or better, at any price without one.

    The order is shown as a Limit (or Market) with the time in force FILL_OR_KILL: that is the same thing.
    """

    quantity: Decimal
    price: Decimal | None
    time_in_force: TimeInForce

    def __init__(self, quantity: Amount, price: Amount | None = None) -> None:
        _keep(self, TimeInForce.FILL_OR_KILL, quantity=quantity, price=price)


@dataclass(frozen=True, slots=True, init=False)
class LimitOnOpen(_Spec):
    """A limit order for the next opening auction; what that leaves is cancelled."""

    price: Decimal
    quantity: Decimal
    time_in_force: TimeInForce

    def __init__(self, price: Amount, quantity: Amount, time_in_force: TimeInForce | str = TimeInForce.AT_OPEN) -> None:
        _keep(self, time_in_force, price=price, quantity=quantity)


@dataclass(frozen=True, slots=True, init=False)
class LimitOnClose(_Spec):
    """A limit order for the next closing auction; what that leaves is cancelled."""

    price: Decimal
    quantity: Decimal
    time_in_force: TimeInForce

    def __init__(
        self, price: Amount, quantity: Amount, time_in_force: TimeInForce | str = TimeInForce.AT_CLOSE
    ) -> None:
        _keep(self, time_in_force, price=price, quantity=quantity)


@dataclass(frozen=True, slots=True, init=False)
class MarketOnOpen(_Spec):
    """A market order for the next opening auction; what that leaves is cancelled."""

    quantity: Decimal
    time_in_force: TimeInForce

    def __init__(self, quantity: Amount, time_in_force: TimeInForce | str = TimeInForce.AT_OPEN) -> None:
        _keep(self, time_in_force, quantity=quantity)


@dataclass(frozen=True, slots=True, init=False)
class MarketOnClose(_Spec):
    """A market order for the next closing auction; what that leaves is cancelled."""

    quantity: Decimal
    time_in_force: TimeInForce

    def __init__(self, quantity: Amount, time_in_force: TimeInForce | str = TimeInForce.AT_CLOSE) -> None:
        _keep(self, time_in_force, quantity=quantity)


@dataclass(frozen=True, slots=True, init=False)
class Stop(_Spec):
    """Becomes a market order when the market reaches `stop_price`."""

    stop_price: Decimal
    quantity: Decimal
    time_in_force: TimeInForce

    def __init__(
        self, stop_price: Amount, quantity: Amount, time_in_force: TimeInForce | str = TimeInForce.DAY
    ) -> None:
        _keep(self, time_in_force, stop_price=stop_price, quantity=quantity)


@dataclass(frozen=True, slots=True, init=False)
class StopLimit(_Spec):
    """Becomes a limit order at `price` when the market reaches `stop_price`."""

    stop_price: Decimal
    price: Decimal
    quantity: Decimal
    time_in_force: TimeInForce

    def __init__(
        self,
        stop_price: Amount,
        price: Amount,
        quantity: Amount,
        time_in_force: TimeInForce | str = TimeInForce.DAY,
    ) -> None:
        _keep(self, time_in_force, stop_price=stop_price, price=price, quantity=quantity)


@dataclass(frozen=True, slots=True, init=False)
class TrailingStop(_Spec):
    """A stop that follows the market's best price: at a distance of `trail_amount`, or of `trail_percent` (2 = 2 %).

    Raises ValueError unless exactly one of the two is given.
    """

    quantity: Decimal
    trail_amount: Decimal | None
    trail_percent: Decimal | None
    time_in_force: TimeInForce

    def __init__(
        self,
        quantity: Amount,
        *,
        trail_amount: Amount | None = None,
        trail_percent: Amount | None = None,
        time_in_force: TimeInForce | str = TimeInForce.DAY,
    ) -> None:
        if (trail_amount is None) == (trail_percent is None):
            raise ValueError("a trailing stop has either trail_amount or trail_percent")
        _keep(self, time_in_force, quantity=quantity, trail_amount=trail_amount, trail_percent=trail_percent)


OrderSpec: TypeAlias = (
    Limit
    | Market
    | FillOrKill
    | LimitOnOpen
    | LimitOnClose
    | MarketOnOpen
    | MarketOnClose
    | Stop
    | StopLimit
    | TrailingStop
)
"""The terms of an order; the quantity is the total over its life, also in a replace."""


def spec_of(
    order_type: OrderType,
    quantity: Amount,
    time_in_force: TimeInForce | str | None,
    *,
    price: Amount | None = None,
    stop_price: Amount | None = None,
    trail_amount: Amount | None = None,
    trail_percent: Amount | None = None,
) -> OrderSpec:
    """The spec of an order type from its parts; the time in force None is the type's usual one.

    Raises ValueError for a part that the type lacks or does not have.
    """
    make = _SPECS.get(order_type)
    if make is None:
        raise ValueError(f"there is no spec for the order type {order_type}")
    given = {
        "price": price,
        "stop_price": stop_price,
        "trail_amount": trail_amount,
        "trail_percent": trail_percent,
        "time_in_force": time_in_force,
    }
    parts = {name: value for name, value in given.items() if value is not None}
    if make is FillOrKill:
        parts.pop("time_in_force", None)
    try:
        spec: OrderSpec = make(quantity=quantity, **parts)
    except TypeError as error:
        needs = ", ".join(name for name in make.__dataclass_fields__ if name != "time_in_force")
        raise ValueError(f"a {order_type} order has {needs}; given were {', '.join(['quantity', *parts])}") from error
    return spec


_SPECS: Final[dict[OrderType, Any]] = {
    OrderType.LIMIT: Limit,
    OrderType.MARKET: Market,
    OrderType.FILL_OR_KILL: FillOrKill,
    OrderType.LIMIT_ON_OPEN: LimitOnOpen,
    OrderType.LIMIT_ON_CLOSE: LimitOnClose,
    OrderType.MARKET_ON_OPEN: MarketOnOpen,
    OrderType.MARKET_ON_CLOSE: MarketOnClose,
    OrderType.STOP: Stop,
    OrderType.STOP_LIMIT: StopLimit,
    OrderType.TRAILING_STOP: TrailingStop,
}


def _keep(spec: "_Spec", time_in_force: TimeInForce | str, **amounts: Amount | None) -> None:
    """Fill a frozen spec: amounts exact, None only where the field may be, the time in force a word of the contract."""
    may_be_none = {described.name for described in fields(spec) if NoneType in get_args(described.type)}
    for name, value in amounts.items():
        kept = None if value is None and name in may_be_none else amount(cast("Amount", value), name)
        object.__setattr__(spec, name, kept)
    object.__setattr__(spec, "time_in_force", TimeInForce.parse(time_in_force))


Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page, newest first. `next_cursor` asks for the next; None = this was the last."""

    data: tuple[Row, ...]
    next_cursor: str | None
