"""The `Broker` port over the paper exchange, with controls to make it fail as real brokers do."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from dropcopyd.brokers.paper.book import Book
from dropcopyd.brokers.paper.desk import PAUSE_MAX_S, Desk
from dropcopyd.brokers.paper.exchange import Answer
from dropcopyd.brokers.paper.latency import Latency
from dropcopyd.brokers.paper.market import Feed
from dropcopyd.brokers.paper.plan import UNPLANNED, Plan
from dropcopyd.brokers.paper.records import Decision, trade_date_of
from dropcopyd.brokers.paper.session import Session
from dropcopyd.brokers.paper.sessions import Timetable
from dropcopyd.brokers.waits import Waits
from dropcopyd.domain.account import BrokerKind
from dropcopyd.domain.controls import Reference
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.paper import AdjustmentRequest, PushedQuote
from dropcopyd.domain.report import (
    AdjustmentReport,
    BrokerCapabilities,
    BrokerSnapshot,
    FindResult,
    Found,
    NotFound,
    SubmitResult,
    Unavailable,
    Unknown,
)
from dropcopyd.errors import Code, DropcopyError, StoreError
from dropcopyd.ports import BrokerListener, Clock, Failpoints, Submission

_NS: Final = 1_000_000_000
LISTED_NS: Final = 86_400 * _NS
"""Executions are listed from so long ago on: today's and yesterday's, and those of open orders."""
BALANCE_INTERVAL_NS: Final = _NS // 4
"""Changes of an account's money are told together, at most this often."""
SUBMIT_COMMITTED: Final = "paper.submit.committed"


class FailureMode(StrEnum):
    """What may become of a command or its answer on the way."""

    LOST_BEFORE = "lost_before"
    """The command never reaches the broker; nobody can tell."""
    LOST_AFTER = "lost_after"
    """The broker has the command; its answer is lost."""
    DELAY = "delay"
    """The command reaches the broker late, perhaps after the caller has given up waiting."""


class _NoFailpoints:
    def reached(self, point: str) -> None:
        """Nothing strikes here."""


class PaperBroker:
    """The paper broker's connection for all its accounts.

    Commands are answered, and reports handed over, only after the book has them. If the book cannot be written, `run`
    ends with StoreError and the object is of no more use: open the book again.
    """

    kind = BrokerKind.PAPER
    capabilities = BrokerCapabilities()

    def __init__(
        self,
        book: Book,
        feeds: Sequence[Feed],
        clock: Clock,
        accounts: Iterable[str] = (),
        failpoints: Failpoints | None = None,
        plans: Mapping[str, Plan] | None = None,
        timetable: Timetable | None = None,
        pause_max_s: float = PAUSE_MAX_S,
    ) -> None:
        """Takes over the book's image; the caller closes the book after `run` has ended.

        `plans`: those of the accounts that have one. `timetable`: without one everything trades at any hour.
        `pause_max_s`: the market looks at the clock at least this often; a simulation need not look between events.
        """
        self._book = book
        self._desk = Desk(book, feeds, clock, timetable, pause_max_s)
        self._clock = clock
        self._waits = Waits(clock)
        self._failpoints = failpoints or _NoFailpoints()
        self._sessions: dict[str, Session] = {}
        self._running: tuple[asyncio.TaskGroup, BrokerListener] | None = None
        self._failed = asyncio.Event()
        self._next_failure: tuple[FailureMode, float] | None = None
        book.writer.listen(self._on_committed, self._on_failed)
        for account_id in accounts:
            self.add_account(account_id, (plans or {}).get(account_id, UNPLANNED))

    # --- the port -------------------------------------------------------------------------------------------------

    async def run(self, listener: BrokerListener) -> None:
        """Connect every account, move the market, hand over reports, until cancelled.

        Raises StoreError when the book could not be written, after the listener was told that every line is down;
        what the listener raises comes out as the task group's.
        """
        if self._running is not None:
            raise RuntimeError("the paper broker is running already")
        try:
            async with asyncio.TaskGroup() as tasks:
                self._running = tasks, listener
                tasks.create_task(self._watch())
                tasks.create_task(self._drive())
                for session in self._sessions.values():
                    tasks.create_task(session.run(listener))
        except BaseExceptionGroup:
            failure = self._book.writer.failure
            if failure is None:
                raise
            await self._say_farewell(listener, failure.message)
            raise StoreError(failure.code, failure.message) from failure
        finally:
            self._running = None

    async def submit(self, submission: Submission, timeout_s: float) -> SubmitResult:
        """Send a command, once.

        Refused only for a create; whether a replace or cancel is granted comes as a report, and so does everything
        again. Unknown when the answer did not come in time or the line went down meanwhile.
        """
        session = self._sessions.get(submission.command.account_id)
        if session is None or not session.is_live:
            return Unknown("not connected to the paper broker")
        cuts = session.cuts
        failure, self._next_failure = self._next_failure, None
        mode, delay_s = failure or (None, 0.0)
        if mode is FailureMode.LOST_BEFORE:
            return Unknown("the connection broke while the command was being sent")
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._travel(session, submission, delay_s if mode is FailureMode.DELAY else 0.0)
        except TimeoutError:
            return Unknown(f"no answer within {timeout_s:g} s")
        except StoreError as error:
            return Unknown(error.message)
        self._failpoints.reached(SUBMIT_COMMITTED)
        if mode is FailureMode.LOST_AFTER:
            return Unknown("the connection broke before the answer")
        return answer if session.cuts == cuts else Unknown(session.cause)

    async def find(self, submission: Submission, timeout_s: float) -> FindResult:
        """Ask for a command by its id: all reports about its order so far, oldest first.

        They carry no cursor: they are not the account's next reports.
        """
        command = submission.command
        session = self._sessions.get(command.account_id)
        if session is None or not session.is_live:
            return Unavailable("not connected to the paper broker")
        try:
            async with asyncio.timeout(timeout_s):
                await self._book.writer.drained()
                reports = await self._book.reports_of(command.account_id, command.broker_command_id)
        except TimeoutError:
            return Unavailable(f"no answer within {timeout_s:g} s")
        except StoreError as error:
            return Unavailable(error.message)
        return NotFound() if reports is None else Found(reports)

    async def snapshot(
        self, account_id: str, after_cursor: str, timeout_s: float, listed_after: str = ""
    ) -> BrokerSnapshot:
        """The account as the book has it at one instant; executions of today and yesterday, of open orders, and since
        `listed_after`.

        A cursor of another book, or beyond this one's end, counts as the beginning. Raises DropcopyError (NOT_READY)
        when it cannot be had: not connected, no answer in time, the book not readable.
        """
        session = self._sessions.get(account_id)
        if session is None or not session.is_live:
            raise DropcopyError(Code.NOT_READY, "not connected to the paper broker", account_id=account_id)
        try:
            async with asyncio.timeout(timeout_s):
                since_date = trade_date_of(self._clock.now_ns() - LISTED_NS)
                snapshot = await self._book.snapshot(account_id, after_cursor, since_date, listed_after)
                return replace(snapshot, balances=self._desk.balances(account_id))
        except (TimeoutError, StoreError) as error:
            message = error.message if isinstance(error, StoreError) else f"no answer within {timeout_s:g} s"
            raise DropcopyError(Code.NOT_READY, message, account_id=account_id) from error

    def mark(self, instrument: Instrument, account_id: str = "") -> Decimal | None:
        """The price at which one unit is valued now, to the account where one is named; None where none is known."""
        return self._desk.mark(instrument, account_id)

    def reference(self, instrument: Instrument, account_id: str = "") -> Reference | None:
        """The same price with when it was shown."""
        return self._desk.reference(instrument, account_id)

    def is_connected(self, account_id: str) -> bool:
        session = self._sessions.get(account_id)
        return session is not None and session.is_live

    def add_account(self, account_id: str, plan: Plan = UNPLANNED) -> None:
        """Keep one more account; it connects at once if the broker runs. Nothing happens for one that is kept.

        The plan is recorded in the book when the account is new there.
        """
        if account_id in self._sessions:
            return
        self._desk.open_account(account_id, plan)
        latency = Latency(account_id, self._desk.plan_of(account_id))
        session = Session(account_id, self._book, self._failpoints, latency, self._waits)
        self._sessions[account_id] = session
        if self._running is not None:
            tasks, listener = self._running
            tasks.create_task(session.run(listener))

    # --- from outside ---------------------------------------------------------------------------------------------

    async def adjust(self, account_id: str, key: str, asked: AdjustmentRequest) -> AdjustmentReport:
        """Book an adjustment; the listener hears of it as of any report. The same key is booked once.

        Raises DropcopyError: IDEMPOTENCY_KEY_REUSED, INVALID_ARGUMENT, STORE_FAILED; NOT_READY for an account that is
        not kept here.
        """
        self._require_account(account_id)
        return await self._desk.adjust(account_id, key, asked)

    async def push(self, account_id: str, quotes: Sequence[PushedQuote]) -> tuple[PushedQuote, ...]:
        """Show quotes in the account's own markets; what then stands there, with what is left of the sizes."""
        self._require_account(account_id)
        standings = await self._desk.push(account_id, quotes)
        return tuple(
            PushedQuote(
                instrument=standing.instrument,
                bid=standing.quote.bid,
                ask=standing.quote.ask,
                bid_size=standing.quote.bid_size,
                ask_size=standing.quote.ask_size,
            )
            for standing in standings
        )

    async def release(self, account_id: str, instrument: Instrument) -> None:
        """Give the account the shared market of the instrument back; nothing happens where it has no own one."""
        self._require_account(account_id)
        await self._desk.release(account_id, instrument)

    def _require_account(self, account_id: str) -> None:
        if account_id not in self._sessions:
            raise DropcopyError(Code.NOT_READY, "the account is not open at the paper broker", account_id=account_id)

    # --- controls -------------------------------------------------------------------------------------------------

    def disconnect(self, cause: str, account_id: str | None = None) -> None:
        """Take the line down, of one account or of all; the exchange goes on without it."""
        for session in self._sessions.values():
            if account_id in (None, session.account_id):
                session.cut(cause)

    def reconnect(self, account_id: str | None = None) -> None:
        """Bring the line up again."""
        for session in self._sessions.values():
            if account_id in (None, session.account_id):
                session.restore()

    def fail_next_submit(self, mode: FailureMode, delay_s: float = 0.0) -> None:
        """What is to become of the next command; `delay_s` is how late a DELAY arrives."""
        self._next_failure = FailureMode(mode), delay_s

    def turn(self) -> None:
        """Let the market move up to the clock's time now, instead of at its next turn; what is under way arrives."""
        self._waits.release()
        while self._desk.turn():
            pass

    # --- inside ---------------------------------------------------------------------------------------------------

    async def _drive(self) -> None:
        """Move the market for ever, a bounded piece at a time, never ahead of what the book can take."""
        while True:
            await self._book.writer.room()
            self._waits.added.clear()
            self._waits.release()
            self._tell_balances()
            if self._desk.turn():
                await asyncio.sleep(0)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):
                    await self._waits.added.wait()

    async def _watch(self) -> None:
        """End everything when the book has failed."""
        await self._failed.wait()
        failure = self._book.writer.failure
        if failure is not None:
            raise failure

    async def _say_farewell(self, listener: BrokerListener, cause: str) -> None:
        """Tell every account whose line was up that it is gone for good."""
        for session in self._sessions.values():
            if session.is_announced:
                session.is_announced = False
                await listener.on_disconnected(session.account_id, cause)

    async def _travel(self, session: Session, submission: Submission, late_s: float) -> Answer:
        """The command's way to the exchange and its answer's way back.

        Once it is on its way it arrives, whether or not anybody waits for the answer.
        """
        latency, command_id = session.latency, submission.command.broker_command_id
        arrives_ns = latency.arrival_ns(self._clock.now_ns(), command_id)
        if not arrives_ns and not late_s:
            return await self._desk.submit(submission)
        if self._running is None:
            raise asyncio.CancelledError

        async def travel() -> Answer:
            await asyncio.sleep(late_s)
            await self._waits.until(arrives_ns)
            return await self._desk.submit(submission)

        answer = await asyncio.shield(self._running[0].create_task(travel()))
        await self._waits.until(latency.answer_ns(self._clock.now_ns(), command_id))
        return answer

    def _pause_s(self) -> float:
        """How long until the market or somebody under way has something to do."""
        pause_s, due_ns = self._desk.pause_s(), self._waits.next_due_ns()
        return pause_s if due_ns is None else min(pause_s, max(0, due_ns - self._clock.now_ns()) / _NS)

    def _tell_balances(self) -> None:
        """Balances that have changed, each account's at most every BALANCE_INTERVAL_NS."""
        now_ns = self._clock.now_ns()
        for account_id, session in self._sessions.items():
            if session.has_moved_money and now_ns - session.balances_told_ns >= BALANCE_INTERVAL_NS:
                session.tell_balances(self._desk.balances(account_id), now_ns)

    def _on_committed(self, decision: Decision) -> None:
        moved = {order.account_id for order in decision.orders.values()} | {name for name, _ in decision.cash}
        for account_id in moved & self._sessions.keys():
            self._sessions[account_id].has_moved_money = True
        for numbered in decision.reports:
            session = self._sessions.get(numbered.account_id)
            if session is not None:
                session.push(numbered)
        self._desk.forget()

    def _on_failed(self, failure: StoreError) -> None:
        self.disconnect(failure.message)
        self._failed.set()
