"""What an attenuated key may send, judged as one more control. Pure.

Symbols, sides, notional of one order, reduce-only and paper-only hold when the command is accepted and again when its
attempt begins; notional per day and orders per minute are counted once, when it is accepted.
"""

from dataclasses import replace
from decimal import Decimal

from dropcopyd.domain import money
from dropcopyd.domain.attenuation import Attenuation
from dropcopyd.domain.controls import (
    REFERENCE_AGE_S,
    Ask,
    Control,
    ControlLimits,
    ControlScope,
    Objection,
    Risk,
    notional_of,
    objection,
)
from dropcopyd.domain.order import OrderTerms


def control_of(key_id: str, organization_id: str, limits: Attenuation) -> Control:
    """The rules that a key has in common with other controls."""
    rules = ControlLimits(
        order_notional_max=limits.order_notional_max,
        allowed_symbols=limits.allowed_symbols,
        is_reduce_only=limits.is_reduce_only,
        allows_live_trading=limits.allows_live_trading,
    )
    return Control(organization_id=organization_id, scope=ControlScope.KEY, subject=key_id, limits=rules)


def standing_objection(control: Control, limits: Attenuation, ask: Ask, risk: Risk) -> Objection | None:
    """The first rule that the command breaks, its counters aside."""
    sides, side = limits.allowed_sides, ask.order_side.value
    if sides is not None and side not in sides:
        allowed = ", ".join(sorted(sides))
        return _objection(control.subject, "allowed_sides", allowed, side, f"this key does not {side}")
    return objection(control, ask, risk)


def added_notional(ask: Ask, before: OrderTerms | None) -> Decimal | None:
    """What a command adds to the notional sent: all of a create, what a replace raises; None without a price."""
    asked = notional_of(ask)
    if asked is None or before is None:
        return asked
    had = notional_of(replace(ask, terms=before)) or money.ZERO
    return max(money.ZERO, money.subtract(asked, had))


def day_objection(key_id: str, limit: Decimal, spent: Decimal, added: Decimal | None, symbol: str) -> Objection | None:
    """Whether the command would take the day's notional over its limit; unpriced, it cannot be counted."""
    if added is None:
        text = f"there is no price of {symbol} younger than {REFERENCE_AGE_S} s to count by"
        return _objection(key_id, "day_notional_max", money.render(limit), "none", text)
    total = money.add(spent, added)
    if total <= limit:
        return None
    text = f"the key's notional of the day would be {money.render(total)}, above {money.render(limit)}"
    return _objection(key_id, "day_notional_max", money.render(limit), money.render(total), text)


def minute_objection(key_id: str, limit: int, count: int) -> Objection | None:
    """Whether one more order within the minute is too many."""
    if count < limit:
        return None
    text = f"{count + 1} orders of the key within a minute, above {limit}"
    return _objection(key_id, "orders_per_minute_max", str(limit), str(count + 1), text)


def _objection(key_id: str, name: str, limit: str, actual: str, message: str) -> Objection:
    return Objection(ControlScope.KEY, key_id, name, limit, actual, message)
