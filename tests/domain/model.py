"""Positions by the average-cost rules of contract.md section 3, in fractions. Shares no code with the product."""

from dataclasses import dataclass
from fractions import Fraction

SCALE = 10**18


def half_even(value: Fraction) -> Fraction:
    return Fraction(round(value * SCALE), SCALE)


@dataclass
class Model:
    """One instrument's position; `sold_less_bought` is the cash flow of a linear one."""

    multiplier: Fraction
    is_inverse: bool
    quantity: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    realized: Fraction = Fraction(0)
    sold_less_bought: Fraction = Fraction(0)

    def value(self, size: Fraction, price: Fraction) -> Fraction:
        contracts = self.multiplier * size
        return half_even(contracts / price if self.is_inverse else contracts * price)

    def trade(self, signed: Fraction, price: Fraction) -> None:
        size = abs(signed)
        value = self.value(size, price)
        self.sold_less_bought += -value if signed > 0 else value
        opens = self.quantity == 0 or (self.quantity > 0) == (signed > 0)
        if opens:
            self.cost += value
        else:
            self._reduce(size, value, price)
        self.quantity += signed

    def _reduce(self, size: Fraction, value: Fraction, price: Fraction) -> None:
        held = abs(self.quantity)
        residue = max(Fraction(0), size - held)
        opened = self.value(residue, price) if residue else Fraction(0)
        removed = self.cost if size >= held else half_even(self.cost * size / held)
        gain = (value - opened) - removed
        profits_from_rise = (self.quantity > 0) != self.is_inverse
        self.realized += gain if profits_from_rise else -gain
        self.cost = opened if residue else self.cost - removed

    @property
    def average(self) -> Fraction:
        contracts = self.multiplier * abs(self.quantity)
        if not self.quantity or not self.cost:
            return Fraction(0)
        return half_even(contracts / self.cost if self.is_inverse else self.cost / contracts)


TERMS = {"AAPL": ("1", False), "ESZ7": ("50", False), "BTC-PERP": ("0.01", False), "BTCUSD-INVERSE": ("100", True)}
"""Multiplier and whether inverse, by symbol, of the instruments in `build`."""


def model_of(symbol: str) -> Model:
    multiplier, is_inverse = TERMS[symbol]
    return Model(Fraction(multiplier), is_inverse)
