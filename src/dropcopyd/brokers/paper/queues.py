"""The resting orders of one instrument by price, then time."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from dropcopyd.brokers.paper.records import PaperOrder
from dropcopyd.brokers.paper.rules import limit_of
from dropcopyd.domain import money
from dropcopyd.domain.order import OrderSide

Rank = tuple[int, Decimal, int, int]
"""Place in a queue: orders without a limit first, then the better price, then the earlier arrival; its number last."""


@dataclass(slots=True)
class Queues:
    """Both sides, best first."""

    buys: list[Rank] = field(default_factory=list)
    sells: list[Rank] = field(default_factory=list)

    def of(self, side: OrderSide) -> list[Rank]:
        """The queue of a side."""
        return self.buys if side is OrderSide.BUY else self.sells

    def add(self, order: PaperOrder) -> None:
        insort(self.of(order.side), rank_of(order))

    def remove(self, order: PaperOrder) -> None:
        """Take an order out, under the terms and the priority that it was added with."""
        queue = self.of(order.side)
        del queue[bisect_left(queue, rank_of(order))]

    def numbers(self) -> Iterator[int]:
        """The orders on both sides."""
        return (rank[3] for queue in (self.buys, self.sells) for rank in queue)


def rank_of(order: PaperOrder) -> Rank:
    """The order's place in its queue."""
    limit = limit_of(order.terms)
    if limit is None:
        return 0, money.ZERO, order.priority, order.number
    return 1, money.negate(limit) if order.side is OrderSide.BUY else limit, order.priority, order.number
