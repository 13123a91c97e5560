"""Losses: what an account has made today and since its beginning, in each currency, at the prices of now.

Nothing is converted and nothing is guessed: a figure that needs a price that is missing or too old is None, and says
which. Fees stay outside, as in positions.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from dropcopyd.domain import money
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.position import Position, daily_pnl_of, unrealized_pnl

Price = Callable[[Instrument], "Decimal | str"]
"""The price of now, or in words why there is none."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A position whose profit is not known, and why."""

    symbol: str
    why: str


@dataclass(slots=True)
class Standing:
    """How an account, or a sum of accounts, stands in one currency. None = not known, never zero."""

    daily_pnl: Decimal | None = money.ZERO
    """Realized and marked change since each account's day began."""
    profit: Decimal | None = money.ZERO
    """Realized and marked since the accounts' beginning."""
    unknown: list[Unknown] = field(default_factory=list)

    def take(self, other: "Standing") -> None:
        """Add another account's."""
        self.daily_pnl = _sum(self.daily_pnl, other.daily_pnl)
        self.profit = _sum(self.profit, other.profit)
        self.unknown.extend(other.unknown)


def standings(positions: Iterable[Position], realized: Mapping[str, Decimal], price_of: Price) -> dict[str, Standing]:
    """By currency. `positions`: those held or moved today. `realized`: sums by currency of all there ever were."""
    found: dict[str, Standing] = {}
    for currency, amount in realized.items():
        found[currency] = Standing(profit=amount)
    for position in positions:
        standing = found.setdefault(position.instrument.currency, Standing())
        _take_position(standing, position, price_of)
    return found


def _take_position(standing: Standing, position: Position, price_of: Price) -> None:
    price = price_of(position.instrument) if position.quantity else None
    mark = price if isinstance(price, Decimal) else None
    unrealized = unrealized_pnl(position.instrument, position.quantity, position.cost, mark)
    daily = daily_pnl_of(position, mark)
    standing.profit = _sum(standing.profit, unrealized)
    standing.daily_pnl = _sum(standing.daily_pnl, daily)
    if daily is None or unrealized is None:
        why = price if isinstance(price, str) else "what it was worth when the day began is not known"
        standing.unknown.append(Unknown(position.instrument.symbol, why))


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else money.add(one, other)


@dataclass(frozen=True, slots=True, kw_only=True)
class HighWater:
    """The most that a control's accounts had made, in one currency, since it was watched.

    `is_spent`: a breach was judged by it; it begins anew when the control is released.
    """

    organization_id: str
    scope: str
    subject: str
    currency: str
    amount: Decimal
    at_ns: int
    is_spent: bool = False
