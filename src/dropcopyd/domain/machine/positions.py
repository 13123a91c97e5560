"""What executions and amendments make of a position."""

from dataclasses import replace
from decimal import Decimal

from dropcopyd.domain import money, position
from dropcopyd.domain.amendment import Amendment
from dropcopyd.domain.event import Trade
from dropcopyd.domain.instrument import Instrument, key_of
from dropcopyd.domain.machine.draft import Draft
from dropcopyd.domain.order import OrderSide


def take_execution(draft: Draft, trade: Trade) -> None:
    """The position after an execution that is in the draft; called once for each."""
    signed = _signed(trade.order_side, trade.quantity)
    after = position.take_execution(_held(draft, trade.instrument), signed, trade.price)
    _publish(draft, after, trade.broker_sent_at_ns)


def take_amendment(draft: Draft, amendment: Amendment) -> None:
    """The position after an amendment that is in the draft; called once for each.

    The execution is taken back at its old figures and taken again at the new ones.
    """
    after = _held(draft, amendment.instrument)
    side, before = amendment.order_side, amendment.quantity_before
    if before:
        after = position.take_execution(after, money.negate(_signed(side, before)), amendment.price_before)
    if amendment.quantity_after:
        after = position.take_execution(after, _signed(side, amendment.quantity_after), amendment.price_after)
    _publish(draft, after, amendment.broker_sent_at_ns)


def _signed(side: OrderSide, quantity: Decimal) -> Decimal:
    return quantity if side is OrderSide.BUY else money.negate(quantity)


def _held(draft: Draft, instrument: Instrument) -> position.Position:
    account = draft.state.account
    return draft.held(key_of(instrument)) or position.Position(
        account_id=account.account_id,
        organization_id=account.organization_id,
        broker=account.broker,
        instrument=instrument,
    )


def _publish(draft: Draft, after: position.Position, broker_sent_at_ns: int | None) -> None:
    draft.position(replace(after, received_at_ns=draft.at_ns, broker_sent_at_ns=broker_sent_at_ns))
