"""Commit to delivery: from the store's completion callback to bytes at an open stream's client (grpcio aio).

    python bench/delivery.py [--runs 3]

Crosses: callback, ring, selection, session, fan-out, socket, and the client's own gRPC stack. The commit comes before
it and is printed beside: from the decision handed to the store to that callback (encode, queue, transaction, fsync).
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import grpc

from bench.product import open_product
from dropcopy import proto as pb
from dropcopyd.domain.account import AccountConnection, AccountStatus
from dropcopyd.domain.event import AccountMoved, Batch, Event, EventType
from dropcopyd.ports import Committed

EVENTS = 400
PAUSE_S = 0.005


async def serve() -> None:
    """Commit events one at a time through the real store, and tell when each was announced and how long it took."""
    announced: dict[int, int] = {}

    def on_committed(events: Sequence[Committed]) -> None:
        announced.update({event.sequence: time.time_ns() for event in events})

    async with asyncio.TaskGroup() as tasks, open_product(tasks, on_committed) as product:
        print(json.dumps([product.port, product.api_key, product.account_id]), flush=True)
        while not (product.sessions and product.is_attached):
            await asyncio.sleep(0.05)
        (account,) = await product.store.accounts()
        commits = []
        for number in range(1, EVENTS + 1):
            status = AccountStatus(AccountConnection.LIVE, time.time_ns())
            event = Event(EventType.ACCOUNT_STATUS, AccountMoved(account, status))
            begin = time.perf_counter_ns()
            await product.store.commit(Batch(account_id=account.account_id, at_ns=number, events=(event,)))
            commits.append((time.perf_counter_ns() - begin) / 1e6)
            await asyncio.sleep(PAUSE_S)
        print(json.dumps({"announced": announced, "commit": statistics.median(commits)}), flush=True)
        os._exit(0)


async def listen(port: int, api_key: str, account_id: str) -> dict[int, int]:
    """When each event was there, by sequence."""
    heard: dict[int, int] = {}
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_stream(
            pb.SUBSCRIBE_EVENTS_PATH,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=lambda raw: (time.time_ns(), raw),
        )(
            pb.Subscribe(trading_account_id=account_id, subscriptions=[pb.EVENT_TYPE_ACCOUNT_STATUS]),
            metadata=(("x-api-key", api_key),),
        )
        async for at_ns, raw in call:
            sequence = pb.TradingEvent.FromString(raw).sequence
            if sequence:
                heard[sequence] = at_ns
            if sequence == EVENTS:
                return heard
    raise SystemExit("the stream ended early")


def run() -> tuple[float, float, float]:
    """(p50, p99) of delivery and the median commit, in ms."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {0})
    ) as process:
        assert process.stdout is not None
        heard = asyncio.run(listen(*json.loads(process.stdout.readline())))
        told = json.loads(next(line for line in process.stdout if line.startswith("{")))  # log lines before it
    times = sorted((heard[int(sequence)] - at_ns) / 1e6 for sequence, at_ns in told["announced"].items())
    return times[len(times) // 2], times[int(len(times) * 0.99)], told["commit"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return
    os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})
    runs = [run() for _ in range(options.runs)]
    p50, p99, commit = (statistics.median(figures) for figures in zip(*runs, strict=True))
    print("commit to delivery (completion callback, ring, session, fan-out, socket, grpcio aio client)")
    print(f"                      p50 {p50:.2f} ms   p99 {p99:.2f} ms   (the commit before it: p50 {commit:.2f} ms)")


if __name__ == "__main__":
    main()
