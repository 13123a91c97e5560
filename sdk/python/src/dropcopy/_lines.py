"""Events as text: one compact line for people, one JSON object for programs. No terminal control passes through."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from dropcopy._enums import OrderState
from dropcopy._events import (
    AccountBalance,
    Adjustment,
    Disconnected,
    Event,
    Heartbeat,
    Primed,
    RequestRefused,
    Reset,
    Skipped,
    Status,
    TradeAmendment,
    Unknown,
)
from dropcopy._models import AccountStatus, CommandOutcome, Instrument, IntentAction, Order, Place, Position, Trade
from dropcopy._specs import render

_NS: Final = 1_000_000_000
_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")


def clean(text: str) -> str:
    """Text that came from outside, without characters that a terminal would act on."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def number(value: Decimal | None) -> str:
    """An amount, "-" where it was not said."""
    return "-" if value is None else render(value)


def clock(at_ns: int | None) -> str:
    """Local time of day to the millisecond, "" where it was not said."""
    if at_ns is None:
        return ""
    at = datetime.fromtimestamp(at_ns // _NS, UTC).astimezone()
    return f"{at:%H:%M:%S}.{at_ns % _NS // 1_000_000:03d}"


def as_line(event: Event) -> str | None:
    """One line for people; None for what only machines care about."""
    at_ns = getattr(event, "received_at_ns", None) or getattr(event, "at_ns", None)
    text = _text(event)
    return None if text is None else f"{clock(at_ns):12} {clean(text)}".rstrip()


def _text(event: Event) -> str | None:
    match event:
        case Order():
            return f"order    {order_text(event)}"
        case Trade():
            venue = f" on {event.venue}" if event.venue else ""
            return f"trade    {event.symbol} {event.side} {number(event.quantity)} @ {number(event.price)}{venue}"
        case Position():
            cost = f" @ {number(event.average_cost)}, realized {number(event.realized_pnl)}"
            today = "" if event.daily_pnl is None else f", today {number(event.daily_pnl)}"
            return f"position {event.symbol} {number(event.quantity)}{cost}{today}"
        case IntentAction():
            return f"intent   {event.action_type} {event.symbol} {event.order_side} {event.intent_id}#{event.seq}"
        case CommandOutcome():
            reason = f": {event.reason or event.reason_code}" if event.reason or event.reason_code else ""
            return f"outcome  {event.outcome} {event.intent_id}#{event.seq}{reason}"
        case AccountStatus():
            return f"account  {event.account_id} {event.connection} {event.reason or ''}"
        case AccountBalance():
            power = f", buying power {number(event.buying_power)}" if event.buying_power is not None else ""
            return f"balance  {event.currency} cash {number(event.cash)}, equity {number(event.equity)}{power}"
        case TradeAmendment():
            return f"amended  {event.kind} {event.symbol} {event.exec_id}: {number(event.quantity_after)}"
        case Adjustment():
            cash = f", cash {number(event.cash_delta)}" if event.cash_delta else ""
            moved = f" {event.symbol} {number(event.quantity_delta)}" if event.symbol else ""
            return f"adjusted {event.kind}{moved}{cash} {event.note or ''}".rstrip()
        case _:
            return _stream_text(event)


def _stream_text(event: Event) -> str | None:
    match event:
        case Status():
            return f"stream   {event.code or event.message}"
        case Disconnected():
            return f"stream   disconnected ({event.code}): {event.reason}; again in {event.retry_in_s:.1f} s"
        case Reset():
            return f"stream   reset of {event.account_id}: {event.reason}"
        case Skipped():
            return f"stream   events {event.first} to {event.last} are of kinds that this version does not know"
        case Unknown():
            return f"stream   an event that this version cannot read {event.problem}"
        case RequestRefused():
            return f"stream   request refused: {event.message} [{event.code}]"
        case Heartbeat() | Primed() | _:
            return None


def order_text(order: Order) -> str:
    """An order in short: what is asked, what is done, where it stands."""
    price = "market" if order.limit_price is None else f"@ {number(order.limit_price)}"
    doubt = " IN DOUBT" if order.in_doubt_since_ns is not None else ""
    reason = f" ({reason_text(order)})" if order.order_state == OrderState.REJECTED else ""
    filled = f"{number(order.filled_quantity)}/{number(order.quantity)}"
    return f"{order.symbol} {order.order_side} {filled} {price} {status_text(order)}{doubt}{reason}"


def reason_text(order: Order) -> str:
    """Why the order was rejected, "" for any other."""
    return (order.reason or order.reason_code or "") if order.order_state == OrderState.REJECTED else ""


def status_text(order: Order) -> str:
    """The order's status; a number from the future as it came."""
    return str(order.unrecognized.get("order_status", order.order_status))


def as_json(event: Event) -> str:
    """One JSON object: `type`, then the event's members; amounts and times are strings, the chain is hexadecimal."""
    kind = _CAPITAL.sub("_", type(event).__name__).lower()
    return json.dumps({"type": kind} | _members(event), separators=(",", ":"))


def _members(record: Any) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for described in fields(record):
        name, value = described.name, getattr(record, described.name)
        if isinstance(value, Place):
            members |= {
                "sequence": value.sequence,
                "kind_sequence": value.kind_sequence,
                "chain": f"{value.chain:016x}",
            }
        elif name.endswith("_ns"):
            members[name.removesuffix("_ns")] = _rfc3339(value)
        elif name == "chain":
            members[name] = f"{value:016x}"
        elif name not in ("place", "unrecognized") or value:
            members[name] = _plain(value)
    return members


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return render(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Instrument):
        return {name: member for name, member in _members(value).items() if member is not None}
    return _members(value) if is_dataclass(value) else value


def _rfc3339(at_ns: int | None) -> str | None:
    if at_ns is None:
        return None
    return f"{datetime.fromtimestamp(at_ns // _NS, UTC):%Y-%m-%dT%H:%M:%S}.{at_ns % _NS:09d}Z"
