"""Refusals: what controls have stopped, as the caller is told and as the audit log has it."""

import structlog

from dropcopyd.domain.account import Account, Principal
from dropcopyd.domain.audit import GATEWAY, AuditAction, AuditEntry
from dropcopyd.domain.command import Command
from dropcopyd.domain.controls import Objection
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.ports import Clock, Store

_log = structlog.get_logger()


class ControlError(DropcopyError):
    """A control objects to a command."""

    def __init__(self, found: Objection) -> None:
        super().__init__(
            Code.CONTROL_REFUSED,
            found.message,
            control=found.control,
            scope=found.scope.value,
            subject=found.subject,
            limit=found.limit,
            actual=found.actual,
        )
        self.objection = found


class Refusals:
    """Writes to the audit log what controls have stopped."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def note_refusal(self, principal: Principal, account: Account, error: ControlError, symbol: str) -> None:
        """Write a refusal of intake to the audit log, before the caller hears of it."""
        await self._note(AuditAction.INTENT_REFUSED, principal.key_id, account, error.objection, symbol)

    async def note_withheld(self, account: Account, found: Objection, command: Command) -> None:
        """Write to the audit log that a command was stopped when its attempt was due."""
        _log.warning(
            "command.withheld", account_id=account.account_id, intent_id=command.intent_id, control=found.control
        )
        await self._note(AuditAction.COMMAND_WITHHELD, GATEWAY, account, found, command.intent_id)

    async def _note(self, action: AuditAction, key_id: str, account: Account, found: Objection, subject: str) -> None:
        detail = {
            "control": found.control,
            "scope": f"{found.scope.value} {found.subject}",
            "limit": found.limit,
            "actual": found.actual,
        }
        await self._store.audit(
            AuditEntry(
                organization_id=account.organization_id,
                account_id=account.account_id,
                at_ns=self._clock.now_ns(),
                principal_id=key_id,
                action=action,
                subject=subject,
                detail=detail,
            )
        )
