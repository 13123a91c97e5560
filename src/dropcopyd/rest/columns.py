"""The columns of exports: the members that REST shows of a record, flat. An instrument is its asset class beside the
symbol, fees are a JSON list."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from dropcopyd.domain.event import Trade
from dropcopyd.domain.order import Order
from dropcopyd.domain.position import Position
from dropcopyd.record import JournalEntry
from dropcopyd.rest import render
from dropcopyd.rest.times import render_time
from dropcopyd.wire import event_json

Row = Sequence[Any]
_FREE: Final = frozenset(
    {
        *("symbol", "client_reference_id", "strategy_id", "external_order_id", "order_id", "exec_id"),
        *("reason_code", "reason", "raw_status", "venue", "trade_date"),
    }
)
"""Columns of free text; all others hold amounts, ids of ours, words of a list, times or JSON."""


class Kind(StrEnum):
    """What a column holds. Amounts are text: exact, whatever reads them."""

    TEXT = "text"
    INTEGER = "integer"
    TIME = "time"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    kind: Kind = Kind.TEXT

    @property
    def is_free(self) -> bool:
        """Whether it holds words of somebody else: a caller's or a broker's."""
        return self.name in _FREE


@dataclass(frozen=True, slots=True)
class Sheet:
    """What an export of one kind of record looks like. A row has times as RFC 3339, bytes as they are."""

    name: str
    columns: Sequence[Column]
    row_of: Callable[[Any], Row]


def _columns(*names: str, integers: Sequence[str] = ()) -> tuple[Column, ...]:
    """Columns by name; what ends in _at, and in_doubt_since, is a time."""
    return tuple(Column(name, _kind(name, integers)) for name in names)


def _kind(name: str, integers: Sequence[str]) -> Kind:
    if name in integers:
        return Kind.INTEGER
    return Kind.TIME if name.endswith("_at") or name in ("at", "in_doubt_since") else Kind.TEXT


_ORDER: Final = _columns(
    *("order_id", "intent_id", "command_seq", "external_order_id", "account_id", "organization_id", "broker"),
    *("symbol", "asset_class", "order_state", "order_status", "order_type", "order_side", "order_venue"),
    *("time_in_force", "quantity", "filled_quantity", "leaves_quantity", "limit_price", "stop_price"),
    *("trail_amount", "trail_percent", "average_price", "client_reference_id", "strategy_id", "origin"),
    *("reason_code", "reason", "raw_status", "in_doubt_since", "created_at", "received_at", "broker_sent_at"),
    integers=("command_seq",),
)
_TRADE: Final = _columns(
    *("order_id", "client_order_id", "intent_id", "exec_id", "account_id", "organization_id", "symbol"),
    *("asset_class", "side", "quantity", "price", "cumulative_quantity", "order_quantity", "leaves_quantity"),
    *("strategy_id", "origin", "fees", "trade_date", "venue", "liquidity", "received_at", "broker_sent_at"),
)
_POSITION: Final = _columns(
    *("account_id", "organization_id", "broker", "symbol", "asset_class", "quantity", "average_cost"),
    *("realized_pnl", "daily_pnl", "value_bought", "value_sold", "received_at", "broker_sent_at"),
)
_JOURNAL: Final = (
    *_columns("sequence", "kind", "kind_sequence", "at", "chain", "event", integers=("sequence", "kind_sequence")),
    Column("bytes", Kind.BYTES),
)


def _flat(columns: Sequence[Column], members: dict[str, Any]) -> Row:
    instrument = members.pop("instrument")
    members["asset_class"] = instrument["asset_class"]
    if "fees" in members:
        members["fees"] = json.dumps(members["fees"], separators=(",", ":"))
    return [members[column.name] for column in columns]


def _order(record: Order) -> Row:
    return _flat(_ORDER, render.order(record))


def _trade(record: Trade) -> Row:
    return _flat(_TRADE, render.trade(record))


def _position(record: Position) -> Row:
    return _flat(_POSITION, render.position(record))


def _entry(entry: JournalEntry) -> Row:
    _, event = event_json(entry.payload)
    return [
        *(entry.sequence, entry.kind, entry.kind_sequence, render_time(entry.at_ns), entry.chain),
        *(event, entry.payload),
    ]


ORDERS: Final = Sheet("orders", _ORDER, _order)
TRADES: Final = Sheet("trades", _TRADE, _trade)
POSITIONS: Final = Sheet("positions", _POSITION, _position)
JOURNAL: Final = Sheet("journal", _JOURNAL, _entry)
