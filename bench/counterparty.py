"""A broker at the end of a socket, for benchmarks: it accepts everything, fills it where it is told to, and can note
when each command arrived.

    python -m bench.counterparty [--fills] [--notes]

It runs in a process of its own. The adapter sends one line for each command and takes back one for each report.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

import uvloop

from dropcopyd.domain.account import BrokerKind
from dropcopyd.domain.report import (
    Acknowledged,
    BrokerCapabilities,
    BrokerSnapshot,
    FindResult,
    NotFound,
    OrderReport,
    ReportKind,
    SubmitResult,
)
from dropcopyd.ports import BrokerListener, Submission

_PRICE = Decimal(100)
_QUANTITY = Decimal(1)


class SocketBroker:
    """The `Broker` port for some accounts, over one TCP connection. Every order is for one."""

    kind = BrokerKind.PAPER
    capabilities = BrokerCapabilities()

    def __init__(self, port: int, account_ids: Sequence[str]) -> None:
        self._port = port
        self._account_ids = account_ids
        self._answers: dict[tuple[str, str], asyncio.Future[None]] = {}
        self._accounts: dict[str, str] = {}
        """By the name of a command that was sent."""
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, listener: BrokerListener) -> None:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        for account_id in self._account_ids:
            await listener.on_connected(account_id)
        while line := await reader.readline():
            kind, name = line.decode().split()
            answer = self._answers.pop((kind, name), None)
            if answer is not None:
                answer.set_result(None)
            await listener.on_report(self._accounts[name], _report(kind, name))

    async def submit(self, submission: Submission, timeout_s: float) -> SubmitResult:
        assert self._writer is not None
        command = submission.command
        kind, name = command.action_type.value, command.broker_command_id
        answer = self._answers[kind, name] = asyncio.get_running_loop().create_future()
        self._accounts[name] = command.account_id
        self._writer.write(f"{kind} {name}\n".encode())
        async with asyncio.timeout(timeout_s):
            await answer
        return Acknowledged(None)

    async def find(self, submission: Submission, timeout_s: float) -> FindResult:
        return NotFound()

    async def snapshot(
        self, account_id: str, after_cursor: str, timeout_s: float, listed_after: str = ""
    ) -> BrokerSnapshot:
        return BrokerSnapshot(reports=(), orders=(), positions=(), cursor="")

    def is_connected(self, account_id: str) -> bool:
        return self._writer is not None


def _report(kind: str, name: str) -> OrderReport:
    if kind == "CREATE":
        return OrderReport(kind=ReportKind.ACCEPTED, broker_command_id=name, external_order_id=f"x{name}")
    if kind == "CANCEL":
        return OrderReport(kind=ReportKind.CANCELLED, broker_command_id=name)
    return OrderReport(
        kind=ReportKind.TRADE,
        broker_command_id=name,
        exec_id=f"e{name}",
        last_quantity=_QUANTITY,
        last_price=_PRICE,
        cumulative_quantity=_QUANTITY,
    )


@dataclass
class Counterparty:
    """The other end: when commands arrived, by kind (`time.perf_counter`, the same clock in every process here)."""

    port: int
    pid: int
    arrivals: dict[str, list[float]] = field(default_factory=lambda: {"CREATE": [], "REPLACE": [], "CANCEL": []})

    async def until(self, kind: str, count: int, within_s: float = 120.0) -> list[float]:
        """Wait until so many commands of a kind have arrived; their times."""
        async with asyncio.timeout(within_s):
            while len(self.arrivals[kind]) < count:
                await asyncio.sleep(0.005)
        return self.arrivals[kind]


@asynccontextmanager
async def serve_counterparty(*, fills: bool = False, notes: bool = True) -> AsyncIterator[Counterparty]:
    """Run one as a child process: whether it fills what it accepts, and notes when commands arrive."""
    arguments = [*(["--fills"] if fills else []), *(["--notes"] if notes else [])]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.counterparty", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    counterparty = Counterparty(int(await process.stdout.readline()), process.pid)

    async def read() -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            kind, at = line.decode().split()
            counterparty.arrivals[kind].append(float(at))

    reading = asyncio.create_task(read())
    try:
        yield counterparty
    finally:
        process.kill()
        await process.wait()
        await asyncio.gather(reading, return_exceptions=True)


class _Session(asyncio.Protocol):
    def __init__(self, *, fills: bool, notes: bool) -> None:
        self._fills = fills
        self._notes = notes
        self._partial = b""
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # the loop's own is none by its class

    def data_received(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        answers = []
        for line in lines:
            answers.append(line)
            kind, name = line.split()
            if self._notes:
                print(kind.decode(), repr(time.perf_counter()), flush=True)
            if self._fills and kind == b"CREATE":
                answers.append(b"TRADE " + name)
        self._transport.write(b"".join([answer + b"\n" for answer in answers]))


def run(main: Coroutine[Any, Any, None]) -> None:
    """On the loop that the daemon runs on: load that costs half as much leaves the daemon as much more."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def _serve(*, fills: bool, notes: bool) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Session(fills=fills, notes=notes), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fills", action="store_true")
    parser.add_argument("--notes", action="store_true")
    options = parser.parse_args()
    run(_serve(fills=options.fills, notes=options.notes))
