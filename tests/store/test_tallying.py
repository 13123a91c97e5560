"""Figures are the same however much of them waits to be taken into the sums, over restarts and failures too."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from dropcopyd.domain.event import Batch
from dropcopyd.errors import StoreError
from dropcopyd.store import keeping, tallying
from dropcopyd.store.migrate import DATABASE_NAME
from tests.domain.build import START_NS
from tests.doubles import ManualClock
from tests.store.build import Desk, account_id, lives, make_folder, opened
from tests.store.figures import Figures, figures


def waiting(folder: Path) -> list[tuple[int, str]]:
    """(account, symbol) of each row that waits."""
    with sqlite3.connect(folder / DATABASE_NAME) as connection:
        return connection.execute("SELECT account, symbol FROM gains ORDER BY number").fetchall()


def day(desks: int = 2) -> list[Batch]:
    """Accounts that take turns."""
    ours = [Desk(number + 1) for number in range(desks)]
    for desk in ours:
        list(lives(desk, 7))
    plays = [desk.play.batches for desk in ours]
    return [batch for turn in zip(*plays, strict=False) for batch in turn]


async def commit(folder: Path, batches: list[Batch]) -> None:
    async with opened(folder, clock=ManualClock(START_NS)) as store:
        for batch in batches:
            await store.commit(batch)


async def expected(folder: Path, monkeypatch: pytest.MonkeyPatch, batches: list[Batch]) -> dict[str, Figures]:
    """With every gain in the sums at once."""
    monkeypatch.setattr(tallying, "GAINS_MAX", 0)
    make_folder(folder)
    await commit(folder, batches)
    assert not waiting(folder)
    return {grain: figures(folder, grain) for grain in "HD"}


@pytest.mark.parametrize("most", [1, 6, 40, 1_024])
async def test_what_waits_is_bounded_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    batches = day()
    wanted = await expected(tmp_path / "at once", monkeypatch, batches)
    monkeypatch.setattr(tallying, "GAINS_MAX", most)
    make_folder(tmp_path)
    async with opened(tmp_path) as store:
        for batch in batches:
            await store.commit(batch)
            assert len(waiting(tmp_path)) <= most
    assert len(waiting(tmp_path)) > 0
    assert {grain: figures(tmp_path, grain) for grain in "HD"} == wanted


@pytest.mark.parametrize("most", [6, 1_024])
async def test_a_restart_goes_on_with_what_waited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    batches = day()
    wanted = await expected(tmp_path / "at once", monkeypatch, batches)
    monkeypatch.setattr(tallying, "GAINS_MAX", most)
    make_folder(tmp_path)
    for first in range(0, len(batches), 9):
        await commit(tmp_path, batches[first : first + 9])
        assert 0 < len(waiting(tmp_path)) <= most
    assert {grain: figures(tmp_path, grain) for grain in "HD"} == wanted


@pytest.mark.parametrize("most", [0, 6, 1_024])
async def test_what_failed_counts_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    batches = day()
    wanted = await expected(tmp_path / "at once", monkeypatch, batches)
    monkeypatch.setattr(tallying, "GAINS_MAX", most)
    make_folder(tmp_path, accounts=3)
    third = Desk(3)
    bad = [third.create_batch("key"), third.create_batch("key")]
    async with opened(tmp_path) as store:
        await store.commit(bad[0])
        for batch in batches:
            await store.commit(batch)
            with pytest.raises(StoreError):
                await store.commit(bad[1])
            await store.readmit(account_id(3))
    for grain in "HD":
        found = figures(tmp_path, grain)
        assert [counts["orders"] for place, counts in found.items() if place[0] == 3] == [1]
        assert {place: counts for place, counts in found.items() if place[0] != 3} == wanted[grain]


class EverySecondFails:
    """A transaction that was written and cannot be committed."""

    def __init__(self) -> None:
        self.count = 0

    def reached(self, point: str) -> None:
        if point == "store.commit.before":
            self.count += 1
            if self.count % 2:
                raise OSError("the disk had a moment")


@pytest.mark.parametrize("most", [0, 6, 1_024])
async def test_what_was_rolled_back_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    batches = day()
    wanted = await expected(tmp_path / "at once", monkeypatch, batches)
    monkeypatch.setattr(tallying, "GAINS_MAX", most)
    make_folder(tmp_path)
    async with opened(tmp_path, failpoints=EverySecondFails()) as store:
        for batch in batches:
            await store.commit(batch)  # each is tried again by itself
    assert {grain: figures(tmp_path, grain) for grain in "HD"} == wanted


@pytest.mark.parametrize("size", [1, 7, 1_000])
async def test_what_is_not_remembered_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """In groups, too, where a command changes more than once in a transaction."""
    batches = day()
    wanted = await expected(tmp_path / "at once", monkeypatch, batches)
    monkeypatch.setattr(keeping, "_REMEMBERED_MAX", 0)
    monkeypatch.setattr(tallying, "_REMEMBERED_MAX", 1)
    monkeypatch.setattr(tallying, "GAINS_MAX", 6)
    make_folder(tmp_path)
    async with opened(tmp_path) as store:
        for first in range(0, len(batches), size):
            await asyncio.gather(*map(store.commit, batches[first : first + size]))
    assert {grain: figures(tmp_path, grain) for grain in "HD"} == wanted


async def test_what_has_waited_longest_is_taken_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallying, "GAINS_MAX", 8)
    make_folder(tmp_path)
    quiet, busy = Desk(1), Desk(2)
    await commit(tmp_path, [quiet.create_batch()])
    async with opened(tmp_path) as store:
        for _ in range(7):
            await store.commit(busy.create_batch())
        assert [number for number, _ in waiting(tmp_path)] == [1, *[2] * 7]
        await store.commit(busy.create_batch())
        assert [number for number, _ in waiting(tmp_path)] == [2] * 8
        await store.commit(busy.create_batch())
        assert waiting(tmp_path) == [], "all of a place goes into the sums at once"


async def test_settled_nothing_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = day()
    wanted = await expected(tmp_path / "at once", monkeypatch, batches)
    monkeypatch.setattr(tallying, "GAINS_MAX", 30)
    make_folder(tmp_path)
    await commit(tmp_path, batches[:40])
    with sqlite3.connect(tmp_path / DATABASE_NAME) as connection:
        tallying.Tallies(connection).settle()
    assert not waiting(tmp_path)
    await commit(tmp_path, batches[40:])
    assert {grain: figures(tmp_path, grain) for grain in "HD"} == wanted
