"""A paper broker in service for the tests: a real book file, prices by hand, and a listener that writes all down."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dropcopyd.brokers.paper import Book, Feed, ManualFeed, PaperBroker, Quote
from dropcopyd.brokers.paper.plan import Plan
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.order import ActionType, OrderTerms
from dropcopyd.domain.report import AdjustmentReport, BalanceReport, BrokerReport, OrderReport
from dropcopyd.ports import Broker, BrokerListener, Failpoints, Submission
from tests.brokers.build import AAPL, ACCOUNT, EURUSD, NOON_NS, OTHER_ACCOUNT, submission
from tests.doubles import ManualClock, SequentialIds

DEADLINE_S = 10.0


@dataclass
class Listener:
    """A `BrokerListener` that notes every call; `gate` closed holds reports back; `on_connect` is called in turn."""

    events: list[tuple[str, str]] = field(default_factory=list)
    """("connected", account), ("disconnected: cause", account), (kind, account)."""
    reports: dict[str, list[OrderReport]] = field(default_factory=dict)
    balances: list[BalanceReport] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    on_connect: Callable[[str], None] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def on_report(self, account_id: str, report: BrokerReport) -> None:
        await self.gate.wait()
        if isinstance(report, BalanceReport):
            self.balances.append(report)
            self._note("balance", account_id)
            return
        if isinstance(report, AdjustmentReport):
            self._note("adjustment", account_id)
            return
        self.reports.setdefault(account_id, []).append(report)
        self._note(str(report.kind), account_id)

    async def on_connected(self, account_id: str) -> None:
        self._note("connected", account_id)
        if self.on_connect is not None:
            self.on_connect(account_id)

    async def on_disconnected(self, account_id: str, cause: str) -> None:
        self._note(f"disconnected: {cause}", account_id)

    def of(self, account_id: str = ACCOUNT) -> list[OrderReport]:
        return self.reports.get(account_id, [])

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something that is seen here holds."""
        async with asyncio.timeout(DEADLINE_S):
            while not is_so():
                self.changed.clear()
                await self.changed.wait()

    async def until_reports(self, count: int, account_id: str = ACCOUNT) -> list[OrderReport]:
        await self.until(lambda: len(self.of(account_id)) >= count)
        return self.of(account_id)

    def _note(self, event: str, account_id: str) -> None:
        self.events.append((event, account_id))
        self.changed.set()


@dataclass
class Service:
    broker: PaperBroker
    book: Book
    listener: Listener
    clock: ManualClock
    feed: ManualFeed
    path: Path
    run: asyncio.Task[None]

    def show(self, quote: Quote, instrument: Instrument = AAPL) -> None:
        self.feed.push(instrument, quote)
        self.broker.turn()

    async def create(self, command_id: str, asked: OrderTerms, account_id: str = ACCOUNT) -> object:
        return await self.submit(submission(command_id, asked=asked, account_id=account_id))

    async def cancel(self, command_id: str, original: str) -> object:
        return await self.submit(submission(command_id, ActionType.CANCEL, original=original))

    async def submit(self, sent: Submission) -> object:
        return await self.broker.submit(sent, DEADLINE_S)


@asynccontextmanager
async def serving(
    folder: Path,
    *,
    feeds: Sequence[Feed] | None = None,
    accounts: Sequence[str] = (ACCOUNT, OTHER_ACCOUNT),
    failpoints: Failpoints | None = None,
    now_ns: int = NOON_NS,
    listener: Listener | None = None,
    busy_timeout_s: float = 5.0,
    plans: Mapping[str, Plan] | None = None,
) -> AsyncIterator[Service]:
    """A running broker whose accounts are connected."""
    path = folder / "paper.db"
    clock = ManualClock(now_ns)
    book = Book.open(path, clock, SequentialIds("b"), busy_timeout_s)
    feed = ManualFeed([AAPL, EURUSD])
    broker = PaperBroker(book, [feed] if feeds is None else feeds, clock, accounts, failpoints, plans)
    port: Broker = broker
    listener = listener or Listener()
    try:
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(_run(port, listener))
            service = Service(broker, book, listener, clock, feed, path, run)
            await listener.until(lambda: sum(event == "connected" for event, _ in listener.events) >= len(accounts))
            yield service
            run.cancel()
    finally:
        await book.close()


async def _run(broker: Broker, listener: BrokerListener) -> None:
    await broker.run(listener)
