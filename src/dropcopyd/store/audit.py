"""An account folded again from its journal alone, compared with what the projections say.

The journal's bytes are decoded, each position is folded from its trades, amendments, adjustments and rolls, each order
and balance is what its last event said. Nothing of the projections goes into that but the catalogue of instruments.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from dropcopy import proto as pb
from dropcopyd.domain import catalogue, money
from dropcopyd.domain.account import Account
from dropcopyd.domain.adjustment import NO_ROLL, Adjustment, AdjustmentKind, DayRoll
from dropcopyd.domain.fold import Change, Execution, adjustment_ref, execution_ref, folded, rolled
from dropcopyd.domain.instrument import AssetClass, Instrument, InstrumentKey
from dropcopyd.domain.position import Position
from dropcopyd.errors import Code, DropcopyError, StoreError
from dropcopyd.store import migrate, positions, rows
from dropcopyd.store.chain import verify_chains
from dropcopyd.wire import ProtobufEncoder

_NS: Final = 1_000_000_000
_ORDER_FIELDS: Final = (
    "order_status",
    "quantity",
    "filled_quantity",
    "leaves_quantity",
    "average_price",
    "limit_price",
)
_POSITION_FIELDS: Final = ("quantity", "average_cost", "realized_pnl", "value_bought", "value_sold", "daily_pnl")
_FOLD_FIELDS: Final = ("quantity", "cost", "realized_pnl", "value_bought", "value_sold")
_UNFOLDED: Final = frozenset({AdjustmentKind.FEE, AdjustmentKind.DAY_ROLL})
_KINDS: Final[Mapping[int, AdjustmentKind]] = {
    int(getattr(pb, f"ADJUSTMENT_KIND_{kind.value}")): kind for kind in AdjustmentKind
}


@dataclass(frozen=True, slots=True)
class Audit:
    """What was looked at, and each difference in words."""

    accounts: int
    events: int
    differences: tuple[str, ...]


def audit(folder: Path, account_id: str | None = None) -> Audit:
    """Fold every account again, or one; a daemon may go on in the folder meanwhile.

    Raises DropcopyError(INVALID_ARGUMENT) for a folder without a journal or an unknown account, StoreError for a
    database that this program cannot read or a journal whose sequences or hashes do not hold.
    """
    path = folder / migrate.DATABASE_NAME
    if not path.is_file():
        raise DropcopyError(Code.INVALID_ARGUMENT, f"there is no journal in {folder}")
    connection = migrate.connect(path, is_reader=True)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("BEGIN")
        migrate.require_current(connection)
        return _audit(connection, account_id)
    except sqlite3.Error as error:
        raise StoreError(Code.STORE_FAILED, f"the journal in {folder} cannot be read: {error}") from error
    finally:
        connection.close()


def _audit(connection: sqlite3.Connection, account_id: str | None) -> Audit:
    accounts, events = verify_chains(connection)
    found = connection.execute("SELECT * FROM accounts ORDER BY number").fetchall()
    if account_id is not None:
        found = [row for row in found if row["account_id"] == account_id]
        accounts, events = len(found), sum(row["head"] - row["oldest"] + 1 for row in found)
        if not found:
            raise DropcopyError(Code.INVALID_ARGUMENT, f"there is no account {account_id!r}")
    instruments = _Instruments(connection)
    differences = [
        f"account {row['account_id']}: {difference}"
        for row in found
        for difference in _differences(connection, row, instruments)
    ]
    return Audit(accounts, events, tuple(differences))


class _Instruments:
    """The catalogue of the database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._known: dict[InstrumentKey, Instrument] = {}
        for asset_class, symbol, definition in connection.execute("SELECT * FROM instruments"):
            self._known[AssetClass(asset_class), symbol] = catalogue.instrument_of(json.loads(definition))

    def __call__(self, key: InstrumentKey) -> Instrument:
        return self._known[key]


@dataclass(slots=True)
class _Refold:
    """An account as its journal tells it."""

    account: Account
    instruments: rows.Instruments
    roll: DayRoll = NO_ROLL
    changes: dict[InstrumentKey, dict[str, Change]] = field(default_factory=dict)
    latest_ns: dict[InstrumentKey, int] = field(default_factory=dict)
    executions: dict[tuple[str, str], list[tuple[InstrumentKey, str]]] = field(default_factory=dict)
    """(order_id, the broker's id it has now) -> where the execution is folded."""
    filled: dict[str, list[tuple[int, Decimal]]] = field(default_factory=dict)
    """By order: when, and how much (less, where it was amended)."""
    executed_ns: dict[str, int] = field(default_factory=dict)
    """By the execution's place in the fold."""
    last: dict[str, dict[Any, Any]] = field(default_factory=lambda: {"orders": {}, "positions": {}, "balances": {}})
    kinds: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def take(self, row: sqlite3.Row) -> None:
        """One event of the journal."""
        event = pb.TradingEvent.FromString(row["payload"])
        kind = row["kind"]
        self.kinds[kind] += 1
        place = (row["sequence"], row["kind_sequence"], self.account.account_id)
        if place != (event.sequence, event.kind_sequence, event.account_id) or self.kinds[kind] != event.kind_sequence:
            self.problems.append(f"event {row['sequence']} ({kind}) is numbered otherwise in its bytes")
        key = (AssetClass(row["asset_class"]), row["symbol"]) if row["symbol"] else None
        match event.WhichOneof("event"):
            case "broker_order":
                self.last["orders"][event.broker_order.order_id] = event.broker_order
            case "broker_position" if key is not None:
                self.last["positions"][key] = event.broker_position
            case "account_balance":
                self.last["balances"][event.account_balance.currency] = event.account_balance
            case "broker_trade" if key is not None:
                self._trade(key, event.broker_trade, row["sequence"])
            case "trade_amendment":
                self._amendment(event.trade_amendment, row["sequence"])
            case "adjustment":
                self._adjustment(key, event.adjustment)

    def position(self, key: InstrumentKey) -> Position:
        """The fold of everything that the journal has of an instrument."""
        origin = Position(
            account_id=self.account.account_id,
            organization_id=self.account.organization_id,
            broker=self.account.broker,
            instrument=self.instruments(key),
        )
        ordered = sorted(self.changes.get(key, {}).values(), key=lambda change: change.place)
        steps = folded(origin, ((change, False) for change in ordered), self.roll)
        return rolled(steps[-1].after if steps else origin, self.roll)

    def _trade(self, key: InstrumentKey, trade: Any, sequence: int) -> None:
        ref = execution_ref(trade.client_order_id, f"sequence {sequence}")
        signed = Decimal(trade.quantity)
        if trade.side != pb.ORDER_SIDE_BUY:
            signed = money.negate(signed)
        self._change(key, ref, Execution(signed, Decimal(trade.price)), _time(trade))
        self.executions.setdefault((trade.client_order_id, trade.exec_id), []).append((key, ref))
        at_ns = _time(trade) or _ns(trade.received_at)
        self.executed_ns[ref] = at_ns
        self._fill(trade.client_order_id, at_ns, Decimal(trade.quantity))

    def _amendment(self, amendment: Any, sequence: int) -> None:
        """The amended execution is the one with that id and the figures of before."""
        before = Decimal(amendment.quantity_before), Decimal(amendment.price_before)
        after = Decimal(amendment.quantity_after), Decimal(amendment.price_after)
        candidates = self.executions.get((amendment.client_order_id, amendment.exec_id), [])
        found = [one for one in candidates if self._stands_at(one, before)]
        if not found:
            self.problems.append(f"event {sequence} amends an execution {amendment.exec_id!r} that never was")
            return
        key, ref = found[0]
        change = self.changes[key][ref]
        signed = after[0] if amendment.side == pb.ORDER_SIDE_BUY else money.negate(after[0])
        self.changes[key][ref] = Change(change.fold_ns, change.number, ref, Execution(signed, after[1]))
        if amendment.new_exec_id:
            candidates.remove(found[0])
            self.executions.setdefault((amendment.client_order_id, amendment.new_exec_id), []).append(found[0])
        self._fill(amendment.client_order_id, self.executed_ns[ref], money.subtract(after[0], before[0]))

    def _stands_at(self, where: tuple[InstrumentKey, str], figures: tuple[Decimal, Decimal]) -> bool:
        effect = self.changes[where[0]][where[1]].effect
        return isinstance(effect, Execution) and (money.magnitude(effect.signed_quantity), effect.price) == figures

    def _adjustment(self, key: InstrumentKey | None, said: Any) -> None:
        kind = _KINDS[said.kind]
        if kind is AdjustmentKind.DAY_ROLL:
            marks = {_mark_key(mark): Decimal(mark.price) for mark in said.marks}
            self.roll = DayRoll(_time(said) or 0, marks)
        if key is None or kind in _UNFOLDED:
            return
        adjustment = Adjustment(
            account_id=self.account.account_id,
            organization_id=self.account.organization_id,
            adjustment_id=said.adjustment_id,
            kind=kind,
            received_at_ns=0,
            instrument=self.instruments(key),
            quantity_delta=Decimal(said.quantity_delta),
            cost_delta=Decimal(said.cost_delta) if said.cost_delta else None,
            cash_delta=Decimal(said.cash_delta),
            currency=said.currency if said.HasField("currency") else None,
        )
        self._change(key, adjustment_ref(said.adjustment_id), adjustment, _time(said))

    def _change(self, key: InstrumentKey, ref: str, effect: Execution | Adjustment, sent_ns: int | None) -> None:
        known = self.changes.setdefault(key, {})
        latest_ns = self.latest_ns.get(key, 0)
        fold_ns = max(latest_ns, self.roll.at_ns) if sent_ns is None else sent_ns
        self.latest_ns[key] = max(latest_ns, fold_ns)
        known[ref] = Change(fold_ns, len(known) + 1, ref, effect)

    def _fill(self, order_id: str, at_ns: int, quantity: Decimal) -> None:
        self.filled.setdefault(order_id, []).append((at_ns, quantity))


def _differences(connection: sqlite3.Connection, row: sqlite3.Row, instruments: _Instruments) -> Iterator[str]:
    if row["oldest"] > 1:
        yield f"its journal begins at {row['oldest']}: what came before cannot be folded again"
        return
    refold = _Refold(rows.account_of(row), instruments)
    for event in connection.execute(
        "SELECT sequence, kind, kind_sequence, asset_class, symbol, payload FROM journal WHERE account = ?"
        " ORDER BY sequence",
        (row["number"],),
    ):
        refold.take(event)
    yield from refold.problems
    yield from _count_differences(connection, refold)
    yield from _position_differences(connection, refold)
    yield from _order_differences(connection, refold)
    yield from _balance_differences(connection, refold)


def _count_differences(connection: sqlite3.Connection, refold: _Refold) -> Iterator[str]:
    number = refold.account.number
    heads = dict(connection.execute("SELECT kind, head FROM kind_heads WHERE account = ?", (number,)).fetchall())
    for kind in sorted(heads.keys() | refold.kinds.keys()):
        if heads.get(kind, 0) != refold.kinds[kind]:
            yield f"{refold.kinds[kind]} events of kind {kind} in the journal, {heads.get(kind, 0)} by its count"
    for kind, table in (("BROKER_TRADE", "trades"), ("ADJUSTMENT", "adjustments")):
        (count,) = connection.execute(f"SELECT count(*) FROM {table} WHERE account = ?", (number,)).fetchone()  # noqa: S608
        if count != refold.kinds[kind]:
            yield f"{refold.kinds[kind]} events of kind {kind} in the journal, {count} rows in {table}"


def _position_differences(connection: sqlite3.Connection, refold: _Refold) -> Iterator[str]:
    kept = {}
    for row in connection.execute("SELECT * FROM positions WHERE account = ?", (refold.account.number,)):
        position = positions.position_of(row, refold.account, refold.instruments)
        kept[position.instrument.asset_class, position.instrument.symbol] = position
    encoder = ProtobufEncoder()
    for key in sorted(kept.keys() | refold.changes.keys()):
        ours, theirs = refold.position(key), kept.get(key)
        if theirs is None:
            yield f"position {key[1]}: moved in the journal, not in its table"
            continue
        for name in _FOLD_FIELDS:
            if name.startswith("value_") and theirs.day_ns != refold.roll.at_ns:
                continue  # at rest since an earlier day
            if getattr(ours, name) != getattr(theirs, name):
                yield (
                    f"position {key[1]}: {name} {money.render(getattr(ours, name))} by the journal,"
                    f" {money.render(getattr(theirs, name))} in its table"
                )
        said = refold.last["positions"].get(key)
        yield from _told(f"position {key[1]}", _POSITION_FIELDS, encoder.position(theirs), said)


def _order_differences(connection: sqlite3.Connection, refold: _Refold) -> Iterator[str]:
    encoder, seen = ProtobufEncoder(), set()
    for row in connection.execute("SELECT * FROM orders WHERE account = ? ORDER BY number", (refold.account.number,)):
        order = rows.order_of(row, refold.account, refold.instruments)
        seen.add(order.order_id)
        said = refold.last["orders"].get(order.order_id)
        yield from _told(f"order {order.order_id}", _ORDER_FIELDS, encoder.order(order), said)
        executed = refold.filled.get(order.order_id, ())
        filled = money.total(order.counted(quantity, at_ns) for at_ns, quantity in executed)
        if filled != order.filled_quantity:
            yield (
                f"order {order.order_id}: {money.render(filled)} filled by the journal's executions,"
                f" {money.render(order.filled_quantity)} in its table"
            )
    for order_id in refold.last["orders"].keys() - seen:
        yield f"order {order_id}: in the journal, not in its table"


def _balance_differences(connection: sqlite3.Connection, refold: _Refold) -> Iterator[str]:
    kept = {balance.currency: balance for balance in positions.balances(connection, refold.account)}
    said = refold.last["balances"]
    for currency in sorted(kept.keys() | said.keys()):
        balance, event = kept.get(currency), said.get(currency)
        told = None if event is None else event.cash or None
        cash = None if balance is None or balance.cash is None else money.render(balance.cash)
        if (balance is None, event is None, cash) != (event is None, event is None, told):
            yield f"balance {currency}: cash {told} by the journal, {cash} in its table"


def _told(what: str, names: tuple[str, ...], kept: Any, said: Any) -> Iterator[str]:
    """Where the table and the last event of a record differ."""
    if said is None:
        yield f"{what}: in its table, never told in the journal"
        return
    for name in names:
        if getattr(kept, name) != getattr(said, name):
            yield f"{what}: {name} {getattr(said, name)!r} by its last event, {getattr(kept, name)!r} in its table"


def _time(message: Any) -> int | None:
    if not message.HasField("broker_sent_at"):
        return None
    return _ns(message.broker_sent_at)


def _ns(timestamp: Any) -> int:
    return int(timestamp.seconds) * _NS + int(timestamp.nanos)


def _mark_key(mark: Any) -> InstrumentKey:
    member = mark.instrument.WhichOneof("instrument")
    asset_class = AssetClass.OPTION if member == "option_instrument" else AssetClass[member.upper()]
    return asset_class, getattr(mark.instrument, member).symbol
