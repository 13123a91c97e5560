"""Pumped streams against a connection that takes what the test lets it take."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.disconnect import arm_nothing
from dropcopyd.flow.pump import Pump, Pumps
from dropcopyd.flow.quota import StreamQuota
from dropcopyd.flow.streams import Edge, Streams
from dropcopyd.system import RandomIds
from tests.flow.streams import Node, decode, principal, running, subscribe
from tests.store.build import account_id, make_folder

_S = 1_000_000_000
LIMITS = Limits(heartbeat_s=1_000, stall_s=1_000, streams_per_organization=1)
FOREIGN = "00000000-0000-4000-8000-000000000000"


@dataclass
class Connection:
    """Takes bytes when told."""

    unsent_bytes: int = 0
    is_aborted: bool = False

    def abort(self) -> None:
        self.is_aborted = True


@dataclass
class Opened:
    """A pumped stream with its surroundings."""

    node: Node
    streams: Streams
    pumps: Pumps
    connection: Connection
    pump: Pump


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Opened]:
    make_folder(folder)
    async with running(folder, LIMITS) as (node, _), asyncio.TaskGroup() as tasks:

        def spawn(work: Coroutine[Any, Any, None]) -> object:
            return tasks.create_task(work)

        streams = Streams(store=node.store, clock=node.clock, ids=RandomIds(), limits=LIMITS)
        pumps = Pumps(
            quota=StreamQuota(1),
            streams=streams,
            new_session=lambda _: node.listen().session,
            arm=arm_nothing,
            clock=node.clock,
            spawn=spawn,
        )
        connection = Connection()
        with pumps.opened(principal(), connection, Edge.SSE, "peer") as pump:
            yield Opened(node, streams, pumps, connection, pump)


async def heard(pump: Pump, count: int) -> list[str]:
    """The kinds of the first messages."""
    kinds: list[str] = []
    async with asyncio.timeout(20):
        async for segment in pump.segments():
            kinds += [str(event.WhichOneof("event")) for _, event in decode(segment)]
            if len(kinds) >= count:
                return kinds
    raise AssertionError(kinds)


async def test_a_heartbeat_then_the_answer(tmp_path: Path) -> None:
    async with opened(tmp_path) as stream:
        stream.pump.subscribe(subscribe(account_id(1)))
        async with asyncio.timeout(20):
            await stream.pump.answered()
        assert (await heard(stream.pump, 3))[:3] == ["heartbeat", "status", "account_status"]


async def test_a_refusal_is_the_answer_and_the_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as stream:
        stream.pump.subscribe(subscribe(FOREIGN))
        with pytest.raises(DropcopyError) as refused:
            async with asyncio.timeout(20):
                await stream.pump.answered()
        assert refused.value.code is Code.ACCOUNT_NOT_FOUND
        with pytest.raises(DropcopyError):
            await heard(stream.pump, 1)


async def test_a_client_that_takes_a_little_has_not_stalled_and_one_that_takes_nothing_has(tmp_path: Path) -> None:
    async with opened(tmp_path) as stream:
        pump, clock, connection = stream.pump, stream.node.clock, stream.connection

        async def write() -> None:
            connection.unsent_bytes += 1_000

        assert pump.stalled_since_ns is None
        await pump.write(write(), 1_000)
        since_ns = pump.stalled_since_ns
        clock.advance(5)
        await pump.write(write(), 1_000)  # more is waiting, and nothing was taken
        assert pump.stalled_since_ns == since_ns
        connection.unsent_bytes -= 200
        assert pump.stalled_since_ns == clock.monotonic_ns()
        clock.advance(5)
        assert pump.stalled_since_ns == clock.monotonic_ns() - 5 * _S
        connection.unsent_bytes = 0
        assert pump.stalled_since_ns is None


async def test_the_end_interrupts_a_write_that_is_stuck_and_aborts_last_words_that_nobody_takes(tmp_path: Path) -> None:
    async with opened(tmp_path) as stream:
        pump, stuck = stream.pump, asyncio.Event()

        async def write() -> None:
            await stuck.wait()

        writing = asyncio.get_running_loop().create_task(pump.write(write(), 10))
        await asyncio.sleep(0)
        (entry,) = stream.streams.of(principal().organization_id)
        await stream.streams.end(principal(), entry.stream_id)
        async with asyncio.timeout(20):
            await writing
            while not stream.connection.is_aborted:
                await asyncio.sleep(0.01)
        assert pump.is_ended
        with pytest.raises(DropcopyError) as ended:
            await heard(pump, 1)
        assert ended.value.code is Code.STREAM_ENDED


async def test_last_words_that_are_taken_leave_the_connection_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as stream:
        stream.pump.fail(DropcopyError(Code.DRAINING, "bye"))
        stream.pump.close()
        await asyncio.sleep(2.2)  # longer than last words may take
        assert not stream.connection.is_aborted


async def test_a_time_out_of_the_writing_itself_is_not_taken_for_the_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as stream:

        async def write() -> None:
            raise TimeoutError

        with pytest.raises(TimeoutError):
            await stream.pump.write(write(), 1)


async def test_drained_waits_for_what_was_announced(tmp_path: Path) -> None:
    async with opened(tmp_path) as stream:
        written: list[str] = []

        async def write() -> None:
            async for segment in stream.pump.segments():
                written.extend(str(event.WhichOneof("event")) for _, event in decode(segment))

        writing = asyncio.get_running_loop().create_task(write())
        async with asyncio.timeout(20):
            await stream.pump.drained()
            assert written == ["heartbeat"]
            (entry,) = stream.streams.of(principal().organization_id)
            entry.session.announce("bye", "draining")
            await stream.pump.drained()
        assert written == ["heartbeat", "status"]
        writing.cancel()


async def test_the_quota_is_shared_and_the_place_free_at_the_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as stream:
        with pytest.raises(DropcopyError) as refused, stream.pumps.opened(principal(), Connection(), Edge.CONNECT, ""):
            pass
        assert refused.value.code is Code.STREAM_QUOTA_EXCEEDED
        assert len(stream.streams) == 1
