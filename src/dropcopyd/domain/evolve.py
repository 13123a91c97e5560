"""A record with some fields changed: `dataclasses.replace` at a third of its cost, for the records of every fill."""

from collections.abc import Callable, Hashable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

_Record = TypeVar("_Record")


@cache
def _shape(kind: Hashable) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    names = tuple(field.name for field in fields(kind))  # type: ignore[arg-type]
    return names, attrgetter(*names)


def evolve(record: _Record, **changes: Any) -> _Record:
    """The record with these fields changed; a dataclass of at least two fields, all of them in its constructor."""
    names, values_of = _shape(type(record))  # type: ignore[arg-type]
    values = dict(zip(names, values_of(record), strict=True))
    values.update(changes)
    return type(record)(**values)
