"""What was refused to a key for want of a right, in the audit log: a line each, and so many lines in an hour at most.

A key that asks in a loop is told apart from one that asks once by what is said of the rest: each line has how many of
its organization were left out before it.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import structlog

from dropcopyd.domain.account import Principal
from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.errors import DropcopyError, StoreError
from dropcopyd.ports import Clock, Store

_log = structlog.get_logger()
KEY_LINES_MAX: Final = 20
"""Of one key in an hour, its tokens' included."""
ORGANIZATION_LINES_MAX: Final = 1_000
_HOUR_NS: Final = 3_600_000_000_000
_PATH_CHARACTERS_MAX: Final = 256


@dataclass(slots=True)
class _Hour:
    """What an organization has written since an hour began (monotonic), and left out since its last line."""

    begun_ns: int
    left_out: int = 0
    by_key: Counter[str] = field(default_factory=Counter)

    def takes(self, key_id: str) -> bool:
        """Count one more line, if there is room for it."""
        if self.by_key[key_id] >= KEY_LINES_MAX or self.by_key.total() >= ORGANIZATION_LINES_MAX:
            self.left_out += 1
            return False
        self.by_key[key_id] += 1
        return True


class Denials:
    """The refusals of all organizations."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._hours: dict[str, _Hour] = {}

    async def note(self, principal: Principal, method: str, path: str, error: DropcopyError) -> None:
        """Write down what was asked and why it was refused; a journal that cannot be written refuses nothing more."""
        hour = self._hour(principal.organization_id)
        if not hour.takes(principal.key_id):
            return
        left_out, hour.left_out = hour.left_out, 0
        detail = {"reason": error.message, "path": path[:_PATH_CHARACTERS_MAX], "address": principal.address}
        if "scope" in error.facts:
            detail["scope"] = str(error.facts["scope"])
        if left_out:
            detail["left_out"] = str(left_out)
        entry = AuditEntry(
            organization_id=principal.organization_id,
            at_ns=self._clock.now_ns(),
            principal_id=principal.key_id,
            action=AuditAction.REQUEST_REFUSED,
            subject=method,
            detail=detail,
        )
        try:
            await self._store.audit(entry)
        except StoreError as failure:
            _log.error("denials.not_written", key_id=principal.key_id, code=failure.code.value)

    def _hour(self, organization_id: str) -> _Hour:
        now_ns = self._clock.monotonic_ns()
        hour = self._hours.get(organization_id)
        if hour is None or now_ns - hour.begun_ns >= _HOUR_NS:
            hour = self._hours[organization_id] = _Hour(now_ns, 0 if hour is None else hour.left_out)
        return hour
