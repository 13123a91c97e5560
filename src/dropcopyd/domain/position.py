"""Positions: the fold of executions, exact to the 18th place (contract.md section 3)."""

from dataclasses import dataclass, replace
from decimal import Decimal

from dropcopyd.domain import money
from dropcopyd.domain.account import BrokerKind
from dropcopyd.domain.instrument import Instrument, average_of, is_inverse, value_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What an account holds of one instrument.

    `quantity` is signed. `cost` is the total value of what is open, with the sign of its price for long and short
    alike, and zero when flat. `realized_pnl` is in the instrument's currency (the base asset of an inverse
    perpetual), fees outside it.
    """

    account_id: str
    organization_id: str
    broker: BrokerKind
    instrument: Instrument
    quantity: Decimal = money.ZERO
    cost: Decimal = money.ZERO
    realized_pnl: Decimal = money.ZERO
    received_at_ns: int = 0
    broker_sent_at_ns: int | None = None

    @property
    def average_cost(self) -> Decimal:
        """Price-like: what a further unit at this price would leave unchanged; 0 when flat."""
        return average_of(self.instrument, money.magnitude(self.quantity), self.cost)


def take_execution(position: Position, signed_quantity: Decimal, price: Decimal) -> Position:
    """The position after one execution of `signed_quantity` (> 0 bought, < 0 sold, never 0) at `price`.

    The execution has one value. A reduction removes its part of the cost, rounded once; what closes everything
    removes all of it. Through zero the residue opens at the execution's price and the closing part takes the rest of
    the execution's value, so that cash flow equals realized profit minus remaining cost to the last digit.
    """
    held = position.quantity
    size = money.magnitude(signed_quantity)
    value = value_of(position.instrument, size, price)
    quantity = money.add(held, signed_quantity)
    if not held or (held > 0) == (signed_quantity > 0):
        return replace(position, quantity=quantity, cost=money.add(position.cost, value))
    open_size = money.magnitude(held)
    if size <= open_size:
        removed = position.cost
        if size < open_size:
            removed = money.divide(money.multiply(position.cost, size), open_size)
        closing_value, cost = value, money.subtract(position.cost, removed)
    else:
        cost = value_of(position.instrument, money.subtract(size, open_size), price)
        closing_value, removed = money.subtract(value, cost), position.cost
    gain = _gain(position, closing_value, removed)
    return replace(position, quantity=quantity, cost=cost, realized_pnl=money.add(position.realized_pnl, gain))


def _gain(position: Position, closing_value: Decimal, removed_cost: Decimal) -> Decimal:
    """Profit of closing: a linear long sells value above cost; an inverse long sells its base value below cost."""
    from_long = position.quantity > 0
    if is_inverse(position.instrument):
        from_long = not from_long
    if from_long:
        return money.subtract(closing_value, removed_cost)
    return money.subtract(removed_cost, closing_value)
