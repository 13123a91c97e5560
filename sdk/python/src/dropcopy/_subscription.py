"""What a stream is asked for, and how its messages are read: the kinds, their records, their state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.unknown_fields import UnknownFieldSet

from dropcopy import proto
from dropcopy._continuity import Continuity
from dropcopy._decode import MalformedError, from_message
from dropcopy._enums import EventType
from dropcopy._events import AccountBalance, Adjustment, JournalEvent, TradeAmendment, Unknown
from dropcopy._models import AccountStatus, CommandOutcome, Cursor, IntentAction, Order, Place, Position, Trade

ALL_KINDS: Final = frozenset(set(EventType) - {EventType.UNSPECIFIED})
_RECORDS: Final[Mapping[str, type[Any]]] = {
    "broker_order": Order,
    "broker_position": Position,
    "broker_trade": Trade,
    "intent_action": IntentAction,
    "account_status": AccountStatus,
    "account_balance": AccountBalance,
    "trade_amendment": TradeAmendment,
    "adjustment": Adjustment,
    "command_outcome": CommandOutcome,
}
_NARROWED: Final = frozenset({"broker_order", "broker_position"})
_REPLAYED: Final = (
    EventType.ACCOUNT_STATUS,
    EventType.ACCOUNT_BALANCE,
    EventType.BROKER_POSITION,
    EventType.BROKER_ORDER,
)
"""The kinds that have state, in the contract's order of replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What to deliver. `account_id` "" = every account of the organization; `heartbeat_s` None = as observed."""

    account_id: str
    kinds: frozenset[EventType] = ALL_KINDS
    instrument: str = ""
    instrument_class: str = ""
    is_primed: bool = True
    heartbeat_s: float | None = None
    connect_timeout_s: float = 10.0
    give_up_after_s: float | None = None

    @property
    def proven_kinds(self) -> frozenset[str]:
        """The members of TradingEvent that come unfiltered."""
        members = frozenset(kind.value.lower() for kind in self.kinds)
        return members - _NARROWED if self.account_id and self.instrument else members

    def continuity(self, account_id: str) -> Continuity:
        """The proof that these kinds and filters allow."""
        proven = self.proven_kinds
        return Continuity(account_id, proves_sequence=proven >= _RECORDS.keys(), proven_kinds=proven)

    def last_primed(self, *, is_reset: bool) -> EventType | None:
        """The kind whose Primed ends the replay of state; None where no kind asked for has any."""
        has_orders = self.is_primed or is_reset
        due = [k for k in _REPLAYED if k in self.kinds and (has_orders or k != EventType.BROKER_ORDER)]
        return due[-1] if due else None

    def request(self, cursors: Iterable[Cursor]) -> proto.Subscribe:
        """The contract's Subscribe."""
        return proto.Subscribe(
            trading_account_id=self.account_id,
            subscriptions=[proto.EventType.Value(f"EVENT_TYPE_{kind.value}") for kind in sorted(self.kinds)],
            instrument_key=self.instrument,
            instrument_class=self.instrument_class,
            order_delivery=proto.ORDER_DELIVERY_PRIMED if self.is_primed else proto.ORDER_DELIVERY_LIVE,
            resume=[
                proto.Cursor(account_id=c.account_id, epoch=c.epoch, sequence=c.sequence, chain=c.chain)
                for c in cursors
            ],
        )


@dataclass(slots=True)
class StreamCounters:
    """What has happened on a stream so far. `unrecognized`: records with enum values from the future."""

    connections: int = 0
    disconnections: int = 0
    journal_events: int = 0
    duplicates: int = 0
    gaps: int = 0
    missed_heartbeats: int = 0
    resets: int = 0
    unrecognized: int = 0
    unknown: int = 0


def read_record(member: str, message: proto.TradingEvent, data: bytes, place: Place | None) -> JournalEvent:
    """The record in a message; Unknown where this version cannot read it."""
    kind = _RECORDS.get(member)
    if kind is None:
        unknown = UnknownFieldSet(message)
        numbers = tuple(unknown[index].field_number for index in range(len(unknown)))
        return Unknown(account_id=message.account_id, payload=data, field_numbers=numbers, place=place)
    try:
        record: JournalEvent = from_message(kind, getattr(message, member), place)
    except MalformedError as error:
        return Unknown(account_id=message.account_id, payload=data, problem=str(error), place=place)
    return record
