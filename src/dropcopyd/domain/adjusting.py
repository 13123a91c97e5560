"""What an adjustment does to a position. docs/positions.md has the same rules with numbers."""

from dataclasses import replace
from decimal import Decimal

from dropcopyd.domain import money
from dropcopyd.domain.adjustment import Adjustment, AdjustmentKind
from dropcopyd.domain.instrument import Future, Perpetual
from dropcopyd.domain.position import Position, gain_of, part_of_cost


def take_adjustment(position: Position, adjustment: Adjustment) -> Position:
    """The position after an adjustment of its instrument.

    Cash in another currency than the instrument's is not profit of this position: it moves the balance alone.
    """
    cash = adjustment.cash_delta if _is_own_currency(position, adjustment) else money.ZERO
    match adjustment.kind:
        case AdjustmentKind.OPENING | AdjustmentKind.TRANSFER | AdjustmentKind.MANUAL:
            return _move(position, adjustment)
        case AdjustmentKind.SPLIT:
            return _split(position, adjustment, cash)
        case AdjustmentKind.EXPIRY | AdjustmentKind.ASSIGNMENT:
            return _settle(position, adjustment, cash)
        case AdjustmentKind.FUNDING:
            return _realize(position, cash)
        case AdjustmentKind.FEE | AdjustmentKind.DAY_ROLL:
            return position


def _is_own_currency(position: Position, adjustment: Adjustment) -> bool:
    return adjustment.currency is None or adjustment.currency == position.instrument.currency


def _realize(position: Position, gain: Decimal) -> Position:
    return replace(position, realized_pnl=money.add(position.realized_pnl, gain))


def _move(position: Position, adjustment: Adjustment) -> Position:
    """Nothing is realized. Without a cost, what goes takes its part with it and what comes has the average of now."""
    delta, cost_delta = adjustment.quantity_delta, adjustment.cost_delta
    quantity = money.add(position.quantity, delta)
    if cost_delta is None:
        cost_delta = _cost_of_move(position, delta)
    cost = money.add(position.cost, cost_delta) if quantity else money.ZERO
    is_same = not delta and cost == position.cost
    return replace(position, quantity=quantity, cost=cost, is_day_known=position.is_day_known and is_same)


def _cost_of_move(position: Position, delta: Decimal) -> Decimal:
    held, size = position.quantity, money.magnitude(delta)
    if not held or not delta:
        return money.ZERO
    if (held > 0) == (delta > 0):
        return money.divide(money.multiply(position.cost, size), money.magnitude(held))
    return money.negate(part_of_cost(position, size))


def _split(position: Position, adjustment: Adjustment, cash: Decimal) -> Position:
    """The cost stays with what is left. Where nothing is left on the side held, the rest of the cost is lost."""
    quantity = money.add(position.quantity, adjustment.quantity_delta)
    cost = money.add(position.cost, adjustment.cost_delta or money.ZERO)
    if not quantity or (position.quantity and (quantity > 0) != (position.quantity > 0)):
        held = position.quantity
        lost = gain_of(position.instrument, held, money.ZERO, cost) if held else money.ZERO
        return replace(_realize(position, money.add(cash, lost)), quantity=quantity, cost=money.ZERO)
    return replace(_realize(position, cash), quantity=quantity, cost=cost)


def _settle(position: Position, adjustment: Adjustment, cash: Decimal) -> Position:
    """Quantity against cash, as an execution whose whole value is the cash.

    What trades on margin (futures, perpetuals) never paid its value: there the cash is the profit itself.
    """
    quantity = money.add(position.quantity, adjustment.quantity_delta)
    cost = _settled_cost(position, adjustment, cash)
    gain = cash
    if not isinstance(position.instrument, Future | Perpetual):
        kept = money.subtract(_signed(quantity, cost), _signed(position.quantity, position.cost))
        gain = money.add(cash, kept)
    return replace(_realize(position, gain), quantity=quantity, cost=cost)


def _settled_cost(position: Position, adjustment: Adjustment, cash: Decimal) -> Decimal:
    held, delta = position.quantity, adjustment.quantity_delta
    if not money.add(held, delta):
        return money.ZERO
    if adjustment.cost_delta is not None:
        return money.add(position.cost, adjustment.cost_delta)
    if not delta:
        return position.cost
    is_margined = isinstance(position.instrument, Future | Perpetual)
    value = money.ZERO if is_margined else (cash if delta < 0 else money.negate(cash))
    if not held or (held > 0) == (delta > 0):
        return money.add(position.cost, value)
    size, open_size = money.magnitude(delta), money.magnitude(held)
    if size <= open_size:
        return money.subtract(position.cost, part_of_cost(position, size))
    return money.divide(money.multiply(value, money.subtract(size, open_size)), size)


def _signed(quantity: Decimal, cost: Decimal) -> Decimal:
    return money.negate(cost) if quantity < 0 else cost
