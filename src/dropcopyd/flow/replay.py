"""A past stretch of the journal, published again: the same events in the same order, at a multiple of their own pace.

The replay's time stands still until `begin`: then it runs, `speed` times as fast as the clock. Streams find each
account where the replay is (`head_of`), and what is published goes on from there, as it did.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dropcopyd.flow.hub import Hub
from dropcopyd.ports import Clock, Committed, Head, PastJournal

_NS: Final = 1_000_000_000
_PAGE_EVENTS: Final = 512
_GROUP_EVENTS: Final = 512
"""Events that are published in one turn of the loop, when many are due."""


@dataclass(slots=True)
class _Line:
    """One account's events that are still to come."""

    account_id: str
    read_to: int
    last: int
    waiting: deque[tuple[int, Committed]] = field(default_factory=deque)


class Replay:
    """The events of some accounts from `from_ns` on (None: from the first) and before `to_ns`."""

    def __init__(
        self,
        *,
        past: PastJournal,
        hub: Hub,
        clock: Clock,
        speed: float,
        from_ns: int | None = None,
        to_ns: int,
    ) -> None:
        self._past = past
        self._hub = hub
        self._clock = clock
        self._speed = speed
        self._from_ns = from_ns
        self._to_ns = to_ns
        self._begun = asyncio.Event()
        self._heads: dict[str, Head] = {}
        self._lines: list[_Line] = []
        self.published_count = 0

    async def open(self, replayed: Sequence[str], others: Sequence[str]) -> int:
        """Find where each account stands at the begin; the number of events to come. `others` stand still there."""
        begin_ns = 0 if self._from_ns is None else self._from_ns
        for account_id in (*replayed, *others):
            self._heads[account_id] = await self._past.head_before(account_id, begin_ns)
        for account_id in replayed:
            first = self._heads[account_id].sequence
            last = max(first, (await self._past.head_before(account_id, self._to_ns)).sequence)
            self._lines.append(_Line(account_id, first, last))
        return sum(line.last - line.read_to for line in self._lines)

    def head_of(self, account_id: str) -> Head:
        """Where the replay is in an account. Safe in any thread."""
        return self._heads.get(account_id, Head(0, 0))

    @property
    def heads(self) -> Mapping[str, Head]:
        """The same for all accounts."""
        return self._heads

    def begin(self) -> None:
        """Let time run; again is fine."""
        self._begun.set()

    async def run(self) -> None:
        """Publish all, each event when it is due, once begun."""
        await self._begun.wait()
        heap: list[tuple[int, int, _Line]] = []
        for index, line in enumerate(self._lines):
            await self._push(heap, index, line)
        if not heap:
            return
        origin_ns = heap[0][0] if self._from_ns is None else self._from_ns
        begun_ns = self._clock.monotonic_ns()
        while heap:
            passed_ns = (self._clock.monotonic_ns() - begun_ns) * self._speed
            wait_ns = (heap[0][0] - origin_ns - passed_ns) / self._speed
            if wait_ns > 0:
                await asyncio.sleep(wait_ns / _NS)
                continue
            await self._publish_due(heap, origin_ns + int(passed_ns))
            await asyncio.sleep(0)

    async def _publish_due(self, heap: list[tuple[int, int, _Line]], now_ns: int) -> None:
        """What is due by now, in the order of time, up to a group."""
        group: list[Committed] = []
        while heap and heap[0][0] <= now_ns and len(group) < _GROUP_EVENTS:
            _, index, line = heapq.heappop(heap)
            group.append(line.waiting.popleft()[1])
            await self._push(heap, index, line)
        for event in group:
            oldest = self._heads[event.account_id].oldest
            self._heads[event.account_id] = Head(event.sequence, event.chain, oldest)
        self.published_count += len(group)
        self._hub.publish(group)

    async def _push(self, heap: list[tuple[int, int, _Line]], index: int, line: _Line) -> None:
        """Put an account's next event among those that wait."""
        if not line.waiting and line.read_to < line.last:
            found = await self._past.events(line.account_id, line.read_to, line.last, _PAGE_EVENTS)
            line.waiting.extend(found)
            line.read_to = found[-1][1].sequence if found else line.last
        if line.waiting:
            heapq.heappush(heap, (line.waiting[0][0], index, line))
