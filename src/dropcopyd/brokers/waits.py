"""Waiting for the broker's own clock: latencies pass when that clock says so, in order, at whatever speed it runs."""

import asyncio
from heapq import heappop, heappush

from dropcopyd.ports import Clock


class Waits:
    """Who waits for what time. `release` lets go whoever is due; whoever moves the market calls it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self.added = asyncio.Event()
        """Set whenever somebody begins to wait: the next release may be due earlier than thought."""

    async def until(self, due_ns: int) -> None:
        """Wait for the clock. Those who wait for the same time go on in the order in which they came."""
        if due_ns <= self._clock.now_ns() and not self._waiting:
            return
        self._count += 1
        future = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (due_ns, self._count, future))
        self.added.set()
        await future

    def release(self) -> int:
        """Let go whoever is due by now; returns how many still wait."""
        now_ns = self._clock.now_ns()
        while self._waiting and self._waiting[0][0] <= now_ns:
            _, _, future = heappop(self._waiting)
            if not future.done():
                future.set_result(None)
        return len(self._waiting)

    def next_due_ns(self) -> int | None:
        """When the next one is due; None when nobody waits."""
        return self._waiting[0][0] if self._waiting else None
