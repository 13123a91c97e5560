"""The trading legs over a real store, with a broker that answers as a test has written down."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropcopyd.domain.account import Account, BrokerKind, Principal, Scope
from dropcopyd.domain.catalogue import Catalogue
from dropcopyd.domain.command import Command, OutcomeKind
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.order import OrderSide, OrderVenue
from dropcopyd.domain.report import (
    Acknowledged,
    BrokerCapabilities,
    BrokerSnapshot,
    FindResult,
    NotFound,
    OrderReport,
    SubmitResult,
)
from dropcopyd.flow.controls import Controls
from dropcopyd.flow.dispatch import Dispatcher
from dropcopyd.flow.ingest import Ingest
from dropcopyd.flow.intake import Intake
from dropcopyd.flow.judging import References
from dropcopyd.flow.ownership import Actor, Actors
from dropcopyd.flow.submits import AmendRequest, CreateRequest, SubmitRequest
from dropcopyd.observe import Metrics
from dropcopyd.ports import Broker, BrokerListener, Clock, Committed, Failpoints, Submission
from dropcopyd.record import Listing, Sort
from dropcopyd.store.sqlite import SqliteStore
from dropcopyd.system import NoFailpoints
from tests.domain.build import START_NS, limit_terms
from tests.doubles import ManualClock, SequentialIds
from tests.store.build import INSTRUMENTS, account, account_id, opened

ONE = account_id(1)
FAST = Limits(broker_call_s=0.05, doubt_grace_s=0.001, reconcile_confirm_s=0.001)
"""Waits of a test; the clock that judges deadlines and spacing is moved by hand."""

Answer = SubmitResult | BaseException | Callable[[Submission], Awaitable[SubmitResult]]
Finding = FindResult | BaseException | Callable[[Submission], Awaitable[FindResult]]


async def never(_submission: Submission) -> Any:
    """No answer, ever."""
    await asyncio.Event().wait()


def said_since(*reports: OrderReport, cursor: str = "") -> BrokerSnapshot:
    """A snapshot of an account without open orders and positions."""
    return BrokerSnapshot(reports=reports, orders=(), positions=(), cursor=cursor)


class ScriptedBroker:
    """The `Broker` port: answers in the order written down, then `Acknowledged` and `NotFound`; counts everything."""

    kind = BrokerKind.PAPER
    capabilities = BrokerCapabilities()

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.answers: deque[Answer] = deque()
        self.findings: deque[Finding] = deque()
        self.snapshots: deque[BrokerSnapshot | BaseException] = deque()
        self.submissions: list[Submission] = []
        self.asked: Counter[str] = Counter()
        self.asked_after: list[str] = []
        self.listed_after: list[str] = []
        self.is_up = True

    async def run(self, listener: BrokerListener) -> None:
        raise NotImplementedError

    async def submit(self, submission: Submission, timeout_s: float) -> SubmitResult:
        self.submissions.append(submission)
        answer = self.answers.popleft() if self.answers else Acknowledged("x")
        if isinstance(answer, BaseException):
            raise answer
        return await answer(submission) if callable(answer) else answer

    async def find(self, submission: Submission, timeout_s: float) -> FindResult:
        """Between two askings of a command a second goes by."""
        self.asked[submission.command.broker_command_id] += 1
        self._clock.advance(1)
        finding = self.findings.popleft() if self.findings else NotFound()
        if isinstance(finding, BaseException):
            raise finding
        return await finding(submission) if callable(finding) else finding

    async def snapshot(
        self, account_id: str, after_cursor: str, timeout_s: float, listed_after: str = ""
    ) -> BrokerSnapshot:
        self.asked_after.append(after_cursor)
        self.listed_after.append(listed_after)
        snapshot = (
            self.snapshots.popleft()
            if self.snapshots
            else BrokerSnapshot(reports=(), orders=(), positions=(), cursor="")
        )
        if isinstance(snapshot, BaseException):
            raise snapshot
        return snapshot

    def is_connected(self, account_id: str) -> bool:
        return self.is_up

    def sent(self) -> list[str]:
        """Ids of the commands submitted, each as often as it was."""
        return [submission.command.broker_command_id for submission in self.submissions]


@dataclass
class Gateway:
    """One run of the trading legs on a folder."""

    store: SqliteStore
    clock: ManualClock
    broker: ScriptedBroker
    actors: Actors
    dispatcher: Dispatcher
    ingest: Ingest
    intake: Intake
    controls: Controls
    journal: dict[str, list[Committed]]

    async def connect(self) -> None:
        await asyncio.wait_for(self.ingest.on_connected(ONE), 20)

    async def disconnect(self) -> None:
        await asyncio.wait_for(self.ingest.on_disconnected(ONE, "line cut"), 20)

    async def actor(self, one: str = ONE) -> Actor:
        return await self.actors.get(one)

    async def create(self, key: str | None = None, **facts: Any) -> Command:
        """A new order of ten AAPL at 100; the command as the store has it."""
        intent_id = await asyncio.wait_for(self.submit(create(**facts), key), 20)
        return await self.command(intent_id)

    async def amend(self, intent_id: str, quantity: str | None = None) -> Command:
        """A replace to a quantity, or a cancel."""
        terms = None if quantity is None else limit_terms(quantity)
        request = AmendRequest(ref_intent_id=intent_id, terms=terms)
        await asyncio.wait_for(self.submit(SubmitRequest(command=request, received_ns=self.clock.now_ns())), 20)
        return await self.command(intent_id)

    async def submit(self, request: SubmitRequest, key: str | None = None, of: Account | None = None) -> str:
        of = of or account(1)
        principal = Principal(of.organization_id, "key", frozenset(Scope))
        return await self.intake.submit(principal, of, request, key)

    async def command(self, intent_id: str, seq: int | None = None, one: str = ONE) -> Command:
        """The durable command, the newest of the intent unless said otherwise."""
        listing = Listing(limit=100, sort=Sort.ASC)
        commands = (await self.store.record.queries.actions(one, intent_id, listing)).items
        return commands[-1] if seq is None else commands[seq - 1]

    async def report(self, report: OrderReport) -> None:
        await asyncio.wait_for(self.ingest.on_report(ONE, report), 20)

    async def until(self, command: Command, *outcomes: OutcomeKind) -> Command:
        """The durable command once its outcome is one of these."""
        async with asyncio.timeout(20):
            while True:
                current = await self.command(command.intent_id, command.seq, command.account_id)
                if current.outcome in outcomes:
                    return current
                await asyncio.sleep(0.001)

    async def until_idle(self) -> None:
        """Until every lane and every doubt has ended."""
        async with asyncio.timeout(20):
            while self.dispatcher._lanes or self.dispatcher._settling:
                await asyncio.sleep(0.001)

    async def until_sent(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.broker.submissions) < count:
                await asyncio.sleep(0.001)

    async def until_acknowledged(self, command: Command) -> None:
        async with asyncio.timeout(20):
            while (await self.command(command.intent_id, command.seq)).stamps.acknowledged_ns is None:
                await asyncio.sleep(0.001)


def create(symbol: str = "AAPL", quantity: str = "10", **facts: Any) -> SubmitRequest:
    """A buy of ten at 100."""
    valid_until_ns = facts.pop("valid_until_ns", None)
    command = CreateRequest(
        symbol=symbol,
        asset_class=None,
        order_side=facts.pop("order_side", OrderSide.BUY),
        order_venue=OrderVenue.SMART,
        terms=limit_terms(quantity, facts.pop("price", "100")),
        valid_until_ns=valid_until_ns,
    )
    return SubmitRequest(command=command, received_ns=START_NS, **facts)


@asynccontextmanager
async def trading(
    folder: Path,
    *,
    limits: Limits = FAST,
    clock: ManualClock | None = None,
    broker: ScriptedBroker | None = None,
    failpoints: Failpoints | None = None,
    ids: SequentialIds | None = None,
    references: References = lambda _account, _instrument: None,
) -> AsyncIterator[Gateway]:
    """A run that ends by being cancelled wherever it is, as a daemon does that is stopped."""
    clock = clock or ManualClock(START_NS)
    broker = broker or ScriptedBroker(clock)
    points = failpoints or NoFailpoints()
    journal: dict[str, list[Committed]] = defaultdict(list)

    def keep(committed: Sequence[Committed]) -> None:
        for event in committed:
            journal[event.account_id].append(event)

    async with opened(folder, keep, limits=limits) as store, asyncio.TaskGroup() as tasks:
        legs = wired(store, broker, clock, tasks, limits=limits, points=points, ids=ids, references=references)
        yield Gateway(
            store, clock, broker, legs.actors, legs.dispatcher, legs.ingest, legs.intake, legs.controls, journal
        )
        for task in legs.born:
            task.cancel()


@dataclass
class Legs:
    """The trading legs between a store and a broker, and the tasks that they have begun."""

    actors: Actors
    controls: Controls
    dispatcher: Dispatcher
    ingest: Ingest
    intake: Intake
    born: list[asyncio.Task[None]]


def wired(
    store: SqliteStore,
    broker: Broker,
    clock: Clock,
    tasks: asyncio.TaskGroup,
    *,
    limits: Limits,
    points: Failpoints,
    ids: SequentialIds | None = None,
    references: References = lambda _account, _instrument: None,
) -> Legs:
    """The legs, as a node connects them."""
    born: list[asyncio.Task[None]] = []

    def spawn(coroutine: Any) -> None:
        born.append(tasks.create_task(coroutine))

    metrics, actors = Metrics(), Actors(store, clock, spawn)
    shared: dict[str, Any] = {"limits": limits, "failpoints": points, "metrics": metrics}
    controls = Controls(store=store, clock=clock, limits=limits, references=references)
    dispatcher = Dispatcher(brokers={BrokerKind.PAPER: broker}, controls=controls, clock=clock, spawn=spawn, **shared)
    catalogue = Catalogue(INSTRUMENTS)
    ingest = Ingest(
        catalogue=catalogue, broker=broker, actors=actors, dispatcher=dispatcher, store=store, clock=clock, **shared
    )
    intake = Intake(
        actors=actors,
        dispatcher=dispatcher,
        controls=controls,
        store=store,
        catalogue=catalogue,
        clock=clock,
        ids=ids or SequentialIds(),
        **shared,
    )
    return Legs(actors, controls, dispatcher, ingest, intake, born)
