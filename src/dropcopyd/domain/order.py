"""Orders: terms, what the broker said of them, and the status that follows from it.

Status is a function of the facts (quantity, filled, acknowledged open requests, closed, done for the day, stopped,
rejected) by FIX precedence, not a chain of edges; `transitions` is what may follow what (order-lifecycle.md; FIX 4.2
appendix D and its successors).
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from dropcopyd.domain import money
from dropcopyd.domain.account import BrokerKind
from dropcopyd.domain.instrument import Instrument, average_of


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    FILL_OR_KILL = "FILL_OR_KILL"
    LIMIT_ON_OPEN = "LIMIT_ON_OPEN"
    LIMIT_ON_CLOSE = "LIMIT_ON_CLOSE"
    MARKET_ON_OPEN = "MARKET_ON_OPEN"
    MARKET_ON_CLOSE = "MARKET_ON_CLOSE"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"


class TimeInForce(StrEnum):
    DAY = "DAY"
    GOOD_TILL_CANCEL = "GOOD_TILL_CANCEL"
    AT_OPEN = "AT_OPEN"
    IMMEDIATE_OR_CANCEL = "IMMEDIATE_OR_CANCEL"
    FILL_OR_KILL = "FILL_OR_KILL"
    EXT = "EXT"
    AT_CLOSE = "AT_CLOSE"


class OrderSide(StrEnum):
    BUY = "BUY"
    SELL = "SELL"
    SELL_SHORT = "SELL_SHORT"


class OrderVenue(StrEnum):
    SMART = "SMART"
    AMEX = "AMEX"
    ARCA = "ARCA"
    BATS = "BATS"
    BATY = "BATY"
    EDGA = "EDGA"
    EDGX = "EDGX"
    NSDQ = "NSDQ"
    NYSE = "NYSE"


class OrderStatus(StrEnum):
    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    CANCELLED = "CANCELLED"
    PENDING_REPLACE = "PENDING_REPLACE"
    REPLACED = "REPLACED"
    STOPPED = "STOPPED"
    REJECTED = "REJECTED"


class OrderState(StrEnum):
    OPEN = "OPEN"
    CLOSED = "CLOSED"
    REJECTED = "REJECTED"


class OrderOrigin(StrEnum):
    PLATFORM = "PLATFORM"
    EXTERNAL = "EXTERNAL"


class ActionType(StrEnum):
    CREATE = "CREATE"
    REPLACE = "REPLACE"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """What is asked for: quantity is the total over the order's life, > 0; prices > 0 where the type has them."""

    order_type: OrderType
    quantity: Decimal
    time_in_force: TimeInForce
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A replace or cancel that the broker has acknowledged (Pending Replace, Pending Cancel) and not yet decided.

    `seq` 0: nobody here asked for it.
    """

    seq: int
    action_type: ActionType


@dataclass(frozen=True, slots=True)
class Split:
    """A restatement of the order by a split at the broker's `at_ns`: of `quantity_before` it made `quantity_after`.

    What was executed before counts in the order by that ratio; executions themselves stay as they were.
    """

    at_ns: int
    quantity_before: Decimal
    quantity_after: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order as the platform knows it after the last report.

    `is_accepted`: the broker itself has spoken of the order, if only to reject it.
    `terms` are the terms in force at the broker: a replace changes them when it is accepted, not when it is asked.
    `filled_quantity` and `filled_value` are the totals of the executions in force (values at 18 places each): an
    amendment may lower them. `last_seq` is the newest command of the chain, `command_seq` the one that the last report
    named; both are 0 for an order from outside that nobody here has touched, and its `intent_id` is "" until then.
    `external_command_id` is the id under which the broker knows the live request of such an order.
    `broker_sent_at_ns` is the latest time of the broker in any report taken in, `terms_sent_at_ns` that of the report
    that gave the terms in force (None: they are what was asked, or the broker told no time). `closed_seq` is the
    command under whose id the broker ended the order without a cancel of it, if it has.
    """

    order_id: str
    intent_id: str
    account_id: str
    organization_id: str
    broker: BrokerKind
    instrument: Instrument
    order_side: OrderSide
    order_venue: OrderVenue
    terms: OrderTerms
    last_seq: int
    command_seq: int
    created_at_ns: int
    received_at_ns: int
    origin: OrderOrigin = OrderOrigin.PLATFORM
    client_reference_id: str | None = None
    strategy_id: str | None = None
    external_order_id: str | None = None
    filled_quantity: Decimal = money.ZERO
    filled_value: Decimal = money.ZERO
    is_accepted: bool = False
    is_rejected: bool = False
    is_closed: bool = False
    closed_seq: int | None = None
    is_done_for_day: bool = False
    is_stopped: bool = False
    pending: tuple[PendingRequest, ...] = ()
    in_doubt_since_ns: int | None = None
    reason_code: str | None = None
    reason: str | None = None
    raw_status: str | None = None
    broker_sent_at_ns: int | None = None
    external_command_id: str | None = None
    terms_sent_at_ns: int | None = None
    splits: tuple[Split, ...] = ()

    @property
    def status(self) -> OrderStatus:
        """The one status reported, highest first by FIX precedence; figures before flags."""
        if self.pending:
            is_cancel = any(request.action_type is ActionType.CANCEL for request in self.pending)
            return OrderStatus.PENDING_CANCEL if is_cancel else OrderStatus.PENDING_REPLACE
        if self.filled_quantity >= self.terms.quantity:
            return OrderStatus.FILLED
        if self.is_over:
            return OrderStatus.CANCELLED
        if self.is_stopped:
            return OrderStatus.STOPPED
        if self.filled_quantity:
            return OrderStatus.PARTIALLY_FILLED
        if self.is_rejected:
            return OrderStatus.REJECTED
        return OrderStatus.NEW if self.is_accepted else OrderStatus.PENDING_NEW

    @property
    def state(self) -> OrderState:
        """OPEN, CLOSED or REJECTED, derived from the status (order-lifecycle.md, mapping)."""
        return state_of(self.status)

    @property
    def is_over(self) -> bool:
        """Whether the balance works no more, whatever was filled: cancelled, expired, or the end of a DAY order.

        An order that is good till cancelled goes on tomorrow.
        """
        if self.is_closed:
            return True
        return self.is_done_for_day and self.terms.time_in_force is not TimeInForce.GOOD_TILL_CANCEL

    @property
    def leaves_quantity(self) -> Decimal:
        """What still works: 0 once over or rejected, never negative (an overfill is kept, with a break)."""
        if self.is_over or self.is_rejected or self.filled_quantity >= self.terms.quantity:
            return money.ZERO
        return money.subtract(self.terms.quantity, self.filled_quantity)

    def counted(self, quantity: Decimal, executed_ns: int) -> Decimal:
        """What so much, executed then, counts in `filled_quantity`: multiplied by each later split, half-even."""
        for split in self.splits:
            if executed_ns < split.at_ns:
                quantity = money.divide(money.multiply(quantity, split.quantity_after), split.quantity_before)
        return quantity

    @property
    def average_price(self) -> Decimal | None:
        """Price of the filled part, half-even at 18 places; None before the first execution."""
        if not self.filled_quantity:
            return None
        return average_of(self.instrument, self.filled_quantity, self.filled_value)

    @property
    def is_working(self) -> bool:
        """Whether the order can still trade, or we cannot exclude it."""
        return self.state is OrderState.OPEN or self.in_doubt_since_ns is not None


def state_of(status: OrderStatus) -> OrderState:
    """The contract's OrderState of a status."""
    if status is OrderStatus.REJECTED:
        return OrderState.REJECTED
    if status in (OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REPLACED):
        return OrderState.CLOSED
    return OrderState.OPEN
