"""The state of one account that decisions need: open and recently closed orders, their commands, positions.

Mutable, owned by one account's serial section. Batches are applied when they are decided (pending state), before
they are committed, so that group commit can batch; a failed commit throws the whole state away. Orders that left it
(`forget`) are loaded again from the store when something names them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from dropcopyd.domain.account import Account, AccountStatus
from dropcopyd.domain.adjustment import NO_ROLL, Adjustment, DayRoll
from dropcopyd.domain.amendment import Amendment, AmendmentKind
from dropcopyd.domain.balance import Balance
from dropcopyd.domain.command import Command
from dropcopyd.domain.event import Batch, Trade
from dropcopyd.domain.fold import Fold, History, Marks, folded, no_marks
from dropcopyd.domain.instrument import Instrument, InstrumentKey, key_of
from dropcopyd.domain.needs import NeedsAdjustment, NeedsHistory
from dropcopyd.domain.order import ActionType, Order
from dropcopyd.domain.parking import Parked
from dropcopyd.domain.position import Position
from dropcopyd.domain.reconciliation import BreakStatus, Place, Ticket
from dropcopyd.domain.report import BrokerCapabilities

PLACEHOLDER: Final = "placeholder:"
"""How the exec_id of an execution begins that a person booked until the broker's own arrives."""


@dataclass(slots=True)
class Execution:
    """An execution as it was first reported, and its figures in force: quantity 0 after a bust."""

    quantity: Decimal
    price: Decimal
    effective_quantity: Decimal
    effective_price: Decimal
    trade_date: str | None
    executed_ns: int
    """The broker's time of it, else when it came."""
    exec_ids: tuple[str, ...]
    """Its own id, then that of each amendment; the last one is what the next amendment should name."""

    @property
    def last_exec_id(self) -> str | None:
        """What it is known by now."""
        return self.exec_ids[-1] if self.exec_ids else None


@dataclass(slots=True)
class Chain:
    """One order with its commands by seq, and the executions taken in by their identity."""

    order: Order
    commands: dict[int, Command] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)
    amendments: dict[str, tuple[AmendmentKind, Decimal, Decimal]] = field(default_factory=dict)
    """amendment_key -> what it made of its execution."""
    has_undated: bool = False
    """Whether the broker told some execution without its trade date."""
    placeholders: dict[str, int] | None = None
    """execution_key -> when it was booked, of executions that stand in for the broker's own."""

    @property
    def create(self) -> Command | None:
        """The command that made the order; None for one from outside."""
        first = self.commands.get(1)
        return first if first is not None and first.action_type is ActionType.CREATE else None

    @property
    def has_cancel(self) -> bool:
        """Whether a cancel of it is under way."""
        return any(
            command.action_type is ActionType.CANCEL and command.is_unresolved for command in self.commands.values()
        )

    def book(self, trade: Trade) -> None:
        """Take an execution in."""
        self.has_undated = self.has_undated or trade.trade_date is None
        exec_ids = () if trade.exec_id is None else (trade.exec_id,)
        figures = (trade.quantity, trade.price)
        executed_ns = trade.received_at_ns if trade.broker_sent_at_ns is None else trade.broker_sent_at_ns
        self.executions[trade.execution_key] = Execution(*figures, *figures, trade.trade_date, executed_ns, exec_ids)
        if trade.exec_id is not None and trade.exec_id.startswith(PLACEHOLDER):
            self.placeholders = {**(self.placeholders or {}), trade.execution_key: trade.received_at_ns}

    def amend(self, amendment: Amendment) -> None:
        """Take an amendment of a known execution in."""
        execution = self.executions[amendment.execution_key]
        execution.effective_quantity = amendment.quantity_after
        execution.effective_price = amendment.price_after
        if amendment.new_exec_id is not None:
            execution.exec_ids = (*execution.exec_ids, amendment.new_exec_id)
        figures = (amendment.kind, amendment.quantity_after, amendment.price_after)
        self.amendments[amendment.amendment_key] = figures

    def find_execution(self, exec_id: str, trade_date: str | None) -> str | None:
        """The key of the execution that an id names, its own or an amendment's.

        Ids may begin anew each day: the one of that day, else one whose day nobody told. Without a day the newest.
        """
        keys = [key for key, execution in self.executions.items() if exec_id in execution.exec_ids]
        if trade_date is not None:
            dated = [key for key in keys if self.executions[key].trade_date == trade_date]
            keys = dated or [key for key in keys if self.executions[key].trade_date is None]
        return keys[-1] if keys else None

    @property
    def is_settled(self) -> bool:
        """Whether nothing is expected to happen to the order or any of its commands."""
        return not self.order.is_working and not self.has_open_question

    @property
    def has_open_question(self) -> bool:
        """Whether some command has no final outcome yet."""
        return any(command.is_unresolved for command in self.commands.values())


@dataclass(slots=True)
class AccountState:
    """What is known of one account. `last_ns` keeps received_at from going back.

    `marks` are the prices known now, given by the owner. `is_partial`: the store has more than is here, and what is
    not here is asked for with a `NeedsRecords`.
    """

    account: Account
    status: AccountStatus
    capabilities: BrokerCapabilities = field(default_factory=BrokerCapabilities)
    last_ns: int = 0
    report_cursor: str = ""
    listed_cursor: str = ""
    """Where the last snapshot ended whose executions and amendments were taken in."""
    chains: dict[str, Chain] = field(default_factory=dict)
    """By order_id."""
    order_ids: dict[str, str] = field(default_factory=dict)
    """intent_id -> order_id"""
    command_ids: dict[str, tuple[str, int]] = field(default_factory=dict)
    """broker_command_id -> (order_id, seq)"""
    external_ids: dict[str, str] = field(default_factory=dict)
    """The broker's order id -> order_id, the newest order of that id."""
    external_command_ids: dict[str, str] = field(default_factory=dict)
    """The id of a live request from outside -> order_id."""
    parked: dict[str, Parked] = field(default_factory=dict)
    """Reports that wait for what they name, by key."""
    positions: dict[InstrumentKey, Position] = field(default_factory=dict)
    """As published. Of a partial state: all that are held or moved since the last roll, others as they were needed."""
    folds: dict[InstrumentKey, Fold] = field(default_factory=dict)
    """The last steps of positions that moved lately."""
    unknown_keys: set[InstrumentKey] = field(default_factory=set)
    """Instruments of which the store has no position."""
    balances: dict[str, Balance] = field(default_factory=dict)
    """By currency."""
    adjustments: dict[str, Adjustment | None] = field(default_factory=dict)
    """By adjustment_id, those asked for lately; None: the store knows none."""
    roll: DayRoll = NO_ROLL
    tickets: dict[str, Ticket] = field(default_factory=dict)
    """By break_id: what reconciliation found and nobody closed yet."""
    marks: Marks = no_marks
    is_partial: bool = False

    def chain_of_intent(self, intent_id: str) -> Chain | None:
        """The chain of an intent, if it is in memory."""
        order_id = self.order_ids.get(intent_id)
        return self.chains[order_id] if order_id is not None else None

    def find_command(self, broker_command_id: str) -> tuple[Chain, Command] | None:
        """The command that a report names, with its chain, if it is in memory."""
        place = self.command_ids.get(broker_command_id)
        if place is None:
            return None
        chain = self.chains[place[0]]
        return chain, chain.commands[place[1]]

    def position_of(self, instrument: Instrument) -> Position:
        """The position as it stands, flat where there never was one. Raises NeedsHistory when it is not in memory."""
        key = key_of(instrument)
        position = self.positions.get(key)
        if position is not None:
            return position
        if self.is_partial and key not in self.unknown_keys:
            raise NeedsHistory(key)
        return Position(
            account_id=self.account.account_id,
            organization_id=self.account.organization_id,
            broker=self.account.broker,
            instrument=instrument,
        )

    def adjustment_of(self, adjustment_id: str) -> Adjustment | None:
        """The adjustment with that id. Raises NeedsAdjustment when it is not known whether there is one."""
        if self.is_partial and adjustment_id not in self.adjustments:
            raise NeedsAdjustment(adjustment_id)
        return self.adjustments.get(adjustment_id)

    def ticket_at(self, place: Place) -> Ticket | None:
        """The ticket that stands there."""
        return next((ticket for ticket in self.tickets.values() if ticket.place == place), None)

    def adopt_history(self, key: InstrumentKey, history: History) -> None:
        """Take in a piece of a fold loaded from the store, up to its end."""
        self.folds[key] = Fold(history.base, folded(history.base, history.changes, self.roll))

    def forget_positions(self) -> None:
        """Let go what the store has: steps, positions at rest, adjustments asked for."""
        self.folds.clear()
        self.adjustments.clear()
        self.unknown_keys.clear()
        for key in [key for key, position in self.positions.items() if position.is_quiet]:
            del self.positions[key]

    def find_order(self, broker_command_id: str, external_order_id: str | None) -> Chain | None:
        """The chain that a report means which names none of our commands, if it is in memory."""
        order_id = self.external_ids.get(external_order_id or "") or self.external_command_ids.get(broker_command_id)
        return None if order_id is None else self.chains.get(order_id)

    def unresolved(self) -> list[Command]:
        """Commands without a final outcome, in order of commit."""
        commands = [c for chain in self.chains.values() for c in chain.commands.values() if c.is_unresolved]
        return sorted(commands, key=lambda command: (command.stamps.committed_ns, command.seq))

    def adopt(self, chains: Iterable[Chain]) -> None:
        """Take in chains loaded from the store; those already here stay."""
        for chain in chains:
            if chain.order.order_id in self.chains:
                continue
            self._keep(chain.order, chain)
            for command in chain.commands.values():
                self.command_ids[command.broker_command_id] = (command.order_id, command.seq)

    def forget(self, order_id: str) -> None:
        """Let a settled chain go."""
        chain = self.chains.pop(order_id)
        order = chain.order
        self.order_ids.pop(order.intent_id, None)
        self._unname(order)
        for command in chain.commands.values():
            del self.command_ids[command.broker_command_id]

    def _keep(self, order: Order, chain: Chain | None = None) -> None:
        """The order as it is now, and the ids it is found by."""
        known = self.chains.get(order.order_id)
        if known is None:
            self.chains[order.order_id] = chain or Chain(order)
        else:
            if known.order.external_order_id != order.external_order_id:
                self._unname(known.order)
            known.order = order
        if order.intent_id:
            self.order_ids[order.intent_id] = order.order_id
        if order.external_order_id is not None:
            self.external_ids[order.external_order_id] = order.order_id
        if order.external_command_id is not None:
            self.external_command_ids[order.external_command_id] = order.order_id

    def _unname(self, order: Order) -> None:
        """Find the order no more by the ids that the broker gave it."""
        for ids, name in (
            (self.external_ids, order.external_order_id),
            (self.external_command_ids, order.external_command_id),
        ):
            if name is not None and ids.get(name) == order.order_id:
                del ids[name]

    def apply(self, batch: Batch) -> None:
        """Become the state after the batch."""
        self.last_ns = max(self.last_ns, batch.at_ns)
        for order in batch.orders:
            self._keep(order)
        for command in batch.commands:
            self.chains[command.order_id].commands[command.seq] = command
            self.command_ids[command.broker_command_id] = (command.order_id, command.seq)
        for trade in batch.trades:
            self.chains[trade.order_id].book(trade)
        for amendment in batch.amendments:
            self.chains[amendment.order_id].amend(amendment)
        for parked in batch.parked:
            self.parked[parked.key] = parked
        for key in batch.unparked:
            self.parked.pop(key, None)
        for ticket in batch.tickets:
            if ticket.status is not BreakStatus.CLOSED:
                self.tickets[ticket.break_id] = ticket
            else:
                self.tickets.pop(ticket.break_id, None)
        self._apply_positions(batch)
        if batch.status is not None:
            self.status = batch.status
        if batch.report_cursor is not None:
            self.report_cursor = batch.report_cursor
        if batch.listed_cursor is not None:
            self.listed_cursor = batch.listed_cursor

    def _apply_positions(self, batch: Batch) -> None:
        for posting in batch.postings:
            self.folds[posting.key].apply(posting)
        for position in batch.positions:
            self.positions[key_of(position.instrument)] = position
        for balance in batch.balances:
            self.balances[balance.currency] = balance
        for adjustment in batch.adjustments:
            self.adjustments[adjustment.adjustment_id] = adjustment
        if batch.roll is not None:
            self.roll = batch.roll
