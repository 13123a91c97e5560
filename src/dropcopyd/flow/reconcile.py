"""Reconcile: one snapshot taken in and compared. What the broker lists mends what was missed; the rest is said.

Mended is only what the broker itself lists: executions and their amendments under their own ids, and orders. An order
that the broker does not list as open is asked for by its command, and its own reports are taken in: absence proves
nothing. What is left different is for `flow.reconciliations` to judge: one snapshot alone proves nothing either, but on
a connection, whose reports were all taken in before.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Final

from dropcopyd.domain import machine
from dropcopyd.domain.breaks import BreakKind
from dropcopyd.domain.command import Command
from dropcopyd.domain.instrument import key_of
from dropcopyd.domain.order import OrderState
from dropcopyd.domain.reconciliation import Difference, Figure, Place, Ticket
from dropcopyd.domain.report import (
    BrokerSnapshot,
    FindResult,
    Found,
    NotFound,
    OrderClaim,
    OrderReport,
    ReportKind,
    SnapshotPart,
)
from dropcopyd.domain.state import AccountState, Chain
from dropcopyd.flow import comparing
from dropcopyd.flow.activity import Subject
from dropcopyd.flow.dispatch import Dispatcher
from dropcopyd.flow.ownership import Actor
from dropcopyd.flow.taking import OrderReports
from dropcopyd.observe import Metrics
from dropcopyd.ports import Store

_Execution = tuple[str, str | None, str | None, str | None]
"""The live command, the broker's order id, the trade date, the execution's id: other orders may use the same id."""
_Figures = tuple[Decimal | None, Decimal | None]
LISTED_KINDS: Final = frozenset({ReportKind.TRADE, ReportKind.BUST, ReportKind.CORRECTION})
_COUNTING: Final = LISTED_KINDS | {ReportKind.STATUS}
"""What is compared with the executions when it is taken in."""
_TAKEN_MAX: Final = 100_000
"""Executions and amendments remembered per account between two lists; more are looked for in the journal again."""
_TERMS: Final = frozenset({Figure.QUANTITY, Figure.LIMIT_PRICE, Figure.STOP_PRICE, Figure.ORDER_STATE})


@dataclass(slots=True)
class Look:
    """One snapshot, taken in and compared.

    `differences` are those left after mending, `mended` those that the broker's list has ended. `agreed` are the places
    of standing tickets where this snapshot shows no difference. `session` is the one of before the snapshot.
    """

    snapshot: BrokerSnapshot
    session: int
    is_quiet: Callable[[Subject], bool]
    """Whether no report of an instrument or currency came since before the snapshot was asked for."""
    left_s: float
    """What the broker may still take to answer what this look asks."""
    is_cut: bool = False
    """Whether that was over before everything was asked and answered: of such a look nothing is concluded."""
    differences: dict[Place, Difference] = field(default_factory=dict)
    mended: dict[Place, Difference] = field(default_factory=dict)
    agreed: set[Place] = field(default_factory=set)
    claimed: set[str] = field(default_factory=set)
    """Our ids of the orders that the broker lists."""
    mended_reports: int = 0

    def differ(self, found: Iterable[Difference]) -> None:
        self.differences.update((difference.place, difference) for difference in found)

    def is_whole(self, part: SnapshotPart) -> bool:
        """Whether what the snapshot leaves out of this part is not there."""
        return part not in self.snapshot.lacks


class Reconciler:
    """Takes in and compares the snapshots of one broker."""

    def __init__(self, dispatcher: Dispatcher, orders: OrderReports, store: Store, metrics: Metrics) -> None:
        self._dispatcher = dispatcher
        self._orders = orders
        self._store = store
        self._metrics = metrics
        self._taken: dict[str, dict[_Execution, _Figures]] = {}
        """Executions known to be in the journal with these figures: a list of the day is looked through once."""
        self._ahead: dict[str, dict[str, set[str]]] = {}
        """account_id -> order_id -> executions of lists that were not whole, until they are told or a list is whole:
        what was executed before them may still be told, with the count of then. A restart begins with a whole list."""

    async def as_told(self, actor: Actor, report: OrderReport, *, is_session: bool = True) -> OrderReport:
        """The report, without its cumulative quantity while executions from after it may be on record. What the session
        tells is past them once it tells them itself."""
        ahead = self._ahead.get(actor.account.account_id)
        if not ahead or report.kind not in _COUNTING:
            return report
        chain = await self._find(actor, report)
        waiting = None if chain is None else ahead.get(chain.order.order_id)
        if chain is None or waiting is None:
            return report
        if is_session and report.kind is ReportKind.TRADE:
            waiting.discard(report.exec_id or "")
        if not waiting:
            del ahead[chain.order.order_id]
        is_needed = chain.placeholders or (report.kind is not ReportKind.STATUS and report.exec_id is None)
        return report if not waiting or is_needed else replace(report, cumulative_quantity=None)

    def took(self, actor: Actor, report: OrderReport) -> None:
        """An execution or an amendment has been taken in as it came; an execution that was told otherwise before is
        looked for when it is listed."""
        taken = self._taken.setdefault(actor.account.account_id, {})
        if report.kind is ReportKind.TRADE and not _is_known_so(actor.state, report):
            taken.pop(_execution_of(report), None)
            return
        if len(taken) >= _TAKEN_MAX:
            taken.clear()
        taken[_execution_of(report)] = _figures_of(report)

    async def look(self, actor: Actor, look: Look, *, is_first: bool, is_thorough: bool = False) -> None:
        """Take in what the snapshot lists and the account lacks, then compare. The snapshot's own reports were taken in
        before.

        `is_first`: the session begins, so that the list is the broker's newest word on each order. `is_thorough`: what
        the broker knows of each order that differs is asked for, not only of those that ought to work. Once the look's
        time is over nothing more is asked, and the look is cut.
        """
        await self._look_at_executions(actor, look)
        await self._mark_listed(actor, look)
        for claim in look.snapshot.orders:
            await self._look_at_order(actor, claim, look, is_first=is_first, is_thorough=is_thorough)
        if look.is_whole(SnapshotPart.ORDERS):
            for chain in tuple(actor.state.chains.values()):
                if chain.order.order_id not in look.claimed:
                    await self._look_at_unlisted(actor, chain, look)
        tickets = [(ticket, await self._chain_of(actor, ticket)) for ticket in tuple(actor.state.tickets.values())]
        state = actor.state
        if look.is_whole(SnapshotPart.POSITIONS):
            look.differ(comparing.positions(state, look.snapshot))
        look.differ(comparing.cash(state, look.snapshot))
        look.agreed = {ticket.place for ticket, chain in tickets if _agrees(state, ticket, chain, look)}

    async def restate(
        self,
        actor: Actor,
        look: Look,
        confirmed: Iterable[Difference],
        is_still_so: Callable[[Difference], bool],
    ) -> list[Difference]:
        """Take the broker's terms of listed orders that differ in them; those differences that this has ended.

        Terms that a report has touched by the time of the decision stay.
        """
        ended: list[Difference] = []
        terms = [difference for difference in confirmed if _is_of_terms(difference)]
        for claim in look.snapshot.orders:
            chain = await self._find(actor, claim)
            if chain is None:
                continue
            of_order = [one for one in terms if one.order_id == chain.order.order_id]
            if not of_order:
                continue
            still = partial(is_still_so, of_order[0])
            look.mended_reports += await self._take(actor, _report_of(claim, ReportKind.RESTATED), still)
            chain = actor.state.chains.get(chain.order.order_id, chain)
            left = {one.place for one in comparing.order(chain, claim)}
            ended += [one for one in of_order if one.place not in left]
        return ended

    async def _look_at_executions(self, actor: Actor, look: Look) -> None:
        """Take in what was executed and amended unheard; orders of which all that is listed was taken in are passed
        over."""
        account_id = actor.account.account_id
        taken = self._taken.setdefault(account_id, {})
        listed = {_execution_of(report): _figures_of(report) for report in look.snapshot.executions}
        orders: dict[str, list[OrderReport]] = {}
        for report in look.snapshot.executions:
            orders.setdefault(report.external_order_id or report.broker_command_id, []).append(report)
        for reports in orders.values():
            if any(taken.get(_execution_of(report)) != _figures_of(report) for report in reports):
                for differing in await self._look_at_executed(actor, reports, look):
                    listed.pop(_execution_of(differing), None)
        kept = self._taken.get(account_id, {})
        if look.is_whole(SnapshotPart.EXECUTIONS):
            kept = {execution: figures for execution, figures in kept.items() if execution in listed}
            self._ahead.pop(account_id, None)
        self._taken[account_id] = {**kept, **listed}

    async def _mark_listed(self, actor: Actor, look: Look) -> None:
        """Nothing of the list is lacked: the next one may begin here. Not while it shows a difference without a ticket,
        which the next one is to confirm."""
        tickets = {ticket.place for ticket in actor.state.tickets.values()}
        if look.is_whole(SnapshotPart.EXECUTIONS) and look.differences.keys() <= tickets:
            cursor = look.snapshot.cursor
            await actor.decide(lambda state, now_ns: machine.take_listed(state, cursor, now_ns))

    async def _look_at_executed(self, actor: Actor, reports: Iterable[OrderReport], look: Look) -> list[OrderReport]:
        """The executions of an order with their amendments, in the broker's order. The last word on each is then in
        force here, or it differs: those that differ."""
        last: dict[tuple[str, str], OrderReport] = {}
        for report in reports:
            named = await self._look_at_execution(actor, report, look)
            if named is not None:
                last[named] = report
        differing = []
        for (order_id, execution_key), report in last.items():
            async with actor.serial():
                chain = await actor.load(order_id=order_id)
            known = None if chain is None else chain.executions.get(execution_key)
            found = () if chain is None or known is None else tuple(comparing.execution(chain, known, report))
            look.differ(found)
            differing += [report] if found else []
        return differing

    async def _look_at_execution(self, actor: Actor, report: OrderReport, look: Look) -> tuple[str, str] | None:
        """Take an execution or an amendment in that the account lacks. The order and the execution, as they are known
        here."""
        chain = await self._find(actor, report)
        key = None if chain is None else _known(chain, report)
        known = None if chain is None or key is None else chain.executions[key]
        is_trade = report.kind is ReportKind.TRADE
        if known is None or not (is_trade or report.exec_id in known.exec_ids):
            mends = () if chain is None or known is None else tuple(comparing.execution(chain, known, report))
            if not is_trade or (report.exec_id is not None and not (chain is not None and chain.placeholders)):
                report = replace(report, cumulative_quantity=None)  # of its time, not of now
            if await self._take(actor, report):
                look.mended_reports += 1
                chain = await self._find(actor, report)
                self._note_ahead(chain, report, look)
                if is_trade:
                    mends = (comparing.missing_fill(report, chain),)
                look.mended.update((one.place, one) for one in mends)
            key = None if chain is None else _known(chain, report)
        return None if chain is None or key is None else (chain.order.order_id, key)

    def _note_ahead(self, chain: Chain | None, report: OrderReport, look: Look) -> None:
        """An execution was taken from a list that may have left out earlier ones."""
        if chain is None or report.kind is not ReportKind.TRADE or look.is_whole(SnapshotPart.EXECUTIONS):
            return
        orders = self._ahead.setdefault(chain.order.account_id, {})
        orders.setdefault(chain.order.order_id, set()).add(report.exec_id or "")

    async def _look_at_order(
        self, actor: Actor, claim: OrderClaim, look: Look, *, is_first: bool, is_thorough: bool
    ) -> None:
        """An order that is open at the broker."""
        chain = await self._find(actor, claim)
        if chain is None:
            await self._look_at_unknown(actor, claim, look)
            return
        order_id = chain.order.order_id
        look.claimed.add(order_id)
        before = {one.place: one for one in comparing.order(chain, claim)}
        is_asked = is_thorough or any(_is_of_terms(one) for one in before.values())
        command = _named(chain, claim)
        if command is not None and (command.is_unresolved or not chain.order.is_accepted or (before and is_asked)):
            await self._is_known(actor, command, look)
        chain = actor.state.chains.get(order_id, chain)
        restated = _report_of(claim, ReportKind.RESTATED)
        if not chain.order.is_accepted:
            look.mended_reports += await self._take(actor, restated)
        elif is_first and any(map(_is_of_terms, comparing.order(chain, claim))):
            look.mended_reports += await self._take(actor, restated, partial(look.is_quiet, claim.key))
        chain = actor.state.chains.get(order_id, chain)
        left = {one.place: one for one in comparing.order(chain, claim)}
        look.differences.update(left)
        look.mended.update((place, one) for place, one in before.items() if place not in left)

    async def _look_at_unknown(self, actor: Actor, claim: OrderClaim, look: Look) -> None:
        """An order that nobody here knows is taken in if the broker describes it."""
        unknown = comparing.unknown_order(claim)
        if claim.order is not None:
            adopting = replace(_report_of(claim, ReportKind.STATUS), cumulative_quantity=None)  # compared below
            look.mended_reports += await self._take(actor, adopting)
            chain = await self._find(actor, claim)
            if chain is not None:
                look.claimed.add(chain.order.order_id)
                look.mended[unknown.place] = unknown
                look.differ(comparing.order(chain, claim))
                return
        look.differ([unknown])

    async def _look_at_unlisted(self, actor: Actor, chain: Chain, look: Look) -> None:
        """An order that we have open, or a request that the broker has and has not decided, is asked for."""
        undecided = [
            command
            for command in chain.commands.values()
            if command.is_unresolved and command.stamps.acknowledged_ns is not None
        ]
        before = comparing.unlisted_order(chain)
        commands = undecided[-1:]
        if before is not None:
            newest_first = (chain.commands[seq] for seq in sorted(chain.commands, reverse=True))
            commands += [command for command in newest_first if command not in commands]
        for command in commands:
            if await self._is_known(actor, command, look):
                break  # the broker may never have had the later commands
        if before is None:
            return
        left = comparing.unlisted_order(actor.state.chains.get(chain.order.order_id, chain))
        if left is None:
            look.mended[before.place] = before
        else:
            look.differ([left])

    async def _is_known(self, actor: Actor, command: Command, look: Look) -> bool:
        """Take in everything that the broker has told about the command's order; False when it answers that it does not
        know the command."""
        result = await self._ask(actor, command, look)
        for report in result.reports if isinstance(result, Found) else ():
            look.mended_reports += await self._take(actor, await self.as_told(actor, report, is_session=False))
        return not isinstance(result, NotFound)

    async def _ask(self, actor: Actor, command: Command, look: Look) -> FindResult | None:
        """What the broker knows of a command; None when it could not be asked, or not within the look's time."""
        if look.left_s <= 0:
            look.is_cut = True
            return None
        time_s = asyncio.get_running_loop().time
        begun_s = time_s()
        try:
            async with asyncio.timeout(look.left_s):
                return await self._dispatcher.find(actor, command)
        except TimeoutError:
            look.is_cut, look.left_s = True, 0
            return None
        finally:
            look.left_s -= time_s() - begun_s

    async def _take(self, actor: Actor, report: OrderReport, is_still_so: Callable[[], bool] = lambda: True) -> bool:
        """Whether it was news."""
        await self._store.room()
        report = replace(report, cursor="")  # no news of the session: the cursor stays
        done = await self._orders.take(actor, report, is_still_so)
        if report.kind in LISTED_KINDS:
            self.took(actor, report)
        if done is None:
            return False
        self._metrics.mended.labels(report.kind.value).inc()
        return True

    async def _find(self, actor: Actor, said: OrderClaim | OrderReport) -> Chain | None:
        """The chain that the broker means, from memory or the store."""
        async with actor.serial():
            chain = await actor.load(broker_command_id=said.broker_command_id) if said.broker_command_id else None
            if chain is None:
                chain = await actor.load_external(said.broker_command_id, said.external_order_id)
        key = said.key if isinstance(said, OrderClaim) else (said.order and said.order.key)
        is_other = chain is not None and key is not None and key_of(chain.order.instrument) != key
        return None if is_other else chain

    async def _chain_of(self, actor: Actor, ticket: Ticket) -> Chain | None:
        order_id = ticket.difference.order_id
        if order_id is None:
            return None
        async with actor.serial():
            return await actor.load(order_id=order_id)


def _named(chain: Chain, claim: OrderClaim) -> Command | None:
    """The command by which an order can be asked for; None for one from outside that nobody here has touched."""
    for command in chain.commands.values():
        if command.broker_command_id == claim.broker_command_id:
            return command
    return chain.commands[max(chain.commands)] if chain.commands else None


def _known(chain: Chain, report: OrderReport) -> str | None:
    """The key of the execution that is listed, or whose amendment is, as the account has it."""
    name = report.exec_id if report.kind is ReportKind.TRADE else report.exec_ref_id
    key = None if name is None else chain.find_execution(name, report.trade_date)
    known = None if key is None else chain.executions[key]
    if known is None or known.trade_date == report.trade_date or None in (known.trade_date, report.trade_date):
        return key
    return None


def _is_known_so(state: AccountState, report: OrderReport) -> bool:
    """Whether memory has the execution with the figures that are told."""
    named = state.find_command(report.broker_command_id)
    chain = named[0] if named else state.find_order(report.broker_command_id, report.external_order_id)
    if chain is None:
        return False
    known = chain.executions.get(machine.execution_key(report, chain.order.order_side))
    return known is not None and _figures_of(report) == (known.quantity, known.price)


def _agrees(state: AccountState, ticket: Ticket, chain: Chain | None, look: Look) -> bool:
    """Whether the snapshot shows that a ticket's difference is over."""
    difference = ticket.difference
    if difference.place in look.differences:
        return False
    if difference.kind is BreakKind.POSITION:
        return look.is_whole(SnapshotPart.POSITIONS) and not comparing.is_in_doubt(state, difference.key)
    if difference.kind is BreakKind.CASH:
        return any(one.currency == difference.subject and one.cash is not None for one in look.snapshot.balances)
    if difference.figure is Figure.ORDER:
        return look.is_whole(SnapshotPart.ORDERS)
    if chain is None or chain.has_open_question:
        return False
    if "|" in difference.subject:
        return comparing.execution_figure(chain, difference) == difference.theirs
    if chain.order.order_id in look.claimed:
        return True
    if not look.is_whole(SnapshotPart.ORDERS):
        return False
    if difference.figure is Figure.ORDER_STATE:
        return chain.order.state is not OrderState.OPEN
    return comparing.order_figure(chain, difference) == difference.theirs


def _is_of_terms(difference: Difference) -> bool:
    """Whether it is one that the broker's order itself would mend."""
    return difference.figure in _TERMS and "|" not in difference.subject and difference.theirs != comparing.NOT_OPEN


def _report_of(claim: OrderClaim, kind: ReportKind) -> OrderReport:
    """What the claim says, as a report."""
    return OrderReport(
        kind=kind,
        broker_command_id=claim.broker_command_id,
        external_order_id=claim.external_order_id,
        quantity=claim.quantity,
        limit_price=claim.limit_price,
        stop_price=claim.stop_price,
        cumulative_quantity=claim.cumulative_quantity,
        order=claim.order,
    )


def _execution_of(report: OrderReport) -> _Execution:
    return report.broker_command_id, report.external_order_id, report.trade_date, report.exec_id


def _figures_of(report: OrderReport) -> _Figures:
    return report.last_quantity, report.last_price
