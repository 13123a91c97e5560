"""What one delivered event costs the server: the product, its bare writer, its plain path, grpcio's aio server.

    python bench/transport.py [--seconds 2] [--runs 3]

Busy: bursts of 64 events of 250 bytes to 100 streams, as fast as the client takes them, the same bytes for all.
Paced: 500 events a second, each alone, to 100 streams. The server runs on one core, a client that only counts on
another. Compare within a run: a machine's speed drifts.
"""

import argparse
import asyncio
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import grpc
import grpc.aio
import hpack
import uvloop
from grpclib.const import Cardinality, Handler

from bench.product import open_product, order_event
from dropcopy import proto as pb
from dropcopyd.domain.limits import TransportLimits
from dropcopyd.rpc import frames
from dropcopyd.rpc.calls import ServerStream
from dropcopyd.rpc.fanout import Response
from dropcopyd.rpc.transport import listen
from dropcopyd.wire import frame as frame_message

EVENT = b"e" * 250
FRAMED = b"\0" + len(EVENT).to_bytes(4, "big") + EVENT
BURST = 64
SEGMENT = FRAMED * BURST
EVENTS_PER_S = 500
WARM_UP_S = 0.5
SERVERS = ("product", "fast", "plain", "grpcio")
"""product: ring, selection, sessions, heartbeats and fan-out, with real keys and attaches; the commit is not in it.
fast: the fan-out alone. plain: grpclib's own path. grpcio: a plain grpcio aio server, every message an operation."""
METHOD = "/trading.TradingService/SubscribeEvents"


@dataclass(frozen=True)
class Scenario:
    """How many streams on how many connections, and the client's windows (0 = practically none)."""

    name: str
    connections: int
    streams_each: int
    burst: int
    window: int = 0

    @property
    def streams(self) -> int:
        return self.connections * self.streams_each


@dataclass(frozen=True)
class Hello:
    """What a client needs to open its streams."""

    port: int
    api_key: str = "none"
    request: bytes = b"\0\0\0\0\0"

    def tell(self) -> None:
        print(json.dumps([self.port, self.api_key, self.request.hex()]), flush=True)

    @classmethod
    def read(cls, line: str) -> "Hello":
        port, api_key, request = json.loads(line)
        return cls(port, api_key, bytes.fromhex(request))


SCENARIOS = (
    Scenario("busy, 100 connections", 100, 1, BURST),
    Scenario("busy, 10 x 10, 64 KiB windows", 10, 10, BURST, window=65_535),
    Scenario("paced, 100 connections", 100, 1, 1),
    Scenario("paced, 4 x 25", 4, 25, 1),
)


class Tap:
    """A source that gives one segment whenever it was filled."""

    has_more = False

    def __init__(self, segment: bytes, events: int) -> None:
        self.delivered = 0
        self._segment = segment
        self._events = events
        self.full = False

    def pull(self, budget_bytes: int) -> bytes:
        if not self.full:
            return b""
        self.full = False
        self.delivered += self._events
        return self._segment


class Counted(Protocol):
    """Something that counts the events it handed over."""

    @property
    def delivered(self) -> int: ...


class _Stop(Exception):  # noqa: N818
    """Ends the server's TaskGroup."""


@contextmanager
def suppress_stop() -> Iterator[None]:
    try:
        yield
    except* _Stop:
        pass


async def drive(scenario: Scenario, seconds: float, taps: Sequence[Counted], fill: Callable[[], None]) -> None:
    """Fill all streams again and again; report what the middle part cost."""

    def delivered() -> int:
        return sum(tap.delivered for tap in taps)

    start_s = time.perf_counter()
    begin = (0.0, 0.0, 0)
    tick = 0
    while True:
        now_s = time.perf_counter()
        if not begin[0] and now_s - start_s > WARM_UP_S:
            begin = (now_s, time.process_time(), delivered())
        if begin[0] and now_s - begin[0] > seconds:
            break
        fill()
        tick += 1
        pause_s = 0.0 if scenario.burst > 1 else start_s + tick / EVENTS_PER_S - time.perf_counter()
        await asyncio.sleep(max(0.0, pause_s))
    events = delivered() - begin[2]
    figures = {"us": (time.process_time() - begin[1]) / events * 1e6, "per_s": events / (now_s - begin[0])}
    print(json.dumps(figures), flush=True)


async def serve_ours(scenario: Scenario, seconds: float, *, plain: bool) -> None:
    open_streams: list[tuple[Tap, Response]] = []
    all_open = asyncio.Event()

    async def handler(stream: ServerStream) -> None:
        await stream.send_initial_metadata()
        tap = Tap(SEGMENT if scenario.burst > 1 else FRAMED, scenario.burst)
        open_streams.append((tap, listener.fanout.open(stream, tap)))
        if len(open_streams) == scenario.streams:
            all_open.set()
        await asyncio.Event().wait()

    def fill() -> None:
        for tap, response in open_streams:
            if not tap.full:
                tap.full = True
                response.wake()

    class Service:
        def __mapping__(self) -> dict[str, Handler]:
            return {METHOD: Handler(handler, Cardinality.UNARY_STREAM, bytes, bytes)}

    async with asyncio.TaskGroup() as tasks:
        listener = await listen(
            [Service()],
            limits=TransportLimits(linger_s=0.1),
            host="127.0.0.1",
            port=0,
            ssl=None,
            monotonic_ns=time.monotonic_ns,
            tasks=tasks,
            plain=plain,
        )
        Hello(listener.port).tell()
        await all_open.wait()
        await drive(scenario, seconds, [tap for tap, _ in open_streams], fill)
        await listener.close(0)


async def serve_product(scenario: Scenario, seconds: float) -> None:
    """The product from the hub to the socket; what `delivered` counts is what its sessions count."""
    payload = order_event(len(EVENT))
    with suppress_stop():
        async with asyncio.TaskGroup() as tasks, open_product(tasks) as product:
            subscribe = pb.Subscribe(trading_account_id=product.account_id, subscriptions=[pb.EVENT_TYPE_BROKER_ORDER])
            Hello(product.port, product.api_key, frame_message(subscribe.SerializeToString())).tell()
            while len(product.sessions) < scenario.streams or not product.is_attached:
                await asyncio.sleep(0.05)

            def fill() -> None:
                if product.is_taken:
                    product.publish(payload, scenario.burst)

            await drive(scenario, seconds, product.sessions, fill)
            raise _Stop


async def serve_grpcio(scenario: Scenario, seconds: float) -> None:
    wakers: list[asyncio.Event] = []
    tap = Tap(EVENT, 1)
    all_open = asyncio.Event()

    async def events(_request: object, _context: object) -> object:
        woken = asyncio.Event()
        wakers.append(woken)
        if len(wakers) == scenario.streams:
            all_open.set()
        while True:
            await woken.wait()
            woken.clear()
            for _ in range(scenario.burst):
                yield EVENT
                tap.delivered += 1

    def fill() -> None:
        for woken in wakers:
            woken.set()

    server = grpc.aio.server()
    handlers = {"SubscribeEvents": grpc.unary_stream_rpc_method_handler(events)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("trading.TradingService", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    Hello(port).tell()
    await all_open.wait()
    await drive(scenario, seconds, [tap], fill)
    await server.stop(0)


def serve(kind: str, scenario: Scenario, seconds: float) -> None:
    """The server process."""
    os.sched_setaffinity(0, {0})
    main: Awaitable[None]
    if kind == "grpcio":
        main = serve_grpcio(scenario, seconds)
    elif kind == "product":
        main = serve_product(scenario, seconds)
    else:
        main = serve_ours(scenario, seconds, plain=kind == "plain")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


class Client:
    """One connection that reads as fast as it can; with small windows it gives them back by halves."""

    def __init__(self, hello_of: Hello, scenario: Scenario) -> None:
        self.bytes = 0
        self.socket = socket.create_connection(("127.0.0.1", hello_of.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._window = scenario.window
        self._consumed = dict.fromkeys([0, *self._stream_ids(scenario)], 0)
        self._skip = 0
        self._head = b""
        window = scenario.window or frames.WINDOW_MAX
        hello = frames.PREFACE + frame(frames.SETTINGS, (4).to_bytes(2, "big") + window.to_bytes(4, "big"))
        if not scenario.window:
            hello += update(0, frames.WINDOW_MAX - 65_535)
        encoder = hpack.Encoder()
        fields = [(":method", "POST"), (":scheme", "http"), (":path", METHOD), (":authority", "b")]
        fields += [("content-type", "application/grpc"), ("te", "trailers"), ("x-api-key", hello_of.api_key)]
        for stream_id in self._stream_ids(scenario):
            hello += frame(frames.HEADERS, encoder.encode(fields), frames.END_HEADERS, stream_id)
            hello += frame(frames.DATA, hello_of.request, frames.END_STREAM, stream_id)
        self.socket.sendall(hello)
        self.socket.sendall(frame(frames.SETTINGS, b"", frames.ACK))

    @staticmethod
    def _stream_ids(scenario: Scenario) -> range:
        return range(1, 2 * scenario.streams_each, 2)

    def read(self, buffer: memoryview) -> bool:
        """Count what has come; False at the end."""
        try:
            size = self.socket.recv_into(buffer)
        except ConnectionError:
            size = 0
        self.bytes += size
        if self._window and size:
            self._give_back(buffer[:size])
        return size > 0

    def _give_back(self, data: memoryview) -> None:
        answer = b"".join(self._updates(data))
        if answer:
            self.socket.sendall(answer)

    def _updates(self, data: memoryview) -> Iterator[bytes]:
        position = min(self._skip, len(data))
        self._skip -= position
        while position < len(data):
            take = 9 - len(self._head)
            self._head += data[position : position + take]
            position += take
            if len(self._head) < 9:
                return
            word, _, stream_id = frames.header_struct.unpack(self._head)
            self._head = b""
            size = word >> 8
            if word & 0xFF == frames.DATA:
                for of in (0, stream_id):
                    self._consumed[of] += size
                    if self._consumed[of] >= self._window // 2:
                        yield update(of, self._consumed[of])
                        self._consumed[of] = 0
            step = min(size, len(data) - position)
            position += step
            self._skip = size - step


def frame(kind: int, payload: bytes, flags: int = 0, stream_id: int = 0) -> bytes:
    return frames.header_struct.pack(len(payload) << 8 | kind, flags, stream_id) + payload


def update(stream_id: int, increment: int) -> bytes:
    return frame(frames.WINDOW_UPDATE, increment.to_bytes(4, "big"), 0, stream_id)


def measure(kind: str, scenario: Scenario, seconds: float) -> dict[str, float]:
    """Run one server and its client; the figures of the server, and the client's share of a core."""
    arguments = [kind, str(SCENARIOS.index(scenario)), str(seconds)]
    with subprocess.Popen(
        [sys.executable, __file__, "--serve", *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        hello = Hello.read(process.stdout.readline())
        started, cpu = time.perf_counter(), time.process_time()
        received = count(hello, scenario)
        share = (time.process_time() - cpu) / (time.perf_counter() - started)
        figures: dict[str, float] = json.loads(process.stdout.readline())
    if received < figures["per_s"] * seconds * len(FRAMED):
        raise SystemExit(f"{kind}: the client got less than the server delivered")
    return figures | {"client": share}


def count(hello: Hello, scenario: Scenario) -> int:
    """Read all connections to their end; the bytes that came."""
    clients = [Client(hello, scenario) for _ in range(scenario.connections)]
    buffer = memoryview(bytearray(1 << 20))
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        while selector.get_map():
            for key, _ in selector.select(timeout=30):
                if not key.data.read(buffer):
                    selector.unregister(key.fileobj)
                    key.data.socket.close()
    return sum(client.bytes for client in clients)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=SERVERS, help="one server")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve[0], SCENARIOS[int(options.serve[1])], float(options.serve[2]))
        return
    os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})
    print(f"{'':32}{'server':>8}{'CPU us/event':>14}{'events/s':>14}{'client core':>13}")
    for scenario in SCENARIOS:
        for kind in [options.only] if options.only else SERVERS:
            runs = [measure(kind, scenario, options.seconds) for _ in range(options.runs)]
            us, per_s, client = (statistics.median(run[key] for run in runs) for key in ("us", "per_s", "client"))
            print(f"{scenario.name:32}{kind:>8}{us:14.3f}{per_s:14,.0f}{client:13.0%}", flush=True)


if __name__ == "__main__":
    main()
