"""Reconcile: one snapshot taken in and compared. What the broker lists mends what was missed; the rest is said.

Mended is only what the broker itself lists: executions and their amendments under their own ids, and orders. An order
that the broker does not list as open is asked for by its command, and its own reports are taken in: absence proves
nothing. What is left different is for `flow.reconciliations` to judge: one snapshot alone proves nothing either, but on
a connection, whose reports were all taken in before.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Final

from dropcopyd.domain.breaks import BreakKind
from dropcopyd.domain.command import Command
from dropcopyd.domain.order import OrderState
from dropcopyd.domain.reconciliation import Difference, Figure, Ticket
from dropcopyd.domain.report import FindResult, Found, NotFound, OrderClaim, OrderReport, ReportKind, SnapshotPart
from dropcopyd.domain.state import AccountState, Chain
from dropcopyd.flow import comparing
from dropcopyd.flow.dispatch import Dispatcher
from dropcopyd.flow.listed_executions import ListedExecutions
from dropcopyd.flow.look import Look
from dropcopyd.flow.mending import Mending
from dropcopyd.flow.ownership import Actor

_TERMS: Final = frozenset({Figure.QUANTITY, Figure.LIMIT_PRICE, Figure.STOP_PRICE, Figure.ORDER_STATE})


class Reconciler:
    """Takes in and compares the snapshots of one broker."""

    def __init__(self, dispatcher: Dispatcher, mending: Mending, executions: ListedExecutions) -> None:
        self._dispatcher = dispatcher
        self._mending = mending
        self._executions = executions

    async def look(self, actor: Actor, look: Look, *, is_first: bool, is_thorough: bool = False) -> None:
        """Take in what the snapshot lists and the account lacks, then compare. The snapshot's own reports were taken in
        before.

        `is_first`: the session begins, so that the list is the broker's newest word on each order. `is_thorough`: what
        the broker knows of each order that differs is asked for, not only of those that ought to work. Once the look's
        time is over nothing more is asked, and the look is cut.
        """
        await self._executions.look(actor, look)
        await self._executions.mark(actor, look)
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
            chain = await self._mending.find(actor, claim)
            if chain is None:
                continue
            of_order = [one for one in terms if one.order_id == chain.order.order_id]
            if not of_order:
                continue
            still = partial(is_still_so, of_order[0])
            look.mended_reports += await self._mending.take(actor, _report_of(claim, ReportKind.RESTATED), still)
            chain = actor.state.chains.get(chain.order.order_id, chain)
            left = {one.place for one in comparing.order(chain, claim)}
            ended += [one for one in of_order if one.place not in left]
        return ended

    async def _look_at_order(
        self, actor: Actor, claim: OrderClaim, look: Look, *, is_first: bool, is_thorough: bool
    ) -> None:
        """An order that is open at the broker."""
        chain = await self._mending.find(actor, claim)
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
            look.mended_reports += await self._mending.take(actor, restated)
        elif is_first and any(map(_is_of_terms, comparing.order(chain, claim))):
            look.mended_reports += await self._mending.take(actor, restated, partial(look.is_quiet, claim.key))
        chain = actor.state.chains.get(order_id, chain)
        left = {one.place: one for one in comparing.order(chain, claim)}
        look.differences.update(left)
        look.mended.update((place, one) for place, one in before.items() if place not in left)

    async def _look_at_unknown(self, actor: Actor, claim: OrderClaim, look: Look) -> None:
        """An order that nobody here knows is taken in if the broker describes it."""
        unknown = comparing.unknown_order(claim)
        if claim.order is not None:
            adopting = replace(_report_of(claim, ReportKind.STATUS), cumulative_quantity=None)  # compared below
            look.mended_reports += await self._mending.take(actor, adopting)
            chain = await self._mending.find(actor, claim)
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
            counted = await self._executions.as_told(actor, report, is_session=False)
            look.mended_reports += await self._mending.take(actor, counted)
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
