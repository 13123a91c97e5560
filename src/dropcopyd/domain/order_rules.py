"""Which order type goes with which time in force: one table, read by REST, brokers, documents and tests alike.

Every cell is a sentence: what such an order does, or why there is none. A broker may take less than the table
(`BrokerCapabilities.refuses`), never more.

FILL_OR_KILL is a type and a time in force in the contract. Its one canonical form here is the time in force: a
FillOrKill with a price is a LIMIT, without one a MARKET, with the time in force FILL_OR_KILL (`canonical`), and that is
what every record and the wire show.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from dropcopyd.domain.order import OrderTerms, OrderType, TimeInForce

_T, _F = OrderType, TimeInForce


@dataclass(frozen=True, slots=True)
class Cell:
    """One order type with one time in force."""

    is_accepted: bool
    text: str
    """What the order does, or why it is refused."""


@dataclass(frozen=True, slots=True)
class Spec:
    """The members of a type's `spec` beside quantity and time in force, in the order they are written.

    `one_of`: exactly one of these; `default`: the time in force where none is given, None where it must be.
    """

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    default: TimeInForce | None = None

    @property
    def prices(self) -> tuple[str, ...]:
        """All members that hold an amount, the quantity apart."""
        return (*self.required, *self.optional, *self.one_of)


SPECS: Final[Mapping[OrderType, Spec]] = {
    _T.LIMIT: Spec(required=("price",)),
    _T.MARKET: Spec(default=_F.DAY),
    _T.FILL_OR_KILL: Spec(optional=("price",), default=_F.FILL_OR_KILL),
    _T.LIMIT_ON_OPEN: Spec(required=("price",), default=_F.AT_OPEN),
    _T.LIMIT_ON_CLOSE: Spec(required=("price",), default=_F.AT_CLOSE),
    _T.MARKET_ON_OPEN: Spec(default=_F.AT_OPEN),
    _T.MARKET_ON_CLOSE: Spec(default=_F.AT_CLOSE),
    _T.STOP: Spec(required=("stop_price",)),
    _T.STOP_LIMIT: Spec(required=("stop_price", "price")),
    _T.TRAILING_STOP: Spec(one_of=("trail_amount", "trail_percent")),
}
"""The `spec` of every order type."""

FIELDS: Final[Mapping[str, str]] = {
    "price": "limit_price",
    "stop_price": "stop_price",
    "trail_amount": "trail_amount",
    "trail_percent": "trail_percent",
}
"""A member of a spec -> the field of OrderTerms that holds it."""

TRAIL_PERCENT_MAX: Final = Decimal(100)
"""A trail in percent is below this: the stop stays above zero."""


def _accepted(text: str) -> Cell:
    return Cell(is_accepted=True, text=text)


def _refused(text: str) -> Cell:
    return Cell(is_accepted=False, text=text)


_NO_REST = "it fills whole at once or not at all, so nothing of it is left to work longer"
_ONE_AUCTION = "it belongs to one auction, and what that leaves unfilled is cancelled"
_NOT_AT_ONCE = "an auction comes at its own time, so nothing can happen at once"
_NO_AUCTION_OUTSIDE = "auctions are part of the regular session"
_OTHER_AUCTION_OPEN = "it takes part in the opening auction only"
_OTHER_AUCTION_CLOSE = "it takes part in the closing auction only"
_WAITS = "a stop waits for its trigger and cannot trade at once as well"
_NO_STOP_IN_AUCTION = "an auction takes orders that are live when it begins, and a stop waits for its trigger"
_UNPROTECTED = "it would trade without a limit in extended hours, where the market is thin; use LIMIT"
_OPEN = _accepted("takes part in the opening auction only; what is left is cancelled")
_CLOSE = _accepted("takes part in the closing auction only; what is left is cancelled")
_OPEN_DAY = _accepted("as AT_OPEN: the next opening auction only")
_CLOSE_DAY = _accepted("as AT_CLOSE: the next closing auction only")


def _auction_row(is_open: bool) -> dict[TimeInForce, Cell]:
    return {
        _F.DAY: _OPEN_DAY if is_open else _CLOSE_DAY,
        _F.GOOD_TILL_CANCEL: _refused(_ONE_AUCTION),
        _F.AT_OPEN: _OPEN if is_open else _refused(_OTHER_AUCTION_CLOSE),
        _F.IMMEDIATE_OR_CANCEL: _refused(_NOT_AT_ONCE),
        _F.FILL_OR_KILL: _refused(_NOT_AT_ONCE),
        _F.EXT: _refused(_NO_AUCTION_OUTSIDE),
        _F.AT_CLOSE: _refused(_OTHER_AUCTION_OPEN) if is_open else _CLOSE,
    }


def _stop_row(day: str, kept: str, extended: Cell) -> dict[TimeInForce, Cell]:
    return {
        _F.DAY: _accepted(day),
        _F.GOOD_TILL_CANCEL: _accepted(kept),
        _F.AT_OPEN: _refused(_NO_STOP_IN_AUCTION),
        _F.IMMEDIATE_OR_CANCEL: _refused(_WAITS),
        _F.FILL_OR_KILL: _refused(_WAITS),
        _F.EXT: extended,
        _F.AT_CLOSE: _refused(_NO_STOP_IN_AUCTION),
    }


RULES: Final[Mapping[OrderType, Mapping[TimeInForce, Cell]]] = {
    _T.LIMIT: {
        _F.DAY: _accepted("works at its limit or better in the regular session, until its close"),
        _F.GOOD_TILL_CANCEL: _accepted("works in every regular session until it is filled or cancelled"),
        _F.AT_OPEN: _OPEN,
        _F.IMMEDIATE_OR_CANCEL: _accepted("fills what it can at once; the rest is cancelled"),
        _F.FILL_OR_KILL: _accepted("fills whole at once or is cancelled"),
        _F.EXT: _accepted("works before, in and after the regular session of one trading day"),
        _F.AT_CLOSE: _CLOSE,
    },
    _T.MARKET: {
        _F.DAY: _accepted("takes the market's price in the regular session; what finds no size works until its close"),
        _F.GOOD_TILL_CANCEL: _accepted("as DAY, in every regular session until it is filled or cancelled"),
        _F.AT_OPEN: _OPEN,
        _F.IMMEDIATE_OR_CANCEL: _accepted("takes what the market shows at once; the rest is cancelled"),
        _F.FILL_OR_KILL: _accepted("fills whole at once or is cancelled"),
        _F.EXT: _refused(_UNPROTECTED),
        _F.AT_CLOSE: _CLOSE,
    },
    _T.FILL_OR_KILL: {
        time: _accepted("fills whole at once or is cancelled; shown as LIMIT or MARKET with FILL_OR_KILL")
        if time is _F.FILL_OR_KILL
        else _refused(_NO_REST)
        for time in TimeInForce
    },
    _T.LIMIT_ON_OPEN: _auction_row(is_open=True),
    _T.LIMIT_ON_CLOSE: _auction_row(is_open=False),
    _T.MARKET_ON_OPEN: _auction_row(is_open=True),
    _T.MARKET_ON_CLOSE: _auction_row(is_open=False),
    _T.STOP: _stop_row(
        "becomes a market order when the market reaches the stop price in the regular session, until its close",
        "as DAY, in every regular session until it is filled or cancelled",
        _refused(_UNPROTECTED.replace("LIMIT", "STOP_LIMIT")),
    ),
    _T.STOP_LIMIT: _stop_row(
        "becomes a limit order when the market reaches the stop price in the regular session, until its close",
        "as DAY, in every regular session until it is filled or cancelled",
        _accepted("triggers and works before, in and after the regular session of one trading day"),
    ),
    _T.TRAILING_STOP: _stop_row(
        "its stop follows the market's best price at a distance and never goes back; then as STOP",
        "as DAY, in every regular session until it is filled or cancelled; the stop stays over night",
        _refused(_UNPROTECTED.replace("LIMIT", "STOP_LIMIT")),
    ),
}
"""The table: every order type with every time in force."""


def cell_of(order_type: OrderType, time_in_force: TimeInForce) -> Cell:
    """The table's cell."""
    return RULES[order_type][time_in_force]


def accepted_times(order_type: OrderType) -> tuple[TimeInForce, ...]:
    """The times in force that a type takes, in the contract's order."""
    return tuple(time for time, cell in RULES[order_type].items() if cell.is_accepted)


def refusal_of(order_type: OrderType, time_in_force: TimeInForce) -> str | None:
    """Why the pair is refused, with what the type takes instead; None for one that is accepted."""
    cell = cell_of(order_type, time_in_force)
    if cell.is_accepted:
        return None
    taken = ", ".join(accepted_times(order_type))
    return f"{order_type} with {time_in_force} is refused: {cell.text} ({order_type} takes {taken})"


def canonical(terms: OrderTerms) -> OrderTerms:
    """The one form of terms that can be written in two ways; the pair must be accepted."""
    if terms.order_type is not OrderType.FILL_OR_KILL:
        return terms
    order_type = OrderType.MARKET if terms.limit_price is None else OrderType.LIMIT
    return replace(terms, order_type=order_type, time_in_force=TimeInForce.FILL_OR_KILL)


def spec_name(order_type: OrderType) -> str:
    """The type in PascalCase: the member that names it in a `spec`."""
    return "".join(word.capitalize() for word in order_type.split("_"))
