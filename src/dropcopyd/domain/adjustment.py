"""Adjustments: changes of a position or of cash that are no executions, each a journal event (contract.md, Adjustment).

A position is the fold of executions, amendments and adjustments. docs/positions.md has every kind with numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from dropcopyd.domain import money
from dropcopyd.domain.instrument import Instrument, InstrumentKey


class AdjustmentKind(StrEnum):
    """What happened. Only FUNDING, SPLIT, EXPIRY and ASSIGNMENT touch realized profit."""

    OPENING = "OPENING"
    """The position was there before the platform: it comes in with its cost."""
    TRANSFER = "TRANSFER"
    """Something came in or went out without a trade, with its cost."""
    SPLIT = "SPLIT"
    """The quantity changes, the cost stays; cash in lieu of fractions is realized."""
    EXPIRY = "EXPIRY"
    ASSIGNMENT = "ASSIGNMENT"
    """Exercise or assignment: one adjustment for the option, one for what is delivered."""
    FUNDING = "FUNDING"
    """A perpetual's funding payment: realized."""
    FEE = "FEE"
    """Cash only: fees stay outside profit and loss."""
    DAY_ROLL = "DAY_ROLL"
    MANUAL = "MANUAL"
    """Somebody set the record right: quantity and cost move, nothing is realized."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """One adjustment. Deltas are signed; `quantity_delta` and `cost_delta` apply to the position of `instrument`.

    `adjustment_id` is its identity within the account: the broker's, or the platform's own for DAY_ROLL. A
    `cost_delta` of None follows from the position: see `adjusting`. A DAY_ROLL moves nothing: it marks where the
    day's profit begins, at `broker_sent_at_ns`, with the price of each instrument then held, where one is known.
    """

    account_id: str
    organization_id: str
    adjustment_id: str
    kind: AdjustmentKind
    received_at_ns: int
    instrument: Instrument | None = None
    quantity_delta: Decimal = money.ZERO
    cost_delta: Decimal | None = None
    cash_delta: Decimal = money.ZERO
    currency: str | None = None
    note: str = ""
    broker_sent_at_ns: int | None = None
    marks: Mapping[Instrument, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DayRoll:
    """The account's last roll: when the day began, and what was held then was worth a unit."""

    at_ns: int
    marks: Mapping[InstrumentKey, Decimal]


NO_ROLL = DayRoll(0, {})
"""The account's first day: it began with the account."""
