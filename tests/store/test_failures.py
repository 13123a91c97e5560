"""What cannot be committed: nothing of it is kept, its account stops, nobody else's does."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dropcopyd.domain.event import Batch
from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, StoreError
from dropcopyd.record import Listing
from dropcopyd.store.apart import Apart
from dropcopyd.store.sqlite import SqliteStore
from tests.domain.build import trade
from tests.store.build import Announced, Desk, account_id, make_folder, opened, writer_process, writing
from tests.store.journal import verify

DATABASE = "dropcopy.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path, accounts=3)
    return tmp_path


@pytest.fixture(params=["thread", "process"])
def apart(request: pytest.FixtureRequest) -> Apart | None:
    return writer_process() if request.param == "process" else None


async def fates(store: SqliteStore, batches: list[Batch]) -> list[BaseException | None]:
    """All registered before any is waited for, as actors do."""
    waits = [store.commit(batch) for batch in batches]
    return await asyncio.wait_for(asyncio.gather(*waits, return_exceptions=True), 30)


def twice_the_same_execution(desk: Desk) -> tuple[Batch, Batch]:
    """A good batch with an execution, and a bad one that claims the same execution again."""
    name = desk.name()
    desk.play.begin(desk.create(name))
    batch = desk.play.report(trade("e1", "1", "100", f"c{name}.1"))
    assert batch is not None
    return batch, batch


@pytest.mark.parametrize("is_grouped", [True, False], ids=["in one group", "one by one"])
async def test_a_bad_batch_fails_its_account_until_readmitted_and_no_other(
    folder: Path, is_grouped: bool, apart: Apart | None, capfd: pytest.CaptureFixture[str]
) -> None:
    announced = Announced()
    one, other = Desk(1), Desk(2)
    with capture_logs() as logged:
        async with opened(folder, announced, apart=apart) as store:
            first = one.create_batch("key-1")
            twin = one.create_batch("key-1")  # the same Idempotency-Key once more
            late = one.create_batch()
            beside = [other.create_batch(), other.create_batch()]
            order = [first, beside[0], twin, beside[1], late]
            if is_grouped:
                got = await fates(store, order)
            else:
                got = [(await fates(store, [batch]))[0] for batch in order]
            assert [error is None for error in got] == [True, True, False, True, False]
            assert all(isinstance(error, StoreError) and error.code is Code.STORE_FAILED for error in (got[2], got[4]))
            again = await fates(store, [one.create_batch()])
            assert isinstance(again[0], StoreError), "still not readmitted"
            await asyncio.wait_for(store.readmit(account_id(1)), 10)
            state = await store.load_account(account_id(1), 0)
            assert len(state.chains) == 1, "nothing of what failed was kept"
            fresh = Desk(1)
            fresh.play.state = state
            fresh._orders = 100
            assert await fates(store, [fresh.create_batch()]) == [None]
    assert len(verify(folder / DATABASE, account_id(1))) == 4
    assert len(verify(folder / DATABASE, account_id(2))) == 4
    assert [event.sequence for event in announced.of(1)] == [1, 2, 3, 4], "nothing was told that is not there"
    told = f"{logged} {capfd.readouterr()}"  # by this process, or by the writer's
    assert "IntegrityError" in told, "the cause is in the operator's log"


async def test_an_execution_is_never_booked_twice(folder: Path, apart: Apart | None) -> None:
    """The machine would not decide it; should it ever, the file refuses."""
    announced = Announced()
    desk = Desk(1)
    async with opened(folder, announced, apart=apart) as store:
        good, bad = twice_the_same_execution(desk)
        got = await fates(store, [*desk.play.batches, bad])
        assert [error is None for error in got] == [True] * len(desk.play.batches) + [False]
        state = await store.load_account(account_id(1), 0)
        assert state.chains[good.trades[0].order_id].order.filled_quantity == 1
    verify(folder / DATABASE, account_id(1))


async def test_half_a_batch_is_not_kept(folder: Path, apart: Apart | None) -> None:
    """The failure comes after events, orders and commands of the same batch were written."""
    desk = Desk(1)
    async with opened(folder, apart=apart) as store:
        await fates(store, [desk.create_batch("key-1")])
        before = verify(folder / DATABASE, account_id(1))
        await fates(store, [desk.create_batch("key-1")])
        assert verify(folder / DATABASE, account_id(1)) == before
        orders = (await store.record.queries.orders(account_id(1), Listing(limit=10))).items
        assert len(orders) == 1


async def test_a_full_disk_refuses_and_the_account_goes_on_when_there_is_room(folder: Path) -> None:
    announced = Announced()
    desk = Desk(1)
    async with opened(folder, announced) as store:
        assert await fates(store, [desk.create_batch()]) == [None]
        connection = writing(store)  # the bound is one of the connection, not of the file
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        got = await fates(store, [desk.create_batch() for _ in range(200)])
        kept = [error is None for error in got]
        assert not all(kept)
        assert kept == sorted(kept, reverse=True), "after the first that failed, all failed"
        assert len(verify(folder / DATABASE, account_id(1))) == 2 * (1 + sum(kept))
        connection.execute("PRAGMA max_page_count = 1000000")
        await asyncio.wait_for(store.readmit(account_id(1)), 10)
        fresh = Desk(1)
        fresh.play.state = await store.load_account(account_id(1), 0)
        fresh._orders = 10_000
        assert await fates(store, [fresh.create_batch()]) == [None]
    rows = verify(folder / DATABASE, account_id(1))
    assert [event.payload for event in announced.of(1)] == [row.payload for row in rows]


async def test_what_cannot_be_bound_fails_like_any_other(folder: Path) -> None:
    """A time beyond 64 bits reaches no column; whoever decides must not let one come so far (see intake)."""
    desk = Desk(1)
    async with opened(folder) as store:
        got = await fates(store, [replace(desk.create_batch(), at_ns=2**63)])
        assert isinstance(got[0], StoreError)


async def test_the_queue_has_a_bound_and_tells_when_there_is_room(folder: Path) -> None:
    desk = Desk(1)
    async with opened(folder, limits=Limits(writer_queue_batches=5)) as store:
        waits = [store.commit(desk.create_batch()) for _ in range(5)]
        assert store.is_full
        await asyncio.wait_for(store.room(), 10)
        assert not store.is_full
        await asyncio.wait_for(asyncio.gather(*waits), 10)


async def test_a_closed_store_takes_nothing_and_has_written_what_it_took(folder: Path) -> None:
    desk = Desk(1)
    async with opened(folder) as store:
        waits = [store.commit(desk.create_batch()) for _ in range(50)]
    assert all(wait.done() for wait in waits if isinstance(wait, asyncio.Future))
    await asyncio.gather(*waits)
    with pytest.raises(StoreError):
        await store.commit(desk.create_batch())
    assert len(verify(folder / DATABASE, account_id(1))) == 100
