"""Orders that a script moves, instead of the market or beside it. Pure: the exchange hands in the turn.

A run is one order in its script: which steps are left, when the next one is due, which requests wait, and which fills
it has had. It is in the book whole, so that a restart goes on where it was. The market and the time do nothing to
orders of a scripted account; a step that has become impossible is passed over.
"""

from dataclasses import replace
from decimal import Decimal
from heapq import heappop, heappush
from typing import Final

from dropcopyd.brokers.chance import between, draw
from dropcopyd.brokers.paper.floor import Floor
from dropcopyd.brokers.paper.funding import is_scripted, wallet_of
from dropcopyd.brokers.paper.records import Execution, Image, PaperOrder, PaperStatus, Reason
from dropcopyd.brokers.paper.rules import with_terms
from dropcopyd.brokers.paper.runs import OpenRequest, Run, RunFill
from dropcopyd.brokers.paper.scenario import Do, Request, Scenario, Step, parse_scenario
from dropcopyd.brokers.paper.turn import Turn
from dropcopyd.domain import money
from dropcopyd.domain.command import Command
from dropcopyd.domain.instrument import Instrument, key_of
from dropcopyd.domain.order import ActionType
from dropcopyd.domain.report import Liquidity, OrderReport, ReportKind

_MS: Final = Decimal(1_000_000)


class Scripts:
    """All runs of an image that are not over."""

    def __init__(self, image: Image, floor: Floor) -> None:
        self._image = image
        self._floor = floor
        self._scenarios: dict[str, Scenario] = {}
        self._dues: list[tuple[int, str]] = []
        self._by_order: dict[int, str] = {}
        for run in image.runs.values():
            number = run.order_number or 0
            image.pinned[number] += 1
            if run.is_script:
                self._by_order[number] = run.name
            self._schedule(run)

    def next_due_ns(self) -> int | None:
        """When a step is due; perhaps earlier than it is."""
        return self._dues[0][0] if self._dues else None

    # --- commands -------------------------------------------------------------------------------------------------

    def assign(self, command: Command) -> Run:
        """The script that a new order plays; whatever becomes of it, the script is used."""
        account_id = command.account_id
        used = self._image.scripts_used.setdefault(account_id, set())
        scenario = self._scenario(account_id)
        place, steps = scenario.script_of(command.instrument.symbol, command.order_side, used)
        used.add(place)
        return Run(name=command.broker_command_id, account_id=account_id, script=place, steps=steps, step=0)

    def lose(self, turn: Turn, run: Run) -> None:
        """The command never arrived: nothing is kept of it but that its script is used."""
        turn.decision.runs[run.name] = replace(run, step=len(run.steps))

    def begin(self, turn: Turn, run: Run, order: PaperOrder) -> PaperOrder:
        """The order has arrived: everything that its script does at once happens."""
        self._by_order[order.number] = run.name
        return self._go_on(turn, replace(run, order_number=order.number), order)

    def follow(self, turn: Turn, name: str, order: PaperOrder, step: Step, fill: RunFill | None) -> None:
        """A later step for an order that the market moves: what happens to a fill of it, or after its end."""
        fills = () if fill is None else (fill,)
        run = Run(
            name=name,
            account_id=order.account_id,
            script=-1,
            steps=(step,),
            step=0,
            order_number=order.number,
            fills=fills,
            is_script=False,
        )
        self._go_on(turn, run, order)

    def request(self, turn: Turn, order: PaperOrder, command: Command) -> bool:
        """A replace or cancel of an order has arrived; whether it is answered.

        One that the script waits for, now or later, is the script's; any other is granted at once.
        """
        run = self._image.runs.get(self._by_order.get(order.number, ""))
        request = OpenRequest(command.broker_command_id, command.action_type, command.terms)
        awaited = None if run is None else _await_of(run, request)
        if run is None or awaited is None:
            self._grant(turn, order, request, is_told=True)
            return True
        self._go_on(turn, replace(run, requests=(*run.requests, request)), order)
        return awaited.is_answered

    def split(self, turn: Turn, account_id: str, instrument: Instrument) -> None:
        """After a split of the instrument no fill from before is amended, and nothing late comes from before."""
        for run in list(self._image.runs.values()):
            order = self._image.orders[run.order_number or 0]
            if run.account_id != account_id or key_of(order.instrument) != key_of(instrument):
                continue
            if run.is_script:
                fills = tuple(replace(fill, quantity=money.ZERO) for fill in run.fills)
                self._keep(turn, replace(run, fills=fills), order)
            else:
                self._keep(turn, replace(run, step=len(run.steps)), order)

    def pass_time(self, turn: Turn) -> None:
        """Play every step that is due."""
        while self._dues and self._dues[0][0] <= turn.at_ns:
            due_ns, name = heappop(self._dues)
            run = self._image.runs.get(name)
            if run is not None and run.due_ns == due_ns:
                self._go_on(turn, run, self._image.orders[run.order_number or 0])

    # --- playing --------------------------------------------------------------------------------------------------

    def _go_on(self, turn: Turn, run: Run, order: PaperOrder) -> PaperOrder:
        """Play the steps that are due, then keep where the run is."""
        while run.step < len(run.steps):
            if run.due_ns is None:
                run = replace(run, due_ns=turn.at_ns + self._delay_ns(run))
            if run.due_ns is None or run.due_ns > turn.at_ns:
                break
            step = run.steps[run.step]
            if step.do is Do.AWAIT:
                taken = next((one for one in run.requests if _is_for(step, one)), None)
                if taken is None:
                    break
                rest = tuple(one for one in run.requests if one is not taken)
                run = replace(run, requests=rest, request=taken)
            else:
                run, order = self._play(turn, run, order, step)
            run = replace(run, step=run.step + 1, due_ns=None)
        self._keep(turn, run, order)
        return order

    def _keep(self, turn: Turn, run: Run, order: PaperOrder) -> None:
        run = replace(run, last=_last_told(turn, order) or run.last)
        image = self._image
        turn.decision.runs[run.name] = run
        is_new = run.name not in image.runs
        if not run.is_over:
            image.runs[run.name] = run
            image.pinned[order.number] += is_new
            self._schedule(run)
            return
        image.runs.pop(run.name, None)
        image.pinned[order.number] -= not is_new
        if image.pinned[order.number] <= 0:
            del image.pinned[order.number]
        turn.decision.orders[order.number] = order  # so that it may be forgotten again
        if run.is_script:
            self._by_order.pop(order.number, None)
        for waiting in run.requests:
            order = self._grant(turn, order, waiting, is_told=True)

    def _schedule(self, run: Run) -> None:
        if run.due_ns is not None and run.steps[run.step].do is not Do.AWAIT:
            heappush(self._dues, (run.due_ns, run.name))

    def _delay_ns(self, run: Run) -> int:
        low, high = run.steps[run.step].delay_ms
        if not high:
            return 0
        seed = wallet_of(self._image, run.account_id).plan.seed
        delay_ms = between(low, high, draw(seed, "script", run.order_number, run.step))
        return int(money.multiply(delay_ms, _MS))

    def _play(self, turn: Turn, run: Run, order: PaperOrder, step: Step) -> tuple[Run, PaperOrder]:
        match step.do:
            case Do.FILL:
                return self._fill(turn, run, order, step)
            case Do.BUST | Do.CORRECT:
                return self._amend(turn, run, order, step)
            case Do.PEND | Do.ACCEPT | Do.DECLINE:
                return self._answer(turn, run, order, step)
            case Do.ACKNOWLEDGE:
                turn.report(ReportKind.ACCEPTED, order.live_command_id, order)
            case Do.REFUSE:
                order = turn.put(replace(order, status=PaperStatus.REJECTED))
                code = step.reason_code or Reason.REFUSED
                turn.report(ReportKind.REJECTED, order.live_command_id, order, reason_code=code, reason=step.reason)
            case Do.CANCEL if order.is_open:
                code = step.reason_code or Reason.UNSOLICITED
                order = turn.end(order, PaperStatus.CANCELLED, reason_code=code, reason=step.reason)
            case Do.RESTATE if order.is_open:
                order = self._restate(turn, order, step)
            case Do.DONE_FOR_DAY if order.is_open:
                turn.report(ReportKind.DONE_FOR_DAY, order.live_command_id, order, raw_status="done_for_day")
            case Do.REPEAT:
                last = _last_told(turn, order) or run.last
                if last is not None:
                    turn.repeat(order, last)
            case _:
                pass
        return run, order

    def _fill(self, turn: Turn, run: Run, order: PaperOrder, step: Step) -> tuple[Run, PaperOrder]:
        """Also of an order that is over: the fill was under way. Never more than the order's quantity."""
        left = money.subtract(order.terms.quantity, order.filled_quantity)
        quantity = left if step.quantity is None else min(step.quantity, left)
        price = step.price or order.terms.limit_price
        price = price or self._image.price(order.account_id, order.instrument, order.side)
        if quantity <= 0 or price is None or order.status is PaperStatus.REJECTED:
            return run, order
        was_open = order.is_open
        liquidity = Liquidity.REMOVED if run.is_script else Liquidity.ADDED
        order = turn.fill(order, quantity, price, liquidity, takes_displayed=False)
        if was_open and not order.is_open:
            self._floor.leave_if_there(order)
        execution = turn.decision.executions[-1]
        fill = fill_of(execution)
        return replace(run, fills=(*run.fills, fill)), order

    def _amend(self, turn: Turn, run: Run, order: PaperOrder, step: Step) -> tuple[Run, PaperOrder]:
        """A bust, or a correction; a filled order that has something left then works again."""
        if step.fill > len(run.fills) or not run.fills[step.fill - 1].quantity:
            return run, order
        fill = run.fills[step.fill - 1]
        quantity = money.ZERO if step.do is Do.BUST else fill.quantity if step.quantity is None else step.quantity
        price = fill.price if step.price is None else step.price
        others = money.subtract(order.filled_quantity, fill.quantity)
        if money.add(others, quantity) > order.terms.quantity:
            return run, order
        kind = ReportKind.BUST if step.do is Do.BUST else ReportKind.CORRECTION
        order, amended = turn.amend(order, fill, kind, quantity, price, step.reason)
        if order.is_open and not is_scripted(self._image, order.account_id):
            self._floor.reopen(turn, order)
            order = self._image.orders[order.number]  # it may have traded, or ended, there
        if not order.is_open:
            self._floor.leave_if_there(order)
        fills = (*run.fills[: step.fill - 1], amended, *run.fills[step.fill :])
        return replace(run, fills=fills), order

    def _answer(self, turn: Turn, run: Run, order: PaperOrder, step: Step) -> tuple[Run, PaperOrder]:
        request = run.request
        if request is None:
            return run, order
        if step.do is Do.PEND:
            _tell_pending(turn, order, request)
            return run, order
        if step.do is Do.ACCEPT:
            return replace(run, request=None), self._grant(turn, order, request, is_told=False)
        code = step.reason_code or Reason.REFUSED
        turn.report(ReportKind.REQUEST_REFUSED, request.command_id, order, reason_code=code, reason=step.reason)
        return replace(run, request=None), order

    def _grant(self, turn: Turn, order: PaperOrder, request: OpenRequest, *, is_told: bool) -> PaperOrder:
        """Do what is asked, if the order still lives. `is_told`: it is told as pending first."""
        if not order.is_open:
            kind, reason = ReportKind.REQUEST_REFUSED, f"the order is {order.status}"
            turn.report(kind, request.command_id, order, reason_code=Reason.TOO_LATE, reason=reason)
            return order
        if is_told:
            _tell_pending(turn, order, request)
        if request.action_type is ActionType.CANCEL:
            return turn.end(order, PaperStatus.CANCELLED, command_id=request.command_id)
        order = with_terms(order, request.terms)
        is_done = order.terms.quantity == order.filled_quantity
        status = PaperStatus.FILLED if is_done else PaperStatus.WORKING
        order = turn.put(replace(order, live_command_id=request.command_id, since_ns=turn.at_ns, status=status))
        turn.report(ReportKind.REPLACED, request.command_id, order)
        return order

    def _restate(self, turn: Turn, order: PaperOrder, step: Step) -> PaperOrder:
        terms = order.terms
        quantity = terms.quantity if step.quantity is None else max(step.quantity, order.filled_quantity)
        limit = terms.limit_price if step.price is None else step.price
        stop = terms.stop_price if step.stop_price is None else step.stop_price
        is_done = quantity == order.filled_quantity
        terms = replace(terms, quantity=quantity, limit_price=limit, stop_price=stop)
        status = PaperStatus.FILLED if is_done else order.status
        order = turn.put(replace(order, terms=terms, status=status))
        turn.report(ReportKind.RESTATED, order.live_command_id, order, raw_status="restated", reason=step.reason)
        return order

    def _scenario(self, account_id: str) -> Scenario:
        known = self._scenarios.get(account_id)
        if known is None:
            known = parse_scenario(wallet_of(self._image, account_id).plan.scenario)
            self._scenarios[account_id] = known
        return known


def fill_of(execution: Execution) -> RunFill:
    """An execution as amendments know it."""
    figures = (execution.quantity, execution.price)
    return RunFill(execution.number, execution.exec_id, *figures, execution.trade_date, execution.fees)


def _last_told(turn: Turn, order: PaperOrder) -> OrderReport | None:
    """The last report of the order in this turn."""
    told = (one.report for one in reversed(turn.decision.reports) if one.order_number == order.number)
    return next((report for report in told if isinstance(report, OrderReport)), None)


def _is_for(step: Step, request: OpenRequest) -> bool:
    is_cancel = request.action_type is ActionType.CANCEL
    return step.request is (Request.CANCEL if is_cancel else Request.REPLACE)


def _await_of(run: Run, request: OpenRequest) -> Step | None:
    """The step that will take the request: behind those that take the ones which wait already."""
    ahead = sum(1 for one in run.requests if one.action_type is request.action_type)
    awaits = [step for step in run.steps[run.step :] if step.do is Do.AWAIT and _is_for(step, request)]
    return awaits[ahead] if len(awaits) > ahead else None


def _tell_pending(turn: Turn, order: PaperOrder, request: OpenRequest) -> None:
    is_cancel = request.action_type is ActionType.CANCEL
    kind = ReportKind.PENDING_CANCEL if is_cancel else ReportKind.PENDING_REPLACE
    raw_status = "cancel_pending" if is_cancel else "replace_pending"
    turn.report(kind, request.command_id, order, raw_status=raw_status)
