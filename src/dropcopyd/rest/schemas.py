"""The shapes of answers as documented in /openapi.json.

They describe; `render` writes answers by hand, for speed. A test proves every answer to be one of these.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from dropcopyd.domain.account import AccountConnection, BrokerKind, PrincipalType, Scope
from dropcopyd.domain.command import OutcomeKind
from dropcopyd.domain.event import EventType
from dropcopyd.domain.instrument import (
    AssetClass,
    ExerciseStyle,
    OptionType,
    PerpetualUnderlying,
    PredictionOutcome,
    Settlement,
)
from dropcopyd.domain.order import (
    ActionType,
    OrderOrigin,
    OrderSide,
    OrderState,
    OrderStatus,
    OrderType,
    OrderVenue,
    TimeInForce,
)
from dropcopyd.domain.report import Liquidity
from dropcopyd.flow.streams import Edge

_UUID: Final = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

Uuid = Annotated[str, Field(pattern=f"^{_UUID}$", json_schema_extra={"format": "uuid"})]
Amount = Annotated[
    str, Field(pattern=r"^-?[0-9]+(\.[0-9]{1,18})?$", description="An exact decimal, never a JSON number.")
]
Time = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z$",
        description="RFC 3339, UTC, nine decimals.",
        json_schema_extra={"format": "date-time"},
    ),
]


class Shape(BaseModel):
    """A JSON object with exactly its documented members."""

    model_config = ConfigDict(extra="forbid", strict=True)


# --- instruments --------------------------------------------------------------------------------------------------


class Equity(Shape):
    """A share."""

    asset_class: Literal[AssetClass.EQUITY]
    symbol: str
    exchange: str | None


class Future(Shape):
    """A dated future."""

    asset_class: Literal[AssetClass.FUTURE]
    symbol: str
    root: str
    exchange: str
    expiration: Time
    tick_size: Amount
    multiplier: Amount
    currency: str


class OptionInstrument(Shape):
    """A listed option; the symbol is the OCC one."""

    asset_class: Literal[AssetClass.OPTION]
    symbol: str
    underlying: str
    expiration: Time
    strike: Amount
    option_type: OptionType
    exercise_style: ExerciseStyle
    multiplier: Amount
    exchange: str | None
    tick_size: Amount | None


class Currency(Shape):
    """A currency pair."""

    asset_class: Literal[AssetClass.CURRENCY]
    symbol: str
    base: str
    quote: str


class Crypto(Shape):
    """A spot pair."""

    asset_class: Literal[AssetClass.CRYPTO]
    symbol: str
    base: str
    quote: str
    venue: str
    price_increment: Amount
    quantity_increment: Amount


class FundingSchedule(Shape):
    """How often a perpetual pays funding."""

    interval_seconds: int


class Perpetual(Shape):
    """A perpetual swap; an unknown settlement is null, never linear."""

    asset_class: Literal[AssetClass.PERPETUAL]
    symbol: str
    base: str
    quote: str
    venue: str
    underlying: PerpetualUnderlying | None
    settlement: Settlement | None
    multiplier: Amount
    funding: FundingSchedule
    tick_size: Amount
    quantity_increment: Amount


class Prediction(Shape):
    """One outcome of a prediction market; an unknown outcome is null, never yes."""

    asset_class: Literal[AssetClass.PREDICTION]
    symbol: str
    market: str
    outcome: PredictionOutcome | None
    venue: str
    payout: Amount
    currency: str
    tick_size: Amount
    expiration: Time | None


Instrument = Annotated[
    Equity | Future | OptionInstrument | Currency | Crypto | Perpetual | Prediction,
    Field(discriminator="asset_class"),
]


# --- answers ------------------------------------------------------------------------------------------------------


class IntentAccepted(Shape):
    """The command is durable."""

    intent_id: Uuid


class IntentAction(Shape):
    """One durable command of an intent, a full snapshot of what was asked, and what became of it."""

    account_id: Uuid
    organization_id: Uuid
    intent_id: Uuid
    seq: int = Field(description="Ascending from 1, the CREATE.")
    action_type: ActionType
    symbol: str
    order_side: OrderSide
    order_type: OrderType
    quantity: Amount
    limit_price: Amount | None
    stop_price: Amount | None
    trail_amount: Amount | None
    trail_percent: Amount | None
    order_venue: OrderVenue
    time_in_force: TimeInForce
    client_reference_id: str | None
    principal_type: PrincipalType
    received_at: Time = Field(description="When the request arrived.")
    created_at: Time = Field(description="When it was committed.")
    order_id: Uuid
    strategy_id: str | None
    outcome: OutcomeKind
    outcome_reason_code: str | None
    outcome_reason: str | None
    outcome_at: Time


class Order(Shape):
    """One order as after the broker's last report."""

    order_id: Uuid
    intent_id: Uuid
    command_seq: int
    external_order_id: str | None
    account_id: Uuid
    broker: BrokerKind
    symbol: str
    order_state: OrderState
    order_status: OrderStatus
    order_type: OrderType
    order_side: OrderSide
    limit_price: Amount | None
    stop_price: Amount | None
    average_price: Amount | None
    order_venue: OrderVenue
    quantity: Amount
    filled_quantity: Amount
    time_in_force: TimeInForce
    received_at: Time
    organization_id: Uuid
    client_reference_id: str | None
    broker_sent_at: Time | None
    instrument: Instrument
    in_doubt_since: Time | None
    reason_code: str | None
    reason: str | None
    leaves_quantity: Amount
    origin: OrderOrigin
    strategy_id: str | None
    raw_status: str | None
    trail_amount: Amount | None
    trail_percent: Amount | None
    created_at: Time


class Fee(Shape):
    """One fee of an execution."""

    kind: str
    amount: Amount
    currency: str


class Trade(Shape):
    """One execution. `order_id` is the broker's id, `client_order_id` the platform's."""

    account_id: Uuid
    order_id: str | None
    client_order_id: Uuid
    symbol: str
    side: OrderSide
    quantity: Amount
    price: Amount
    received_at: Time
    organization_id: Uuid
    exec_id: str | None
    cumulative_quantity: Amount
    order_quantity: Amount
    leaves_quantity: Amount
    broker_sent_at: Time | None
    instrument: Instrument
    intent_id: Uuid
    origin: OrderOrigin
    strategy_id: str | None
    fees: list[Fee]
    trade_date: str | None
    venue: str | None
    liquidity: Liquidity | None


class Position(Shape):
    """What the account holds of one instrument, flat ones included; null is unknown, never zero."""

    account_id: Uuid
    symbol: str
    quantity: Amount = Field(description="Signed.")
    average_cost: Amount
    received_at: Time
    organization_id: Uuid
    broker: BrokerKind
    broker_sent_at: Time | None
    instrument: Instrument
    realized_pnl: Amount | None
    daily_pnl: Amount | None
    value_bought: Amount | None
    value_sold: Amount | None


class Account(Shape):
    """A trading account. Its journal reaches from the event `oldest` to the event `head`; 0 is none yet. Its day begins
    at `roll_time` in `time_zone`; `disabled_at`: since when it takes no orders."""

    account_id: Uuid
    organization_id: Uuid
    name: str
    broker: BrokerKind
    connection: AccountConnection
    connection_since: Time
    reason_code: str | None
    reason: str | None
    created_at: Time
    disabled_at: Time | None
    time_zone: str
    roll_time: str
    reconcile_s: int | None = Field(
        description="Its own interval between reconciliations; 0 = none by the timer, null = as the gateway does."
    )
    reconcile_version: int = Field(description="Raised by each change of that; 0 = never changed.")
    head: int
    oldest: int


class Balance(Shape):
    """An account's money in one currency, as the broker has it; null is what the broker does not say."""

    account_id: Uuid
    organization_id: Uuid
    currency: str
    cash: Amount | None
    buying_power: Amount | None
    equity: Amount | None
    initial_margin: Amount | None
    maintenance_margin: Amount | None
    received_at: Time


class BalancePage(Shape):
    """By currency, all on one page."""

    data: list[Balance]
    next_cursor: None


class AccountPage(Shape):
    """By name."""

    data: list[Account]
    next_cursor: str | None


class IntentActionPage(Shape):
    """Ascending seq."""

    data: list[IntentAction]
    next_cursor: str | None


class OrderPage(Shape):
    """Newest first."""

    data: list[Order]
    next_cursor: str | None


class TradePage(Shape):
    """Newest first."""

    data: list[Trade]
    next_cursor: str | None


class PositionPage(Shape):
    """By asset class and symbol."""

    data: list[Position]
    next_cursor: str | None


class Subscription(Shape):
    """One subscription of a stream; `trading_account_id` null = the whole organization."""

    trading_account_id: Uuid | None
    event_types: list[EventType]
    instrument_key: str | None
    instrument_class: AssetClass | None


class StreamCursor(Shape):
    """How far a stream is in one account: `lag` events of the journal are still to be looked at."""

    account_id: Uuid
    epoch: str
    sequence: int
    head: int
    lag: int


class Stream(Shape):
    """One open stream. `sent`: journal events so far."""

    stream_id: Uuid
    edge: Edge
    key_id: str
    key_name: str
    is_token: bool
    peer: str
    since: Time
    subscriptions: list[Subscription]
    cursors: list[StreamCursor]
    sent: int
    queued_bytes: int


class StreamPage(Shape):
    """Oldest first."""

    data: list[Stream]
    next_cursor: None


class Token(Shape):
    """A bearer token and what it is good for; `account_ids` null = every account."""

    token: str
    token_type: Literal["Bearer"]
    expires_at: Time
    scopes: list[Scope]
    account_ids: list[Uuid] | None


ControlScopeRef = dict[Literal["Organization", "Account", "Symbol", "Key"], str]


class AccountControl(Shape):
    """An account's switch; the version is raised by each write."""

    account_id: Uuid
    organization_id: Uuid
    manually_disabled: bool
    manual_reason: str | None
    version: int
    created_at: Time
    updated_at: Time


class ControlLimits(Shape):
    """Limits of a control; null = no limit."""

    order_quantity_max: Amount | None
    order_notional_max: Amount | None
    position_quantity_max: Amount | None
    position_notional_max: Amount | None
    open_orders_max: int | None
    orders_per_second_max: int | None
    price_collar_percent: Amount | None
    reference_age_s_max: int | None
    allowed_symbols: list[str] | None
    blocked_symbols: list[str]
    allows_short_selling: bool
    is_reduce_only: bool
    allows_live_trading: bool
    daily_loss_max: Amount | None
    drawdown_max: Amount | None
    flattens_on_breach: bool


class Breach(Shape):
    """The loss that latched a control."""

    control: str
    limit: Amount
    actual: Amount
    currency: str
    at: Time


class Control(Shape):
    """A control of an organization, account or symbol; version 0 = never written."""

    scope: ControlScopeRef
    organization_id: Uuid
    manually_disabled: bool
    manual_reason: str | None
    killed: bool
    breach: Breach | None
    limits: ControlLimits
    version: int
    created_at: Time
    updated_at: Time


class ControlPage(Shape):
    """By scope and subject."""

    data: list[Control]
    next_cursor: None


class Triggered(Shape):
    """A control that would stop the order."""

    reason: str
    scope: ControlScopeRef
    control: str
    limit: str
    actual: str


class Evaluation(Shape):
    """Whether an order would pass the switches and the rules of its symbol."""

    allowed: bool
    triggered: list[Triggered]


class CancelAsked(Shape):
    """A cancel that is durable; its outcome comes on the stream."""

    intent_id: str
    order_id: Uuid
    seq: int


class Cancelled(Shape):
    """What a mass cancel asked for."""

    cancels: list[CancelAsked]
    withheld: int


class Killed(Shape):
    """The latch, and what was withheld and cancelled."""

    control: Control
    cancels: list[CancelAsked]
    withheld: int


class UnknownProfit(Shape):
    """A position whose profit is not known, and why."""

    symbol: str
    why: str


class CurrencyRisk(Shape):
    """How an account stands in one currency; null = not known, never zero."""

    currency: str
    daily_pnl: Amount | None
    profit: Amount | None
    high_water: Amount | None
    drawdown: Amount | None
    unknown: list[UnknownProfit]


class AccountRisk(Shape):
    """What daily loss and drawdown are judged by, at the prices of now."""

    account_id: Uuid
    at: Time
    currencies: list[CurrencyRisk]


class FlattenLeg(Shape):
    """One position on its way to zero; `quantity` is what was held when it was first seen."""

    symbol: str
    asset_class: str
    quantity: Amount
    status: Literal["WAITING", "CLOSING", "FLAT", "FAILED"]
    reason_code: str | None
    reason: str | None
    intent_id: str | None
    order_quantity: Amount | None


class Flatten(Shape):
    """A flatten: DONE when nothing works and nothing is held, INCOMPLETE when something is left and why."""

    flatten_id: Uuid
    account_id: Uuid
    status: Literal["RUNNING", "DONE", "INCOMPLETE"]
    key_id: str
    reason: str | None
    started_at: Time
    deadline: Time
    finished_at: Time | None
    positions: list[FlattenLeg]


class FlattenPage(Shape):
    """By when they began."""

    data: list[Flatten]
    next_cursor: str | None


class Arming(Shape):
    """Cancel on disconnect of one strategy; null = every order of the account."""

    strategy_id: str | None
    grace_s: int
    armed: bool
    connected: bool
    key_id: str
    armed_at: Time
    fired_at: Time | None


class ArmingPage(Shape):
    """By strategy."""

    data: list[Arming]
    next_cursor: None


class AuditEntry(Shape):
    """Who did what, or what was refused to whom."""

    number: int
    at: Time
    principal_id: str
    action: str
    account_id: Uuid | None
    subject: str
    detail: dict[str, str]


class AuditPage(Shape):
    """Newest first."""

    data: list[AuditEntry]
    next_cursor: str | None


class Health(Shape):
    """Whether the process answers, or is ready."""

    status: Literal["ok", "ready"]


class Problem(BaseModel):
    """RFC 9457 problem details. `code` is stable; further members are facts of the code (see docs/errors.md)."""

    model_config = ConfigDict(strict=True, extra="allow")

    type: str = Field(description="urn:dropcopy:error: and the code")
    title: str
    status: int
    detail: str
    code: str
    pointer: str | None = Field(None, description="JSON pointer of the body's member at fault.")
    parameter: str | None = Field(None, description="The path or query parameter at fault.")
