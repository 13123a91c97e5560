"""Places: where each open order is, and when it moves next by itself. An order is in one place, or in none.

Who rests is in the queues of its market, a stop that waits is with its triggers; both find it by the terms that it went
there with.
"""

from enum import StrEnum
from heapq import heappop, heappush

from dropcopyd.brokers.paper.queues import Queues
from dropcopyd.brokers.paper.records import Image, MarketKey, PaperOrder
from dropcopyd.brokers.paper.rules import is_stop
from dropcopyd.brokers.paper.triggers import Triggers
from dropcopyd.domain.instrument import Instrument

_SHARED = 2
"""The length of a shared market's key."""


class Place(StrEnum):
    RESTORED = "restored"
    """Read from the book, not yet looked at."""
    WAITING = "waiting"
    TRIGGER = "trigger"
    QUEUE = "queue"
    AUCTION = "auction"
    """Its auction is due and waits for a quote."""


class Places:
    """The places of an image's orders."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._places: dict[MarketKey, dict[int, Place]] = {}
        self.queues: dict[MarketKey, Queues] = {}
        """What rests; changed by `rest` and `leave` only."""
        self.triggers: dict[MarketKey, Triggers] = {}
        """The stops that wait; entered by `rest`, taken out by `leave`, moved by the market."""
        self._called: dict[MarketKey, dict[int, None]] = {}
        """The orders in place AUCTION, in the order in which they came there: few, and every quote asks for them."""
        self._dues: list[tuple[int, int]] = []
        """(when, order number): the next time that an order moves by itself. Old entries are passed over."""
        self._due_of: dict[int, int] = {}

    def instruments(self) -> list[Instrument]:
        """Those with open orders in the shared market, in a stable order."""
        return [
            self._image.orders[next(iter(places))].instrument
            for market, places in self._places.items()
            if places and len(market) == _SHARED
        ]

    # --- where ----------------------------------------------------------------------------------------------------

    def market_of(self, order: PaperOrder) -> MarketKey:
        """The market that an order is in."""
        return self._image.market_of(order.account_id, order.instrument)

    def place_of(self, order: PaperOrder) -> Place | None:
        """Where the order is; None when it is nowhere."""
        return self._places.get(self.market_of(order), {}).get(order.number)

    def in_market(self, market: MarketKey) -> list[PaperOrder]:
        """All orders of a market."""
        return [self._image.orders[number] for number in self._places.get(market, ())]

    def called(self, market: MarketKey) -> list[PaperOrder]:
        """Those whose auction waits for a quote, in the order in which they came there."""
        return [self._image.orders[number] for number in self._called.get(market, ())]

    def is_empty(self, market: MarketKey) -> bool:
        """Whether a market has no orders."""
        return market not in self._places

    def put(self, order: PaperOrder, place: Place) -> None:
        """Put an order where nothing is kept beside its place; `rest` puts it into the market."""
        key = self.market_of(order)
        self._places.setdefault(key, {})[order.number] = place
        if place is Place.AUCTION:
            self._called.setdefault(key, {})[order.number] = None

    def rest(self, order: PaperOrder) -> Place:
        """An order that is live rests in its queue, a stop with the triggers until it is reached."""
        key = self.market_of(order)
        if is_resting_stop(order):
            self.triggers.setdefault(key, Triggers()).add(order)
            place = Place.TRIGGER
        else:
            self.queues.setdefault(key, Queues()).add(order)
            place = Place.QUEUE
        self.put(order, place)
        return place

    def leave(self, order: PaperOrder) -> None:
        """Take an order out of its place, with the terms that it went there with."""
        key = self.market_of(order)
        place = self._places[key].pop(order.number)
        if not self._places[key]:
            del self._places[key]
        self._due_of.pop(order.number, None)
        if place is Place.QUEUE:
            self.queues[key].remove(order)
        elif place is Place.TRIGGER:
            self.triggers[key].remove(order)
        elif place is Place.AUCTION:
            del self._called[key][order.number]

    # --- when -----------------------------------------------------------------------------------------------------

    def look_again(self, order: PaperOrder, due_ns: int | None) -> None:
        """When an order moves next by itself; None leaves it as it is."""
        if due_ns is not None:
            self._due_of[order.number] = due_ns
            heappush(self._dues, (due_ns, order.number))

    def due_of(self, order: PaperOrder) -> int | None:
        """When an order moves next."""
        return self._due_of.get(order.number)

    def next_due_ns(self) -> int | None:
        """When something moves by itself; perhaps earlier than it does."""
        return self._dues[0][0] if self._dues else None

    def take_due(self) -> dict[MarketKey, list[PaperOrder]]:
        """What moves at the next time at which something does, by market."""
        due_ns = self._dues[0][0]
        due: dict[MarketKey, list[PaperOrder]] = {}
        while self._dues and self._dues[0][0] == due_ns:
            _, number = heappop(self._dues)
            if self._due_of.get(number) == due_ns:
                del self._due_of[number]
                order = self._image.orders[number]
                due.setdefault(self.market_of(order), []).append(order)
        return due


def is_resting_stop(order: PaperOrder) -> bool:
    """Whether the order still waits for its stop price."""
    return is_stop(order.terms) and not order.is_triggered
