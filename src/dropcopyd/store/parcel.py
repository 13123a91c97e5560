"""What goes between the daemon and the process that writes its journal: frames on a socket, each a length and a body.

Batches go as pickles whose reductions are made for their classes (the standard one of a frozen dataclass with slots
costs several times as much); what became of them comes back as marshalled tuples. Both ends are one program of one
version, in one another's hands from start to end: neither form is kept, nor read from anybody else.
"""

import marshal
import pickle
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from io import BytesIO
from operator import attrgetter
from typing import Any, Final, get_args, get_type_hints

from dropcopyd.domain.account import Account
from dropcopyd.domain.event import Batch, EventType
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.tally import Leg, LegTime
from dropcopyd.ports import Committed
from dropcopyd.store.committing import Group, Work

_LENGTH_BYTES: Final = 4
_CONSTANTS_MAX: Final = 4_096
_CONSTANTS: Final[tuple[type, ...]] = (Account, *get_args(Instrument))
"""Records that hardly ever change and are in every batch: pickled once, and then recognized by their bytes."""
_KINDS: Final = {kind.value: kind for kind in EventType}
_LEGS: Final = {leg.value: leg for leg in Leg}
_Reduced = tuple[Callable[..., Any], tuple[Any, ...]]

Item = Work | Account
"""A batch of an account, or an account whose batches are good again."""


def frame(body: bytes) -> bytes:
    """The body behind its length."""
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class Frames:
    """Takes what arrives, in pieces of any size, and gives whole bodies."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def take(self, data: bytes) -> list[bytes]:
        """The bodies that are complete with this piece."""
        waiting, bodies, at = self._waiting, [], 0
        waiting += data
        while len(waiting) - at >= _LENGTH_BYTES:
            begin = at + _LENGTH_BYTES
            end = begin + int.from_bytes(waiting[at:begin], "big")
            if len(waiting) < end:
                break
            bodies.append(bytes(waiting[begin:end]))
            at = end
        del waiting[:at]
        return bodies


class Packer:
    """Packs items for the writer's process."""

    def __init__(self) -> None:
        self._reductions = _Reductions()

    def pack(self, items: Sequence[Item]) -> bytes:
        """The items in their order, as a body."""
        buffer = BytesIO()
        pickler = pickle.Pickler(buffer, protocol=5)
        pickler.dispatch_table = self._reductions
        pickler.dump(items)
        return buffer.getvalue()


def unpack(body: bytes) -> list[Item]:
    """The items of a body that the daemon packed."""
    items: list[Item] = pickle.loads(body)  # noqa: S301  from our own parent, on a socket that nobody else has
    return items


def pack_group(group: Group) -> bytes:
    """What became of a group of batches."""
    committed = [
        (one.account_id, one.organization_id, one.sequence, one.kind._value_, one.symbol, one.asset_class,
         one.payload, one.chain)
        for one in group.committed
    ]  # fmt: skip
    legs = [(leg.leg._value_, leg.taken_ns) for leg in group.legs]
    return marshal.dumps((group.refusals, committed, legs))


def unpack_group(body: bytes) -> Group:
    """The group of a body that the writer's process packed."""
    refusals, committed, legs = marshal.loads(body)  # noqa: S302  from our own child
    return Group(
        refusals,
        [
            Committed(account_id, organization_id, sequence, _KINDS[kind], symbol, asset_class, payload, chain)
            for account_id, organization_id, sequence, kind, symbol, asset_class, payload, chain in committed
        ],
        [LegTime(_LEGS[leg], taken_ns) for leg, taken_ns in legs],
    )


class _Reductions(dict[type, Callable[[Any], _Reduced]]):
    """By class, how its objects are taken apart. KeyError for what is in no batch: it is pickled as ever."""

    def __init__(self) -> None:
        super().__init__()
        self._constants: dict[int, tuple[object, bytes]] = {}
        self[Decimal] = _reduce_decimal
        for number, kind in enumerate(_RECORDS):
            self[kind] = self._reduce_constant if kind in _CONSTANTS else _reduction_of(number, kind)
        self.update({type(member): _reduce_member for member in _MEMBERS})

    def _reduce_constant(self, record: object) -> _Reduced:
        known = self._constants.get(id(record))
        if known is None or known[0] is not record:
            if len(self._constants) >= _CONSTANTS_MAX:
                self._constants.clear()
            known = self._constants[id(record)] = (record, pickle.dumps(record))
        return _constant, (known[1],)


def _reduce_decimal(number: Decimal) -> _Reduced:
    return Decimal, (str(number),)


def _reduce_member(member: Enum) -> _Reduced:
    return _member, (_NUMBERS[id(member)],)


def _member(number: int) -> Enum:
    return _MEMBERS[number]


def _reduction_of(number: int, kind: type) -> Callable[[Any], _Reduced]:
    names = tuple([field.name for field in fields(kind)])
    if len(names) == 1:
        values_of = attrgetter(names[0], names[0])
        return lambda record: (_record, (number, values_of(record)[0]))
    several_of = attrgetter(*names)
    return lambda record: (_record, (number, *several_of(record)))


def _record(number: int, *values: Any) -> Any:
    """A record as it was, past what its class does when one is made."""
    kind, setters = _MAKERS[number]
    record = object.__new__(kind)
    for put, value in zip(setters, values, strict=True):
        put(record, value)
    return record


@lru_cache(_CONSTANTS_MAX)
def _constant(pickled: bytes) -> object:
    return pickle.loads(pickled)  # noqa: S301  ours


def _classes_in(hint: object, found: dict[type, None]) -> None:
    """Add the dataclasses and enumerations that a type hint is made of, those of their fields included, in order."""
    for part in get_args(hint):
        _classes_in(part, found)
    if not isinstance(hint, type) or hint in found:
        return
    if issubclass(hint, Enum):
        found[hint] = None
    elif is_dataclass(hint):
        found[hint] = None
        for part in get_type_hints(hint).values():
            _classes_in(part, found)


_FOUND: Final[dict[type, None]] = {}
for _hint in (Batch, Account):
    _classes_in(_hint, _FOUND)
_RECORDS: Final = tuple([kind for kind in _FOUND if is_dataclass(kind)])
_MAKERS: Final = tuple([(kind, [getattr(kind, field.name).__set__ for field in fields(kind)]) for kind in _RECORDS])
_MEMBERS: Final = tuple([member for kind in _FOUND if issubclass(kind, Enum) for member in kind])
_NUMBERS: Final = {id(member): number for number, member in enumerate(_MEMBERS)}
"""By identity: members of two enumerations may be equal as texts."""
