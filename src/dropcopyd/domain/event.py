"""Journal events: what happened, in the contract's kinds, and everything one decision changes."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from dropcopyd.domain.account import Account, AccountStatus
from dropcopyd.domain.adjustment import Adjustment, DayRoll
from dropcopyd.domain.amendment import Amendment
from dropcopyd.domain.attenuation import Spending
from dropcopyd.domain.audit import AuditEntry
from dropcopyd.domain.balance import Balance
from dropcopyd.domain.breaks import Break
from dropcopyd.domain.command import Command, IdempotencyRecord
from dropcopyd.domain.fold import Posting
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.order import Order, OrderOrigin, OrderSide
from dropcopyd.domain.parking import Parked
from dropcopyd.domain.position import Position
from dropcopyd.domain.reconciliation import Reconciliation, Ticket
from dropcopyd.domain.report import Fee, Liquidity


class EventType(StrEnum):
    """Kinds of journal events, spelled as in the contract's enum."""

    BROKER_ORDER = "BROKER_ORDER"
    BROKER_POSITION = "BROKER_POSITION"
    BROKER_TRADE = "BROKER_TRADE"
    INTENT_ACTION = "INTENT_ACTION"
    ACCOUNT_STATUS = "ACCOUNT_STATUS"
    ACCOUNT_BALANCE = "ACCOUNT_BALANCE"
    TRADE_AMENDMENT = "TRADE_AMENDMENT"
    ADJUSTMENT = "ADJUSTMENT"
    COMMAND_OUTCOME = "COMMAND_OUTCOME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One execution. Quantities after it: cumulative, order, leaves. `execution_key` is its identity in the order."""

    account_id: str
    organization_id: str
    order_id: str
    intent_id: str
    external_order_id: str | None
    instrument: Instrument
    order_side: OrderSide
    quantity: Decimal
    price: Decimal
    received_at_ns: int
    execution_key: str
    exec_id: str | None
    cumulative_quantity: Decimal
    order_quantity: Decimal
    leaves_quantity: Decimal
    broker_sent_at_ns: int | None
    origin: OrderOrigin
    strategy_id: str | None
    fees: tuple[Fee, ...]
    trade_date: str | None
    venue: str | None
    liquidity: Liquidity | None
    effective_quantity: Decimal | None = None
    """The figures in force after amendments; None = as reported."""
    effective_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AccountMoved:
    """The account's connection changed."""

    account: Account
    status: AccountStatus


Record = Order | Position | Trade | Amendment | Adjustment | Balance | Command | AccountMoved


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, with the record as it is afterwards.

    A Command is the record of INTENT_ACTION (what was asked) and of COMMAND_OUTCOME (what became of it).
    """

    kind: EventType
    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Everything that one decision changes; committed whole or not at all. Events are in journal order.

    Records appear in the state they have after the batch, each once. `report_cursor` is the broker's place up to
    which its reports are taken in with this batch, `listed_cursor` that up to which what it lists is. `postings` are
    what it does to the folds of its positions, `roll` the account's new day. `parked` reports wait for what they name,
    `unparked` (their keys) wait no more. `breaks` are what the broker said that cannot be; `tickets` breaks that were
    opened, changed or closed, with the `reconciliation` that found them. `audits` are lines of the audit log that go
    with it. `spending` is what an attenuated key has used up with it.
    """

    account_id: str
    at_ns: int
    events: tuple[Event, ...] = ()
    orders: tuple[Order, ...] = ()
    commands: tuple[Command, ...] = ()
    trades: tuple[Trade, ...] = ()
    amendments: tuple[Amendment, ...] = ()
    positions: tuple[Position, ...] = ()
    postings: tuple[Posting, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    balances: tuple[Balance, ...] = ()
    roll: DayRoll | None = None
    status: AccountStatus | None = None
    idempotency: IdempotencyRecord | None = None
    report_cursor: str | None = None
    listed_cursor: str | None = None
    breaks: tuple[Break, ...] = ()
    parked: tuple[Parked, ...] = ()
    unparked: tuple[str, ...] = ()
    spending: Spending | None = None
    tickets: tuple[Ticket, ...] = ()
    reconciliation: Reconciliation | None = None
    audits: tuple[AuditEntry, ...] = ()
