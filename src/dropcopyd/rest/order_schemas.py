"""The shapes of intents, orders and trades."""

from pydantic import Field

from dropcopyd.domain.account import BrokerKind, PrincipalType
from dropcopyd.domain.command import OutcomeKind
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
from dropcopyd.rest.instrument_schemas import Instrument
from dropcopyd.rest.shapes import Amount, Shape, Time, Uuid


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


class IntentActionPage(Shape):
    """Ascending seq."""

    data: list[IntentAction]
    next_cursor: str | None


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


class OrderPage(Shape):
    """Newest first."""

    data: list[Order]
    next_cursor: str | None


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


class TradePage(Shape):
    """Newest first."""

    data: list[Trade]
    next_cursor: str | None
