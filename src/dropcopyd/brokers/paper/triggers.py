"""Stop orders of one instrument that wait for their trigger, found in the order in which the market reaches them.

A buy stop triggers on the ask, a sell stop on the bid: the side on which it would trade. A trailing stop follows that
side's best price since it went live, at its trail's distance, and never goes back; its stop is a whole number of
ticks, rounded away from the market.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from dropcopyd.brokers.paper.market import tick_of
from dropcopyd.brokers.paper.records import PaperOrder, Quote, amount_of, steps_of, steps_up
from dropcopyd.domain import money
from dropcopyd.domain.order import OrderSide, OrderType

_HUNDRED: Final = Decimal(100)
_NEVER: Final = Decimal(10) ** 20
"""Beyond any price."""
_Entry = tuple[Decimal, int, int]
"""Sort key, priority, order number."""


@dataclass(slots=True)
class _Side:
    """One side's stops: the next to trigger first, and the next to ratchet first."""

    is_buy: bool
    stops: list[_Entry] = field(default_factory=list)
    trails: list[_Entry] = field(default_factory=list)

    def add(self, order: PaperOrder) -> None:
        if order.terms.stop_price is not None:
            insort(self.stops, self._stop_entry(order))
        if order.terms.order_type is OrderType.TRAILING_STOP:
            insort(self.trails, self._trail_entry(order))

    def remove(self, order: PaperOrder) -> None:
        if order.terms.stop_price is not None:
            _remove(self.stops, self._stop_entry(order))
        if order.terms.order_type is OrderType.TRAILING_STOP:
            _remove(self.trails, self._trail_entry(order))

    def triggered(self, price: Decimal) -> Iterator[int]:
        """The orders that a price triggers, nearest stop first. Each is to be removed before the next is asked for."""
        signed = price if self.is_buy else money.negate(price)
        while self.stops and self.stops[0][0] <= signed:
            yield self.stops[0][2]

    def to_ratchet(self, price: Decimal) -> list[int]:
        """The trailing orders for which the price is a new best one."""
        bound = money.negate(price) if self.is_buy else price
        end = bisect_left(self.trails, bound, key=lambda entry: entry[0])
        return [number for _, _, number in self.trails[:end]]

    def _stop_entry(self, order: PaperOrder) -> _Entry:
        stop = order.terms.stop_price or money.ZERO
        return stop if self.is_buy else money.negate(stop), order.priority, order.number

    def _trail_entry(self, order: PaperOrder) -> _Entry:
        mark = watermark_of(order)
        return money.negate(mark) if self.is_buy else mark, order.priority, order.number


@dataclass(slots=True)
class Triggers:
    """The waiting stops of one instrument."""

    buys: _Side = field(default_factory=lambda: _Side(is_buy=True))
    sells: _Side = field(default_factory=lambda: _Side(is_buy=False))
    orders: dict[int, PaperOrder] = field(default_factory=dict)
    """As they were entered here: how they are found again."""

    def add(self, order: PaperOrder) -> None:
        self.orders[order.number] = order
        self._side(order).add(order)

    def remove(self, order: PaperOrder) -> None:
        """Take an order out, as it was added."""
        known = self.orders.pop(order.number)
        self._side(known).remove(known)

    def ratchets(self, quote: Quote) -> list[PaperOrder]:
        """The trailing orders whose stop the quote moves, with the new stop; they are still kept with the old one."""
        moved: list[PaperOrder] = []
        for side, price in ((self.buys, quote.ask), (self.sells, quote.bid)):
            for number in side.to_ratchet(price):
                order = self.orders[number]
                after = ratcheted(order, quote)
                if after is not order:
                    moved.append(after)
        return moved

    def triggered(self, quote: Quote) -> Iterator[int]:
        """Order numbers, nearest first; each is to be removed before the next is asked for."""
        yield from self.buys.triggered(quote.ask)
        yield from self.sells.triggered(quote.bid)

    def _side(self, order: PaperOrder) -> _Side:
        return self.buys if order.side is OrderSide.BUY else self.sells


def ratcheted(order: PaperOrder, quote: Quote) -> PaperOrder:
    """A trailing stop after a quote: with its stop moved, or the same order where the quote does not move it."""
    stop = stop_at(order, quote)
    before = order.terms.stop_price
    is_better = before is None or (stop < before if order.side is OrderSide.BUY else stop > before)
    return replace(order, terms=replace(order.terms, stop_price=stop)) if is_better else order


def stop_at(order: PaperOrder, quote: Quote) -> Decimal:
    """Where a trailing stop stands if the quote is the best one so far; at least one tick."""
    tick = tick_of(order.instrument)
    if order.side is OrderSide.BUY:
        return amount_of(steps_up(money.add(quote.ask, _distance(order, quote.ask)), tick), tick)
    below = max(money.ZERO, money.subtract(quote.bid, _distance(order, quote.bid)))
    return amount_of(max(1, steps_of(below, tick)), tick)


def watermark_of(order: PaperOrder) -> Decimal:
    """The market's best price that a trailing stop has seen, as far as its stop tells: beyond it the stop may move."""
    stop, terms, is_buy = order.terms.stop_price, order.terms, order.side is OrderSide.BUY
    if stop is None:
        return _NEVER if is_buy else money.ZERO
    if terms.trail_amount is not None:
        change = money.subtract if is_buy else money.add
        return change(stop, terms.trail_amount)
    percent = terms.trail_percent or money.ZERO
    rate = money.add(_HUNDRED, percent) if is_buy else money.subtract(_HUNDRED, percent)
    return money.divide(money.multiply(stop, _HUNDRED), rate)


def is_passed(order: PaperOrder, quote: Quote) -> bool:
    """Whether the quote has reached the stop."""
    stop = order.terms.stop_price
    if stop is None:
        return False
    return quote.ask >= stop if order.side is OrderSide.BUY else quote.bid <= stop


def _distance(order: PaperOrder, price: Decimal) -> Decimal:
    if order.terms.trail_amount is not None:
        return order.terms.trail_amount
    percent = order.terms.trail_percent or money.ZERO
    return money.divide(money.multiply(price, percent), _HUNDRED)


def _remove(entries: list[_Entry], entry: _Entry) -> None:
    place = bisect_left(entries, entry)
    if entries[place] != entry:
        raise AssertionError("an order is taken out as it was put in")
    del entries[place]
