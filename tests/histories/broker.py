"""A broker made of chance: what really happens to the orders of one account, and what it says of that.

It knows the truth at any time. What becomes of its messages on the way is not its business. Shares no code with the
product.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import Any

from tests.histories.orders import Said

RATIOS = (Fraction(2), Fraction(1, 2), Fraction(3, 2), Fraction(4))


@dataclass(slots=True)
class Filled:
    """An execution in force at the broker."""

    time: int
    day: int
    seq: int
    exec_id: str
    last_id: str
    quantity: Fraction
    price: Fraction
    ratio: Fraction = Fraction(1)


@dataclass(slots=True)
class Working:
    """One order as it really stands."""

    number: int
    side: int
    symbol: str
    is_day: bool
    quantity: Fraction
    price: Fraction
    live_seq: int = 1
    is_accepted: bool = False
    is_rejected: bool = False
    is_closed: bool = False
    is_done: bool = False
    is_stopped: bool = False
    asked: dict[int, tuple[str, Fraction, Fraction]] = field(default_factory=dict)
    """Requests that have arrived and are not decided."""
    pending: set[int] = field(default_factory=set)
    fills: list[Filled] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)

    @property
    def filled(self) -> Fraction:
        return sum((one.quantity * one.ratio for one in self.fills), Fraction(0))

    @property
    def is_over(self) -> bool:
        return self.is_closed or self.is_rejected or (self.is_done and self.is_day)

    @property
    def is_open(self) -> bool:
        return not self.is_over and self.filled < self.quantity


Verb = Callable[[Working], Said]


class Broker:
    """Every verb changes one order and returns what is said of it."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.time = 0
        self.day = 0
        self.orders: dict[int, Working] = {}
        self._executions = 0
        self._amendments = 0

    def tick(self) -> int:
        self.time += self.chance.randrange(1, 9)
        return self.time

    def new_day(self) -> int:
        """When it begins. Executions are numbered anew each day."""
        self.day += 1
        self._executions = 0
        return self.tick()

    def amount(self) -> Fraction:
        return Fraction(self.chance.randrange(1, 40), self.chance.choice((1, 1, 1, 4)))

    def cost(self) -> Fraction:
        return Fraction(self.chance.randrange(1, 4000), self.chance.choice((1, 4, 100)))

    def act(self, order: Working) -> Said | None:
        """One thing that may happen to the order as it stands; None where nothing does."""
        verbs = self._verbs(order)
        if not verbs:
            return None
        verb = self.chance.choices([one for one, _ in verbs], [weight for _, weight in verbs])[0]
        return verb(order)

    def _verbs(self, order: Working) -> list[tuple[Verb, int]]:
        verbs: list[tuple[Verb, int]] = []
        if order.asked:
            verbs.append((self.decide, 8))
        if order.is_rejected:
            return verbs
        if not order.is_accepted:
            verbs += [(self.accept, 10), (self.reject, 1), (self.fill, 2)]
        if order.is_open and order.is_accepted:
            verbs += [(self.fill, 10), (self.restate, 1), (self.finish_day, 1), (self.stop, 1), (self.trigger, 1)]
            verbs += [(self.cancel, 1)]
            if not any(said.kind == "TRADE" for said in order.said):
                verbs.append((self.reject, 1))
        if order.is_closed and order.filled < order.quantity:
            verbs.append((self.fill, 2))
        if order.is_accepted:
            verbs.append((self.answer, 1))
        if order.fills:
            verbs += [(self.bust, 2), (self.correct, 3)]
        if any(seq not in order.pending for seq in order.asked):
            verbs.append((self.pend, 8))
        return verbs

    def _say(self, order: Working, kind: str, seq: int | None = None, **facts: Any) -> Said:
        at = self.tick()
        figures: dict[str, Any] = {"quantity": order.quantity, "cum": order.filled, "day": self.day, **facts}
        said = Said(kind, order.number, order.live_seq if seq is None else seq, at, **figures)
        order.said.append(said)
        return said

    # --- the order ----------------------------------------------------------------------------------------------

    def accept(self, order: Working) -> Said:
        order.is_accepted = True
        return self._say(order, "ACCEPTED", 1)

    def reject(self, order: Working) -> Said:
        order.is_rejected, order.is_stopped = True, False
        order.pending.clear()
        return self._say(order, "REJECTED", 1)

    def fill(self, order: Working) -> Said:
        order.is_accepted = True
        left = order.quantity - order.filled
        is_whole = left.denominator > 64 or self.chance.random() < 0.4
        size = left if is_whole else left * self.chance.choice((Fraction(1, 2), Fraction(1, 4)))
        if self.chance.random() < 0.03:
            size += 1  # more than was asked for: it counts
        self._executions += 1
        price = self.cost()
        one = Filled(0, self.day, order.live_seq, f"e{self._executions}", f"e{self._executions}", size, price)
        order.fills.append(one)
        said = self._say(order, "TRADE", exec_id=one.exec_id, last_quantity=size, last_price=price)
        one.time = said.time
        return said

    def bust(self, order: Working) -> Said:
        one = self.chance.choice(order.fills)
        order.fills.remove(one)
        return self._amended(order, "BUST", one)

    def correct(self, order: Working) -> Said:
        one = self.chance.choice(order.fills)
        facts: dict[str, Any] = {}
        if self.chance.random() < 0.7:
            one.quantity = facts["last_quantity"] = self.amount()
        if not facts or self.chance.random() < 0.5:
            one.price = facts["last_price"] = self.cost()
        return self._amended(order, "CORRECTION", one, **facts)

    def _amended(self, order: Working, kind: str, one: Filled, **facts: Any) -> Said:
        self._amendments += 1
        ref_id, one.last_id = one.last_id, f"a{self._amendments}"
        return self._say(order, kind, exec_id=one.last_id, ref_id=ref_id, **{**facts, "day": one.day})

    def restate(self, order: Working) -> Said:
        order.quantity = order.filled + self.chance.choice((Fraction(0), Fraction(1), self.amount()))
        order.quantity = order.quantity or Fraction(1)
        if self.chance.random() < 0.5:
            order.price = self.cost()
        order.is_done = False
        return self._say(order, "RESTATED", price=order.price)

    def split(self, order: Working, ratio: Fraction) -> Said:
        for one in order.fills:
            one.ratio *= ratio
        order.quantity *= ratio
        order.is_done = False
        return self._say(order, "RESTATED", is_split=True)

    def finish_day(self, order: Working) -> Said:
        order.is_done = True
        return self._say(order, "DONE_FOR_DAY")

    def stop(self, order: Working) -> Said:
        order.is_stopped = True
        return self._say(order, "STOPPED")

    def trigger(self, order: Working) -> Said:
        return self._say(order, "TRIGGERED")

    def answer(self, order: Working) -> Said:
        return self._say(order, "STATUS")

    def cancel(self, order: Working) -> Said:
        order.is_closed, order.is_stopped = True, False
        return self._say(order, "CANCELLED")

    # --- requests -----------------------------------------------------------------------------------------------

    def pend(self, order: Working) -> Said:
        seq = min(seq for seq in order.asked if seq not in order.pending)
        order.pending.add(seq)
        order.is_accepted = True
        return self._say(order, f"PENDING_{order.asked[seq][0]}", seq)

    def decide(self, order: Working) -> Said:
        """Replaces are decided in their order, a cancel whenever it is."""
        replaces = [seq for seq, (kind, _, _) in order.asked.items() if kind == "REPLACE"]
        cancels = [seq for seq, (kind, _, _) in order.asked.items() if kind == "CANCEL"]
        seq = self.chance.choice([*replaces[:1], *cancels])
        kind, quantity, price = order.asked.pop(seq)
        order.pending.discard(seq)
        is_filled = order.filled >= order.quantity
        can_be = not order.is_over and not (is_filled and (kind == "CANCEL" or quantity <= order.filled))
        if not can_be or self.chance.random() < 0.3:
            return self._say(order, "REQUEST_REFUSED", seq)
        order.is_accepted = True
        if kind == "CANCEL":
            order.is_closed, order.is_stopped = True, False
            return self._say(order, "CANCELLED", seq)
        order.quantity, order.price, order.live_seq = max(quantity, order.filled), price, seq
        return self._say(order, "REPLACED")
