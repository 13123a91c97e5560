"""The same truth kept another way: fractions, no code of the product. Positions, profit and cash from executions."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

PAID = frozenset({"EQUITY", "OPTION", "CRYPTO", "PREDICTION"})
_UNIT = 10**18


def rounded(value: Fraction) -> Fraction:
    """Half-even at 18 places."""
    return Fraction(round(value * _UNIT), _UNIT)


@dataclass(frozen=True)
class Terms:
    """What an instrument's money is counted with."""

    asset_class: str
    currency: str
    multiplier: Fraction
    is_inverse: bool

    def value(self, quantity: Fraction, price: Fraction) -> Fraction:
        contracts = self.multiplier * quantity
        return rounded(contracts / price if self.is_inverse else contracts * price)


@dataclass
class Holding:
    terms: Terms
    quantity: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    realized: Fraction = Fraction(0)
    flow: Fraction = Fraction(0)
    """Sold less bought."""

    def take(self, signed: Fraction, price: Fraction) -> Fraction:
        """One execution; what it realizes."""
        size, held, value = abs(signed), abs(self.quantity), self.terms.value(abs(signed), price)
        self.flow += value if signed < 0 else -value
        if self.quantity * signed >= 0:
            self.quantity += signed
            self.cost += value
            return Fraction(0)
        if size <= held:
            removed = self.cost if size == held else rounded(self.cost * size / held)
            closing, left = value, self.cost - removed
        else:
            left = self.terms.value(size - held, price)
            closing, removed = value - left, self.cost
        gain = closing - removed if (self.quantity > 0) != self.terms.is_inverse else removed - closing
        self.quantity += signed
        self.cost = left
        self.realized += gain
        return gain

    @property
    def is_balanced(self) -> bool:
        """Cash flow equals realized profit less the remaining cost, to the last digit."""
        cost = self.cost if self.quantity > 0 else -self.cost
        return self.flow == (-(self.realized + cost) if self.terms.is_inverse else self.realized - cost)


def fold(terms: Terms, executions: Iterable[tuple[Fraction, Fraction]]) -> Holding:
    """(signed quantity, price) in order."""
    holding = Holding(terms)
    for signed, price in executions:
        holding.take(signed, price)
    return holding
