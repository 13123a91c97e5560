"""The account's state machine: (state, input) -> Batch. Pure: time and ids come in, nothing goes out.

Inputs are the caller's commands, the legs of an attempt, and the broker's reports. Every input is applied in
whatever state the order is; an input that changes nothing (a duplicate, a late echo) yields None.
"""

import hashlib
from dataclasses import dataclass, field, replace
from decimal import Decimal

from dropcopyd.domain import money
from dropcopyd.domain.account import AccountConnection
from dropcopyd.domain.command import NOT_SENT_REASON, Command, IdempotencyRecord, OutcomeKind
from dropcopyd.domain.event import AccountMoved, Batch, Event, EventType, Trade
from dropcopyd.domain.instrument import is_inverse, key_of, value_of
from dropcopyd.domain.order import ActionType, Order, OrderSide, PendingRequest
from dropcopyd.domain.position import Position, take_execution
from dropcopyd.domain.report import OrderReport, ReportKind
from dropcopyd.domain.state import AccountState, Chain


def create(state: AccountState, command: Command, idempotency: IdempotencyRecord | None) -> Batch:
    """A new intent: its action and the order it makes, PENDING_NEW until the broker speaks."""
    account = state.account
    order = Order(
        order_id=command.order_id,
        intent_id=command.intent_id,
        account_id=account.account_id,
        organization_id=account.organization_id,
        broker=account.broker,
        instrument=command.instrument,
        order_side=command.order_side,
        order_venue=command.order_venue,
        terms=command.terms,
        last_seq=command.seq,
        command_seq=command.seq,
        created_at_ns=command.stamps.committed_ns,
        received_at_ns=command.stamps.committed_ns,
        client_reference_id=command.client_reference_id,
        strategy_id=command.strategy_id,
    )
    events = (Event(EventType.INTENT_ACTION, command), Event(EventType.BROKER_ORDER, order))
    return Batch(
        account_id=account.account_id,
        at_ns=command.stamps.committed_ns,
        events=events,
        orders=(order,),
        commands=(command,),
        idempotency=idempotency,
    )


def amend(state: AccountState, command: Command, idempotency: IdempotencyRecord | None) -> Batch:
    """A replace or cancel of a known intent, whatever state its order is in: the broker decides, we do not guess.

    The order's status does not move: it turns pending when the broker says so.
    """
    order = replace(state.chains[command.order_id].order, last_seq=command.seq)
    return Batch(
        account_id=state.account.account_id,
        at_ns=command.stamps.committed_ns,
        events=(Event(EventType.INTENT_ACTION, command),),
        orders=(order,),
        commands=(command,),
        idempotency=idempotency,
    )


def begin_attempt(state: AccountState, command: Command, now_ns: int) -> Batch | None:
    """The attempt to send is about to begin; None when the command is no longer to be sent, or too late for it."""
    current = state.chains[command.order_id].commands[command.seq]
    if not current.is_unresolved or current.stamps.attempt_begun_ns is not None or current.is_late(now_ns):
        return None
    draft = _Draft(state, now_ns)
    current = replace(current, stamps=replace(current.stamps, attempt_begun_ns=draft.at_ns))
    draft.outcome(current, OutcomeKind.PENDING)
    return draft.batch()


def acknowledge(state: AccountState, command: Command, external_order_id: str | None, now_ns: int) -> Batch | None:
    """The broker has the command: the leg is stamped, a doubt about it is over."""
    draft = _Draft(state, now_ns)
    chain, current = draft.find(command)
    draft.arrived(current)
    order = draft.order_of(chain)
    if external_order_id is not None and order.external_order_id is None:
        draft.keep(replace(order, external_order_id=external_order_id))
    draft.settle_doubt(chain)
    return draft.batch()


def refuse(state: AccountState, command: Command, reason_code: str, reason: str, now_ns: int) -> Batch | None:
    """The broker refused the command: proof. A refused create rejects its order, unless it has traded."""
    draft = _Draft(state, now_ns)
    chain, current = draft.find(command)
    if not current.is_unresolved:
        return None
    draft.outcome(current, OutcomeKind.REFUSED, reason_code, reason)
    draft.end_request(chain, current, is_rejected=True, reason_code=reason_code, reason=reason)
    draft.settle_doubt(chain)
    return draft.batch()


def doubt(state: AccountState, command: Command, cause: str, now_ns: int) -> Batch | None:
    """Nobody can say whether the command arrived: visible as in doubt until the broker was asked."""
    draft = _Draft(state, now_ns)
    chain, current = draft.find(command)
    if current.outcome is not OutcomeKind.PENDING or current.stamps.attempt_begun_ns is None:
        return None
    if current.stamps.acknowledged_ns is not None:
        return None
    draft.outcome(current, OutcomeKind.IN_DOUBT, "in_doubt", cause)
    draft.settle_doubt(chain)
    return draft.batch()


def expire(state: AccountState, command: Command, reason: str, now_ns: int) -> Batch | None:
    """The attempt did not begin in time; None when it has begun: what became of it, only the broker can say."""
    current = state.chains[command.order_id].commands[command.seq]
    if current.stamps.attempt_begun_ns is not None:
        return None
    return not_sent(state, command, reason, now_ns)


def not_sent(state: AccountState, command: Command, reason: str, now_ns: int) -> Batch | None:
    """The command is proven never to have reached the broker."""
    draft = _Draft(state, now_ns)
    chain, current = draft.find(command)
    if not current.is_unresolved or current.stamps.acknowledged_ns is not None:
        return None
    draft.outcome(current, OutcomeKind.NOT_SENT, NOT_SENT_REASON, reason)
    draft.end_request(chain, current, is_rejected=True, reason_code=NOT_SENT_REASON, reason=reason)
    draft.settle_doubt(chain)
    return draft.batch()


def move_connection(
    state: AccountState, connection: AccountConnection, now_ns: int, reason_code: str = "", reason: str = ""
) -> Batch | None:
    """The account's connection changed; None when it did not."""
    if state.status.connection is connection and state.status.reason_code == reason_code:
        return None
    at_ns = max(now_ns, state.last_ns)
    status = state.status.moved(connection, at_ns, reason_code, reason)
    event = Event(EventType.ACCOUNT_STATUS, AccountMoved(state.account, status))
    return Batch(account_id=state.account.account_id, at_ns=at_ns, events=(event,), status=status)


def take_cursor(state: AccountState, cursor: str, now_ns: int) -> Batch | None:
    """The broker's reports up to the cursor are taken in; None when that is known already."""
    if not cursor or cursor == state.report_cursor:
        return None
    at_ns = max(now_ns, state.last_ns)
    return Batch(account_id=state.account.account_id, at_ns=at_ns, report_cursor=cursor)


def take_report(state: AccountState, report: OrderReport, now_ns: int) -> Batch | None:
    """A broker's report, in whatever state the order is; None for a repetition that carries nothing new.

    The caller has loaded the chain that the report names. A report of an order that nobody here knows changes
    nothing and yields a batch with a note.
    """
    draft = _Draft(state, now_ns)
    draft.report_cursor = report.cursor or None
    found = state.find_command(report.broker_command_id)
    if found is None:
        draft.notes.append(f"report {report.kind} names an unknown command {report.broker_command_id!r}")
        return draft.batch()
    chain, command = found
    if report.kind is ReportKind.TRADE:
        _take_trade(draft, chain, command, report)
    else:
        _take_state(draft, chain, command, report)
    if draft.is_empty:
        return take_cursor(state, report.cursor, now_ns)
    draft.settle_doubt(chain)
    return draft.batch()


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


def _take_trade(draft: "_Draft", chain: Chain, command: Command, report: OrderReport) -> None:
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
    draft.trade(_trade_of(order, report, key, quantity, price, draft.at_ns))
    draft.publish(order)
    signed = quantity if order.order_side is OrderSide.BUY else money.negate(quantity)
    draft.position(order, signed, price, report.broker_sent_at_ns)


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


def _take_state(draft: "_Draft", chain: Chain, command: Command, report: OrderReport) -> None:
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


def _take_pending(draft: "_Draft", chain: Chain, command: Command, report: OrderReport) -> None:
    asked = ActionType.CANCEL if report.kind is ReportKind.PENDING_CANCEL else ActionType.REPLACE
    request = PendingRequest(command.seq, asked)
    if command.action_type is not asked or not command.is_unresolved or request in chain.order.pending:
        return
    draft.accept_create(chain)
    draft.arrived(command)
    order = draft.order_of(chain)
    draft.publish(draft.reported(order, command, report, pending=(*order.pending, request)))


def _take_cancelled(draft: "_Draft", chain: Chain, command: Command, report: OrderReport) -> None:
    asked = command.action_type is ActionType.CANCEL
    if chain.order.is_closed and not (asked and command.outcome is not OutcomeKind.ACCEPTED):
        return
    draft.accept_create(chain)
    if asked:
        draft.resolve(command, OutcomeKind.ACCEPTED, report)
    order = draft.order_of(chain)
    pending = tuple(request for request in order.pending if request.seq != command.seq)
    draft.publish(draft.reported(order, command, report, is_closed=True, pending=pending))


def _take_replaced(draft: "_Draft", chain: Chain, command: Command, report: OrderReport) -> None:
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


@dataclass(slots=True)
class _Draft:
    """A batch in the making: records as changed so far, over the state they come from."""

    state: AccountState
    now_ns: int
    at_ns: int = 0
    report_cursor: str | None = None
    events: list[Event] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    commands: dict[tuple[str, int], Command] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.at_ns = max(self.now_ns, self.state.last_ns)

    @property
    def is_empty(self) -> bool:
        return not (self.events or self.orders or self.commands or self.trades or self.notes)

    def batch(self) -> Batch | None:
        if self.is_empty:
            return None
        return Batch(
            account_id=self.state.account.account_id,
            at_ns=self.at_ns,
            events=tuple(self.events),
            orders=tuple(self.orders.values()),
            commands=tuple(self.commands.values()),
            trades=tuple(self.trades),
            positions=tuple(self.positions),
            report_cursor=self.report_cursor,
            notes=tuple(self.notes),
        )

    def find(self, command: Command) -> tuple[Chain, Command]:
        chain = self.state.chains[command.order_id]
        return chain, chain.commands[command.seq]

    def current(self, command: Command) -> Command:
        draft = self.commands.get((command.order_id, command.seq))
        return draft or self.state.chains[command.order_id].commands[command.seq]

    def order_of(self, chain: Chain) -> Order:
        return self.orders.get(chain.order.order_id, chain.order)

    def command(self, command: Command) -> None:
        self.commands[command.order_id, command.seq] = command

    def keep(self, order: Order) -> None:
        self.orders[order.order_id] = order

    def publish(self, order: Order) -> None:
        self.keep(order)
        self.events.append(Event(EventType.BROKER_ORDER, order))

    def outcome(
        self, command: Command, kind: OutcomeKind, reason_code: str | None = None, reason: str | None = None
    ) -> None:
        command = replace(command, outcome=kind, outcome_at_ns=self.at_ns, reason_code=reason_code, reason=reason)
        self.command(command)
        self.events.append(Event(EventType.COMMAND_OUTCOME, command))

    def resolve(self, command: Command, kind: OutcomeKind, report: OrderReport) -> None:
        """The final outcome by a report. One that has a final outcome keeps it, unless the broker proves it done."""
        current = self.current(command)
        if current.outcome is kind or (not current.is_unresolved and kind is not OutcomeKind.ACCEPTED):
            return
        if not current.is_unresolved:
            self.notes.append(
                f"order {command.order_id}: command {command.seq} was {current.outcome} and is done at the broker"
            )
        if current.stamps.acknowledged_ns is None:
            current = replace(current, stamps=replace(current.stamps, acknowledged_ns=self.at_ns))
        refused = kind is OutcomeKind.REFUSED
        self.outcome(current, kind, report.reason_code if refused else None, report.reason if refused else None)

    def arrived(self, command: Command) -> None:
        """The broker has shown that it has the command: the leg is stamped, a doubt about it is over."""
        current = self.current(command)
        if current.stamps.acknowledged_ns is None:
            current = replace(current, stamps=replace(current.stamps, acknowledged_ns=self.at_ns))
            self.command(current)
        if current.outcome is OutcomeKind.IN_DOUBT:
            self.outcome(current, OutcomeKind.PENDING)

    def accept_create(self, chain: Chain, report: OrderReport | None = None) -> None:
        """The broker has shown the order alive. With its own report of that, the order is published as well."""
        create_command = self.current(chain.commands[min(chain.commands)])
        order = self.order_of(chain)
        overturned = create_command.outcome in (OutcomeKind.NOT_SENT, OutcomeKind.REFUSED)
        if create_command.is_unresolved or overturned:
            if create_command.stamps.acknowledged_ns is None:
                stamps = replace(create_command.stamps, acknowledged_ns=self.at_ns)
                create_command = replace(create_command, stamps=stamps)
            self.outcome(create_command, OutcomeKind.ACCEPTED)
        if overturned or order.is_rejected:
            self.notes.append(f"order {order.order_id} was taken for dead and is alive at the broker")
        if order.is_accepted and not order.is_rejected:
            return
        order = replace(order, is_accepted=True, is_rejected=False, reason_code=None, reason=None)
        if report is None:
            self.keep(order)
        else:
            self.publish(self.reported(order, create_command, report))

    def end_request(
        self,
        chain: Chain,
        command: Command,
        *,
        is_rejected: bool,
        reason_code: str | None = None,
        reason: str | None = None,
        report: OrderReport | None = None,
    ) -> None:
        """A command ended without effect: a create rejects its order, a request leaves the open ones."""
        order = self.order_of(chain)
        if command.action_type is not ActionType.CREATE:
            pending = tuple(request for request in order.pending if request.seq != command.seq)
            if pending == order.pending and report is None:
                return
            order = replace(order, pending=pending, command_seq=command.seq, received_at_ns=self.at_ns)
            self.publish(self.reported(order, command, report) if report else order)
            return
        if order.filled_quantity or order.is_closed:
            return
        order = replace(order, is_rejected=is_rejected, reason_code=reason_code, reason=reason, pending=())
        order = replace(order, received_at_ns=self.at_ns)
        self.publish(self.reported(order, command, report) if report else order)

    def reported(self, order: Order, command: Command, report: OrderReport, **changes: object) -> Order:
        """The order after a report: the changes, and what every report says."""
        facts: dict[str, object] = {"command_seq": command.seq, "received_at_ns": self.at_ns, **changes}
        if report.external_order_id is not None:
            facts["external_order_id"] = report.external_order_id
        if report.broker_sent_at_ns is not None:
            facts["broker_sent_at_ns"] = report.broker_sent_at_ns
        if report.raw_status is not None:
            facts["raw_status"] = report.raw_status
        if report.kind in (ReportKind.REJECTED, ReportKind.CANCELLED):
            facts["reason_code"], facts["reason"] = report.reason_code, report.reason
        return replace(order, **facts)  # type: ignore[arg-type]

    def settle_doubt(self, chain: Chain) -> None:
        """The order is in doubt while any of its commands is; published when that changed."""
        order = self.order_of(chain)
        doubtful = any(self.current(command).outcome is OutcomeKind.IN_DOUBT for command in chain.commands.values())
        if doubtful == (order.in_doubt_since_ns is not None):
            return
        order = replace(order, in_doubt_since_ns=self.at_ns if doubtful else None, received_at_ns=self.at_ns)
        for index, event in enumerate(self.events):
            if event.kind is EventType.BROKER_ORDER:
                self.events[index] = Event(EventType.BROKER_ORDER, order)
                self.keep(order)
                return
        self.publish(order)

    def stamp_fill(self, chain: Chain) -> None:
        command = self.current(chain.commands[min(chain.commands)])
        first = command.stamps.first_fill_ns or self.at_ns
        self.command(replace(command, stamps=replace(command.stamps, first_fill_ns=first, last_fill_ns=self.at_ns)))

    def trade(self, trade: Trade) -> None:
        self.trades.append(trade)
        self.events.append(Event(EventType.BROKER_TRADE, trade))

    def position(self, order: Order, signed_quantity: Decimal, price: Decimal, sent_at_ns: int | None) -> None:
        held = self.state.positions.get(key_of(order.instrument)) or Position(
            account_id=order.account_id,
            organization_id=order.organization_id,
            broker=order.broker,
            instrument=order.instrument,
        )
        position = take_execution(held, signed_quantity, price)
        position = replace(position, received_at_ns=self.at_ns, broker_sent_at_ns=sent_at_ns)
        self.positions.append(position)
        self.events.append(Event(EventType.BROKER_POSITION, position))
