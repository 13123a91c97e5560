"""What a broker says of an order: each report becomes facts, whatever the order's state was."""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from dropcopyd.domain import money
from dropcopyd.domain.breaks import BreakKind
from dropcopyd.domain.command import OutcomeKind
from dropcopyd.domain.event import Batch
from dropcopyd.domain.evolve import evolve
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.machine import external
from dropcopyd.domain.machine.connection import take_cursor
from dropcopyd.domain.machine.draft import Draft
from dropcopyd.domain.machine.executions import check_figures, take_amendment, take_trade
from dropcopyd.domain.machine.story import Story, is_before
from dropcopyd.domain.order import ActionType, Order, OrderTerms, OrderType, PendingRequest, Split
from dropcopyd.domain.parking import Parked, parking_key
from dropcopyd.domain.report import (
    CORPORATE_ACTION_REASON,
    DUPLICATE_ID_REASON,
    UNKNOWN_ORDER_REASON,
    OrderReport,
    ReportKind,
)
from dropcopyd.domain.state import AccountState

_AMENDMENTS = (ReportKind.BUST, ReportKind.CORRECTION)


def take_report(
    state: AccountState, report: OrderReport, now_ns: int, instrument: Instrument | None = None
) -> Batch | None:
    """A broker's report, in whatever state the order is; None for a repetition that carries nothing new.

    The caller has loaded the chain that the report names, by its command or by the broker's order id. An order that
    nobody here sent is adopted when the report describes it (`instrument` is the one that the description names);
    executions and amendments of what is not known wait for it, any other report of it is a break.
    """
    draft = Draft(state, now_ns)
    draft.report_cursor = report.cursor or None
    story = external.locate(draft, report, instrument)
    if story is None:
        _unplaced(draft, report, "")
        return draft.batch()
    if report.kind is ReportKind.TRADE:
        take_trade(story, report)
    elif report.kind not in _AMENDMENTS:
        _TAKE[report.kind](story, report)
    elif not take_amendment(story, report):
        _unplaced(draft, report, story.order.order_id)
    story.settle_doubt()
    return take_cursor(state, report.cursor, now_ns) if draft.is_empty else draft.batch()


def take_parked(state: AccountState, parked: Parked, now_ns: int) -> Batch | None:
    """A report that waited, once what it names is known; None while it is not. The caller has loaded its chain."""
    draft = Draft(state, now_ns)
    story = external.locate(draft, parked.report, None)
    if story is None:
        return None
    if parked.report.kind is ReportKind.TRADE:
        take_trade(story, parked.report)
    elif not take_amendment(story, parked.report):
        return None
    draft.unparked.append(parked.key)
    return draft.batch()


def _unplaced(draft: Draft, report: OrderReport, order_id: str) -> None:
    """A report that names what nobody here knows: executions and amendments wait, durably."""
    waits = report.kind is ReportKind.TRADE or report.kind in _AMENDMENTS
    if waits:
        parked = Parked(parking_key(report), order_id, evolve(report, cursor=""), draft.at_ns)
        if parked.key in draft.state.parked:
            return
        draft.park(parked)
    names = f"command {report.broker_command_id!r}, order {report.external_order_id!r}"
    if order_id:
        told = f"order {order_id}: {report.kind} of the unknown execution {report.exec_ref_id!r} waits for it"
        draft.say(BreakKind.EXECUTION_UNKNOWN, f"{order_id}|{report.exec_ref_id}", told, order_id)
    else:
        told = f"{report.kind} of an order that nobody here knows ({names})" + (" waits for it" if waits else "")
        draft.say(BreakKind.ORDER_UNKNOWN, f"{report.external_order_id or ''}|{report.broker_command_id}", told)


def _take_accepted(story: Story, report: OrderReport) -> None:
    """The broker's own word that the order lives. An echo of it leaves what came after."""
    if not (story.order.is_accepted or _is_echo(story, report)):
        story.show_alive()
        story.report(report)


def _take_done(story: Story, report: OrderReport) -> None:
    """No more today. What a DAY order still had ends; what is good till cancelled goes on tomorrow."""
    if not _is_echo(story, report):
        story.show_alive()
        story.report(report, is_done_for_day=True)


def _take_stopped(story: Story, report: OrderReport) -> None:
    """A guarantee: no execution. It ends with the order; one that is done for the day may go on with it."""
    if not (_is_echo(story, report) or story.order.is_closed):
        story.show_alive()
        story.report(report, is_stopped=True)


def _take_triggered(story: Story, report: OrderReport) -> None:
    if not _is_echo(story, report):
        story.show_alive()
        story.report(report)


def _is_echo(story: Story, report: OrderReport) -> bool:
    """Whether the broker has rejected the order since: this report of its life is from before, by all that is known."""
    order = story.order
    if not (order.is_rejected and order.is_accepted):
        return False
    is_dated = report.broker_sent_at_ns is not None and order.broker_sent_at_ns is not None
    return not is_dated or is_before(report, order.broker_sent_at_ns)


def _take_status(story: Story, report: OrderReport) -> None:
    """Nothing happened: what the broker says is compared."""
    story.arrived()
    story.report(report)
    check_figures(story, report)


def _take_rejected(story: Story, report: OrderReport) -> None:
    command, order = story.command, story.order
    if command is not None and command.action_type is not ActionType.CREATE:
        _take_refused(story, report)
        return
    if report.reason_code == DUPLICATE_ID_REASON and order.is_accepted:
        return  # another order under a known id was rejected: it says how the live one stands [F.1.b]
    if order.is_rejected and not (command is not None and command.is_unresolved):
        if not order.is_accepted:
            story.report(report, is_accepted=True)  # taken for dead here, and the broker says so now
        return
    story.resolve(OutcomeKind.REFUSED, report)
    story.reject(report.reason_code, report.reason, report)


def _take_refused(story: Story, report: OrderReport) -> None:
    """A replace or cancel was refused: the order has the status now due, not the one before the request."""
    command = story.command
    if command is None or command.action_type is ActionType.CREATE:
        pending = story.without(0)
        if pending != story.order.pending:
            story.report(report, pending=pending)
        return
    if not command.is_unresolved:
        return
    story.resolve(OutcomeKind.REFUSED, report)
    if report.reason_code == UNKNOWN_ORDER_REASON:
        story.end_request()  # it says nothing about any order [7a]
    else:
        story.report(report, pending=story.without(command.seq))


def _take_pending(story: Story, report: OrderReport) -> None:
    """The broker has acknowledged a request: ours, or one that nobody here made (seq 0).

    Of one that is decided already it says no more than that the order lived; of a replace under whose id the order has
    ended since, nothing.
    """
    command, order = story.command, story.order
    asked = ActionType.CANCEL if report.kind is ReportKind.PENDING_CANCEL else ActionType.REPLACE
    is_ours = command is not None and command.action_type is asked
    request = PendingRequest(story.seq if is_ours else 0, asked)
    if request in order.pending or (command is not None and command.action_type not in (asked, ActionType.CREATE)):
        return
    ended_as_this = order.closed_seq == story.seq and is_before(report, order.broker_sent_at_ns)
    if _is_echo(story, report) or ended_as_this or (not is_ours and order.is_over):
        return
    is_decided = command is not None and is_ours and (not command.is_unresolved or _is_outdated(story))
    is_news = story.show_alive()
    if is_ours and not is_decided:
        story.arrived()
    if not is_decided:
        story.report(report, pending=(*order.pending, request))
    elif is_news:
        story.report(report)


def take_cancelled(story: Story, report: OrderReport) -> None:
    """The balance is cancelled, asked for or not. Requests of ours that are still open are answered by themselves."""
    command, order = story.command, story.order
    asked = command is not None and command.action_type is ActionType.CANCEL
    is_known = order.is_closed and not (asked and command is not None and command.outcome is not OutcomeKind.ACCEPTED)
    if is_known or _is_echo(story, report):
        return
    story.show_alive()
    if asked:
        story.resolve(OutcomeKind.ACCEPTED, report)
    pending = tuple(request for request in order.pending if request.seq not in (0, story.seq))
    closed_seq = order.closed_seq if asked else story.seq
    story.report(report, is_closed=True, is_stopped=False, closed_seq=closed_seq, pending=pending)


def _take_replaced(story: Story, report: OrderReport) -> None:
    command = story.command
    if command is None or command.action_type is ActionType.CREATE:
        _take_restated(story, report)
        return
    if command.action_type is ActionType.CANCEL or command.outcome is OutcomeKind.ACCEPTED:
        return
    if not _is_echo(story, report):
        story.show_alive()
    story.resolve(OutcomeKind.ACCEPTED, report)
    order = story.order
    is_old = _is_outdated(story) or is_before(report, order.terms_sent_at_ns)
    terms = {} if is_old else _in_force(_terms_after(story, command.terms, report), report)
    pending = tuple(
        request
        for request in order.pending
        if request.seq != command.seq and (request.action_type is ActionType.CANCEL or request.seq > command.seq)
    )
    story.report(report, **terms, pending=pending)


def _take_restated(story: Story, report: OrderReport) -> None:
    """The broker changed the order in place; an order that was done for the day goes on.

    One from before the terms in force brings nothing back, one from before the last report ends no pause.
    """
    order = story.order
    if is_before(report, order.terms_sent_at_ns):
        return
    if not _is_echo(story, report):
        story.show_alive()
    pending = story.without(0) if report.kind is ReportKind.REPLACED else order.pending
    is_done = order.is_done_for_day and is_before(report, order.broker_sent_at_ns)
    terms = _terms_after(story, order.terms, report)
    if report.reason_code == CORPORATE_ACTION_REASON and terms.quantity != order.terms.quantity:
        _split(story, terms.quantity, report)
    story.report(report, **_in_force(terms, report), is_done_for_day=is_done, pending=pending)
    if report.reason_code == CORPORATE_ACTION_REASON:
        check_figures(story, report)


def _split(story: Story, quantity: Decimal, report: OrderReport) -> None:
    """What was executed before counts in units of after: executions are counted one by one, as they will be amended."""
    order = story.order
    at_ns = story.at_ns if report.broker_sent_at_ns is None else report.broker_sent_at_ns
    split = evolve(order, splits=(*order.splits, Split(at_ns, order.terms.quantity, quantity)))
    executions = story.chain.executions.values()
    filled = money.total(split.counted(one.effective_quantity, one.executed_ns) for one in executions)
    story.keep(evolve(split, filled_quantity=filled))


def _in_force(terms: OrderTerms, report: OrderReport) -> dict[str, object]:
    """Terms that a report brings into force."""
    if report.broker_sent_at_ns is None:
        return {"terms": terms}
    return {"terms": terms, "terms_sent_at_ns": report.broker_sent_at_ns}


def _terms_after(story: Story, asked: OrderTerms, report: OrderReport) -> OrderTerms:
    """The terms in force: what was asked, where the broker does not say otherwise. Quantity is a total over the
    order's life; below what is filled it becomes that [C.3.c]."""
    order = story.order
    quantity = max(asked.quantity if report.quantity is None else report.quantity, _filled_then(order, report))
    is_filled = bool(order.filled_quantity) and order.filled_quantity >= order.terms.quantity
    if is_filled and quantity > order.terms.quantity and not story.draft.state.capabilities.can_raise_filled:
        told = f"filled, and raised from {money.render(order.terms.quantity)} to {money.render(quantity)}"
        story.say(BreakKind.FILLED_RAISED, told)
    changes: dict[str, object] = {"quantity": quantity}
    has_stop = asked.stop_price is not None or asked.order_type is OrderType.TRAILING_STOP  # it is told where it trails
    for name in ("limit_price", "stop_price", "trail_amount"):
        price = getattr(report, name)
        if price is not None and (has_stop if name == "stop_price" else getattr(asked, name) is not None):
            changes[name] = price
    return evolve(asked, **changes)


def _filled_then(order: Order, report: OrderReport) -> Decimal:
    """What was filled when the broker changed the terms: its own word, where it gave both figures.

    A fill that it has taken back since, or a late one, may stand otherwise here.
    """
    if report.quantity is None or report.cumulative_quantity is None:
        return order.filled_quantity
    return report.cumulative_quantity


def _is_outdated(story: Story) -> bool:
    """Whether it is about a replace that a later one overtook: the later one is in force, no old terms come back."""
    if story.command is None or story.command.action_type is not ActionType.REPLACE:
        return False
    return any(
        later.seq > story.seq and later.action_type is ActionType.REPLACE and later.outcome is OutcomeKind.ACCEPTED
        for later in story.chain.commands.values()
    )


_TAKE: Final[dict[ReportKind, Callable[[Story, OrderReport], None]]] = {
    ReportKind.ACCEPTED: _take_accepted,
    ReportKind.REJECTED: _take_rejected,
    ReportKind.PENDING_CANCEL: _take_pending,
    ReportKind.PENDING_REPLACE: _take_pending,
    ReportKind.CANCELLED: take_cancelled,
    ReportKind.REPLACED: _take_replaced,
    ReportKind.REQUEST_REFUSED: _take_refused,
    ReportKind.RESTATED: _take_restated,
    ReportKind.DONE_FOR_DAY: _take_done,
    ReportKind.STOPPED: _take_stopped,
    ReportKind.TRIGGERED: _take_triggered,
    ReportKind.STATUS: _take_status,
}
