"""The batch in the making that every input of the machine shares."""

from dataclasses import dataclass, field, replace

from dropcopyd.domain.command import Command, OutcomeKind
from dropcopyd.domain.event import Batch, Event, EventType, Trade
from dropcopyd.domain.order import ActionType, Order
from dropcopyd.domain.position import Position
from dropcopyd.domain.posting import PositionDraft
from dropcopyd.domain.report import OrderReport, ReportKind
from dropcopyd.domain.state import AccountState, Chain


@dataclass(slots=True)
class Draft:
    """A batch in the making: records as changed so far, over the state they come from."""

    state: AccountState
    now_ns: int
    at_ns: int = 0
    report_cursor: str | None = None
    events: list[Event] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    commands: dict[tuple[str, int], Command] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    positions: PositionDraft = field(init=False)

    def __post_init__(self) -> None:
        self.at_ns = max(self.now_ns, self.state.last_ns)
        self.positions = PositionDraft(self.state, self.at_ns)

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
            positions=self.positions.positions,
            postings=self.positions.postings,
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

    def position(self, position: Position) -> None:
        """A position that `positions` has made."""
        self.events.append(Event(EventType.BROKER_POSITION, position))
