"""Balances: an account's money in one currency, as the broker has it."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One currency of an account. None = the broker did not say, never zero."""

    account_id: str
    organization_id: str
    currency: str
    received_at_ns: int
    cash: Decimal | None = None
    buying_power: Decimal | None = None
    equity: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
