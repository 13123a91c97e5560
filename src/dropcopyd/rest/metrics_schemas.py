"""The shapes of `GET .../metrics`."""

from pydantic import Field

from dropcopyd.domain.instrument import AssetClass
from dropcopyd.rest.shapes import Amount, Shape, Time, Uuid


class Latency(Shape):
    """How long a leg took, in milliseconds: upper bounds, at most a sixteenth above the exact value."""

    count: int
    p50_ms: Amount | None
    p90_ms: Amount | None
    p99_ms: Amount | None
    max_ms: Amount | None


class Latencies(Shape):
    """The legs of commands."""

    accept: Latency = Field(description="Request arrived to durable.")
    dispatch: Latency = Field(description="Durable to attempt begun.")
    acknowledge: Latency = Field(description="Attempt begun to the broker's answer.")
    first_fill: Latency = Field(description="Attempt begun to the order's first execution.")
    complete: Latency = Field(description="First to last execution of orders that were filled.")


class Figures(Shape):
    """What happened in the range; each thing counts in the hour in which it was committed."""

    day: str | None
    strategy_id: str | None
    asset_class: AssetClass | None
    symbol: str | None
    orders: int
    replaces: int
    cancels: int
    fills: int = Field(description="Executions.")
    orders_traded: int = Field(description="Orders that had their first execution.")
    orders_filled: int = Field(description="Orders that had their last execution.")
    busts: int = Field(description="Executions that the broker took back.")
    corrections: int = Field(description="Executions whose figures the broker replaced.")
    fill_ratio: Amount | None = Field(description="orders_traded / orders; null without orders.")
    refusals: dict[str, int] = Field(description="Commands refused, withheld or not sent, by reason code.")
    volume: Amount = Field(description="Quantity traded, after busts and corrections; adds up within one symbol.")
    notional: dict[str, Amount] = Field(description="Value traded, likewise, by currency.")
    fees: dict[str, Amount] = Field(description="By currency.")
    realized_pnl: dict[str, Amount] = Field(description="By currency, before fees.")
    net_pnl: dict[str, Amount] = Field(description="realized_pnl less fees.")
    daily_pnl: dict[str, Amount | None] | None = Field(
        description="By currency: what positions last said, before the end, of the day in which the range ends; null"
        " for a currency where one of them did not know, and altogether where strategies are told apart or picked."
    )
    latency: Latencies


class Metrics(Shape):
    """Figures of a range. Figures are complete from `complete_since` on; null is from the account's beginning."""

    account_id: Uuid
    since: Time
    until: Time
    complete_since: Time | None
    data: list[Figures]
