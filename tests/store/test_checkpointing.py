"""The write-ahead log beside a busy writer: carried over, begun anew, and never in a commit's way."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import CapturingLogger

from dropcopyd.store import checkpointing
from dropcopyd.store.checkpointing import Checkpoints, checkpoint
from dropcopyd.store.migrate import DATABASE_NAME, connect
from tests.store.build import Desk, make_folder, opened, writer_process

PAGE_BYTES = 4_096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.db"


@pytest.fixture
def writer(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE lines (number INTEGER PRIMARY KEY, text TEXT)")
        yield connection


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpointing, "COMMITS", 5)
    monkeypatch.setattr(checkpointing, "LONG_PAGES", 50)


def write(writer: sqlite3.Connection, checkpoints: Checkpoints, count: int) -> None:
    """Commits of some three pages each."""
    for _ in range(count):
        writer.execute("INSERT INTO lines (text) VALUES (?)", ("x" * 2 * PAGE_BYTES,))
        checkpoints.committed()


def pages_of(path: Path) -> int:
    """As long as the log has ever been: its file is written over, and never cut."""
    return path.with_name(path.name + "-wal").stat().st_size // PAGE_BYTES


def lines_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM lines").fetchone()[0])


def test_the_log_does_not_grow_with_what_is_written(path: Path, writer: sqlite3.Connection) -> None:
    with Checkpoints(path, writer) as checkpoints:
        write(writer, checkpoints, 2_000)
        assert pages_of(path) < 2_000
    assert lines_in(path) == 2_000


def test_the_thread_alone_carries_over_while_the_log_is_short(
    path: Path, writer: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointing, "LONG_PAGES", 1_000_000)
    main_file = path.stat().st_size
    with Checkpoints(path, writer) as checkpoints:
        assert writer.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        write(writer, checkpoints, 50)
    assert pages_of(path) >= 100, "the writer has not touched it"
    assert path.stat().st_size > main_file + 50 * PAGE_BYTES


def test_a_reader_holds_the_log_and_no_commit(path: Path, writer: sqlite3.Connection) -> None:
    with closing(connect(path, is_reader=True)) as reader, Checkpoints(path, writer) as checkpoints:
        write(writer, checkpoints, 10)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM lines").fetchone() == (10,)
        write(writer, checkpoints, 500)
        held = pages_of(path)
        assert held >= 1_000, "nothing that is read may be written over"
        assert reader.execute("SELECT count(*) FROM lines").fetchone() == (10,)
        reader.execute("COMMIT")
        write(writer, checkpoints, 2_000)
        assert pages_of(path) < held + 2_000
    assert lines_in(path) == 2_510


def test_a_checkpoint_that_fails_is_told_and_harms_nothing(
    path: Path, writer: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Event()

    def trying(connection: sqlite3.Connection) -> tuple[int, int]:
        result = checkpoint(connection)
        tried.set()
        return result

    told = CapturingLogger()
    monkeypatch.setattr(checkpointing, "_log", told)  # where the real one writes to depends on the tests before
    monkeypatch.setattr(checkpointing, "checkpoint", trying)
    checkpoints = Checkpoints(path, writer)
    checkpoints._beside.close()  # each one by it fails
    with checkpoints:
        write(writer, checkpoints, 50)
        assert tried.wait(10)
        tried.clear()
        write(writer, checkpoints, 50)
        assert tried.wait(10), "it goes on"
    assert {(call.method_name, call.args) for call in told.calls} == {("warning", ("store.checkpoint_failed",))}
    assert lines_in(path) == 100
    assert checkpoint(writer)[0] > 0


def test_it_ends_with_its_writer(path: Path, writer: sqlite3.Connection) -> None:
    checkpoints = Checkpoints(path, writer)
    with checkpoints:
        write(writer, checkpoints, 7)
        assert checkpoints._thread.is_alive()
    assert not checkpoints._thread.is_alive()


async def test_the_writers_process_keeps_its_log_short(tmp_path: Path) -> None:
    make_folder(tmp_path)
    desk = Desk(1)
    async with opened(tmp_path, apart=writer_process()) as store:
        for _ in range(600):
            await store.commit(desk.create_batch())
        assert pages_of(tmp_path / DATABASE_NAME) < 6_000
