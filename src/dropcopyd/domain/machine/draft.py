"""The batch in the making that every input of the machine shares."""

from dataclasses import dataclass, field

from dropcopyd.domain.amendment import Amendment
from dropcopyd.domain.breaks import Break, BreakKind
from dropcopyd.domain.command import Command
from dropcopyd.domain.event import Batch, Event, EventType, Trade
from dropcopyd.domain.order import Order
from dropcopyd.domain.parking import PARKED_MAX, Parked
from dropcopyd.domain.position import Position
from dropcopyd.domain.posting import PositionDraft
from dropcopyd.domain.state import AccountState


@dataclass(slots=True)
class Draft:
    """One account's batch in the making: records as changed so far, over the state they come from.

    One order at most is in it. Its event comes after those of its commands and executions and before the positions',
    once, with the order as it is in the end.
    """

    state: AccountState
    now_ns: int
    at_ns: int = 0
    report_cursor: str | None = None
    events: list[Event] = field(default_factory=list)
    position_events: list[Event] = field(default_factory=list)
    order: Order | None = None
    is_order_told: bool = False
    commands: dict[int, Command] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    amendments: list[Amendment] = field(default_factory=list)
    positions: PositionDraft = field(init=False)
    breaks: list[Break] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    unparked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.at_ns = max(self.now_ns, self.state.last_ns)
        self.positions = PositionDraft(self.state, self.at_ns)

    @property
    def is_empty(self) -> bool:
        return not (
            self.events or self.order or self.commands or self.trades or self.breaks or self.parked or self.unparked
        )

    def batch(self) -> Batch | None:
        if self.is_empty:
            return None
        told = () if self.order is None or not self.is_order_told else (Event(EventType.BROKER_ORDER, self.order),)
        return Batch(
            account_id=self.state.account.account_id,
            at_ns=self.at_ns,
            events=(*self.events, *told, *self.position_events),
            orders=() if self.order is None else (self.order,),
            commands=tuple(self.commands.values()),
            trades=tuple(self.trades),
            amendments=tuple(self.amendments),
            positions=self.positions.positions,
            postings=self.positions.postings,
            report_cursor=self.report_cursor,
            breaks=tuple(self.breaks),
            parked=tuple(self.parked),
            unparked=tuple(self.unparked),
        )

    def trade(self, trade: Trade) -> None:
        self.trades.append(trade)
        self.events.append(Event(EventType.BROKER_TRADE, trade))

    def amendment(self, amendment: Amendment) -> None:
        self.amendments.append(amendment)
        self.events.append(Event(EventType.TRADE_AMENDMENT, amendment))

    def position(self, position: Position) -> None:
        """A position that `positions` has made; told once, as it is in the end."""
        if self.position_events:
            told = self.position_events
            self.position_events = [one for one in told if one.record.instrument != position.instrument]  # type: ignore[union-attr]
        self.position_events.append(Event(EventType.BROKER_POSITION, position))

    def say(self, kind: BreakKind, subject: str, detail: str, order_id: str | None = None) -> None:
        """Keep a break."""
        self.breaks.append(Break(kind=kind, subject=subject, detail=detail, at_ns=self.at_ns, order_id=order_id))

    def park(self, parked: Parked) -> None:
        """Let a report wait; one that waits already does so once."""
        if parked.key in self.state.parked:
            return
        if len(self.state.parked) >= PARKED_MAX:
            told = f"{parked.report.kind} report {parked.report.exec_id!r} is lost: too many wait"
            self.say(BreakKind.PARKED_FULL, parked.key, told)
            return
        self.parked.append(parked)
