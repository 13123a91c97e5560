"""Placeholders: executions that a person booked until the broker's own arrive, and how those supersede them.

The real execution takes from the placeholder what would otherwise be counted twice, in the commit that books it: a bust
when nothing is left of the placeholder, else a correction to the rest.
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from dropcopyd.domain import money
from dropcopyd.domain.amendment import Amendment, AmendmentKind
from dropcopyd.domain.instrument import value_of
from dropcopyd.domain.machine.story import Story
from dropcopyd.domain.report import OrderReport
from dropcopyd.domain.state import PLACEHOLDER, Execution


def superseded_by(story: Story, report: OrderReport, key: str) -> tuple[Amendment, ...]:
    """The amendments of the order's placeholders by an execution that is about to be booked under `key`."""
    if report.last_quantity is None or (report.exec_id or "").startswith(PLACEHOLDER):
        return ()
    return tuple(_amendments(story, report, key, report.last_quantity))


def superseded_by_growth(story: Story, report: OrderReport, amendment: Amendment) -> tuple[Amendment, ...]:
    """The amendments of the order's placeholders by an execution that a correction makes larger: what it is larger by
    happened when the execution did."""
    growth = money.subtract(amendment.quantity_after, amendment.quantity_before)
    key = amendment.execution_key
    if growth <= 0 or key in (story.chain.placeholders or {}):
        return ()
    happened = replace(report, broker_sent_at_ns=story.chain.executions[key].executed_ns)
    return tuple(_amendments(story, happened, f"{key}|{amendment.amendment_key}", growth))


def count_gone(story: Story, amendment: Amendment) -> Decimal:
    """What an amendment takes from the order's filled quantity."""
    executed_ns = story.chain.executions[amendment.execution_key].executed_ns
    before = story.order.counted(amendment.quantity_before, executed_ns)
    return money.subtract(before, story.order.counted(amendment.quantity_after, executed_ns))


def value_gone(amendment: Amendment) -> Decimal:
    """What an amendment takes from the order's filled value."""
    before = value_of(amendment.instrument, amendment.quantity_before, amendment.price_before)
    return money.subtract(before, value_of(amendment.instrument, amendment.quantity_after, amendment.price_after))


def _amendments(story: Story, report: OrderReport, key: str, quantity: Decimal) -> Iterator[Amendment]:
    left = quantity
    if report.cumulative_quantity is not None:  # what would be above the broker's own count was counted already
        total = money.add(story.order.filled_quantity, quantity)
        left = min(quantity, money.subtract(total, report.cumulative_quantity))
    for placeholder_key, booked_ns in (story.chain.placeholders or {}).items():
        execution = story.chain.executions[placeholder_key]
        held = execution.effective_quantity
        if left <= 0:
            return
        if not held or not _may_stand_for(execution, booked_ns, report):
            continue
        taken = min(left, held)
        left = money.subtract(left, taken)
        yield _amendment(story, report, placeholder_key, key, money.subtract(held, taken))


def _may_stand_for(execution: Execution, booked_ns: int, report: OrderReport) -> bool:
    """Whether the execution may be the one that was missing: it happened before the placeholder was booked. Of one
    without any figure to tell by only one with the same quantity and price is."""
    if report.broker_sent_at_ns is not None:
        return report.broker_sent_at_ns <= booked_ns
    if report.cumulative_quantity is not None:
        return True
    return (report.last_quantity, report.last_price) == (execution.effective_quantity, execution.effective_price)


def _amendment(story: Story, report: OrderReport, placeholder_key: str, key: str, rest: Decimal) -> Amendment:
    order, execution = story.order, story.chain.executions[placeholder_key]
    return Amendment(
        account_id=order.account_id,
        organization_id=order.organization_id,
        kind=AmendmentKind.CORRECTION if rest else AmendmentKind.BUST,
        order_id=order.order_id,
        intent_id=order.intent_id,
        external_order_id=report.external_order_id or order.external_order_id,
        instrument=order.instrument,
        order_side=order.order_side,
        execution_key=placeholder_key,
        amendment_key=f"superseded|{placeholder_key}|{key}",
        exec_id=execution.last_exec_id,
        new_exec_id=None,
        quantity_before=execution.effective_quantity,
        price_before=execution.effective_price,
        quantity_after=rest,
        price_after=execution.effective_price,
        received_at_ns=story.at_ns,
        reason=f"superseded by execution {report.exec_id or key}",
    )
