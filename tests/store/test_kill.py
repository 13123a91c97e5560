"""kill -9 of a process that commits: what was answered is there, nothing is there in half, and it goes on."""

import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from dropcopyd.store import migrate
from tests.store.build import account_id, make_folder, opened
from tests.store.journal import verify

DATABASE = "dropcopy.db"


def run_until_killed(folder: Path, point: str, answers: int) -> dict[int, list[str]]:
    """What it said was answered. Without a point the parent kills it after so many answers."""
    answered: dict[int, list[str]] = defaultdict(list)
    command = [sys.executable, "-m", "tests.store.writing", str(folder), point]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            for line in process.stdout:
                if not line.endswith("\n"):
                    break  # it was killed in the middle of saying so
                number, broker_command_id = line.split()
                answered[int(number)].append(broker_command_id)
                if not point and sum(map(len, answered.values())) == answers:
                    process.kill()
        finally:
            process.kill()
        process.wait(30)
    assert process.returncode == -signal.SIGKILL
    return answered


async def check(folder: Path, answered: dict[int, list[str]]) -> None:
    async with opened(folder) as store:
        for number in (1, 2):
            rows = verify(folder / DATABASE, account_id(number))
            state = await store.load_account(account_id(number), 0)
            assert len(rows) == 2 * len(state.chains), "whole batches only"
            assert set(answered[number]) <= state.command_ids.keys(), "answered and lost"


@pytest.mark.parametrize("point", ["store.commit.before:4", "store.commit.after:4"])
async def test_killed_at_a_commit_point_again_and_again(tmp_path: Path, point: str) -> None:
    make_folder(tmp_path)
    everything: dict[int, list[str]] = defaultdict(list)
    for _ in range(3):
        for number, names in run_until_killed(tmp_path, point, 0).items():
            assert not set(names) & set(everything[number]), "an id was used twice"
            everything[number] += names
        await check(tmp_path, everything)
    assert sum(map(len, everything.values())) > 0


@pytest.mark.parametrize("answers", [1, 7, 60, 333])
async def test_killed_at_some_moment(tmp_path: Path, answers: int) -> None:
    make_folder(tmp_path)
    answered = run_until_killed(tmp_path, "", answers)
    await check(tmp_path, answered)


async def test_killed_before_the_first_commit_nothing_is_there(tmp_path: Path) -> None:
    make_folder(tmp_path)
    assert run_until_killed(tmp_path, "store.commit.before:1", 0) == {}
    assert verify(tmp_path / DATABASE, account_id(1)) == []
    migrate.hold_folder(tmp_path).close()


async def test_killed_after_the_first_commit_it_is_there_unanswered(tmp_path: Path) -> None:
    make_folder(tmp_path)
    assert run_until_killed(tmp_path, "store.commit.after:1", 0) == {}
    committed = [len(verify(tmp_path / DATABASE, account_id(number))) for number in (1, 2)]
    assert sum(committed) > 0
