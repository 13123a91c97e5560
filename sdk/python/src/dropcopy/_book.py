"""What a stream says of orders, positions and executions, folded into the present picture."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from dropcopy._events import AccountBalance, Disconnected, Event, Heartbeat, Reset, Status
from dropcopy._models import AccountStatus, Order, Position, Trade

_TRADES_KEPT: Final = 200
_CLOSED_KEPT: Final = 500


@dataclass(slots=True)
class Book:
    """The present picture of the accounts of one stream. Feed it every event, in order."""

    orders: dict[str, Order] = field(default_factory=dict)
    positions: dict[tuple[str, str, str], Position] = field(default_factory=dict)
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=_TRADES_KEPT))
    accounts: dict[str, AccountStatus] = field(default_factory=dict)
    balances: dict[tuple[str, str], AccountBalance] = field(default_factory=dict)
    """By account and currency."""
    moved: set[tuple[str, str]] = field(default_factory=set)
    """Of `balances`, those that have changed since they were first told."""
    connection: str = "connecting"
    lag: int = 0
    events: int = 0
    trade_count: int = 0

    def apply(self, event: Event) -> None:
        """Fold one event in."""
        match event:
            case Order():
                self.orders.pop(event.order_id, None)  # the newest change stands last
                self.orders[event.order_id] = event
                self._forget_old()
            case Position():
                self.positions[event.key] = event
            case Trade():
                self.trades.append(event)
                self.trade_count += 1
            case AccountStatus():
                self.accounts[event.account_id] = event
            case AccountBalance():
                key = (event.account_id, event.currency)
                if key in self.balances and _money(self.balances[key]) != _money(event):
                    self.moved.add(key)
                self.balances[key] = event
            case Reset():
                self._drop(event.account_id)
            case Heartbeat():
                self.lag = sum(max(head.head - head.sequence, 0) for head in event.heads)
            case Status() if (event.code or event.message) == "subscribed":
                self.connection = "live"
            case Status():
                self.connection = event.code or event.message
            case Disconnected():
                self.connection = f"disconnected: {event.reason}"
            case _:
                pass
        self.events += getattr(event, "place", None) is not None

    def _drop(self, account_id: str) -> None:
        self.orders = {key: order for key, order in self.orders.items() if order.account_id != account_id}
        self.positions = {key: held for key, held in self.positions.items() if held.account_id != account_id}
        self.balances = {key: balance for key, balance in self.balances.items() if key[0] != account_id}

    def _forget_old(self) -> None:
        """Working orders stay for ever, closed ones up to a bound."""
        if len(self.orders) <= _CLOSED_KEPT:
            return
        oldest_closed = next((key for key, order in self.orders.items() if not order.is_working), None)
        if oldest_closed is not None:
            del self.orders[oldest_closed]


def _money(balance: AccountBalance) -> tuple[Decimal | None, ...]:
    return balance.cash, balance.equity, balance.buying_power
