"""Controls: what may be sent. Pure: (controls in force, what is asked, what is at risk) -> the first that objects.

A control belongs to an organization, an account or a symbol of an organization. It can switch trading off, by hand or
by a kill, and it can set limits. A create or replace must pass all that apply; a cancel is never held back.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from typing import Final

from dropcopyd.domain import money
from dropcopyd.domain.account import Account
from dropcopyd.domain.instrument import Instrument, is_inverse, value_of
from dropcopyd.domain.order import OrderSide, OrderTerms, OrderType

_NS: Final = 1_000_000_000
_HUNDRED: Final = Decimal(100)
_UNPRICED: Final = frozenset(
    {OrderType.MARKET, OrderType.MARKET_ON_OPEN, OrderType.MARKET_ON_CLOSE, OrderType.STOP, OrderType.TRAILING_STOP}
)
"""Types that trade at whatever price there is."""


class ControlScope(StrEnum):
    """What a control is for, spelled as in the contract's tagged unions; KEY is the attenuation of a key."""

    ORGANIZATION = "Organization"
    ACCOUNT = "Account"
    SYMBOL = "Symbol"
    KEY = "Key"


Place = tuple[str, ControlScope, str]
"""Organization, scope and subject: what a control is kept under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlLimits:
    """Limits of one control; None = no limit. Notional is in the instrument's currency."""

    order_quantity_max: Decimal | None = None
    order_notional_max: Decimal | None = None
    position_quantity_max: Decimal | None = None
    """Of one instrument, long or short, if everything that works were filled."""
    position_notional_max: Decimal | None = None
    open_orders_max: int | None = None
    orders_per_second_max: int | None = None
    price_collar_percent: Decimal | None = None
    """How far a limit price may be beyond the reference price, on the side that pays more."""
    reference_age_s_max: int | None = None
    """A reference price older than this is none: orders that have no price of their own are then refused."""
    allowed_symbols: frozenset[str] | None = None
    blocked_symbols: frozenset[str] = frozenset()
    allows_short_selling: bool = True
    is_reduce_only: bool = False
    allows_live_trading: bool = True
    """Whether accounts at brokers other than the paper broker may trade."""
    daily_loss_max: Decimal | None = None
    """Of a day, realized and marked, in each currency by itself; watched, and a kill when it is passed."""
    drawdown_max: Decimal | None = None
    """From the most that was made since it is watched."""
    flattens_on_breach: bool = False

    @property
    def is_watched(self) -> bool:
        """Whether there is a loss to watch for."""
        return self.daily_loss_max is not None or self.drawdown_max is not None


NO_LIMITS: Final = ControlLimits()
REFERENCE_AGE_S: Final = 60
"""The age of a reference price where a control needs one and does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """What latched a control by itself: the limit's name, its value, and what was reached. Amounts as texts."""

    rule: str
    limit: str
    actual: str
    currency: str
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control. `version` is raised by each write; 0 = never written."""

    organization_id: str
    scope: ControlScope
    subject: str
    """The organization's id, the account's id, the symbol, or the key's id."""
    manually_disabled: bool = False
    manual_reason: str | None = None
    is_killed: bool = False
    """The latch of a kill: everything that works, or proves to, is cancelled until it is released."""
    breach: Breach | None = None
    """Why it is killed, when it was a loss."""
    limits: ControlLimits = NO_LIMITS
    version: int = 0
    created_at_ns: int = 0
    updated_at_ns: int = 0

    @property
    def place(self) -> Place:
        """Which control it is."""
        return self.organization_id, self.scope, self.subject

    @property
    def is_off(self) -> bool:
        """Whether it stops every create and replace."""
        return self.manually_disabled or self.is_killed


@dataclass(frozen=True, slots=True)
class Reference:
    """A price to judge by, and when it was made (UTC)."""

    price: Decimal
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A create or replace as it would be: `quantity` is the order's total, `leaves` what may still trade of it.

    `leaves` of a replace is the larger of the order's own and what is asked for: until the broker has decided, both may
    happen.
    """

    instrument: Instrument
    order_side: OrderSide
    terms: OrderTerms
    leaves: Decimal
    is_create: bool
    is_live: bool
    """Whether the account is at a real broker."""
    now_ns: int
    reference: Reference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """What is there already in the scope of a control, the order that is asked about left out."""

    position: Decimal = money.ZERO
    """Signed, of the instrument."""
    buys: Decimal = money.ZERO
    sells: Decimal = money.ZERO
    """Leaves of the other orders in the instrument, in doubt and under replacement counted at their largest."""
    open_orders: int = 0

    @property
    def has_orders(self) -> bool:
        """Whether another order in the instrument may trade."""
        return bool(self.buys or self.sells)


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a control stops a command: its scope, the rule, its limit and the actual value, as texts."""

    scope: ControlScope
    subject: str
    control: str
    limit: str
    actual: str
    message: str


def switched_off(control: Control) -> Objection | None:
    """The objection of a control that is switched off, whatever is asked."""
    breach = control.breach
    if control.is_killed and breach is not None:
        text = f"stopped by a loss of {breach.actual} {breach.currency}, above {breach.limit}, until it is released"
        return _objection(control, breach.rule, breach.limit, breach.actual, text)
    if control.is_killed:
        return _objection(control, "killed", "false", "true", "a kill is in force")
    if control.manually_disabled:
        reason = control.manual_reason or "no reason given"
        return _objection(control, "manually_disabled", "false", "true", f"trading is disabled: {reason}")
    return None


def objection(control: Control, ask: Ask, risk: Risk) -> Objection | None:
    """The first rule of the control that the command breaks; None when it passes."""
    off = switched_off(control)
    if off is not None or control.limits is NO_LIMITS:
        return off
    return next(_broken(control, ask, risk), None)


def unjudged(control: Control, rule: str, limit: Decimal, why: str) -> Objection:
    """The objection to an order that may lose more, while a loss that is limited is not known."""
    return _objection(control, rule, money.render(limit), "unknown", f"{rule} cannot be judged: {why}")


def only_reduces(ask: Ask, risk: Risk) -> bool:
    """Whether the order cannot make a position larger on its side, whatever else is filled."""
    return _worst_position(ask, risk) <= 0


def needs_reference(controls: Iterable[Control]) -> bool:
    """Whether some control judges by a price that an order may not have itself."""
    return any(_needs_price(control.limits) for control in controls)


def _needs_price(limits: ControlLimits) -> bool:
    return (
        limits.price_collar_percent is not None
        or limits.order_notional_max is not None
        or limits.position_notional_max is not None
    )


def rules_of_symbol(control: Control, symbol: str, *, is_live: bool) -> list[Objection]:
    """The objections of a control to any order in a symbol, whatever its size and price."""
    limits = control.limits
    found = []
    if is_live and not limits.allows_live_trading:
        found.append(_objection(control, "allows_live_trading", "false", "live", "live trading is not allowed"))
    if limits.allowed_symbols is not None and symbol not in limits.allowed_symbols:
        allowed = ", ".join(sorted(limits.allowed_symbols))
        text = f"{symbol} is not among the allowed symbols"
        found.append(_objection(control, "allowed_symbols", allowed, symbol, text))
    if symbol in limits.blocked_symbols:
        found.append(_objection(control, "blocked_symbols", symbol, symbol, f"{symbol} is blocked"))
    return found


def _broken(control: Control, ask: Ask, risk: Risk) -> Iterator[Objection]:
    worst = _worst_position(ask, risk)
    yield from rules_of_symbol(control, ask.instrument.symbol, is_live=ask.is_live)
    yield from _sizes(control, ask, risk, worst)
    if _needs_price(control.limits):
        yield from _prices(control, ask, worst)
    yield from _directions(control, ask, risk, worst)


def _sizes(control: Control, ask: Ask, risk: Risk, worst: Decimal) -> Iterator[Objection]:
    limits, quantity = control.limits, ask.terms.quantity
    if limits.order_quantity_max is not None and quantity > limits.order_quantity_max:
        yield _above(control, "order_quantity_max", limits.order_quantity_max, quantity, "the order's quantity")
    if limits.position_quantity_max is not None and worst > limits.position_quantity_max:
        yield _above(
            control, "position_quantity_max", limits.position_quantity_max, worst, "the position it could make"
        )
    if ask.is_create and limits.open_orders_max is not None and risk.open_orders >= limits.open_orders_max:
        limit, actual = Decimal(limits.open_orders_max), money.add(Decimal(risk.open_orders), money.ONE)
        yield _above(control, "open_orders_max", limit, actual, "the number of open orders")


def _prices(control: Control, ask: Ask, worst: Decimal) -> Iterator[Objection]:
    limits = control.limits
    age_seconds = limits.reference_age_s_max or REFERENCE_AGE_S
    reference = _fresh(ask, age_seconds)
    is_unpriced = ask.terms.order_type in _UNPRICED or ask.terms.limit_price is None
    if reference is None and (is_unpriced or limits.price_collar_percent is not None):
        text = f"there is no price of {ask.instrument.symbol} younger than {age_seconds} s to judge by"
        yield _objection(control, "reference_age_s_max", str(age_seconds), "none", text)
        return
    if limits.price_collar_percent is not None and reference is not None and not is_unpriced:
        yield from _collar(control, ask, reference, limits.price_collar_percent)
    price = _worst_price(ask)
    for name, limit, quantity, what in (
        ("order_notional_max", limits.order_notional_max, ask.terms.quantity, "the order's notional"),
        ("position_notional_max", limits.position_notional_max, worst, "the position's notional"),
    ):
        if limit is not None and (value := money.magnitude(value_of(ask.instrument, quantity, price))) > limit:
            yield _above(control, name, limit, value, what)


def _fresh(ask: Ask, age_seconds: int) -> Reference | None:
    """The reference price, if it is young enough."""
    reference = ask.reference
    if reference is not None and ask.now_ns - reference.at_ns > age_seconds * _NS:
        return None
    return reference


def notional_of(ask: Ask) -> Decimal | None:
    """What the whole order is worth at its dearest; None where there is no price to judge by."""
    reference = _fresh(ask, REFERENCE_AGE_S)
    is_unpriced = ask.terms.order_type in _UNPRICED or ask.terms.limit_price is None
    if reference is None and is_unpriced:
        return None
    return money.magnitude(value_of(ask.instrument, ask.terms.quantity, _worst_price(ask)))


def closed(account: Account) -> Objection | None:
    """The objection of an account that its administrator has disabled, whatever is asked."""
    if account.disabled_at_ns is None:
        return None
    subject = account.account_id
    return Objection(ControlScope.ACCOUNT, subject, "account_disabled", "false", "true", "the account is disabled")


def _collar(control: Control, ask: Ask, reference: Reference, percent: Decimal) -> Iterator[Objection]:
    price = ask.terms.limit_price
    if price is None:
        return
    width = money.divide(money.multiply(reference.price, percent), _HUNDRED)
    if ask.order_side is OrderSide.BUY:
        bound = money.add(reference.price, width)
        is_outside = price > bound
    else:
        bound = money.subtract(reference.price, width)
        is_outside = price < bound
    if is_outside:
        text = f"the price {money.render(price)} is beyond {money.render(bound)}"
        yield _objection(control, "price_collar_percent", money.render(bound), money.render(price), text)


def _worst_price(ask: Ask) -> Decimal:
    """The price at which the order is dearest: of its limit, where its stop triggers, and the market's, the highest.

    (Of an inverse instrument the lowest: its value grows as the price falls.) A limit bounds a sale on the cheap side
    only, so the market's last price counts however old it is; a buy that stops far above the market is as dear as that.
    """
    terms = ask.terms
    market = None if ask.reference is None else ask.reference.price
    prices = [price for price in (terms.limit_price, terms.stop_price, market) if price is not None]
    if is_inverse(ask.instrument):
        return min(prices)
    return max(prices) if market is None else max(*prices, _trail_end(terms, market))


def _trail_end(terms: OrderTerms, market: Decimal) -> Decimal:
    """Where a trailing stop of a buy would trigger now."""
    if terms.trail_amount is not None:
        return money.add(market, terms.trail_amount)
    if terms.trail_percent is not None:
        return money.add(market, money.divide(money.multiply(market, terms.trail_percent), _HUNDRED))
    return market


def _worst_position(ask: Ask, risk: Risk) -> Decimal:
    """The largest size the position can come to on the order's side, if it and all others there were filled."""
    if ask.order_side is OrderSide.BUY:
        return money.add(money.add(risk.position, risk.buys), ask.leaves)
    return money.negate(money.subtract(risk.position, money.add(risk.sells, ask.leaves)))


def _directions(control: Control, ask: Ask, risk: Risk, worst: Decimal) -> Iterator[Objection]:
    limits = control.limits
    is_sale = ask.order_side is not OrderSide.BUY
    if is_sale and not limits.allows_short_selling and (ask.order_side is OrderSide.SELL_SHORT or worst > 0):
        held = money.render(risk.position)
        yield _objection(control, "allows_short_selling", "false", held, f"no short selling; {held} is held")
    if limits.is_reduce_only and worst > 0:
        held = money.render(risk.position)
        yield _objection(control, "is_reduce_only", "true", held, f"only orders that reduce; {held} is held")


def _above(control: Control, name: str, limit: Decimal, actual: Decimal, what: str) -> Objection:
    text = f"{what} would be {money.render(actual)}, above {money.render(limit)}"
    return _objection(control, name, money.render(limit), money.render(actual), text)


def _objection(control: Control, name: str, limit: str, actual: str, message: str) -> Objection:
    return Objection(control.scope, control.subject, name, limit, actual, message)


def limits_to_json(limits: ControlLimits) -> dict[str, object]:
    """The limits as JSON values: amounts as decimal strings, sets as sorted lists."""
    return {field.name: _as_json(getattr(limits, field.name)) for field in fields(limits)}


def _as_json(value: object) -> object:
    if isinstance(value, Decimal):
        return money.render(value)
    return sorted(value) if isinstance(value, frozenset) else value


def limits_from_json(values: dict[str, object]) -> ControlLimits:
    """The reverse of `limits_to_json`; unknown names are left out."""
    known = {field.name: field.type for field in fields(ControlLimits)}
    return ControlLimits(**{name: _from_json(known[name], value) for name, value in values.items() if name in known})  # type: ignore[arg-type]


def _from_json(kind: object, value: object) -> object:
    if isinstance(value, list):
        return frozenset(value)
    is_amount = "Decimal" in str(kind)
    return money.parse(value) if is_amount and isinstance(value, str) else value
