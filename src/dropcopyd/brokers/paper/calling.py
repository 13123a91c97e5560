"""An auction that is held: everybody who takes part trades at one price. Pure; who is in it, the floor knows."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from dropcopyd.brokers.paper.auction import Interest, Uncrossing, uncross
from dropcopyd.brokers.paper.fills import consumes
from dropcopyd.brokers.paper.market import tick_of
from dropcopyd.brokers.paper.records import PaperOrder, Quote, Standing
from dropcopyd.brokers.paper.rules import limit_of, price_at
from dropcopyd.brokers.paper.turn import Turn
from dropcopyd.domain import money
from dropcopyd.domain.order import OrderSide
from dropcopyd.domain.report import Liquidity


def trade_at_one_price(
    turn: Turn, standing: Standing, everybody: Mapping[int, PaperOrder], trade_date: str
) -> list[PaperOrder]:
    """Hold the auction at the standing quote, which takes part; the orders that it has filled.

    An account for which size does not matter trades whole at the auction's price, without one at the market's.
    """
    instrument = standing.instrument
    whole = [order for order in everybody.values() if not consumes(turn.wallet(order.account_id).plan)]
    sized = [order for order in everybody.values() if consumes(turn.wallet(order.account_id).plan)]
    interests = [_interest(order) for order in sized]
    result = uncross(interests, standing.quote, tick_of(instrument), instrument.quantity_increment)
    filled: list[PaperOrder] = []
    if result is not None:
        for number, quantity in result.fills:
            order = turn.fill(everybody[number], quantity, result.price, Liquidity.AUCTION, trade_date)
            filled += [] if order.is_open else [order]
        _take(turn, standing, result)
    price = None if result is None else result.price
    for order in whole:
        at = price_at(order.side, standing.quote) if price is None else price
        if _takes(order, at):
            filled.append(turn.fill(order, order.leaves_quantity, at, Liquidity.AUCTION, trade_date))
    return filled


def _take(turn: Turn, standing: Standing, result: Uncrossing) -> None:
    """What the market's own quote has bought and sold is gone from it."""
    if result.bought or result.sold:
        quote = standing.quote
        left = Quote(
            quote.bid,
            quote.ask,
            bid_size=money.subtract(quote.bid_size, result.sold),
            ask_size=money.subtract(quote.ask_size, result.bought),
        )
        turn.show(replace(standing, quote=left))


def _takes(order: PaperOrder, price: Decimal) -> bool:
    limit = limit_of(order.terms)
    return limit is None or (limit >= price if order.side is OrderSide.BUY else limit <= price)


def _interest(order: PaperOrder) -> Interest:
    is_buy = order.side is OrderSide.BUY
    return Interest(order.number, is_buy, limit_of(order.terms), order.leaves_quantity, order.priority)
