"""An auction: everything that takes part trades at one price, the one at which most trades. Pure.

The market takes part with its standing quote: it buys its displayed size at the bid and sells its displayed size at
the ask. The price is the candidate (a limit, the bid, the ask, or the reference, which is the middle of the quote
rounded down to a tick) with the most volume; among equals the one with the least left over, then the nearest to the
reference, then the lower. Orders without a limit go first, then the better limit, then the earlier; the market's quote
comes last at its price.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

from dropcopyd.brokers.paper.records import Quote, amount_of, steps_of
from dropcopyd.domain import money


@dataclass(frozen=True, slots=True)
class Interest:
    """One order's part in an auction; limit None takes any price. `priority` orders equals, lower first."""

    number: int
    is_buy: bool
    limit: Decimal | None
    quantity: Decimal
    priority: int


@dataclass(frozen=True, slots=True)
class Uncrossing:
    """What an auction came to: the price, each order's fill (first come first), and what the market's quote gave."""

    price: Decimal
    fills: tuple[tuple[int, Decimal], ...]
    bought: Decimal
    """Taken from the size at the ask."""
    sold: Decimal
    """Given to the size at the bid."""


def uncross(interests: Sequence[Interest], quote: Quote, tick: Decimal, increment: Decimal | None) -> Uncrossing | None:
    """Hold the auction; None when nothing can trade."""
    reference = amount_of(max(1, steps_of(money.divide(money.add(quote.bid, quote.ask), Decimal(2)), tick)), tick)
    bid_size, ask_size = _whole(quote.bid_size, increment), _whole(quote.ask_size, increment)
    market = (
        Interest(0, is_buy=True, limit=quote.bid, quantity=bid_size, priority=0),
        Interest(0, is_buy=False, limit=quote.ask, quantity=ask_size, priority=0),
    )
    everybody = (*interests, *market)
    limits = {interest.limit for interest in everybody if interest.limit is not None}
    price, volume = _best_price(everybody, sorted(limits | {reference}), reference)
    if not volume:
        return None
    buys = _allocate((i for i in interests if i.is_buy and (i.limit is None or i.limit >= price)), volume)
    sells = _allocate((i for i in interests if not i.is_buy and (i.limit is None or i.limit <= price)), volume)
    bought, sold = (money.total(quantity for _, quantity in side) for side in (buys, sells))
    crossed = min(bought, sold)
    return Uncrossing(price, (*buys, *sells), money.subtract(bought, crossed), money.subtract(sold, crossed))


def _best_price(
    everybody: Sequence[Interest], candidates: Sequence[Decimal], reference: Decimal
) -> tuple[Decimal, Decimal]:
    """The price and the volume there. Supply and demand are summed once, for all candidates."""
    supply = _supplied(everybody, candidates)
    demand = _demanded(everybody, candidates)

    def merit(index: int) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        over = money.magnitude(money.subtract(supply[index], demand[index]))
        away = money.magnitude(money.subtract(candidates[index], reference))
        return money.negate(min(supply[index], demand[index])), over, away, candidates[index]

    best = min(range(len(candidates)), key=merit)
    return candidates[best], min(supply[best], demand[best])


def _supplied(everybody: Iterable[Interest], candidates: Sequence[Decimal]) -> list[Decimal]:
    """What is for sale at each candidate price or below."""
    index = {price: place for place, price in enumerate(candidates)}
    steps = [money.ZERO] * len(candidates)
    for interest in everybody:
        if not interest.is_buy:
            place = 0 if interest.limit is None else index[interest.limit]
            steps[place] = money.add(steps[place], interest.quantity)
    return list(accumulate(steps, money.add))


def _demanded(everybody: Iterable[Interest], candidates: Sequence[Decimal]) -> list[Decimal]:
    """What is wanted at each candidate price or above."""
    index = {price: place for place, price in enumerate(candidates)}
    steps = [money.ZERO] * len(candidates)
    for interest in everybody:
        if interest.is_buy:
            place = len(candidates) - 1 if interest.limit is None else index[interest.limit]
            steps[place] = money.add(steps[place], interest.quantity)
    return list(accumulate(reversed(steps), money.add))[::-1]


def _allocate(side: Iterable[Interest], volume: Decimal) -> list[tuple[int, Decimal]]:
    fills: list[tuple[int, Decimal]] = []
    for interest in sorted(side, key=_rank):
        quantity = min(interest.quantity, volume)
        if not quantity:
            break
        fills.append((interest.number, quantity))
        volume = money.subtract(volume, quantity)
    return fills


def _rank(interest: Interest) -> tuple[int, Decimal, int]:
    if interest.limit is None:
        return 0, money.ZERO, interest.priority
    return 1, money.negate(interest.limit) if interest.is_buy else interest.limit, interest.priority


def _whole(size: Decimal, increment: Decimal | None) -> Decimal:
    return size if increment is None else amount_of(steps_of(size, increment), increment)
