"""A broker that only records what is sent to it; whoever drives it says every report. No money, no market."""

import asyncio
from collections.abc import Iterable

from dropcopyd.domain.account import BrokerKind
from dropcopyd.domain.report import (
    Acknowledged,
    BrokerCapabilities,
    BrokerReport,
    BrokerSnapshot,
    FindResult,
    Found,
    SnapshotPart,
    SubmitResult,
)
from dropcopyd.ports import BrokerListener, Submission


class ScriptedBroker:
    """The `Broker` port; `say` hands a report to the gateway, `arrived` waits for the next command."""

    kind = BrokerKind.PAPER
    capabilities = BrokerCapabilities(can_raise_filled=True)

    def __init__(self, accounts: Iterable[str]) -> None:
        self._accounts = tuple(accounts)
        self._listener: BrokerListener | None = None
        self._arrivals: asyncio.Queue[Submission] = asyncio.Queue()
        self.is_up = asyncio.Event()

    async def run(self, listener: BrokerListener) -> None:
        self._listener = listener
        for account_id in self._accounts:
            await listener.on_connected(account_id)
        self.is_up.set()
        await asyncio.Event().wait()

    async def submit(self, submission: Submission, timeout_s: float) -> SubmitResult:  # noqa: ARG002  the port's
        self._arrivals.put_nowait(submission)
        return Acknowledged()

    async def find(self, submission: Submission, timeout_s: float) -> FindResult:  # noqa: ARG002  the port's
        return Found(())

    async def snapshot(
        self,
        account_id: str,  # noqa: ARG002
        after_cursor: str,  # noqa: ARG002
        timeout_s: float,  # noqa: ARG002
        listed_after: str = "",  # noqa: ARG002
    ) -> BrokerSnapshot:
        """Nothing at first; what came of it since only those know who say the reports."""
        lacks = frozenset(SnapshotPart) if self.is_up.is_set() else frozenset()
        return BrokerSnapshot(reports=(), orders=(), positions=(), cursor="", lacks=lacks)

    def is_connected(self, account_id: str) -> bool:
        return account_id in self._accounts

    async def arrived(self) -> Submission:
        """The next command that was sent."""
        return await self._arrivals.get()

    async def say(self, account_id: str, report: BrokerReport) -> None:
        """Tell the gateway."""
        if self._listener is None:
            raise RuntimeError("the scripted broker is not running")
        await self._listener.on_report(account_id, report)
