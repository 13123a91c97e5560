"""Matching, pure: orders and quotes come in with their time, decisions go out. No I/O, no clock, no ids of chance.

Each instrument has resting orders by price, then time, and one standing quote whose displayed sizes are consumed once.
An order trades with the quote that stands when it arrives and with later ones, never with an earlier one. A market
order that finds no quote, or not enough size, goes on working until a quote comes. Orders of different accounts share
one queue and do not trade with each other.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass, field, replace
from decimal import Decimal

from dropcopyd.brokers.paper.fills import displayed_to, place_of, tradable, tradable_at_rest
from dropcopyd.brokers.paper.funding import Wallet
from dropcopyd.brokers.paper.plan import UNPLANNED, Plan
from dropcopyd.brokers.paper.records import (
    CommandRecord,
    Decision,
    Image,
    PaperOrder,
    PaperStatus,
    Quote,
    Reason,
    Standing,
    SubmitEntry,
    Tick,
    trade_date_of,
)
from dropcopyd.brokers.paper.rules import (
    Objection,
    is_all_or_nothing,
    is_marketable,
    limit_of,
    objection_to_create,
    objection_to_terms,
    price_at,
    price_on_the_way,
)
from dropcopyd.brokers.paper.turn import Turn, external_order_id_of, order_number_of
from dropcopyd.domain import money
from dropcopyd.domain.command import Command
from dropcopyd.domain.instrument import Instrument, InstrumentKey, key_of
from dropcopyd.domain.order import ActionType, OrderSide, OrderTerms, TimeInForce
from dropcopyd.domain.report import Acknowledged, Liquidity, Refused, ReportKind
from dropcopyd.ports import Submission

_Rank = tuple[int, Decimal, int, int]
"""Place in a queue: market orders first, then the better price, then the earlier arrival; the order's number last."""


@dataclass(slots=True)
class _Queues:
    """The resting orders of one instrument, best first."""

    buys: list[_Rank] = field(default_factory=list)
    sells: list[_Rank] = field(default_factory=list)

    def of(self, side: OrderSide) -> list[_Rank]:
        return self.buys if side is OrderSide.BUY else self.sells


class Exchange:
    """The paper exchange over the image of its book, which it owns and keeps one decision ahead of the file.

    Calls come one after the other; each returns what it changed, to be committed in the order of the calls.
    """

    def __init__(self, image: Image) -> None:
        self._image = image
        self._queues: dict[InstrumentKey, _Queues] = {}
        self._days: dict[str, int] = {}
        """How many open DAY orders live on each trade date."""
        for order in image.orders.values():
            if order.is_open:
                self._rest(order)

    @property
    def image(self) -> Image:
        """The book's state after the last decision. Only `memory` may add and remove what is closed."""
        return self._image

    def active_instruments(self) -> list[Instrument]:
        """Those with working orders, in a stable order."""
        orders = self._image.orders
        ranks = (queues.buys or queues.sells for queues in self._queues.values())
        return [orders[queue[0][3]].instrument for queue in ranks if queue]

    def open_account(self, account_id: str, plan: Plan, at_ns: int) -> Decision:
        """Open an account with its plan; one that the book has keeps the plan that it was opened with."""
        turn = self._turn(at_ns)
        if account_id not in self._image.wallets and plan != UNPLANNED:
            wallet = self._image.wallets[account_id] = Wallet(account_id, plan)
            turn.decision.plans[account_id] = plan
            for currency, amount in (plan.cash or {}).items():
                wallet.pay(currency, amount)
            turn.keep_money(wallet, None)
        return turn.decision

    def submit(
        self, submission: Submission, at_ns: int, *, has_market: bool
    ) -> tuple[Acknowledged | Refused, Decision]:
        """A command has arrived: its answer, and everything it changes.

        A repetition gets the first answer again and changes nothing but the submit log. Every command and order that
        it names must be in the image (`memory`).
        """
        command = submission.command
        turn = self._turn(at_ns)
        turn.decision.submits.append(
            SubmitEntry(command.broker_command_id, command.account_id, command.action_type, turn.at_ns)
        )
        known = self._image.commands.get(command.broker_command_id)
        if known is not None:
            return _answer_again(known, command), turn.decision
        is_create = command.action_type is ActionType.CREATE
        order = self._create(turn, command, has_market=has_market) if is_create else self._amend(turn, submission)
        answer = _answer(order, command, turn.decision)
        number = order.number if order is not None else None
        turn.remember(CommandRecord(command.broker_command_id, command.account_id, command.action_type, number, answer))
        self._show_place(turn, command.instrument)
        return answer, turn.decision

    def quote(self, tick: Tick, source: str, at_ns: int) -> Decision:
        """A new quote: resting orders that it reaches trade, best price and earliest arrival first.

        The decision is empty when nothing traded and the tick is no mark.
        """
        turn = self._turn(at_ns)
        key = key_of(tick.instrument)
        before = self._image.standings.get(key)
        standing = Standing(tick.instrument, source, tick.place, tick.quote, turn.at_ns)
        self._image.standings[key] = standing
        if tick.is_mark:
            turn.show(standing)
        queues = self._queues.get(key)
        if queues is not None:
            way = before if before is not None and tick.is_continuous else None
            self._sweep(turn, key, queues.buys, way)
            self._sweep(turn, key, queues.sells, way)
        return turn.decision

    def expire(self, at_ns: int) -> Decision:
        """Cancel the DAY orders of earlier trade dates."""
        turn = self._turn(at_ns)
        today = trade_date_of(turn.at_ns)
        if all(day >= today for day in self._days):
            return turn.decision
        for order in list(self._image.orders.values()):
            if order.is_open and order.terms.time_in_force is TimeInForce.DAY and order.trade_date < today:
                self._leave(order)
                turn.end(order, PaperStatus.EXPIRED, reason_code=Reason.EXPIRED, reason="the trading day is over")
        return turn.decision

    # --- commands -------------------------------------------------------------------------------------------------

    def _create(self, turn: Turn, command: Command, *, has_market: bool) -> PaperOrder:
        image = self._image
        image.order_count += 1
        image.priority_count += 1
        order = PaperOrder(
            number=image.order_count,
            external_order_id=external_order_id_of(image, image.order_count),
            account_id=command.account_id,
            instrument=command.instrument,
            side=command.order_side,
            terms=command.terms,
            live_command_id=command.broker_command_id,
            priority=image.priority_count,
            entered_at_ns=turn.at_ns,
            trade_date=trade_date_of(turn.at_ns),
        )
        objection = objection_to_create(order.instrument, order.terms, turn.at_ns, has_market=has_market)
        objection = objection or self._funding_objection(turn, order)
        if objection is not None:
            order = turn.put(replace(order, status=PaperStatus.REJECTED))
            code, reason = objection
            turn.report(ReportKind.REJECTED, order.live_command_id, order, reason_code=code, reason=reason)
            return order
        turn.put(order)
        turn.report(ReportKind.ACCEPTED, order.live_command_id, order)
        return self._arrive(turn, order)

    def _amend(self, turn: Turn, submission: Submission) -> PaperOrder | None:
        command = submission.command
        order = self.named(submission)
        if order is None:
            turn.report_unknown_order(command.account_id, command.broker_command_id)
            return None
        if not order.is_open:
            self._refuse(turn, command, order, Reason.TOO_LATE, f"the order is {order.status}")
            return order
        if command.action_type is ActionType.CANCEL:
            turn.report(ReportKind.PENDING_CANCEL, command.broker_command_id, order, raw_status="cancel_pending")
            self._leave(order)
            return turn.end(order, PaperStatus.CANCELLED, command_id=command.broker_command_id)
        turn.report(ReportKind.PENDING_REPLACE, command.broker_command_id, order, raw_status="replace_pending")
        objection = objection_to_terms(order.instrument, command.terms)
        objection = objection or self._funding_objection(turn, _with_terms(order, command.terms))
        if objection is not None:
            self._refuse(turn, command, order, *objection)
            return order
        return self._replace(turn, order, command)

    def _replace(self, turn: Turn, order: PaperOrder, command: Command) -> PaperOrder:
        """New terms. A total at or below what is filled becomes the filled quantity: the order is done."""
        self._leave(order)
        terms = _with_terms(order, command.terms).terms
        if not _keeps_priority(order.terms, terms):
            self._image.priority_count += 1
            order = replace(order, priority=self._image.priority_count)
        is_done = terms.quantity == order.filled_quantity
        order = turn.put(
            replace(
                order,
                terms=terms,
                live_command_id=command.broker_command_id,
                trade_date=trade_date_of(turn.at_ns),
                status=PaperStatus.FILLED if is_done else PaperStatus.WORKING,
            )
        )
        turn.report(ReportKind.REPLACED, command.broker_command_id, order)
        return order if is_done else self._arrive(turn, order)

    def named(self, submission: Submission) -> PaperOrder | None:
        """The order that a replace or cancel names, by any command of its chain, else by our own id of it."""
        orders, account_id = self._image.orders, submission.command.account_id
        original = self._image.commands.get(submission.original_command_id or "")
        if original is not None and original.order_number is not None:
            order = orders[original.order_number]
            return order if order.account_id == account_id else None
        found = orders.get(order_number_of(self._image, submission.external_order_id) or 0)
        return found if found is not None and found.account_id == account_id else None

    def _refuse(self, turn: Turn, command: Command, order: PaperOrder, code: Reason, reason: str) -> None:
        turn.report(ReportKind.REQUEST_REFUSED, command.broker_command_id, order, reason_code=code, reason=reason)

    # --- matching -------------------------------------------------------------------------------------------------

    def _arrive(self, turn: Turn, order: PaperOrder) -> PaperOrder:
        """A new or changed order meets the standing quote; what is left rests, or ends by its time in force."""
        standing_key = key_of(order.instrument)
        standing = self._image.standings.get(standing_key)
        is_whole_only = is_all_or_nothing(order.terms)
        if standing is not None and is_marketable(order, standing.quote):
            quantity = tradable(turn.wallet(order.account_id).plan, order, standing.quote)
            if quantity and (quantity == order.leaves_quantity or not is_whole_only):
                order = turn.fill(order, quantity, price_at(order.side, standing.quote), Liquidity.REMOVED)
        if not order.is_open:
            return order
        if is_whole_only:
            reason = "could not be filled whole at once"
            return turn.end(order, PaperStatus.CANCELLED, reason_code=Reason.FOK_NOT_FILLED, reason=reason)
        if order.terms.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL:
            reason = "what could not be filled at once is cancelled"
            return turn.end(order, PaperStatus.CANCELLED, reason_code=Reason.IOC_REMAINDER, reason=reason)
        self._rest(order)
        self._queue_up(turn, order, None if standing is None else self._image.standings[standing_key].quote)
        return order

    def _queue_up(self, turn: Turn, order: PaperOrder, quote: Quote | None) -> None:
        """A new priority begins at the end of the queue."""
        known = self._image.places.get(order.number)
        if known is None or known.priority != order.priority:
            place = place_of(turn.wallet(order.account_id).plan, order, quote)
            if place is not None:
                turn.queue(order.number, place)

    def _sweep(self, turn: Turn, key: InstrumentKey, queue: list[_Rank], before: Standing | None) -> None:
        """Trade one side's resting orders with the standing quote, as far as it reaches and its size lasts."""
        for rank in tuple(queue):
            order = self._image.orders[rank[3]]
            quote = self._image.standings[key].quote
            if not is_marketable(order, quote):
                return
            known = self._image.places.get(order.number)
            quantity, place = tradable_at_rest(turn.wallet(order.account_id).plan, order, quote, known)
            if place is not None:
                turn.queue(order.number, place)
            if not quantity:
                if not displayed_to(order.side, quote):
                    return
                continue
            price = price_at(order.side, quote) if before is None else price_on_the_way(order, before.quote, quote)
            is_resting_limit = limit_of(order.terms) is not None
            self._leave(order)
            order = turn.fill(order, quantity, price, Liquidity.ADDED if is_resting_limit else Liquidity.REMOVED)
            if order.is_open:
                self._rest(order)

    def _funding_objection(self, turn: Turn, order: PaperOrder) -> Objection | None:
        """Why the account cannot carry the order, new or with new terms."""
        price = self._image.price(order.instrument, order.side)
        return turn.wallet(order.account_id).objection(order, price, self._image.mark)

    def _rest(self, order: PaperOrder) -> None:
        queues = self._queues.setdefault(key_of(order.instrument), _Queues())
        insort(queues.of(order.side), _rank(order))
        if order.terms.time_in_force is TimeInForce.DAY:
            self._days[order.trade_date] = self._days.get(order.trade_date, 0) + 1

    def _leave(self, order: PaperOrder) -> None:
        """Take a resting order out of its queue, with the terms under which it rested."""
        key = key_of(order.instrument)
        queues = self._queues[key]
        queue = queues.of(order.side)
        del queue[bisect_left(queue, _rank(order))]
        if not queues.buys and not queues.sells:
            del self._queues[key]
        if order.terms.time_in_force is TimeInForce.DAY:
            self._days[order.trade_date] -= 1
            if not self._days[order.trade_date]:
                del self._days[order.trade_date]

    def _turn(self, at_ns: int) -> Turn:
        """A decision at that time, or at the last execution's if the clock has gone back."""
        return Turn(self._image, max(at_ns, self._image.last_ns))

    def _show_place(self, turn: Turn, instrument: Instrument) -> None:
        """An arrival records where the market stood: after a restart the order meets only what came later."""
        standing = self._image.standings.get(key_of(instrument))
        if standing is not None:
            turn.show(standing)


def _rank(order: PaperOrder) -> _Rank:
    limit = limit_of(order.terms)
    if limit is None:
        return 0, money.ZERO, order.priority, order.number
    return 1, money.negate(limit) if order.side is OrderSide.BUY else limit, order.priority, order.number


def _with_terms(order: PaperOrder, terms: OrderTerms) -> PaperOrder:
    """The order under new terms. A total below what is filled becomes the filled quantity."""
    return replace(order, terms=replace(terms, quantity=max(terms.quantity, order.filled_quantity)))


def _keeps_priority(before: OrderTerms, after: OrderTerms) -> bool:
    """Whether a replace changed nothing but the quantity, and that not upwards."""
    return after.quantity <= before.quantity and replace(after, quantity=before.quantity) == before


def _answer(order: PaperOrder | None, command: Command, decision: Decision) -> Acknowledged | Refused:
    """What the caller hears: a refused create at once, everything else that its decision follows as a report."""
    if order is None:
        return Acknowledged(None)
    if command.action_type is ActionType.CREATE and order.status is PaperStatus.REJECTED:
        report = decision.reports[-1].report
        return Refused(report.reason_code or "", report.reason or "")
    return Acknowledged(order.external_order_id)


def _answer_again(known: CommandRecord, command: Command) -> Acknowledged | Refused:
    if (known.account_id, known.action_type) == (command.account_id, command.action_type):
        return known.answer
    return Refused(Reason.DUPLICATE_COMMAND_ID, "this command id was used for something else")
