"""One order in a draft: its facts as changed so far, and what happens to it and its commands."""

from dataclasses import dataclass

from dropcopyd.domain.breaks import BreakKind
from dropcopyd.domain.command import Command, OutcomeKind
from dropcopyd.domain.event import Event, EventType
from dropcopyd.domain.evolve import evolve
from dropcopyd.domain.machine.draft import Draft
from dropcopyd.domain.order import Order, OrderOrigin, PendingRequest
from dropcopyd.domain.report import OrderReport, ReportKind
from dropcopyd.domain.state import Chain

_DEAD = (OutcomeKind.NOT_SENT, OutcomeKind.REFUSED)


def is_before(report: OrderReport, known_ns: int | None) -> bool:
    """Whether the broker sent the report before that time of its own; False where either is not known."""
    return report.broker_sent_at_ns is not None and known_ns is not None and report.broker_sent_at_ns < known_ns


@dataclass(slots=True)
class Story:
    """An order's chain in a draft. `command` is the one that is spoken of, None when it is none of ours."""

    draft: Draft
    chain: Chain
    command: Command | None
    order: Order

    @classmethod
    def of(cls, draft: Draft, chain: Chain, command: Command | None) -> "Story":
        """The chain's order and the command as they are now."""
        return cls(draft, chain, command, chain.order)

    @property
    def seq(self) -> int:
        """The seq of the command spoken of, 0 when it is none of ours."""
        return 0 if self.command is None else self.command.seq

    @property
    def at_ns(self) -> int:
        return self.draft.at_ns

    def current(self, command: Command) -> Command:
        """The command as changed so far."""
        return self.draft.commands.get(command.seq) or self.chain.commands[command.seq]

    def keep(self, order: Order) -> None:
        """The order has changed in what nobody needs to be told."""
        self.order = self.draft.order = order

    def publish(self, order: Order) -> None:
        """The order has changed, and is told."""
        self.keep(order)
        self.draft.is_order_told = True

    def say(self, kind: BreakKind, detail: str, subject: str | None = None) -> None:
        """Keep a break about the order, or about something of it."""
        order_id = self.order.order_id
        self.draft.say(kind, subject or order_id, f"order {order_id}: {detail}", order_id)

    # --- commands -----------------------------------------------------------------------------------------------

    def outcome(
        self, command: Command, kind: OutcomeKind, reason_code: str | None = None, reason: str | None = None
    ) -> None:
        command = evolve(command, outcome=kind, outcome_at_ns=self.at_ns, reason_code=reason_code, reason=reason)
        self.draft.commands[command.seq] = command
        self.draft.events.append(Event(EventType.COMMAND_OUTCOME, command))

    def resolve(self, kind: OutcomeKind, report: OrderReport) -> None:
        """The final outcome by a report. One that has a final outcome keeps it, unless the broker proves it done."""
        if self.command is None:
            return
        current = self.current(self.command)
        if current.outcome is kind or (not current.is_unresolved and kind is not OutcomeKind.ACCEPTED):
            return
        if not current.is_unresolved:
            self.say(
                BreakKind.COMMAND_OVERTURNED,
                f"command {current.seq} was {current.outcome} and is done at the broker",
                current.broker_command_id,
            )
        refused = kind is OutcomeKind.REFUSED
        reason = (report.reason_code, report.reason) if refused else (None, None)
        self.outcome(self._stamped(current), kind, *reason)

    def arrived(self) -> None:
        """The broker has shown that it has the command: the leg is stamped, a doubt about it is over."""
        if self.command is None:
            return
        current = self.current(self.command)
        stamped = self._stamped(current)
        if stamped is not current:
            self.draft.commands[stamped.seq] = stamped
        if stamped.outcome is OutcomeKind.IN_DOUBT:
            self.outcome(stamped, OutcomeKind.PENDING)

    def _stamped(self, command: Command) -> Command:
        if command.stamps.acknowledged_ns is not None:
            return command
        return evolve(command, stamps=evolve(command.stamps, acknowledged_ns=self.at_ns))

    # --- the order ----------------------------------------------------------------------------------------------

    def show_alive(self) -> bool:
        """The broker has shown the order alive: its create is accepted. Whether that was news about the order."""
        create = None if self.chain.create is None else self.current(self.chain.create)
        overturned = create is not None and create.outcome in _DEAD
        if create is not None and (create.is_unresolved or overturned):
            self.outcome(self._stamped(create), OutcomeKind.ACCEPTED)
        order = self.order
        if overturned or order.is_rejected:
            self.say(BreakKind.DEAD_ORDER_ALIVE, "was taken for dead and is alive at the broker")
        if order.is_accepted and not order.is_rejected:
            return False
        self.keep(evolve(order, is_accepted=True, is_rejected=False, reason_code=None, reason=None))
        return True

    def report(self, report: OrderReport, **changes: object) -> None:
        """The changes and what every report says; published when that is news."""
        facts = changes
        if self.command is not None:
            facts["command_seq"] = self.command.seq
        if report.external_order_id is not None:
            facts["external_order_id"] = report.external_order_id
        if report.raw_status is not None:
            facts["raw_status"] = report.raw_status
        if self.order.origin is OrderOrigin.EXTERNAL and self.command is None and report.broker_command_id:
            facts["external_command_id"] = report.broker_command_id
        if report.kind in (ReportKind.REJECTED, ReportKind.CANCELLED):
            facts["reason_code"], facts["reason"] = report.reason_code, report.reason
        order = self.order
        if self.draft.order is None and all(getattr(order, name) == value for name, value in facts.items()):
            return
        facts["received_at_ns"] = self.at_ns
        if report.broker_sent_at_ns is not None and not is_before(report, order.broker_sent_at_ns):
            facts["broker_sent_at_ns"] = report.broker_sent_at_ns
        self.publish(evolve(order, **facts))

    def reject(self, reason_code: str | None, reason: str | None, report: OrderReport | None = None) -> None:
        """The create ended without effect. What has traded is not unmade, what is closed stays so."""
        order = self.order
        if order.filled_quantity or order.is_closed:
            return
        if report is not None:
            self.report(report, is_accepted=True, is_rejected=True, is_stopped=False, pending=())
            return
        facts = {"is_rejected": True, "is_stopped": False, "reason_code": reason_code, "reason": reason, "pending": ()}
        self.publish(evolve(order, received_at_ns=self.at_ns, **facts))

    def end_request(self) -> None:
        """A replace or cancel ended without a report: published when the broker had acknowledged it."""
        pending = self.without(self.seq)
        if pending != self.order.pending:
            self.publish(evolve(self.order, pending=pending, command_seq=self.seq, received_at_ns=self.at_ns))

    def without(self, seq: int) -> tuple[PendingRequest, ...]:
        """The acknowledged requests without that one."""
        pending = self.order.pending
        return tuple(request for request in pending if request.seq != seq) if pending else pending

    def settle_doubt(self) -> None:
        """The order is in doubt while any of its commands is; published when that changed."""
        is_in_doubt = self.order.in_doubt_since_ns is not None
        if not is_in_doubt and not self.draft.commands:
            return
        commands = self.chain.commands.values()
        doubtful = any(self.current(command).outcome is OutcomeKind.IN_DOUBT for command in commands)
        if doubtful == is_in_doubt:
            return
        since_ns = self.at_ns if doubtful else None
        self.publish(evolve(self.order, in_doubt_since_ns=since_ns, received_at_ns=self.at_ns))

    def stamp_fill(self) -> None:
        """The create's command keeps when its order was filled first and last."""
        if self.chain.create is None:
            return
        command = self.current(self.chain.create)
        first_ns = command.stamps.first_fill_ns or self.at_ns
        stamps = evolve(command.stamps, first_fill_ns=first_ns, last_fill_ns=self.at_ns)
        self.draft.commands[command.seq] = evolve(command, stamps=stamps)
