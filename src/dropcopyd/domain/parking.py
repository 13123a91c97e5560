"""Parking: reports that name what nobody here knows yet wait, durably, until it is known."""

import hashlib
from dataclasses import dataclass
from typing import Final

from dropcopyd.domain.report import OrderReport

PARKED_MAX: Final = 10_000
"""Reports that may wait per account; what comes after that is a break and lost."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A report that waits. `order_id` is "" while its order is unknown as well."""

    key: str
    order_id: str
    report: OrderReport
    at_ns: int


def parking_key(report: OrderReport) -> str:
    """The same report again has the same key: it waits once."""
    facts = (
        report.kind,
        report.broker_command_id,
        report.external_order_id,
        report.exec_id,
        report.exec_ref_id,
        report.trade_date,
        report.last_quantity,
        report.last_price,
        report.broker_sent_at_ns,
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
