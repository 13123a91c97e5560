"""Stream bytes back to plain values: what the record shows of a journal event, in REST's spelling.

Members are named as the contract names its fields; enum values are words without their prefix; what is absent or
unspecified is None. Times are rendered by the caller's function, from nanoseconds UTC.
"""

from collections.abc import Callable
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
    return {field.name: _member(message, field, render) for field in message.DESCRIPTOR.fields}


def _member(message: Message, field: Any, render: Render) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [plain(item, render) if field.message_type is not None else item for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    if field.message_type is not None:
        return _nested(value, field.message_type.name, render)
    if field.enum_type is not None:
        return _word(field.enum_type, value)
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


def _word(enum: Any, number: int) -> str | None:
    """The value's name without the enum's; None for unspecified."""
    if not number:
        return None
    found = enum.values_by_number.get(number)
    return str(number) if found is None else str(found.name).removeprefix(_prefix(enum.name))


def _prefix(name: str) -> str:
    """ORDER_STATUS_ of OrderStatus."""
    return "".join(f"_{letter}" if letter.isupper() else letter for letter in name).lstrip("_").upper() + "_"
