"""What a broker says: reports about orders, answers to a command, and its snapshot. Claims, not yet facts of ours."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from dropcopyd.domain.instrument import InstrumentKey


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
class OrderReport:
    """One report of a broker about one order.

    `broker_command_id` is the command the report names (FIX ClOrdID): the request it answers, else the live one.
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
    cumulative_quantity: Decimal | None = None
    exec_id: str | None = None
    last_quantity: Decimal | None = None
    last_price: Decimal | None = None
    trade_date: str | None = None
    """YYYY-MM-DD in the broker's calendar."""
    venue: str | None = None
    liquidity: Liquidity | None = None
    fees: tuple[Fee, ...] = ()
    cursor: str = ""


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


@dataclass(frozen=True, slots=True)
class PositionClaim:
    """One position in a broker's snapshot; the quantity is signed."""

    key: InstrumentKey
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSnapshot:
    """The broker's side of one account at one instant.

    `reports`: what it reported after the cursor asked for, in its own order. `orders`: every open order. `positions`:
    every non-flat position. `cursor`: where this snapshot ends.
    """

    reports: tuple[OrderReport, ...]
    orders: tuple[OrderClaim, ...]
    positions: tuple[PositionClaim, ...]
    cursor: str
