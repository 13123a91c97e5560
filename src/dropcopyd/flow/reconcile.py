"""Reconcile: what the broker lists mends what the platform has missed; the rest is said, and mended by nobody.

Mended is only what the broker itself lists: executions under their own ids, and orders. An order that the broker does
not list as open is asked for by its command, and its own reports are taken in: absence proves nothing. A snapshot that
failed changes nothing.
"""

from collections.abc import Iterator
from dataclasses import replace

import structlog

from dropcopyd.domain import money
from dropcopyd.domain.command import Command
from dropcopyd.domain.instrument import InstrumentKey
from dropcopyd.domain.order import Order, OrderState
from dropcopyd.domain.report import BrokerSnapshot, Found, OrderClaim, OrderReport, ReportKind
from dropcopyd.domain.state import AccountState, Chain
from dropcopyd.flow.dispatch import Dispatcher
from dropcopyd.flow.ownership import Actor
from dropcopyd.flow.taking import OrderReports
from dropcopyd.observe import Metrics
from dropcopyd.ports import Store

_log = structlog.get_logger()
_Execution = tuple[str, str | None, str | None]
"""The live command, the trade date, the execution's id: other orders may use the same id again."""


class Reconciler:
    """Mends the accounts of one broker."""

    def __init__(self, dispatcher: Dispatcher, orders: OrderReports, store: Store, metrics: Metrics) -> None:
        self._dispatcher = dispatcher
        self._orders = orders
        self._store = store
        self._metrics = metrics
        self._taken: dict[str, set[_Execution]] = {}
        """Executions known to be in the journal, so that a list of the day is looked through once."""
        self._differences: dict[str, frozenset[str]] = {}

    def took(self, account_id: str, report: OrderReport) -> None:
        """An execution has been taken in as it came."""
        self._taken.setdefault(account_id, set()).add(_execution_of(report))

    async def mend(self, actor: Actor, snapshot: BrokerSnapshot) -> None:
        """Take in what the snapshot lists and the account lacks. The snapshot's own reports were taken in before."""
        await self._mend_executions(actor, snapshot)
        for claim in snapshot.orders:
            await self._mend_order(actor, claim)
        claimed = {claim.broker_command_id for claim in snapshot.orders}
        for chain in tuple(actor.state.chains.values()):
            if not claimed & {command.broker_command_id for command in chain.commands.values()}:
                await self._ask_if_open(actor, chain)

    def report_differences(self, actor: Actor, snapshot: BrokerSnapshot, *, is_first: bool) -> None:
        """Say what still differs; between two snapshots of one session only what differed before, too: the rest may
        be under way."""
        account_id = actor.account.account_id
        now = frozenset(differences(actor.state, snapshot))
        standing = now if is_first else now & self._differences.get(account_id, frozenset())
        self._differences[account_id] = now
        for difference in sorted(standing):
            _log.warning("reconcile.break", account_id=account_id, difference=difference)

    async def _mend_executions(self, actor: Actor, snapshot: BrokerSnapshot) -> None:
        account_id = actor.account.account_id
        taken = self._taken.setdefault(account_id, set())
        listed = set()
        for report in snapshot.executions:
            execution = _execution_of(report)
            listed.add(execution)
            if execution not in taken:
                await self._take(actor, report)
        self._taken[account_id] = (self._taken[account_id] & listed) | listed

    async def _mend_order(self, actor: Actor, claim: OrderClaim) -> None:
        """An order that is open at the broker."""
        chain = await self._load(actor, claim.broker_command_id)
        if chain is None:
            if claim.order is not None:
                await self._take(actor, _report_of(claim, ReportKind.STATUS))
            return
        command = next(c for c in chain.commands.values() if c.broker_command_id == claim.broker_command_id)
        if command.is_unresolved or _differs(chain.order, claim):
            await self._ask(actor, command)
        chain = actor.state.chains.get(chain.order.order_id, chain)
        if _differs(chain.order, claim):
            await self._take(actor, _report_of(claim, ReportKind.RESTATED))

    async def _ask_if_open(self, actor: Actor, chain: Chain) -> None:
        """An order that we have open, or a request that the broker has and has not decided."""
        undecided = [
            command
            for command in chain.commands.values()
            if command.is_unresolved and command.stamps.acknowledged_ns is not None
        ]
        order = chain.order
        if undecided:
            await self._ask(actor, undecided[-1])
        elif order.is_accepted and order.state is OrderState.OPEN and not chain.has_open_question and chain.commands:
            await self._ask(actor, chain.commands[max(chain.commands)])

    async def _ask(self, actor: Actor, command: Command) -> None:
        """Take in everything that the broker has told about the command's order."""
        result = await self._dispatcher.find(actor, command)
        if not isinstance(result, Found):
            return
        for report in result.reports:
            await self._take(actor, report)

    async def _take(self, actor: Actor, report: OrderReport) -> None:
        await self._store.room()
        done = await self._orders.take(actor, replace(report, cursor=""))  # no news of the session: the cursor stays
        if report.kind is ReportKind.TRADE:
            self.took(actor.account.account_id, report)
        if done is not None:
            self._metrics.mended.labels(report.kind.value).inc()

    async def _load(self, actor: Actor, broker_command_id: str) -> Chain | None:
        async with actor.serial():
            return await actor.load(broker_command_id=broker_command_id)


def differences(state: AccountState, snapshot: BrokerSnapshot) -> Iterator[str]:
    """Each difference in words: orders first, then positions.

    Meant for the moment after the snapshot's reports were taken in; an order with an unresolved command is left out,
    its question is still open.
    """
    yield from _order_differences(state, snapshot)
    yield from _position_differences(state, snapshot)


def _order_differences(state: AccountState, snapshot: BrokerSnapshot) -> Iterator[str]:
    claimed: set[str] = set()
    for claim in snapshot.orders:
        named = state.find_command(claim.broker_command_id)
        chain = named[0] if named else state.find_order(claim.broker_command_id, claim.external_order_id)
        if chain is None:
            yield f"unknown order: the broker has {claim.external_order_id} open, nobody here knows it"
            continue
        order = chain.order
        claimed.add(order.order_id)
        if claim.cumulative_quantity != order.filled_quantity:
            yield (
                f"order {order.order_id}: filled {money.render(order.filled_quantity)} here,"
                f" {money.render(claim.cumulative_quantity)} at the broker"
            )
        if claim.is_open and order.state is not OrderState.OPEN:
            yield f"order {order.order_id}: {order.status} here, open at the broker"
    for chain in state.chains.values():
        order = chain.order
        is_expected = order.is_accepted and order.state is OrderState.OPEN and not chain.has_open_question
        if is_expected and order.order_id not in claimed:
            yield f"order {order.order_id}: {order.status} here, not open at the broker"


def _position_differences(state: AccountState, snapshot: BrokerSnapshot) -> Iterator[str]:
    theirs: dict[InstrumentKey, object] = {claim.key: claim.quantity for claim in snapshot.positions}
    ours = {key: position.quantity for key, position in state.positions.items() if position.quantity}
    for key in sorted(theirs.keys() | ours.keys()):
        if theirs.get(key, money.ZERO) != ours.get(key, money.ZERO):
            yield f"position {key[1]}: {ours.get(key, money.ZERO)} here, {theirs.get(key, money.ZERO)} at the broker"


def _differs(order: Order, claim: OrderClaim) -> bool:
    """Whether the broker's open order has other terms than ours."""
    return (
        not order.is_accepted
        or order.state is not OrderState.OPEN
        or order.terms.quantity != claim.quantity
        or order.terms.limit_price != claim.limit_price
        or (claim.stop_price is not None and order.terms.stop_price != claim.stop_price)
    )


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
    return report.broker_command_id, report.trade_date, report.exec_id
