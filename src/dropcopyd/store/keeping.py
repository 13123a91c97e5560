"""What the writer keeps beside the projections, in the same transaction: tallies, what each event is about, and now
and then the set of working orders. The queries of the record read it (store/history.py, store/metrics.py)."""

import json
import sqlite3
from collections.abc import Mapping, Set
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Final

from pydantic_core import to_json

from dropcopyd.domain import money
from dropcopyd.domain.balance import Balance
from dropcopyd.domain.command import Command, OutcomeKind, Stamps
from dropcopyd.domain.event import AccountMoved, Batch, Event
from dropcopyd.domain.instrument import InstrumentKey, key_of
from dropcopyd.domain.order import OrderOrigin
from dropcopyd.domain.position import Position
from dropcopyd.domain.tally import Before, Dimension, LegTime, Tally, gain_of
from dropcopyd.store.gathering import write_rows
from dropcopyd.store.projecting import Projections

_HOUR_NS: Final = 3_600_000_000_000
_DAY_NS: Final = 24 * _HOUR_NS
GRAINS: Final[Mapping[str, int]] = {"H": _HOUR_NS, "D": _DAY_NS}
WORKING_SET_EVENTS: Final = 1_024
"""At least so many events lie between two sets of working orders, and four times as many as the last set has orders."""
_REMEMBERED_MAX: Final = 4_096
_STAMPS: Final = tuple(field.name for field in fields(Stamps))
_Place = tuple[int, str, int, Dimension]


@dataclass(frozen=True, slots=True)
class Brought:
    """What a batch was before it was written: figures to compare with."""

    before: Before
    fresh: frozenset[str]
    """The ids of its orders from outside that nobody knew."""


class Keeper:
    """Of one writer, on its connection and in its transactions. `discard` after a rollback."""

    def __init__(self, connection: sqlite3.Connection, projections: Projections) -> None:
        self._connection = connection
        self._orders = projections.orders
        self._commands = projections.commands
        self._positions = projections.positions
        self._state_events: list[tuple[int, str, str, int]] = []
        self._tallies: dict[_Place, Tally] = {}
        self._totals: dict[_Place, _Total] = {}
        """Sums as they were written last."""
        self._numbers: dict[str, int] = {}
        """order_id -> number: it never changes."""
        self._sets: dict[int, tuple[int, int]] = {}
        """account -> (sequence of its last working set, orders in it)"""

    def before(self, account: int, batch: Batch) -> Brought:
        """What is about to be overwritten; to be asked before the batch is."""
        commands = {(one.intent_id, one.seq): self._command_before(account, one) for one in batch.commands}
        realized = {key_of(one.instrument): self._realized_before(account, one) for one in batch.positions}
        return Brought(Before(commands, realized), self._fresh(batch))

    def _fresh(self, batch: Batch) -> frozenset[str]:
        external = {order.order_id for order in batch.orders if order.origin is OrderOrigin.EXTERNAL}
        unknown = {order_id for order_id in external if self._orders.known((order_id,)) is None}
        return frozenset(unknown - self.order_numbers(unknown).keys())

    def order_numbers(self, order_ids: Set[str]) -> dict[str, int]:
        """order_id -> number of those orders that are in the table."""
        unknown = [order_id for order_id in order_ids if order_id not in self._numbers]
        if unknown:  # one row, whatever their number
            (found,) = self._connection.execute(
                "SELECT json_group_object(order_id, number) FROM orders"
                " WHERE order_id IN (SELECT value FROM json_each(?))",
                (_encode(unknown),),
            ).fetchone()
            self._numbers.update(json.loads(found))
        numbers = {order_id: self._numbers[order_id] for order_id in order_ids if order_id in self._numbers}
        while len(self._numbers) > _REMEMBERED_MAX:
            del self._numbers[next(iter(self._numbers))]
        return numbers

    def note(self, account: int, sequence: int, event: Event) -> None:
        """Remember an event that replaces another; written by `flush`."""
        subject = _subject(event)
        if subject is not None:
            self._state_events.append((account, event.kind.value, subject, sequence))

    def tally(self, account: int, batch: Batch, brought: Brought) -> list[LegTime]:
        """Add what the batch counts for; written by `flush`. Returns the legs that it completed."""
        gain = gain_of(batch, brought.before, brought.fresh)
        for dimension, tally in gain.tallies.items():
            for grain, length_ns in GRAINS.items():
                place = (account, grain, batch.at_ns // length_ns, dimension)
                self._tallies.setdefault(place, Tally()).add(tally)
        return gain.legs

    def flush(self) -> None:
        """Write what the transaction has of both: sums, one row each."""
        write_rows(self._connection, "INSERT INTO state_events", self._state_events)
        self._state_events.clear()
        found: list[tuple[object, ...]] = []
        for (account, grain, period, dimension), tally in self._tallies.items():
            key = (account, grain, period, dimension.strategy_id, dimension.asset_class, dimension.symbol)
            place = (account, grain, period, dimension)
            total = self._totals.pop(place, None) or self._total(key)
            total.add(tally)
            found.append((*key, total.counts, total.amounts))
            if len(self._totals) >= _REMEMBERED_MAX:
                del self._totals[next(iter(self._totals))]
            self._totals[place] = total
        write_rows(self._connection, "INSERT OR REPLACE INTO tallies", found)
        self._tallies.clear()

    def _total(self, key: tuple[object, ...]) -> "_Total":
        row = self._connection.execute(
            "SELECT counts, amounts FROM tallies WHERE account = ? AND grain = ? AND period = ?"
            " AND strategy_id = ? AND asset_class = ? AND symbol = ?",
            key,
        ).fetchone()
        return _Total(Tally() if row is None else tally_of(*row))

    def discard(self) -> None:
        """Forget what a rolled back transaction had."""
        self._state_events.clear()
        self._tallies.clear()
        self._totals.clear()
        self._numbers.clear()
        self._sets.clear()

    def is_set_due(self, account: int, head: int) -> bool:
        """Whether the last set of working orders is far enough behind the event `head`."""
        at, size = self._sets.get(account) or self._last_set(account)
        self._sets[account] = (at, size)
        return head - at >= max(WORKING_SET_EVENTS, 4 * size)

    def keep_working_set(self, account: int, head: int) -> None:
        """Keep the set of working orders after event `head`, as the table has them."""
        found = self._connection.execute(
            "SELECT number FROM orders INDEXED BY orders_working WHERE account = ? AND is_working = 1", (account,)
        )
        numbers = sorted(number for (number,) in found)
        self._connection.execute("INSERT INTO working_sets VALUES (?, ?, ?)", (account, head, json.dumps(numbers)))
        self._sets[account] = (head, len(numbers))

    def _last_set(self, account: int) -> tuple[int, int]:
        row = self._connection.execute(
            "SELECT sequence, json_array_length(orders) FROM working_sets WHERE account = ?"
            " ORDER BY sequence DESC LIMIT 1",
            (account,),
        ).fetchone()
        return (0, 0) if row is None else (row[0], row[1])

    def _command_before(self, account: int, command: Command) -> tuple[OutcomeKind, Stamps] | None:
        known = self._commands.known((account, command.intent_id, command.seq))
        if known is not None:
            return OutcomeKind(known["outcome"]), Stamps(**{name: known[name] for name in _STAMPS})
        row = self._connection.execute(
            "SELECT outcome, received_ns, committed_ns, attempt_begun_ns, acknowledged_ns, first_fill_ns, last_fill_ns"
            " FROM commands WHERE account = ? AND intent_id = ? AND seq = ?",
            (account, command.intent_id, command.seq),
        ).fetchone()
        if row is None:
            return None
        return OutcomeKind(row[0]), Stamps(
            received_ns=row[1],
            committed_ns=row[2],
            attempt_begun_ns=row[3],
            acknowledged_ns=row[4],
            first_fill_ns=row[5],
            last_fill_ns=row[6],
        )

    def _realized_before(self, account: int, position: Position) -> Decimal:
        known = self._positions.known((account, position.instrument.asset_class.value, position.instrument.symbol))
        if known is not None:
            return Decimal(known["realized_pnl"])
        row = self._connection.execute(
            "SELECT realized_pnl FROM positions WHERE account = ? AND asset_class = ? AND symbol = ?",
            (account, position.instrument.asset_class.value, position.instrument.symbol),
        ).fetchone()
        return money.ZERO if row is None else Decimal(row[0])


class _Total:
    """A sum with its texts as they are written. Amounts change seldom: most of what is counted are legs."""

    __slots__ = ("_tally", "amounts")

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.amounts = _amounts_text(tally)

    @property
    def counts(self) -> str:
        return _encode(self._tally.counts)

    def add(self, gained: Tally) -> None:
        """Take more in."""
        self._tally.add(gained)
        if gained.amounts:
            self.amounts = _amounts_text(self._tally)


def tally_of(counts: str, amounts: str) -> Tally:
    """The tally of a row."""
    tally = Tally({name: Decimal(amount) for name, amount in json.loads(amounts).items()})
    tally.counts.update(json.loads(counts))
    return tally


def subject_of(key: InstrumentKey) -> str:
    """What a position's event is about, in `state_events`."""
    return f"{key[0].value}|{key[1]}"


def _encode(value: object) -> str:
    """As JSON: a third of the standard library's time for the counts of an hour, written with each commit."""
    return to_json(value).decode()


def _amounts_text(tally: Tally) -> str:
    return _encode({name: money.render(amount) for name, amount in tally.amounts.items()})


def _subject(event: Event) -> str | None:
    match event.record:
        case Position() as position:
            return subject_of(key_of(position.instrument))
        case Balance() as balance:
            return balance.currency
        case AccountMoved():
            return ""
    return None
