"""When woken connections are served: at the end of the turn, or by the flush timer."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from dropcopyd.rpc.fanout import Fanout, Lane
from tests.rpc.peers import limits


class _Lane:
    """Notes that it was served."""

    def __init__(self, served: list[int], number: int, then: Callable[[], None] = lambda: None) -> None:
        self._served = served
        self._number = number
        self._then = then

    def flush(self) -> None:
        self._served.append(self._number)
        self._then()


async def _fanout(flush_delay_ms: float) -> Fanout:
    return Fanout(limits(flush_delay_ms=flush_delay_ms), lambda: 0, cast("asyncio.TaskGroup", None))


def _lane(*arguments: Any) -> Lane:
    return cast("Lane", _Lane(*arguments))


async def test_without_a_timer_a_woken_lane_is_served_in_the_next_turn() -> None:
    fanout = await _fanout(0)
    served: list[int] = []
    fanout.schedule(_lane(served, 1))
    assert not served
    await asyncio.sleep(0)
    assert served == [1]


async def test_with_a_timer_it_waits_for_it() -> None:
    fanout = await _fanout(20)
    served: list[int] = []
    fanout.schedule(_lane(served, 1))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not served
    fanout.schedule(_lane(served, 2))
    async with asyncio.timeout(10):
        while len(served) < 2:
            await asyncio.sleep(0.01)
    assert served == [1, 2]


async def test_what_is_woken_during_a_round_waits_for_the_next_one() -> None:
    """Otherwise a busy server would never come to its timer: each slice would find new lanes."""
    fanout = await _fanout(1)
    served: list[int] = []
    again = _lane(served, -1)
    fanout.schedule(_lane(served, 0, lambda: fanout.schedule(again)))
    for number in range(1, 200):
        fanout.schedule(_lane(served, number))
    async with asyncio.timeout(10):
        while -1 not in served:
            await asyncio.sleep(0.001)
    assert served == [*range(200), -1]
