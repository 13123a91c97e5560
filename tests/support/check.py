"""Checks of a client's own: chain, numbering and positions recomputed from what was streamed."""

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from dropcopy import proto as pb

_CHAIN_TAG = bytes([0xD9, 0x3E])
"""Field 1003, fixed 64 bits: (1003 << 3) | 1 as a varint."""


@dataclass
class Journal:
    """Raw journal events of one account, in the order heard."""

    raw: list[bytes] = field(default_factory=list)

    def add(self, raw: bytes) -> None:
        self.raw.append(raw)

    @property
    def events(self) -> list[pb.TradingEvent]:
        return [pb.TradingEvent.FromString(raw) for raw in self.raw]

    def verify(self) -> int:
        """Gap-free sequences and kind sequences from 1, and the hash chain over the raw bytes; the head."""
        previous = bytes(32)
        kinds: dict[str, int] = defaultdict(int)
        for number, raw in enumerate(self.raw, start=1):
            event = pb.TradingEvent.FromString(raw)
            kind = event.WhichOneof("event")
            assert kind is not None
            assert event.sequence == number, f"sequence {event.sequence} where {number} was due"
            kinds[kind] += 1
            assert event.kind_sequence == kinds[kind], f"{kind}: {event.kind_sequence} where {kinds[kind]} was due"
            assert raw[-10:-8] == _CHAIN_TAG, "the chain is not the last field"
            previous = hashlib.sha256(previous + raw[:-10]).digest()
            assert int.from_bytes(previous[:8], "big") == event.chain, f"the chain breaks at {number}"
        return len(self.raw)


@dataclass
class Holding:
    """A linear position folded with fractions: exact, nothing rounded."""

    quantity: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    realized: Fraction = Fraction(0)

    def trade(self, signed: Fraction, price: Fraction) -> None:
        if not self.quantity or (self.quantity > 0) == (signed > 0):
            self.cost += abs(signed) * price
            self.quantity += signed
            return
        closing = min(abs(signed), abs(self.quantity))
        removed = self.cost * closing / abs(self.quantity)
        gain = closing * price - removed
        self.realized += gain if self.quantity > 0 else -gain
        self.cost -= removed
        rest = abs(signed) - closing
        self.quantity += signed
        if rest:
            self.cost = rest * price


def fold_trades(events: Iterable[pb.TradingEvent]) -> dict[str, Holding]:
    """Positions by symbol from streamed trades alone."""
    holdings: dict[str, Holding] = defaultdict(Holding)
    for event in events:
        if event.WhichOneof("event") == "broker_trade":
            trade = event.broker_trade
            sign = 1 if trade.side == pb.ORDER_SIDE_BUY else -1
            holdings[trade.symbol].trade(sign * Fraction(trade.quantity), Fraction(trade.price))
    return dict(holdings)


def last_positions(events: Iterable[pb.TradingEvent]) -> dict[str, Any]:
    """The newest streamed position of each symbol."""
    return {
        event.broker_position.symbol: event.broker_position
        for event in events
        if event.WhichOneof("event") == "broker_position"
    }


def paper_positions(folder: Path, account_id: str) -> Mapping[str, str]:
    """Non-flat quantities by symbol in the paper broker's own book."""
    connection = sqlite3.connect(f"file:{folder / 'paper.db'}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT symbol, quantity FROM positions WHERE account_id = ?", (account_id,))
        return {symbol: quantity for symbol, quantity in rows if quantity != "0"}
    finally:
        connection.close()


def stored_positions(folder: Path) -> Mapping[str, tuple[str, str, str]]:
    """(quantity, cost, realized_pnl) by symbol in the journal's projections, flat ones too."""
    connection = sqlite3.connect(f"file:{folder / 'dropcopy.db'}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT symbol, quantity, cost, realized_pnl FROM positions")
        return {symbol: (quantity, cost, realized) for symbol, quantity, cost, realized in rows}
    finally:
        connection.close()


def unresolved(folder: Path) -> int:
    """Commands without a final outcome in the journal's projections."""
    connection = sqlite3.connect(f"file:{folder / 'dropcopy.db'}?mode=ro", uri=True)
    try:
        (count,) = connection.execute(
            "SELECT count(*) FROM commands WHERE outcome IN ('PENDING', 'IN_DOUBT')"
        ).fetchone()
        return int(count)
    finally:
        connection.close()


def submitted_twice(folder: Path) -> list[str]:
    """Commands that reached the paper broker more than once."""
    connection = sqlite3.connect(f"file:{folder / 'paper.db'}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "SELECT broker_command_id FROM submits GROUP BY broker_command_id HAVING count(*) > 1"
        )
        return [command_id for (command_id,) in rows]
    finally:
        connection.close()
