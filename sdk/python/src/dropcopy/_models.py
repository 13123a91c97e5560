"""The records that the SDK hands out: events of a stream, rows of the REST pages, and what a submit is made of.

All are frozen. Amounts are exact `Decimal`, None means "not said" and never zero. Times come twice: `*_ns` is the
exact value in nanoseconds UTC, the property without the suffix a `datetime` (which keeps microseconds). Enums are
open: what this version does not know is UNSPECIFIED, with the raw number or word in `unrecognized` under the field's
name. `place` says where an event stands in its account's journal; None for replayed state and for rows read over
REST. It takes no part in comparison: the same order is equal from the stream and from a page.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Self

from dropcopy._enums import (
    AccountConnection,
    AssetClass,
    Broker,
    CommandOutcomeKind,
    ExerciseStyle,
    IntentActionType,
    IntentPrincipalType,
    Liquidity,
    OptionType,
    OrderOrigin,
    OrderSide,
    OrderState,
    OrderStatus,
    OrderType,
    OrderVenue,
    PerpetualUnderlying,
    PredictionOutcome,
    Settlement,
    TimeInForce,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def moment(at_ns: int | None) -> datetime | None:
    """Nanoseconds UTC as a datetime, cut to microseconds."""
    return None if at_ns is None else _EPOCH + timedelta(microseconds=at_ns // 1000)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands: `sequence` in its account's journal, `kind_sequence` among its kind, both from 1."""

    sequence: int
    kind_sequence: int
    chain: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in an account's journal to resume from: the last event dealt with. `str` and `parse` store it."""

    account_id: str
    epoch: str
    sequence: int
    chain: int = 0

    def __str__(self) -> str:
        return f"{self.account_id}:{self.epoch}:{self.sequence}:{self.chain:016x}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor that `str` wrote. Raises ValueError."""
        parts = text.strip().split(":")
        if len(parts) != 4:
            raise ValueError("a cursor is account:epoch:sequence:chain")
        account_id, epoch, sequence, chain = parts
        return cls(account_id, epoch, int(sequence), int(chain, 16))


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What is traded. Only the terms that its asset class has are set; None = none, or not known.

    `tick_size` is the smallest price step (a crypto's price_increment), `multiplier` the size of one contract.
    """

    asset_class: AssetClass
    symbol: str
    exchange: str | None = None
    venue: str | None = None
    currency: str | None = None
    base: str | None = None
    quote: str | None = None
    root: str | None = None
    underlying_symbol: str | None = field(default=None, metadata={"wire": "underlying"})
    expiration_ns: int | None = None
    strike: Decimal | None = None
    option_type: OptionType | None = None
    exercise_style: ExerciseStyle | None = None
    multiplier: Decimal | None = None
    tick_size: Decimal | None = None
    quantity_increment: Decimal | None = None
    perpetual_underlying: PerpetualUnderlying | None = field(default=None, metadata={"wire": "underlying"})
    settlement: Settlement | None = None
    funding_interval_s: int | None = None
    market: str | None = None
    outcome: PredictionOutcome | None = None
    payout: Decimal | None = None
    unrecognized: Mapping[str, int | str] = field(default_factory=dict, hash=False)

    @property
    def expiration(self) -> datetime | None:
        return moment(self.expiration_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order's full state after a change; it replaces whatever was known of the order.

    `command_seq` is the intent action that this state answers. `in_doubt_since_ns` is set while it is not certain
    whether a command reached the broker. An order without `instrument` is not to be acted on.
    """

    order_id: str
    account_id: str
    symbol: str
    order_state: OrderState
    order_status: OrderStatus
    order_type: OrderType
    order_side: OrderSide
    quantity: Decimal
    filled_quantity: Decimal
    time_in_force: TimeInForce
    order_venue: OrderVenue
    broker: Broker
    organization_id: str = ""
    intent_id: str = ""
    command_seq: int = 0
    external_order_id: str | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    average_price: Decimal | None = None
    leaves_quantity: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    received_at_ns: int | None = None
    broker_sent_at_ns: int | None = None
    in_doubt_since_ns: int | None = None
    client_reference_id: str | None = None
    strategy_id: str | None = None
    reason_code: str | None = None
    reason: str | None = None
    raw_status: str | None = None
    origin: OrderOrigin = OrderOrigin.UNSPECIFIED
    instrument: Instrument | None = None
    unrecognized: Mapping[str, int | str] = field(default_factory=dict, hash=False)
    place: Place | None = field(default=None, compare=False)

    @property
    def received_at(self) -> datetime | None:
        return moment(self.received_at_ns)

    @property
    def broker_sent_at(self) -> datetime | None:
        return moment(self.broker_sent_at_ns)

    @property
    def in_doubt_since(self) -> datetime | None:
        return moment(self.in_doubt_since_ns)

    @property
    def is_working(self) -> bool:
        """Whether it may still trade, or that cannot be excluded: a status from the future counts as working."""
        return self.order_state not in (OrderState.CLOSED, OrderState.REJECTED) or self.in_doubt_since_ns is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A position's full state after a change; quantity above zero is long, below zero short."""

    account_id: str
    symbol: str
    quantity: Decimal
    average_cost: Decimal | None
    broker: Broker = Broker.UNSPECIFIED
    organization_id: str = ""
    realized_pnl: Decimal | None = None
    daily_pnl: Decimal | None = None
    value_bought: Decimal | None = None
    value_sold: Decimal | None = None
    received_at_ns: int | None = None
    broker_sent_at_ns: int | None = None
    instrument: Instrument | None = None
    unrecognized: Mapping[str, int | str] = field(default_factory=dict, hash=False)
    place: Place | None = field(default=None, compare=False)

    @property
    def received_at(self) -> datetime | None:
        return moment(self.received_at_ns)

    @property
    def key(self) -> tuple[str, str, str]:
        """(account, asset class, symbol): a symbol may name instruments of several classes."""
        asset_class = AssetClass.UNSPECIFIED if self.instrument is None else self.instrument.asset_class
        return (self.account_id, asset_class.value, self.symbol)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """One charge of an execution; below zero is a rebate."""

    kind: str
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One execution: `quantity` and `price` are of this execution alone.

    `order_id` is the broker's id of the order, `client_order_id` the platform's (`Order.order_id`).
    """

    account_id: str
    symbol: str
    side: OrderSide
    quantity: Decimal
    price: Decimal
    order_id: str = ""
    client_order_id: str = ""
    organization_id: str = ""
    intent_id: str = ""
    exec_id: str | None = None
    cumulative_quantity: Decimal | None = None
    order_quantity: Decimal | None = None
    leaves_quantity: Decimal | None = None
    received_at_ns: int | None = None
    broker_sent_at_ns: int | None = None
    strategy_id: str | None = None
    trade_date: str | None = None
    venue: str | None = None
    liquidity: Liquidity = Liquidity.UNSPECIFIED
    origin: OrderOrigin = OrderOrigin.UNSPECIFIED
    fees: tuple[Fee, ...] = ()
    instrument: Instrument | None = None
    unrecognized: Mapping[str, int | str] = field(default_factory=dict, hash=False)
    place: Place | None = field(default=None, compare=False)

    @property
    def received_at(self) -> datetime | None:
        return moment(self.received_at_ns)

    @property
    def broker_sent_at(self) -> datetime | None:
        return moment(self.broker_sent_at_ns)

    @property
    def signed_quantity(self) -> Decimal:
        """What it does to the position. Raises ValueError for a side that this version does not know."""
        if self.side == OrderSide.UNSPECIFIED:
            raise ValueError(f"execution {self.exec_id} has no known side")
        return self.quantity if self.side == OrderSide.BUY else -self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentAction:
    """One accepted create, replace or cancel with all its parameters; (intent_id, seq) identifies it.

    Read over REST it also says what has become of it (`outcome`...); on the stream that comes as CommandOutcome.
    """

    intent_id: str
    account_id: str
    seq: int
    action_type: IntentActionType
    symbol: str
    order_side: OrderSide
    order_type: OrderType
    quantity: Decimal
    order_venue: OrderVenue = OrderVenue.UNSPECIFIED
    principal_type: IntentPrincipalType = IntentPrincipalType.UNSPECIFIED
    organization_id: str = ""
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    time_in_force: TimeInForce | None = None
    client_reference_id: str | None = None
    strategy_id: str | None = None
    received_at_ns: int | None = None
    created_at_ns: int | None = None
    order_id: str | None = field(default=None, compare=False)
    outcome: CommandOutcomeKind | None = field(default=None, compare=False)
    outcome_reason_code: str | None = field(default=None, compare=False)
    outcome_reason: str | None = field(default=None, compare=False)
    unrecognized: Mapping[str, int | str] = field(default_factory=dict, hash=False)
    place: Place | None = field(default=None, compare=False)

    @property
    def received_at(self) -> datetime | None:
        return moment(self.received_at_ns)

    @property
    def created_at(self) -> datetime | None:
        return moment(self.created_at_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOutcome:
    """What became of the create, replace or cancel (intent_id, seq)."""

    intent_id: str
    seq: int
    account_id: str
    outcome: CommandOutcomeKind
    organization_id: str = ""
    reason_code: str | None = None
    reason: str | None = None
    at_ns: int | None = None
    unrecognized: Mapping[str, int | str] = field(default_factory=dict, hash=False)
    place: Place | None = field(default=None, compare=False)

    @property
    def at(self) -> datetime | None:
        return moment(self.at_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """Whether an account's picture is current, and why not."""

    account_id: str
    connection: AccountConnection
    organization_id: str = ""
    reason_code: str | None = None
    reason: str | None = None
    since_ns: int | None = None
    unrecognized: Mapping[str, int | str] = field(default_factory=dict, hash=False)
    place: Place | None = field(default=None, compare=False)

    @property
    def since(self) -> datetime | None:
        return moment(self.since_ns)
