"""The body of a submit as a `SubmitRequest`: every rule of contract.md section 5, each refusal with its JSON pointer.

Members that are marked optional may be absent or null. Members that nobody knows are refused: a misspelt limit must
not turn into none. Amounts are JSON strings in plain decimal form.
"""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Final, TypeVar

from dropcopyd.domain import money
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.order import ActionType, OrderSide, OrderTerms, OrderType, OrderVenue, TimeInForce
from dropcopyd.domain.order_rules import (
    FIELDS,
    SPECS,
    TRAIL_PERCENT_MAX,
    accepted_times,
    canonical,
    refusal_of,
    spec_name,
)
from dropcopyd.errors import Code, InvalidError
from dropcopyd.flow.access import parse_uuid
from dropcopyd.flow.submits import AmendRequest, CreateRequest, SubmitRequest
from dropcopyd.rest.body import Number
from dropcopyd.rest.times import parse_time

REFERENCE_LENGTH_MAX: Final = 128
SYMBOL: Final = r"[!-~](?:[ -~]{0,62}[!-~])?"
_SYMBOL: Final = re.compile(SYMBOL, re.ASCII)
_TYPES: Final[Mapping[str, OrderType]] = {spec_name(order_type): order_type for order_type in SPECS}
_Word = TypeVar("_Word", bound=StrEnum)
_Value = TypeVar("_Value")
Reader = Callable[[Any, str], _Value]
"""Reads a value at a JSON pointer; raises InvalidError naming it."""


class Members:
    """An object of the body, read member by member. `known` are all that it may have."""

    def __init__(self, value: Any, pointer: str, known: tuple[str, ...]) -> None:
        if not isinstance(value, dict):
            raise InvalidError(f"must be an object, not {_kind(value)}", pointer=pointer)
        for name in value:
            if name not in known:
                raise InvalidError(
                    f"there is no member {json.dumps(name[:64])} here; known are {', '.join(known)}",
                    pointer=child(pointer, name),
                )
        self._members: dict[str, Any] = value
        self._pointer = pointer

    def required(self, name: str, read: Reader[_Value]) -> _Value:
        """The member's value. Raises InvalidError when it is absent or null."""
        value = self._members.get(name)
        if value is None:
            raise InvalidError(f"{name} is required", pointer=child(self._pointer, name))
        return read(value, child(self._pointer, name))

    def optional(self, name: str, read: Reader[_Value]) -> _Value | None:
        """The member's value, None when it is absent or null."""
        value = self._members.get(name)
        return None if value is None else read(value, child(self._pointer, name))


def parse_submit(body: Any, received_ns: int) -> SubmitRequest:
    """The submit that a body asks for.

    Raises InvalidError (INVALID_ARGUMENT, TIME_IN_FORCE_REFUSED) with the pointer of the member at fault.
    """
    top = Members(body, "", ("command", "client_reference_id", "strategy_id"))
    return SubmitRequest(
        command=top.required("command", _command),
        received_ns=received_ns,
        client_reference_id=top.optional("client_reference_id", _reference),
        strategy_id=top.optional("strategy_id", _reference),
    )


def _command(value: Any, pointer: str) -> CreateRequest | AmendRequest:
    members = Members(value, pointer, ("action_type", "payload"))
    match members.required("action_type", word_of(ActionType)):
        case ActionType.CREATE:
            return members.required("payload", _create)
        case ActionType.REPLACE:
            return members.required("payload", _replace)
        case ActionType.CANCEL:
            return members.required("payload", _cancel)


def _create(value: Any, pointer: str) -> CreateRequest:
    known = ("symbol", "asset_class", "spec", "order_side", "order_venue", "valid_until")
    members = Members(value, pointer, known)
    return CreateRequest(
        symbol=members.required("symbol", _symbol),
        asset_class=members.optional("asset_class", word_of(AssetClass)),
        terms=members.required("spec", _spec),
        order_side=members.required("order_side", word_of(OrderSide)),
        order_venue=members.optional("order_venue", word_of(OrderVenue)) or OrderVenue.SMART,
        valid_until_ns=members.optional("valid_until", _time),
    )


def _replace(value: Any, pointer: str) -> AmendRequest:
    members = Members(value, pointer, ("ref_intent_id", "spec"))
    return AmendRequest(ref_intent_id=members.required("ref_intent_id", _uuid), terms=members.required("spec", _spec))


def _cancel(value: Any, pointer: str) -> AmendRequest:
    members = Members(value, pointer, ("ref_intent_id", "ref_order_id"))
    intent_id = members.optional("ref_intent_id", _uuid)
    order_id = members.optional("ref_order_id", _uuid)
    if (intent_id is None) == (order_id is None):
        raise InvalidError("give either ref_intent_id or ref_order_id", pointer=pointer)
    return AmendRequest(ref_intent_id=intent_id, ref_order_id=order_id)


def _spec(value: Any, pointer: str) -> OrderTerms:
    """The tagged union of order types: an object with one member, named by the type in PascalCase."""
    if not isinstance(value, dict) or len(value) != 1:
        raise InvalidError('must be an object with one member, such as {"Market": {...}}', pointer=pointer)
    ((name, terms),) = value.items()
    here = child(pointer, name)
    order_type = _TYPES.get(name)
    if order_type is None:
        known = ", ".join(_TYPES)
        raise InvalidError(f"there is no order type {json.dumps(name[:64])}; known are {known}", pointer=here)
    return _terms(order_type, terms, here)


def _terms(order_type: OrderType, value: Any, pointer: str) -> OrderTerms:
    """The members of one order type, by its row of SPECS; the pair with its time in force by the table."""
    spec = SPECS[order_type]
    members = Members(value, pointer, (*spec.prices, "quantity", "time_in_force"))
    prices = {name: members.required(name, amount) for name in spec.required}
    prices |= {name: found for name in spec.optional if (found := members.optional(name, amount)) is not None}
    prices |= _one_of(members, spec.one_of, pointer)
    quantity = members.required("quantity", amount)
    read = members.required if spec.default is None else members.optional
    time_in_force = read("time_in_force", word_of(TimeInForce)) or spec.default
    if time_in_force is None:
        raise AssertionError("a required member is there or refused")
    _check_pair(order_type, time_in_force, child(pointer, "time_in_force"))
    fields = {FIELDS[name]: price for name, price in prices.items()}
    return canonical(OrderTerms(order_type=order_type, quantity=quantity, time_in_force=time_in_force, **fields))


def _one_of(members: Members, names: tuple[str, ...], pointer: str) -> dict[str, Decimal]:
    found = {name: value for name in names if (value := members.optional(name, amount)) is not None}
    if names and len(found) != 1:
        raise InvalidError(f"give either {' or '.join(names)}", pointer=pointer)
    if found.get("trail_percent", money.ZERO) >= TRAIL_PERCENT_MAX:
        raise InvalidError("must be below 100", pointer=child(pointer, "trail_percent"))
    return found


def _check_pair(order_type: OrderType, time_in_force: TimeInForce, pointer: str) -> None:
    refusal = refusal_of(order_type, time_in_force)
    if refusal is not None:
        error = InvalidError(refusal, pointer=pointer, code=Code.TIME_IN_FORCE_REFUSED)
        error.facts |= {
            "order_type": order_type,
            "time_in_force": time_in_force,
            "accepted": ", ".join(accepted_times(order_type)),
        }
        raise error


# --- values -------------------------------------------------------------------------------------------------------


def amount(value: Any, pointer: str) -> Decimal:
    """A quantity or price: a JSON string in plain decimal form, above zero."""
    text = _text(value, pointer, 'must be a decimal in a JSON string, such as "1.5"')
    try:
        result = money.parse(text)
    except ValueError as error:
        raise InvalidError(str(error), pointer=pointer) from error
    if result <= 0:
        raise InvalidError("must be above zero", pointer=pointer)
    return result


@cache
def _rule_of(words: type[StrEnum]) -> str:
    return f"must be one of {', '.join(words)}"


def word_of(words: type[_Word]) -> Reader[_Word]:
    """Reads one of the words of an enum, spelled exactly."""
    rule = _rule_of(words)

    def read(value: Any, pointer: str) -> _Word:
        try:
            return words(_text(value, pointer, rule))
        except ValueError as error:
            raise InvalidError(rule, pointer=pointer) from error

    return read


def _symbol(value: Any, pointer: str) -> str:
    rule = "must be 1 to 64 printable ASCII characters without outer spaces"
    text = _text(value, pointer, rule)
    if not _SYMBOL.fullmatch(text):
        raise InvalidError(rule, pointer=pointer)
    return text


def _reference(value: Any, pointer: str) -> str:
    rule = f"must be 1 to {REFERENCE_LENGTH_MAX} printable characters"
    text = _text(value, pointer, rule)
    if not 1 <= len(text) <= REFERENCE_LENGTH_MAX or not text.isprintable():
        raise InvalidError(rule, pointer=pointer)
    return text


def _uuid(value: Any, pointer: str) -> str:
    return parse_uuid(_text(value, pointer, "must be a UUID in a JSON string"), pointer)


def _time(value: Any, pointer: str) -> int:
    text = _text(value, pointer, "must be an RFC 3339 time in a JSON string")
    try:
        return parse_time(text)
    except ValueError as error:
        raise InvalidError(str(error), pointer=pointer) from error


def _text(value: Any, pointer: str, rule: str) -> str:
    if not isinstance(value, str) or isinstance(value, Number):
        raise InvalidError(f"{rule}, not {_kind(value)}", pointer=pointer)
    return value


def _kind(value: Any) -> str:
    """What kind of JSON value it is, in words."""
    match value:
        case Number():
            return "a number"
        case str():
            return "a string"
        case bool():
            return "true or false"
        case None:
            return "null"
        case dict():
            return "an object"
        case _:
            return "an array"


def child(pointer: str, name: str) -> str:
    """The JSON pointer of a member (RFC 6901)."""
    if "~" in name or "/" in name:
        name = name.replace("~", "~0").replace("/", "~1")
    return f"{pointer}/{name}"
