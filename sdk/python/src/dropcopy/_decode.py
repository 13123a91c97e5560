"""Protobuf messages and REST objects to the SDK's records, by one plan per record class.

A record's fields have the names of the contract, so the annotations are the plan: Decimal is a decimal string, a
`*_ns` integer a Timestamp or RFC 3339 text, an OpenEnum a number or a word. MalformedError says which member makes no
sense; an enum value from the future never does.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, cast, get_args, get_origin, get_type_hints

from google.protobuf.message import Message

from dropcopy._enums import AssetClass, OpenEnum
from dropcopy._models import Instrument, Place

_NS: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DECIMAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_RFC3339: Final = re.compile(r"([0-9-]{10}[Tt ][0-9:]{8})(?:\.([0-9]{1,9}))?([Zz]|[+-][0-9:]{5})")
_SPECIAL: Final = frozenset({"place", "unrecognized"})
_MEMBER_CLASSES: Final = {"option_instrument": AssetClass.OPTION}
_UNDERLYING: Final = {AssetClass.OPTION: "perpetual_underlying", AssetClass.PERPETUAL: "underlying_symbol"}
"""Per asset class, the reading of the member `underlying` that does not apply."""

Raw = dict[str, int | str]
Get = Callable[[str], Any]
_Record = TypeVar("_Record")


class MalformedError(ValueError):
    """A member of a message or answer makes no sense; the text names it."""


@dataclass(frozen=True, slots=True)
class _Member:
    """How one field is read: its name on the wire, its reading, and whether it may be absent."""

    field_name: str
    wire_name: str
    read: Callable[[Any, str, Raw], Any]
    is_optional: bool
    default: Any


def from_message(kind: type[_Record], message: Message, place: Place | None = None) -> _Record:
    """The record that a message holds. Raises MalformedError."""
    return _build(kind, partial(_from_message, message), place)


def from_json(kind: type[_Record], data: Any) -> _Record:
    """The record that a REST object holds. Raises MalformedError."""
    if not isinstance(data, Mapping):
        raise MalformedError(f"{kind.__name__} is not an object")
    return _build(kind, data.get, None)


def _build(kind: type[_Record], get: Get, place: Place | None, **more: Any) -> _Record:
    plan, is_open, is_placed = _plan(cast("Any", kind))
    unrecognized: Raw = {}
    values: dict[str, Any] = dict(more)
    for member in plan:
        if member.field_name in values:
            continue
        raw = get(member.wire_name)
        if raw is None or (raw == "" and member.is_optional):
            if member.default is MISSING:
                raise MalformedError(f"{kind.__name__}: {member.wire_name} is missing")
            values[member.field_name] = member.default
        else:
            values[member.field_name] = member.read(raw, member.wire_name, unrecognized)
    if is_open and unrecognized:
        values["unrecognized"] = unrecognized
    if is_placed:
        values["place"] = place
    return kind(**values)


def _from_message(message: Message, name: str) -> Any:
    """A member of a message; None where it is absent or where this message has none of that name."""
    described = message.DESCRIPTOR.fields_by_name.get(name)
    if described is None or (described.has_presence and not message.HasField(name)):
        return None
    return getattr(message, name)


@cache
def _plan(kind: Any) -> tuple[tuple[_Member, ...], bool, bool]:
    """(the members of a record class, whether it keeps unrecognized values, whether it has a place)."""
    hints = get_type_hints(kind)
    members = []
    for described in fields(kind):
        if described.name in _SPECIAL:
            continue
        wire_name = described.metadata.get("wire", described.name.removesuffix("_ns"))
        read, is_optional = _reading(described.name, hints[described.name])
        default = described.default
        if default is MISSING and is_optional:
            default = None
        members.append(_Member(described.name, wire_name, read, is_optional, default))
    return tuple(members), "unrecognized" in hints, "place" in hints


def _reading(name: str, hint: Any) -> tuple[Callable[[Any, str, Raw], Any], bool]:
    """How a field with this annotation is read, and whether it may be None."""
    is_optional = get_origin(hint) is UnionType and NoneType in get_args(hint)
    if is_optional:
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)
    if get_origin(hint) is tuple:
        return partial(_read_tuple, get_args(hint)[0]), is_optional
    if name.endswith("_ns"):
        return _read_time, is_optional
    if hint is Instrument:
        return _read_instrument, is_optional
    if isinstance(hint, type) and issubclass(hint, OpenEnum):
        return partial(_read_said if is_optional else _read_enum, hint), is_optional
    return {Decimal: _read_amount, str: _read_text, int: _read_integer}[hint], is_optional


def _read_amount(raw: Any, name: str, _: Raw) -> Decimal:
    if not isinstance(raw, str) or not _DECIMAL.fullmatch(raw):
        raise MalformedError(f"{name}: {raw!r} is not a decimal")
    return Decimal(raw)


def _read_text(raw: Any, name: str, _: Raw) -> str:
    if not isinstance(raw, str):
        raise MalformedError(f"{name}: {raw!r} is not text")
    return raw


def _read_integer(raw: Any, name: str, _: Raw) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise MalformedError(f"{name}: {raw!r} is not an integer")
    return raw


def _read_time(raw: Any, name: str, _: Raw) -> int:
    """Nanoseconds UTC of a Timestamp or of RFC 3339 text."""
    if isinstance(raw, Message):
        return int(raw.seconds) * _NS + int(raw.nanos)  # type: ignore[attr-defined] # our pool's Timestamp
    match = _RFC3339.fullmatch(raw) if isinstance(raw, str) else None
    try:
        if match is None:
            raise MalformedError(f"{name}: {raw!r} is not an RFC 3339 time")
        whole, fraction, zone = match.groups()
        at = datetime.fromisoformat(whole + ("+00:00" if zone in "Zz" else zone))
    except ValueError as error:
        raise MalformedError(f"{name}: {raw!r} is not an RFC 3339 time") from error
    return (at - _EPOCH) // timedelta(seconds=1) * _NS + int((fraction or "0").ljust(9, "0"))


def _read_enum(kind: type[OpenEnum], raw: Any, name: str, unrecognized: Raw) -> OpenEnum:
    if isinstance(raw, bool) or not isinstance(raw, int | str):
        raise MalformedError(f"{name}: {raw!r} is neither a word nor a number")
    found = kind.known(raw)
    if found is None:
        unrecognized[name] = raw
        return kind.unspecified()
    return found


def _read_said(kind: type[OpenEnum], raw: Any, name: str, unrecognized: Raw) -> OpenEnum | None:
    """The same, where "not said" is None; a word from the future is said, though not understood."""
    found = _read_enum(kind, raw, name, unrecognized)
    return None if found == kind.unspecified() and name not in unrecognized else found


def _read_tuple(kind: type[Any], raw: Any, name: str, _: Raw) -> tuple[Any, ...]:
    if isinstance(raw, str | bytes | Mapping):
        raise MalformedError(f"{name} is not a list")
    return tuple(from_message(kind, item) if isinstance(item, Message) else from_json(kind, item) for item in raw)


def _read_instrument(raw: Any, name: str, unrecognized: Raw) -> Instrument | None:
    """An Instrument message, or REST's `{"Equity": {...}}`; a class from the future keeps only its symbol."""
    if isinstance(raw, Message):
        member = raw.WhichOneof("instrument")
        if member is None:
            return None
        return _instrument(member, partial(_from_message, getattr(raw, member)), unrecognized)
    if not isinstance(raw, Mapping):
        raise MalformedError(f"{name} is not an object")
    if "asset_class" in raw:
        return _instrument(str(raw["asset_class"]), raw.get, unrecognized)
    if len(raw) != 1:
        raise MalformedError(f"{name} is not one tagged object")
    tag, terms = next(iter(raw.items()))
    if not isinstance(terms, Mapping):
        raise MalformedError(f"{name}: {tag} is not an object")
    return _instrument(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", tag).lower(), terms.get, unrecognized)


def _instrument(member: str, get: Get, unrecognized: Raw) -> Instrument:
    asset_class = _MEMBER_CLASSES.get(member) or AssetClass.known(member)
    if asset_class is None:
        unrecognized["instrument"] = member
        asset_class = AssetClass.UNSPECIFIED
    funding = get("funding")
    interval_s = None
    if isinstance(funding, Message):
        interval_s = int(_from_message(funding, "interval_seconds")) or None
    elif isinstance(funding, Mapping):
        interval_s = funding.get("interval_seconds")
    skipped = {name: None for key, name in _UNDERLYING.items() if key == asset_class} or dict.fromkeys(
        _UNDERLYING.values()
    )
    more: dict[str, Any] = {"asset_class": asset_class, "funding_interval_s": interval_s, **skipped}
    if get("tick_size") is None and (increment := get("price_increment")) is not None:
        more["tick_size"] = _read_amount(increment, "price_increment", unrecognized)
    return _build(Instrument, get, None, **more)
