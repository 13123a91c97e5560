"""The writer as a process of its own: the same journal, the same order, and an end that loses nothing."""

import asyncio
import os
import signal
import socket
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from dropcopyd.domain.event import EventType
from dropcopyd.errors import Code, DropcopyError, StoreError
from dropcopyd.observe import Metrics
from dropcopyd.ports import Committed
from dropcopyd.store.apart import Apart, ApartWriter, WriterProcess
from dropcopyd.store.committing import Group
from dropcopyd.store.migrate import DATABASE_NAME, hold_folder
from dropcopyd.store.parcel import frame, pack_group
from dropcopyd.store.sqlite import SqliteStore
from dropcopyd.store.writer import Entry, Outcomes
from dropcopyd.wire import ProtobufEncoder
from tests.doubles import ManualClock
from tests.store.build import Announced, Desk, account, account_id, lives, make_folder, opened, writer_process
from tests.store.figures import figures
from tests.store.journal import verify

_DIES = """
import os, sys
from pathlib import Path
from dropcopyd.store.migrate import hold_folder
lock = hold_folder(Path(sys.argv[1]))
if os.fork() == 0:
    os.close(int(sys.argv[3]))
    os.read(int(sys.argv[2]), 1)
os._exit(0)
"""
"""A daemon that dies at once, with a child that holds its lock until the pipe is closed."""


def pid_of(store: SqliteStore) -> int:
    """The writer's process."""
    assert isinstance(store._writer, ApartWriter)
    return store._writer._process.pid


def content(folder: Path) -> list[object]:
    """Every row of the database, but for what names the file; of what waits to be counted, a row a commit, the sums."""
    apart = ('INSERT INTO "meta"', 'INSERT INTO "gains"')
    connection = sqlite3.connect(folder / DATABASE_NAME)
    try:
        rows = [line for line in connection.iterdump() if not line.startswith(apart)]
    finally:
        connection.close()
    return [*rows, figures(folder, "H"), figures(folder, "D")]


async def write(folder: Path, apart: Apart | None) -> Announced:
    """The lives of two accounts, some of their batches together and some alone."""
    make_folder(folder)
    announced = Announced()
    desks = Desk(1), Desk(2)
    async with opened(folder, announced, apart=apart) as store:
        for desk in desks:
            batches = list(lives(desk, 12))
            await asyncio.gather(*(store.commit(batch) for batch in batches[:-5]))
            for batch in batches[-5:]:
                await store.commit(batch)
        await store.commit(desks[0].moved())
    return announced


async def test_the_process_writes_what_the_thread_would(tmp_path: Path) -> None:
    by_thread = await write(tmp_path / "thread", None)
    by_process = await write(tmp_path / "process", writer_process())
    assert by_process.events == by_thread.events
    assert content(tmp_path / "process") == content(tmp_path / "thread")


async def test_what_is_answered_was_announced_before_and_what_is_queued_at_the_end_is_kept(tmp_path: Path) -> None:
    make_folder(tmp_path)
    announced, desk = Announced(), Desk(1)
    async with opened(tmp_path, announced, apart=writer_process()) as store:
        for _ in range(20):
            await store.commit(desk.create_batch())
            assert len(announced.events) == len(desk.play.batches) * 2
        waits = [store.commit(desk.create_batch()) for _ in range(700)]
        assert store.has_work
    assert all(wait.done() and wait.exception() is None for wait in map(asyncio.ensure_future, waits))
    assert not store.has_work
    assert len(verify(tmp_path / DATABASE_NAME, account_id(1))) == len(announced.events) == 2 * 720


async def test_other_work_is_done_in_its_turn(tmp_path: Path) -> None:
    """A change of controls sees what was committed before it and nothing that comes after."""
    make_folder(tmp_path)
    desk = Desk(1)
    seen: list[int] = []

    def look(connection: sqlite3.Connection) -> int:
        (count,) = connection.execute("SELECT count(*) FROM orders").fetchone()
        seen.append(count)
        return int(count)

    async with opened(tmp_path, apart=writer_process()) as store:
        waits: list[asyncio.Future[object]] = []
        for count in (3, 1, 0, 40):
            waits += [asyncio.ensure_future(store.commit(desk.create_batch())) for _ in range(count)]
            waits.append(asyncio.ensure_future(store._transact(look)))
            await asyncio.sleep(0)
        await asyncio.gather(*waits)
        with pytest.raises(StoreError):
            await store._transact(lambda connection: connection.execute("INSERT INTO nowhere VALUES (1)"))
        await store.commit(desk.create_batch())
    assert seen == [3, 4, 4, 44]


async def test_an_account_is_good_again_only_behind_what_was_before(tmp_path: Path) -> None:
    make_folder(tmp_path)
    desk = Desk(1)
    async with opened(tmp_path, apart=writer_process()) as store:
        good, twin, late = desk.create_batch("key"), desk.create_batch("key"), desk.create_batch()
        waits = [asyncio.ensure_future(store.commit(batch)) for batch in (good, twin, late)]
        await store.readmit(account_id(1))
        assert [wait.exception() is None for wait in waits] == [True, False, False]
        state = await store.load_account(account_id(1), 0)
        assert len(state.chains) == 1


class Answers:
    """In place of the process: answers come when the test says."""

    def __init__(self) -> None:
        self.socket, self.far = socket.socketpair()
        self.socket.setblocking(False)
        self.pid = 0

    def end(self) -> None:
        self.socket.close()
        self.far.close()


async def test_whoever_fails_to_hear_of_a_group_does_not_keep_the_next_from_being_told() -> None:
    """Both answers come in one piece."""
    calls = [0]

    def announce(_committed: object) -> None:
        calls[0] += 1
        if calls[0] == 1:
            raise ValueError("on purpose")

    loop, answers, clock = asyncio.get_running_loop(), Answers(), ManualClock(1)
    errors: list[object] = []
    loop.set_exception_handler(lambda _loop, context: errors.append(context["exception"]))
    outcomes = Outcomes(announce, clock, Metrics())
    writer = ApartWriter(
        sqlite3.connect(":memory:"),
        ProtobufEncoder(),
        lambda: cast("WriterProcess", answers),
        loop,
        outcomes,
        lambda: None,
    )
    writer.start()
    entries = [Entry(account(1), Desk(1).create_batch(), (), loop.create_future(), 0) for _ in range(2)]
    for entry in entries:
        writer.put(entry)
    await asyncio.sleep(0)
    told = Committed("a", "o", 1, EventType.BROKER_ORDER, "AAPL", "EQUITY", b"", 1)
    answers.far.sendall(frame(pack_group(Group([None], [told]))) * 2)
    await asyncio.wait_for(asyncio.gather(*(entry.done for entry in entries)), 10)
    await writer.stop()
    assert calls == [2]
    assert [str(error) for error in errors] == ["on purpose"]


async def test_a_batch_that_cannot_be_sent_is_refused_alone_and_in_its_turn(tmp_path: Path) -> None:
    make_folder(tmp_path)
    one, other = Desk(1), Desk(2)
    async with opened(tmp_path, apart=writer_process()) as store:
        bad = replace(one.create_batch(), report_cursor=cast("str", lambda: None))
        batches = [other.create_batch(), bad, one.create_batch(), other.create_batch()]
        fates = await asyncio.gather(*(store.commit(batch) for batch in batches), return_exceptions=True)
        assert [fate is None for fate in fates] == [True, False, False, True]
        await store.readmit(account_id(1))
        await store.commit(Desk(1).create_batch())
    assert len(verify(tmp_path / DATABASE_NAME, account_id(1))) == 2
    assert len(verify(tmp_path / DATABASE_NAME, account_id(2))) == 4


async def test_without_its_process_nothing_is_answered_as_durable_that_is_not(tmp_path: Path) -> None:
    make_folder(tmp_path)
    announced, desk = Announced(), Desk(1)
    lost = asyncio.Event()
    async with opened(tmp_path, announced, apart=writer_process(on_lost=lost.set)) as store:
        await asyncio.gather(*(store.commit(desk.create_batch()) for _ in range(50)))
        waits = [asyncio.ensure_future(store.commit(desk.create_batch())) for _ in range(2_000)]
        await waits[0]
        os.kill(pid_of(store), signal.SIGKILL)
        fates = await asyncio.wait_for(asyncio.gather(*waits, return_exceptions=True), 30)
        assert lost.is_set()
        with pytest.raises(StoreError) as refused:
            await store.commit(desk.create_batch())
        assert refused.value.code is Code.STORE_FAILED
    kept = len(verify(tmp_path / DATABASE_NAME, account_id(1)))
    answered = sum(fate is None for fate in fates)
    assert 0 < answered < 2_000, "it was killed in the midst"
    assert kept >= len(announced.events) == 2 * (50 + answered)


async def test_the_folder_is_held_for_as_long_as_its_writer_lives(tmp_path: Path) -> None:
    """The daemon is gone, its writer is not: another daemon waits for it, and is refused by a living daemon at once."""
    make_folder(tmp_path)
    reading, writing = os.pipe()
    command = [sys.executable, "-c", _DIES, str(tmp_path), str(reading), str(writing)]
    daemon = await asyncio.create_subprocess_exec(*command, pass_fds=(reading, writing))
    os.close(reading)
    assert await daemon.wait() == 0
    opening = asyncio.create_task(asyncio.to_thread(hold_folder, tmp_path))
    done, _ = await asyncio.wait([opening], timeout=0.3)
    assert not done, "the folder was taken from under a writer"
    os.close(writing)
    lock = await asyncio.wait_for(opening, 20)
    try:
        with pytest.raises(DropcopyError) as refused:
            hold_folder(tmp_path)
        assert refused.value.code is Code.FOLDER_IN_USE
    finally:
        lock.close()
