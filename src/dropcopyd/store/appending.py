"""The journal's end: events get their numbers and hashes in memory, and reach the file together."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dropcopyd.domain.account import Account
from dropcopyd.domain.balance import Balance
from dropcopyd.domain.event import AccountMoved, Batch, Event, EventType, Record
from dropcopyd.ports import Committed, Encoder
from dropcopyd.store.gathering import update_rows, write_rows

_MOVED: Final = {
    "head": "?",
    "hash": "?",
    "last_ns": "max(last_ns, ?)",
    "report_cursor": "coalesce(?, report_cursor)",
    "listed_cursor": "coalesce(?, listed_cursor)",
}


@dataclass(slots=True)
class _Head:
    """Where an account's journal ends."""

    sequence: int
    hash: bytes
    kinds: dict[EventType, int]


@dataclass(slots=True)
class _Move:
    """How far an account has come since the last flush."""

    head: _Head
    last_ns: int = 0
    report_cursor: str | None = None
    listed_cursor: str | None = None


class Journal:
    """Of one writer, on its connection and in its transactions. `clear` after a rollback."""

    def __init__(self, connection: sqlite3.Connection, encoder: Encoder) -> None:
        self._connection = connection
        self._encoder = encoder
        self._heads: dict[int, _Head] = {}
        self._moves: dict[int, _Move] = {}
        self._moved_kinds: set[tuple[int, EventType]] = set()
        self._events: list[tuple[Any, ...]] = []
        self._abouts: list[str] = []
        """The order_id that each of these events is about, "" for none."""

    def append(self, account: Account, at_ns: int, event: Event, encoded: bytes) -> Committed:
        """The event at the end of its account's journal, as it will be announced."""
        number, kind = account.number, event.kind
        head = self._heads.get(number) or self._load_head(number)
        sequence, kind_sequence = head.sequence + 1, head.kinds.get(kind, 0) + 1
        payload, digest = self._encoder.stamp(encoded, account.account_id, sequence, kind_sequence, head.hash)
        head.sequence, head.hash, head.kinds[kind] = sequence, digest, kind_sequence
        self._moved_kinds.add((number, kind))
        asset_class, symbol = _instrument(event.record)
        self._events.append(
            (number, sequence, kind._value_, kind_sequence, at_ns, asset_class, symbol, payload, digest)
        )
        self._abouts.append(order_id_of(event) or "")
        return Committed(
            account_id=account.account_id,
            organization_id=account.organization_id,
            sequence=sequence,
            kind=kind,
            symbol=symbol,
            asset_class=asset_class,
            payload=payload,
            chain=int.from_bytes(digest[:8], "big"),
        )

    def move(self, account: int, batch: Batch) -> int:
        """The account has come as far as this batch, whose events were appended. The last one's sequence."""
        move = self._moves.get(account)
        if move is None:
            move = self._moves[account] = _Move(self._heads.get(account) or self._load_head(account))
        move.last_ns = max(move.last_ns, batch.at_ns)
        if batch.report_cursor is not None:
            move.report_cursor = batch.report_cursor
        if batch.listed_cursor is not None:
            move.listed_cursor = batch.listed_cursor
        return move.head.sequence

    @property
    def abouts(self) -> set[str]:
        """The ids of the orders that the events to be written are about."""
        return set(self._abouts) - {""}

    def flush(self, order_numbers: Mapping[str, int]) -> None:
        """Write what was appended since the last time; the numbers are those of `abouts`."""
        events = [(*event, order_numbers.get(about)) for event, about in zip(self._events, self._abouts, strict=True)]
        write_rows(self._connection, "INSERT INTO journal", events)
        kinds = [(number, kind._value_, self._heads[number].kinds[kind]) for number, kind in self._moved_kinds]
        write_rows(
            self._connection,
            "INSERT INTO kind_heads",
            kinds,
            " ON CONFLICT (account, kind) DO UPDATE SET head = excluded.head",
        )
        moves = [
            (move.head.sequence, move.head.hash, move.last_ns, move.report_cursor, move.listed_cursor, number)
            for number, move in self._moves.items()
        ]
        update_rows(self._connection, "accounts", ("number",), _MOVED, moves)
        self._clear_lists()

    def clear(self) -> None:
        """Forget everything."""
        self._heads.clear()
        self._clear_lists()

    def _clear_lists(self) -> None:
        self._moves.clear()
        self._moved_kinds.clear()
        self._events.clear()
        self._abouts.clear()

    def _load_head(self, number: int) -> _Head:
        sequence, digest = self._connection.execute(
            "SELECT head, hash FROM accounts WHERE number = ?", (number,)
        ).fetchone()
        kinds = self._connection.execute("SELECT kind, head FROM kind_heads WHERE account = ?", (number,))
        head = _Head(sequence, digest, {EventType(kind): kind_head for kind, kind_head in kinds})
        self._heads[number] = head
        return head


def order_id_of(event: Event) -> str | None:
    """The order that an event is about."""
    order_id: Any = getattr(event.record, "order_id", None)
    return order_id if isinstance(order_id, str) else None


def _instrument(record: Record) -> tuple[str, str]:
    """(asset class, symbol), "" where there is none."""
    instrument = None if isinstance(record, AccountMoved | Balance) else record.instrument
    return ("", "") if instrument is None else (instrument.asset_class._value_, instrument.symbol)
