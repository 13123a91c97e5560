"""Sessions over a real store, without sockets: frames are pulled and read as an edge would."""

import asyncio
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dropcopy import proto as pb
from dropcopyd.domain.account import Principal, Scope
from dropcopyd.domain.event import EventType
from dropcopyd.domain.limits import Limits
from dropcopyd.flow.access import Access
from dropcopyd.flow.hub import Hub
from dropcopyd.flow.session import CursorRequest, Session, SubscribeRequest
from dropcopyd.observe import Metrics
from dropcopyd.ports import Committed, Store
from dropcopyd.store.sqlite import SqliteStore
from dropcopyd.wire import ProtobufEncoder, ProtobufSessionEncoder
from tests.domain.build import START_NS
from tests.doubles import ManualClock
from tests.store.build import ORGANIZATIONS, opened

ALL = frozenset(EventType)
ORDERS = frozenset({EventType.BROKER_ORDER})
TRADES = frozenset({EventType.BROKER_TRADE})


def principal(organization: int = 0) -> Principal:
    return Principal(ORGANIZATIONS[organization], "k", frozenset(Scope))


def decode(frames: bytes) -> list[tuple[bytes, pb.TradingEvent]]:
    """Whole messages, each with its bytes as they came."""
    messages = []
    while frames:
        compressed, size = struct.unpack(">BI", frames[:5])
        assert compressed == 0
        assert len(frames) >= 5 + size, "a message was cut"
        messages.append((frames[5 : 5 + size], pb.TradingEvent.FromString(frames[5 : 5 + size])))
        frames = frames[5 + size :]
    return messages


def what(event: pb.TradingEvent) -> str:
    """A message in a word or two, to tell the order of a stream at a glance."""
    kind = str(event.WhichOneof("event"))
    if kind == "primed":
        return f"primed {pb.EventType.Name(event.primed.event_type).removeprefix('EVENT_TYPE_').lower()}"
    if kind == "status":
        return event.status.message
    if kind == "error":
        return f"error {event.error.code}"
    if kind == "heartbeat" or event.sequence:
        return kind if kind == "heartbeat" else f"{event.sequence} {kind}"
    return f"state {kind}"


@dataclass
class Listening:
    """One session with everything that was pulled from it."""

    session: Session
    heard: list[tuple[bytes, pb.TradingEvent]] = field(default_factory=list)
    wakes: int = 0

    def pull(self, budget_bytes: int = 65_536) -> int:
        """One pull; how many messages it brought."""
        messages = decode(self.session.pull(budget_bytes))
        self.heard += messages
        return len(messages)

    async def drain(self) -> "Listening":
        """Pull until nothing comes any more, while background work goes on."""
        async with asyncio.timeout(30):
            idle = 0
            while idle < 5 or self._is_catching_up:
                idle = 0 if self.pull() else idle + 1
                await asyncio.sleep(0.001 if idle else 0)
        return self

    @property
    def _is_catching_up(self) -> bool:
        return any(track.is_held for track in self.session._delivery.tracks.values())

    async def reach(self, places: Callable[[], dict[str, int]]) -> "Listening":
        """Pull until the session's cursors have come to these places and nothing is left."""
        async with asyncio.timeout(20):
            while dict(self.session.cursors()) != places():
                self.pull()
                await asyncio.sleep(0)
        while self.pull():
            pass
        return self

    async def hear(self, wanted: int) -> "Listening":
        """Pull until so many journal events have come."""
        async with asyncio.timeout(30):
            while len(self.events) < wanted:
                self.pull()
                await asyncio.sleep(0.001)
        return self

    @property
    def events(self) -> list[tuple[str, int, bytes]]:
        """(account, sequence, bytes) of the journal events heard, in order."""
        return [(event.account_id, event.sequence, raw) for raw, event in self.heard if event.sequence]

    @property
    def words(self) -> list[str]:
        return [what(event) for _, event in self.heard]

    def last(self, kind: str) -> Any:
        """The newest message of a kind."""
        return next(getattr(event, kind) for _, event in reversed(self.heard) if event.WhichOneof("event") == kind)

    def heads(self) -> dict[str, Any]:
        """Beat, and read the heads of the heartbeat."""
        self.session.beat()
        while self.pull():
            pass
        return {head.account_id: head for head in self.last("heartbeat").heads}


class Node:
    """Store, hub and sessions of one node, and what was committed."""

    def __init__(self, store: SqliteStore, tasks: asyncio.TaskGroup, limits: Limits, view: Store | None = None) -> None:
        self.store = store
        self.limits = limits
        self.clock = ManualClock(START_NS)
        self.encoder = ProtobufSessionEncoder(ProtobufEncoder())
        self.hub = Hub(self.encoder, limits, Metrics())
        self._view: Store = view or store
        self._tasks = tasks

    def listen(self, organization: int = 0) -> Listening:
        """A new stream."""
        session = Session(
            principal=principal(organization),
            access=Access(self._view, b"pepper", self.clock),
            hub=self.hub,
            store=self._view,
            encoder=self.encoder,
            clock=self.clock,
            limits=self.limits,
            spawn=self._tasks.create_task,
        )
        listening = Listening(session)

        def wake() -> None:
            listening.wakes += 1

        session.on_ready = wake
        return listening


class Publishing:
    """The store's callback: the journal as it was told, account by account, and on to the hub."""

    def __init__(self) -> None:
        self.journal: dict[str, list[Committed]] = defaultdict(list)
        self.hub: Hub | None = None

    def __call__(self, committed: Sequence[Committed]) -> None:
        for event in committed:
            self.journal[event.account_id].append(event)
        if self.hub is not None:
            self.hub.publish(committed)

    def head(self, account_id: str) -> int:
        """The newest sequence told."""
        events = self.journal[account_id]
        return events[-1].sequence if events else 0

    def of(self, account_id: str, kinds: frozenset[EventType] = ALL, after: int = 0) -> list[tuple[str, int, bytes]]:
        """(account, sequence, bytes) of an account's events of some kinds."""
        return [
            (event.account_id, event.sequence, event.payload)
            for event in self.journal[account_id]
            if event.kind in kinds and event.sequence > after
        ]


@asynccontextmanager
async def running(folder: Path, limits: Limits | None = None) -> AsyncIterator[tuple[Node, Publishing]]:
    """A node on a folder; ends when all its background work has."""
    published = Publishing()
    async with opened(folder, published, limits=limits) as store, asyncio.TaskGroup() as tasks:
        node = Node(store, tasks, limits or Limits())
        published.hub = node.hub
        yield node, published


def subscribe(account_id: str = "", kinds: frozenset[EventType] = ALL, **facts: Any) -> SubscribeRequest:
    return SubscribeRequest(account_id=account_id, kinds=kinds, **facts)


def cursor(account_id: str, epoch: str, sequence: int, chain: int = 0) -> CursorRequest:
    return CursorRequest(account_id, epoch, sequence, chain)
