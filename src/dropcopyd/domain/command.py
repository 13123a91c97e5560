"""Commands: each durable create, replace or cancel of an intent, and what became of it.

A command is an intent action (a full snapshot of what was asked; identity (intent_id, seq)) plus its outcome and
the stamps of its legs. Its `broker_command_id` (at most 20 characters, unique for ever) is the only id under which
the broker hears of it; it never appears on our wire.
"""

from dataclasses import dataclass
from enum import StrEnum

from dropcopyd.domain.account import PrincipalType
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.order import ActionType, OrderSide, OrderTerms, OrderVenue


class OutcomeKind(StrEnum):
    """What became of a command (contract.md, CommandOutcome)."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    IN_DOUBT = "IN_DOUBT"
    WITHHELD = "WITHHELD"
    NOT_SENT = "NOT_SENT"


UNRESOLVED = frozenset({OutcomeKind.PENDING, OutcomeKind.IN_DOUBT})
NOT_SENT_REASON = "not_sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """When each leg of a command was reached, in nanoseconds UTC on the platform's clock; None = not reached."""

    received_ns: int
    committed_ns: int
    attempt_begun_ns: int | None = None
    acknowledged_ns: int | None = None
    first_fill_ns: int | None = None
    last_fill_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One action of an intent with its outcome. `deadline_ns`: no attempt begins after it (None for a cancel).

    `principal_id` is who asked (an API key's id); for the record, never on a stream.
    """

    intent_id: str
    seq: int
    order_id: str
    organization_id: str
    account_id: str
    broker_command_id: str
    action_type: ActionType
    instrument: Instrument
    order_side: OrderSide
    order_venue: OrderVenue
    terms: OrderTerms
    principal_type: PrincipalType
    stamps: Stamps
    deadline_ns: int | None
    principal_id: str | None = None
    client_reference_id: str | None = None
    strategy_id: str | None = None
    outcome: OutcomeKind = OutcomeKind.PENDING
    outcome_at_ns: int = 0
    reason_code: str | None = None
    reason: str | None = None

    @property
    def is_unresolved(self) -> bool:
        """Whether the outcome may still change by itself."""
        return self.outcome in UNRESOLVED

    def is_late(self, now_ns: int) -> bool:
        """Whether no attempt may begin any more."""
        return self.deadline_ns is not None and now_ns >= self.deadline_ns


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """A caller's Idempotency-Key, committed with the intent it made and kept with it.

    Unique per (organization, account, key). `request` is the parsed command in canonical form (decimals by value), to
    tell a repetition from another command under the same key.
    """

    key: str
    request: str
    intent_id: str
    seq: int
