"""No false break: reconciliations one after another while fills arrive, told late and in any order between orders.

A gateway on a scripted broker with a book of its own. Executions happen at a steady rate; each is told up to `lag_s`
later, in order, so that every snapshot sees some that the gateway has not heard of and some that it heard of meanwhile.
Now and then a real difference is planted in an instrument that does not trade, and has to be found and to go again.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from dropcopyd.domain.report import OrderReport
from tests.support.counterparty import Counterparty, Placed, Site, site

SYMBOLS = ("AAPL", "MSFT", "GOOG", "NVDA")
QUIET = "SPY"
_WINDOW = 100
"""Executions of each order that are listed beside those that were not told yet, which no list may leave out."""
ACCOUNT_ID = "00000000-0000-4000-8000-0000000000d1"


@dataclass
class Outcome:
    """What a campaign has seen."""

    verdicts: Counter[str] = field(default_factory=Counter)
    snapshots: int = 0
    fills: int = 0
    seconds: float = 0.0
    mended: int = 0
    """Executions that were taken from a list before their report came."""
    planted: int = 0
    found: int = 0
    longest_s: float = 0.0
    """What a report was under way at most: longer than the interval on a machine that does not keep up."""
    late: list[str] = field(default_factory=list)
    """Executions that count as missed, rightly: each was under way for longer than the interval."""
    false_breaks: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        rate = self.fills / self.seconds if self.seconds else 0.0
        return [
            f"{sum(self.verdicts.values())} reconciliations, {self.snapshots} snapshots in {self.seconds:.1f} s",
            f"verdicts: {dict(self.verdicts)}",
            f"{self.fills} fills, {rate:.1f} a second; {self.mended} taken from a list before their report came",
            f"planted differences: {self.planted}, found and closed again: {self.found}",
            f"longest under way: {self.longest_s:.3f} s; missed, as longer than the interval: {len(self.late)}",
            f"false breaks: {len(self.false_breaks)}",
            *self.false_breaks,
            *self.problems,
        ]


_Told = tuple[Placed, float, float, OrderReport]
"""An execution: its order, when it happened, what its report is under way, the report."""


class Trading:
    """Fills at a rate, and the reports behind them."""

    def __init__(self, broker: "Windowed", rate: float, lag_s: float, chance: random.Random) -> None:
        self._broker = broker
        self._rate = rate
        self._lag_s = lag_s
        self._chance = chance
        self._orders: list[Placed] = []
        self.fills = 0
        self.under_way_s: dict[str, float] = {}
        """exec_id -> from the fill until its report was taken in."""
        self.is_over = False

    async def open(self, gateway: Site) -> None:
        """Buys and sells in every symbol, too large to end."""
        for symbol in SYMBOLS:
            for side in ("BUY", "SELL"):
                self._orders.append(await gateway.order("1000000", symbol=symbol, side=side))

    async def run(self) -> None:
        """Until stopped, and all is told; behind its time it catches up."""
        loop = asyncio.get_running_loop()
        begun_s, told = loop.time(), asyncio.Queue[_Told | None]()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell(told))
            while not self.is_over:
                if self.fills < (loop.time() - begun_s) * self._rate:
                    placed = self._chance.choice(self._orders)
                    quantity, cents = self._chance.randint(1, 9), self._chance.randint(0, 99)
                    report = self._broker.fill(placed, str(quantity), f"100.{cents:02}")
                    self.fills += 1
                    told.put_nowait((placed, loop.time(), self._chance.random() * self._lag_s, report))
                else:
                    await asyncio.sleep(0.5 / self._rate)
            told.put_nowait(None)

    async def _tell(self, told: "asyncio.Queue[_Told | None]") -> None:
        loop = asyncio.get_running_loop()
        while (one := await told.get()) is not None:
            placed, filled_s, lag_s, report = one
            await asyncio.sleep(max(0.0, filled_s + lag_s - loop.time()))
            await self._broker.tell(report)
            self.under_way_s[report.exec_id or ""] = loop.time() - filled_s
            self._broker.told(placed, report)


async def campaign(
    folder: Path, *, reconciliations: int, rate: float, lag_s: float = 0.05, confirm_s: float = 0.15, seed: int = 1
) -> Outcome:
    """Reconcile so often while fills arrive; one in ten times with a difference planted where nothing trades.

    Only a window of each order's executions is listed, as a broker lists a day.
    """
    outcome, chance = Outcome(), random.Random(seed)
    broker = Windowed(ACCOUNT_ID)
    async with site(folder, broker=broker, reconcile_confirm_s=confirm_s) as gateway, asyncio.TaskGroup() as tasks:
        trading = Trading(broker, rate, lag_s, chance)
        await trading.open(gateway)
        loop = asyncio.get_running_loop()
        begun_s, running = loop.time(), tasks.create_task(trading.run())
        for number in range(reconciliations):
            await _one(gateway, outcome, is_planted=number % 10 == 9)
        outcome.seconds, outcome.fills = loop.time() - begun_s, trading.fills
        trading.is_over = True
        await running
        await _settle(gateway, outcome, trading, confirm_s)
    return outcome


class Windowed(Counterparty):
    """Lists the last executions of each order that were told, and every one that was not."""

    def told(self, placed: Placed, report: OrderReport) -> None:
        del placed.executions[: max(0, placed.executions.index(report) + 1 - _WINDOW)]


async def _one(gateway: Site, outcome: Outcome, *, is_planted: bool) -> None:
    positions = gateway.broker.positions
    if is_planted:
        outcome.planted += 1
        positions[QUIET] = Decimal(outcome.planted)
    run = await gateway.reconcile()
    outcome.verdicts[run["verdict"]] += 1
    outcome.snapshots += run["snapshots"]
    outcome.mended += run["mended"]
    if is_planted:
        opened = [one for one in await gateway.all("breaks", status="OPEN") if one["symbol"] == QUIET]
        del positions[QUIET]
        await gateway.reconcile()
        closed = await gateway.all("breaks", symbol=QUIET, limit=1)
        outcome.found += bool(opened) and closed[0]["closing"] == "AGREED"


def _is_late(found: dict[str, Any], trading: Trading, confirm_s: float) -> bool:
    """Whether a break says of an execution what is so: that it was not told for as long as the interval."""
    name = found["detail"].partition("'")[2].partition("'")[0]
    return found["kind"] == "MISSING_FILL" and trading.under_way_s.get(name, 0.0) > confirm_s


async def _settle(gateway: Site, outcome: Outcome, trading: Trading, confirm_s: float) -> None:
    """When all is told both sides agree to the share, and no break was about what trades."""
    async with asyncio.timeout(60):
        while (await gateway.reconcile())["verdict"] != "AGREED":
            await asyncio.sleep(0.1)
    outcome.longest_s = max(trading.under_way_s.values(), default=0.0)
    for one in await gateway.all("breaks"):
        if one["symbol"] != QUIET:
            said = outcome.late if _is_late(one, trading, confirm_s) else outcome.false_breaks
            said.append(f"{one['kind']} {one['detail']}")
    for symbol in SYMBOLS:
        held = await gateway.held(symbol)
        if Decimal(held) != gateway.broker.positions.get(symbol, Decimal(0)):
            outcome.problems.append(f"{symbol}: {held} here, {gateway.broker.positions.get(symbol)} at the broker")
    if outcome.found != outcome.planted:
        outcome.problems.append("a planted difference was missed")
