"""The product's own parts from the store to the socket, opened in the benchmark's process.

For bench/transport.py and bench/fanout: real sessions of real keys on a real store, attached over the wire; what is
published to the hub is published as the store's completion callback would (the commit has its own figures).
"""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from dropcopy import proto as pb
from dropcopyd.domain.account import BrokerKind, Principal, Scope
from dropcopyd.domain.event import EventType
from dropcopyd.domain.limits import Limits, TransportLimits
from dropcopyd.flow.access import Access, digest, mint_key
from dropcopyd.flow.disconnect import arm_nothing
from dropcopyd.flow.hub import Hub
from dropcopyd.flow.quota import StreamQuota
from dropcopyd.flow.session import Session
from dropcopyd.flow.streams import Streams
from dropcopyd.observe import Metrics
from dropcopyd.ports import AttachedState, Committed, Head, Store
from dropcopyd.rpc.server import GrpcServer, Port
from dropcopyd.rpc.stream import StreamService
from dropcopyd.store.admin import Admin
from dropcopyd.store.sqlite import SqliteStore, open_store
from dropcopyd.system import NoFailpoints, RandomIds, SystemClock
from dropcopyd.wire import ProtobufEncoder, ProtobufSessionEncoder

LIMITS = replace(Limits(), streams_per_organization=20_000, ring_events_per_account=1_000_000)

_PEPPER = b"bench"
_TRANSPORT = TransportLimits(linger_s=0.1)


@dataclass(frozen=True, slots=True)
class Site:
    """A data folder with one organization, one account and one key."""

    folder: str
    organization_id: str
    account_id: str
    api_key: str

    @classmethod
    def make(cls, folder: Path) -> "Site":
        """Set the folder up."""
        clock, ids = SystemClock(), RandomIds()
        organization_id, account_id = ids.uuid(), ids.uuid()
        key_id, api_key = mint_key(ids)
        admin = Admin(folder, clock.now_ns())
        admin.add_organization(organization_id, "bench")
        admin.add_account(account_id, organization_id, "bench", BrokerKind.PAPER)
        admin.add_key(key_id, organization_id, "bench", digest(_PEPPER, api_key), Scope)
        admin.close()
        return cls(str(folder), organization_id, account_id, api_key)

    def open_store(
        self, encoder: ProtobufEncoder, on_committed: Callable[[Sequence[Committed]], None] = lambda _events: None
    ) -> SqliteStore:
        """The folder's journal."""
        return open_store(
            Path(self.folder),
            encoder=encoder,
            clock=SystemClock(),
            ids=RandomIds(),
            limits=LIMITS,
            failpoints=NoFailpoints(),
            on_committed=on_committed,
        )


class _BeforeTheJournal:
    """The store, but streams attach at the beginning: what is in the journal is still to come to them, live."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def read_state(self, account_id: str, changed_after_ns: int) -> AttachedState:
        state = await self._store.read_state(account_id, changed_after_ns)
        return replace(state, head=Head(0, 0))


@dataclass
class Product:
    """A running gRPC port with one account, its key, and the hub to publish to."""

    port: int
    api_key: str
    account_id: str
    organization_id: str
    hub: Hub
    store: SqliteStore
    sessions: list[Session]
    head: int = 0

    def publish(self, payload: bytes, count: int) -> None:
        """So many events of the account, as the store's completion callback would announce them."""
        events = [
            Committed(
                account_id=self.account_id,
                organization_id=self.organization_id,
                sequence=sequence,
                kind=EventType.BROKER_ORDER,
                symbol="AAPL",
                asset_class="EQUITY",
                payload=payload,
                chain=sequence,
            )
            for sequence in range(self.head + 1, self.head + count + 1)
        ]
        self.head += count
        self.hub.publish(events)

    @property
    def is_attached(self) -> bool:
        """Whether every session has been attached."""
        return all(session.cursors() for session in self.sessions)

    @property
    def is_taken(self) -> bool:
        """Whether every session has handed over everything published."""
        return all(cursor == self.head for session in self.sessions for _, cursor in session.cursors())


@asynccontextmanager
async def open_product(
    tasks: asyncio.TaskGroup,
    on_committed: Callable[[Sequence[Committed]], None] = lambda _events: None,
    *,
    site: Site | None = None,
    from_the_start: bool = False,
    encoder: ProtobufEncoder | None = None,
    transport: TransportLimits = _TRANSPORT,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Product]:
    """The product's own parts from the store to the socket; `on_committed` is told first.

    Without a site the folder is temporary and empty. `from_the_start`: streams attach before its journal's first event.
    """
    encoder = encoder or ProtobufEncoder()
    async with AsyncExitStack() as stack:
        if site is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dropcopy-bench-")))
            site = Site.make(folder)
        session_encoder = ProtobufSessionEncoder(encoder)
        hub = Hub(session_encoder, LIMITS, Metrics())

        def announce(events: Sequence[Committed]) -> None:
            on_committed(events)
            hub.publish(events)

        store = site.open_store(encoder, announce)
        stack.push_async_callback(store.close)
        read = cast("Store", _BeforeTheJournal(store)) if from_the_start else store
        sessions: list[Session] = []
        streams = Streams(store=read, clock=SystemClock(), ids=RandomIds(), limits=LIMITS)
        new_service = _service_factory(hub, read, session_encoder, sessions, streams, tasks)
        server = GrpcServer(
            new_service=new_service, streams=streams, clock=SystemClock(), transport=transport, tasks=tasks
        )
        port = await server.open(Port("127.0.0.1", 0, tls))
        tasks.create_task(streams.run())
        yield Product(port, site.api_key, site.account_id, site.organization_id, hub, store, sessions)
        await server.drain(0.1)


def _service_factory(
    hub: Hub,
    store: Store,
    encoder: ProtobufSessionEncoder,
    sessions: list[Session],
    streams: Streams,
    tasks: asyncio.TaskGroup,
) -> Callable[[], StreamService]:
    """Makes the streaming service; every session it opens is appended to `sessions`."""
    access = Access(store, _PEPPER, SystemClock())

    def new_session(principal: Principal) -> Session:
        session = Session(
            principal=principal,
            access=access,
            hub=hub,
            store=store,
            encoder=encoder,
            clock=SystemClock(),
            limits=LIMITS,
            spawn=tasks.create_task,
        )
        sessions.append(session)
        return session

    def new_service() -> StreamService:
        quota = StreamQuota(LIMITS.streams_per_organization)
        return StreamService(access=access, quota=quota, streams=streams, new_session=new_session, arm=arm_nothing)

    return new_service


def order_event(size: int, text: str = "") -> bytes:
    """A TradingEvent with an order, its reason beginning with `text` and padding the event to about `size` bytes."""
    event = pb.TradingEvent(
        broker_order=pb.BrokerOrder(order_id="o" * 36, symbol="AAPL", quantity="100", filled_quantity="0")
    )
    event.broker_order.reason = text.ljust(size - event.ByteSize() - 5, "x")
    return event.SerializeToString()
