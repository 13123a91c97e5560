"""Whatever happens between a Subscribe and the live feed: the stream is the journal, filtered. No gap, no repeat."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropcopyd.domain.event import Batch, EventType
from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, InvalidError
from dropcopyd.flow.session import SubscribeRequest
from dropcopyd.ports import AttachedState, Committed, Page
from dropcopyd.store.sqlite import SqliteStore
from tests.flow.streams import Listening, Node, Publishing, cursor
from tests.store.build import INSTRUMENTS, Desk, account_id, make_folder, opened

OURS = [account_id(1), account_id(3)]
FOREIGN = account_id(2)
NARROWED = {EventType.BROKER_ORDER, EventType.BROKER_POSITION}
SYMBOLS = {instrument.symbol: instrument.asset_class.value.lower() for instrument in INSTRUMENTS}


@dataclass(frozen=True)
class Scope:
    """The model's own notion of a subscription."""

    kinds: frozenset[EventType]
    symbol: str = ""
    asset_class: str = ""

    def takes(self, event: Committed) -> bool:
        if event.kind not in self.kinds:
            return False
        if event.kind not in NARROWED or not self.symbol:
            return True
        return event.symbol == self.symbol and self.asset_class in ("", event.asset_class.lower())


def is_wanted(scopes: dict[str, Scope], event: Committed) -> bool:
    """While a named scope covers an account, it alone delivers the kinds it names."""
    named, whole = scopes.get(event.account_id), scopes.get("")
    if named is not None and event.kind in named.kinds:
        return named.takes(event)
    return whole is not None and event.kind in whole.kinds


class Desks:
    """Batches without end for three accounts, kept over the examples."""

    def __init__(self) -> None:
        self._desks = [Desk(1), Desk(2), Desk(3)]
        self._due: list[list[Batch]] = [[], [], []]

    def begin(self) -> None:
        """An example begins with new orders, so that it does the same each time it is run."""
        self._due = [[], [], []]

    def next(self, rng: random.Random) -> Batch:
        place = rng.randrange(3)
        if not self._due[place]:
            self._due[place] = list(self._desks[place].life(rng.choice(INSTRUMENTS), fills=2))
        return self._due[place].pop(0)


class Chaos:
    """The store as a session sees it: around every read, others commit and the edge pulls."""

    def __init__(self, store: SqliteStore, desks: Desks, rng: random.Random) -> None:
        self._store = store
        self._desks = desks
        self._rng = rng
        self.heads: dict[str, int] = {}
        self.listening: Listening | None = None
        self.batches_left = 20

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def between(self) -> None:
        for _ in range(min(self.batches_left, self._rng.choice([0, 0, 1, 1, 2, 5]))):
            self.batches_left -= 1
            await self._store.commit(self._desks.next(self._rng))
            if self.listening is not None and self._rng.random() < 0.7:
                self.listening.pull(self._rng.choice([1, 300, 65_536]))

    async def read_state(self, one: str, changed_after_ns: int) -> AttachedState:
        await self.between()
        state = await self._store.read_state(one, changed_after_ns)
        self.heads[one] = state.head.sequence
        await self.between()
        return state

    async def read_states(self, organization_id: str, changed_after_ns: int) -> tuple[AttachedState, ...]:
        await self.between()
        states = await self._store.read_states(organization_id, changed_after_ns)
        self.heads.update({state.account.account_id: state.head.sequence for state in states})
        await self.between()
        return states

    async def read_events(self, *arguments: Any) -> Page:
        await self.between()
        page = await self._store.read_events(*arguments)
        await self.between()
        return page

    async def chain_at(self, one: str, sequence: int) -> int | None:
        await self.between()
        return await self._store.chain_at(one, sequence)


@dataclass
class Model:
    """Which scopes were in force after which sequence of each account."""

    scopes: dict[str, Scope] = field(default_factory=dict)
    changes: dict[str, list[tuple[int, dict[str, Scope]]]] = field(default_factory=dict)

    def change(self, one: str, after: int) -> None:
        self.changes.setdefault(one, []).append((after, dict(self.scopes)))

    def expected(self, one: str, journal: list[Committed]) -> list[tuple[str, int, bytes]]:
        """Each stretch between two changes, filtered by what was in force. `journal` begins with sequence 1.

        Who unsubscribes and resumes from an older place gets the events from there again, as asked.
        """
        changes = self.changes.get(one, [])
        if not changes:
            return []
        ends = [after for after, _ in changes[1:]] + [len(journal)]
        wanted: list[tuple[str, int, bytes]] = []
        for (after, scopes), end in zip(changes, ends, strict=True):
            stretch = journal[after : max(after, end)]
            wanted += [(one, event.sequence, event.payload) for event in stretch if is_wanted(scopes, event)]
        return wanted


@dataclass
class Rig:
    """One loop and one store for all examples; each has sessions, a hub and limits of its own."""

    runner: asyncio.Runner
    store: SqliteStore
    published: Publishing
    desks: Desks


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder: Path = tmp_path_factory.mktemp("journal")
    make_folder(folder, accounts=3)
    published = Publishing()
    with asyncio.Runner() as runner:
        context = opened(folder, published)
        store = runner.run(context.__aenter__())
        yield Rig(runner, store, published, Desks())
        runner.run(context.__aexit__(None, None, None))


kinds = st.frozensets(st.sampled_from(EventType), min_size=1)
names = st.sampled_from(["", *OURS])
subscribes = st.tuples(
    st.just("subscribe"),
    names,
    kinds,
    st.sampled_from(["", *SYMBOLS]),
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(0, 12),
)
steps = st.one_of(
    subscribes,
    subscribes,
    st.tuples(st.just("unsubscribe"), names),
    st.tuples(st.just("commit"), st.integers(1, 5)),
    st.tuples(st.just("pull"), st.sampled_from([1, 500, 65_536])),
    st.tuples(st.just("beat")),
    st.tuples(st.just("rest")),
)
limits = st.builds(
    Limits,
    ring_events_per_account=st.sampled_from([1, 2, 5, 4096]),
    ring_bytes_per_account=st.sampled_from([1, 1500, 4_194_304]),
    ring_bytes_total=st.sampled_from([0, 3000, 4_194_304]),
    replay_page_events=st.sampled_from([1, 3, 512]),
)


class Run:
    """One example."""

    def __init__(self, rig: Rig, limits: Limits, rng: random.Random, tasks: asyncio.TaskGroup) -> None:
        self.rig = rig
        self.rng = rng
        self.chaos = Chaos(rig.store, rig.desks, rng)
        self.node = Node(rig.store, tasks, limits, self.chaos)
        self.listening = self.node.listen()
        self.chaos.listening = self.listening
        self.model = Model()
        rig.published.hub = self.node.hub
        rig.desks.begin()

    async def step(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("subscribe", name, wanted, symbol, with_class, is_primed, back):
                await self.subscribe(name, wanted, symbol, with_class, is_primed, back)
            case ("unsubscribe", name):
                await self.unsubscribe(name)
            case ("commit", count):
                for _ in range(count):
                    await self.rig.store.commit(self.rig.desks.next(self.rng))
            case ("pull", budget):
                self.listening.pull(budget)
            case ("beat",):
                self.listening.session.beat()
            case ("rest",):
                await self.listening.drain()

    async def unsubscribe(self, name: str) -> None:
        """What is still covered goes on at the session's cursor; the rest ends with what was already handed over."""
        await self.listening.session.unsubscribe(name)
        self.model.scopes.pop(name, None)
        cursors = {one: track.cursor for one, track in self.listening.session._delivery.tracks.items()}
        while self.listening.pull():
            pass
        heard = {one: sequence for one, sequence, _ in self.listening.events}
        for one in [name] if name else OURS:
            if one in self.model.changes:
                began, _ = self.model.changes[one][-1]
                self.model.change(one, cursors.get(one, max(began, heard.get(one, 0))))

    def head(self, one: str) -> int:
        return self.rig.published.head(one)

    async def subscribe(
        self, name: str, wanted: frozenset[EventType], symbol: str, with_class: bool, is_primed: bool, back: int | None
    ) -> None:
        asset_class = SYMBOLS[symbol] if symbol and with_class else ""
        covered = [name] if name else OURS
        places = {} if back is None else {one: max(0, self.head(one) - back) for one in covered}
        request = SubscribeRequest(
            account_id=name,
            kinds=wanted,
            instrument_key=symbol,
            instrument_class=asset_class,
            is_primed=is_primed,
            resume=tuple(cursor(one, self.rig.store.epoch, place) for one, place in places.items()),
        )
        try:
            await self.listening.session.subscribe(request)
        except InvalidError as error:
            if not places or error.code is not Code.INVALID_CURSOR:
                raise
            return
        self.model.scopes[name] = Scope(wanted, symbol, asset_class) if name else Scope(wanted)
        for one in covered:
            self.model.change(one, places.get(one, self.chaos.heads[one]))

    async def finish(self) -> None:
        self.chaos.batches_left = 0
        covered = [one for one in OURS if self.model.scopes.keys() & {one, ""}]
        await self.listening.reach(lambda: {one: self.head(one) for one in covered})
        journal = self.rig.published.journal
        for one in OURS:
            got = [event for event in self.listening.events if event[0] == one]
            expected = self.model.expected(one, journal[one])
            assert [event[1] for event in got] == [event[1] for event in expected]
            assert got == expected
        assert not [event for event in self.listening.events if event[0] == FOREIGN], "a foreign organization's event"
        self.check_heartbeat(journal)

    def check_heartbeat(self, journal: dict[str, list[Committed]]) -> None:
        heads = self.listening.heads()
        for one, head in heads.items():
            assert head.sequence == head.head == self.head(one)
            assert head.chain == (journal[one][-1].chain if journal[one] else 0)
            assert head.epoch == self.rig.store.epoch
        named = {name for name in self.model.scopes if name}
        assert named <= heads.keys() <= set(OURS)
        assert self.listening.last("heartbeat").delivered == len(self.listening.events)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(steps, max_size=12), limits, st.integers(0, 2**32))
def test_the_stream_is_the_journal_filtered(rig: Rig, script: list[tuple[Any, ...]], limits: Limits, seed: int) -> None:
    async def run() -> None:
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            one = Run(rig, limits, random.Random(seed), tasks)
            for step in script:
                await one.step(step)
            await one.finish()
            one.listening.session.close()
            assert one.node.hub._bytes == 0, "a ring outlived its last listener"
            rig.published.hub = None

    rig.runner.run(run())
