"""What a person decides about a break: the booking and the closed ticket, in one batch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from dropcopyd.domain import money
from dropcopyd.domain.adjustment import AdjustmentKind
from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.domain.balance import Balance
from dropcopyd.domain.breaks import BreakKind
from dropcopyd.domain.event import Batch, Event, EventType
from dropcopyd.domain.instrument import Instrument, is_inverse, key_of
from dropcopyd.domain.machine.adjustments import take_adjustment
from dropcopyd.domain.machine.draft import Draft
from dropcopyd.domain.machine.executions import take_amendment, take_trade
from dropcopyd.domain.machine.reports import take_cancelled
from dropcopyd.domain.machine.story import Story
from dropcopyd.domain.order import Order, OrderState
from dropcopyd.domain.reconciliation import (
    BreakStatus,
    Closing,
    Figure,
    Resolution,
    ResolutionAction,
    Ticket,
)
from dropcopyd.domain.report import AdjustmentReport, OrderReport, ReportKind
from dropcopyd.domain.state import PLACEHOLDER, AccountState, Chain
from dropcopyd.errors import Code, DropcopyError, InvalidError

CLOSED_BY_HAND: Final = "closed_by_hand"
"""Reason code of an order that a person closed here because the broker has it no more."""
_ADJUSTMENT: Final = "break:"
_CORRECTION: Final = "correction:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is asked for, as amounts; None is what the ticket itself says."""

    action: ResolutionAction
    reason: str
    kind: AdjustmentKind = AdjustmentKind.MANUAL
    quantity_delta: Decimal | None = None
    cost_delta: Decimal | None = None
    cash_delta: Decimal | None = None
    order_id: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    executed_at_ns: int | None = None


def actions_for(ticket: Ticket) -> frozenset[ResolutionAction]:
    """What may be decided about a break."""
    difference, action = ticket.difference, ResolutionAction
    found: set[ResolutionAction] = {action.ACCEPT}
    match difference.kind, difference.figure:
        case BreakKind.POSITION, _:
            found |= {action.BOOK_ADJUSTMENT, action.BOOK_EXECUTION, action.BOOK_CORRECTION}
        case BreakKind.CASH, _:
            found |= {action.BOOK_ADJUSTMENT}
        case BreakKind.QUANTITY, Figure.FILLED_QUANTITY:
            found |= {action.BOOK_EXECUTION, action.BOOK_CORRECTION}
        case BreakKind.QUANTITY, Figure.ORDER_STATE:
            found |= {action.BOOK_EXECUTION, action.CLOSE_ORDER}
    if _is_of_execution(ticket):
        found |= {action.BOOK_CORRECTION}
    return frozenset(found)


def resolve(
    state: AccountState,
    ticket: Ticket,
    decision: Decision,
    *,
    principal_id: str,
    asked: Mapping[str, str],
    instrument: Instrument | None,
    now_ns: int,
) -> Batch:
    """Book what was decided and close the ticket.

    The caller has loaded the chain that the decision or the ticket names. Raises InvalidError for a decision that does
    not fit, DropcopyError(BREAK_CHANGED) when the record has moved since the ticket was last seen, NeedsRecords.
    """
    allowed = actions_for(ticket)
    if decision.action not in allowed:
        words = ", ".join(sorted(allowed))
        raise InvalidError(f"a break of {_name(ticket)} takes {words}", pointer="/action")
    at_ns = max(now_ns, state.last_ns)
    batch, booked = _BOOK[decision.action](state, ticket, decision, instrument, at_ns)
    resolution = Resolution(
        action=decision.action,
        reason=decision.reason,
        principal_id=principal_id,
        at_ns=at_ns,
        asked=asked,
        booked=booked,
    )
    return replace(
        batch,
        tickets=(_resolved(ticket, resolution),),
        audits=(_audit(state, ticket, resolution),),
    )


_Booking = tuple[Batch, str | None]


def _name(ticket: Ticket) -> str:
    difference = ticket.difference
    return difference.kind.value if difference.figure is None else f"{difference.kind.value} ({difference.figure})"


def _resolved(ticket: Ticket, resolution: Resolution) -> Ticket:
    """An accepted difference stands on, as accepted; of what was only said nothing can be compared again."""
    if resolution.action is ResolutionAction.ACCEPT and not ticket.is_said:
        return replace(ticket, status=BreakStatus.ACCEPTED, resolution=resolution)
    return replace(
        ticket,
        status=BreakStatus.CLOSED,
        closing=Closing.RESOLVED,
        closed_at_ns=resolution.at_ns,
        resolution=resolution,
    )


def _accept(
    state: AccountState, _ticket: Ticket, _decision: Decision, _instrument: Instrument | None, at_ns: int
) -> _Booking:
    return Batch(account_id=state.account.account_id, at_ns=at_ns), None


def _adjust(
    state: AccountState, ticket: Ticket, decision: Decision, instrument: Instrument | None, at_ns: int
) -> _Booking:
    if ticket.difference.kind is BreakKind.CASH:
        return _adjust_cash(state, ticket, decision, at_ns)
    key = ticket.difference.key
    if key is None or instrument is None:
        raise DropcopyError(Code.UNKNOWN_SYMBOL, f"{ticket.difference.subject} is not in the catalogue")
    delta = decision.quantity_delta
    if delta is None:
        held = state.position_of(instrument).quantity
        _require_same(ticket, money.render(held))
        delta = ticket.difference.gap
    report = AdjustmentReport(
        adjustment_id=f"{_ADJUSTMENT}{ticket.break_id}",
        kind=decision.kind,
        key=key,
        quantity_delta=delta,
        cost_delta=decision.cost_delta,
        cash_delta=decision.cash_delta,
        currency=None if decision.cash_delta is None else instrument.currency,
        note=decision.reason,
    )
    return _taken(take_adjustment(state, report, instrument, at_ns)), report.adjustment_id


def _adjust_cash(state: AccountState, ticket: Ticket, decision: Decision, at_ns: int) -> _Booking:
    """The adjustment says why; the balance is the broker's figure from now on."""
    currency = ticket.difference.subject
    known = state.balances.get(currency)
    delta, ours = decision.cash_delta, None if known is None else known.cash
    if delta is None:
        _require_same(ticket, "" if ours is None else money.render(ours))
        delta = ticket.difference.gap
    if known is None or ours is None or delta is None:
        raise DropcopyError(Code.BREAK_CHANGED, f"there is no cash in {currency} here any more; reconcile again")
    report = AdjustmentReport(
        adjustment_id=f"{_ADJUSTMENT}{ticket.break_id}",
        kind=decision.kind,
        cash_delta=delta,
        currency=currency,
        note=decision.reason,
    )
    batch = _taken(take_adjustment(state, report, None, at_ns))
    balance: Balance = replace(known, cash=money.add(ours, delta), received_at_ns=at_ns)
    told = Event(EventType.ACCOUNT_BALANCE, balance)
    return replace(batch, events=(*batch.events, told), balances=(balance,)), report.adjustment_id


def _taken(batch: Batch | None) -> Batch:
    if batch is None or not batch.adjustments:
        raise DropcopyError(Code.BREAK_CHANGED, "the adjustment is booked already; read the break again")
    return batch


def _require_same(ticket: Ticket, ours: str) -> None:
    """What the ticket says stands on what was here then."""
    if ours != ticket.difference.ours:
        told = f"{ours or 'nothing'} is here now, not {ticket.difference.ours}"
        raise DropcopyError(Code.BREAK_CHANGED, f"{told}; reconcile again, or say the amount", ours=ours)


def _require_unmoved(ticket: Ticket, order: Order) -> None:
    """What was missing may have come since the ticket was last seen, and would be booked twice."""
    if order.received_at_ns > ticket.last_at_ns:
        raise DropcopyError(Code.BREAK_CHANGED, "the order has moved since the break was last seen; reconcile again")


def _is_of_execution(ticket: Ticket) -> bool:
    """Whether it is about a figure of one execution that the broker lists."""
    difference = ticket.difference
    return "|" in difference.subject and difference.kind in (BreakKind.QUANTITY, BreakKind.PRICE)


def _execute(
    state: AccountState, ticket: Ticket, decision: Decision, _instrument: Instrument | None, at_ns: int
) -> _Booking:
    """An execution of the order that stands in until the broker's own arrives."""
    chain = _chain(state, ticket, decision)
    order, quantity, price = chain.order, decision.quantity, decision.price
    if quantity is None or quantity <= 0:
        raise InvalidError("is required, and above zero", pointer="/quantity")
    if price is None or (is_inverse(order.instrument) and price <= 0):
        raise InvalidError("is required", pointer="/price")
    if decision.executed_at_ns is not None and decision.executed_at_ns > at_ns:
        raise InvalidError("must not be in the future", pointer="/executed_at")
    _require_unmoved(ticket, order)
    report = OrderReport(
        kind=ReportKind.TRADE,
        broker_command_id="",
        exec_id=f"{PLACEHOLDER}{ticket.break_id}",
        last_quantity=quantity,
        last_price=price,
        broker_sent_at_ns=decision.executed_at_ns,
    )
    draft = Draft(state, at_ns)
    take_trade(Story.of(draft, chain, None), report)
    return _drafted(draft), report.exec_id


def _correct(
    state: AccountState, ticket: Ticket, decision: Decision, _instrument: Instrument | None, at_ns: int
) -> _Booking:
    """Other figures of an execution: the broker's or the ones given; of a placeholder what it still stands for."""
    chain = _chain(state, ticket, decision)
    ref, quantity, price = (_listed if _is_of_execution(ticket) else _stood_in)(chain, ticket, decision)
    report = OrderReport(
        kind=ReportKind.CORRECTION if quantity is None or quantity else ReportKind.BUST,
        broker_command_id="",
        exec_id=f"{_CORRECTION}{ticket.break_id}",
        exec_ref_id=ref,
        last_quantity=quantity,
        last_price=price,
        reason=decision.reason,
    )
    draft = Draft(state, at_ns)
    take_amendment(Story.of(draft, chain, None), report)
    if not draft.amendments:
        raise InvalidError("the execution cannot have these figures", pointer="/price")
    return _drafted(draft), report.exec_id


_Corrected = tuple[str | None, Decimal | None, Decimal | None]
"""The execution's id, its quantity and its price; None is as it is."""


def _listed(chain: Chain, ticket: Ticket, decision: Decision) -> _Corrected:
    """The execution that the break is about. The ticket's own figure counts while ours is what it says."""
    difference, exec_id = ticket.difference, ticket.difference.subject.partition("|")[2]
    key = chain.find_execution(exec_id, None)
    if key is None:
        raise DropcopyError(Code.BREAK_CHANGED, f"the order has no execution {exec_id!r} any more")
    execution, quantity, price = chain.executions[key], decision.quantity, decision.price
    if difference.figure is Figure.QUANTITY and quantity is None:
        _require_same(ticket, money.render(execution.effective_quantity))
        quantity = Decimal(difference.theirs)
    if difference.figure is Figure.PRICE and price is None:
        _require_same(ticket, money.render(execution.effective_price))
        price = Decimal(difference.theirs)
    return exec_id, quantity, price


def _stood_in(chain: Chain, ticket: Ticket, decision: Decision) -> _Corrected:
    """The newest placeholder of the order that still stands for something, to be taken back as a whole or in part."""
    standing = [one for key in chain.placeholders or () if (one := chain.executions[key]).effective_quantity]
    if not standing:
        raise InvalidError("the order has no placeholder that could be corrected", pointer="/action")
    held, quantity = standing[-1], decision.quantity
    if quantity is None and decision.price is None:
        raise InvalidError("is required: what the placeholder is to stand for, 0 takes it back", pointer="/quantity")
    _require_unmoved(ticket, chain.order)
    return held.last_exec_id, quantity, decision.price


def _close_order(
    state: AccountState, ticket: Ticket, decision: Decision, _instrument: Instrument | None, at_ns: int
) -> _Booking:
    """The broker has the order no more: what was left of it works no more here."""
    chain = _chain(state, ticket, decision)
    if chain.has_open_question:
        raise DropcopyError(Code.BREAK_CHANGED, "a command of the order has no outcome yet; cancel and wait for it")
    if chain.order.state is not OrderState.OPEN:
        raise DropcopyError(Code.BREAK_CHANGED, f"the order is {chain.order.status} by now")
    _require_unmoved(ticket, chain.order)
    draft = Draft(state, at_ns)
    report = OrderReport(
        kind=ReportKind.CANCELLED, broker_command_id="", reason_code=CLOSED_BY_HAND, reason=decision.reason
    )
    take_cancelled(Story.of(draft, chain, None), report)
    return _drafted(draft), None


def _chain(state: AccountState, ticket: Ticket, decision: Decision) -> Chain:
    order_id = decision.order_id or ticket.difference.order_id
    if order_id is None:
        raise InvalidError("is required for this break", pointer="/order_id")
    if ticket.difference.order_id not in (None, order_id):
        raise InvalidError("the break is about another order", pointer="/order_id")
    chain = state.chains.get(order_id)
    if chain is None:
        raise InvalidError("the account has no such order", pointer="/order_id")
    if ticket.difference.key is not None and key_of(chain.order.instrument) != ticket.difference.key:
        raise InvalidError(f"the order is in {chain.order.instrument.symbol}", pointer="/order_id")
    return chain


def _drafted(draft: Draft) -> Batch:
    batch = draft.batch()
    if batch is None:
        raise DropcopyError(Code.BREAK_CHANGED, "that is booked already; read the break again")
    return batch


def _audit(state: AccountState, ticket: Ticket, resolution: Resolution) -> AuditEntry:
    detail = {
        "kind": ticket.difference.kind.value,
        "action": resolution.action.value,
        "reason": resolution.reason,
        **resolution.asked,
    }
    if resolution.booked is not None:
        detail["booked"] = resolution.booked
    return AuditEntry(
        organization_id=state.account.organization_id,
        account_id=ticket.account_id,
        at_ns=resolution.at_ns,
        principal_id=resolution.principal_id,
        action=AuditAction.BREAK_RESOLVED,
        subject=ticket.break_id,
        detail=detail,
    )


_BOOK: Final[
    Mapping[ResolutionAction, Callable[[AccountState, Ticket, Decision, Instrument | None, int], _Booking]]
] = {
    ResolutionAction.ACCEPT: _accept,
    ResolutionAction.BOOK_ADJUSTMENT: _adjust,
    ResolutionAction.BOOK_EXECUTION: _execute,
    ResolutionAction.BOOK_CORRECTION: _correct,
    ResolutionAction.CLOSE_ORDER: _close_order,
}
