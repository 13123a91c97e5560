"""What a broker says: reports about orders, answers to a command, and its snapshot. Claims, not yet facts of ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from dropcopyd.domain.adjustment import AdjustmentKind
from dropcopyd.domain.instrument import InstrumentKey
from dropcopyd.domain.order import OrderSide, OrderTerms, OrderType, OrderVenue, TimeInForce

UNKNOWN_ORDER_REASON: Final = "unknown_order"
"""Reason code of a request refused because the broker has no such order: it says nothing about any order."""
DUPLICATE_ID_REASON: Final = "duplicate_command_id"
"""Reason code of a rejection because the id is known: it says nothing new about the order that has it."""


CORPORATE_ACTION_REASON: Final = "corporate_action"
"""Reason code of a restatement by a split: what was executed before it counts by the quantity's ratio [FIX H.1.b]."""


class ReportKind(StrEnum):
    """Why a report was sent (FIX ExecType, Order Cancel Reject)."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    PENDING_CANCEL = "PENDING_CANCEL"
    PENDING_REPLACE = "PENDING_REPLACE"
    CANCELLED = "CANCELLED"
    """The balance is cancelled: asked for, unsolicited, an IOC's remainder, or an expiry (see reason_code)."""
    REPLACED = "REPLACED"
    REQUEST_REFUSED = "REQUEST_REFUSED"
    """A replace or cancel was refused; the order stands as it stood."""
    TRADE = "TRADE"
    BUST = "BUST"
    """The execution `exec_ref_id` never was (FIX Trade Cancel)."""
    CORRECTION = "CORRECTION"
    """The execution `exec_ref_id` is replaced: `last_quantity` and `last_price` are its whole corrected figures.
    `exec_id` is what a later amendment names."""
    RESTATED = "RESTATED"
    """The broker changed the order in place, unasked: `quantity` and prices where it says them (see
    CORPORATE_ACTION_REASON)."""
    DONE_FOR_DAY = "DONE_FOR_DAY"
    """No more today: the end of a DAY order, a pause of one that goes on tomorrow."""
    STOPPED = "STOPPED"
    """A guarantee, no execution: `last_quantity` and `last_price` are what is guaranteed."""
    TRIGGERED = "TRIGGERED"
    """A stop order has been activated."""
    STATUS = "STATUS"
    """An answer to a status question or to a possible resend: nothing happened."""


class Liquidity(StrEnum):
    ADDED = "ADDED"
    REMOVED = "REMOVED"
    AUCTION = "AUCTION"


@dataclass(frozen=True, slots=True)
class Fee:
    kind: str
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedOrder:
    """An order as the broker describes it, enough to keep one that nobody here sent."""

    key: InstrumentKey
    order_side: OrderSide
    terms: OrderTerms
    order_venue: OrderVenue = OrderVenue.SMART
    client_reference_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """One report of a broker about one order.

    `broker_command_id` is the command the report names (FIX ClOrdID): the request it answers, else the live one; one
    that nobody here sent (or "") makes it a report of an external order, known by `external_order_id` and described
    by `order`.
    Figures are the broker's after the report, None where it did not say. A TRADE carries `last_quantity` > 0 and
    `last_price`; `broker_sent_at_ns` is then the transaction time. `cursor` is the broker's own place of this report,
    to be handed back to `Broker.snapshot`; "" where the broker has none.
    """

    kind: ReportKind
    broker_command_id: str
    external_order_id: str | None = None
    broker_sent_at_ns: int | None = None
    raw_status: str | None = None
    reason_code: str | None = None
    reason: str | None = None
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    cumulative_quantity: Decimal | None = None
    exec_id: str | None = None
    exec_ref_id: str | None = None
    """The execution that a BUST or CORRECTION amends: its exec_id, or that of its last correction."""
    last_quantity: Decimal | None = None
    last_price: Decimal | None = None
    trade_date: str | None = None
    """YYYY-MM-DD in the broker's calendar; of a BUST or CORRECTION that of the execution it amends (FIX TradeDate)."""
    venue: str | None = None
    liquidity: Liquidity | None = None
    fees: tuple[Fee, ...] = ()
    order: ReportedOrder | None = None
    cursor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceReport:
    """An account's money in one currency as the broker has it; None = the broker did not say, never zero."""

    currency: str
    cash: Decimal | None = None
    buying_power: Decimal | None = None
    equity: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    broker_sent_at_ns: int | None = None
    cursor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentReport:
    """A change of a position or of cash that is no execution. `adjustment_id` is the broker's, unique in the account:
    the same one again is a repetition. Deltas are signed; `cash_delta` is in `currency`."""

    adjustment_id: str
    kind: AdjustmentKind
    key: InstrumentKey | None = None
    quantity_delta: Decimal | None = None
    cost_delta: Decimal | None = None
    cash_delta: Decimal | None = None
    currency: str | None = None
    note: str = ""
    broker_sent_at_ns: int | None = None
    cursor: str = ""


BrokerReport = OrderReport | BalanceReport | AdjustmentReport
"""Everything a broker tells unasked, in its own order per account."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker has the command. Whether it accepts it comes as a report."""

    external_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker's own word that it will not do it: proof."""

    reason_code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say whether the command arrived: a time-out, a lost connection, an unreadable answer."""

    cause: str


SubmitResult = Acknowledged | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Found:
    """The broker knows the command; `reports` bring it up to date (executions first, then the state)."""

    reports: tuple[OrderReport, ...]


@dataclass(frozen=True, slots=True)
class NotFound:
    """The broker answered, and does not know the command. Proof only when said twice, spaced, on a live session."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The broker could not be asked."""

    cause: str


FindResult = Found | NotFound | Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderClaim:
    """One order in a broker's snapshot: the live command and the figures as the broker has them."""

    broker_command_id: str
    external_order_id: str
    key: InstrumentKey
    is_open: bool
    quantity: Decimal
    limit_price: Decimal | None
    cumulative_quantity: Decimal
    stop_price: Decimal | None = None
    """None where the order has none, or the broker does not say."""
    order: ReportedOrder | None = None
    """Its description, for an order that nobody here sent."""


@dataclass(frozen=True, slots=True)
class PositionClaim:
    """One position in a broker's snapshot; the quantity is signed."""

    key: InstrumentKey
    quantity: Decimal


class SnapshotPart(StrEnum):
    """What a snapshot lists."""

    ORDERS = "orders"
    POSITIONS = "positions"
    EXECUTIONS = "executions"
    BALANCES = "balances"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSnapshot:
    """The broker's side of one account at one instant.

    `reports`: what it reported after the cursor asked for, in its own order. `orders`: every open order. `positions`:
    every non-flat position. `balances`: the money. `executions`: those that the broker can still list (at least of its
    trade date, and what was made or amended since the last snapshot that was taken in), in its own order, whether or
    not they were reported before: TRADE reports as they were executed, busted ones too, and their BUST and CORRECTION
    reports, each under its own `exec_id`. A broker that lists no amendments lists the figures in force instead, and no
    busted ones. `cursor`: where this snapshot ends. `lacks`: the parts that could not be had whole: what they list
    counts, what they leave out is unknown, never flat and never closed. An adapter that gets no snapshot raises.
    """

    reports: tuple[BrokerReport, ...]
    orders: tuple[OrderClaim, ...]
    positions: tuple[PositionClaim, ...]
    cursor: str
    balances: tuple[BalanceReport, ...] = ()
    executions: tuple[OrderReport, ...] = ()
    lacks: frozenset[SnapshotPart] = frozenset()


@dataclass(frozen=True, slots=True)
class BrokerCapabilities:
    """What differs from broker to broker in the life of an order."""

    can_raise_filled: bool = False
    """Whether a replace may raise a filled order's quantity and open it again [FIX C.1.c]."""
    bust_reopens: bool = True
    """Whether a bust on a filled order opens it again [FIX D34]; cancelled and done orders never reopen."""
    refuses: Mapping[tuple[OrderType, TimeInForce], str] = field(default_factory=dict)
    """Pairs of `order_rules` that the broker does not take although the table does, each with the reason."""
