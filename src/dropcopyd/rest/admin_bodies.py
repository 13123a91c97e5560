"""The bodies and answers of the administrators' routes: organizations, accounts, keys."""

from typing import Annotated, Literal

from pydantic import Field

from dropcopyd.domain import money
from dropcopyd.domain.account import NAME_CHARACTERS_MAX, BrokerKind, Scope
from dropcopyd.domain.attenuation import UNATTENUATED, Attenuation
from dropcopyd.domain.order import OrderSide
from dropcopyd.flow.registrar import AccountRequest, PaperRequest
from dropcopyd.rest.control_bodies import Positive, Reason, Symbol
from dropcopyd.rest.shapes import Amount, Shape, Time, Uuid

Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=NAME_CHARACTERS_MAX,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="Printable characters.",
    ),
]
TimeZone = Annotated[str, Field(min_length=1, max_length=64, description="IANA name: America/New_York.")]
RollTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="HH:MM.")]
Network = Annotated[
    str, Field(min_length=2, max_length=43, description="CIDR form (203.0.113.0/24, 2001:db8::/32), or one address.")
]
PerMinute = Annotated[int, Field(ge=1, le=1_000_000)]
Moment = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]


class ChangeOrganization(Shape):
    """The organization's name."""

    name: Name


class Paper(Shape):
    """What a paper account is like (docs/paper.md); chosen once."""

    profile: Literal["instant", "displayed", "realistic", "scripted"] = "displayed"
    seed: Annotated[int, Field(ge=0, le=10**17)] = 0
    cash: Annotated[dict[str, Positive], Field(max_length=32)] | Literal["unlimited"] | None = Field(
        None, description="By currency; ample when left out."
    )
    parameters: Annotated[dict[str, Positive], Field(max_length=64)] | None = None
    scenario: Annotated[str, Field(max_length=48 * 1024)] | None = Field(
        None, description="Text of a scenario file; of a scripted account only."
    )


class CreateAccount(Shape):
    """A new account."""

    name: Name
    broker: BrokerKind = BrokerKind.PAPER
    paper: Paper | None = None
    time_zone: TimeZone | None = None
    roll_time: RollTime | None = None

    def request(self) -> AccountRequest:
        """In the flow's words."""
        paper = self.paper or Paper(cash=None, scenario=None)
        cash = paper.cash if isinstance(paper.cash, str) else None
        amounts = {} if paper.cash is None or isinstance(paper.cash, str) else paper.cash
        return AccountRequest(
            name=self.name,
            broker=self.broker,
            paper=PaperRequest(
                profile=paper.profile,
                seed=paper.seed,
                cash=[cash] if cash else [f"{currency}={amount}" for currency, amount in amounts.items()],
                parameters=[f"{name}={value}" for name, value in (paper.parameters or {}).items()],
                scenario=paper.scenario or "",
            ),
            time_zone=self.time_zone or "UTC",
            roll_time=self.roll_time or "00:00",
        )


class ChangeAccount(Shape):
    """What is left out or null stays as it is."""

    name: Name | None = None
    time_zone: TimeZone | None = None
    roll_time: RollTime | None = None


class SwitchAccount(Shape):
    """Why."""

    reason: Reason | None = None


class KeyLimits(Shape):
    """The attenuation of a key; what is left out or null has no limit."""

    allowed_symbols: Annotated[list[Symbol], Field(min_length=1, max_length=1_000)] | None = None
    allowed_sides: Annotated[list[OrderSide], Field(min_length=1, max_length=3)] | None = None
    order_notional_max: Positive | None = None
    day_notional_max: Positive | None = None
    orders_per_minute_max: PerMinute | None = None
    is_reduce_only: bool = False
    allows_live_trading: bool = True

    def limits(self) -> Attenuation:
        """In the domain's words."""
        symbols, sides = self.allowed_symbols, self.allowed_sides
        order, day = self.order_notional_max, self.day_notional_max
        limits = Attenuation(
            allowed_symbols=None if symbols is None else frozenset(symbols),
            allowed_sides=None if sides is None else frozenset(side.value for side in sides),
            order_notional_max=None if order is None else money.parse(order),
            day_notional_max=None if day is None else money.parse(day),
            orders_per_minute_max=self.orders_per_minute_max,
            is_reduce_only=self.is_reduce_only,
            allows_live_trading=self.allows_live_trading,
        )
        return UNATTENUATED if limits == UNATTENUATED else limits


class CreateKey(Shape):
    """A new key; what is left out or null is not restricted."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=32)]
    account_ids: Annotated[list[Uuid], Field(min_length=1, max_length=1_000)] | None = None
    expires_at: Moment | None = None
    allowed_addresses: Annotated[list[Network], Field(min_length=1, max_length=64)] | None = None
    attenuation: KeyLimits | None = None


class ChangeKey(Shape):
    """What is left out stays as it is; null takes a restriction away."""

    name: Name | None = None
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=32)] | None = None
    account_ids: Annotated[list[Uuid], Field(min_length=1, max_length=1_000)] | None = None
    expires_at: Moment | None = None
    allowed_addresses: Annotated[list[Network], Field(min_length=1, max_length=64)] | None = None
    attenuation: KeyLimits | None = None


class RotateKey(Shape):
    """How long the secret before stays good."""

    overlap_s: Annotated[int, Field(ge=0, le=30 * 86_400)] = 86_400


# --- answers ------------------------------------------------------------------------------------------------------


class Organization(Shape):
    """The key's own organization. `streams_max`: its own quota of streams, null = the gateway's."""

    organization_id: Uuid
    name: str
    created_at: Time
    streams_max: int | None


class ShownLimits(Shape):
    """The attenuation of a key."""

    allowed_symbols: list[str] | None
    allowed_sides: list[OrderSide] | None
    order_notional_max: Amount | None
    day_notional_max: Amount | None
    orders_per_minute_max: int | None
    is_reduce_only: bool
    allows_live_trading: bool


class Key(Shape):
    """An API key, without itself; null in a restriction is none. Uses are written once a minute."""

    key_id: str
    name: str
    scopes: list[Scope]
    account_ids: list[Uuid] | None
    expires_at: Time | None
    allowed_addresses: list[str] | None
    attenuation: ShownLimits | None
    created_at: Time
    created_by: str
    rotated_at: Time | None
    previous_valid_until: Time | None
    last_used_at: Time | None
    last_used_from: str | None
    disabled_at: Time | None


class KeyPage(Shape):
    """By id."""

    data: list[Key]
    next_cursor: str | None


class ShownKey(Shape):
    """A key with itself, shown only now."""

    api_key: str
    key: Key


BODIES = (ChangeOrganization, CreateAccount, ChangeAccount, SwitchAccount, CreateKey, ChangeKey, RotateKey)
