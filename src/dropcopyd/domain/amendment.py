"""Amendments: a broker takes an execution back (bust) or replaces its figures (correction).

A bust is never published as a trade (contract.md, TradeAmendment): an old client would book it as a fill.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.order import OrderSide


class AmendmentKind(StrEnum):
    BUST = "BUST"
    CORRECTION = "CORRECTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """One amendment of one execution (`execution_key`, as it was first reported). A bust leaves quantity 0.

    `exec_id` is what the execution was last known by: its own id, or that of its last correction. `amendment_key` is
    the amendment's identity within the order.
    """

    account_id: str
    organization_id: str
    kind: AmendmentKind
    order_id: str
    intent_id: str
    external_order_id: str | None
    instrument: Instrument
    order_side: OrderSide
    execution_key: str
    amendment_key: str
    exec_id: str | None
    new_exec_id: str | None
    quantity_before: Decimal
    price_before: Decimal
    quantity_after: Decimal
    price_after: Decimal
    received_at_ns: int
    reason: str | None = None
    broker_sent_at_ns: int | None = None
