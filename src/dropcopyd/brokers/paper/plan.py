"""What a paper account is like: its profile, its seed, its money and its parameters. Chosen once, when it is opened."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from dropcopyd.brokers.paper.scenario import parse_scenario
from dropcopyd.domain import money

_CURRENCY: Final = re.compile(r"[A-Z0-9]{2,12}", re.ASCII)
UNLIMITED: Final = "unlimited"
SEED_MAX: Final = 2**63 - 1


class Profile(StrEnum):
    """How orders of the account are filled."""

    INSTANT = "instant"
    """Whole, at once, at the price shown; displayed sizes do not matter."""
    DISPLAYED = "displayed"
    """Against displayed sizes, each consumed once; no queue, no latency, no fees."""
    REALISTIC = "realistic"
    """A share of the displayed size, behind a queue, late, in parts, for fees."""
    SCRIPTED = "scripted"
    """As the account's scenario says; the market does not matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Every parameter of a plan with the default of the profiles `instant`, `displayed` and `scripted`; `realistic`
    has other ones (`REALISTIC`). Rates are parts of a value (0.5 = 50 %), times are milliseconds."""

    participation: Decimal = Decimal(1)
    """The most of a displayed size that one order takes."""
    queue_least: Decimal = money.ZERO
    queue_most: Decimal = money.ZERO
    """The queue ahead of an order that comes to rest: drawn between these parts of the size displayed there."""
    partial_chance: Decimal = money.ZERO
    """How often a fill is only a random part of what it could be."""
    order_latency_ms: Decimal = money.ZERO
    order_latency_tail_ms: Decimal = money.ZERO
    """A command takes the first to reach the exchange, plus an exponential time with the second as its mean."""
    report_latency_ms: Decimal = money.ZERO
    report_latency_tail_ms: Decimal = money.ZERO
    """The same for a report on its way back."""
    bust_chance: Decimal = money.ZERO
    correction_chance: Decimal = money.ZERO
    """How often an execution is busted, or corrected by a tick, later."""
    late_fill_chance: Decimal = money.ZERO
    """How often a part of a resting limit order that was cancelled is filled after all: the fill crossed the cancel."""
    mishap_delay_ms: Decimal = Decimal(1_000)
    """Such things happen within so long."""
    equity_fee_per_unit: Decimal = money.ZERO
    option_fee_per_unit: Decimal = money.ZERO
    future_fee_per_unit: Decimal = money.ZERO
    currency_fee_rate: Decimal = money.ZERO
    crypto_maker_fee_rate: Decimal = money.ZERO
    crypto_taker_fee_rate: Decimal = money.ZERO
    perpetual_maker_fee_rate: Decimal = money.ZERO
    perpetual_taker_fee_rate: Decimal = money.ZERO
    prediction_fee_rate: Decimal = money.ZERO
    equity_initial_margin: Decimal = Decimal("0.5")
    equity_maintenance_margin: Decimal = Decimal("0.25")
    equity_short_maintenance_margin: Decimal = Decimal("0.3")
    option_short_margin: Decimal = Decimal("0.2")
    """Of strike * multiplier, for a written option."""
    future_initial_margin: Decimal = Decimal("0.1")
    future_maintenance_margin: Decimal = Decimal("0.08")
    currency_initial_margin: Decimal = Decimal("0.05")
    currency_maintenance_margin: Decimal = Decimal("0.04")
    perpetual_initial_margin: Decimal = Decimal("0.1")
    perpetual_maintenance_margin: Decimal = Decimal("0.05")


REALISTIC: Final = Parameters(
    participation=Decimal("0.25"),
    queue_least=Decimal("0.2"),
    queue_most=Decimal(1),
    partial_chance=Decimal("0.1"),
    order_latency_ms=Decimal(5),
    order_latency_tail_ms=Decimal(10),
    report_latency_ms=Decimal(5),
    report_latency_tail_ms=Decimal(10),
    equity_fee_per_unit=Decimal("0.0035"),
    option_fee_per_unit=Decimal("0.65"),
    future_fee_per_unit=Decimal("2.25"),
    currency_fee_rate=Decimal("0.00002"),
    crypto_maker_fee_rate=Decimal("0.001"),
    crypto_taker_fee_rate=Decimal("0.002"),
    perpetual_maker_fee_rate=Decimal("0.0002"),
    perpetual_taker_fee_rate=Decimal("0.0005"),
    prediction_fee_rate=Decimal("0.01"),
)

DEFAULT_CASH: Final[Mapping[str, Decimal]] = {
    "USD": Decimal(1_000_000_000),
    "EUR": Decimal(1_000_000_000),
    "USDT": Decimal(1_000_000_000),
    "USDC": Decimal(1_000_000_000),
    "BTC": Decimal(100_000),
    "ETH": Decimal(1_000_000),
}
"""So much that a demonstration never runs out of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One account's plan. `cash` is what it begins with, by currency; None: nobody looks at its money.

    `scenario`: the text of the scenario file of a scripted account.
    """

    profile: Profile = Profile.DISPLAYED
    seed: int = 0
    cash: Mapping[str, Decimal] | None = None
    parameters: Parameters = field(default_factory=Parameters)
    scenario: str = ""


UNPLANNED: Final = Plan()
"""An account that was opened without a plan: displayed sizes, no seed to speak of, unlimited money."""


def parse_plan(
    profile: str, *, seed: int = 0, cash: Iterable[str] = (), parameters: Iterable[str] = (), scenario: str = ""
) -> Plan:
    """A plan from the words of the command line.

    `cash`: `CURRENCY=AMOUNT` each, or the one word `unlimited`; none: DEFAULT_CASH. `parameters`: `NAME=VALUE` each.
    Raises ValueError that says what is wrong.
    """
    try:
        chosen = Profile(profile)
    except ValueError as error:
        raise ValueError(f"there is no profile {profile!r}; known are {', '.join(Profile)}") from error
    if not 0 <= seed <= SEED_MAX:
        raise ValueError("the seed must be a whole number from 0 to 2**63 - 1")
    if (chosen is Profile.SCRIPTED) != bool(scenario):
        raise ValueError("a scripted account needs a scenario, and no other takes one")
    if scenario:
        parse_scenario(scenario)
    return Plan(
        profile=chosen,
        seed=seed,
        cash=_cash(tuple(cash)),
        parameters=_parameters(chosen, dict(_named(parameters))),
        scenario=scenario,
    )


def render_plan(plan: Plan) -> str:
    """A plan as stored: JSON, every parameter in it, so that later defaults change no account."""
    cash = None if plan.cash is None else {name: money.render(amount) for name, amount in plan.cash.items()}
    values = {name: money.render(value) for name, value in asdict(plan.parameters).items()}
    body = {"profile": plan.profile, "seed": plan.seed, "cash": cash, "parameters": values, "scenario": plan.scenario}
    return json.dumps(body, separators=(",", ":"))


def plan_from(text: str) -> Plan:
    """The other way; "" is UNPLANNED."""
    if not text:
        return UNPLANNED
    body: dict[str, Any] = json.loads(text)
    cash = body["cash"]
    return Plan(
        profile=Profile(body["profile"]),
        seed=body["seed"],
        cash=None if cash is None else {name: Decimal(amount) for name, amount in cash.items()},
        parameters=Parameters(**{name: Decimal(value) for name, value in body["parameters"].items()}),
        scenario=body["scenario"],
    )


def _cash(words: tuple[str, ...]) -> Mapping[str, Decimal] | None:
    if not words:
        return dict(DEFAULT_CASH)
    if words == (UNLIMITED,):
        return None
    amounts: dict[str, Decimal] = {}
    for currency, text in _named(words):
        if not _CURRENCY.fullmatch(currency) or currency in amounts:
            raise ValueError(f"cash {currency!r}: must be a currency such as USD, each once")
        amounts[currency] = _amount(f"cash {currency}", text)
    return amounts


def _parameters(profile: Profile, given: Mapping[str, str]) -> Parameters:
    base = REALISTIC if profile is Profile.REALISTIC else Parameters()
    values: dict[str, Decimal] = asdict(base)
    for name, text in given.items():
        if name not in values:
            known = ", ".join(item.name for item in fields(Parameters))
            raise ValueError(f"there is no parameter {name!r}; known are {known}")
        values[name] = _amount(name, text)
        if values[name] > 1 and (name == "participation" or name.endswith("_chance")):
            raise ValueError(f"{name} must be at most 1")
    if not values["participation"]:
        raise ValueError("participation must be above zero")
    if values["queue_least"] > values["queue_most"]:
        raise ValueError("queue_least must not be above queue_most")
    if not values["equity_initial_margin"]:
        raise ValueError("equity_initial_margin must be above zero: buying power is counted in it")
    return Parameters(**values)


def _named(words: Iterable[str]) -> list[tuple[str, str]]:
    pairs = [word.partition("=") for word in words]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise ValueError(f"{name!r} is not of the form NAME=VALUE")
    return [(name, value) for name, _, value in pairs]


def _amount(name: str, text: str) -> Decimal:
    try:
        value = money.parse(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if value < 0:
        raise ValueError(f"{name} must not be below zero")
    return value
