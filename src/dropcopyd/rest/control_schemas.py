"""The shapes of controls, of what they would refuse, and of mass cancel and kill."""

from typing import Literal

from pydantic import Field

from dropcopyd.rest.shapes import Amount, Shape, Time, Uuid

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


class NotStopped(Shape):
    """An account whose orders a kill could not cancel; nothing new passes there all the same."""

    account_id: Uuid
    code: str


class Killed(Shape):
    """The latch, and what was withheld and cancelled."""

    control: Control
    cancels: list[CancelAsked]
    withheld: int
    failed: list[NotStopped] = Field(description="Accounts of the organization that could not be stopped, and why.")
