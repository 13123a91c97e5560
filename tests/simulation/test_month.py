"""The whole gateway through a month of New York sessions, in virtual time: the same seed gives the same bytes."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

from dropcopyd.brokers.paper import Book, PaperBroker, SessionMode, SyntheticMarket, Timetable
from dropcopyd.brokers.paper.calendars import load_sessions
from dropcopyd.brokers.paper.sessions import DAY_NS, MINUTE_NS
from dropcopyd.domain.account import Principal, Scope
from dropcopyd.domain.event import EventType
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.order import Order, OrderSide, OrderStatus, OrderTerms, OrderType, OrderVenue
from dropcopyd.domain.order_rules import FIELDS, SPECS, accepted_times
from dropcopyd.flow.intake import AmendRequest, CreateRequest, Intake, SubmitRequest
from dropcopyd.ports import Committed
from dropcopyd.simulation import SimulatedClock, VirtualLoop, run_simulated
from dropcopyd.store.sqlite import SqliteStore
from dropcopyd.system import NoFailpoints
from tests.brokers.build import D, new_york
from tests.doubles import SequentialIds
from tests.flow.trading import wired
from tests.store.build import account, account_id, make_folder, opened

START_NS = new_york("2026-11-02 00:00")
DAYS = 30
ORDERS = 150
ONE = account_id(1)


class Run:
    """One month: a seeded trader, a paper broker on real hours, the gateway between them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = Random(seed)
        self.journal: list[Committed] = []
        self.digest = hashlib.sha256()
        self.orders: list[Order] = []

    def keep(self, committed: Sequence[Committed]) -> None:
        for event in committed:
            self.journal.append(event)
            self.digest.update(event.payload)

    async def main(self, loop: VirtualLoop) -> None:
        clock = SimulatedClock(loop, START_NS)
        book = Book.open(self.folder / "paper.db", clock, SequentialIds("b"))
        loop.watch(lambda: book.writer.has_work)
        market = SyntheticMarket(7, START_NS, 10 * MINUTE_NS)
        timetable = Timetable(SessionMode.REAL, load_sessions)
        broker = PaperBroker(book, [market], clock, [ONE], timetable=timetable, pause_max_s=3600.0)
        try:
            async with opened(self.folder, self.keep, ids=SequentialIds(), clock=clock) as store:
                loop.watch(lambda: store.has_work)
                await self._trade(store, broker, clock)
                self.orders = list((await store.read_state(ONE, 0)).orders)
        finally:
            await book.close()

    async def _trade(self, store: SqliteStore, broker: PaperBroker, clock: SimulatedClock) -> None:
        async with asyncio.TaskGroup() as tasks:
            legs = wired(store, broker, clock, tasks, limits=Limits(), points=NoFailpoints())
            await legs.ingest.begin(ONE)
            legs.born.append(tasks.create_task(broker.run(legs.ingest)))
            await self._submit(legs.intake, clock)
            for task in legs.born:
                task.cancel()

    async def _submit(self, intake: Intake, clock: SimulatedClock) -> None:
        principal = Principal(account(1).organization_id, "key", frozenset(Scope))
        intents: list[str] = []
        for at_ns in sorted(self.chance.randrange(DAYS * DAY_NS) for _ in range(ORDERS)):
            await asyncio.sleep(max(0, START_NS + at_ns - clock.now_ns()) / 1e9)
            command: CreateRequest | AmendRequest
            if intents and self.chance.random() < 0.2:
                command = AmendRequest(ref_intent_id=self.chance.choice(intents))
            else:
                command = self._order()
            request = SubmitRequest(command=command, received_ns=clock.now_ns())
            intents.append(await intake.submit(principal, account(1), request, None))
        await asyncio.sleep(max(0, START_NS + DAYS * DAY_NS - clock.now_ns()) / 1e9)

    def _order(self) -> CreateRequest:
        order_type = self.chance.choice(list(OrderType))
        prices = {name: D(self.chance.randrange(150, 230)) for name in SPECS[order_type].prices}
        if order_type is OrderType.TRAILING_STOP:
            prices = {"trail_amount": D(self.chance.randrange(1, 8))}
        terms = OrderTerms(
            order_type=order_type,
            quantity=D(self.chance.randrange(1, 400)),
            time_in_force=self.chance.choice(accepted_times(order_type)),
            **{FIELDS[name]: price for name, price in prices.items()},
        )
        return CreateRequest(
            symbol="AAPL",
            asset_class=None,
            order_side=self.chance.choice([OrderSide.BUY, OrderSide.SELL]),
            order_venue=OrderVenue.SMART,
            terms=terms,
        )


def play(folder: Path, seed: int) -> Run:
    make_folder(folder)
    run = Run(folder, seed)
    run_simulated(run.main)
    return run


def test_a_month_in_seconds_and_the_same_seed_repeats_to_the_byte(tmp_path: Path) -> None:
    first, second = play(tmp_path / "first", 1), play(tmp_path / "second", 1)
    assert len(first.journal) > 600
    assert first.digest.digest() == second.digest.digest()
    kinds = Counter(event.kind for event in first.journal)
    assert kinds[EventType.BROKER_TRADE] > 30
    statuses = Counter(order.status for order in first.orders)
    assert statuses[OrderStatus.FILLED] > 20
    assert statuses[OrderStatus.CANCELLED] > 20
    assert not statuses[OrderStatus.PENDING_NEW]
    assert all(order.in_doubt_since_ns is None for order in first.orders)
