"""A record with some fields changed, made past its constructor."""

from dataclasses import dataclass, replace

import pytest

from dropcopyd.domain.evolve import evolve
from tests.store.build import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    one: int
    other: str = "x"


@dataclass(frozen=True, slots=True)
class Checked:
    one: int
    other: int

    def __post_init__(self) -> None:
        if self.one > self.other:
            raise ValueError("reversed")


def test_it_is_the_record_that_the_constructor_would_make() -> None:
    desk = Desk()
    command = desk.create("1")
    (order,) = desk.play.batches[-1].orders
    assert evolve(command, outcome_at_ns=7, reason="why") == replace(command, outcome_at_ns=7, reason="why")
    assert evolve(order, is_accepted=True) == replace(order, is_accepted=True) != order
    assert evolve(order) == order
    assert hash(evolve(Pair(one=1), one=2)) == hash(Pair(one=2))


def test_what_it_does_not_know_is_refused() -> None:
    with pytest.raises(KeyError):
        evolve(Pair(one=1), third=3)
    with pytest.raises(TypeError, match="cannot be evolved"):
        evolve(Checked(1, 2), one=3)
