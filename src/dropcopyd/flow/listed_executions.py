"""Listed executions: what the broker lists as executed, busted and corrected is taken in, in its order, and compared.

Taken in is what has an id of the broker's own. After a list that was not whole the broker's counts are not believed for
the orders it brought executions of, until those are told or a list is whole.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from dropcopyd.domain import machine
from dropcopyd.domain.report import OrderReport, ReportKind, SnapshotPart
from dropcopyd.domain.state import Chain
from dropcopyd.flow import comparing
from dropcopyd.flow.look import Look
from dropcopyd.flow.mending import LISTED_KINDS, Mending
from dropcopyd.flow.ownership import Actor

_COUNTING: Final = LISTED_KINDS | {ReportKind.STATUS}
"""What is compared with the executions when it is taken in."""


class ListedExecutions:
    """Of the accounts of one broker."""

    def __init__(self, mending: Mending) -> None:
        self._mending = mending
        self._ahead: dict[str, dict[str, set[str]]] = {}
        """account_id -> order_id -> executions of lists that were not whole, until they are told or a list is whole:
        what was executed before them may still be told, with the count of then. A restart begins with a whole list."""

    async def as_told(self, actor: Actor, report: OrderReport, *, is_session: bool = True) -> OrderReport:
        """The report, without its cumulative quantity while executions from after it may be on record. What the session
        tells is past them once it tells them itself."""
        ahead = self._ahead.get(actor.account.account_id)
        if not ahead or report.kind not in _COUNTING:
            return report
        chain = await self._mending.find(actor, report)
        waiting = None if chain is None else ahead.get(chain.order.order_id)
        if chain is None or waiting is None:
            return report
        if is_session and report.kind is ReportKind.TRADE:
            waiting.discard(report.exec_id or "")
        if not waiting:
            del ahead[chain.order.order_id]
        is_needed = chain.placeholders or (report.kind is not ReportKind.STATUS and report.exec_id is None)
        return report if not waiting or is_needed else replace(report, cumulative_quantity=None)

    async def look(self, actor: Actor, look: Look) -> None:
        """Take in what was executed and amended unheard; orders of which all that is listed was taken in are passed
        over."""
        account_id = actor.account.account_id
        orders: dict[str, list[OrderReport]] = {}
        for report in look.snapshot.executions:
            orders.setdefault(report.external_order_id or report.broker_command_id, []).append(report)
        differing: list[OrderReport] = []
        for reports in orders.values():
            if not all(self._mending.has_taken(account_id, report) for report in reports):
                differing += await self._look_at_executed(actor, reports, look)
        is_all = look.is_whole(SnapshotPart.EXECUTIONS)
        if is_all:
            self._ahead.pop(account_id, None)
        self._mending.remember(account_id, look.snapshot.executions, differing, is_all=is_all)

    async def mark(self, actor: Actor, look: Look) -> None:
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
        chain = await self._mending.find(actor, report)
        key = None if chain is None else _known(chain, report)
        known = None if chain is None or key is None else chain.executions[key]
        is_trade = report.kind is ReportKind.TRADE
        if known is None or not (is_trade or report.exec_id in known.exec_ids):
            mends = () if chain is None or known is None else tuple(comparing.execution(chain, known, report))
            if not is_trade or (report.exec_id is not None and not (chain is not None and chain.placeholders)):
                report = replace(report, cumulative_quantity=None)  # of its time, not of now
            if await self._mending.take(actor, report):
                look.mended_reports += 1
                chain = await self._mending.find(actor, report)
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


def _known(chain: Chain, report: OrderReport) -> str | None:
    """The key of the execution that is listed, or whose amendment is, as the account has it."""
    name = report.exec_id if report.kind is ReportKind.TRADE else report.exec_ref_id
    key = None if name is None else chain.find_execution(name, report.trade_date)
    known = None if key is None else chain.executions[key]
    if known is None or known.trade_date == report.trade_date or None in (known.trade_date, report.trade_date):
        return key
    return None
