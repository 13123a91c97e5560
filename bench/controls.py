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
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from bench.counterparty import SocketBroker, serve_counterparty
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
ALL_KINDS = [number for _, number in pb.EventType.items() if number]


class Http:
    """One connection and a few lines of HTTP/1.1: a library would cost more than the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        self._reader, self._writer, self._key = reader, writer, key

    @classmethod
    async def open(cls, rest: str, key: str) -> "Http":
        host, port = rest.removeprefix("http://").split(":")
        return cls(*await asyncio.open_connection(host, int(port)), key)

    async def send(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        raw = json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {self._key}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(raw)}\r\n\r\n"
        )
        self._writer.write(head.encode() + raw)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        content = await self._reader.readexactly(length)
        return int(answer.split(b" ", 2)[1]), json.loads(content)

    def close(self) -> None:
        self._writer.close()


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


@asynccontextmanager
async def listening(info: dict[str, Any], accounts: list[str], streams: int) -> AsyncIterator[list[int]]:
    """The streams in a process of their own; what they have heard so far."""
    arguments = [info["grpc"], info["api_key"], ",".join(accounts), str(streams)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.controls", "--listen", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"listening\n"
    heard = [0]

    async def read() -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            heard[0] = int(line)

    reading = asyncio.create_task(read())
    try:
        yield heard
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
    info: dict[str, Any], accounts: list[str], rate: float, seconds: float, connections: int
) -> tuple[list[float], list[float]]:
    """(ms from when each order was due, ms from when it was sent) to its durable answer.

    Orders are due at a steady rate whatever becomes of the earlier ones; a connection takes the next one that is due.
    """
    count = int(rate * seconds)
    https = [await Http.open(info["rest"], info["api_key"]) for _ in range(connections)]
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
            path = f"/v1/accounts/{accounts[number % len(accounts)]}/intents"
            status, answer = await http.send("POST", path, order(SYMBOLS[number // len(accounts) % len(SYMBOLS)]))
            now = time.perf_counter()
            assert status == 201, answer
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


async def bench_submit(
    rate: float, seconds: float, streams: int, accounts: int, *, has_controls: bool, is_apart: bool, is_threaded: bool
) -> None:
    with tempfile.TemporaryDirectory(prefix="dropcopy-bench-") as name:
        daemon = Daemon(Path(name) / "data", DROPCOPYD_WRITER_PROCESS="false" if is_threaded else "true")
        async with daemon:
            await daemon.stop()
            ids = add_accounts(daemon.folder, daemon.info["organization_id"], accounts)
            processors = os.sched_getaffinity(0)
            with on_one_processor(applies=is_apart):
                await daemon.start()
            assert daemon.process is not None
            http = await Http.open(daemon.info["rest"], daemon.info["api_key"])
            if has_controls:
                await set_limits(http, ids)
            http.close()
            async with listening(daemon.info, ids, streams) as heard:
                await submit_steadily(daemon.info, ids, rate, 2.0, 64)
                heard_before, cpu_before = heard[0], cpu_s(daemon.process.pid)
                from_due, from_sent = await submit_steadily(daemon.info, ids, rate, seconds, 64)
                cpu = cpu_s(daemon.process.pid) - cpu_before
                await asyncio.sleep(1.0)
                events = heard[0] - heard_before
            switch = ("on" if has_controls else "off") + (", the daemon on one processor" if is_apart else "")
            switch += ", its writer a thread" if is_threaded else ""
            print(f"{rate:,.0f} orders/s for {seconds:g} s, {accounts} accounts, {streams} streams, controls {switch}")
            for what, times in (("from when it was due", from_due), ("from when it was sent", from_sent)):
                print(f"  {what:22}  p50 {percentile(times, 0.5):.2f} ms   p99 {percentile(times, 0.99):.2f} ms")
            each_ms, share = cpu / len(from_due) * 1e3, cpu / seconds
            print(f"  {each_ms:.2f} ms of the daemon's CPU for each order ({share:.0%} of a core)")
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
            broker = SocketBroker(counterparty.port, account_id)
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
    parser.add_argument("--listen", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.listen:
        grpc, key, accounts, streams = options.listen
        asyncio.run(listen(grpc, key, accounts.split(","), int(streams)))
        return
    shape = (options.rate, options.seconds, options.streams, options.accounts)
    how = {"is_apart": options.apart, "is_threaded": options.thread}
    asyncio.run(bench_submit(*shape, has_controls=True, **how))
    asyncio.run(bench_submit(*shape, has_controls=False, **how))
    asyncio.run(bench_submit(options.rate / 5, *shape[1:], has_controls=True, **how))
    asyncio.run(bench_kill(options.orders))


if __name__ == "__main__":
    main()
