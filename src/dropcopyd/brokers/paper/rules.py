"""What the paper broker takes: pure checks of an order's terms, and how terms meet a price."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Final

from dropcopyd.brokers.paper.records import PaperOrder, Quote, Reason
from dropcopyd.domain import money
from dropcopyd.domain.instrument import Future, Instrument, OptionInstrument, Prediction
from dropcopyd.domain.order import OrderSide, OrderTerms, OrderType, TimeInForce
from dropcopyd.domain.order_rules import FIELDS, SPECS, TRAIL_PERCENT_MAX, refusal_of

Objection = tuple[Reason, str]
"""Why terms are refused: the code, and a sentence for people."""


def objection_to_create(instrument: Instrument, terms: OrderTerms, at_ns: int, *, has_market: bool) -> Objection | None:
    """Why a new order is refused at that time, or None."""
    if not has_market:
        return Reason.NO_MARKET, f"no price source covers {instrument.symbol}"
    expiration_ns = expiration_of(instrument)
    if expiration_ns is not None and at_ns >= expiration_ns:
        return Reason.INSTRUMENT_EXPIRED, f"{instrument.symbol} has expired"
    return objection_to_terms(instrument, terms)


def objection_to_terms(instrument: Instrument, terms: OrderTerms) -> Objection | None:
    """Why terms are refused whatever the market does, or None."""
    refusal = refusal_of(terms.order_type, terms.time_in_force)
    if refusal is not None:
        return Reason.UNSUPPORTED_TIME_IN_FORCE, refusal
    if terms.quantity <= 0:
        return Reason.INVALID_QUANTITY, "the quantity must be above zero"
    increment = instrument.quantity_increment
    if increment is not None and not money.is_multiple(terms.quantity, increment):
        return (
            Reason.INVALID_QUANTITY_INCREMENT,
            f"quantity {money.render(terms.quantity)} is not a multiple of {money.render(increment)}",
        )
    return _objection_to_prices(instrument, terms)


def _objection_to_prices(instrument: Instrument, terms: OrderTerms) -> Objection | None:
    spec = SPECS[terms.order_type]
    for name in spec.required:
        if getattr(terms, FIELDS[name]) is None:
            return Reason.INVALID_PRICE, f"a {terms.order_type} order needs a {_WORDS[name]}"
    if spec.one_of and sum(getattr(terms, FIELDS[name]) is not None for name in spec.one_of) != 1:
        return Reason.INVALID_PRICE, "a trailing stop needs either an amount or a percentage"
    if terms.trail_percent is not None and terms.trail_percent >= TRAIL_PERCENT_MAX:
        return Reason.INVALID_PRICE, "the trail must be below 100 percent"
    for name, field in FIELDS.items():
        price = getattr(terms, field)
        if price is not None and price <= 0:
            return Reason.INVALID_PRICE, f"the {_WORDS[name]} must be above zero"
        tick = None if name == "trail_percent" else instrument.tick_size
        if price is not None and tick is not None and not money.is_multiple(price, tick):
            return (
                Reason.INVALID_PRICE_INCREMENT,
                f"{_WORDS[name]} {money.render(price)} is not a multiple of {money.render(tick)}",
            )
    return None


_WORDS: Final = {
    "price": "price",
    "stop_price": "stop price",
    "trail_amount": "trail amount",
    "trail_percent": "trail percentage",
}
_WITHOUT_LIMIT: Final = frozenset(
    {
        OrderType.MARKET,
        OrderType.MARKET_ON_OPEN,
        OrderType.MARKET_ON_CLOSE,
        OrderType.STOP,
        OrderType.TRAILING_STOP,
    }
)
_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})


def is_stop(terms: OrderTerms) -> bool:
    """Whether the order waits for the market to reach a stop price."""
    return terms.order_type in _STOPS


def limit_of(terms: OrderTerms) -> Decimal | None:
    """The worst price the order takes once it is live; None for one that takes any."""
    return None if terms.order_type in _WITHOUT_LIMIT else terms.limit_price


def is_all_or_nothing(terms: OrderTerms) -> bool:
    """Whether the order fills whole from one quote or not at all (FILL_OR_KILL as a type or as a time in force)."""
    return terms.order_type is OrderType.FILL_OR_KILL or terms.time_in_force is TimeInForce.FILL_OR_KILL


def is_marketable(order: PaperOrder, quote: Quote) -> bool:
    """Whether the order takes the price that the quote shows to its side."""
    limit = limit_of(order.terms)
    if limit is None:
        return True
    return limit >= quote.ask if order.side is OrderSide.BUY else limit <= quote.bid


def price_at(side: OrderSide, quote: Quote) -> Decimal:
    """What an order of that side pays or gets now."""
    return quote.ask if side is OrderSide.BUY else quote.bid


def price_on_the_way(order: PaperOrder, before: Quote, after: Quote) -> Decimal:
    """The price of a resting order when the market moves through every price from one quote to the next.

    A limit that the old quote did not reach is crossed on the way, at its own price; everything else trades at the
    new quote. The order must be marketable at `after`.
    """
    limit = limit_of(order.terms)
    is_buy = order.side is OrderSide.BUY
    if limit is not None and (limit < before.ask if is_buy else limit > before.bid):
        return limit
    return price_at(order.side, after)


def place_on_the_way(side: OrderSide, price: Decimal | None, before: Quote, after: Quote) -> Fraction:
    """How far a market that moves through every price had come when it reached a price on that side: 0 at `before` (or
    earlier, or for an order that takes any price), 1 at `after`."""
    begin, end = price_at(side, before), price_at(side, after)
    if price is None or begin == end:
        return Fraction(0)
    way = (Fraction(price) - Fraction(begin)) / (Fraction(end) - Fraction(begin))
    return min(max(way, Fraction(0)), Fraction(1))


def expiration_of(instrument: Instrument) -> int | None:
    """When the instrument stops trading for good; None for one that does not."""
    if isinstance(instrument, Future | OptionInstrument | Prediction):
        return instrument.expiration_ns
    return None


def with_terms(order: PaperOrder, terms: OrderTerms) -> PaperOrder:
    """The order under new terms. A total below what is filled becomes the filled quantity.

    A trailing stop whose trail stays keeps its stop; another trail begins anew at the market.
    """
    terms = replace(terms, quantity=max(terms.quantity, order.filled_quantity))
    if terms.order_type is OrderType.TRAILING_STOP:
        keeps = trail_of(terms) == trail_of(order.terms) and order.terms.order_type is terms.order_type
        terms = replace(terms, stop_price=order.terms.stop_price if keeps else None)
    return replace(order, terms=terms)


def trail_of(terms: OrderTerms) -> tuple[object, object]:
    """How a trailing stop follows."""
    return terms.trail_amount, terms.trail_percent
