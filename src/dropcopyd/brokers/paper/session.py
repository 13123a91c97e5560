"""One account's line to the listener: hands over committed reports in order, at the listener's pace."""

import asyncio
from collections import deque
from typing import Final

from dropcopyd.brokers.paper.book import Book
from dropcopyd.brokers.paper.latency import Latency
from dropcopyd.brokers.paper.records import NumberedReport
from dropcopyd.brokers.waits import Waits
from dropcopyd.domain.report import BalanceReport
from dropcopyd.ports import BrokerListener, Failpoints

RING_REPORTS: Final = 1_024
"""Committed reports kept in memory per account for a listener a little behind; older ones come from the book."""
REPORT_EMITTED: Final = "paper.report.emitted"


class Session:
    """The connection of one account.

    What is handed over is a cursor over the account's numbered reports: it starts at the head when the account first
    connects (everything before is in the snapshot that the listener takes then) and never skips one, through however
    many disconnects.
    """

    def __init__(self, account_id: str, book: Book, failpoints: Failpoints, latency: Latency, waits: Waits) -> None:
        self.account_id = account_id
        self.latency = latency
        self._waits = waits
        self.is_live = False
        """Whether the listener has been told, or is being told, that the line is up, and it is."""
        self.is_announced = False
        """Whether what the listener heard last is that the line is up."""
        self.cause = "not connected yet"
        """Why the line is down, when it is."""
        self._book = book
        self._failpoints = failpoints
        self._ring: deque[NumberedReport] = deque(maxlen=RING_REPORTS)
        self._handed: int | None = None
        self._is_up = True
        self._cuts = 0
        self._wake = asyncio.Event()
        self._balances: tuple[BalanceReport, ...] = ()
        self.has_moved_money = False
        """Whether something was committed that changes a balance, since `tell_balances`."""
        self.balances_told_ns = 0

    @property
    def cuts(self) -> int:
        """How often the line has gone down: an answer that comes back over another line than its question is lost."""
        return self._cuts

    def push(self, report: NumberedReport) -> None:
        """A report is committed."""
        self._ring.append(report)
        self._wake.set()

    def tell_balances(self, reports: tuple[BalanceReport, ...], at_ns: int) -> None:
        """Hand these over next; those of before that wait are out of date."""
        self.has_moved_money = False
        self.balances_told_ns = at_ns
        self._balances = reports
        self._wake.set()

    def cut(self, cause: str) -> None:
        """The line goes down."""
        if self._is_up:
            self._is_up = self.is_live = False
            self._cuts += 1
            self.cause = cause
            self._wake.set()

    def restore(self) -> None:
        """The line may come up again."""
        self._is_up = True
        self._wake.set()

    async def run(self, listener: BrokerListener) -> None:
        """Connect and report, again and again, until cancelled."""
        if self._handed is None:
            self._handed = await self._book.head(self.account_id)
        try:
            while True:
                await self._until_up()
                cuts = self._cuts
                self.is_live = self.is_announced = True
                await listener.on_connected(self.account_id)
                await self._deliver(listener, cuts, self._handed)
                self.is_announced = False
                await listener.on_disconnected(self.account_id, self.cause)
        finally:
            self.is_live = False
            self.cause = "the paper broker is not running"

    async def _until_up(self) -> None:
        while not self._is_up:
            self._wake.clear()
            await self._wake.wait()

    async def _deliver(self, listener: BrokerListener, cuts: int, handed: int) -> None:
        """Until the line that began after so many cuts goes down."""
        while self._cuts == cuts:
            self._wake.clear()
            page = await self._after(handed)
            for numbered in page:
                due_ns = self.latency.report_ns(numbered.report.broker_sent_at_ns or 0, numbered.number)
                if due_ns:
                    await self._waits.until(due_ns)
                if self._cuts != cuts:
                    return
                await listener.on_report(self.account_id, numbered.report)
                self._handed = handed = numbered.number
                self._failpoints.reached(REPORT_EMITTED)
            balances, self._balances = self._balances, ()
            for balance in balances:
                await listener.on_report(self.account_id, balance)
            if not page and not balances:
                await self._wake.wait()

    async def _after(self, handed: int) -> list[NumberedReport]:
        """The reports that come next, from memory or, where the listener is far behind, from the book."""
        ring = self._ring
        while ring and ring[0].number <= handed:
            ring.popleft()
        if ring and ring[0].number > handed + 1:
            return await self._book.reports_after(self.account_id, handed)
        return list(ring)
