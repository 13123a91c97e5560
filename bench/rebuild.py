"""Kill -9 to trading again, with a million events in an account's journal (`make bench-rebuild`).

The journal is written by the product's own machine and store: orders with their fills, day after day, back to flat.
Then the real daemon trades on it, is killed with orders working, and is started again: the clock runs from the start of
the process to the fill of a new market order. Beside it the same on a journal that is new, since what the start costs
is to follow from what is open, not from what was.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2

from dropcopyd import dev
from dropcopyd.domain import machine
from dropcopyd.domain.account import PrincipalType
from dropcopyd.domain.command import Command, Stamps
from dropcopyd.domain.event import Batch
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.order import ActionType, OrderSide, OrderTerms, OrderType, OrderVenue, TimeInForce
from dropcopyd.domain.report import OrderReport, ReportKind
from dropcopyd.domain.state import AccountState
from dropcopyd.node import packaged_instruments, seed_instruments
from dropcopyd.store.audit import audit
from dropcopyd.store.sqlite import SqliteStore, open_store
from dropcopyd.system import NoFailpoints, RandomIds, SystemClock
from dropcopyd.wire import ProtobufEncoder

FILLS = 10
WORKING = 50
QUEUED_MAX = 2_000
DEADLINE_S = 60.0


class History:
    """Orders of one account, decided by the machine: bought and sold in turn, so that every pair ends flat."""

    def __init__(
        self,
        state: AccountState,
        instruments: tuple[Instrument, ...],
        at_ns: int,
        *,
        step_ns: int = 1_000_000,
        strategies: tuple[str | None, ...] = (None,),
        resting: int = 0,
    ) -> None:
        """`resting`: how many further orders work at a time, each cancelled by the broker after so many others."""
        self._state = state
        self._instruments = instruments
        self._at_ns = at_ns
        self._step_ns = step_ns
        self._strategies = strategies
        self._resting_max = resting
        self._resting: deque[Command] = deque()
        self._ids = RandomIds()
        self._orders = 0

    @property
    def is_flat(self) -> bool:
        """Whether what was bought is sold."""
        return self._orders % 2 == 0

    def next_order(self) -> Iterator[Batch]:
        """One order from its create to its last fill."""
        number, self._orders = self._orders, self._orders + 1
        instrument = self._instruments[number // 2 % len(self._instruments)]
        side = OrderSide.SELL if number % 2 else OrderSide.BUY
        if self._resting_max:
            command = self._command(instrument, side)
            yield from self._sent(command, f"r{number}")
            self._resting.append(command)
            if len(self._resting) > self._resting_max:
                yield from self._cancelled(self._resting.popleft())
        command = self._command(instrument, side)
        named = yield from self._sent(command, f"x{number}")
        for fill in range(FILLS):
            report = replace(
                named,
                kind=ReportKind.TRADE,
                exec_id=f"{number}.{fill}",
                trade_date="2026-11-18",
                last_quantity=Decimal(1),
                last_price=Decimal(100 + (number * 7 + fill) % 13),
                broker_sent_at_ns=self._at_ns,
            )
            yield from self._taken(machine.take_report(self._state, report, self._now()))
        self._state.forget(command.order_id)

    def end(self) -> Iterator[Batch]:
        """What rests is cancelled."""
        while self._resting:
            yield from self._cancelled(self._resting.popleft())

    def _sent(self, command: Command, external_order_id: str) -> Generator[Batch, None, OrderReport]:
        yield from self._taken(machine.create(self._state, command, None))
        yield from self._taken(machine.begin_attempt(self._state, command, self._now()))
        named = OrderReport(
            kind=ReportKind.ACCEPTED,
            broker_command_id=command.broker_command_id,
            external_order_id=external_order_id,
        )
        yield from self._taken(machine.take_report(self._state, named, self._now()))
        return named

    def _cancelled(self, command: Command) -> Iterator[Batch]:
        report = OrderReport(kind=ReportKind.CANCELLED, broker_command_id=command.broker_command_id)
        yield from self._taken(machine.take_report(self._state, report, self._now()))
        self._state.forget(command.order_id)

    def _taken(self, batch: Batch | None) -> Iterator[Batch]:
        assert batch is not None
        yield batch
        self._state.apply(batch)

    def _now(self) -> int:
        self._at_ns += self._step_ns
        return self._at_ns

    def _command(self, instrument: Instrument, side: OrderSide) -> Command:
        at_ns, ids, account = self._now(), self._ids, self._state.account
        return Command(
            intent_id=ids.uuid(),
            seq=1,
            order_id=ids.uuid(),
            organization_id=account.organization_id,
            account_id=account.account_id,
            broker_command_id=ids.command_id(),
            action_type=ActionType.CREATE,
            instrument=instrument,
            order_side=side,
            order_venue=OrderVenue.SMART,
            terms=OrderTerms(order_type=OrderType.MARKET, quantity=Decimal(FILLS), time_in_force=TimeInForce.DAY),
            principal_type=PrincipalType.API_KEY,
            stamps=Stamps(received_ns=at_ns, committed_ns=at_ns),
            deadline_ns=None,
            outcome_at_ns=at_ns,
            strategy_id=self._strategies[self._orders % len(self._strategies)],
        )


async def write_history(store: SqliteStore, account_id: str, events: int) -> None:
    """Events of an account, at least so many, committed as the daemon would."""
    state = await store.load_account(account_id, 0)
    state.is_partial = False
    equities = tuple(one for one in packaged_instruments() if one.asset_class.value == "EQUITY")
    history, written, head = History(state, equities, state.last_ns or time.time_ns() - 10**15), 0, 0
    pending: asyncio.Future[None] | None = None
    while written < events or not history.is_flat:
        for batch in history.next_order():
            pending = asyncio.ensure_future(store.commit(batch))
            written += len(batch.events)
            head += 1
        if head > QUEUED_MAX:
            head = 0
            await pending if pending is not None else None
            show(f"  {written:,} of {events:,} events")
    if pending is not None:
        await pending


class Trading:
    """The daemon on a folder, as a client sees it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.process: subprocess.Popen[str] | None = None
        self.info: dict[str, Any] = {}

    def start(self) -> None:
        """Start, and wait until it says that it is ready."""
        ports = ("--rest-port", "0", "--grpc-port", "0", "--grpc-tls-port", "0")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dropcopyd", "dev", "--json", "--data", str(self._folder), *ports],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.info = json.loads(self.process.stdout.readline())

    def cpu_s(self) -> float:
        """Processor time that the daemon has used: the figure that a busy machine leaves alone."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def trade(self) -> None:
        """A market order, until it is filled."""
        with self._client() as client:
            intent_id = self._submit(client, {"Market": {"quantity": "1"}})
            self._until(client, intent_id, "FILLED")

    def leave_working(self, count: int) -> None:
        """Orders far from the market, until the broker has them."""
        with self._client() as client:
            spec = {"Limit": {"price": "1", "quantity": "1", "time_in_force": "GOOD_TILL_CANCEL"}}
            for intent_id in [self._submit(client, spec) for _ in range(count)]:
                self._until(client, intent_id, "NEW")

    def _client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.info["rest"], headers={"x-api-key": self.info["api_key"]}, timeout=20)

    def _submit(self, client: httpx2.Client, spec: dict[str, Any]) -> str:
        payload = {"symbol": "AAPL", "order_side": "BUY", "spec": spec}
        command = {"action_type": "CREATE", "payload": payload}
        answer = client.post(f"/v1/accounts/{self.info['account_id']}/intents", json={"command": command})
        answer.raise_for_status()
        return str(answer.json()["intent_id"])

    def _until(self, client: httpx2.Client, intent_id: str, status: str) -> None:
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            orders = client.get(f"/v1/accounts/{self.info['account_id']}/orders", params={"limit": 100}).json()["data"]
            if any(order["intent_id"] == intent_id and order["order_status"] == status for order in orders):
                return
            time.sleep(0.002)
        raise TimeoutError(f"order {intent_id} did not become {status}")


def kill_and_return(folder: Path) -> tuple[float, float, float]:
    """Trade, kill with orders working, start again: seconds to ready, to the fill of a new order, and of processor."""
    first = Trading(folder)
    first.start()
    first.trade()
    first.leave_working(WORKING)
    first.kill()
    again = Trading(folder)
    began = time.monotonic()
    again.start()
    ready_s = time.monotonic() - began
    again.trade()
    trading_s, cpu_s = time.monotonic() - began, again.cpu_s()
    again.kill()
    return ready_s, trading_s, cpu_s


async def prepare(folder: Path, events: int) -> int:
    """The folder of a development daemon, with so many events more in its account's journal; how many there are."""
    identity = dev.settle_identity(folder, SystemClock(), RandomIds())
    seed_instruments(folder, SystemClock().now_ns())
    store = open_store(
        folder,
        encoder=ProtobufEncoder(),
        clock=SystemClock(),
        ids=RandomIds(),
        limits=Limits(),
        failpoints=NoFailpoints(),
        on_committed=lambda _committed: None,
    )
    try:
        if events:
            await write_history(store, identity.account_id, events)
        return (await store.read_state(identity.account_id, 0)).head.sequence
    finally:
        await store.close()


def show(line: str) -> None:
    print(line, flush=True)


def measure(folder: Path, events: int) -> None:
    """Print what a start on so many events costs."""
    began = time.monotonic()
    written = asyncio.run(prepare(folder, events))
    if events:
        size_mb = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        seconds = time.monotonic() - began
        show(
            f"journal of {written:,} events written in {seconds:.0f} s ({written / seconds:,.0f}/s), {size_mb:,.0f} MB"
        )
    ready_s, trading_s, cpu_s = kill_and_return(folder)
    show(
        f"{written:>9,} events, {WORKING} orders working: ready {ready_s:.2f} s, trading again {trading_s:.2f} s"
        f" ({cpu_s:.2f} s of processor)"
    )


def main() -> None:
    """Both journals, side by side, then the proof that nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep the journal here, and use one that is there")
    arguments = parser.parse_args()
    show(f"python {sys.version.split()[0]}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name) / "new", 0)
        folder = arguments.folder or Path(name) / "old"
        measure(folder, 0 if (folder / "dropcopy.db").exists() else arguments.events)
        began = time.monotonic()
        found = audit(folder)
        seconds = time.monotonic() - began
        show(f"verify: {found.events:,} events in {seconds:.1f} s, {len(found.differences)} differences")
        for difference in found.differences[:10]:
            show(f"  {difference}")


if __name__ == "__main__":
    main()
