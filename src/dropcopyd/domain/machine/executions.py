"""Executions: known by their identity, applied in whatever state the order is."""

import hashlib
from decimal import Decimal

from dropcopyd.domain import money
from dropcopyd.domain.command import Command
from dropcopyd.domain.event import Trade
from dropcopyd.domain.instrument import is_inverse, value_of
from dropcopyd.domain.machine import positions
from dropcopyd.domain.machine.draft import Draft
from dropcopyd.domain.order import Order, OrderSide
from dropcopyd.domain.report import OrderReport
from dropcopyd.domain.state import Chain


def execution_key(report: OrderReport, side: OrderSide) -> str:
    """Identity of an execution within its order: (trade date, side, exec_id).

    Without an exec_id a hash of the order's cumulative quantity, the price and the transaction time.
    """
    if report.exec_id is not None:
        return f"{report.trade_date or ''}|{side}|{report.exec_id}"
    amounts = (
        "" if value is None else money.render(value) for value in (report.cumulative_quantity, report.last_price)
    )
    facts = f"{'|'.join(amounts)}|{report.broker_sent_at_ns}|{side}"
    return "hash|" + hashlib.sha256(facts.encode()).hexdigest()[:32]


def take_trade(draft: Draft, chain: Chain, command: Command, report: OrderReport) -> None:
    quantity, price = report.last_quantity, report.last_price
    order = chain.order
    if quantity is None or price is None or quantity <= 0 or (is_inverse(order.instrument) and price <= 0):
        draft.notes.append(f"trade report without a quantity or price that has a value, for order {order.order_id}")
        return
    key = execution_key(report, order.order_side)
    known = chain.executions.get(key)
    if known is not None:
        if known != (quantity, price):
            draft.notes.append(f"execution {key!r} of order {order.order_id} reported again with other content")
        return
    draft.accept_create(chain)
    filled = money.add(order.filled_quantity, quantity)
    order = draft.reported(
        draft.order_of(chain),
        command,
        report,
        filled_quantity=filled,
        filled_value=money.add(order.filled_value, value_of(order.instrument, quantity, price)),
    )
    if report.cumulative_quantity is not None and report.cumulative_quantity != filled:
        draft.notes.append(
            f"order {order.order_id}: broker's cumulative quantity {report.cumulative_quantity} differs from {filled}"
        )
    if filled > order.terms.quantity:
        draft.notes.append(f"order {order.order_id}: filled {filled} of {order.terms.quantity}")
    draft.stamp_fill(chain)
    execution = _trade_of(order, report, key, quantity, price, draft.at_ns)
    draft.trade(execution)
    draft.publish(order)
    positions.take_execution(draft, execution)


def _trade_of(order: Order, report: OrderReport, key: str, quantity: Decimal, price: Decimal, at_ns: int) -> Trade:
    return Trade(
        account_id=order.account_id,
        organization_id=order.organization_id,
        order_id=order.order_id,
        intent_id=order.intent_id,
        external_order_id=order.external_order_id,
        instrument=order.instrument,
        order_side=order.order_side,
        quantity=quantity,
        price=price,
        received_at_ns=at_ns,
        execution_key=key,
        exec_id=report.exec_id,
        cumulative_quantity=order.filled_quantity,
        order_quantity=order.terms.quantity,
        leaves_quantity=order.leaves_quantity,
        broker_sent_at_ns=report.broker_sent_at_ns,
        origin=order.origin,
        strategy_id=order.strategy_id,
        fees=report.fees,
        trade_date=report.trade_date,
        venue=report.venue,
        liquidity=report.liquidity,
    )
