"""What the writer keeps beside the projections, in the same transaction: tallies, what each event is about, and now
and then the set of working orders. The queries of the record read it (store/history.py, store/metrics.py)."""

import json
import sqlite3
from collections.abc import Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from dropcopyd.domain import money
from dropcopyd.domain.balance import Balance
from dropcopyd.domain.command import Command, OutcomeKind, Stamps
from dropcopyd.domain.event import AccountMoved, Batch, Event
from dropcopyd.domain.instrument import InstrumentKey, key_of
from dropcopyd.domain.order import OrderOrigin
from dropcopyd.domain.position import Position
from dropcopyd.domain.tally import Before, LegTime, gain_of
from dropcopyd.store.gathering import write_rows
from dropcopyd.store.projecting import Projections
from dropcopyd.store.tallying import Tallies

WORKING_SET_EVENTS: Final = 1_024
"""At least so many events lie between two sets of working orders, and four times as many as the last set has orders."""
_REMEMBERED_MAX: Final = 4_096


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
        self._positions = projections.positions
        self._state_events: list[tuple[int, str, str, int]] = []
        self._tallies = Tallies(connection)
        self._outcomes: dict[tuple[int, str, int], tuple[OutcomeKind, Stamps]] = {}
        """(account, intent, seq) -> what of a command was written last, as far as it is counted by."""
        self._numbers: dict[str, int] = {}
        """order_id -> number: it never changes."""
        self._sets: dict[int, tuple[int, int]] = {}
        """account -> (sequence of its last working set, orders in it)"""

    def before(self, account: int, batch: Batch) -> Brought:
        """What is about to be overwritten; to be asked once, before the batch is taken in."""
        commands = {(one.intent_id, one.seq): self._overwritten(account, one) for one in batch.commands}
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
                (json.dumps(unknown),),
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
        self._tallies.add(account, batch.at_ns, gain)
        return gain.legs

    def flush(self) -> None:
        """Write what the transaction has of both."""
        write_rows(self._connection, "INSERT INTO state_events", self._state_events)
        self._state_events.clear()
        self._tallies.flush()
        while len(self._outcomes) > _REMEMBERED_MAX:  # not earlier: those of this transaction are in no table yet
            del self._outcomes[next(iter(self._outcomes))]

    def discard(self) -> None:
        """Forget what a rolled back transaction had."""
        self._state_events.clear()
        self._tallies.discard()
        self._outcomes.clear()
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

    def _overwritten(self, account: int, command: Command) -> tuple[OutcomeKind, Stamps] | None:
        """The command as it was; from now on it is as it is in the batch."""
        place = account, command.intent_id, command.seq
        before = self._outcomes.pop(place, None) or self._read_outcome(place)
        self._outcomes[place] = command.outcome, command.stamps
        return before

    def _read_outcome(self, place: tuple[int, str, int]) -> tuple[OutcomeKind, Stamps] | None:
        row = self._connection.execute(
            "SELECT outcome, received_ns, committed_ns, attempt_begun_ns, acknowledged_ns, first_fill_ns, last_fill_ns"
            " FROM commands WHERE account = ? AND intent_id = ? AND seq = ?",
            place,
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


def subject_of(key: InstrumentKey) -> str:
    """What a position's event is about, in `state_events`."""
    return f"{key[0].value}|{key[1]}"


def _subject(event: Event) -> str | None:
    match event.record:
        case Position() as position:
            return subject_of(key_of(position.instrument))
        case Balance() as balance:
            return balance.currency
        case AccountMoved():
            return ""
    return None
