"""A position as the sum of its changes, in fractions, computed from nothing each time. Shares no code with the product.

Every change is kept with its time and its number of arrival; `figures` sorts and folds them all by the rules of
docs/positions.md.
"""

from dataclasses import dataclass, field, replace
from fractions import Fraction

SCALE = 10**18


def half_even(value: Fraction) -> Fraction:
    """The value at 18 places, ties to even."""
    return Fraction(round(value * SCALE), SCALE)


TERMS = {
    "AAPL": ("1", False, False),
    "AAPL271217C00200000": ("100", False, False),
    "RAIN-YES": ("1", False, False),
    "BTC-USD": ("1", False, False),
    "EURUSD": ("1", False, False),
    "ESZ7": ("50", False, True),
    "BTC-PERP": ("0.01", False, True),
    "BTCUSD-INVERSE": ("100", True, True),
}
"""Multiplier, whether inverse, whether traded on margin, by symbol: the model's own knowledge of the instruments."""
MOVES = ("OPENING", "TRANSFER", "MANUAL")
SETTLEMENTS = ("EXPIRY", "ASSIGNMENT")


@dataclass(frozen=True)
class Happening:
    """An execution (signed quantity and price) or an adjustment (kind and deltas)."""

    time: int
    number: int
    signed: Fraction = Fraction(0)
    price: Fraction = Fraction(0)
    kind: str = "EXECUTION"
    cost: Fraction | None = None
    cash: Fraction = Fraction(0)


@dataclass
class Figures:
    quantity: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    realized: Fraction = Fraction(0)
    bought: Fraction = Fraction(0)
    sold: Fraction = Fraction(0)
    contributed: Fraction = Fraction(0)
    """Signed cost that came in by transfers, less what went out."""
    flow: Fraction = Fraction(0)
    """Cash of the position: sold less bought, and what adjustments paid."""
    is_day_known: bool = True
    day: "Figures | None" = None

    @property
    def left(self) -> Fraction:
        """Cost with the sign of the side."""
        return -self.cost if self.quantity < 0 else self.cost


@dataclass
class LedgerModel:
    """One instrument of one account."""

    multiplier: Fraction = Fraction(1)
    is_inverse: bool = False
    is_margined: bool = False
    happenings: dict[str, Happening] = field(default_factory=dict)
    roll_at: int = 0

    def time_of(self, sent: int | None) -> int:
        """Where one without a time of its own stands: behind everything known."""
        known = [one.time for one in self.happenings.values()]
        return max([0, self.roll_at, *known]) if sent is None else sent

    def add(self, name: str, sent: int | None, **facts: object) -> None:
        happening = Happening(self.time_of(sent), len(self.happenings) + 1)
        self.happenings[name] = replace(happening, **facts)  # type: ignore[arg-type]

    def amend(self, name: str, signed: Fraction, price: Fraction) -> None:
        self.happenings[name] = replace(self.happenings[name], signed=signed, price=price)

    def value(self, size: Fraction, price: Fraction) -> Fraction:
        contracts = self.multiplier * size
        return half_even(contracts / price if self.is_inverse else contracts * price)

    def figures(self) -> Figures:
        now = Figures()
        ordered = sorted(self.happenings.values(), key=lambda one: (one.time, one.number))
        for index, one in enumerate(ordered):
            if one.time >= self.roll_at and (index == 0 or ordered[index - 1].time < self.roll_at):
                now = self.begun(now)
            self.take(now, one)
        if not ordered or ordered[-1].time < self.roll_at:
            now = self.begun(now)
        return now

    def begun(self, now: Figures) -> Figures:
        if not self.roll_at:
            return now
        return replace(now, bought=Fraction(0), sold=Fraction(0), is_day_known=True, day=replace(now))

    def take(self, now: Figures, one: Happening) -> None:
        if one.kind == "EXECUTION":
            if one.signed:
                self.execute(now, one)
        elif one.kind in MOVES:
            self.move(now, one)
        elif one.kind == "SPLIT":
            self.split(now, one)
        elif one.kind in SETTLEMENTS:
            self.settle(now, one)
        else:
            assert one.kind == "FUNDING"
            now.realized += one.cash
            now.flow += one.cash

    def execute(self, now: Figures, one: Happening) -> None:
        size, before = abs(one.signed), now.left
        value = self.value(size, one.price)
        now.cost = self.cost_after(now, one.signed, value, lambda residue: self.value(residue, one.price))
        now.quantity += one.signed
        if one.signed > 0:
            now.bought += value
        else:
            now.sold += value
        paid = value if one.signed > 0 else -value
        if self.is_inverse:  # what is bought is worth less base when the price rises
            now.realized += paid - (now.left - before)
            now.flow += paid
        else:
            now.realized += (now.left - before) - paid
            now.flow -= paid

    @staticmethod
    def cost_after(now: Figures, signed: Fraction, value: Fraction, residue_value: object) -> Fraction:
        size, held = abs(signed), abs(now.quantity)
        if not now.quantity or (now.quantity > 0) == (signed > 0):
            return now.cost + value
        if size < held:
            return now.cost - half_even(now.cost * size / held)
        if size == held:
            return Fraction(0)
        return residue_value(size - held)  # type: ignore[operator, no-any-return]

    def move(self, now: Figures, one: Happening) -> None:
        before, cost = now.left, now.cost
        held, size = abs(now.quantity), abs(one.signed)
        if one.cost is not None:
            cost += one.cost
        elif now.quantity and one.signed:
            share = cost if size >= held and (now.quantity > 0) != (one.signed > 0) else half_even(cost * size / held)
            cost += share if (now.quantity > 0) == (one.signed > 0) else -share
        now.quantity += one.signed
        cost = cost if now.quantity else Fraction(0)
        now.is_day_known = now.is_day_known and not one.signed and cost == now.cost
        now.cost = cost
        now.contributed += now.left - before

    def split(self, now: Figures, one: Happening) -> None:
        before, was = now.left, now.quantity
        now.quantity += one.signed
        if not was and not now.quantity:  # nothing there to split, nothing to lose
            now.realized += one.cash
            now.flow += one.cash
            return
        now.cost += one.cost or 0
        given = now.left if was * now.quantity > 0 or not was else (now.cost if was > 0 else -now.cost)
        now.contributed += given - before
        now.realized += one.cash
        now.flow += one.cash
        if not now.quantity or was * now.quantity < 0:
            now.realized += given if self.is_inverse else -given
            now.cost = Fraction(0)

    def settle(self, now: Figures, one: Happening) -> None:
        before = now.left
        value = Fraction(0)
        if not self.is_margined:
            value = one.cash if one.signed < 0 else -one.cash
        if not now.quantity + one.signed:
            cost = Fraction(0)
        elif one.cost is not None:
            cost = now.cost + one.cost
        elif not one.signed:
            cost = now.cost
        else:
            cost = self.cost_after(now, one.signed, value, lambda rest: half_even(value * rest / abs(one.signed)))
        now.quantity += one.signed
        now.cost = cost
        now.flow += one.cash
        if self.is_margined:
            now.realized += one.cash
            now.contributed += now.left - before
        else:
            now.realized += one.cash + now.left - before

    def trade(self, signed: Fraction, price: Fraction) -> None:
        """An execution behind everything known."""
        self.add(str(len(self.happenings)), None, signed=signed, price=price)

    def average(self, now: Figures) -> Fraction:
        """What a unit cost."""
        contracts = self.multiplier * abs(now.quantity)
        if not now.quantity or not now.cost:
            return Fraction(0)
        return half_even(contracts / now.cost if self.is_inverse else now.cost / contracts)

    def unrealized(self, now: Figures, mark: Fraction) -> Fraction:
        if not now.quantity:
            return Fraction(0)
        worth = self.value(abs(now.quantity), mark)
        side = 1 if now.quantity > 0 else -1
        return side * (now.cost - worth if self.is_inverse else worth - now.cost)


def ledger_of(symbol: str) -> LedgerModel:
    """The empty model of an instrument."""
    multiplier, is_inverse, is_margined = TERMS[symbol]
    return LedgerModel(Fraction(multiplier), is_inverse, is_margined)
