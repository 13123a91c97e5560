"""The journal: sequences, chain, projections and the order in which things are told, on a real file."""

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropcopy import proto as pb
from dropcopyd.domain.event import Batch, EventType
from dropcopyd.domain.money import render
from dropcopyd.ports import Committed
from dropcopyd.record import Listing
from dropcopyd.store.sqlite import SqliteStore
from tests.store.build import Announced, Desk, account_id, lives, make_folder, opened
from tests.store.journal import verify

DATABASE = "dropcopy.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path, accounts=4)
    return tmp_path


async def commit_all(store: SqliteStore, batches: list[Batch]) -> None:
    async with asyncio.timeout(30):
        await asyncio.gather(*(store.commit(batch) for batch in batches))


async def test_sequences_and_chain_over_many_orders(folder: Path) -> None:
    announced = Announced()
    async with opened(folder, announced) as store:
        await commit_all(store, list(lives(Desk(1), 12)))
    rows = verify(folder / DATABASE, account_id(1))
    assert len(rows) > 100
    assert [(e.sequence, e.payload) for e in announced.of(1)] == [(r.sequence, r.payload) for r in rows]
    assert [e.chain for e in announced.of(1)] == [int.from_bytes(row.hash[:8], "big") for row in rows]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 4), min_size=1, max_size=60), st.integers(0, 6))
def test_accounts_number_apart_however_their_batches_mix(
    tmp_path_factory: pytest.TempPathFactory, turns: list[int], waits: int
) -> None:
    folder = tmp_path_factory.mktemp("mixed")
    make_folder(folder, accounts=4)
    queues = {number: list(lives(Desk(number), 6)) for number in range(1, 5)}

    async def run() -> Announced:
        announced = Announced()
        async with opened(folder, announced) as store:
            pending = []
            for place, number in enumerate(turns):
                if queues[number]:
                    pending.append(store.commit(queues[number].pop(0)))
                if waits and place % waits == 0:
                    await asyncio.wait_for(pending[-1], 10)
            await asyncio.wait_for(asyncio.gather(*pending), 10)
        return announced

    announced = asyncio.run(run())
    for number in range(1, 5):
        rows = verify(folder / DATABASE, account_id(number))
        assert [row.payload for row in rows] == [event.payload for event in announced.of(number)]


async def test_what_is_answered_was_announced_before_in_the_order_of_the_calls(folder: Path) -> None:
    announced = Announced()
    heard: list[int] = []
    async with opened(folder, announced) as store:
        desks = [Desk(1), Desk(3)]
        batches = [desk.create_batch() for _ in range(100) for desk in desks]

        async def wait_for(place: int, batch: Batch) -> None:
            done = store.commit(batch)
            await done
            said = {event.payload for event in announced.events}
            assert len(said) >= 2 * (place // 2 + 1), "answered before it was announced"
            heard.append(place)

        await asyncio.wait_for(asyncio.gather(*(wait_for(*one) for one in enumerate(batches))), 30)
    assert heard == sorted(heard), "answers came in another order than the calls"
    told = [(event.account_id, event.sequence) for event in announced.events]
    expected = []
    for place, batch in enumerate(batches):
        first = 2 * (place // 2)
        expected += [(batch.account_id, first + 1), (batch.account_id, first + 2)]
    assert told == expected


async def test_many_batches_share_a_flush(folder: Path) -> None:
    """Group commit: a burst takes far fewer transactions than batches."""
    flushes: list[str] = []

    class Counting:
        def reached(self, point: str) -> None:
            flushes.append(point)

    async with opened(folder, failpoints=Counting()) as store:
        await commit_all(store, [Desk(1).create_batch()])
        flushes.clear()
        desk = Desk(3)
        await commit_all(store, [desk.create_batch() for _ in range(500)])
    assert flushes.count("store.commit.after") < 50


async def test_a_cancelled_wait_loses_nothing(folder: Path) -> None:
    announced = Announced()
    async with opened(folder, announced) as store:
        desk = Desk(1)

        async def wait() -> None:
            await store.commit(desk.create_batch())

        waiter = asyncio.get_running_loop().create_task(wait())
        await asyncio.sleep(0)
        waiter.cancel()
        await commit_all(store, [desk.create_batch()])
    assert [event.sequence for event in announced.of(1)] == [1, 2, 3, 4]


async def test_an_announcement_that_fails_is_reported_and_holds_nobody_up(folder: Path) -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context["exception"]))

    def fail(_committed: object) -> None:
        raise ValueError("a bug in a listener")

    async with opened(folder, fail) as store:
        await commit_all(store, [Desk(1).create_batch()])
    assert len(verify(folder / DATABASE, account_id(1))) == 2
    assert [type(fault) for fault in faults] == [ValueError]


async def test_projections_are_the_fold_of_the_journal(folder: Path) -> None:
    async with opened(folder) as store:
        desk = Desk(1)
        await commit_all(store, [*lives(desk, 10), *(desk.create_batch() for _ in range(5)), desk.moved()])
        state = await store.load_account(account_id(1), 0)
        trades = (await store.record.queries.trades(account_id(1), Listing(limit=1000))).items
        attached = await store.read_state(account_id(1), 0)
    orders: dict[str, pb.BrokerOrder] = {}
    positions: dict[str, pb.BrokerPosition] = {}
    outcomes: dict[tuple[str, int], Any] = defaultdict(lambda: pb.COMMAND_OUTCOME_KIND_PENDING)
    executions: list[pb.BrokerTrade] = []
    for row in verify(folder / DATABASE, account_id(1)):
        event = pb.TradingEvent.FromString(row.payload)
        match event.WhichOneof("event"):
            case "broker_order":
                orders[event.broker_order.order_id] = event.broker_order
            case "broker_position":
                positions[event.broker_position.symbol] = event.broker_position
            case "broker_trade":
                executions.append(event.broker_trade)
            case "command_outcome":
                outcome = event.command_outcome
                outcomes[outcome.intent_id, outcome.seq] = outcome.outcome
            case "account_status":
                assert pb.AccountConnection.Name(event.account_status.connection).endswith(state.status.connection)
    assert {order.order_id for order in attached.orders} == orders.keys() == state.chains.keys()
    for order_id, chain in state.chains.items():
        order, last = chain.order, orders[order_id]
        assert pb.OrderStatus.Name(last.order_status) == f"ORDER_STATUS_{order.status}"
        assert (last.quantity, last.filled_quantity) == (render(order.terms.quantity), render(order.filled_quantity))
        assert (last.leaves_quantity, last.command_seq) == (render(order.leaves_quantity), order.command_seq)
        assert last.average_price == (render(order.average_price) if order.average_price is not None else "")
        assert len(chain.executions) == sum(trade.client_order_id == order_id for trade in executions)
        for seq, command in chain.commands.items():
            name = pb.CommandOutcomeKind.Name(outcomes[command.intent_id, seq])
            assert name == f"COMMAND_OUTCOME_KIND_{command.outcome}"
    assert {position.instrument.symbol for position in attached.positions} == positions.keys()
    for position in attached.positions:
        last_position = positions[position.instrument.symbol]
        assert last_position.quantity == render(position.quantity)
        assert last_position.average_cost == render(position.average_cost)
        assert last_position.realized_pnl == render(position.realized_pnl)
    assert [trade.exec_id for trade in reversed(trades)] == [trade.exec_id for trade in executions]
    assert attached.head.sequence == len(verify(folder / DATABASE, account_id(1)))


async def test_pages_hold_exactly_what_was_asked_for(folder: Path) -> None:
    announced = Announced()
    async with opened(folder, announced) as store:
        await commit_all(store, list(lives(Desk(1), 6)))
        wanted = frozenset({EventType.BROKER_TRADE, EventType.COMMAND_OUTCOME})
        events = [event for event in announced.of(1) if event.kind in wanted]
        head = announced.of(1)[-1].sequence
        for limit in (1, 3, 1000):
            got: list[Committed] = []
            after = 0
            while after < head:
                page = await store.read_events(account_id(1), after, head, wanted, limit)
                assert len(page.events) <= limit
                assert page.scanned_to > after
                assert page.chain == announced.of(1)[page.scanned_to - 1].chain
                got += page.events
                after = page.scanned_to
            assert got == events
        page = await store.read_events(account_id(1), 0, head, frozenset(), 10)
        assert (page.events, page.scanned_to) == ((), head)
        assert await store.chain_at(account_id(1), head) == announced.of(1)[-1].chain
        assert await store.chain_at(account_id(1), 0) == 0
        assert await store.chain_at(account_id(1), head + 1) is None


async def test_a_read_sees_one_instant(folder: Path) -> None:
    """While batches pour in, head and state of every read belong together, over all accounts of an organization."""
    async with opened(folder) as store:
        desks = [Desk(1), Desk(3)]
        stop = asyncio.Event()
        first = [desk.create_batch() for desk in desks]
        await commit_all(store, first)

        async def pour() -> None:
            while not stop.is_set():
                await commit_all(store, [desk.create_batch() for desk in desks for _ in range(3)])

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(pour())
            for _ in range(60):
                for state in await store.read_states(desks[0].play.state.account.organization_id, 0):
                    assert state.head.sequence == 2 * len(state.orders), "two events for each order"
            stop.set()


async def test_what_was_closed_or_flat_long_ago_is_not_replayed(folder: Path) -> None:
    async with opened(folder) as store:
        desk = Desk(1)
        await commit_all(store, desk.life(fills=0))
        last_ns = desk.play.state.last_ns
        desk.play.now_ns = last_ns + 10
        await commit_all(store, [desk.create_batch()])
        recent = await store.read_state(account_id(1), last_ns - 1)
        assert len(recent.orders) == 2
        later = await store.read_state(account_id(1), last_ns)
        assert [order.status for order in later.orders] == ["PENDING_NEW"]
