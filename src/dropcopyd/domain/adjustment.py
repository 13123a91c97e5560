"""Adjustments: changes of a position or of cash that are no executions, each a journal event (contract.md, Adjustment).

A position is the fold of executions, amendments and adjustments.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from dropcopyd.domain import money
from dropcopyd.domain.instrument import Instrument


class AdjustmentKind(StrEnum):
    OPENING = "OPENING"
    TRANSFER = "TRANSFER"
    SPLIT = "SPLIT"
    EXPIRY = "EXPIRY"
    ASSIGNMENT = "ASSIGNMENT"
    FUNDING = "FUNDING"
    FEE = "FEE"
    DAY_ROLL = "DAY_ROLL"
    MANUAL = "MANUAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """One adjustment. Deltas are signed; `quantity_delta` and `cost_delta` apply to the position of `instrument`.

    `adjustment_id` is its identity within the account: the broker's, or the platform's own for DAY_ROLL and MANUAL.
    A DAY_ROLL moves nothing: it marks where the day's profit begins.
    """

    account_id: str
    organization_id: str
    adjustment_id: str
    kind: AdjustmentKind
    received_at_ns: int
    instrument: Instrument | None = None
    quantity_delta: Decimal = money.ZERO
    cost_delta: Decimal = money.ZERO
    cash_delta: Decimal = money.ZERO
    currency: str | None = None
    note: str = ""
    broker_sent_at_ns: int | None = None
