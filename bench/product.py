"""Fan-out through the product: ring, selection, sessions, fan-out, heartbeats - beside grpcio's aio server.

The server of the kind "product" for bench/transport.py: real sessions of real keys on a real store, attached over the
wire; the events are pre-encoded and published to the hub as if just committed (the commit has its own figure in
bench/latency.py).
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dropcopy import proto as pb
from dropcopyd.domain.account import BrokerKind, Principal, Scope
from dropcopyd.domain.event import EventType
from dropcopyd.domain.limits import Limits, TransportLimits
from dropcopyd.flow.access import Access, digest, mint_key
from dropcopyd.flow.hub import Hub
from dropcopyd.flow.quota import StreamQuota
from dropcopyd.flow.session import Session
from dropcopyd.observe import Metrics
from dropcopyd.ports import Committed
from dropcopyd.rpc.server import GrpcServer, Port
from dropcopyd.rpc.stream import Streams, StreamService
from dropcopyd.store.admin import Admin
from dropcopyd.store.sqlite import open_store
from dropcopyd.system import NoFailpoints, RandomIds, SystemClock
from dropcopyd.wire import ProtobufEncoder, ProtobufSessionEncoder

_LIMITS = replace(Limits(), streams_per_organization=20_000, ring_events_per_account=1_000_000)


@dataclass
class Product:
    """A running gRPC port with one account, its key, and the hub to publish to."""

    port: int
    api_key: str
    account_id: str
    organization_id: str
    hub: Hub
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
    def is_taken(self) -> bool:
        """Whether every session has handed over everything published."""
        return all(cursor == self.head for session in self.sessions for _, cursor in session.cursors())


@asynccontextmanager
async def open_product(tasks: asyncio.TaskGroup) -> AsyncIterator[Product]:
    """The product's own parts from the hub to the socket, on a temporary folder."""
    clock, ids, encoder = SystemClock(), RandomIds(), ProtobufEncoder()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dropcopy-bench-")))
        organization_id, account_id, pepper = ids.uuid(), ids.uuid(), b"bench"
        key_id, api_key = mint_key(ids)
        admin = Admin(folder, clock.now_ns())
        admin.add_organization(organization_id, "bench")
        admin.add_account(account_id, organization_id, "bench", BrokerKind.PAPER)
        admin.add_key(key_id, organization_id, "bench", digest(pepper, api_key), Scope)
        admin.close()
        session_encoder = ProtobufSessionEncoder(encoder)
        hub = Hub(session_encoder, _LIMITS, Metrics())
        store = open_store(
            folder,
            encoder=encoder,
            clock=clock,
            ids=ids,
            limits=_LIMITS,
            failpoints=NoFailpoints(),
            on_committed=hub.publish,
        )
        stack.push_async_callback(store.close)
        access = Access(store, pepper)
        sessions: list[Session] = []

        def new_session(principal: Principal) -> Session:
            session = Session(
                principal=principal,
                access=access,
                hub=hub,
                store=store,
                encoder=session_encoder,
                clock=clock,
                limits=_LIMITS,
                spawn=tasks.create_task,
            )
            sessions.append(session)
            return session

        def new_service(streams: Streams) -> StreamService:
            quota = StreamQuota(_LIMITS.streams_per_organization)
            return StreamService(access=access, quota=quota, streams=streams, new_session=new_session)

        server = GrpcServer(
            new_service=new_service, clock=clock, limits=_LIMITS, transport=TransportLimits(linger_s=0.1), tasks=tasks
        )
        port = await server.open(Port("127.0.0.1", 0))
        tasks.create_task(server.run())
        yield Product(port, api_key, account_id, organization_id, hub, sessions)
        await server.drain(0.1)


def order_event(size: int) -> bytes:
    """A TradingEvent with an order, padded to about `size` bytes."""
    event = pb.TradingEvent(
        broker_order=pb.BrokerOrder(order_id="o" * 36, symbol="AAPL", quantity="100", filled_quantity="0")
    )
    event.broker_order.reason = "x" * (size - event.ByteSize() - 5)
    return event.SerializeToString()
