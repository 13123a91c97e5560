"""Matching, pure: orders and quotes come in with their time, decisions go out. No I/O, no clock, no ids of chance.

Each instrument has resting orders by price, then time, and one standing quote whose displayed sizes are consumed once.
An order trades with the quote that stands when it goes live and with later ones, never with an earlier one. A market
order that finds no quote, or not enough size, goes on working until a quote comes. Orders of different accounts share
one queue and trade with each other in auctions only.

Here are the commands and the quotes; `floor` has the orders in their places and moves them with the time.
"""

from collections.abc import Iterable
from dataclasses import replace

from dropcopyd.brokers.paper.adjusting import adjust, known_adjustment, objection_to_split, push, release
from dropcopyd.brokers.paper.floor import Floor
from dropcopyd.brokers.paper.funding import Wallet, is_scripted
from dropcopyd.brokers.paper.mishaps import amendment_of, late_fill_of, may_amend
from dropcopyd.brokers.paper.plan import UNPLANNED, Plan, Profile
from dropcopyd.brokers.paper.records import (
    AdjustmentRecord,
    CommandRecord,
    Decision,
    Image,
    PaperOrder,
    PaperStatus,
    Reason,
    Standing,
    SubmitEntry,
    Tick,
)
from dropcopyd.brokers.paper.rules import (
    Objection,
    is_stop,
    objection_to_create,
    objection_to_terms,
    trail_of,
    with_terms,
)
from dropcopyd.brokers.paper.scenario import Do
from dropcopyd.brokers.paper.scripts import Scripts, fill_of
from dropcopyd.brokers.paper.sessions import Timetable
from dropcopyd.brokers.paper.staging import objection_to_time, objection_to_withdrawal, stage_of
from dropcopyd.brokers.paper.turn import Turn, external_order_id_of, order_number_of
from dropcopyd.domain.command import Command
from dropcopyd.domain.evolve import evolve
from dropcopyd.domain.instrument import Instrument, key_of
from dropcopyd.domain.order import ActionType, OrderTerms, OrderType
from dropcopyd.domain.paper import AdjustmentRequest, PushedQuote
from dropcopyd.domain.report import Acknowledged, Refused, ReportKind, Unknown
from dropcopyd.errors import InvalidError
from dropcopyd.ports import Submission

Answer = Acknowledged | Refused | Unknown


class Exchange:
    """The paper exchange over the image of its book, which it owns and keeps one decision ahead of the file.

    Calls come one after the other; each returns what it changed, to be committed in the order of the calls.
    """

    def __init__(self, image: Image, timetable: Timetable | None = None) -> None:
        """Without a timetable everything trades at any hour."""
        self._image = image
        self._timetable = timetable or Timetable()
        self._floor = Floor(image, self._timetable)
        self._scripts = Scripts(image, self._floor)

    @property
    def image(self) -> Image:
        """The book's state after the last decision. Only `memory` may add and remove what is closed."""
        return self._image

    def has_own_market(self, command: Command) -> bool:
        """Whether the command's account has a market of its own for the instrument."""
        standing = self._image.standing_of(command.account_id, command.instrument)
        return standing is not None and bool(standing.account_id)

    def active_instruments(self) -> list[Instrument]:
        """Those with working orders, in a stable order."""
        return self._floor.instruments()

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

    def submit(self, submission: Submission, at_ns: int, *, has_market: bool) -> tuple[Answer, Decision]:
        """A command has arrived: its answer, and everything it changes. Unknown where a scenario says so.

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
        if is_scripted(self._image, command.account_id):
            return self._play(turn, submission), turn.decision
        is_create = command.action_type is ActionType.CREATE
        order = self._create(turn, command, has_market=has_market) if is_create else self._amend(turn, submission)
        self._follow_up(turn)
        answer = self._remember(turn, command, order)
        self._show_place(turn, command)
        return answer, turn.decision

    def quote(self, tick: Tick, source: str, at_ns: int) -> Decision:
        """A new quote: resting orders that it reaches trade, best price and earliest arrival first.

        The decision is empty when nothing changed and the tick is no mark. What a quote has changed is recorded with
        the quote: after a restart no order meets an older one.
        """
        turn = self._turn(at_ns)
        key = key_of(tick.instrument)
        before = self._image.standings.get(key)
        standing = Standing(tick.instrument, source, tick.place, tick.quote, turn.at_ns)
        self._image.standings[key] = standing
        if tick.is_mark:
            turn.show(standing)
        self._floor.show(turn, key, before if tick.is_continuous else None)
        self._follow_up(turn)
        if not turn.decision.is_empty:
            turn.show(self._image.standings[key])
        return turn.decision

    def push(self, account_id: str, quotes: Iterable[PushedQuote], at_ns: int) -> tuple[tuple[Standing, ...], Decision]:
        """Quotes for one account alone: from the first one on, its market of the instrument is its own."""
        turn = self._turn(at_ns)
        standings = tuple(push(turn, self._floor, account_id, quote) for quote in quotes)
        self._follow_up(turn)
        return standings, turn.decision

    def release(self, account_id: str, instrument: Instrument, at_ns: int) -> Decision:
        """The account trades in the shared market again."""
        turn = self._turn(at_ns)
        release(turn, self._floor, account_id, instrument)
        return turn.decision

    def adjust(
        self, account_id: str, key: str, asked: AdjustmentRequest, at_ns: int
    ) -> tuple[AdjustmentRecord | InvalidError, Decision]:
        """Book an adjustment. One whose key is known was booked before, and changes nothing. One that the account
        cannot take is answered with why; the decision has what was due by then and is to be committed all the same.

        Raises DropcopyError: IDEMPOTENCY_KEY_REUSED.
        """
        known = known_adjustment(self._image, account_id, key, asked)
        if known is not None:
            return known, Decision()
        turn = self._turn(max(at_ns, self._image.last_ns + 1))  # after all that it concerns
        objection = objection_to_split(turn, account_id, asked)
        if objection is not None:
            return objection, turn.decision
        record = adjust(turn, self._floor, account_id, key, asked)
        if asked.ratio is not None and asked.instrument is not None:
            self._scripts.split(turn, account_id, asked.instrument)
        return record, turn.decision

    def pass_time(self, at_ns: int) -> Decision:
        """Sessions open and close, auctions are held, orders that are over end."""
        return self._turn(at_ns).decision

    def next_due_ns(self) -> int | None:
        """When `pass_time` has something to do; None when it has not."""
        dues_ns = [due_ns for part in (self._floor, self._scripts) if (due_ns := part.next_due_ns()) is not None]
        return min(dues_ns, default=None)

    # --- commands -------------------------------------------------------------------------------------------------

    def _create(self, turn: Turn, command: Command, *, has_market: bool) -> PaperOrder:
        order = self._new_order(turn, command)
        objection = objection_to_create(order.instrument, order.terms, turn.at_ns, has_market=has_market)
        objection = objection or self._time_objection(turn, order, order.terms)
        objection = objection or self._funding_objection(turn, order)
        if objection is not None:
            order = turn.put(replace(order, status=PaperStatus.REJECTED))
            code, reason = objection
            turn.report(ReportKind.REJECTED, order.live_command_id, order, reason_code=code, reason=reason)
            return order
        turn.put(order)
        turn.report(ReportKind.ACCEPTED, order.live_command_id, order)
        return self._floor.enter(turn, order)

    def _new_order(self, turn: Turn, command: Command) -> PaperOrder:
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
            trade_date="",
            since_ns=turn.at_ns,
        )
        return self._dated(order, turn.at_ns)

    def _remember(self, turn: Turn, command: Command, order: PaperOrder | None) -> Acknowledged | Refused:
        """Keep the command with its answer."""
        answer = _answer(order, command, turn.decision)
        number = order.number if order is not None else None
        turn.remember(CommandRecord(command.broker_command_id, command.account_id, command.action_type, number, answer))
        return answer

    def _play(self, turn: Turn, submission: Submission) -> Answer:
        """A command of a scripted account."""
        command = submission.command
        if command.action_type is ActionType.CREATE:
            run = self._scripts.assign(command)
            if run.steps[0].do is Do.LOSE:
                turn.decision.submits.clear()
                self._scripts.lose(turn, run)
                return Unknown("the scenario loses the command")
            order = self._scripts.begin(turn, run, turn.put(self._new_order(turn, command)))
            is_answered = run.steps[0].do is not Do.NO_ANSWER
        else:
            named = self.named(submission)
            is_answered = True
            if named is None:
                turn.report_unknown_order(command.account_id, command.broker_command_id)
                self._remember(turn, command, None)
                return Acknowledged(None)
            is_answered = self._scripts.request(turn, named, command)
            order = self._image.orders[named.number]
        answer = self._remember(turn, command, order)
        return answer if is_answered else Unknown("the scenario does not answer")

    def _amend(self, turn: Turn, submission: Submission) -> PaperOrder | None:
        command = submission.command
        order = self.named(submission)
        if order is None:
            turn.report_unknown_order(command.account_id, command.broker_command_id)
            return None
        if not order.is_open:
            self._refuse(turn, command, order, Reason.TOO_LATE, f"the order is {order.status}")
            return order
        stands = objection_to_withdrawal(order, self._timetable.hours_of(order.instrument), turn.at_ns)
        if stands is not None:
            self._refuse(turn, command, order, *stands)
            return order
        if command.action_type is ActionType.CANCEL:
            turn.report(ReportKind.PENDING_CANCEL, command.broker_command_id, order, raw_status="cancel_pending")
            was_live = self._floor.is_live(order)
            self._floor.leave(order)
            order = turn.end(order, PaperStatus.CANCELLED, command_id=command.broker_command_id)
            late = late_fill_of(turn.wallet(order.account_id).plan, order) if was_live else None
            if late is not None:
                self._scripts.follow(turn, f"late:{order.external_order_id}", order, late, None)
            return order
        turn.report(ReportKind.PENDING_REPLACE, command.broker_command_id, order, raw_status="replace_pending")
        objection = objection_to_terms(order.instrument, command.terms) or _trigger_objection(order, command.terms)
        objection = objection or self._time_objection(turn, order, command.terms)
        objection = objection or self._funding_objection(turn, with_terms(order, command.terms))
        if objection is not None:
            self._refuse(turn, command, order, *objection)
            return order
        return self._replace(turn, order, command)

    def _replace(self, turn: Turn, order: PaperOrder, command: Command) -> PaperOrder:
        """New terms. A total at or below what is filled becomes the filled quantity: the order is done."""
        self._floor.leave(order)
        terms = with_terms(order, command.terms).terms
        if not _keeps_priority(order.terms, terms):
            self._image.priority_count += 1
            order = replace(order, priority=self._image.priority_count)
        is_done = terms.quantity == order.filled_quantity
        order = turn.put(
            replace(
                order,
                terms=terms,
                live_command_id=command.broker_command_id,
                since_ns=turn.at_ns,
                is_triggered=order.is_triggered and is_stop(terms),
                status=PaperStatus.FILLED if is_done else PaperStatus.WORKING,
            )
        )
        if not is_done:
            order = turn.put(self._dated(order, turn.at_ns))
        turn.report(ReportKind.REPLACED, command.broker_command_id, order)
        if terms.order_type is OrderType.TRAILING_STOP and terms.stop_price is not None:
            turn.report(ReportKind.RESTATED, command.broker_command_id, order, reason="the stop stays where it was")
        return order if is_done else self._floor.enter(turn, order)

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

    def _dated(self, order: PaperOrder, at_ns: int) -> PaperOrder:
        """The order with the trading day that it belongs to."""
        staged = stage_of(order, self._timetable.hours_of(order.instrument), at_ns)
        return evolve(order, trade_date=staged.trade_date)

    def _time_objection(self, turn: Turn, order: PaperOrder, terms: OrderTerms) -> Objection | None:
        """Why an order with these terms cannot be had now."""
        hours = self._timetable.hours_of(order.instrument)
        return objection_to_time(order.instrument, terms, hours, turn.at_ns)

    def _funding_objection(self, turn: Turn, order: PaperOrder) -> Objection | None:
        """Why the account cannot carry the order, new or with new terms."""
        price = self._image.price(order.account_id, order.instrument, order.side)
        return turn.wallet(order.account_id).objection(order, price, self._image.marks_of(order.account_id))

    def _turn(self, at_ns: int) -> Turn:
        """A decision at that time, or at the last execution's if the clock went back; first, what was due by then."""
        turn = Turn(self._image, max(at_ns, self._image.last_ns), self._timetable)
        self._floor.pass_time(turn)
        self._scripts.pass_time(turn)
        self._follow_up(turn)
        return turn

    def _follow_up(self, turn: Turn) -> None:
        """What is to go wrong with executions of this turn, later."""
        made, turn.followed = turn.decision.executions[turn.followed :], len(turn.decision.executions)
        for execution in made:
            plan = turn.wallet(execution.account_id).plan
            if not may_amend(plan.parameters) or plan.profile is Profile.SCRIPTED:
                continue
            order = self._image.orders[execution.order_number]
            step = amendment_of(plan, order.instrument, execution)
            if step is not None:
                self._scripts.follow(turn, f"amend:{execution.exec_id}", order, step, fill_of(execution))

    def _show_place(self, turn: Turn, command: Command) -> None:
        """An arrival records where the market stood: after a restart the order meets only what came later."""
        standing = self._image.standing_of(command.account_id, command.instrument)
        if standing is not None:
            turn.show(standing)


def _trigger_objection(order: PaperOrder, terms: OrderTerms) -> Objection | None:
    """A stop that has triggered stays so: its stop is history."""
    if not order.is_triggered or not is_stop(terms):
        return None
    before = order.terms
    is_trailing = terms.order_type is OrderType.TRAILING_STOP
    is_same = trail_of(terms) == trail_of(before) if is_trailing else terms.stop_price == before.stop_price
    if is_same and terms.order_type is before.order_type:
        return None
    return Reason.TOO_LATE, "the stop has triggered: its stop price can no longer change"


def _keeps_priority(before: OrderTerms, after: OrderTerms) -> bool:
    """Whether a replace changed nothing but the quantity, and that not upwards."""
    return after.quantity <= before.quantity and replace(after, quantity=before.quantity) == before


def _answer(order: PaperOrder | None, command: Command, decision: Decision) -> Acknowledged | Refused:
    """What the caller hears: a refused create at once, everything else that its decision follows as a report."""
    if order is None:
        return Acknowledged(None)
    if command.action_type is ActionType.CREATE and order.status is PaperStatus.REJECTED:
        report = decision.order_reports[-1]
        return Refused(report.reason_code or "", report.reason or "")
    return Acknowledged(order.external_order_id)


def _answer_again(known: CommandRecord, command: Command) -> Acknowledged | Refused:
    if (known.account_id, known.action_type) == (command.account_id, command.action_type):
        return known.answer
    return Refused(Reason.DUPLICATE_COMMAND_ID, "this command id was used for something else")
