"""Stream bytes back to plain values: what the record shows of a journal event, in REST's spelling.

Members are named as the contract names its fields; enum values are words without their prefix; what is absent or
unspecified is None. Times are rendered by the caller's function, from nanoseconds UTC.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from google.protobuf.message import Message

from dropcopy import proto as pb

Json = dict[str, Any]
Render = Callable[[int], str]
_NS: Final = 1_000_000_000
_CLASSES: Final = {"option_instrument": "OPTION"}


def event(payload: bytes, render: Render) -> Json:
    """The record that a journal event carries, as REST shows such a record."""
    message = pb.TradingEvent.FromString(payload)
    return plain(getattr(message, str(message.WhichOneof("event"))), render)


def action_seq(payload: bytes) -> int:
    """The seq of an INTENT_ACTION event."""
    return int(pb.TradingEvent.FromString(payload).intent_action.seq)


def daily_pnl(payload: bytes) -> str | None:
    """What a BROKER_POSITION event says of the day; None where it does not."""
    position = pb.TradingEvent.FromString(payload).broker_position
    return position.daily_pnl if position.HasField("daily_pnl") else None


def is_working(payload: bytes) -> bool:
    """Whether a BROKER_ORDER event left its order working, or in doubt."""
    order = pb.TradingEvent.FromString(payload).broker_order
    return order.order_state == pb.ORDER_STATE_OPEN or order.HasField("in_doubt_since")


def is_held(payload: bytes) -> bool:
    """Whether a BROKER_POSITION event left something held."""
    return pb.TradingEvent.FromString(payload).broker_position.quantity != "0"


def identity_of(payload: bytes) -> str:
    """What tells a trade, amendment or adjustment from others of its kind: the execution's id, the adjustment's."""
    event = pb.TradingEvent.FromString(payload)
    match event.WhichOneof("event"):
        case "broker_trade":
            return str(event.broker_trade.exec_id)
        case "trade_amendment":
            return str(event.trade_amendment.exec_id)
        case "adjustment":
            return str(event.adjustment.adjustment_id)
    return ""


def plain(message: Message, render: Render) -> Json:
    """A message's members."""
    return {field.name: _member(message, field, render) for field in _fields(message.DESCRIPTOR)}


@dataclass(frozen=True, slots=True)
class _Field:
    """What is to be known of a field: asked of its descriptor, this costs more than the decoding."""

    name: str
    is_repeated: bool
    has_presence: bool
    message: str
    """The name of its message, "" for another type."""
    words: Mapping[int, str | None] | None
    """The words of its enum."""


@cache
def _fields(descriptor: Any) -> tuple[_Field, ...]:
    return tuple(
        _Field(
            name=field.name,
            is_repeated=field.is_repeated,
            has_presence=field.has_presence,
            message="" if field.message_type is None else field.message_type.name,
            words=None if field.enum_type is None else _words(field.enum_type),
        )
        for field in descriptor.fields
    )


def _member(message: Message, field: _Field, render: Render) -> Any:
    if field.has_presence and not message.HasField(field.name):
        return None
    value = getattr(message, field.name)
    if field.is_repeated:
        return [plain(item, render) if field.message else item for item in value]
    if field.message:
        return _nested(value, field.message, render)
    if field.words is not None:
        return field.words.get(value, str(value))
    return None if value == "" else value


def _nested(value: Any, name: str, render: Render) -> Any:
    match name:
        case "Timestamp":
            return render(value.seconds * _NS + value.nanos)
        case "Instrument":
            return _instrument(value, render)
    return plain(value, render)


def _instrument(value: Any, render: Render) -> Json | None:
    member = value.WhichOneof("instrument")
    if member is None:
        return None
    return {"asset_class": _CLASSES.get(member, member.upper()), **plain(getattr(value, member), render)}


def _words(enum: Any) -> Mapping[int, str | None]:
    """The values' names without the enum's; None for unspecified."""
    prefix = _prefix(enum.name)
    return {value.number: value.name.removeprefix(prefix) if value.number else None for value in enum.values}


def _prefix(name: str) -> str:
    """ORDER_STATUS_ of OrderStatus."""
    return "".join(f"_{letter}" if letter.isupper() else letter for letter in name).lstrip("_").upper() + "_"
