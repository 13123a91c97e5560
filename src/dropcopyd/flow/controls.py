"""Controls, as the node wires them: those that are kept, what judges by them, and what is written down of refusals."""

from dropcopyd.domain.audit import AuditEntry
from dropcopyd.domain.limits import Limits
from dropcopyd.flow.judging import Judging, References
from dropcopyd.flow.kept_controls import KeptControls
from dropcopyd.flow.refusals import Refusals
from dropcopyd.ports import Clock, Store


class Controls:
    """All controls of this node's organizations."""

    def __init__(self, *, store: Store, clock: Clock, limits: Limits, references: References) -> None:
        self._store = store
        self.kept = KeptControls(store=store, clock=clock, limits=limits)
        self.judging = Judging(kept=self.kept, store=store, clock=clock, references=references)
        self.refusals = Refusals(store, clock)

    async def open(self) -> None:
        """Read what is in force; before anything is judged."""
        await self.judging.open()
        await self.kept.open()

    async def audit_log(self, organization_id: str, before: int, limit: int) -> list[AuditEntry]:
        """An organization's lines below a number, newest first."""
        return await self._store.read_audit(organization_id, before, limit)
