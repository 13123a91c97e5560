"""Positions: what an account holds of one instrument, exact to the 18th place (contract.md section 3).

docs/positions.md explains every number. `take_execution` is the rule for one execution; what else moves a position is
in `adjusting`, the order in which all of it is taken in `fold`.
"""

from dataclasses import dataclass
from decimal import Decimal

from dropcopyd.domain import money
from dropcopyd.domain.account import BrokerKind
from dropcopyd.domain.evolve import evolve
from dropcopyd.domain.instrument import Instrument, average_of, is_inverse, value_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What an account holds of one instrument.

    `quantity` is signed. `cost` is the total value of what is open, with the sign of its price for long and short
    alike, and zero when flat. `realized_pnl` is in the instrument's currency (the base asset of an inverse
    perpetual), fees outside it.

    The figures of the day count from the account's last roll at `day_ns` (0: from the account's beginning): what was
    held then, its mark if one was known, and the values bought and sold since. `is_day_known` is False once something
    came in or went out since without a price. `daily_pnl` is as of the last publication, None without the marks.

    `fold_ns` and `fold_number` are the place of the last change taken in, `change_count` how many there are.
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
    value_bought: Decimal = money.ZERO
    value_sold: Decimal = money.ZERO
    daily_pnl: Decimal | None = None
    day_ns: int = 0
    day_quantity: Decimal = money.ZERO
    day_cost: Decimal = money.ZERO
    day_realized_pnl: Decimal = money.ZERO
    day_mark: Decimal | None = None
    is_day_known: bool = True
    fold_ns: int = 0
    fold_number: int = 0
    change_count: int = 0

    @property
    def average_cost(self) -> Decimal:
        """Price-like: what a further unit at this price would leave unchanged; 0 when flat."""
        return average_of(self.instrument, money.magnitude(self.quantity), self.cost)

    @property
    def is_quiet(self) -> bool:
        """Whether it is flat and a roll would change nothing of it."""
        is_idle = not (self.value_bought or self.value_sold) and self.realized_pnl == self.day_realized_pnl
        return not self.quantity and not self.day_quantity and self.is_day_known and is_idle


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
        return evolve(position, quantity=quantity, cost=money.add(position.cost, value))
    open_size = money.magnitude(held)
    if size <= open_size:
        removed = part_of_cost(position, size)
        closing_value, cost = value, money.subtract(position.cost, removed)
    else:
        cost = value_of(position.instrument, money.subtract(size, open_size), price)
        closing_value, removed = money.subtract(value, cost), position.cost
    gain = gain_of(position.instrument, held, closing_value, removed)
    return evolve(position, quantity=quantity, cost=cost, realized_pnl=money.add(position.realized_pnl, gain))


def part_of_cost(position: Position, size: Decimal) -> Decimal:
    """The cost of `size` (> 0) of what is held: all of it for everything, else its part, rounded once."""
    open_size = money.magnitude(position.quantity)
    if size >= open_size:
        return position.cost
    return money.divide(money.multiply(position.cost, size), open_size)


def gain_of(instrument: Instrument, held: Decimal, value: Decimal, cost: Decimal) -> Decimal:
    """Profit where something held (by the sign of `held`) with that cost has that value.

    A linear long gains when its value is above its cost; an inverse long when its base value is below.
    """
    gains_with_value = (held > 0) != is_inverse(instrument)
    return money.subtract(value, cost) if gains_with_value else money.subtract(cost, value)


def daily_pnl_of(position: Position, mark: Decimal | None) -> Decimal | None:
    """Realized and marked change since the roll; None where a mark that it needs is not known.

    `mark` is the price now. What is flat needs none, and what was flat at the roll needs none of then.
    """
    if not position.is_day_known:
        return None
    then = unrealized_pnl(position.instrument, position.day_quantity, position.day_cost, position.day_mark)
    now = unrealized_pnl(position.instrument, position.quantity, position.cost, mark)
    if then is None or now is None:
        return None
    realized = money.subtract(position.realized_pnl, position.day_realized_pnl)
    return money.add(realized, money.subtract(now, then))


def unrealized_pnl(instrument: Instrument, quantity: Decimal, cost: Decimal, mark: Decimal | None) -> Decimal | None:
    """What a position would gain if it were closed at the mark; None where one is needed and not known."""
    if not quantity:
        return money.ZERO
    if mark is None or (is_inverse(instrument) and mark <= 0):
        return None
    return gain_of(instrument, quantity, value_of(instrument, money.magnitude(quantity), mark), cost)
