"""What the working orders of an account may still do: per instrument, leaves to buy and to sell at their largest.

An order in doubt counts, a replace under way counts at the larger of old and new, a filled order that is to be raised
counts with what it would gain.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from dropcopyd.domain import money
from dropcopyd.domain.instrument import InstrumentKey, key_of
from dropcopyd.domain.order import ActionType, Order, OrderSide
from dropcopyd.domain.position import Position
from dropcopyd.domain.state import Chain

_Line = tuple[InstrumentKey, bool, Decimal]


@dataclass(slots=True)
class _Side:
    buys: Decimal = money.ZERO
    sells: Decimal = money.ZERO


class Pool:
    """Sums over the accounts of one organization: what they hold, and what their orders may still do."""

    def __init__(self) -> None:
        self._positions: dict[InstrumentKey, Decimal] = {}
        self.sides = Sides()
        self.open_count = 0
        """Orders that may still trade."""

    def position(self, key: InstrumentKey) -> Decimal:
        """What is held of an instrument, signed."""
        return self._positions.get(key, money.ZERO)

    def move(self, key: InstrumentKey, change: Decimal) -> None:
        """An account holds so much more of an instrument."""
        self._positions[key] = money.add(self.position(key), change)


class Sides:
    """Leaves to buy and to sell by instrument."""

    def __init__(self) -> None:
        self._sides: dict[InstrumentKey, _Side] = {}

    def has(self, key: InstrumentKey) -> bool:
        """Whether an order in the instrument may still trade."""
        return key in self._sides

    def add(self, key: InstrumentKey, is_buy: bool, leaves: Decimal) -> None:
        """So much more may be bought, or sold."""
        side = self._sides.setdefault(key, _Side())
        if is_buy:
            side.buys = money.add(side.buys, leaves)
        else:
            side.sells = money.add(side.sells, leaves)
        if not side.buys and not side.sells:
            del self._sides[key]

    def without(self, key: InstrumentKey, line: _Line | None) -> tuple[Decimal, Decimal]:
        """(leaves to buy, leaves to sell) of an instrument, one order's line left out."""
        side = self._sides.get(key)
        if side is None:
            return money.ZERO, money.ZERO
        if line is None or line[0] != key:
            return side.buys, side.sells
        if line[1]:
            return money.subtract(side.buys, line[2]), side.sells
        return side.buys, money.subtract(side.sells, line[2])


class Exposure:
    """Sums over one account's orders, kept up to date order by order, and in its organization's pool with them."""

    def __init__(
        self, chains: Iterable[Chain] = (), positions: Iterable[Position] = (), pool: Pool | None = None
    ) -> None:
        self.pool = pool or Pool()
        self._lines: dict[str, _Line] = {}
        self._sides = Sides()
        self._held: dict[InstrumentKey, Decimal] = {}
        for chain in chains:
            self.take(chain)
        for position in positions:
            self.hold(position)

    def leave(self) -> None:
        """Take everything out of the pool: another exposure comes in place of this one."""
        for line in self._lines.values():
            self.pool.sides.add(line[0], line[1], money.negate(line[2]))
        self.pool.open_count -= len(self._lines)
        for key, quantity in self._held.items():
            self.pool.move(key, money.negate(quantity))
        self._lines.clear()
        self._held.clear()
        self._sides = Sides()

    def hold(self, position: Position) -> None:
        """A position as it is now."""
        key = key_of(position.instrument)
        before = self._held.get(key, money.ZERO)
        if position.quantity == before:
            return
        self.pool.move(key, money.subtract(position.quantity, before))
        if position.quantity:
            self._held[key] = position.quantity
        else:
            del self._held[key]

    @property
    def open_orders(self) -> int:
        """Orders that may still trade."""
        return len(self._lines)

    def is_open(self, order_id: str) -> bool:
        """Whether the order may still trade."""
        return order_id in self._lines

    def has(self, key: InstrumentKey) -> bool:
        """Whether an order in the instrument may still trade."""
        return self._sides.has(key)

    def line(self, order_id: str | None) -> _Line | None:
        """What one order may still do."""
        return None if order_id is None else self._lines.get(order_id)

    def take(self, chain: Chain) -> None:
        """The order as it is now."""
        order_id, pool = chain.order.order_id, self.pool
        before, line = self._lines.get(order_id), _line_of(chain)
        if line == before:
            return
        if line is None:
            del self._lines[order_id]
        else:
            self._lines[order_id] = line
        if before is not None:
            back = money.negate(before[2])
            self._sides.add(before[0], before[1], back)
            pool.sides.add(before[0], before[1], back)
            pool.open_count -= 1
        if line is not None:
            self._sides.add(*line)
            pool.sides.add(*line)
            pool.open_count += 1

    def of(self, key: InstrumentKey, without_order_id: str | None = None) -> tuple[Decimal, Decimal]:
        """(leaves to buy, leaves to sell) of an instrument, one order left out."""
        return self._sides.without(key, self.line(without_order_id))


def may_trade(chain: Chain) -> bool:
    """Whether the order can still be filled, or nobody can exclude it."""
    return bool(_totals(chain))


def _line_of(chain: Chain) -> _Line | None:
    """What the order may still do; None when it cannot be filled any more, and nobody doubts that."""
    totals = _totals(chain)
    if not totals:
        return None
    order = chain.order
    return key_of(order.instrument), order.order_side is OrderSide.BUY, _most(order, totals)


def leaves_at_most(chain: Chain, asked: Decimal) -> Decimal:
    """The most that can still be filled: of the terms in force, of every replace under way, and of one `asked` for."""
    return _most(chain.order, [*_totals(chain), asked])


def _totals(chain: Chain) -> list[Decimal]:
    """The quantities up to which the order may be filled: as it works, and as commands that may take effect ask."""
    totals = [chain.order.terms.quantity] if chain.order.is_working else []
    totals.extend(
        command.terms.quantity
        for command in chain.commands.values()
        if command.is_unresolved and command.action_type is not ActionType.CANCEL
    )
    return totals


def _most(order: Order, totals: list[Decimal]) -> Decimal:
    return max(money.ZERO, money.subtract(max(totals), order.filled_quantity))
