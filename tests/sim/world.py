"""A whole gateway over the paper exchange, chaos in between, in simulated time; and somebody who trades at random."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from dropcopyd.brokers.chaos import MILD, Chaos, ChaosBroker
from dropcopyd.brokers.paper import Book, Feed, PaperBroker, Plan, Replay, SyntheticMarket, load_bars, parse_plan
from dropcopyd.brokers.paper.opening import open_timetable
from dropcopyd.brokers.paper.records import Quote, amount_of, steps_of
from dropcopyd.brokers.paper.sessions import SessionMode
from dropcopyd.domain.account import Account, BrokerKind, Principal, Scope
from dropcopyd.domain.catalogue import Catalogue
from dropcopyd.domain.instrument import Instrument, key_of
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.order import OrderSide, OrderState, OrderTerms, OrderType, OrderVenue, TimeInForce
from dropcopyd.domain.order_rules import SPECS, accepted_times
from dropcopyd.errors import DropcopyError
from dropcopyd.flow.controls import Controls
from dropcopyd.flow.dispatch import Dispatcher
from dropcopyd.flow.ingest import Ingest
from dropcopyd.flow.intake import Intake
from dropcopyd.flow.ownership import Actors
from dropcopyd.flow.submits import AmendRequest, CreateRequest, SubmitRequest
from dropcopyd.node import packaged_instruments
from dropcopyd.observe import Metrics
from dropcopyd.ports import Clock, Committed
from dropcopyd.simulation import SimulatedClock, VirtualLoop
from dropcopyd.store.admin import Admin
from dropcopyd.store.sqlite import SqliteStore, open_store
from dropcopyd.system import NoFailpoints
from dropcopyd.wire import ProtobufEncoder
from tests.doubles import SequentialIds

START_NS = 1_796_108_400_000_000_000
"""A Tuesday, 2026-12-01 07:00 UTC."""
MONTH_S = 30 * 86_400
ORGANIZATION = "00000000-0000-4000-8000-0000000000aa"
ACCOUNT = "00000000-0000-4000-8000-000000000001"
_LIMITS = Limits(broker_call_s=60, doubt_grace_s=1, reconcile_s=3_600, dispatch_deadline_s=30)
_STEP_NS = 60_000_000_000
SYMBOLS = ("GOOG", "EURUSD", "AAPL", "ESZ7", "BTC-USD", "BTC-PERP", "BTCUSD-INVERSE", "FED-CUT-2027-12-YES")


@dataclass
class World:
    """One run."""

    store: SqliteStore
    book: Book
    paper: PaperBroker
    chaos: ChaosBroker
    actors: Actors
    dispatcher: Dispatcher
    ingest: Ingest
    intake: Intake
    account: Account
    clock: Clock
    instruments: dict[str, Instrument]
    chance: random.Random
    journal: list[Committed] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    intents: list[str] = field(default_factory=list)

    async def trade(self, orders: int, span_s: float) -> None:
        """That many new orders, with replaces and cancels between, over so much time."""
        for _ in range(orders):
            await self.submit(self._create())
            while self.intents and self.chance.random() < 0.35:
                await self._amend()
            await asyncio.sleep(self.chance.expovariate(orders / span_s))

    async def submit(self, command: CreateRequest | AmendRequest) -> None:
        principal = Principal(ORGANIZATION, "key", frozenset(Scope))
        request = SubmitRequest(command=command, received_ns=self.clock.now_ns())
        try:
            intent_id = await self.intake.submit(principal, self.account, request, None)
        except DropcopyError as error:
            self.asked[f"refused: {error.code}"] += 1
            return
        if isinstance(command, CreateRequest):
            self.asked[f"{command.terms.order_type} {command.terms.time_in_force}"] += 1
            self.intents.append(intent_id)
            del self.intents[:-200]
        else:
            self.asked["replace" if command.terms is not None else "cancel"] += 1

    async def heal(self) -> None:
        """No more chaos, but the same ids; then the broker's list is compared until nothing is left to mend."""
        chaos = self.chaos._chaos
        self.chaos._chaos = Chaos(seed=chaos.seed, id_reuse=chaos.id_reuse)
        await asyncio.sleep(120)
        for _ in range(3):
            await self.ingest.reconcile(ACCOUNT)
            await asyncio.sleep(5)

    def _create(self) -> CreateRequest:
        symbol = self.chance.choice(SYMBOLS)
        instrument = self.instruments[symbol]
        side = self.chance.choice((OrderSide.BUY, OrderSide.SELL))
        return CreateRequest(
            symbol=symbol,
            asset_class=instrument.asset_class,
            order_side=side,
            order_venue=OrderVenue.SMART,
            terms=self._terms(instrument, side),
        )

    def _terms(self, instrument: Instrument, side: OrderSide) -> OrderTerms:
        order_type = self.chance.choice([one for one in SPECS if one is not OrderType.FILL_OR_KILL])
        if self.chance.random() < 0.5:
            order_type = OrderType.LIMIT
        time_in_force = self.chance.choice([TimeInForce(one) for one in accepted_times(order_type)])
        price = self._price(instrument)
        values: dict[str, Any] = {}
        spec = SPECS[order_type]
        for name in (*spec.required, *([self.chance.choice(spec.one_of)] if spec.one_of else [])):
            values["limit_price" if name == "price" else name] = self._value(instrument, name, price)
        return OrderTerms(
            order_type=order_type, quantity=self._quantity(instrument), time_in_force=time_in_force, **values
        )

    def _value(self, instrument: Instrument, name: str, price: Decimal) -> Decimal:
        tick = instrument.tick_size or Decimal("0.01")
        if name == "trail_percent":
            return Decimal(self.chance.randint(1, 40)) / 10
        if name == "trail_amount":
            return tick * self.chance.randint(1, 200)
        near = price * (1 + Decimal(self.chance.randint(-150, 150)) / 10_000)
        return max(tick, amount_of(steps_of(near, tick), tick))

    def _price(self, instrument: Instrument) -> Decimal:
        standing = self.book.image.standings.get(key_of(instrument))
        quote = standing.quote if standing is not None else Quote(Decimal(1), Decimal(2), Decimal(1), Decimal(1))
        return quote.bid

    def _quantity(self, instrument: Instrument) -> Decimal:
        steps = self.chance.choice((1, 2, 5, 10, 25, 100))
        return (instrument.quantity_increment or Decimal(1)) * steps

    async def _amend(self) -> None:
        intent_id = self.chance.choice(self.intents)
        chain = (await self.actors.get(ACCOUNT)).state.chain_of_intent(intent_id) if self._knows(intent_id) else None
        terms = None
        if chain is not None and self.chance.random() < 0.6:
            order = chain.order
            steps = self.chance.choice((1, 3, 8, 40))
            terms = replace(order.terms, quantity=(order.instrument.quantity_increment or Decimal(1)) * steps)
            if order.terms.limit_price is not None:
                price = self._value(order.instrument, "price", self._price(order.instrument))
                terms = replace(terms, limit_price=price)
        await self.submit(AmendRequest(ref_intent_id=intent_id, terms=terms))

    def _knows(self, intent_id: str) -> bool:
        actors: Any = self.actors
        return intent_id in actors._actors[ACCOUNT].state.order_ids

    def open_orders(self) -> int:
        actors: Any = self.actors
        chains = actors._actors[ACCOUNT].state.chains.values()
        return sum(chain.order.state is OrderState.OPEN for chain in chains)


def bars_of(data: Path | None) -> list[tuple[str, Path, int]]:
    """More than a month of the last bars, so that none is shown again and again at the end: symbol, file, how many.

    None without the folder of the files."""
    if data is None:
        return []
    return [("GOOG", data / "GOOG_daily.csv", 31), ("EURUSD", data / "EURUSD_hourly.csv", 744)]


@asynccontextmanager
async def world(
    loop: VirtualLoop, folder: Path, data: Path | None, seed: int, chaos: Chaos = MILD, plan: Plan | None = None
) -> AsyncIterator[World]:
    """A running gateway in simulated time. Without `data` every price is synthetic."""
    clock = SimulatedClock(loop, START_NS)
    journal: list[Committed] = []
    plan = plan or parse_plan("realistic", seed=seed)
    _open_folder(folder)
    store = open_store(
        folder,
        encoder=ProtobufEncoder(),
        clock=clock,
        ids=SequentialIds("a"),
        limits=_LIMITS,
        failpoints=NoFailpoints(),
        on_committed=journal.extend,
    )
    loop.watch(lambda: store.has_work)
    book = Book.open(folder / "paper.db", clock, SequentialIds("b"))
    loop.watch(lambda: book.writer.has_work)
    instruments = {one.symbol: one for one in packaged_instruments()}
    feeds: list[Feed] = [
        *(
            Replay(instruments[symbol], load_bars(path)[-count:], Fraction(1), path.name)
            for symbol, path, count in bars_of(data)
        ),
        SyntheticMarket(seed, START_NS, _STEP_NS),
    ]
    timetable = open_timetable(SessionMode.REAL, instruments.values(), START_NS)
    paper = PaperBroker(
        book, feeds, clock, [ACCOUNT], plans={ACCOUNT: plan}, timetable=timetable, pause_max_s=_STEP_NS / 1e9
    )
    broker = ChaosBroker(paper, replace(chaos, seed=seed), clock, pause_max_s=_STEP_NS / 1e9)
    try:
        async with asyncio.TaskGroup() as tasks:
            born: list[asyncio.Task[None]] = []

            def spawn(work: Any) -> None:
                born.append(tasks.create_task(work))

            actors, dispatcher, ingest, intake = _parts(store, broker, clock, spawn, instruments.values())
            here = World(
                store=store,
                book=book,
                paper=paper,
                chaos=broker,
                actors=actors,
                dispatcher=dispatcher,
                ingest=ingest,
                intake=intake,
                account=(await store.accounts())[0],
                clock=clock,
                instruments=instruments,
                chance=random.Random(seed),
                journal=journal,
            )
            await here.ingest.begin(ACCOUNT)
            spawn(broker.run(here.ingest))
            spawn(here.ingest.watch())
            spawn(_sweep(here.actors))
            await asyncio.sleep(5)
            yield here
            for task in born:
                task.cancel()
    finally:
        await book.close()
        await store.close()


async def _sweep(actors: Actors) -> None:
    while True:
        await asyncio.sleep(900)
        for actor in actors:
            actor.forget_idle()


def _parts(
    store: SqliteStore, broker: ChaosBroker, clock: Any, spawn: Any, instruments: Any
) -> tuple[Actors, Dispatcher, Ingest, Intake]:
    metrics, catalogue, actors = Metrics(), Catalogue(instruments), Actors(store, clock, spawn)
    controls = Controls(store=store, clock=clock, limits=_LIMITS, references=lambda _account, _instrument: None)
    common = {"clock": clock, "limits": _LIMITS, "failpoints": NoFailpoints(), "metrics": metrics, "controls": controls}
    dispatcher = Dispatcher(brokers={BrokerKind.PAPER: broker}, spawn=spawn, **common)
    ingest = Ingest(
        broker=broker,
        actors=actors,
        dispatcher=dispatcher,
        store=store,
        clock=clock,
        catalogue=catalogue,
        limits=_LIMITS,
        failpoints=NoFailpoints(),
        metrics=metrics,
    )
    intake = Intake(
        actors=actors, dispatcher=dispatcher, store=store, catalogue=catalogue, ids=SequentialIds("c"), **common
    )
    return actors, dispatcher, ingest, intake


def _open_folder(folder: Path) -> None:
    admin = Admin(folder, START_NS)
    try:
        admin.add_organization(ORGANIZATION, "simulated")
        admin.add_account(ACCOUNT, ORGANIZATION, "paper", BrokerKind.PAPER)
        admin.add_instruments(packaged_instruments())
    finally:
        admin.close()
