"""Ten thousand streams on which nothing happens: what each holds, what their heartbeats cost, and how many come back.

A hundred organizations with a hundred streams each, every stream on a connection of its own. Then many clients vanish,
their accounts live on, and all of them come back in the same moment with their cursors.
"""

import asyncio
import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dropcopy import proto as pb
from tests.soak.gateway import Gateway, Member, many_organizations, running
from tests.support.peer import Call, EndedError, Peer, connect_many, header_block

_MISSED_EACH = 3
_RETRY_S = 0.05
_WAIT_S = 120.0
_SPARE_FILES = 500


@dataclass
class IdleClient:
    """One stream of one account, on a connection of its own."""

    member: Member
    peer: Peer
    call: Call | None = None
    heartbeats: int = 0
    cursor: pb.Cursor | None = None
    outcome: int = 0
    sequences: tuple[int, ...] = ()
    retries: int = 0

    def open(self) -> Call:
        """Begin the stream; resumed where the client is."""
        resume = [] if self.cursor is None else [self.cursor]
        subscribe = pb.Subscribe(
            trading_account_id=self.member.account_ids[0],
            subscriptions=[pb.EVENT_TYPE_BROKER_ORDER, pb.EVENT_TYPE_BROKER_POSITION, pb.EVENT_TYPE_BROKER_TRADE],
            order_delivery=pb.ORDER_DELIVERY_PRIMED,
            resume=resume,
        )
        block = header_block(pb.STREAM_EVENTS_PATH, x_api_key=self.member.api_key)
        self.outcome = 0
        request = pb.StreamEventsRequest(subscribe=subscribe).SerializeToString()
        self.call = self.peer.open(block, self.take, request)
        return self.call

    def take(self, raw: bytes) -> None:
        """A message: few ever come."""
        event = pb.TradingEvent.FromString(raw)
        kind = event.WhichOneof("event")
        if kind == "heartbeat":
            self.heartbeats += 1
            for head in event.heartbeat.heads:
                self.cursor = pb.Cursor(
                    account_id=head.account_id, epoch=head.epoch, sequence=head.sequence, chain=head.chain
                )
        elif kind == "status":
            self.outcome = event.status.resumes[0].outcome if event.status.resumes else self.outcome
        elif event.sequence:
            self.sequences += (event.sequence,)

    async def attached(self) -> None:
        """Until the Subscribe is confirmed."""
        assert self.call is not None
        await self.call.until(lambda: self.outcome, "the confirmation", _WAIT_S)

    async def come_back(self, target: str) -> None:
        """Reconnect and resume; tried again while the place of the lost stream is not free yet."""
        while True:
            self.peer = await Peer.connect(target)
            try:
                self.open()
                await self.attached()
            except EndedError:
                assert self.call is not None
                assert (self.call.trailers or {}).get("dropcopy-code") == "stream_quota_exceeded", self.call.trailers
                self.peer.abort()
                self.retries += 1
                await asyncio.sleep(_RETRY_S)
            else:
                return


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run showed."""

    streams: int
    organizations: int
    begin_bytes: int
    open_bytes: int
    attach_s: float
    beats: int
    beat_cpu_s: float
    watched_s: float
    back_s: tuple[float, ...]
    retries: int

    def __str__(self) -> str:
        kib = 1024
        each = (self.open_bytes - self.begin_bytes) / self.streams / kib
        back = sorted(self.back_s)
        cuts = statistics.quantiles(back, n=100) if len(back) > 1 else back * 99
        share, beat_us = 100 * self.beat_cpu_s / self.watched_s, 1e6 * self.beat_cpu_s / self.beats
        return (
            f"{self.streams:,} idle streams of {self.organizations} organizations, each on a connection of its own\n"
            f"memory: {self.begin_bytes / kib / kib:.1f} MiB before, {self.open_bytes / kib / kib:.1f} MiB with all:"
            f" {each:.1f} KiB per stream; all attached in {self.attach_s:.1f} s\n"
            f"heartbeats: {self.beats:,} in {self.watched_s:.1f} s for {self.beat_cpu_s:.2f} s of CPU:"
            f" {share:.1f}% of a core, {beat_us:.0f} us each\n"
            f"{len(back):,} clients come back at once and have all they missed: p50 {cuts[49]:.2f} s,"
            f" p90 {cuts[89]:.2f} s, p99 {cuts[98]:.2f} s, last {back[-1]:.2f} s; {self.retries} had to try again"
        )


def allow_files(count: int) -> None:
    """Raise this process's limit of open files. Raises AssertionError when the hard one is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _SPARE_FILES
    assert hard == resource.RLIM_INFINITY or hard >= wanted, f"{wanted} open files are needed: ulimit -Hn says {hard}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


async def run(folder: Path, *, organizations: int, each: int, returning: int, heartbeat_s: float) -> Figures:
    """One run. Raises AssertionError when a stream is refused, a resume is none, or an event is missing."""
    allow_files(organizations * each)
    members = many_organizations(folder, organizations)
    async with running(folder, members, heartbeat_s=heartbeat_s, streams_per_organization=each) as gateway:
        begin_bytes, begin_s = gateway.resident_bytes, time.monotonic()
        clients = await _open(gateway, members, each)
        attach_s = time.monotonic() - begin_s
        await _refused(gateway, members[0])
        await asyncio.sleep(heartbeat_s)
        beats, cpu_s, from_s = sum(client.heartbeats for client in clients), gateway.cpu_s, time.monotonic()
        await asyncio.sleep(3 * heartbeat_s)
        beats = sum(client.heartbeats for client in clients) - beats
        beat_cpu_s, watched_s = gateway.cpu_s - cpu_s, time.monotonic() - from_s
        open_bytes = gateway.resident_bytes
        back_s = await _vanish_and_return(gateway, clients[:: len(clients) // returning][:returning])
        assert all(client.call is not None and not client.call.is_over for client in clients)
    return Figures(
        streams=len(clients),
        organizations=organizations,
        begin_bytes=begin_bytes,
        open_bytes=open_bytes,
        attach_s=attach_s,
        beats=beats,
        beat_cpu_s=beat_cpu_s,
        watched_s=watched_s,
        back_s=back_s,
        retries=sum(client.retries for client in clients),
    )


async def _open(gateway: Gateway, members: Sequence[Member], each: int) -> list[IdleClient]:
    peers = await connect_many(gateway.grpc, len(members) * each)
    clients = [IdleClient(members[place % len(members)], peer) for place, peer in enumerate(peers)]
    for client in clients:
        client.open()
    for client in clients:
        await client.attached()
    return clients


async def _refused(gateway: Gateway, member: Member) -> None:
    """One stream more than the quota."""
    client = IdleClient(member, await Peer.connect(gateway.grpc))
    try:
        client.open()
        await client.attached()
    except EndedError:
        assert client.call is not None
        assert client.call.trailers is not None
        assert client.call.trailers["dropcopy-code"] == "stream_quota_exceeded"
    else:
        raise AssertionError("a stream above the quota was opened")
    finally:
        client.peer.abort()


async def _vanish_and_return(gateway: Gateway, clients: Sequence[IdleClient]) -> tuple[float, ...]:
    """All of them go, their accounts live on, all of them come back: how long each took until it had everything."""
    for client in clients:
        assert client.cursor is not None, "a client has had no heartbeat yet"
        client.peer.abort()
        client.sequences = ()
    for number in sorted({gateway.members.index(client.member) + 1 for client in clients}):
        await gateway.burst(number, _MISSED_EACH)
    begin_s = time.monotonic()

    async def back(client: IdleClient) -> float:
        assert client.cursor is not None
        missed = client.cursor.sequence
        await client.come_back(gateway.grpc)
        assert client.outcome == pb.RESUME_OUTCOME_RESUMED
        call = client.call
        assert call is not None
        await call.until(lambda: len(client.sequences) == _MISSED_EACH, "what was missed", _WAIT_S)
        assert client.sequences == tuple(range(missed + 1, missed + 1 + _MISSED_EACH)), client.sequences
        return time.monotonic() - begin_s

    return tuple(await asyncio.gather(*(back(client) for client in clients)))
