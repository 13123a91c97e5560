"""What a stream hands out beside orders, positions, trades and commands, and the union of it all.

Three of these the gateway does not send; the stream makes them so that nothing happens in silence: Disconnected (you
are blind from here), Reset (drop what you know of the account) and Skipped (events of kinds this version lacks).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from dropcopy._enums import AdjustmentKind, EventType, OrderSide, ResumeOutcome, TradeAmendmentKind
from dropcopy._models import (
    AccountStatus,
    CommandOutcome,
    Instrument,
    IntentAction,
    Order,
    Place,
    Position,
    Trade,
    moment,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBalance:
    """An account's money in one currency, as the broker computes it."""

    account_id: str
    currency: str
    organization_id: str = ""
    cash: Decimal | None = None
    buying_power: Decimal | None = None
    equity: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    received_at_ns: int | None = None
    unrecognized: Mapping[str, int | str] = field(default_factory=dict, hash=False)
    place: Place | None = field(default=None, compare=False)

    @property
    def received_at(self) -> datetime | None:
        return moment(self.received_at_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeAmendment:
    """The broker took back (BUST) or corrected an execution that came before as a Trade.

    The changed order and position follow as events of their own.
    """

    account_id: str
    kind: TradeAmendmentKind
    exec_id: str
    symbol: str
    side: OrderSide
    organization_id: str = ""
    new_exec_id: str | None = None
    order_id: str = ""
    client_order_id: str = ""
    intent_id: str = ""
    quantity_before: Decimal | None = None
    price_before: Decimal | None = None
    quantity_after: Decimal | None = None
    price_after: Decimal | None = None
    reason: str | None = None
    received_at_ns: int | None = None
    broker_sent_at_ns: int | None = None
    unrecognized: Mapping[str, int | str] = field(default_factory=dict, hash=False)
    place: Place | None = field(default=None, compare=False)

    @property
    def received_at(self) -> datetime | None:
        return moment(self.received_at_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The price at which an instrument is valued."""

    price: Decimal
    instrument: Instrument | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """Position or cash moved without an execution; the deltas are signed.

    `cost_delta` is None where it follows from the position. A DAY_ROLL begins the day at `broker_sent_at`, and has the
    prices of what is held then in `marks`.
    """

    account_id: str
    kind: AdjustmentKind
    symbol: str
    organization_id: str = ""
    quantity_delta: Decimal | None = None
    cost_delta: Decimal | None = None
    cash_delta: Decimal | None = None
    note: str | None = None
    received_at_ns: int | None = None
    adjustment_id: str = ""
    currency: str | None = None
    broker_sent_at_ns: int | None = None
    instrument: Instrument | None = None
    marks: tuple[Mark, ...] = ()
    unrecognized: Mapping[str, int | str] = field(default_factory=dict, hash=False)
    place: Place | None = field(default=None, compare=False)

    @property
    def received_at(self) -> datetime | None:
        return moment(self.received_at_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHead:
    """One account in a heartbeat: all events up to `sequence` have been sent here, `head` is the journal's end."""

    account_id: str
    epoch: str
    sequence: int
    head: int
    chain: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Stream and gateway are alive. `delivered` counts the journal events sent on this connection."""

    sent_at_ns: int | None
    delivered: int = 0
    heads: tuple[AccountHead, ...] = ()

    @property
    def sent_at(self) -> datetime | None:
        return moment(self.sent_at_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """How a stream begins in one account; after a RESET, missed executions can be read over REST from `oldest`."""

    account_id: str
    outcome: ResumeOutcome
    head: int = 0
    oldest: int = 0
    unrecognized: Mapping[str, int | str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The stream is subscribed (again), or about to drain: see `code` ("subscribed", "draining", ...)."""

    message: str
    code: str = ""
    account_id: str = field(default="", metadata={"wire": "trading_account_id"})
    head: int = 0
    epoch: str = ""
    resumes: tuple[Resume, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Primed:
    """All state of one kind has been sent: an order not seen is not working, a position not seen is flat."""

    event_type: EventType
    account_id: str = field(default="", metadata={"wire": "trading_account_id"})
    as_of: int = 0
    unrecognized: Mapping[str, int | str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused:
    """The gateway refused a request on this stream, which stays open."""

    message: str
    code: str = ""
    account_id: str = field(default="", metadata={"wire": "trading_account_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """Drop what you know of the account ("" = of every account without a cursor): its present state follows.

    Executions that happened meanwhile are not sent; read them over REST. `oldest` and `head` bound the journal
    (0 = not known).
    """

    account_id: str
    reason: str
    head: int = 0
    oldest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """The stream is blind from here until the next Status; it reconnects by itself after `retry_in_s`.

    `code` is a stable word: the gateway's ("draining", "stream_stalled", ...) or one of "connection_lost",
    "heartbeat_missed", "gap", "ended". `attempt` counts the failures since the last good connection, from 1.
    """

    code: str
    reason: str
    attempt: int
    retry_in_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Journal events `first` to `last` are of kinds that this version of the SDK does not know."""

    account_id: str
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """An event that this version cannot read, as it came: a kind from the future, or a value that makes no sense.

    `field_numbers` are the members of TradingEvent that this version does not know; `problem` says what was wrong
    with a known one, else "".
    """

    account_id: str
    payload: bytes
    field_numbers: tuple[int, ...] = ()
    problem: str = ""
    place: Place | None = field(default=None, compare=False)


JournalEvent: TypeAlias = (
    Order
    | Position
    | Trade
    | IntentAction
    | CommandOutcome
    | AccountStatus
    | AccountBalance
    | TradeAmendment
    | Adjustment
    | Unknown
)
"""What a journal holds. With `place` None it is replayed state."""

Event: TypeAlias = JournalEvent | Heartbeat | Status | Primed | RequestRefused | Reset | Disconnected | Skipped
"""Everything that a stream hands out."""
