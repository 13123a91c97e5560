"""The servers written in Python, one per process: `python -m bench.fanout.server JOB`.

Prints one JSON line (port, key, request), serves, and ends with its standard input. Nothing is sent before all streams
are open. Busy rivals then send bursts without waiting for each other; ours publishes bursts to its hub, each when all
sessions have taken the last one.
"""

import asyncio
import gc
import json
import os
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, cast

import uvloop

from bench.fanout import journal
from bench.fanout.plan import BURST
from bench.product import Product, Site, open_product
from dropcopy import proto as pb
from dropcopyd.domain.limits import TransportLimits
from dropcopyd.flow.session import Session
from dropcopyd.ports import Committed
from dropcopyd.rpc.server import tls_context
from dropcopyd.wire import frame

_ATTACH_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Job:
    """What one server process is asked to do."""

    kind: str
    loop: str
    streams: int
    events_per_s: int
    rows: int
    messages: str
    site: dict[str, str]
    flush_delay_ms: float = 0.0
    certificate: str = ""
    key: str = ""

    def encode(self) -> str:
        return json.dumps(asdict(self))


def hello(port: int, api_key: str = "none", request: bytes = b"") -> None:
    """Tell the driver how to reach this server."""
    gc.freeze()  # what was loaded to be sent is the benchmark's: no collection of the server need look at it
    print(json.dumps({"port": port, "key": api_key, "request": frame(request).hex()}), flush=True)


async def pace(events_per_s: int, publish: Callable[[], None]) -> None:
    """Call `publish` by an absolute schedule, for ever."""
    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    count = 0

    def tick() -> None:
        nonlocal count
        publish()
        count += 1
        loop.call_at(begin_s + count / events_per_s, tick)

    tick()
    await asyncio.Event().wait()


# --- ours ---------------------------------------------------------------------------------------------------------


async def serve_ours(job: Job) -> None:
    """Ring, selections, sessions, heartbeats and fan-out; the events are in the journal and come as if announced."""
    async with asyncio.TaskGroup() as tasks, _open(tasks, job, from_the_start=True) as product:
        events = await journal.read_all(product.store, product.account_id, job.rows)
        _hello(product)
        await _all_attached(product, job.streams)
        coming = iter(events)
        if job.events_per_s:
            await pace(job.events_per_s, lambda: product.hub.publish([_stamped(next(coming))]))
        await _burst(product.hub.publish, coming, product.sessions)


async def serve_journal(job: Job) -> None:
    """Streams that resume from the beginning: everything they get is read from the store."""
    async with asyncio.TaskGroup() as tasks, _open(tasks, job) as product:
        cursor = pb.Cursor(account_id=product.account_id, epoch=product.store.epoch, sequence=0)
        _hello(product, cursor)
        await asyncio.Event().wait()


async def serve_commits(job: Job) -> None:
    """Every event goes through the store's commit, with its fsync, before it is announced."""
    async with asyncio.TaskGroup() as tasks:
        site = Site.make(Path(job.site["folder"]) / f"commits-{os.getpid()}")
        encoder = _StampingEncoder(site.account_id)
        async with open_product(tasks, site=site, encoder=encoder) as product:
            _hello(product)
            await _all_attached(product, job.streams)
            batch = journal.one_event(site)
            await pace(job.events_per_s, lambda: _forget(product.store.commit(batch)))


class _StampingEncoder(journal.SizedEncoder):
    def encode(self, event: Any) -> bytes:
        return journal.stamped(super().encode(event))


def _forget(_done: Awaitable[None]) -> None:
    """The announcement is what counts here; a failed commit shows as a stream that gets nothing."""


def _open(tasks: asyncio.TaskGroup, job: Job, *, from_the_start: bool = False) -> Any:
    return open_product(
        tasks,
        site=Site(**job.site),
        from_the_start=from_the_start,
        transport=TransportLimits(linger_s=0.1, flush_delay_ms=job.flush_delay_ms),
        tls=tls_context(job.certificate, job.key) if job.certificate else None,
    )


def _hello(product: Product, *resume: pb.Cursor) -> None:
    subscribe = pb.Subscribe(
        trading_account_id=product.account_id,
        subscriptions=[pb.EVENT_TYPE_BROKER_ORDER],
        instrument_key=journal.SYMBOL,
        resume=resume,
    )
    hello(product.port, product.api_key, subscribe.SerializeToString())


async def _all_attached(product: Product, streams: int) -> None:
    while len(product.sessions) < streams or not product.is_attached:
        await asyncio.sleep(_ATTACH_POLL_S)


def _stamped(event: Committed) -> Committed:
    return Committed(
        account_id=event.account_id,
        organization_id=event.organization_id,
        sequence=event.sequence,
        kind=event.kind,
        symbol=event.symbol,
        asset_class=event.asset_class,
        payload=journal.stamped(event.payload),
        chain=event.chain,
    )


async def _burst(
    publish: Callable[[list[Committed]], None], events: Iterator[Committed], sessions: list[Session]
) -> None:
    """Publish by bursts; looks for the first session that lags and no further, to cost next to nothing."""
    published = 0
    while burst := list(islice(events, BURST)):
        publish(burst)
        published += len(burst)
        lagging = 0
        while True:
            await asyncio.sleep(0)
            while lagging < len(sessions) and sessions[lagging].delivered >= published:
                lagging += 1
            if lagging == len(sessions):
                break
    await asyncio.Event().wait()


# --- rivals -------------------------------------------------------------------------------------------------------


class Broadcast:
    """Events to streams, as an application on grpcio or grpclib would do it: a shared list and a shared wake-up."""

    def __init__(self, job: Job, events: list[Any], stamped: Callable[[Any], Any]) -> None:
        self._job = job
        self._events = events
        self._stamped = stamped
        self._sent: list[Any] = []
        self._woken = asyncio.Event()
        self._streams = 0
        self._all_open = asyncio.Event()

    async def follow(self) -> AsyncIterator[Any]:
        """The events of one stream, for ever."""
        self._streams += 1
        if self._streams >= self._job.streams:
            self._all_open.set()
        if not self._job.events_per_s:
            await self._all_open.wait()
            for count, event in enumerate(cycle(self._events), start=1):
                yield event
                if count % BURST == 0:
                    await asyncio.sleep(0)  # grpclib's send may never give way by itself
        place = 0
        while True:
            while place < len(self._sent):
                yield self._sent[place]
                place += 1
            await self._woken.wait()

    async def run(self) -> None:
        """Make the events, once every stream is open."""
        await self._all_open.wait()
        coming = cycle(self._events)
        if self._job.events_per_s:
            await pace(self._job.events_per_s, lambda: self._publish(self._stamped(next(coming))))
        await asyncio.Event().wait()

    def _publish(self, event: Any) -> None:
        self._sent.append(event)
        self._woken.set()
        self._woken = asyncio.Event()


def read_messages(path: str) -> list[bytes]:
    """The journal's first events."""
    data = Path(path).read_bytes()
    messages, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        messages.append(data[at + 4 : end])
        at = end
    return messages


def _stamped_message(message: pb.TradingEvent) -> pb.TradingEvent:
    copy = pb.TradingEvent()
    copy.CopyFrom(message)
    reason = copy.broker_order.reason
    copy.broker_order.reason = f"{reason[:2]}{journal.now_stamp().decode()}{reason[18:]}"
    return copy


def _message_broadcast(job: Job) -> Broadcast:
    messages = [pb.TradingEvent.FromString(raw) for raw in read_messages(job.messages)]
    return Broadcast(job, messages, _stamped_message)


async def serve_grpcio(job: Job) -> None:
    """As its documentation writes it: message objects from an async generator."""
    await _grpcio(_message_broadcast(job), lambda message: message.SerializeToString())


async def serve_grpcio_tuned(job: Job) -> None:
    """Ready bytes instead of messages."""
    await _grpcio(Broadcast(job, read_messages(job.messages), journal.stamped), None)


async def _grpcio(broadcast: Broadcast, serializer: Callable[[Any], bytes] | None) -> None:
    import grpc
    import grpc.aio

    async def subscribe(_request: object, _context: object) -> AsyncIterator[Any]:
        async for event in broadcast.follow():
            yield event

    server = grpc.aio.server()
    handler = grpc.unary_stream_rpc_method_handler(subscribe, response_serializer=serializer)
    methods = {"SubscribeEvents": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("trading.TradingService", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    hello(port)
    await broadcast.run()


async def serve_grpclib(job: Job) -> None:
    """grpclib's own server and send path, with a backlog that lets 1,000 clients connect."""
    import grpclib.server
    from grpclib.const import Cardinality, Handler

    broadcast = _message_broadcast(job)

    async def subscribe(stream: Any) -> None:
        await stream.recv_message()
        async for event in broadcast.follow():
            await stream.send_message(event)

    class Service:
        def __mapping__(self) -> dict[str, Handler]:
            handler = Handler(subscribe, Cardinality.UNARY_STREAM, pb.Subscribe, pb.TradingEvent)
            return {pb.SUBSCRIBE_EVENTS_PATH: handler}

    server = grpclib.server.Server([Service()])
    await server.start("127.0.0.1", 0, backlog=2_048)
    hello(cast("asyncio.Server", server._server).sockets[0].getsockname()[1])
    await broadcast.run()


# ------------------------------------------------------------------------------------------------------------------

KINDS: dict[str, Callable[[Job], Coroutine[Any, Any, None]]] = {
    "ours": serve_ours,
    "ours-journal": serve_journal,
    "ours-commit": serve_commits,
    "grpcio": serve_grpcio,
    "grpcio-tuned": serve_grpcio_tuned,
    "grpclib": serve_grpclib,
}


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    factory = uvloop.new_event_loop if job.loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(KINDS[job.kind](job))


if __name__ == "__main__":
    main()
