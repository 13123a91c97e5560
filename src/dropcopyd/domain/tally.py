"""Tallies: what a batch adds to the figures of its account's day. Pure; the store keeps the sums.

A tally counts (whole numbers) and sums (exact amounts). Names of counts: `orders`, `replaces`, `cancels`, `fills`,
`orders_traded`, `orders_filled`, `busts`, `corrections`, `refused|CODE`, `leg|LEG|BUCKET`; of amounts: `volume`,
`notional|CURRENCY`, `fees|CURRENCY`, `realized_pnl|CURRENCY`. An amendment moves volume and notional by its difference,
in the hour in which it came.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from dropcopyd.domain import money
from dropcopyd.domain.amendment import Amendment, AmendmentKind
from dropcopyd.domain.command import Command, OutcomeKind, Stamps
from dropcopyd.domain.event import Batch, Trade
from dropcopyd.domain.instrument import Instrument, InstrumentKey, key_of, value_of
from dropcopyd.domain.order import ActionType, OrderOrigin
from dropcopyd.domain.position import Position

_ASKED: Final = {ActionType.CREATE: "orders", ActionType.REPLACE: "replaces", ActionType.CANCEL: "cancels"}
_REFUSALS: Final = frozenset({OutcomeKind.REFUSED, OutcomeKind.WITHHELD, OutcomeKind.NOT_SENT})


class Leg(StrEnum):
    """A stretch of a command's way, from one stamp to the next.

    ACCEPT: request arrived to durable. DISPATCH: durable to attempt begun. ACKNOWLEDGE: attempt begun to the broker's
    answer. FIRST_FILL: the create's attempt begun to the order's first execution. COMPLETE: first to last execution.
    """

    ACCEPT = "accept"
    DISPATCH = "dispatch"
    ACKNOWLEDGE = "acknowledge"
    FIRST_FILL = "first_fill"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Dimension:
    """What a tally is of; "" is none."""

    strategy_id: str
    asset_class: str
    symbol: str


@dataclass(slots=True)
class Tally:
    """Counts and sums that add up."""

    amounts: dict[str, Decimal] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def count(self, name: str) -> None:
        before_count = self.counts[name]
        self.counts[name] = before_count + 1

    def sum(self, name: str, amount: Decimal) -> None:
        self.amounts[name] = money.add(self.amounts.get(name, money.ZERO), amount)

    def add(self, other: "Tally") -> None:
        """Take another tally in."""
        counts = self.counts
        for name, more_count in other.counts.items():
            before_count = counts[name]
            counts[name] = before_count + more_count
        for name, amount in other.amounts.items():
            self.sum(name, amount)


@dataclass(frozen=True, slots=True)
class LegTime:
    """One leg that was completed: how long it took."""

    leg: Leg
    taken_ns: int


@dataclass(slots=True)
class Gain:
    """What one batch adds: tallies by dimension, and the legs it completed."""

    tallies: dict[Dimension, Tally] = field(default_factory=dict)
    legs: list[LegTime] = field(default_factory=list)

    def of(self, instrument: Instrument, strategy_id: str | None) -> Tally:
        """The tally of an instrument and strategy."""
        key = Dimension(strategy_id or "", instrument.asset_class.value, instrument.symbol)
        return self.tallies.setdefault(key, Tally())

    def leg(self, tally: Tally, leg: Leg, begun_ns: int | None, ended_ns: int | None) -> None:
        """A completed leg; one that began at an unknown time counts nowhere."""
        if begun_ns is None or ended_ns is None:
            return
        taken_ns = max(0, ended_ns - begun_ns)
        tally.count(f"leg|{leg}|{bucket_of(taken_ns)}")
        self.legs.append(LegTime(leg, taken_ns))


@dataclass(frozen=True, slots=True)
class Before:
    """What a batch changes, as it was: its commands (None: new), and the realized profit of its positions."""

    commands: Mapping[tuple[str, int], tuple[OutcomeKind, Stamps] | None]
    realized_pnl: Mapping[InstrumentKey, Decimal]


def gain_of(batch: Batch, before: Before, new_orders: Container[str]) -> Gain:
    """What the batch adds, given what was before it and the ids of the orders that it brought."""
    gain = Gain()
    for command in batch.commands:
        _command(gain, command, before.commands[command.intent_id, command.seq])
    for order in batch.orders:
        if order.origin is OrderOrigin.EXTERNAL and order.order_id in new_orders:
            gain.of(order.instrument, order.strategy_id).count("orders")
    creates = {command.order_id: command for command in batch.commands if command.action_type is ActionType.CREATE}
    for trade in batch.trades:
        _trade(gain, trade, creates.get(trade.order_id))
    strategies = {order.order_id: order.strategy_id for order in batch.orders} if batch.amendments else {}
    movers = [(trade.instrument, trade.strategy_id) for trade in batch.trades]
    for amendment in batch.amendments:
        strategy_id = strategies.get(amendment.order_id)
        _amendment(gain.of(amendment.instrument, strategy_id), amendment)
        movers.append((amendment.instrument, strategy_id))
    for position in batch.positions:
        _position(gain, position, before.realized_pnl[key_of(position.instrument)], movers)
    return gain


def _command(gain: Gain, command: Command, before: tuple[OutcomeKind, Stamps] | None) -> None:
    tally, stamps = gain.of(command.instrument, command.strategy_id), command.stamps
    outcome_before, was = (None, None) if before is None else before
    if was is None:
        tally.count(_ASKED[command.action_type])
        gain.leg(tally, Leg.ACCEPT, stamps.received_ns, stamps.committed_ns)
    if was is None or was.attempt_begun_ns is None:
        gain.leg(tally, Leg.DISPATCH, stamps.committed_ns, stamps.attempt_begun_ns)
    if was is None or was.acknowledged_ns is None:
        gain.leg(tally, Leg.ACKNOWLEDGE, stamps.attempt_begun_ns, stamps.acknowledged_ns)
    if was is None or was.first_fill_ns is None:
        gain.leg(tally, Leg.FIRST_FILL, stamps.attempt_begun_ns, stamps.first_fill_ns)
    if command.outcome in _REFUSALS and outcome_before is not command.outcome:
        tally.count(f"refused|{command.reason_code or command.outcome.value.lower()}")


def _trade(gain: Gain, trade: Trade, create: Command | None) -> None:
    tally = gain.of(trade.instrument, trade.strategy_id)
    tally.count("fills")
    tally.sum("volume", trade.quantity)
    tally.sum(f"notional|{trade.instrument.currency}", value_of(trade.instrument, trade.quantity, trade.price))
    for fee in trade.fees:
        tally.sum(f"fees|{fee.currency}", fee.amount)
    if trade.cumulative_quantity == trade.quantity:
        tally.count("orders_traded")
    if not trade.leaves_quantity and trade.cumulative_quantity >= trade.order_quantity:
        tally.count("orders_filled")
        if create is not None:
            gain.leg(tally, Leg.COMPLETE, create.stamps.first_fill_ns, create.stamps.last_fill_ns)


def _amendment(tally: Tally, amendment: Amendment) -> None:
    tally.count("busts" if amendment.kind is AmendmentKind.BUST else "corrections")
    tally.sum("volume", money.subtract(amendment.quantity_after, amendment.quantity_before))
    before = _value(amendment.instrument, amendment.quantity_before, amendment.price_before)
    after = _value(amendment.instrument, amendment.quantity_after, amendment.price_after)
    tally.sum(f"notional|{amendment.instrument.currency}", money.subtract(after, before))


def _value(instrument: Instrument, quantity: Decimal, price: Decimal) -> Decimal:
    """The value of an execution; what a bust leaves has none, whatever its price."""
    return value_of(instrument, quantity, price) if quantity else money.ZERO


def _position(gain: Gain, position: Position, before: Decimal, movers: Iterable[tuple[Instrument, str | None]]) -> None:
    """Realized profit goes to the strategy of the execution, or of the amended one, that realized it."""
    realized = money.subtract(position.realized_pnl, before)
    if not realized:
        return
    strategy_id = next((strategy for instrument, strategy in movers if instrument == position.instrument), None)
    gain.of(position.instrument, strategy_id).sum(f"realized_pnl|{position.instrument.currency}", realized)


# --- latency, in buckets no wider than a sixteenth of what they hold --------------------------------------------------


def bucket_of(taken_ns: int) -> int:
    """The bucket of a duration; wider the longer it is, at most 1/16 of it."""
    shift_count = max(0, int(taken_ns.bit_length()) - 5)
    return (shift_count << 4) + (taken_ns >> shift_count)


def bucket_end_ns(bucket_number: int) -> int:
    """The longest duration in a bucket."""
    shift_count = max(0, (bucket_number >> 4) - 1)
    step_number = bucket_number - (shift_count << 4)
    return ((step_number + 1) << shift_count) - 1


def percentile_ns(buckets: Mapping[int, int], permille_number: int) -> int | None:
    """An upper bound, at most 1/16 above it, of what so many thousandths of the durations do not exceed."""
    total_count = Counter(buckets).total()
    if not total_count:
        return None
    wanted_count = max(1, (total_count * permille_number + 999) // 1000)
    seen_count = 0
    for bucket_number, count in sorted(buckets.items()):
        seen_count += count
        if seen_count >= wanted_count:
            return bucket_end_ns(bucket_number)
    raise AssertionError("the buckets hold their total")
