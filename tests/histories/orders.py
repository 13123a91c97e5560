"""An order as the sum of what is known of it, in fractions, computed from nothing each time.

Whatever order things arrive in, and however often: what is known is taken in the broker's own order of time, by the
rules of docs/orders.md. Shares no code with the product.
"""

from dataclasses import dataclass, field
from fractions import Fraction

from tests.histories.ledger import half_even

ALIVE = {
    "ACCEPTED",
    "TRADE",
    "PENDING_CANCEL",
    "PENDING_REPLACE",
    "CANCELLED",
    "REPLACED",
    "RESTATED",
    "DONE_FOR_DAY",
    "STOPPED",
    "TRIGGERED",
}
"""What a broker says of an order that it has."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the broker. `time` is unique: the same one again is the same message.

    `seq` is the command that it names; figures are the broker's after it.
    """

    kind: str
    order: int
    seq: int
    time: int
    quantity: Fraction | None = None
    price: Fraction | None = None
    cum: Fraction | None = None
    exec_id: str | None = None
    ref_id: str | None = None
    last_quantity: Fraction | None = None
    last_price: Fraction | None = None
    day: int = 0
    is_split: bool = False


@dataclass(slots=True)
class Executed:
    """An execution with its figures in force, in the units of its day."""

    time: int
    quantity: Fraction
    price: Fraction


@dataclass(slots=True)
class Facts:
    """What follows from everything known."""

    quantity: Fraction
    price: Fraction
    is_accepted: bool = False
    is_rejected: bool = False
    is_closed: bool = False
    is_done: bool = False
    is_stopped: bool = False
    requests: dict[int, str] = field(default_factory=dict)
    decided: set[int] = field(default_factory=set)
    executions: dict[tuple[int, str], Executed] = field(default_factory=dict)
    names: dict[tuple[int, str], tuple[int, str]] = field(default_factory=dict)
    """What each id of an execution or amendment leads to."""
    splits: list[tuple[int, Fraction]] = field(default_factory=list)

    @property
    def filled(self) -> Fraction:
        return sum((self.today(one) for one in self.executions.values()), Fraction(0))

    def today(self, one: Executed) -> Fraction:
        """What an execution counts after the splits that came behind it."""
        quantity = one.quantity
        for time, ratio in self.splits:
            if one.time < time:
                quantity *= ratio
        return quantity


@dataclass(slots=True)
class OrderModel:
    """One order: what was asked, and what was heard."""

    side: int
    symbol: str
    multiplier: Fraction
    is_inverse: bool
    is_day: bool
    quantity: Fraction
    price: Fraction
    commands: dict[int, tuple[str, Fraction, Fraction]] = field(default_factory=dict)
    """seq -> kind, quantity, price"""
    heard: dict[int, Said] = field(default_factory=dict)
    is_dead: bool = False
    """Whether its create never reached the broker, or was refused on the way in."""

    def hear(self, said: Said) -> None:
        self.heard.setdefault(said.time, said)

    def facts(self) -> Facts:
        now = Facts(self.quantity, self.price)
        for time in sorted(self.heard):
            self._take(now, self.heard[time])
        now.is_rejected = now.is_rejected or (self.is_dead and not now.is_accepted)
        return now

    def _take(self, now: Facts, said: Said) -> None:
        if said.kind in ALIVE:
            now.is_accepted = True
        if said.kind == "TRADE":
            key = said.day, str(said.exec_id)
            now.executions[key] = Executed(said.time, said.last_quantity or Fraction(0), said.last_price or Fraction(0))
            now.names[key] = key
        elif said.kind in ("BUST", "CORRECTION"):
            self._amend(now, said)
        else:
            self._state(now, said)

    @staticmethod
    def _amend(now: Facts, said: Said) -> None:
        key = now.names.get((said.day, str(said.ref_id)))
        if key is None:
            return  # it waits
        now.names[said.day, str(said.exec_id)] = key
        one = now.executions[key]
        if said.kind == "BUST":
            one.quantity = Fraction(0)
        else:
            one.quantity = one.quantity if said.last_quantity is None else said.last_quantity
            one.price = one.price if said.last_price is None else said.last_price

    def _state(self, now: Facts, said: Said) -> None:
        asked = self.commands[said.seq][0]
        if said.kind == "REJECTED":
            now.is_rejected, now.is_stopped = True, False
            now.requests.clear()
        elif said.kind in ("PENDING_CANCEL", "PENDING_REPLACE"):
            if said.seq not in now.decided:
                now.requests[said.seq] = asked
        elif said.kind == "REQUEST_REFUSED":
            self._decide(now, said.seq)
        elif said.kind == "CANCELLED":
            now.is_closed, now.is_stopped = True, False
            self._decide(now, said.seq)
        elif said.kind == "REPLACED":
            for seq, (kind, _, _) in self.commands.items():
                if kind == "REPLACE" and seq <= said.seq:
                    self._decide(now, seq)
            now.price = self.commands[said.seq][2]
            now.quantity = max(said.quantity or Fraction(0), said.cum or Fraction(0))
        elif said.kind == "RESTATED":
            self._restate(now, said)
        elif said.kind == "DONE_FOR_DAY":
            now.is_done = True
        elif said.kind == "STOPPED":
            now.is_stopped = not now.is_closed

    @staticmethod
    def _decide(now: Facts, seq: int) -> None:
        now.decided.add(seq)
        now.requests.pop(seq, None)

    @staticmethod
    def _restate(now: Facts, said: Said) -> None:
        now.is_done = False
        quantity = max(said.quantity or Fraction(0), said.cum or Fraction(0))
        if said.is_split:
            now.splits.append((said.time, quantity / now.quantity))
        now.quantity = quantity
        now.price = now.price if said.price is None else said.price

    # --- what is to be seen -------------------------------------------------------------------------------------

    def status(self, now: Facts) -> str:
        if "CANCEL" in now.requests.values():
            return "PENDING_CANCEL"
        if now.requests:
            return "PENDING_REPLACE"
        filled = now.filled
        if filled >= now.quantity:
            return "FILLED"
        if now.is_closed or (now.is_done and self.is_day):
            return "CANCELLED"
        if now.is_stopped:
            return "STOPPED"
        if filled:
            return "PARTIALLY_FILLED"
        if now.is_rejected:
            return "REJECTED"
        return "NEW" if now.is_accepted else "PENDING_NEW"

    def leaves(self, now: Facts) -> Fraction:
        is_over = now.is_closed or now.is_rejected or (now.is_done and self.is_day)
        return Fraction(0) if is_over else max(Fraction(0), now.quantity - now.filled)

    def average(self, now: Facts) -> Fraction | None:
        filled = now.filled
        if not filled:
            return None
        total = sum((self.value(one.quantity, one.price) for one in now.executions.values()), Fraction(0))
        if not total:
            return Fraction(0)
        contracts = self.multiplier * filled
        return half_even(contracts / total if self.is_inverse else total / contracts)

    def value(self, quantity: Fraction, price: Fraction) -> Fraction:
        contracts = self.multiplier * quantity
        return half_even(contracts / price if self.is_inverse else contracts * price)
