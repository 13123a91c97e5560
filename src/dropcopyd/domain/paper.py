"""What somebody may do to a paper account from outside: adjustments of its books, and quotes of its market.

A request is checked here whatever the account holds; what it becomes is the paper broker's to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from dropcopyd.domain import money
from dropcopyd.domain.adjustment import AdjustmentKind
from dropcopyd.domain.instrument import Crypto, Equity, Instrument, Perpetual
from dropcopyd.errors import InvalidError

NOTE_LENGTH_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedQuote:
    """The market of an instrument as it stands from now on; a size of None is the usual one of the class."""

    instrument: Instrument
    bid: Decimal
    ask: Decimal
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SplitRatio:
    """So many new units for so many old ones."""

    new: Decimal
    old: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentRequest:
    """An adjustment as asked for. Cash is in `currency`, the instrument's where that is None."""

    kind: AdjustmentKind
    instrument: Instrument | None = None
    quantity_delta: Decimal | None = None
    cost_delta: Decimal | None = None
    cash_delta: Decimal | None = None
    currency: str | None = None
    ratio: SplitRatio | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a request that a kind needs, and those that it may have beside them."""

    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()


_MOVE: Final = Members((), ("symbol", "quantity_delta", "cost_delta", "cash_delta", "currency"))
_SETTLE: Final = Members(("symbol", "quantity_delta"), ("cash_delta", "cost_delta", "currency"))
MEMBERS: Final[Mapping[AdjustmentKind, Members]] = {
    AdjustmentKind.OPENING: Members(("symbol", "quantity_delta", "cost_delta")),
    AdjustmentKind.TRANSFER: _MOVE,
    AdjustmentKind.MANUAL: _MOVE,
    AdjustmentKind.SPLIT: Members(("symbol", "ratio"), ("cash_delta", "currency")),
    AdjustmentKind.EXPIRY: _SETTLE,
    AdjustmentKind.ASSIGNMENT: _SETTLE,
    AdjustmentKind.FUNDING: Members(("symbol", "cash_delta")),
    AdjustmentKind.FEE: Members(("cash_delta",), ("symbol", "currency")),
}
"""Every kind that may be asked for; the account rolls its day by itself."""


def check_adjustment(asked: AdjustmentRequest) -> None:
    """Raises InvalidError with the pointer of the member at fault."""
    given = {
        "symbol": asked.instrument,
        "quantity_delta": asked.quantity_delta,
        "cost_delta": asked.cost_delta,
        "cash_delta": asked.cash_delta,
        "currency": asked.currency,
        "ratio": asked.ratio,
    }
    members = MEMBERS.get(asked.kind)
    if members is None:
        raise InvalidError("the account begins its day by itself", pointer="/kind")
    for name, value in given.items():
        if value is None and name in members.needed:
            raise InvalidError(f"{asked.kind} needs {name}", pointer=f"/{name}")
        if value is not None and name not in (*members.needed, *members.optional):
            raise InvalidError(f"{asked.kind} takes no {name}", pointer=f"/{name}")
    _check_amounts(asked)
    _check_instrument(asked)


def _check_amounts(asked: AdjustmentRequest) -> None:
    quantity, cost, cash = asked.quantity_delta, asked.cost_delta, asked.cash_delta
    if asked.ratio is None and not quantity and not cost and not cash:
        raise InvalidError("an adjustment moves a quantity, a cost or cash", pointer="")
    if asked.instrument is None:
        for name, value in (("quantity_delta", quantity), ("cost_delta", cost)):
            if value is not None:
                raise InvalidError(f"{name} is of a position: name its symbol", pointer=f"/{name}")
        if asked.currency is None:
            raise InvalidError("cash needs a currency, or a symbol for its currency", pointer="/currency")
    if asked.currency is not None and cash is None:
        raise InvalidError("currency goes with cash_delta", pointer="/currency")


def _check_instrument(asked: AdjustmentRequest) -> None:
    instrument, increment = asked.instrument, None
    if instrument is None:
        return
    increment, quantity = instrument.quantity_increment, asked.quantity_delta
    if quantity is not None and increment is not None and not money.is_multiple(quantity, increment):
        told = f"{money.render(quantity)} is not a multiple of {money.render(increment)}"
        raise InvalidError(told, pointer="/quantity_delta")
    if asked.kind is AdjustmentKind.FUNDING and not isinstance(instrument, Perpetual):
        raise InvalidError("only perpetuals pay funding", pointer="/symbol")
    if asked.ratio is None:
        return
    if not isinstance(instrument, Equity | Crypto):
        raise InvalidError(
            "only what has no contract terms of its own is split: equities and crypto", pointer="/symbol"
        )
    for name, part in (("new", asked.ratio.new), ("old", asked.ratio.old)):
        if part <= 0:
            raise InvalidError("must be above zero", pointer=f"/ratio/{name}")
    if asked.ratio.new == asked.ratio.old:
        raise InvalidError("changes nothing", pointer="/ratio")


def check_quote(asked: PushedQuote, pointer: str) -> None:
    """Raises InvalidError with the pointer of the member at fault, below that of the quote."""
    tick = asked.instrument.tick_size
    for name, price in (("bid", asked.bid), ("ask", asked.ask)):
        if price <= 0:
            raise InvalidError("must be above zero", pointer=f"{pointer}/{name}")
        if tick is not None and not money.is_multiple(price, tick):
            told = f"{money.render(price)} is not a multiple of {money.render(tick)}"
            raise InvalidError(told, pointer=f"{pointer}/{name}")
    if asked.bid >= asked.ask:
        raise InvalidError("the ask must be above the bid", pointer=f"{pointer}/ask")
