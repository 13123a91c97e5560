"""REST submit to durable answer, and broker report to bytes on an open stream, of the real daemon as a child process.

    python bench/latency.py [--orders 2000] [--runs 3]

The client runs on another core. The disk's own fsync time is measured beside, in the same folder, in the same run.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc

from dropcopy import proto as pb

CLIENTS = 16


def fsync_us(folder: Path, count: int = 200) -> float:
    """Median time of appending 4 KiB and fsync."""
    path = folder / "fsync.probe"
    block = bytes(4096)
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(count):
            start = time.perf_counter_ns()
            file.write(block)
            os.fsync(file.fileno())
            times.append((time.perf_counter_ns() - start) / 1000)
    path.unlink()
    return statistics.median(times)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def start(folder: Path) -> tuple[asyncio.subprocess.Process, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dropcopyd", "dev", "--json", "--data", str(folder)),
        *("--rest-port", "0", "--grpc-port", "0", "--grpc-tls-port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {0}),
    )
    assert process.stdout is not None
    return process, json.loads(await process.stdout.readline())


async def submit_many(info: dict[str, Any], count: int, clients: int) -> tuple[list[float], float]:
    """Times in ms of `count` submits by so many clients at once, and orders/s.

    A client is one connection and a few lines of HTTP/1.1: a full HTTP library would cost more than the server.
    """
    host, port = info["rest"].removeprefix("http://").split(":")
    command = {
        "action_type": "CREATE",
        "payload": {"symbol": "AAPL", "order_side": "BUY", "spec": {"Market": {"quantity": "1"}}},
    }
    body = json.dumps({"command": command}).encode()
    head = (
        f"POST /v1/accounts/{info['account_id']}/intents HTTP/1.1\r\nhost: {host}\r\nx-api-key: {info['api_key']}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    times: list[float] = []

    async def client(share: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in range(share):
            begin = time.perf_counter_ns()
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            times.append((time.perf_counter_ns() - begin) / 1e6)
            assert answer.startswith(b"HTTP/1.1 201"), answer
        writer.close()

    begin = time.perf_counter()
    await asyncio.gather(*(client(count // clients) for _ in range(clients)))
    return times, len(times) / (time.perf_counter() - begin)


async def listen(info: dict[str, Any], taken: list[tuple[float, float]], ready: asyncio.Event) -> None:
    """Per streamed trade: ms since the broker's transaction time, ms since the gateway received the report."""
    async with grpc.aio.insecure_channel(info["grpc"]) as channel:
        call = channel.unary_stream(
            pb.SUBSCRIBE_EVENTS_PATH,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=lambda raw: (time.time_ns(), raw),
        )(
            pb.Subscribe(trading_account_id=info["account_id"], subscriptions=[pb.EVENT_TYPE_BROKER_TRADE]),
            metadata=(("x-api-key", info["api_key"]),),
        )
        async for at_ns, raw in call:
            event = pb.TradingEvent.FromString(raw)
            if event.HasField("status"):
                ready.set()
            if event.HasField("broker_trade"):
                trade = event.broker_trade
                sent_ns, received_ns = trade.broker_sent_at.ToNanoseconds(), trade.received_at.ToNanoseconds()
                taken.append(((at_ns - sent_ns) / 1e6, (at_ns - received_ns) / 1e6))


async def run(orders: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="dropcopy-bench-") as name:
        folder = Path(name)
        process, info = await start(folder)
        try:
            alone, _ = await submit_many(info, orders // 4, 1)
            busy, per_s = await submit_many(info, orders, CLIENTS)
            taken: list[tuple[float, float]] = []
            ready = asyncio.Event()
            listening = asyncio.ensure_future(listen(info, taken, ready))
            await ready.wait()
            await submit_many(info, orders // 4, 1)
            await asyncio.sleep(1.0)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        finally:
            process.terminate()
            await process.wait()
        from_broker, from_gateway = [pair[0] for pair in taken], [pair[1] for pair in taken]
        return {
            "fsync_us": fsync_us(folder),
            "alone_p50": percentile(alone, 0.5),
            "alone_p99": percentile(alone, 0.99),
            "busy_p50": percentile(busy, 0.5),
            "busy_p99": percentile(busy, 0.99),
            "per_s": per_s,
            "broker_p50": percentile(from_broker, 0.5),
            "broker_p99": percentile(from_broker, 0.99),
            "gateway_p50": percentile(from_gateway, 0.5),
            "gateway_p99": percentile(from_gateway, 0.99),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=1600)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})
    runs = [asyncio.run(run(options.orders)) for _ in range(options.runs)]
    figure = {name: statistics.median(one[name] for one in runs) for name in runs[0]}
    print(f"medians of {options.runs} runs; an append of 4 KiB with fsync takes {figure['fsync_us']:.0f} us here\n")
    print("REST submit to durable answer (HTTP, key, parse, controls, decide, journal commit with fsync, answer)")
    print(f"  one client          p50 {figure['alone_p50']:.2f} ms   p99 {figure['alone_p99']:.2f} ms")
    print(
        f"  {CLIENTS} clients          p50 {figure['busy_p50']:.2f} ms   p99 {figure['busy_p99']:.2f} ms"
        f"   {figure['per_s']:,.0f} orders/s"
    )
    print("\nbroker report to bytes at an open stream's client (grpcio aio), one order at a time")
    print(
        f"  from the broker's transaction (its book's commit, hand-over, decide, journal commit, ring, session, socket)"
        f"\n                      p50 {figure['broker_p50']:.2f} ms   p99 {figure['broker_p99']:.2f} ms"
    )
    print(
        f"  from the gateway's receipt (decide, journal commit, ring, session, socket)"
        f"\n                      p50 {figure['gateway_p50']:.2f} ms   p99 {figure['gateway_p99']:.2f} ms"
    )


if __name__ == "__main__":
    main()
