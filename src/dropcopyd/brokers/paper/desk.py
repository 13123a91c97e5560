"""Where the exchange, its book and its price feeds meet: decide on pending state, commit, then answer."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from dropcopyd.brokers.paper.book import Book
from dropcopyd.brokers.paper.exchange import Answer, Exchange
from dropcopyd.brokers.paper.funding import wallet_of
from dropcopyd.brokers.paper.market import Feed
from dropcopyd.brokers.paper.memory import Memory
from dropcopyd.brokers.paper.plan import Plan
from dropcopyd.brokers.paper.records import Decision, Standing
from dropcopyd.brokers.paper.sessions import Timetable
from dropcopyd.domain import money
from dropcopyd.domain.controls import Reference
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.paper import AdjustmentRequest, PushedQuote
from dropcopyd.domain.report import AdjustmentReport, BalanceReport
from dropcopyd.errors import InvalidError
from dropcopyd.ports import Clock, Submission

TICKS_PER_TURN: Final = 64
"""Quotes taken from each feed before the event loop gets its turn."""
PAUSE_MAX_S: Final = 0.25
"""The market looks at the clock at least this often, unless told otherwise: it may be set, and prices be pushed."""


class Desk:
    """The exchange in service. Decisions are made in the event loop, one after the other, and committed in order.

    What is reported about a decision goes through `book.writer`'s announcements, after its commit.
    """

    def __init__(
        self,
        book: Book,
        feeds: Sequence[Feed],
        clock: Clock,
        timetable: Timetable | None = None,
        pause_max_s: float = PAUSE_MAX_S,
    ) -> None:
        """Takes over the book's image. The first feed that covers an instrument prices it."""
        self._writer = book.writer
        self._book = book
        self._feeds = tuple(feeds)
        self._clock = clock
        self._pause_max_s = pause_max_s
        image = book.image
        self._exchange = Exchange(image, timetable)
        self._memory = Memory(image, max(clock.now_ns(), image.last_ns))
        self._resume()

    async def submit(self, submission: Submission) -> Answer:
        """Take a command; its decision is durable when this returns. Raises StoreError if it could not be committed.

        Cancelled before the decision, the command never arrived; after it, only the answer is lost.
        """
        mark = self._writer.committed_count
        self._memory.begin_lookup(mark)
        try:
            await self._look_up(submission)
            await self._writer.room()
            answer, done = self._decide(submission)
        finally:
            self._memory.end_lookup(mark)
        await asyncio.shield(done)
        return answer

    def open_account(self, account_id: str, plan: Plan) -> None:
        """Open an account with its plan, unless the book has it. Raises StoreError after a failure of the book."""
        decision = self._exchange.open_account(account_id, plan, self._clock.now_ns())
        if not decision.is_empty:
            self._write(decision)

    async def adjust(self, account_id: str, key: str, asked: AdjustmentRequest) -> AdjustmentReport:
        """Book an adjustment, durably. Raises DropcopyError, and StoreError where it could not be committed."""
        mark = self._writer.committed_count
        self._memory.begin_lookup(mark)
        try:
            known = await self._book.adjustment(account_id, key) if key else None
            if known is not None:
                self._memory.adopt_adjustment(known, self._writer.written_count)
            await self._writer.room()
            booked, decision = self._exchange.adjust(account_id, key, asked, self._clock.now_ns())
            done = self._durable(decision)
        finally:
            self._memory.end_lookup(mark)
            self.forget()  # a repetition commits nothing
        await done
        if isinstance(booked, InvalidError):
            raise booked
        return booked.report

    async def push(self, account_id: str, quotes: Sequence[PushedQuote]) -> tuple[Standing, ...]:
        """Show quotes in the account's own markets, durably; what then stands there. Raises StoreError."""
        await self._writer.room()
        standings, decision = self._exchange.push(account_id, quotes, self._clock.now_ns())
        await self._durable(decision)
        return standings

    async def release(self, account_id: str, instrument: Instrument) -> None:
        """Let the account trade in the shared market again, durably. Raises StoreError."""
        await self._writer.room()
        await self._durable(self._exchange.release(account_id, instrument, self._clock.now_ns()))

    def _durable(self, decision: Decision) -> Awaitable[None]:
        """Commit, now; to be awaited until that and all before it is durable."""
        if decision.is_empty:
            return self._writer.drained()
        return asyncio.shield(self._write(decision))

    def plan_of(self, account_id: str) -> Plan:
        """The plan that the account was opened with."""
        return wallet_of(self._exchange.image, account_id).plan

    def balances(self, account_id: str) -> tuple[BalanceReport, ...]:
        """The account's money as decided so far; none for an account whose money nobody looks at."""
        wallet, image = wallet_of(self._exchange.image, account_id), self._exchange.image
        if not wallet.is_limited:
            return ()
        now_ns = self._clock.now_ns()
        marks = image.marks_of(account_id)
        reports = (wallet.balance(currency, marks) for currency in wallet.currencies())
        return tuple(replace(report, broker_sent_at_ns=now_ns) for report in reports)

    def turn(self) -> bool:
        """Let the market move up to now, bounded; whether there is more to do at once. Raises StoreError."""
        now_ns = self._clock.now_ns()
        decision = self._exchange.pass_time(now_ns)
        active: dict[int, list[Instrument]] = {}
        for instrument in self._exchange.active_instruments():
            feed = self.feed_of(instrument)
            if feed is not None:
                active.setdefault(id(feed), []).append(instrument)
        has_more = False
        for feed in self._feeds:
            moved, is_behind = self._move(feed, active.get(id(feed), ()), now_ns)
            decision.merge(moved)
            has_more = has_more or is_behind
        if not decision.is_empty:
            self._write(decision)
        return has_more

    def pause_s(self) -> float:
        """How long until the market has something to do."""
        now_ns = self._clock.now_ns()
        dues_ns = [due_ns for feed in self._feeds if (due_ns := feed.next_due_ns(now_ns)) is not None]
        session_ns = self._exchange.next_due_ns()
        if session_ns is not None:
            dues_ns.append(session_ns)
        return min([self._pause_max_s, *(max(0, due_ns - now_ns) / 1e9 for due_ns in dues_ns)])

    def feed_of(self, instrument: Instrument) -> Feed | None:
        """Where the instrument's prices come from; None where it has no market."""
        return next((feed for feed in self._feeds if feed.covers(instrument)), None)

    def mark(self, instrument: Instrument, account_id: str = "") -> Decimal | None:
        """The middle of the bid and ask of now, or of the last that were shown; None where there are none."""
        reference = self.reference(instrument, account_id)
        return None if reference is None else reference.price

    def reference(self, instrument: Instrument, account_id: str = "") -> Reference | None:
        """The same price with when it was shown, in the account's own market where it has one."""
        image, at_ns = self._exchange.image, self._clock.now_ns()
        standing = image.standing_of(account_id, instrument)
        feed = None if standing is not None and standing.account_id else self.feed_of(instrument)
        quote = None if feed is None else feed.now(instrument, at_ns)
        if quote is None and standing is not None:
            quote, at_ns = standing.quote, standing.at_ns
        if quote is None:
            return None
        return Reference(money.divide(money.add(quote.bid, quote.ask), Decimal(2)), at_ns)

    def forget(self) -> None:
        """Let go of what the book has by now; to be called after commits."""
        self._memory.forget(self._writer.committed_count)

    def _resume(self) -> None:
        """Each feed goes on from its own record; a quote that another source left behind is no market any more."""
        standings = self._exchange.image.standings
        for key, standing in list(standings.items()):
            if standing.account_id:
                continue
            feed = self.feed_of(standing.instrument)
            if feed is None or feed.source != standing.source:
                del standings[key]
        for feed in self._feeds:
            shared = [standing for standing in standings.values() if not standing.account_id]
            feed.resume([standing for standing in shared if self.feed_of(standing.instrument) is feed])

    async def _look_up(self, submission: Submission) -> None:
        command_ids, order_numbers = self._memory.missing(submission)
        if command_ids or order_numbers:
            commands, orders = await self._book.chains(command_ids, order_numbers)
            self._memory.adopt(commands, orders, self._writer.written_count)

    def _decide(self, submission: Submission) -> tuple[Answer, asyncio.Future[None]]:
        """The arrival, against a price that is not older than it. No suspension in here."""
        instrument, now_ns = submission.command.instrument, self._clock.now_ns()
        feed = self.feed_of(instrument)
        decision = Decision() if feed is None else self._move(feed, [instrument], now_ns)[0]
        has_market = feed is not None or self._exchange.has_own_market(submission.command)
        answer, arrival = self._exchange.submit(submission, now_ns, has_market=has_market)
        self._memory.arrived(submission.command)
        decision.merge(arrival)
        return answer, self._write(decision)

    def _move(self, feed: Feed, active: Sequence[Instrument], now_ns: int) -> tuple[Decision, bool]:
        """Show what a feed has due, bounded; whether it may have more."""
        decision = Decision()
        ticks = feed.due(active, now_ns, TICKS_PER_TURN)
        for tick in ticks:
            decision.merge(self._exchange.quote(tick, feed.source, now_ns))
        return decision, len(ticks) >= TICKS_PER_TURN

    def _write(self, decision: Decision) -> asyncio.Future[None]:
        done = self._writer.write(decision)
        self._memory.note(decision, self._writer.written_count)
        return done
