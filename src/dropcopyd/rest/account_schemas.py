"""The shapes of accounts and of what they hold: positions and balances."""

from pydantic import Field

from dropcopyd.domain.account import AccountConnection, BrokerKind
from dropcopyd.rest.instrument_schemas import Instrument
from dropcopyd.rest.shapes import Amount, Shape, Time, Uuid


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


class AccountPage(Shape):
    """By name."""

    data: list[Account]
    next_cursor: str | None


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


class PositionPage(Shape):
    """By asset class and symbol."""

    data: list[Position]
    next_cursor: str | None


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
