"""Adjustments of a paper account: what they do to its holdings and cash, and a split to its working orders. Pure.

A split is told in one piece: the adjustment, then each working order of the account as it is restated in new units
(FIX: a corporate action), what is filled of it too. Prices are rounded so that no order becomes better for the market
than it was. The account's market of the instrument becomes its own, at the quote that stood, divided: nothing trades at
a price of the old units.
"""

import json
from dataclasses import asdict, replace
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Final

from dropcopyd.brokers.paper.floor import Floor
from dropcopyd.brokers.paper.funding import is_scripted
from dropcopyd.brokers.paper.market import lot_of, size_of, tick_of
from dropcopyd.brokers.paper.records import (
    AdjustmentRecord,
    Image,
    PaperOrder,
    PaperStatus,
    Quote,
    Reason,
    Standing,
    amount_of,
)
from dropcopyd.brokers.paper.turn import Turn, prefix_of
from dropcopyd.domain import money
from dropcopyd.domain.instrument import Instrument, key_of
from dropcopyd.domain.order import OrderSide
from dropcopyd.domain.paper import AdjustmentRequest, PushedQuote, SplitRatio
from dropcopyd.domain.report import CORPORATE_ACTION_REASON, AdjustmentReport, ReportKind
from dropcopyd.errors import Code, DropcopyError, InvalidError

PUSHED: Final = "pushed"
"""The source of an own market's quotes."""


def known_adjustment(image: Image, account_id: str, key: str, asked: AdjustmentRequest) -> AdjustmentRecord | None:
    """The adjustment that the caller's name stands for. Raises DropcopyError when it was another one."""
    known = image.adjustments.get((account_id, key)) if key else None
    if known is not None and known.asked != canonical(asked):
        told = f"this key belongs to the adjustment {known.report.adjustment_id}"
        raise DropcopyError(Code.IDEMPOTENCY_KEY_REUSED, told, adjustment_id=known.report.adjustment_id)
    return known


def adjust(turn: Turn, orders: Floor, account_id: str, key: str, asked: AdjustmentRequest) -> AdjustmentRecord:
    """Book an adjustment to which there is no objection, and tell of it."""
    image, instrument = turn.image, asked.instrument
    delta = asked.quantity_delta
    if asked.ratio is not None and instrument is not None:
        delta = _split_delta(turn.wallet(account_id).held(instrument).quantity, instrument, asked.ratio)
    image.adjustment_count += 1
    report = AdjustmentReport(
        adjustment_id=f"{prefix_of(image.book_id)}-A{image.adjustment_count}",
        kind=asked.kind,
        key=None if instrument is None else key_of(instrument),
        quantity_delta=delta,
        cost_delta=asked.cost_delta,
        cash_delta=asked.cash_delta,
        currency=_currency_of(asked),
        note=asked.note,
        broker_sent_at_ns=turn.at_ns,
    )
    number = image.adjustment_count
    record = turn.adjust(AdjustmentRecord(account_id, number, key, canonical(asked), report, instrument))
    image.last_ns = turn.at_ns
    if asked.ratio is not None and instrument is not None:
        _split_orders(turn, orders, account_id, instrument, asked.ratio)
    return record


def push(turn: Turn, orders: Floor, account_id: str, pushed: PushedQuote) -> Standing:
    """The account's own market of the instrument shows a quote; what it reaches trades."""
    quote = Quote(pushed.bid, pushed.ask, _size(pushed, pushed.bid_size), _size(pushed, pushed.ask_size))
    standing = Standing(pushed.instrument, PUSHED, "", quote, turn.at_ns, account_id)
    separate(turn, orders, standing)
    orders.show(turn, standing.market, None)
    return turn.image.standings[standing.market]


def release(turn: Turn, orders: Floor, account_id: str, instrument: Instrument) -> None:
    """The account's own market of the instrument is no more; its orders trade with the shared market's next quote."""
    image, own = turn.image, (*key_of(instrument), account_id)
    if own not in image.own_markets:
        return
    moved = orders.take_out(account_id, own)
    image.own_markets.discard(own)
    turn.drop(image.standings.pop(own))
    for order in moved:
        orders.put_back(turn, order)


def separate(turn: Turn, orders: Floor, standing: Standing) -> None:
    """That stands in the account's own market, and the account's orders work there from now on."""
    image, market = turn.image, standing.market
    if market in image.own_markets:
        turn.show(standing)
        return
    moved = orders.take_out(standing.account_id, key_of(standing.instrument))
    image.own_markets.add(market)
    turn.show(standing)
    for order in moved:
        orders.put_back(turn, order)


def canonical(asked: AdjustmentRequest) -> str:
    """Equal requests are equal texts, amounts by value."""
    facts = {
        name: money.render(value) if isinstance(value, Decimal) else value
        for name, value in asdict(asked).items()
        if name not in ("instrument", "ratio")
    }
    facts["instrument"] = None if asked.instrument is None else key_of(asked.instrument)
    ratio = asked.ratio
    facts["ratio"] = None if ratio is None else [money.render(ratio.new), money.render(ratio.old)]
    return json.dumps(facts, separators=(",", ":"))


def _currency_of(asked: AdjustmentRequest) -> str | None:
    if asked.cash_delta is None or asked.currency is not None:
        return asked.currency
    return None if asked.instrument is None else asked.instrument.currency


def _size(pushed: PushedQuote, size: Decimal | None) -> Decimal:
    return usual_size_of(pushed.instrument) if size is None else size


def usual_size_of(instrument: Instrument) -> Decimal:
    """What a market of the instrument usually displays."""
    return size_of(instrument, lot_of(instrument))


# --- splits -------------------------------------------------------------------------------------------------------


def objection_to_split(turn: Turn, account_id: str, asked: AdjustmentRequest) -> InvalidError | None:
    """Why what the account has and what works for it cannot be split so; None for any other adjustment.

    A fraction that cannot be held is paid out; only its payer knows for what. Nothing outgrows what can be said.
    """
    instrument, ratio = asked.instrument, asked.ratio
    if instrument is None or ratio is None:
        return None
    held = money.magnitude(turn.wallet(account_id).held(instrument).quantity)
    working = _working(turn.image, account_id, instrument)
    standing = turn.image.standing_of(account_id, instrument)
    terms, quotes = [order.terms for order in working], [] if standing is None else [standing.quote]
    quantities = [held, *(one.quantity for one in terms), *(max(one.bid_size, one.ask_size) for one in quotes)]
    prices = [
        price for one in terms for price in (one.limit_price, one.stop_price, one.trail_amount) if price is not None
    ]
    prices += [one.ask for one in quotes]
    most = max(Fraction(max(quantities)) * _factor(ratio), Fraction(max(prices, default=money.ZERO)) / _factor(ratio))
    if most >= 10**money.INTEGER_DIGITS_MAX:
        return InvalidError(f"makes an amount of more than {money.INTEGER_DIGITS_MAX} digits", pointer="/ratio")
    after = _times(held, ratio, instrument.quantity_increment)
    if asked.cash_delta is None and Fraction(after) != Fraction(held) * _factor(ratio):
        told = (
            f"{money.render(held)} become a fraction of which {money.render(after)} can be held;"
            " cash_delta says what is paid for the rest"
        )
        return InvalidError(told, pointer="/cash_delta")
    return None


def _split_delta(held: Decimal, instrument: Instrument, ratio: SplitRatio) -> Decimal:
    """What the holding gains or loses."""
    after = _times(money.magnitude(held), ratio, instrument.quantity_increment)
    return money.subtract(after if held >= 0 else money.negate(after), held)


def _working(image: Image, account_id: str, instrument: Instrument) -> list[PaperOrder]:
    return [
        order
        for order in image.orders.values()
        if order.is_open and order.account_id == account_id and key_of(order.instrument) == key_of(instrument)
    ]


def _split_orders(turn: Turn, orders: Floor, account_id: str, instrument: Instrument, ratio: SplitRatio) -> None:
    image = turn.image
    working = _working(image, account_id, instrument)
    for order in working:
        orders.leave_if_there(order)
    standing = image.standing_of(account_id, instrument)
    if standing is not None:
        separate(turn, orders, _split_standing(standing, account_id, ratio))
    for order in working:
        _restate(turn, orders, order, ratio)


def _split_standing(standing: Standing, account_id: str, ratio: SplitRatio) -> Standing:
    tick, quote = tick_of(standing.instrument), standing.quote
    bid = _divided(quote.bid, ratio, tick, is_up=False)
    ask = max(_divided(quote.ask, ratio, tick, is_up=True), money.add(bid, tick))
    increment = standing.instrument.quantity_increment
    bid_size, ask_size = (_times(size, ratio, increment) for size in (quote.bid_size, quote.ask_size))
    after = Quote(bid, ask, bid_size, ask_size)
    return replace(standing, source=PUSHED, place="", quote=after, account_id=account_id)


def _restate(turn: Turn, orders: Floor, order: PaperOrder, ratio: SplitRatio) -> None:
    """An order in new units, what is filled of it too, in its place in time; one that does not come out even ends."""
    increment = order.instrument.quantity_increment
    quantity, filled = (_times(part, ratio, increment) for part in (order.terms.quantity, order.filled_quantity))
    reason = f"split {money.render(ratio.new)} for {money.render(ratio.old)}"
    parts = ((order.terms.quantity, quantity), (order.filled_quantity, filled))
    if any(Fraction(before) * _factor(ratio) != Fraction(after) for before, after in parts):
        cause = f"{reason}: the order does not come out even"
        turn.end(order, PaperStatus.CANCELLED, reason_code=Reason.SPLIT_REMAINDER, reason=cause)
        return
    order = turn.put(replace(_in_new_units(order, quantity, ratio), filled_quantity=filled))
    turn.report(
        ReportKind.RESTATED,
        order.live_command_id,
        order,
        raw_status="restated",
        reason_code=CORPORATE_ACTION_REASON,
        reason=reason,
    )
    if not is_scripted(turn.image, order.account_id):
        orders.put_back(turn, order)


def _in_new_units(order: PaperOrder, quantity: Decimal, ratio: SplitRatio) -> PaperOrder:
    terms, tick, is_buy = order.terms, tick_of(order.instrument), order.side is OrderSide.BUY

    def divided(price: Decimal | None, *, is_up: bool) -> Decimal | None:
        return None if price is None else _divided(price, ratio, tick, is_up=is_up)

    return replace(
        order,
        terms=replace(
            terms,
            quantity=quantity,
            limit_price=divided(terms.limit_price, is_up=not is_buy),
            stop_price=divided(terms.stop_price, is_up=is_buy),
            trail_amount=divided(terms.trail_amount, is_up=True),
        ),
    )


def _factor(ratio: SplitRatio) -> Fraction:
    return Fraction(ratio.new) / Fraction(ratio.old)


def _times(quantity: Decimal, ratio: SplitRatio, increment: Decimal | None) -> Decimal:
    """A quantity >= 0 in new units, as much of it as there can be."""
    if increment is None:
        return money.divide(money.multiply(quantity, ratio.new), ratio.old)
    return amount_of(floor(Fraction(quantity) * _factor(ratio) / Fraction(increment)), increment)


def _divided(price: Decimal, ratio: SplitRatio, tick: Decimal, *, is_up: bool) -> Decimal:
    """A price of one new unit in whole ticks, at least one."""
    ticks = Fraction(price) / _factor(ratio) / Fraction(tick)
    return amount_of(max(1, ceil(ticks) if is_up else floor(ticks)), tick)
