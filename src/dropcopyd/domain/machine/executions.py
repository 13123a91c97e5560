"""Executions and their amendments: known by their identity, applied in whatever state the order is."""

import hashlib
from decimal import Decimal

from dropcopyd.domain import money
from dropcopyd.domain.amendment import Amendment, AmendmentKind
from dropcopyd.domain.breaks import BreakKind
from dropcopyd.domain.event import Trade
from dropcopyd.domain.instrument import is_inverse, value_of
from dropcopyd.domain.machine import placeholders, positions
from dropcopyd.domain.machine.story import Story
from dropcopyd.domain.order import Order, OrderSide
from dropcopyd.domain.report import OrderReport, ReportKind
from dropcopyd.domain.state import Chain, Execution


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


def take_trade(story: Story, report: OrderReport) -> None:
    """An execution; one that is known already changes nothing."""
    quantity, price = report.last_quantity, report.last_price
    order = story.order
    if quantity is None or price is None or quantity <= 0 or (is_inverse(order.instrument) and price <= 0):
        story.say(BreakKind.EXECUTION_UNREADABLE, f"execution {report.exec_id!r} of {quantity} at {price}")
        return
    key = execution_key(report, order.order_side)
    known = _known(story.chain, key, report)
    if known is not None:
        figures = (quantity, price)
        if figures not in ((known.quantity, known.price), (known.effective_quantity, known.effective_price)):
            told = f"execution {key!r} of {known.quantity} at {known.price} reported again as {quantity} at {price}"
            story.say(BreakKind.EXECUTION_DIFFERS, told, f"{order.order_id}|{key}")
        return
    story.show_alive()
    superseded = placeholders.superseded_by(story, report, key) if story.chain.placeholders else ()
    executed_ns = story.at_ns if report.broker_sent_at_ns is None else report.broker_sent_at_ns
    filled = money.add(order.filled_quantity, order.counted(quantity, executed_ns))
    value = money.add(order.filled_value, value_of(order.instrument, quantity, price))
    for amendment in superseded:
        filled = money.subtract(filled, placeholders.count_gone(story, amendment))
        value = money.subtract(value, placeholders.value_gone(amendment))
    story.report(report, filled_quantity=filled, filled_value=value)
    story.stamp_fill()
    if not superseded:  # what was counted before came late: the broker's count is of its time
        check_figures(story, report)
    for amendment in superseded:
        story.draft.amendment(amendment)
        positions.take_amendment(story.draft, amendment)
    trade = _trade_of(story.order, report, key, quantity, price, story.at_ns)
    story.draft.trade(trade)
    positions.take_execution(story.draft, trade)


def _known(chain: Chain, key: str, report: OrderReport) -> Execution | None:
    """The execution of that identity; one that was told without its trade date, or is so now, by its id alone."""
    known = chain.executions.get(key)
    if known is not None or report.exec_id is None or not chain.executions:
        return known
    if report.trade_date is not None and not chain.has_undated:
        return None
    found = chain.find_execution(report.exec_id, report.trade_date)
    known = None if found is None else chain.executions[found]
    is_same_day = known is not None and None in (known.trade_date, report.trade_date)
    return known if is_same_day else None


def check_figures(story: Story, report: OrderReport) -> None:
    """Check the broker's cumulative quantity against the executions: never added from, always compared."""
    order = story.order
    told = report.cumulative_quantity
    if told is not None and told != order.filled_quantity:
        story.say(
            BreakKind.CUMULATIVE_DIFFERS,
            f"the broker's cumulative quantity {money.render(told)} is not {money.render(order.filled_quantity)}",
        )
    if order.filled_quantity > order.terms.quantity:
        excess = f"filled {money.render(order.filled_quantity)} of {money.render(order.terms.quantity)}"
        story.say(BreakKind.OVERFILLED, excess)


def take_amendment(story: Story, report: OrderReport) -> bool:
    """A bust or correction; False when the execution that it amends is not known."""
    ref, chain, order = report.exec_ref_id, story.chain, story.order
    key = None if ref is None else chain.find_execution(ref, report.trade_date)
    if key is None:
        return False
    execution = chain.executions[key]
    figures = _figures_after(execution, report)
    if figures is None or (is_inverse(order.instrument) and figures[1] <= 0):
        told = f"{report.kind} of execution {ref!r} to {report.last_quantity} at {report.last_price}"
        story.say(BreakKind.EXECUTION_UNREADABLE, told)
        return True
    kind = AmendmentKind.BUST if report.kind is ReportKind.BUST else AmendmentKind.CORRECTION
    amendment_key = _amendment_key(report)
    known = chain.amendments.get(amendment_key)
    if known is not None:
        if known != (kind, *figures):
            told = f"amendment {amendment_key!r} of execution {ref!r} reported again with other figures"
            story.say(BreakKind.AMENDMENT_DIFFERS, told, f"{order.order_id}|{amendment_key}")
        return True
    _amend(story, report, _amendment_of(story, report, key, amendment_key, figures))
    return True


def _figures_after(execution: Execution, report: OrderReport) -> tuple[Decimal, Decimal] | None:
    """Quantity and price in force after an amendment; what a correction does not say stays. None where it is absurd."""
    if report.kind is ReportKind.BUST:
        return money.ZERO, execution.effective_price
    quantity = report.last_quantity if report.last_quantity is not None else execution.effective_quantity
    price = report.last_price if report.last_price is not None else execution.effective_price
    is_empty = report.last_quantity is None and report.last_price is None
    return None if is_empty or quantity < 0 else (quantity, price)


def _amendment_key(report: OrderReport) -> str:
    """Identity of an amendment within its order: its own id, else a hash of what it says."""
    if report.exec_id is not None:
        return f"{report.trade_date or ''}|{report.exec_id}"
    facts = f"{report.kind}|{report.exec_ref_id}|{report.last_quantity}|{report.last_price}|{report.broker_sent_at_ns}"
    return "hash|" + hashlib.sha256(facts.encode()).hexdigest()[:32]


def _amend(story: Story, report: OrderReport, amendment: Amendment) -> None:
    """The order's figures without the old ones of the execution and with the new ones."""
    order, instrument = story.order, story.order.instrument
    was_filled = order.filled_quantity >= order.terms.quantity
    executed_ns = story.chain.executions[amendment.execution_key].executed_ns
    counted_before = order.counted(amendment.quantity_before, executed_ns)
    counted_after = order.counted(amendment.quantity_after, executed_ns)
    filled = money.add(money.subtract(order.filled_quantity, counted_before), counted_after)
    value_before = value_of(instrument, amendment.quantity_before, amendment.price_before)
    value_after = value_of(instrument, amendment.quantity_after, amendment.price_after)
    value = money.add(money.subtract(order.filled_value, value_before), value_after)
    superseded = placeholders.superseded_by_growth(story, report, amendment) if story.chain.placeholders else ()
    for one in superseded:
        filled = money.subtract(filled, placeholders.count_gone(story, one))
        value = money.subtract(value, placeholders.value_gone(one))
    reopens = filled < order.terms.quantity and was_filled
    is_closed = order.is_closed or (reopens and not story.draft.state.capabilities.bust_reopens)
    story.report(report, filled_quantity=filled, filled_value=value, is_closed=is_closed)
    check_figures(story, report)
    for one in (*superseded, amendment):
        story.draft.amendment(one)
        positions.take_amendment(story.draft, one)


def _amendment_of(
    story: Story, report: OrderReport, key: str, amendment_key: str, figures: tuple[Decimal, Decimal]
) -> Amendment:
    order, execution = story.order, story.chain.executions[key]
    return Amendment(
        account_id=order.account_id,
        organization_id=order.organization_id,
        kind=AmendmentKind.BUST if report.kind is ReportKind.BUST else AmendmentKind.CORRECTION,
        order_id=order.order_id,
        intent_id=order.intent_id,
        external_order_id=order.external_order_id,
        instrument=order.instrument,
        order_side=order.order_side,
        execution_key=key,
        amendment_key=amendment_key,
        exec_id=execution.last_exec_id,
        new_exec_id=report.exec_id,
        quantity_before=execution.effective_quantity,
        price_before=execution.effective_price,
        quantity_after=figures[0],
        price_after=figures[1],
        received_at_ns=story.at_ns,
        reason=report.reason,
        broker_sent_at_ns=report.broker_sent_at_ns,
    )


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
