"""`make demo`: a gateway, a bot that trades, and the live view; at the end what happened, from two sources.

Starts `dropcopyd dev` in a folder of its own, `examples/bot.py` and `dropcopy watch`, and ends exactly these three;
none outlives the demo, however that ends. DEMO_SECONDS=20 ends it by itself, otherwise Ctrl-C does. DEMO_DATA=DIR
keeps the gateway's folder there (its journal goes on from the last time); without it the folder is a temporary one.
Where there is no terminal, the view is a line for each event. Exit code 1 if the bot failed, or if the stream and the
record do not agree.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import dropcopy

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
START_S = 60.0
STOP_S = 15.0
AGREE_S = 10.0
Key = tuple[str, str]


@dataclass
class Record:
    """What the stream has told since the demo began."""

    orders: dict[str, dropcopy.Order] = field(default_factory=dict)
    trades: list[dropcopy.Trade] = field(default_factory=list)
    positions: dict[Key, Decimal] = field(default_factory=dict)
    before: dict[Key, Decimal] = field(default_factory=dict)
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self, client: dropcopy.Client, account_id: str) -> None:
        """Fold the stream, for ever."""
        async with client.stream(account_id) as stream:
            async for event in stream:
                match event:
                    case dropcopy.Order():
                        self.orders[event.order_id] = event
                    case dropcopy.Trade():
                        self.trades.append(event)
                    case dropcopy.Position():
                        self.positions[key_of(event)] = event.quantity
                        if event.place is None:
                            self.before[key_of(event)] = event.quantity
                    case dropcopy.Primed(event_type=dropcopy.EventType.BROKER_ORDER):
                        self.is_ready.set()
                    case _:
                        pass

    def held(self) -> dict[Key, Decimal]:
        """Positions as the stream last said, without the flat ones."""
        return {key: quantity for key, quantity in self.positions.items() if quantity}

    def folded(self) -> dict[Key, Decimal]:
        """Positions computed from the executions alone, on top of what was held before."""
        sums: defaultdict[Key, Decimal] = defaultdict(Decimal, self.before)
        for trade in self.trades:
            sums[key_of(trade)] += trade.signed_quantity
        return {key: quantity for key, quantity in sums.items() if quantity}


def key_of(event: dropcopy.Position | dropcopy.Trade) -> Key:
    """(asset class, symbol)."""
    return (event.instrument.asset_class.value if event.instrument else "", event.symbol)


class Guard:
    """Ends our children if we are killed ourselves: a process that is told their ids and waits for our end."""

    SCRIPT = """
import os, signal, sys
pids = set()
for line in sys.stdin:
    (pids.add if line[0] == "+" else pids.discard)(int(line[1:]))
for pid in pids:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
"""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.SCRIPT], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def tell(self, sign: str, pid: int) -> None:
        """ "+" for a process that runs, "-" for one that has ended."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{sign}{pid}\n")
        self.process.stdin.flush()

    def close(self) -> None:
        """All have ended."""
        self.process.communicate(timeout=STOP_S)


@contextlib.asynccontextmanager
async def child(
    guard: Guard, command: Sequence[str], *, own_session: bool, stdout: int | None = None, stderr: int | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that we started; it has ended when the block is left: asked first, then killed."""
    process = await asyncio.create_subprocess_exec(
        *command, start_new_session=own_session, stdout=stdout, stderr=stderr
    )
    guard.tell("+", process.pid)
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        guard.tell("-", process.pid)


async def ready_line(daemon: asyncio.subprocess.Process, log: Path) -> bytes:
    """The line with which the gateway says where it is."""
    assert daemon.stdout is not None
    with contextlib.suppress(TimeoutError):
        line = await asyncio.wait_for(daemon.stdout.readline(), START_S)
        if line.startswith(b"{"):
            return line
    raise SystemExit(f"the gateway did not start:\n{tail(log)}")


def tail(log: Path) -> str:
    """The end of a log."""
    return log.read_text(errors="replace")[-2000:]


async def totals(client: dropcopy.Client, account_id: str, record: Record) -> bool:
    """Print what happened, from the stream and from the record over REST; whether they agree in time."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + AGREE_S
    while True:
        orders = {order.order_id: order async for order in client.each(client.orders, account_id)}
        fills = [trade async for trade in client.each(client.trades, account_id)]
        stored = {key_of(row): row.quantity async for row in client.each(client.positions, account_id) if row.quantity}
        streamed = {trade.exec_id for trade in record.trades}
        is_same = (
            stored == record.held() == record.folded()
            and streamed <= {trade.exec_id for trade in fills}
            and len(streamed) == len(record.trades)
            and all(orders.get(order_id) == order for order_id, order in record.orders.items())
        )
        if is_same or loop.time() > give_up_at:
            break
        await asyncio.sleep(0.2)
    working = sum(order.is_working for order in record.orders.values())
    print(f"\norders     {len(record.orders)} ({working} still working)")
    print(f"fills      {len(record.trades)}")
    print("positions")
    for key in sorted(stored.keys() | record.held().keys() | record.folded().keys()):
        figures = [positions.get(key, Decimal(0)) for positions in (record.held(), record.folded(), stored)]
        print(
            f"  {key[1]:12} streamed {figures[0]:>10}   summed from fills {figures[1]:>10}   over REST {figures[2]:>10}"
        )
    print("stream and record agree" if is_same else "STREAM AND RECORD DO NOT AGREE")
    return is_same


async def demo(guard: Guard, folder: Path, seconds: float | None, stop: asyncio.Event) -> bool:
    """The whole show; whether the bot traded and the figures agree at its end."""
    log, connect = folder / "demo-gateway.log", folder / "demo-connect.json"
    ports = ["--rest-port", "0", "--grpc-port", "0", "--grpc-tls-port", "0"]
    gateway = [sys.executable, "-m", "dropcopyd", "dev", "--json", "--data", str(folder), *ports]
    with log.open("wb") as errors, (folder / "demo-bot.log").open("wb") as said:
        async with child(
            guard, gateway, own_session=True, stdout=asyncio.subprocess.PIPE, stderr=errors.fileno()
        ) as daemon:
            line = await ready_line(daemon, log)
            connect.touch(mode=0o600)
            connect.write_bytes(line)
            async with dropcopy.Client.from_file(connect) as client:
                account_id = client.account_id or ""
                record = Record()
                async with asyncio.TaskGroup() as tasks:
                    following = tasks.create_task(record.follow(client, account_id))
                    await asyncio.wait_for(record.is_ready.wait(), START_S)
                    bot = [sys.executable, str(ROOT / "examples" / "bot.py"), "--connect", str(connect)]
                    async with child(
                        guard, bot, own_session=True, stdout=said.fileno(), stderr=said.fileno()
                    ) as trader:
                        await view(guard, connect, seconds, stop, (daemon, trader))
                        has_failed = trader.returncode is not None and not stop.is_set()
                    is_same = await totals(client, account_id, record)
                    following.cancel()
    if has_failed:
        print(f"the bot ended early:\n{tail(folder / 'demo-bot.log')}")
    return is_same and not has_failed


async def view(
    guard: Guard,
    connect: Path,
    seconds: float | None,
    stop: asyncio.Event,
    others: Sequence[asyncio.subprocess.Process],
) -> None:
    """Show the live view until it ends, the time is over, someone stops it, or one of the others dies."""
    command = [str(BIN / "dropcopy"), "watch", "--connect", str(connect)]
    async with child(guard, command, own_session=False) as watch:
        waits = [asyncio.ensure_future(wait) for wait in (watch.wait(), stop.wait(), *(o.wait() for o in others))]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


async def run(guard: Guard, folder: Path) -> bool:
    """Set up the signals (a terminal that is closed included), then the demo."""
    seconds = float(os.environ["DEMO_SECONDS"]) if os.environ.get("DEMO_SECONDS") else None
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await demo(guard, folder, seconds, stop)


def main() -> None:
    kept = os.environ.get("DEMO_DATA")
    with contextlib.ExitStack() as stack:
        folder = Path(kept or stack.enter_context(tempfile.TemporaryDirectory(prefix="dropcopy-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        guard = Guard()
        stack.callback(guard.close)
        try:
            is_same = asyncio.run(run(guard, folder))
        except* dropcopy.DropcopyError as group:
            raise SystemExit(f"demo: {group.exceptions[0]}") from None
    sys.exit(0 if is_same else 1)


if __name__ == "__main__":
    main()
