"""A replay keeps the events' own pace, order and bytes; in virtual time, over a real journal."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dropcopyd.domain.event import EventType
from dropcopyd.domain.limits import Limits
from dropcopyd.flow.hub import Feed, Hub
from dropcopyd.flow.replay import Replay
from dropcopyd.observe import Metrics
from dropcopyd.ports import Head
from dropcopyd.simulation import SimulatedClock, VirtualLoop, run_simulated
from dropcopyd.store.past import open_past
from dropcopyd.wire import ProtobufEncoder, ProtobufSessionEncoder, messages_of
from tests.domain.build import SECOND_NS, START_NS
from tests.store.build import ORGANIZATIONS, Announced, Desk, account_id, lives, make_folder, opened

TOLERANCE_S = 1e-3
"""Of virtual time: what sleeping in floats may be late."""


class Ear:
    """A listener that takes everything at once."""

    def __init__(self, hub: Hub, loop: VirtualLoop) -> None:
        self._selection = hub.selection((kind, "", "") for kind in EventType)
        self._loop = loop
        self.heard: list[tuple[float, bytes]] = []

    def note(self, feed: Feed, before: int) -> None:
        segment = feed.segment(before, self._selection, 10**9)
        assert segment is not None
        self.heard += [(self._loop.time(), message) for message in messages_of(segment.frames)]


async def write(folder: Path) -> tuple[list[Desk], Announced]:
    """Two accounts of one organization that traded a while; a second lies between two batches of an account."""
    make_folder(folder, accounts=3)
    desks, told = [Desk(1), Desk(3)], Announced()
    async with opened(folder, told) as store:
        for desk in desks:
            list(lives(desk, 4))
            for batch in desk.play.batches:
                await store.commit(batch)
    return desks, told


def batches_of(desks: list[Desk]) -> Iterator[tuple[int, int, int]]:
    """(time, account, events) of each batch."""
    for desk in desks:
        for batch in desk.play.batches:
            yield batch.at_ns, desk.number, len(batch.events)


async def play(
    loop: VirtualLoop, folder: Path, accounts: list[int], *, begin_after_s: float = 0.0, **wish: Any
) -> tuple[list[tuple[float, bytes]], Replay, int]:
    """What a replay said and when, itself, and how many events it had announced."""
    encoder, clock, limits = ProtobufEncoder(), SimulatedClock(loop, START_NS), Limits()
    hub = Hub(ProtobufSessionEncoder(encoder), limits, Metrics())
    store, past = open_past(folder, encoder=encoder, clock=clock, limits=limits, head_of=lambda _: Head(0, 0))
    ear = Ear(hub, loop)
    hub.listen_organization(ORGANIZATIONS[0], ear)
    try:
        replay = Replay(past=past, hub=hub, clock=clock, **wish)
        count = await replay.open([account_id(number) for number in accounts], [])
        loop.call_later(begin_after_s, replay.begin)
        await replay.run()
    finally:
        await past.close()
        await store.close()
    return ear.heard, replay, count


@pytest.mark.parametrize("speed", [1, 2.5, 1_000])
def test_each_event_comes_when_it_is_due(tmp_path: Path, speed: float) -> None:
    async def main(loop: VirtualLoop) -> None:
        desks, told = await write(tmp_path)
        heard, replay, count = await play(loop, tmp_path, [1, 3], speed=speed, to_ns=2**62, begin_after_s=7)
        assert count == len(heard) == len(told.events) == replay.published_count
        for desk in desks:
            mine = [event.payload for event in told.of(desk.number)]
            assert [payload for _, payload in heard if payload in set(mine)] == mine
        due = sorted(batches_of(desks))
        origin_ns = due[0][0]
        expected = [7 + (at_ns - origin_ns) / speed / 1e9 for at_ns, _, events in due for _ in range(events)]
        for (at_s, _), due_s in zip(heard, expected, strict=True):
            assert due_s <= at_s + TOLERANCE_S
            assert at_s <= due_s + TOLERANCE_S
        for number in (1, 3):
            last = told.of(number)[-1]
            assert replay.head_of(account_id(number)) == Head(last.sequence, last.chain)

    run_simulated(main)


def test_a_stretch_has_its_begin_and_not_its_end(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        desks, told = await write(tmp_path)
        from_ns, to_ns = START_NS + 5 * SECOND_NS, START_NS + 20 * SECOND_NS
        heard, replay, count = await play(loop, tmp_path, [1], speed=1, from_ns=from_ns, to_ns=to_ns)
        inside = [batch for batch in desks[0].play.batches if from_ns <= batch.at_ns < to_ns]
        before = sum(len(batch.events) for batch in desks[0].play.batches if batch.at_ns < from_ns)
        events = told.of(1)[before : before + count]
        assert [payload for _, payload in heard] == [event.payload for event in events]
        assert count == sum(len(batch.events) for batch in inside) > 0
        assert heard[0][0] == pytest.approx((inside[0].at_ns - from_ns) / 1e9, abs=TOLERANCE_S)
        assert replay.head_of(account_id(1)).sequence == before + count

    run_simulated(main)


def test_nothing_comes_before_somebody_listens(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        await write(tmp_path)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3_600):
                await play(loop, tmp_path, [1], speed=1_000, to_ns=2**62, begin_after_s=7_200)

    run_simulated(main)


def test_an_empty_stretch_is_over_at_once(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        await write(tmp_path)
        heard, _, count = await play(loop, tmp_path, [1], speed=1, from_ns=2**61, to_ns=2**62)
        assert (heard, count) == ([], 0)

    run_simulated(main)
