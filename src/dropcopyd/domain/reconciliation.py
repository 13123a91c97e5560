"""Reconciliation: how the record and a broker's snapshots compare, and the tickets of what stays different.

A difference counts as a break when two snapshots show it alike with no report for its instrument between them
(`flow.reconciliations`). What the broker lists with its own execution id, or as an order, is mended; the rest is a
ticket, open until a person resolves it or two snapshots agree again. docs/reconciliation.md has the rule of each kind.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from dropcopyd.domain import money
from dropcopyd.domain.breaks import BreakKind
from dropcopyd.domain.instrument import InstrumentKey

TICKETS_MAX: Final = 1_000
"""Tickets that may stand per account; what differs beyond that is counted and logged only."""
_NAMESPACE: Final = uuid.UUID("8d1f6f4c-5a0e-5b7e-9a39-0f1c7b2ad6e1")
Place = tuple[BreakKind, str, str]
"""What a difference is about: kind, subject, figure."""


class Figure(StrEnum):
    """Which figure of the subject differs."""

    ORDER = "order"
    """The order itself: unknown on one side."""
    ORDER_STATE = "order_state"
    QUANTITY = "quantity"
    FILLED_QUANTITY = "filled_quantity"
    LIMIT_PRICE = "limit_price"
    STOP_PRICE = "stop_price"
    PRICE = "price"
    CASH = "cash"


class BreakStatus(StrEnum):
    """OPEN waits for a person. ACCEPTED: a person lets the difference stand as it is. CLOSED is over."""

    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    CLOSED = "CLOSED"


class Closing(StrEnum):
    """Why a ticket is closed."""

    HEALED = "HEALED"
    """The broker's own list mended it; it was never open."""
    AGREED = "AGREED"
    """Two snapshots agreed again."""
    RESOLVED = "RESOLVED"
    """A person resolved it."""
    CHANGED = "CHANGED"
    """The difference that was accepted has become another one, which has a ticket of its own."""


class ResolutionAction(StrEnum):
    """What a person may decide."""

    ACCEPT = "ACCEPT"
    BOOK_ADJUSTMENT = "BOOK_ADJUSTMENT"
    BOOK_EXECUTION = "BOOK_EXECUTION"
    BOOK_CORRECTION = "BOOK_CORRECTION"
    CLOSE_ORDER = "CLOSE_ORDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One figure here and at the broker. `subject` names an order, an execution (`order_id|exec_id`), a position
    (`EQUITY|AAPL`) or a currency. `key` is the instrument, None for cash."""

    kind: BreakKind
    subject: str
    figure: Figure | None
    ours: str
    theirs: str
    detail: str
    key: InstrumentKey | None = None
    order_id: str | None = None

    @property
    def place(self) -> Place:
        """The same place again is the same break."""
        return self.kind, self.subject, self.figure or ""

    @property
    def gap(self) -> Decimal | None:
        """The broker's figure less ours, where both are amounts."""
        try:
            return money.subtract(Decimal(self.theirs), Decimal(self.ours))
        except InvalidOperation:
            return None

    def is_like(self, other: "Difference") -> bool:
        """Whether both snapshots showed the same figures."""
        return (self.place, self.ours, self.theirs) == (other.place, other.ours, other.theirs)

    def is_as_wide_as(self, other: "Difference") -> bool:
        """Whether it is the same difference, though both sides may have moved together."""
        if self.gap is None:
            return (self.ours, self.theirs) == (other.ours, other.theirs)
        return self.gap == other.gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a person decided. `asked` is the rest of the request; `booked` the id of what was booked."""

    action: ResolutionAction
    reason: str
    principal_id: str
    at_ns: int
    asked: Mapping[str, str] = field(default_factory=dict)
    booked: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A break and what became of it. Of what a broker said that cannot be (`is_said`) there are no two figures."""

    break_id: str
    account_id: str
    difference: Difference
    status: BreakStatus
    first_at_ns: int
    last_at_ns: int
    times: int = 1
    is_said: bool = False
    closing: Closing | None = None
    closed_at_ns: int | None = None
    resolution: Resolution | None = None

    @property
    def place(self) -> Place:
        return self.difference.place


class Trigger(StrEnum):
    """Why a reconciliation was made."""

    CONNECT = "CONNECT"
    TIMER = "TIMER"
    DEMAND = "DEMAND"


class Verdict(StrEnum):
    """AGREED: nothing differs. DIFFERENT: tickets stand. UNSETTLED: something differed, but not twice alike, or reports
    came in between. FAILED: no snapshot could be had; nothing was concluded."""

    AGREED = "AGREED"
    DIFFERENT = "DIFFERENT"
    UNSETTLED = "UNSETTLED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """One reconciliation. `mended` counts reports taken in from what the broker lists; `healed`, `opened` and `closed`
    count tickets of this one, `standing` those that stand after it."""

    reconciliation_id: str
    account_id: str
    trigger: Trigger
    verdict: Verdict
    begun_at_ns: int
    ended_at_ns: int
    snapshots: int = 0
    mended: int = 0
    healed: int = 0
    opened: int = 0
    closed: int = 0
    standing: int = 0
    detail: str = ""


def break_id_of(account_id: str, place: Place, at_ns: int) -> str:
    """The id of a break that began at that time."""
    return str(uuid.uuid5(_NAMESPACE, "|".join((account_id, *place, str(at_ns)))))


def reconciliation_id_of(account_id: str, number: int, at_ns: int) -> str:
    """The id of the account's reconciliation of that number since the start, which began at that time."""
    return str(uuid.uuid5(_NAMESPACE, "|".join((account_id, str(number), str(at_ns)))))
