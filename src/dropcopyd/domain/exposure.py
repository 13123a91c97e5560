"""What the working orders of an account may still do: per instrument, leaves to buy and to sell at their largest.

An order in doubt counts, a replace under way counts at the larger of old and new, a filled order that is to be raised
counts with what it would gain.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from dropcopyd.domain import money
from dropcopyd.domain.instrument import InstrumentKey, key_of
from dropcopyd.domain.order import ActionType, OrderSide
from dropcopyd.domain.state import Chain

_Line = tuple[InstrumentKey, bool, Decimal]


@dataclass(slots=True)
class _Side:
    buys: Decimal = money.ZERO
    sells: Decimal = money.ZERO


class Exposure:
    """Sums over one account's orders, kept up to date order by order."""

    def __init__(self, chains: Iterable[Chain] = ()) -> None:
        self._lines: dict[str, _Line] = {}
        self._sides: dict[InstrumentKey, _Side] = {}
        for chain in chains:
            self.take(chain)

    @property
    def open_orders(self) -> int:
        """Orders that may still trade."""
        return len(self._lines)

    def is_open(self, order_id: str) -> bool:
        """Whether the order may still trade."""
        return order_id in self._lines

    def has(self, key: InstrumentKey) -> bool:
        """Whether an order in the instrument may still trade."""
        return key in self._sides

    def take(self, chain: Chain) -> None:
        """The order as it is now."""
        order = chain.order
        before = self._lines.pop(order.order_id, None)
        if before is not None:
            self._add(before[0], before[1], money.negate(before[2]))
        if not may_trade(chain):
            return
        line = (key_of(order.instrument), order.order_side is OrderSide.BUY, leaves_at_most(chain))
        self._lines[order.order_id] = line
        self._add(*line)

    def _add(self, key: InstrumentKey, is_buy: bool, leaves: Decimal) -> None:
        side = self._sides.setdefault(key, _Side())
        if is_buy:
            side.buys = money.add(side.buys, leaves)
        else:
            side.sells = money.add(side.sells, leaves)
        if not side.buys and not side.sells:
            del self._sides[key]

    def of(self, key: InstrumentKey, without_order_id: str | None = None) -> tuple[Decimal, Decimal]:
        """(leaves to buy, leaves to sell) of an instrument, one order left out."""
        side = self._sides.get(key) or _Side()
        buys, sells = side.buys, side.sells
        line = self._lines.get(without_order_id or "")
        if line is not None and line[0] == key:
            if line[1]:
                buys = money.subtract(buys, line[2])
            else:
                sells = money.subtract(sells, line[2])
        return buys, sells


def may_trade(chain: Chain) -> bool:
    """Whether the order can still be filled, or nobody can exclude it."""
    return chain.order.is_working or any(
        command.is_unresolved and command.action_type is not ActionType.CANCEL for command in chain.commands.values()
    )


def leaves_at_most(chain: Chain, asked: Decimal | None = None) -> Decimal:
    """The most that can still be filled: of the terms in force, of every replace under way, and of one `asked` for."""
    order = chain.order
    totals = [order.terms.quantity] if order.is_working else []
    totals.extend(
        command.terms.quantity
        for command in chain.commands.values()
        if command.is_unresolved and command.action_type is not ActionType.CANCEL
    )
    if asked is not None:
        totals.append(asked)
    largest = max(totals, default=money.ZERO)
    return max(money.ZERO, money.subtract(largest, order.filled_quantity))
