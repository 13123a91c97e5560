"""What executions and amendments make of a position: its fold, at their place (see `domain.fold`)."""

from decimal import Decimal

from dropcopyd.domain import money
from dropcopyd.domain.amendment import Amendment
from dropcopyd.domain.event import Trade
from dropcopyd.domain.fold import Execution, execution_ref
from dropcopyd.domain.machine.draft import Draft
from dropcopyd.domain.order import OrderSide


def take_execution(draft: Draft, trade: Trade) -> None:
    """The position after an execution that is in the draft; called once for each."""
    ref = execution_ref(trade.order_id, trade.execution_key)
    effect = Execution(_signed(trade.order_side, trade.quantity), trade.price)
    draft.position(draft.positions.take(trade.instrument, ref, effect, trade.broker_sent_at_ns))


def take_amendment(draft: Draft, amendment: Amendment) -> None:
    """The position after an amendment that is in the draft; called once for each.

    The execution stays at its place in time with its new figures, none after a bust; what came after it is folded
    again.
    """
    ref = execution_ref(amendment.order_id, amendment.execution_key)
    effect = Execution(_signed(amendment.order_side, amendment.quantity_after), amendment.price_after)
    draft.position(draft.positions.amend(amendment.instrument, ref, effect, amendment.broker_sent_at_ns))


def _signed(side: OrderSide, quantity: Decimal) -> Decimal:
    return quantity if side is OrderSide.BUY else money.negate(quantity)
