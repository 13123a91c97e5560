"""Comparing: each figure that a broker's list has otherwise than the record, as a `Difference`. Changes nothing.

Left out is what has an open question: an order with a command that has no outcome yet, and the position of an
instrument while one of its orders is in doubt.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from dropcopyd.domain import money
from dropcopyd.domain.breaks import BreakKind
from dropcopyd.domain.instrument import InstrumentKey, key_of
from dropcopyd.domain.order import OrderState
from dropcopyd.domain.reconciliation import Difference, Figure
from dropcopyd.domain.report import BrokerSnapshot, OrderClaim, OrderReport, ReportKind
from dropcopyd.domain.state import AccountState, Chain, Execution

NOT_OPEN: Final = "NOT_OPEN"
"""The broker does not list the order among those that are open."""


def order(chain: Chain, claim: OrderClaim) -> Iterator[Difference]:
    """An order that the broker has open."""
    if chain.has_open_question:
        return
    order, terms = chain.order, chain.order.terms
    if claim.is_open and order.state is not OrderState.OPEN:
        yield _of_order(chain, BreakKind.QUANTITY, Figure.ORDER_STATE, order.status.value, OrderState.OPEN.value)
    elif claim.quantity != terms.quantity:
        yield _of_order(chain, BreakKind.QUANTITY, Figure.QUANTITY, *_texts(terms.quantity, claim.quantity))
    if terms.limit_price is not None and claim.limit_price is not None and claim.limit_price != terms.limit_price:
        yield _of_order(chain, BreakKind.PRICE, Figure.LIMIT_PRICE, *_texts(terms.limit_price, claim.limit_price))
    if claim.stop_price is not None and claim.stop_price != terms.stop_price:
        ours = "" if terms.stop_price is None else money.render(terms.stop_price)
        yield _of_order(chain, BreakKind.PRICE, Figure.STOP_PRICE, ours, money.render(claim.stop_price))
    if claim.cumulative_quantity != order.filled_quantity:
        figures = _texts(order.filled_quantity, claim.cumulative_quantity)
        yield _of_order(chain, BreakKind.QUANTITY, Figure.FILLED_QUANTITY, *figures)


def unlisted_order(chain: Chain) -> Difference | None:
    """An order of ours that ought to be open at the broker, and that the broker does not list."""
    order = chain.order
    if not order.is_accepted or order.state is not OrderState.OPEN or chain.has_open_question:
        return None
    return _of_order(chain, BreakKind.QUANTITY, Figure.ORDER_STATE, order.status.value, NOT_OPEN)


def unknown_order(claim: OrderClaim) -> Difference:
    """An order that the broker has open and nobody here knows."""
    named = claim.external_order_id or claim.broker_command_id
    return Difference(
        kind=BreakKind.UNKNOWN_ORDER,
        subject=named,
        figure=Figure.ORDER,
        ours="",
        theirs=OrderState.OPEN.value,
        detail=f"the broker has order {named} in {claim.key[1]} open, nobody here knows it",
        key=claim.key,
    )


def missing_fill(report: OrderReport, chain: Chain | None) -> Difference:
    """An execution that the broker lists and that was never told; `chain` is its order, if that is known by now."""
    order = None if chain is None else chain.order
    named = report.external_order_id or report.broker_command_id if order is None else order.order_id
    quantity = money.render(report.last_quantity or money.ZERO)
    return Difference(
        kind=BreakKind.MISSING_FILL,
        subject=f"{named}|{report.exec_id or ''}",
        figure=Figure.QUANTITY,
        ours="0",
        theirs=quantity,
        detail=f"order {named}: execution {report.exec_id!r} of {quantity} was never told",
        key=None if order is None else key_of(order.instrument),
        order_id=None if order is None else order.order_id,
    )


def execution(chain: Chain, known: Execution, report: OrderReport) -> Iterator[Difference]:
    """An execution that the broker has with other figures than those in force here: those of its TRADE, or of the last
    amendment. It is named as that names it."""
    order_id, key, is_bust = chain.order.order_id, key_of(chain.order.instrument), report.kind is ReportKind.BUST
    exec_id = report.exec_id if report.kind is ReportKind.TRADE else known.exec_ids[0]
    figures = (
        (
            BreakKind.QUANTITY,
            Figure.QUANTITY,
            known.effective_quantity,
            money.ZERO if is_bust else report.last_quantity,
        ),
        (BreakKind.PRICE, Figure.PRICE, known.effective_price, None if is_bust else report.last_price),
    )
    for kind, figure, ours, theirs in figures:
        if theirs is not None and theirs != ours:
            here, there = _texts(ours, theirs)
            yield Difference(
                kind=kind,
                subject=f"{order_id}|{exec_id}",
                figure=figure,
                ours=here,
                theirs=there,
                detail=f"order {order_id}, execution {exec_id!r}: {figure} {here} here, {there} at the broker",
                key=key,
                order_id=order_id,
            )


def positions(state: AccountState, snapshot: BrokerSnapshot) -> Iterator[Difference]:
    """What is held of each instrument."""
    theirs = {claim.key: claim.quantity for claim in snapshot.positions}
    ours = {key: position.quantity for key, position in state.positions.items() if position.quantity}
    for key in sorted(theirs.keys() | ours.keys()):
        here, there = ours.get(key, money.ZERO), theirs.get(key, money.ZERO)
        if here != there and not is_in_doubt(state, key):
            texts = _texts(here, there)
            yield Difference(
                kind=BreakKind.POSITION,
                subject=f"{key[0].value}|{key[1]}",
                figure=Figure.QUANTITY,
                ours=texts[0],
                theirs=texts[1],
                detail=f"position {key[1]}: {texts[0]} here, {texts[1]} at the broker",
                key=key,
            )


def cash(state: AccountState, snapshot: BrokerSnapshot) -> Iterator[Difference]:
    """The cash of each currency that both sides tell."""
    for report in snapshot.balances:
        known = state.balances.get(report.currency)
        ours = None if known is None else known.cash
        if report.cash is not None and ours is not None and report.cash != ours:
            texts = _texts(ours, report.cash)
            yield Difference(
                kind=BreakKind.CASH,
                subject=report.currency,
                figure=Figure.CASH,
                ours=texts[0],
                theirs=texts[1],
                detail=f"cash {report.currency}: {texts[0]} here, {texts[1]} at the broker",
            )


def is_in_doubt(state: AccountState, key: InstrumentKey | None) -> bool:
    """Whether an order of the instrument is in doubt: nobody knows what it has done to the position."""
    return any(
        chain.order.in_doubt_since_ns is not None and key_of(chain.order.instrument) == key
        for chain in state.chains.values()
    )


def stands(state: AccountState, difference: Difference) -> bool:
    """Whether our side still shows the figure of a difference; of an order that has left memory it does."""
    if difference.kind is BreakKind.POSITION and difference.key is not None:
        held = state.positions.get(difference.key)
        return money.render(money.ZERO if held is None else held.quantity) == difference.ours
    if difference.kind is BreakKind.CASH:
        known = state.balances.get(difference.subject)
        return known is not None and known.cash is not None and money.render(known.cash) == difference.ours
    chain = state.chains.get(difference.order_id or "")
    if chain is None:
        return True
    if difference.figure is Figure.ORDER_STATE:
        return chain.order.status == difference.ours
    ours = execution_figure(chain, difference) if "|" in difference.subject else order_figure(chain, difference)
    return (ours or "") == difference.ours


def order_figure(chain: Chain, difference: Difference) -> str | None:
    """The order's figure as it is now."""
    order = chain.order
    match difference.figure:
        case Figure.FILLED_QUANTITY:
            return money.render(order.filled_quantity)
        case Figure.QUANTITY:
            return money.render(order.terms.quantity)
        case Figure.LIMIT_PRICE:
            return None if order.terms.limit_price is None else money.render(order.terms.limit_price)
        case Figure.STOP_PRICE:
            return None if order.terms.stop_price is None else money.render(order.terms.stop_price)
    return None


def execution_figure(chain: Chain, difference: Difference) -> str | None:
    """The execution's figure in force now."""
    key = chain.find_execution(difference.subject.partition("|")[2], None)
    if key is None:
        return None
    known = chain.executions[key]
    return money.render(known.effective_price if difference.figure is Figure.PRICE else known.effective_quantity)


def _of_order(chain: Chain, kind: BreakKind, figure: Figure, ours: str, theirs: str) -> Difference:
    order = chain.order
    return Difference(
        kind=kind,
        subject=order.order_id,
        figure=figure,
        ours=ours,
        theirs=theirs,
        detail=f"order {order.order_id}: {figure} {ours} here, {theirs} at the broker",
        key=key_of(order.instrument),
        order_id=order.order_id,
    )


def _texts(ours: Decimal, theirs: Decimal) -> tuple[str, str]:
    return money.render(ours), money.render(theirs)
