"""Attenuation: limits that a key carries, whatever account it trades. Pure.

They are judged with the controls, as one more control of the scope `Key`: a create or replace must pass them, a cancel
is never held back. What a key has sent is counted when it is accepted and not given back: a limit per day is on what is
sent, not on what is filled.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Final

from dropcopyd.domain import money


@dataclass(frozen=True, slots=True, kw_only=True)
class Attenuation:
    """Limits of one key; None = no limit. Notional is in the instrument's currency, per day in each one apart.

    `allowed_sides` are values of OrderSide (this module is below orders).
    """

    allowed_symbols: frozenset[str] | None = None
    allowed_sides: frozenset[str] | None = None
    order_notional_max: Decimal | None = None
    day_notional_max: Decimal | None = None
    orders_per_minute_max: int | None = None
    is_reduce_only: bool = False
    allows_live_trading: bool = True
    """Whether accounts at brokers other than the paper broker may be traded."""


UNATTENUATED: Final = Attenuation()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What one accepted command adds to its key's counters, as they are after it; committed with the command.

    `day` is the account's, `notional` the day's total of the key in that currency (None = not limited).
    `counts_order`: the command is kept with its time, for the orders per minute.
    """

    key_id: str
    at_ns: int
    day: str
    currency: str
    notional: Decimal | None
    counts_order: bool


def attenuation_to_json(limits: Attenuation) -> dict[str, object]:
    """The limits as JSON values: amounts as decimal strings, sets as sorted lists."""
    return {field.name: _as_json(getattr(limits, field.name)) for field in fields(limits)}


def _as_json(value: object) -> object:
    if isinstance(value, Decimal):
        return money.render(value)
    return sorted(value) if isinstance(value, frozenset) else value


def attenuation_from_json(values: Mapping[str, object]) -> Attenuation:
    """The reverse; unknown names are left out."""
    return Attenuation(**dict(_members(values)))  # type: ignore[arg-type]  # as written by the other


def _members(values: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for field in fields(Attenuation):
        value = values.get(field.name)
        if value is None:
            continue
        if isinstance(value, str):
            yield field.name, money.parse(value)
        else:
            yield field.name, frozenset(value) if isinstance(value, list) else value
