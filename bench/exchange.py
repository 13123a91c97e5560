"""The paper exchange alone: orders a second that fill and that rest, and quotes a second, by the size of the book.

    python -m bench.exchange [--runs 5] [--orders 2000] [--books 0 1000 10000 50000]

*Decided* is the exchange's pure decision, one order after the other: no file, no loop. *Durable* is the paper broker as
the gateway uses it, 64 orders under way: decided, committed with fsync, answered. Each figure is the median of the
runs, the cases in turn, so that a busy moment of the machine hits all of them.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from dropcopyd.brokers.paper import Book, ManualFeed, PaperBroker, Plan, Quote, parse_plan
from dropcopyd.brokers.paper.exchange import Exchange
from dropcopyd.brokers.paper.memory import Memory
from dropcopyd.brokers.paper.records import Image, Tick
from dropcopyd.domain.account import PrincipalType
from dropcopyd.domain.command import Command, Stamps
from dropcopyd.domain.instrument import Equity
from dropcopyd.domain.order import ActionType, OrderSide, OrderTerms, OrderType, OrderVenue, TimeInForce
from dropcopyd.domain.report import BrokerReport
from dropcopyd.ports import Submission
from dropcopyd.system import RandomIds, SystemClock

ACCOUNT = "00000000-0000-4000-8000-000000000001"
AAPL = Equity(symbol="AAPL", exchange="NASDAQ", tick_size=Decimal("0.01"), quantity_increment=Decimal(1))
START_NS = 1_795_003_200_000_000_000
SIZE = Decimal(10) ** 12
PLANS = {
    "displayed": parse_plan("displayed", cash=("unlimited",)),
    "realistic": parse_plan("realistic", cash=("USD=1000000000000",), parameters=("partial_chance=0",)),
}
UNDER_WAY = 64


class Orders:
    """Orders with ids of their own: market orders, and limit orders far from the market, spread over 4,000 prices."""

    def __init__(self) -> None:
        self._chance = random.Random(1)
        self._count = 0
        self._command = Command(
            intent_id="",
            seq=1,
            order_id="",
            organization_id="",
            account_id=ACCOUNT,
            broker_command_id="",
            action_type=ActionType.CREATE,
            instrument=AAPL,
            order_side=OrderSide.BUY,
            order_venue=OrderVenue.SMART,
            terms=OrderTerms(order_type=OrderType.MARKET, quantity=Decimal(1), time_in_force=TimeInForce.DAY),
            principal_type=PrincipalType.API_KEY,
            stamps=Stamps(received_ns=START_NS, committed_ns=START_NS),
            deadline_ns=None,
        )

    def filling(self) -> Submission:
        return self._of(self._command.terms, self._chance.choice((OrderSide.BUY, OrderSide.SELL)))

    def resting(self) -> Submission:
        side = self._chance.choice((OrderSide.BUY, OrderSide.SELL))
        steps = Decimal(self._chance.randrange(1, 2_000)) / 100
        price = 100 - steps if side is OrderSide.BUY else 101 + steps
        terms = replace(
            self._command.terms,
            order_type=OrderType.LIMIT,
            limit_price=price,
            time_in_force=TimeInForce.GOOD_TILL_CANCEL,
        )
        return self._of(terms, side)

    def _of(self, terms: OrderTerms, side: OrderSide) -> Submission:
        self._count += 1
        command = replace(self._command, broker_command_id=f"c{self._count}", terms=terms, order_side=side)
        return Submission(command, None, None)


@dataclass
class Floor:
    """An exchange with a book of so many resting orders."""

    exchange: Exchange
    memory: Memory
    orders: Orders
    now_ns: int = START_NS
    serial: int = 0

    @classmethod
    def of(cls, plan: Plan, book: int) -> "Floor":
        image = Image("b00c0000-0000-4000-8000-000000000000", START_NS)
        floor = cls(Exchange(image), Memory(image), Orders())
        floor.exchange.open_account(ACCOUNT, plan, START_NS)
        floor.quote()
        for _ in range(book):
            floor.take(floor.orders.resting())
        return floor

    def take(self, submission: Submission) -> None:
        """Decide, keep and let go, as the desk does."""
        self.now_ns += 1_000
        _, decision = self.exchange.submit(submission, self.now_ns, has_market=True)
        self.serial += 1
        self.memory.note(decision, self.serial)
        self.memory.forget(self.serial)

    def quote(self) -> None:
        """A quote that reaches nobody."""
        self.now_ns += 1_000
        quote = Quote(Decimal(100), Decimal(101), SIZE, SIZE)
        self.exchange.quote(Tick(AAPL, quote, place=str(self.now_ns)), "bench", self.now_ns)


def rate(count: int, work: Callable[[], None]) -> float:
    """How often a second."""
    begun = time.perf_counter()
    for _ in range(count):
        work()
    return count / (time.perf_counter() - begun)


def decided(plan: Plan, book: int, count: int) -> dict[str, float]:
    """One run on a fresh book; what rests is measured last, since it makes the book larger."""
    floor = Floor.of(plan, book)
    filling = [floor.orders.filling() for _ in range(count)]
    resting = [floor.orders.resting() for _ in range(count)]
    return {
        "quotes": rate(count, floor.quote),
        "fills": rate(count, lambda: floor.take(filling.pop())),
        "rests": rate(count, lambda: floor.take(resting.pop())),
    }


class _Nobody:
    """A listener that drops everything."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()

    async def on_report(self, account_id: str, report: BrokerReport) -> None:
        """Heard."""

    async def on_connected(self, account_id: str) -> None:
        self.connected.set()

    async def on_disconnected(self, account_id: str, cause: str) -> None:
        """Heard."""


async def durable(folder: Path, plan: Plan, count: int) -> dict[str, float]:
    """One run of the paper broker on a new book on the disk."""
    clock, orders, listener = SystemClock(), Orders(), _Nobody()
    book = Book.open(folder / "paper.db", clock, RandomIds())
    feed = ManualFeed([AAPL])
    feed.push(AAPL, Quote(Decimal(100), Decimal(101), SIZE, SIZE))
    broker = PaperBroker(book, [feed], clock, [ACCOUNT], plans={ACCOUNT: replace(plan, parameters=plan.parameters)})
    running = asyncio.create_task(broker.run(listener))
    try:
        await listener.connected.wait()
        return {
            "fills": await _sent(broker, [orders.filling() for _ in range(count)]),
            "rests": await _sent(broker, [orders.resting() for _ in range(count)]),
        }
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await book.close()


async def _sent(broker: PaperBroker, submissions: list[Submission]) -> float:
    count, begun = len(submissions), time.perf_counter()

    async def send() -> None:
        while submissions:
            await broker.submit(submissions.pop(), 60)

    await asyncio.gather(*(send() for _ in range(UNDER_WAY)))
    return count / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--orders", type=int, default=2_000)
    parser.add_argument("--books", type=int, nargs="+", default=[0, 1_000, 10_000, 50_000])
    asked = parser.parse_args()
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(asked.runs):
        for name, plan in PLANS.items():
            for book in asked.books:
                found.setdefault((name, f"{book:,}"), []).append(decided(plan, book, asked.orders))
            instant = replace(plan, parameters=replace(plan.parameters, **_NO_LATENCY))
            with tempfile.TemporaryDirectory() as folder:
                run = asyncio.run(durable(Path(folder), instant, asked.orders))
            found.setdefault((name, "durable"), []).append(run)
    print(f"{asked.runs} runs of {asked.orders:,} orders each, medians, a second\n")
    print("| profile | book, orders resting | orders that fill | orders that rest | quotes |")
    print("| --- | --- | --- | --- | --- |")
    for (name, book), runs in found.items():
        told = [_median(runs, what) for what in ("fills", "rests", "quotes")]
        print(f"| `{name}` | {book} | {' | '.join(told)} |")


_NO_LATENCY = dict.fromkeys(
    ("order_latency_ms", "order_latency_tail_ms", "report_latency_ms", "report_latency_tail_ms"), Decimal(0)
)


def _median(runs: list[dict[str, float]], what: str) -> str:
    return f"{statistics.median(run[what] for run in runs):,.0f}" if what in runs[0] else ""


if __name__ == "__main__":
    main()
