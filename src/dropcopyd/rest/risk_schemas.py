"""The shapes of what daily loss and drawdown are judged by."""

from dropcopyd.rest.shapes import Amount, Shape, Time, Uuid


class UnknownProfit(Shape):
    """A position whose profit is not known, and why."""

    symbol: str
    why: str


class CurrencyRisk(Shape):
    """How an account stands in one currency; null = not known, never zero."""

    currency: str
    daily_pnl: Amount | None
    profit: Amount | None
    high_water: Amount | None
    drawdown: Amount | None
    unknown: list[UnknownProfit]


class AccountRisk(Shape):
    """What daily loss and drawdown are judged by, at the prices of now."""

    account_id: Uuid
    at: Time
    currencies: list[CurrencyRisk]
