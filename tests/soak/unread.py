"""Events past a reader that does not read: the gateway's memory stays flat, the reader is cut and loses nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from dropcopy import proto as pb
from tests.soak.gateway import Gateway, running, two_organizations
from tests.support.peer import Call, EndedError, Peer, header_block

_CACHE_BYTES = 4 * 1024 * 1024
"""Small, so that the caches are full before the measurement begins."""
_SAMPLE_S = 0.02
_WAIT_S = 300.0


@dataclass
class Reader:
    """One stream of the account's orders, which checks that sequences follow each other."""

    sequence: int = 0
    epoch: str = ""
    outcomes: list[int] = field(default_factory=list)

    def take(self, raw: bytes) -> None:
        event = pb.TradingEvent.FromString(raw)
        if event.sequence:
            assert event.sequence == self.sequence + 1, f"{event.sequence} after {self.sequence}"
            self.sequence = event.sequence
        elif event.WhichOneof("event") == "status":
            self.epoch = event.status.epoch
            self.outcomes += [answer.outcome for answer in event.status.resumes]
            if self.outcomes == [pb.RESUME_OUTCOME_LIVE]:
                self.sequence = event.status.head

    def open(self, peer: Peer, gateway: Gateway, *resume: pb.Cursor) -> Call:
        member = gateway.members[0]
        kinds = [number for number in pb.EventType.values() if number]
        subscribe = pb.Subscribe(trading_account_id=member.account_ids[0], subscriptions=kinds, resume=resume)
        block = header_block(pb.STREAM_EVENTS_PATH, x_api_key=member.api_key)
        return peer.open(block, self.take, pb.StreamEventsRequest(subscribe=subscribe).SerializeToString())


@dataclass
class Memory:
    """The greatest memory of the gateway's process that was seen."""

    begin_bytes: int
    peak_bytes: int = 0

    @property
    def growth_bytes(self) -> int:
        return self.peak_bytes - self.begin_bytes


@asynccontextmanager
async def watched(gateway: Gateway, begin_bytes: int) -> AsyncIterator[Memory]:
    """Look at the memory all the while."""
    memory = Memory(begin_bytes, gateway.resident_bytes)

    async def watch() -> None:
        while True:
            memory.peak_bytes = max(memory.peak_bytes, gateway.resident_bytes)
            await asyncio.sleep(_SAMPLE_S)

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        try:
            yield memory
        finally:
            watching.cancel()


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run showed."""

    events: int
    begin_bytes: int
    passing_bytes: int
    """Growth while the events passed the reader that did not read."""
    catch_up_bytes: int
    """Growth while it caught up."""
    passing_s: float
    unread_s: float
    """From the last event until it was cut."""
    catch_up_s: float
    unread_events: int
    """What it had not taken when it was cut."""

    def __str__(self) -> str:
        mib = 1024 * 1024
        return (
            f"{self.events:,} events in {self.passing_s:.1f} s past a reader that does not read\n"
            f"memory of the gateway: {self.begin_bytes / mib:.1f} MiB before, {self.passing_bytes / mib:+.1f} MiB while"
            f" they passed, {self.catch_up_bytes / mib:+.1f} MiB while it caught up\n"
            f"cut {self.unread_s:.1f} s after the last event with its cursor, {self.unread_events:,} events behind;"
            f" resumed and complete in {self.catch_up_s:.1f} s"
        )


async def run(folder: Path, events: int, stall_s: float, warm_up: int) -> Figures:
    """One run; `warm_up` events come before and are read once: rings and caches are as full as they get.

    Raises AssertionError when an event is missing or comes twice.
    """
    members = two_organizations(folder, accounts=2)
    async with running(folder, members, stall_s=stall_s, heartbeat_s=1.0, page_cache_bytes=_CACHE_BYTES) as gateway:
        healthy, slow = Reader(), Reader()
        beside = healthy.open(await Peer.connect(gateway.grpc), gateway)
        await beside.until(lambda: healthy.epoch)
        await gateway.burst(1, warm_up)
        await _reaches(beside, healthy, gateway)
        await _read_all(gateway, healthy.epoch)
        call = slow.open(await Peer.connect(gateway.grpc), gateway)
        await call.until(lambda: slow.epoch)
        call.stall()
        begin_bytes, begin_s = gateway.resident_bytes, time.monotonic()
        async with watched(gateway, begin_bytes) as passing:
            await gateway.burst(1, events)
            passed_s = time.monotonic()
            assert not call.is_over, "the reader was cut before all events had passed: a longer stall_s is needed"
            cursor = await _cut(call)
            cut_s = time.monotonic()
            await _reaches(beside, healthy, gateway)
        unread = gateway.heads()[cursor.account_id] - slow.sequence
        assert cursor.sequence <= slow.sequence
        cursor.sequence = slow.sequence
        async with watched(gateway, begin_bytes) as catching_up:
            resumed_s = time.monotonic()
            call = slow.open(await Peer.connect(gateway.grpc, window=1024 * 1024), gateway, cursor)
            await _reaches(call, slow, gateway)
            complete_s = time.monotonic()
        assert slow.outcomes[-1] == pb.RESUME_OUTCOME_RESUMED
        assert not beside.is_over
    return Figures(
        events=events,
        begin_bytes=begin_bytes,
        passing_bytes=passing.growth_bytes,
        catch_up_bytes=catching_up.growth_bytes,
        passing_s=passed_s - begin_s,
        unread_s=cut_s - passed_s,
        catch_up_s=complete_s - resumed_s,
        unread_events=unread,
    )


async def _read_all(gateway: Gateway, epoch: str) -> None:
    """Resume from the beginning, as the slow reader will from its cursor."""
    member = gateway.members[0]
    reader, peer = Reader(), await Peer.connect(gateway.grpc, window=1024 * 1024)
    call = reader.open(peer, gateway, pb.Cursor(account_id=member.account_ids[0], epoch=epoch))
    await _reaches(call, reader, gateway)
    peer.abort()


async def _reaches(call: Call, reader: Reader, gateway: Gateway) -> None:
    head = gateway.heads()[gateway.members[0].account_ids[0]]
    await call.until(lambda: reader.sequence == head, f"event {head}", _WAIT_S)


async def _cut(call: Call) -> pb.Cursor:
    """Wait until the gateway ends the call; the cursor in its trailer."""
    with suppress(EndedError):
        await call.until(lambda: False, "the cut", _WAIT_S)
    assert call.trailers is not None
    assert call.trailers["dropcopy-code"] == "stream_stalled", call.trailers
    account_id, place = call.trailers["dropcopy-cursor"].split(" ")
    epoch, _, sequence = place.rpartition(":")
    return pb.Cursor(account_id=account_id, epoch=epoch, sequence=int(sequence))
