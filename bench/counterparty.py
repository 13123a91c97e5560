"""A broker at the end of a socket, for benchmarks: it accepts everything and notes when each command arrived.

The counterparty runs in a process of its own. The adapter sends one line for each command and takes one back.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

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


class SocketBroker:
    """The `Broker` port over one TCP connection."""

    kind = BrokerKind.PAPER
    capabilities = BrokerCapabilities()

    def __init__(self, port: int, account_id: str) -> None:
        self._port = port
        self._account_id = account_id
        self._answers: dict[str, asyncio.Future[None]] = {}
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, listener: BrokerListener) -> None:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        await listener.on_connected(self._account_id)
        while line := await reader.readline():
            kind, name = line.decode().split()
            answer = self._answers.pop(name, None)
            if answer is not None:
                answer.set_result(None)
            if kind == "CREATE":
                report = OrderReport(kind=ReportKind.ACCEPTED, broker_command_id=name, external_order_id=f"x{name}")
                await listener.on_report(self._account_id, report)
            elif kind == "CANCEL":
                report = OrderReport(kind=ReportKind.CANCELLED, broker_command_id=name)
                await listener.on_report(self._account_id, report)

    async def submit(self, submission: Submission, timeout_s: float) -> SubmitResult:
        assert self._writer is not None
        command = submission.command
        name = command.broker_command_id
        answer = self._answers[name] = asyncio.get_running_loop().create_future()
        self._writer.write(f"{command.action_type.value} {name}\n".encode())
        await asyncio.wait_for(answer, timeout_s)
        return Acknowledged(None)

    async def find(self, submission: Submission, timeout_s: float) -> FindResult:
        return NotFound()

    async def snapshot(
        self, account_id: str, after_cursor: str, timeout_s: float, listed_after: str = ""
    ) -> BrokerSnapshot:
        return BrokerSnapshot(reports=(), orders=(), positions=(), cursor="")

    def is_connected(self, account_id: str) -> bool:
        return self._writer is not None


@dataclass
class Counterparty:
    """The other end: when commands arrived, by kind (`time.perf_counter`, the same clock in every process here)."""

    port: int
    arrivals: dict[str, list[float]] = field(default_factory=lambda: {"CREATE": [], "REPLACE": [], "CANCEL": []})

    async def until(self, kind: str, count: int, within_s: float = 120.0) -> list[float]:
        """Wait until so many commands of a kind have arrived; their times."""
        async with asyncio.timeout(within_s):
            while len(self.arrivals[kind]) < count:
                await asyncio.sleep(0.005)
        return self.arrivals[kind]


@asynccontextmanager
async def serve_counterparty() -> AsyncIterator[Counterparty]:
    """Run one as a child process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.counterparty", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    counterparty = Counterparty(int(await process.stdout.readline()))

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


async def _serve() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            print(line.split()[0].decode(), repr(time.perf_counter()), flush=True)
            writer.write(line)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
