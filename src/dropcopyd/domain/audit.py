"""The audit log: every administrative and trading action, and every refusal, with who asked. Never on the stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

GATEWAY: Final = "gateway"
"""The principal of what the gateway does by itself."""


class AuditAction(StrEnum):
    """What was done, or refused."""

    INTENT_REFUSED = "intent.refused"
    REQUEST_REFUSED = "request.refused"
    """For want of a scope, an account or another right."""
    COMMAND_WITHHELD = "command.withheld"
    CONTROL_CHANGED = "control.changed"
    KILLED = "killed"
    KILL_RELEASED = "kill.released"
    LIMIT_BREACHED = "limit.breached"
    ORDERS_CANCELLED = "orders.cancelled"
    DISCONNECT_ARMED = "disconnect.armed"
    DISCONNECT_DISARMED = "disconnect.disarmed"
    DISCONNECT_FIRED = "disconnect.fired"
    FLATTEN_STARTED = "flatten.started"
    FLATTEN_ENDED = "flatten.ended"
    PAPER_ADJUSTED = "paper.adjusted"
    ORGANIZATION_CREATED = "organization.created"
    ORGANIZATION_CHANGED = "organization.changed"
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_DISABLED = "account.disabled"
    ACCOUNT_ENABLED = "account.enabled"
    KEY_CREATED = "key.created"
    KEY_CHANGED = "key.changed"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    TOKEN_MINTED = "token.minted"  # noqa: S105  an action
    STREAM_ENDED = "stream.ended"
    RECONCILIATION_ASKED = "reconciliation.asked"
    BREAK_RESOLVED = "break.resolved"
    BREAK_CLOSED = "break.closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line. `principal_id` is the key's id, `gateway` for what it does by itself, or `operator` for the command
    line; never a secret."""

    organization_id: str
    at_ns: int
    principal_id: str
    action: AuditAction
    subject: str
    detail: Mapping[str, str]
    account_id: str | None = None
    number: int = 0
    """Its place in the log, given by the store."""
