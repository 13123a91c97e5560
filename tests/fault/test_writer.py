"""The writer's process: what befalls it, or the daemon while it writes."""

import asyncio
import fcntl
import os
import signal
from pathlib import Path

import httpx2
import pytest

from dropcopyd.store.migrate import LOCK_NAME
from tests.support.check import submitted_twice, unresolved
from tests.support.daemon import Daemon, Rest, create_command

_WAIT_S = 30.0
pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the process by /proc")


def writer_of(daemon: Daemon) -> int:
    """The only child of the daemon."""
    assert daemon.process is not None
    pid = daemon.process.pid
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def _is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def gone(pid: int) -> None:
    """Until there is no such process."""
    async with asyncio.timeout(_WAIT_S):
        while _is_there(pid):
            await asyncio.sleep(0.02)


async def accepted(rest: Rest, count: int) -> list[str]:
    return [await rest.create("AAPL", "BUY", "1") for _ in range(count)]


async def all_there(rest: Rest, folder: Path, intent_ids: list[str]) -> None:
    """None is lost, none was sent twice."""
    async with asyncio.timeout(_WAIT_S):
        while unresolved(folder):
            await asyncio.sleep(0.05)
    known = {order["intent_id"] for order in await rest.all("orders")}
    assert set(intent_ids) <= known
    assert submitted_twice(folder) == []


@pytest.mark.timeout(120)
async def test_a_daemon_whose_writer_is_killed_ends_and_goes_on_when_it_is_started_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    daemon = Daemon(folder)
    await daemon.start()
    async with Rest(daemon.info) as rest:
        ids = await accepted(rest, 5)
        os.kill(writer_of(daemon), signal.SIGKILL)
        assert await daemon.ended() == 1
        with pytest.raises(httpx2.TransportError):
            await rest.submit(create_command("AAPL", "BUY", "1"))
    assert "store.writer_lost" in daemon.log()
    await daemon.start()
    async with Rest(daemon.info) as rest:
        ids += await accepted(rest, 1)
        await all_there(rest, folder, ids)
    await daemon.stop()


@pytest.mark.timeout(120)
async def test_a_daemon_that_is_killed_while_its_writer_hangs_is_not_followed_too_soon(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    daemon = Daemon(folder)
    await daemon.start()
    writer = writer_of(daemon)
    async with Rest(daemon.info) as rest:
        ids = await accepted(rest, 5)
        os.kill(writer, signal.SIGSTOP)
        hanging = asyncio.create_task(rest.submit(create_command("AAPL", "BUY", "1"), key="k"))
        await asyncio.sleep(0.5)
        assert not hanging.done(), "what is not written is not answered"
        await daemon.kill()
        await asyncio.gather(hanging, return_exceptions=True)
    with (folder / LOCK_NAME).open() as lock, pytest.raises(BlockingIOError):  # two would write one file
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    starting = asyncio.create_task(daemon.start())
    await asyncio.sleep(2.0)
    assert not starting.done()
    os.kill(writer, signal.SIGCONT)
    await starting
    await gone(writer)
    async with Rest(daemon.info) as rest:
        answer = await rest.submit(create_command("AAPL", "BUY", "1"), key="k")
        assert answer.status_code == 201
        await all_there(rest, folder, [*ids, answer.json()["intent_id"]])
        assert len(await rest.all("orders")) == 6, "whatever became of the one without an answer, it is one"
    await daemon.stop()


@pytest.mark.timeout(120)
async def test_signals_for_the_whole_group_end_the_daemon_in_order(tmp_path: Path) -> None:
    """Ctrl-C and a supervisor reach both processes; the writer leaves it to the daemon."""
    folder = tmp_path / "data"
    daemon = Daemon(folder)
    await daemon.start()
    writer = writer_of(daemon)
    async with Rest(daemon.info) as rest:
        ids = await accepted(rest, 2)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(writer, number)
        ids += await accepted(rest, 2)
        assert daemon.process is not None
        for pid in (writer, daemon.process.pid):
            os.kill(pid, signal.SIGTERM)
    assert await daemon.ended() == 0
    await gone(writer)
    await daemon.start(DROPCOPYD_WRITER_PROCESS="false")
    with pytest.raises(ValueError):
        writer_of(daemon)
    async with Rest(daemon.info) as rest:
        await all_there(rest, folder, ids)
    await daemon.stop()
