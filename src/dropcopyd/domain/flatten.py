"""Flatten: an account's way to no orders and no positions, one leg for each position."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from dropcopyd.domain.instrument import InstrumentKey

CLOSER: Final = "flatten/"
"""Closing orders are asked for by `flatten/` and the flatten's id."""


class FlattenStatus(StrEnum):
    """RUNNING until nothing works and everything is flat (DONE), or no more can be done in its time (INCOMPLETE)."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    INCOMPLETE = "INCOMPLETE"


class LegStatus(StrEnum):
    """WAITING: held back, the reason says by what. CLOSING: its one order is out. FLAT and FAILED are final."""

    WAITING = "WAITING"
    CLOSING = "CLOSING"
    FLAT = "FLAT"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenLeg:
    """One position. `quantity` is what was held when it was first seen, signed."""

    key: InstrumentKey
    quantity: Decimal
    status: LegStatus = LegStatus.WAITING
    reason_code: str | None = None
    reason: str | None = None
    intent_id: str | None = None
    order_quantity: Decimal | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is done about it."""
        return self.status in (LegStatus.FLAT, LegStatus.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten:
    """One flatten of one account. Times in nanoseconds UTC."""

    flatten_id: str
    account_id: str
    organization_id: str
    key_id: str
    """Who asked: a key, or the gateway itself after a breach."""
    reason: str | None
    started_at_ns: int
    deadline_ns: int
    status: FlattenStatus = FlattenStatus.RUNNING
    finished_at_ns: int | None = None
    legs: tuple[FlattenLeg, ...] = ()

    @property
    def closer(self) -> str:
        """The principal of its closing orders."""
        return f"{CLOSER}{self.flatten_id}"
