"""What a broker says of an order: each report becomes facts, whatever the order's state was."""

from dataclasses import replace

from dropcopyd.domain.command import Command, OutcomeKind
from dropcopyd.domain.event import Batch
from dropcopyd.domain.machine.connection import take_cursor
from dropcopyd.domain.machine.draft import Draft
from dropcopyd.domain.machine.executions import take_trade
from dropcopyd.domain.order import ActionType, PendingRequest
from dropcopyd.domain.report import OrderReport, ReportKind
from dropcopyd.domain.state import AccountState, Chain


def take_report(state: AccountState, report: OrderReport, now_ns: int) -> Batch | None:
    """A broker's report, in whatever state the order is; None for a repetition that carries nothing new.

    The caller has loaded the chain that the report names. A report of an order that nobody here knows changes
    nothing and yields a batch with a note.
    """
    draft = Draft(state, now_ns)
    draft.report_cursor = report.cursor or None
    found = state.find_command(report.broker_command_id)
    if found is None:
        draft.notes.append(f"report {report.kind} names an unknown command {report.broker_command_id!r}")
        return draft.batch()
    chain, command = found
    if report.kind is ReportKind.TRADE:
        take_trade(draft, chain, command, report)
    else:
        _take_state(draft, chain, command, report)
    if draft.is_empty:
        return take_cursor(state, report.cursor, now_ns)
    draft.settle_doubt(chain)
    return draft.batch()


def _take_state(draft: Draft, chain: Chain, command: Command, report: OrderReport) -> None:
    match report.kind:
        case ReportKind.ACCEPTED:
            if not chain.order.is_accepted:  # else an echo: what came after it (a rejection, too) stands
                draft.accept_create(chain, report)
        case ReportKind.REJECTED if command.action_type is ActionType.CREATE:
            if command.is_unresolved or not chain.order.is_rejected:
                draft.resolve(command, OutcomeKind.REFUSED, report)
                draft.end_request(
                    chain,
                    command,
                    is_rejected=True,
                    reason_code=report.reason_code,
                    reason=report.reason,
                    report=report,
                )
        case ReportKind.REQUEST_REFUSED | ReportKind.REJECTED:
            if command.is_unresolved and command.action_type is not ActionType.CREATE:
                draft.resolve(command, OutcomeKind.REFUSED, report)
                draft.end_request(chain, command, is_rejected=False, report=report)
        case ReportKind.PENDING_CANCEL | ReportKind.PENDING_REPLACE:
            _take_pending(draft, chain, command, report)
        case ReportKind.CANCELLED:
            _take_cancelled(draft, chain, command, report)
        case ReportKind.REPLACED:
            _take_replaced(draft, chain, command, report)


def _take_pending(draft: Draft, chain: Chain, command: Command, report: OrderReport) -> None:
    asked = ActionType.CANCEL if report.kind is ReportKind.PENDING_CANCEL else ActionType.REPLACE
    request = PendingRequest(command.seq, asked)
    if command.action_type is not asked or not command.is_unresolved or request in chain.order.pending:
        return
    draft.accept_create(chain)
    draft.arrived(command)
    order = draft.order_of(chain)
    draft.publish(draft.reported(order, command, report, pending=(*order.pending, request)))


def _take_cancelled(draft: Draft, chain: Chain, command: Command, report: OrderReport) -> None:
    asked = command.action_type is ActionType.CANCEL
    if chain.order.is_closed and not (asked and command.outcome is not OutcomeKind.ACCEPTED):
        return
    draft.accept_create(chain)
    if asked:
        draft.resolve(command, OutcomeKind.ACCEPTED, report)
    order = draft.order_of(chain)
    pending = tuple(request for request in order.pending if request.seq != command.seq)
    draft.publish(draft.reported(order, command, report, is_closed=True, pending=pending))


def _take_replaced(draft: Draft, chain: Chain, command: Command, report: OrderReport) -> None:
    if command.outcome is OutcomeKind.ACCEPTED or command.action_type is not ActionType.REPLACE:
        return
    draft.accept_create(chain)
    draft.resolve(command, OutcomeKind.ACCEPTED, report)
    order = draft.order_of(chain)
    terms = order.terms
    if not _is_outdated(chain, command):
        quantity = report.quantity if report.quantity is not None else command.terms.quantity
        terms = replace(command.terms, quantity=max(quantity, order.filled_quantity))
        if report.limit_price is not None:
            terms = replace(terms, limit_price=report.limit_price)
    pending = tuple(request for request in order.pending if request.seq != command.seq)
    draft.publish(draft.reported(order, command, report, terms=terms, pending=pending))


def _is_outdated(chain: Chain, command: Command) -> bool:
    """Whether a later replace is in force already: a report that it overtook does not bring old terms back."""
    return any(
        later.seq > command.seq and later.action_type is ActionType.REPLACE and later.outcome is OutcomeKind.ACCEPTED
        for later in chain.commands.values()
    )
