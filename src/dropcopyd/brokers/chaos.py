"""Chaos: any broker, made to behave as brokers do on their worst days, from a seed.

A wrapper around an implementation of the `Broker` port. What it does to reports and answers is drawn from the seed and
the count of the account's reports and commands, each kind with its own rate:

- duplicates, drops, reordered reports; a report that is held back is told after one to three others, or after `hold_s`.
- phantoms: an execution that never was is told, and busted before anything else but executions is told of its order.
- late and lost answers to a command, and commands that are lost on the way; snapshots that fail.
- disconnects, each for `disconnect_s`: what is told meanwhile is lost.
- ids used again: execution ids that other orders have had, the broker's order ids that other orders have.

The truth is never changed, only the telling: the wrapped broker's snapshot lists what was dropped. A phantom whose bust
was under way when the process died stays with the listener, as a difference that somebody has to look at.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any, Final

from dropcopyd.brokers.chance import draw, happens
from dropcopyd.brokers.waits import Waits
from dropcopyd.domain import money
from dropcopyd.domain.account import BrokerKind
from dropcopyd.domain.report import (
    Acknowledged,
    BrokerCapabilities,
    BrokerReport,
    BrokerSnapshot,
    FindResult,
    Found,
    OrderClaim,
    OrderReport,
    ReportKind,
    SubmitResult,
    Unavailable,
    Unknown,
)
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.ports import Broker, BrokerListener, Clock, Submission

_NS: Final = 1_000_000_000
_HOLD_REPORTS: Final = 3
_ORDER_IDS: Final = 64
"""How many different order ids there are while they are used again."""
_NUMBER: Final = re.compile("[0-9]+$", re.ASCII)
_EXEC_NUMBER: Final = re.compile(r"([0-9]+)((?:\.[0-9]+)?)$", re.ASCII)
"""An execution's, with the number of its amendment."""
PAUSE_MAX_S: Final = 0.25
"""The clock is looked at at least this often, unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chaos:
    """Rates are chances from 0 to 1, per report, per command, or per snapshot."""

    seed: int = 0
    duplicates: Decimal = money.ZERO
    drops: Decimal = money.ZERO
    reorders: Decimal = money.ZERO
    phantoms: Decimal = money.ZERO
    disconnects: Decimal = money.ZERO
    id_reuse: Decimal = money.ZERO
    """Of executions and of orders."""
    late_answers: Decimal = money.ZERO
    lost_answers: Decimal = money.ZERO
    lost_commands: Decimal = money.ZERO
    failed_snapshots: Decimal = money.ZERO
    hold_s: Decimal = Decimal(1)
    late_answer_s: Decimal = Decimal(2)
    disconnect_s: Decimal = Decimal(2)


MILD: Final = Chaos(
    duplicates=Decimal("0.02"),
    drops=Decimal("0.02"),
    reorders=Decimal("0.02"),
    phantoms=Decimal("0.01"),
    disconnects=Decimal("0.001"),
    id_reuse=Decimal("0.1"),
    late_answers=Decimal("0.02"),
    lost_answers=Decimal("0.01"),
    lost_commands=Decimal("0.01"),
    failed_snapshots=Decimal("0.05"),
)
"""What `--chaos` means by itself."""
_TIMES: Final = ("hold_s", "late_answer_s", "disconnect_s")


def parse_chaos(words: Iterable[str]) -> Chaos | None:
    """`NAME=VALUE` each over MILD; no words: None. Raises ValueError that says what is wrong."""
    known = {item.name for item in fields(Chaos)}
    given = [word for word in words if word]
    changes: dict[str, Decimal | int] = {}
    for word in given:
        name, _, text = word.partition("=")
        if word == "mild":
            continue
        if name not in known:
            raise ValueError(f"chaos has no {name!r}; known are mild, {', '.join(sorted(known))}")
        value = money.parse(text)
        if value < 0 or (name not in (*_TIMES, "seed") and value > 1):
            raise ValueError(f"chaos {name}: must be from 0 to 1" if name not in _TIMES else f"chaos {name}: below 0")
        changes[name] = int(value) if name == "seed" else value
    return replace(MILD, **changes) if given else None  # type: ignore[arg-type]  # the field's own type


@dataclass(slots=True)
class _Line:
    """One account's line to the listener."""

    is_up: bool = False
    """Whether the wrapped broker's line is up."""
    is_cut: bool = False
    """Whether chaos has cut it."""
    reports: int = 0
    commands: int = 0
    snapshots: int = 0
    held: list[tuple[int, int, OrderReport]] = field(default_factory=list)
    """(told after that many reports, or at that time, the report)"""
    busts: list[OrderReport] = field(default_factory=list)
    """Busts of phantoms that are still to be told."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class ChaosBroker:
    """The `Broker` port over another one, and the `BrokerListener` of that one."""

    def __init__(self, broker: Broker, chaos: Chaos, clock: Clock, pause_max_s: float = PAUSE_MAX_S) -> None:
        """`pause_max_s`: the clock is looked at at least this often; a simulation need not look between events."""
        self.kind: BrokerKind = broker.kind
        self.capabilities: BrokerCapabilities = broker.capabilities
        self._broker = broker
        self._chaos = chaos
        self._clock = clock
        self._waits = Waits(clock)
        self._pause_max_s = pause_max_s
        self._lines: defaultdict[str, _Line] = defaultdict(_Line)
        self._listener: BrokerListener | None = None
        self._tasks: asyncio.TaskGroup | None = None

    # --- the broker's side ----------------------------------------------------------------------------------------

    async def run(self, listener: BrokerListener) -> None:
        """Run the wrapped broker, and let time pass for what is held back."""
        async with asyncio.TaskGroup() as tasks:
            self._listener, self._tasks = listener, tasks
            tasks.create_task(self._drive())
            await self._broker.run(self)

    async def submit(self, submission: Submission, timeout_s: float) -> SubmitResult:
        """Send a command, unless it is lost; its answer may be lost, or late."""
        account_id = submission.command.account_id
        line = self._lines[account_id]
        if line.is_cut:
            return Unknown("chaos: the line is down")
        line.commands += 1
        count = line.commands
        if self._does("lost_commands", account_id, count):
            return Unknown("chaos: the command was lost")
        answer = await self._broker.submit(self._unmasked(submission), timeout_s)
        if self._does("lost_answers", account_id, count) or line.is_cut:
            return Unknown("chaos: the answer was lost")
        if self._does("late_answers", account_id, count):
            if self._chaos.late_answer_s >= timeout_s:
                return Unknown("chaos: the answer comes too late")
            await self._waits.until(self._after(self._chaos.late_answer_s))
        if isinstance(answer, Acknowledged):
            return Acknowledged(self._masked_order_id(answer.external_order_id))
        return answer

    async def find(self, submission: Submission, timeout_s: float) -> FindResult:
        """What the wrapped broker knows, under the ids that the listener has been told."""
        if self._lines[submission.command.account_id].is_cut:
            return Unavailable("chaos: the line is down")
        result = await self._broker.find(self._unmasked(submission), timeout_s)
        return Found(tuple(self._masked(report) for report in result.reports)) if isinstance(result, Found) else result

    async def snapshot(
        self, account_id: str, after_cursor: str, timeout_s: float, listed_after: str = ""
    ) -> BrokerSnapshot:
        """What the wrapped broker lists, or DropcopyError (NOT_READY) at times."""
        line = self._lines[account_id]
        line.snapshots += 1
        if line.is_cut or self._does("failed_snapshots", account_id, line.snapshots):
            raise DropcopyError(Code.NOT_READY, "chaos: the snapshot failed", account_id=account_id)
        snapshot = await self._broker.snapshot(account_id, after_cursor, timeout_s, listed_after)
        return replace(
            snapshot,
            reports=tuple(self._masked_any(report) for report in snapshot.reports),
            orders=tuple(self._masked_claim(claim) for claim in snapshot.orders),
            executions=tuple(self._masked(report) for report in snapshot.executions),
        )

    def is_connected(self, account_id: str) -> bool:
        return self._broker.is_connected(account_id) and not self._lines[account_id].is_cut

    def turn(self) -> None:
        """Let what is due by the clock happen now, instead of at the next look at it."""
        self._waits.release()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is held back and no line is cut."""
        lines = self._lines.values()
        return self._waits.next_due_ns() is None and not any(line.is_cut or line.held or line.busts for line in lines)

    # --- the listener's side --------------------------------------------------------------------------------------

    async def on_connected(self, account_id: str) -> None:
        line = self._lines[account_id]
        line.is_up = True
        if not line.is_cut:
            await self._heard.on_connected(account_id)

    async def on_disconnected(self, account_id: str, cause: str) -> None:
        line = self._lines[account_id]
        line.is_up = False
        if not line.is_cut:
            await self._heard.on_disconnected(account_id, cause)

    async def on_report(self, account_id: str, report: BrokerReport) -> None:
        """Tell it, twice, later, or not at all; what is not about an order is told whenever the line is up."""
        line = self._lines[account_id]
        if not isinstance(report, OrderReport):
            if not line.is_cut:
                await self._heard.on_report(account_id, report)
            return
        line.reports += 1
        count = line.reports
        if line.is_cut:
            return
        async with line.lock:
            await self._tell(line, account_id, self._masked(report), count)
            await self._tell_held(line, account_id, count)
        if self._does("disconnects", account_id, count):
            await self._cut(account_id, line)

    async def _tell(self, line: _Line, account_id: str, report: OrderReport, count: int) -> None:
        if report.kind is not ReportKind.TRADE:
            await self._tell_busts(line, account_id)
        if self._does("drops", account_id, count):
            return
        if self._does("reorders", account_id, count):
            after = count + 1 + self._number("reorder span", account_id, count) % _HOLD_REPORTS
            line.held.append((after, self._after(self._chaos.hold_s), report))
            self._later(self._chaos.hold_s, account_id)
            return
        if report.kind is ReportKind.TRADE and self._does("phantoms", account_id, count):
            await self._tell_phantom(line, account_id, report)
        await self._heard.on_report(account_id, report)
        if self._does("duplicates", account_id, count):
            await self._heard.on_report(account_id, report)

    async def _tell_phantom(self, line: _Line, account_id: str, report: OrderReport) -> None:
        """An execution that never was, within what is left of the order; its bust is to follow."""
        leaves = money.subtract(report.quantity or money.ZERO, report.cumulative_quantity or money.ZERO)
        quantity = min(leaves, report.last_quantity or money.ZERO)
        if quantity <= 0 or report.exec_id is None:
            return
        phantom = replace(
            report, exec_id=f"{report.exec_id}-P", last_quantity=quantity, cumulative_quantity=None, cursor="", fees=()
        )
        bust = replace(
            phantom,
            kind=ReportKind.BUST,
            exec_id=f"{report.exec_id}-B",
            exec_ref_id=phantom.exec_id,
            last_quantity=None,
            last_price=None,
            liquidity=None,
            reason="chaos: it never was",
        )
        line.busts.append(bust)
        self._later(self._chaos.hold_s, account_id)
        await self._heard.on_report(account_id, phantom)

    async def _tell_busts(self, line: _Line, account_id: str) -> None:
        """The busts of all phantoms: a report of a request may name another command of the same order."""
        busts, line.busts = line.busts, []
        for bust in busts:
            await self._heard.on_report(account_id, bust)

    async def _tell_held(self, line: _Line, account_id: str, count: int) -> None:
        due = [item for item in line.held if item[0] <= count or item[1] <= self._clock.now_ns()]
        line.held = [item for item in line.held if item not in due]
        for _, _, report in due:
            await self._heard.on_report(account_id, report)

    async def _cut(self, account_id: str, line: _Line) -> None:
        """Take the line down for a while; what is held back is lost, but no phantom stays."""
        async with line.lock:
            await self._tell_busts(line, account_id)
            line.is_cut = True
            line.held.clear()
        await self._heard.on_disconnected(account_id, "chaos: the line is down")
        self._spawn(self._restore(account_id, line))

    async def _restore(self, account_id: str, line: _Line) -> None:
        await self._waits.until(self._after(self._chaos.disconnect_s))
        line.is_cut = False
        if line.is_up:
            await self._heard.on_connected(account_id)

    # --- ids ------------------------------------------------------------------------------------------------------

    def _masked_any(self, report: BrokerReport) -> BrokerReport:
        return self._masked(report) if isinstance(report, OrderReport) else report

    def _masked(self, report: OrderReport) -> OrderReport:
        return replace(
            report,
            external_order_id=self._masked_order_id(report.external_order_id),
            exec_id=self._masked_exec_id(report.external_order_id, report.exec_id),
            exec_ref_id=self._masked_exec_id(report.external_order_id, report.exec_ref_id),
        )

    def _masked_claim(self, claim: OrderClaim) -> OrderClaim:
        return replace(claim, external_order_id=self._masked_order_id(claim.external_order_id) or "")

    def _masked_order_id(self, external_order_id: str | None) -> str | None:
        """The same few ids for many orders; a function of the id, so that every telling agrees."""
        if external_order_id is None or not self._does("id_reuse", "order", external_order_id):
            return external_order_id
        return f"again-{draw(self._chaos.seed, 'order id', external_order_id) % _ORDER_IDS}"

    def _masked_exec_id(self, external_order_id: str | None, exec_id: str | None) -> str | None:
        """An id that is unique in its order only: how far its number is from the order's. A function of both, so that
        an amendment names what it amends by the same id."""
        order, execution = _NUMBER.search(external_order_id or ""), _EXEC_NUMBER.search(exec_id or "")
        if order is None or execution is None or not self._does("id_reuse", "execution", exec_id):
            return exec_id
        return f"again-{int(execution[1]) - int(order[0])}{execution[2]}"

    def _unmasked(self, submission: Submission) -> Submission:
        """Orders are named by commands where their ids are not to be trusted."""
        if (submission.external_order_id or "").startswith("again-"):
            return replace(submission, external_order_id=None)
        return submission

    # --- chance and time ------------------------------------------------------------------------------------------

    @property
    def _heard(self) -> BrokerListener:
        if self._listener is None:
            raise RuntimeError("chaos is not running")
        return self._listener

    def _number(self, purpose: str, *facts: object) -> int:
        return draw(self._chaos.seed, f"chaos {purpose}", *facts)

    def _does(self, what: str, *facts: object) -> bool:
        rate: Decimal = getattr(self._chaos, what)
        return bool(rate) and happens(rate, self._number(what, *facts))

    def _after(self, seconds: Decimal) -> int:
        return self._clock.now_ns() + int(money.multiply(seconds, Decimal(_NS)))

    def _later(self, seconds: Decimal, account_id: str) -> None:
        """Look after what is held back when its time has come."""
        self._spawn(self._look_after(account_id, self._after(seconds)))

    async def _look_after(self, account_id: str, due_ns: int) -> None:
        await self._waits.until(due_ns)
        line = self._lines[account_id]
        async with line.lock:
            if not line.is_cut:
                await self._tell_busts(line, account_id)
                await self._tell_held(line, account_id, line.reports)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self._tasks is None:
            raise RuntimeError("chaos is not running")
        self._tasks.create_task(work)

    async def _drive(self) -> None:
        while True:
            self._waits.added.clear()
            self._waits.release()
            due_ns = self._waits.next_due_ns()
            pause_s = self._pause_max_s
            if due_ns is not None:
                pause_s = min(pause_s, max(0, due_ns - self._clock.now_ns()) / _NS)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._waits.added.wait()
