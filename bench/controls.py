"""Orders under controls, with streams that hear of them; and how long a kill takes to the broker's socket.

    make bench-controls [ARGS="--rate 500 --seconds 20 --apart"]

Two parts, each in one run: submits at a steady rate over 20 accounts with limits of account, organization and symbol in
force and 100 streams spread evenly over them (the real daemon as a child process, the streams in a process of their
own); then a kill with 1,000 open orders, against a broker at the end of a socket that notes when each cancel arrives.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bench.counterparty import SocketBroker, run, serve_counterparty
from bench.latency import percentile
from dropcopy import proto as pb
from dropcopyd.config import load
from dropcopyd.domain.account import BrokerKind, Scope
from dropcopyd.flow.access import digest, mint_key
from dropcopyd.node import Addresses, Node, read_pepper
from dropcopyd.observe import configure_logs
from dropcopyd.store.admin import Admin
from dropcopyd.system import RandomIds, SystemClock
from tests.support.daemon import Daemon
from tests.support.peer import connect_many, header_block

SYMBOLS = ("AAPL", "MSFT", "GOOG", "NVDA", "SPY")
ACCOUNT_LIMITS = {
    "order_quantity_max": "1000",
    "order_notional_max": "10000000",
    "position_quantity_max": "1000000000",
    "position_notional_max": "1000000000000",
    "open_orders_max": 100000,
    "orders_per_second_max": 100000,
    "price_collar_percent": "50",
    "blocked_symbols": ["EURUSD"],
    "daily_loss_max": "1000000000000",
    "drawdown_max": "1000000000000",
}
_LENGTH = re.compile(rb"content-length: ([0-9]+)", re.IGNORECASE)
CONNECTIONS = 64
PAPER, FILLING, RESTING = "the paper broker", "a broker at a socket that fills", "a broker at a socket, orders rest"
BROKERS = {"paper": [PAPER], "fills": [FILLING], "rests": [RESTING], "all": [RESTING, FILLING, PAPER]}
ALL_KINDS = [number for _, number in pb.EventType.items() if number]


class Http(asyncio.Protocol):
    """One connection and a few lines of HTTP/1.1: a library would cost more than the server."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._heard = b""
        self._size = 0
        """Of the answer, once its head has been read."""
        self._answer: asyncio.Future[bytes]
        self._transport: asyncio.WriteTransport

    @classmethod
    async def open(cls, rest: str, key: str) -> "Http":
        host, port = rest.removeprefix("http://").split(":")
        _, http = await asyncio.get_running_loop().create_connection(lambda: cls(key), host, int(port))
        return http

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # the loop's own is none by its class

    def data_received(self, data: bytes) -> None:
        self._heard += data
        if not self._size:
            head, end, _ = self._heard.partition(b"\r\n\r\n")
            if not end:
                return
            self._size = len(head) + 4 + int(_LENGTH.search(head)[1])  # type: ignore[index]  # there always is one
        if len(self._heard) == self._size:
            answer, self._heard, self._size = self._heard, b"", 0
            self._answer.set_result(answer)

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """The whole answer to a request that `request` made."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def request(self, method: str, path: str, body: dict[str, Any]) -> bytes:
        raw = json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {self._key}\r\ncontent-type: application/json\r\n"
        return f"{head}content-length: {len(raw)}\r\n\r\n".encode() + raw

    async def send(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        answer = await self.ask(self.request(method, path, body))
        return int(answer.split(b" ", 2)[1]), json.loads(answer.partition(b"\r\n\r\n")[2])

    def close(self) -> None:
        self._transport.close()


def order(symbol: str, price: str | None = None) -> dict[str, Any]:
    """The body of a create: a market order for one, or a limit order that rests."""
    spec: dict[str, Any] = {"Market": {"quantity": "1"}}
    if price is not None:
        spec = {"Limit": {"quantity": "1", "price": price, "time_in_force": "DAY"}}
    payload = {"symbol": symbol, "order_side": "BUY", "spec": spec}
    return {"command": {"action_type": "CREATE", "payload": payload}, "strategy_id": "bench"}


def add_accounts(folder: Path, organization_id: str, count: int) -> list[str]:
    """More paper accounts of an organization."""
    ids = [RandomIds().uuid() for _ in range(count)]
    admin = Admin(folder, SystemClock().now_ns())
    for account_id in ids:
        admin.add_account(account_id, organization_id, account_id, BrokerKind.PAPER)
    admin.close()
    return ids


# --- submit under controls --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where a daemon is reached, the accounts to trade on, and the processes of daemon and broker."""

    rest: str
    grpc: str
    key: str
    accounts: list[str]
    pid: int
    broker_pid: int | None = None


async def listen(grpc: str, key: str, accounts: list[str], streams: int) -> None:
    """Streams spread evenly over accounts, in this process, until it is ended; the count of events goes to stdout."""
    counts = [0]

    def heard(_message: bytes) -> None:
        counts[0] += 1

    calls = []
    for index, peer in enumerate(await connect_many(grpc, streams)):
        subscribe = pb.Subscribe(trading_account_id=accounts[index % len(accounts)], subscriptions=ALL_KINDS)
        request = pb.StreamEventsRequest(subscribe=subscribe).SerializeToString()
        calls.append(peer.open(header_block(pb.STREAM_EVENTS_PATH, x_api_key=key), heard, request))
    print("listening", flush=True)
    while True:
        await asyncio.sleep(0.5)
        print(counts[0], flush=True)


@dataclass
class Listener:
    """The process that the streams are in, and how many events it has heard so far."""

    pid: int
    heard: int = 0


@asynccontextmanager
async def listening(place: Place, streams: int) -> AsyncIterator[Listener]:
    """The streams in a process of their own."""
    arguments = [place.grpc, place.key, ",".join(place.accounts), str(streams)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.controls", "--listen", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"listening\n"
    listener = Listener(process.pid)

    async def read() -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            listener.heard = int(line)

    reading = asyncio.create_task(read())
    try:
        yield listener
    finally:
        process.kill()
        await process.wait()
        await asyncio.gather(reading, return_exceptions=True)


async def set_limits(http: Http, accounts: list[str]) -> None:
    """Limits everywhere, none of which refuses."""
    for path in (
        *(f"accounts/{account_id}" for account_id in accounts),
        "organization",
        *(f"symbols/{symbol}" for symbol in SYMBOLS),
    ):
        limits = dict(ACCOUNT_LIMITS)
        if path.startswith("symbols"):
            limits = {name: value for name, value in limits.items() if name not in ("daily_loss_max", "drawdown_max")}
        status, answer = await http.send("PUT", f"/v1/controls/{path}/limits", limits)
        assert status == 200, answer


async def submit_steadily(
    place: Place, rate: float, seconds: float, connections: int, price: str | None = None
) -> tuple[list[float], list[float]]:
    """(ms from when each order was due, ms from when it was sent) to its durable answer.

    Orders are due at a steady rate whatever becomes of the earlier ones; a connection takes the next one that is due.
    """
    count = int(rate * seconds)
    https = [await Http.open(place.rest, place.key) for _ in range(connections)]
    requests = [
        https[0].request("POST", f"/v1/accounts/{account_id}/intents", order(symbol, price))
        for symbol in SYMBOLS
        for account_id in place.accounts
    ]
    from_due: list[float] = []
    from_sent: list[float] = []
    begin = time.perf_counter() + 0.2
    numbers = iter(range(count))

    async def client(http: Http) -> None:
        for number in numbers:
            due = begin + number / rate
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            sent = time.perf_counter()
            answer = await http.ask(requests[number % len(requests)])
            now = time.perf_counter()
            assert answer.startswith(b"HTTP/1.1 201 "), answer
            from_due.append((now - due) * 1e3)
            from_sent.append((now - sent) * 1e3)

    await asyncio.gather(*(client(http) for http in https))
    for http in https:
        http.close()
    return from_due, from_sent


def cpu_s(pid: int) -> float:
    """Processor time that a process and those it has started have used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + sum(cpu_s(int(child)) for child in children)


@contextmanager
def on_one_processor(*, applies: bool) -> Iterator[None]:
    """What is started in the block runs on the first processor alone, this process on the others afterwards."""
    if not applies:
        yield
        return
    first, *others = sorted(os.sched_getaffinity(0))
    assert others, "there is one processor: nothing can be apart"
    os.sched_setaffinity(0, {first})
    try:
        yield
    finally:
        os.sched_setaffinity(0, others)


@asynccontextmanager
async def paper(accounts: int, environment: dict[str, str], *, is_apart: bool) -> AsyncIterator[Place]:
    """The daemon as it comes, with the paper broker in it."""
    with tempfile.TemporaryDirectory(prefix="dropcopy-bench-") as name:
        async with Daemon(Path(name) / "data", **environment) as daemon:
            await daemon.stop()
            ids = add_accounts(daemon.folder, daemon.info["organization_id"], accounts)
            with on_one_processor(applies=is_apart):
                await daemon.start()
            assert daemon.process is not None
            info = daemon.info
            yield Place(info["rest"], info["grpc"], info["api_key"], ids, daemon.process.pid)


@asynccontextmanager
async def at_a_socket(
    accounts: int, environment: dict[str, str], *, fills: bool, is_apart: bool
) -> AsyncIterator[Place]:
    """The daemon with a broker at the end of a socket, which accepts every order, and fills it or lets it rest."""
    clock, ids = SystemClock(), RandomIds()
    with tempfile.TemporaryDirectory(prefix="dropcopy-bench-") as name:
        folder, organization_id = Path(name), ids.uuid()
        key_id, key = mint_key(ids)
        admin = Admin(folder, clock.now_ns())
        admin.add_organization(organization_id, "bench")
        admin.add_key(key_id, organization_id, "bench", digest(read_pepper(folder, ids), key), Scope)
        admin.close()
        account_ids = add_accounts(folder, organization_id, accounts)
        async with serve_counterparty(fills=fills, notes=False) as counterparty:
            with on_one_processor(applies=is_apart):
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "bench.gateway", name, str(counterparty.port), ",".join(account_ids)),
                    stdout=asyncio.subprocess.PIPE,
                    env=os.environ | environment,
                )
            try:
                assert process.stdout is not None
                where = json.loads(await process.stdout.readline())
                yield Place(where["rest"], where["grpc"], key, account_ids, process.pid, counterparty.pid)
            finally:
                process.terminate()
                await process.wait()


async def bench_submit(
    rate: float,
    seconds: float,
    streams: int,
    accounts: int,
    *,
    broker: str,
    has_controls: bool,
    is_apart: bool = False,
    is_threaded: bool = False,
) -> None:
    processors = os.sched_getaffinity(0)
    environment = {"DROPCOPYD_WRITER_PROCESS": "false"} if is_threaded else {}
    price = "90" if broker == RESTING else None
    if broker == PAPER:
        placing = paper(accounts, environment, is_apart=is_apart)
    else:
        placing = at_a_socket(accounts, environment, fills=broker == FILLING, is_apart=is_apart)
    async with placing as place:
        http = await Http.open(place.rest, place.key)
        if has_controls:
            await set_limits(http, place.accounts)
        http.close()
        async with listening(place, streams) as listener:
            await submit_steadily(place, rate, 2.0, CONNECTIONS, price)
            pids = {"daemon": place.pid, "streams": listener.pid, "submitters": os.getpid(), "broker": place.broker_pid}
            before = {what: cpu_s(pid) for what, pid in pids.items() if pid is not None}
            before["submitters"] = time.process_time()
            heard_before = listener.heard
            from_due, from_sent = await submit_steadily(place, rate, seconds, CONNECTIONS, price)
            cpu = {what: cpu_s(pids[what] or 0) - used for what, used in before.items()}
            cpu["submitters"] = time.process_time() - before["submitters"]
            await asyncio.sleep(1.0)
            events = listener.heard - heard_before
        switch = ("on" if has_controls else "off") + (", the daemon on one processor" if is_apart else "")
        switch += ", its writer a thread" if is_threaded else ""
        print(f"{rate:,.0f} orders/s for {seconds:g} s, {accounts} accounts, {streams} streams, {broker}")
        print(f"  controls {switch}")
        for what, times in (("from when it was due", from_due), ("from when it was sent", from_sent)):
            shares = "   ".join(f"p{share * 100:g} {percentile(times, share):.2f} ms" for share in (0.5, 0.9, 0.99))
            print(f"  {what:22}  {shares}")
        used = "   ".join(f"{what} {s / len(from_due) * 1e3:.2f} ms ({s / seconds:.0%})" for what, s in cpu.items())
        print(f"  CPU for each order (share of a core): {used}")
        print(f"  {events / len(from_due):.1f} events heard for each\n", flush=True)
    os.sched_setaffinity(0, processors)


# --- kill -------------------------------------------------------------------------------------------------------------


async def bench_kill(orders: int) -> None:
    """From the kill's request to the last cancel at the broker's end of a socket."""
    clock, ids = SystemClock(), RandomIds()
    configure_logs("warning")
    with tempfile.TemporaryDirectory(prefix="dropcopy-bench-") as name:
        folder = Path(name)
        organization_id, account_id = ids.uuid(), ids.uuid()
        key_id, key = mint_key(ids)
        admin = Admin(folder, clock.now_ns())
        admin.add_organization(organization_id, "bench")
        admin.add_account(account_id, organization_id, "bench", BrokerKind.PAPER)
        admin.add_key(key_id, organization_id, "bench", digest(read_pepper(folder, ids), key), Scope)
        admin.close()
        async with serve_counterparty() as counterparty:
            broker = SocketBroker(counterparty.port, [account_id])
            settings = load(None, data=folder, rest_port=0, grpc_port=0)
            stop = asyncio.Event()
            ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
            running = asyncio.create_task(Node(settings, broker=broker).run(ready.set_result, stop))
            addresses = await ready
            https = [await Http.open(addresses.rest, key) for _ in range(8)]
            shares = [range(index, orders, len(https)) for index in range(len(https))]

            async def fill(http: Http, share: range) -> None:
                for _ in share:
                    status, answer = await http.send(
                        "POST", f"/v1/accounts/{account_id}/intents", order("AAPL", price="1")
                    )
                    assert status == 201, answer

            await asyncio.gather(*(fill(http, share) for http, share in zip(https, shares, strict=True)))
            await counterparty.until("CREATE", orders)
            await asyncio.sleep(0.5)
            begin, cpu_before = time.perf_counter(), time.process_time()
            status, answer = await https[0].send("POST", f"/v1/accounts/{account_id}/kill", {"reason": "bench"})
            answered = time.perf_counter()
            assert status == 200, answer
            assert len(answer["cancels"]) == orders
            arrivals = await counterparty.until("CANCEL", orders)
            cpu = time.process_time() - cpu_before
            first, last = arrivals[0] - begin, arrivals[orders - 1] - begin
            print(f"kill with {orders:,} open orders, request to the broker's socket")
            durable = answered - begin
            print(f"  first cancel {first * 1e3:.0f} ms   last cancel {last * 1e3:.0f} ms")
            print(
                f"  answer (every cancel durable) {durable * 1e3:.0f} ms   the gateway's CPU until then {cpu:.2f} s\n",
                flush=True,
            )
            for http in https:
                http.close()
            stop.set()
            await running


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--accounts", type=int, default=20)
    parser.add_argument("--orders", type=int, default=1_000, help="open at the kill")
    parser.add_argument("--apart", action="store_true", help="the daemon on one processor, the clients on the others")
    parser.add_argument("--thread", action="store_true", help="the journal's writer as a thread, not as a process")
    parser.add_argument("--broker", choices=BROKERS, default="all")
    parser.add_argument("--compare", action="store_true", help="also without controls, and at a fifth of the rate")
    parser.add_argument("--listen", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.listen:
        grpc, key, accounts, streams = options.listen
        run(listen(grpc, key, accounts.split(","), int(streams)))
        return
    shape = (options.seconds, options.streams, options.accounts)
    how = {"is_apart": options.apart, "is_threaded": options.thread}
    for broker in BROKERS[options.broker]:
        run(bench_submit(options.rate, *shape, broker=broker, has_controls=True, **how))
        if options.compare:
            run(bench_submit(options.rate, *shape, broker=broker, has_controls=False, **how))
            run(bench_submit(options.rate / 5, *shape, broker=broker, has_controls=True, **how))
    run(bench_kill(options.orders))


if __name__ == "__main__":
    main()
