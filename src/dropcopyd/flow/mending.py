"""Mending: a report that the broker did not tell but lists, or answers with, is taken in as if it had been told.

Remembered is which executions are in the journal by now, with which figures, so that a list of the day is looked
through once.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from dropcopyd.domain import machine
from dropcopyd.domain.instrument import key_of
from dropcopyd.domain.report import OrderClaim, OrderReport, ReportKind
from dropcopyd.domain.state import AccountState, Chain
from dropcopyd.flow.ownership import Actor
from dropcopyd.flow.taking import OrderReports
from dropcopyd.observe import Metrics
from dropcopyd.ports import Store

_Execution = tuple[str, str | None, str | None, str | None]
"""The live command, the broker's order id, the trade date, the execution's id: other orders may use the same id."""
_Figures = tuple[Decimal | None, Decimal | None]
LISTED_KINDS: Final = frozenset({ReportKind.TRADE, ReportKind.BUST, ReportKind.CORRECTION})
_TAKEN_MAX: Final = 100_000
"""Executions and amendments remembered per account between two lists; more are looked for in the journal again."""


class Mending:
    """Takes in what is missing, for the accounts of one broker."""

    def __init__(self, orders: OrderReports, store: Store, metrics: Metrics) -> None:
        self._orders = orders
        self._store = store
        self._metrics = metrics
        self._taken: dict[str, dict[_Execution, _Figures]] = {}
        """account_id -> executions known to be in the journal with these figures."""

    async def take(self, actor: Actor, report: OrderReport, is_still_so: Callable[[], bool] = lambda: True) -> bool:
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

    def has_taken(self, account_id: str, report: OrderReport) -> bool:
        """Whether the execution or amendment is known to be in the journal as it is listed."""
        return self._taken.get(account_id, {}).get(_execution_of(report)) == _figures_of(report)

    def remember(
        self, account_id: str, listed: Iterable[OrderReport], differing: Iterable[OrderReport], *, is_all: bool
    ) -> None:
        """A list has been looked through: all in it that does not differ is in the journal. `is_all`: nothing else will
        be listed."""
        known = {_execution_of(report): _figures_of(report) for report in listed}
        for report in differing:
            known.pop(_execution_of(report), None)
        self._taken[account_id] = known if is_all else {**self._taken.get(account_id, {}), **known}

    async def find(self, actor: Actor, said: OrderClaim | OrderReport) -> Chain | None:
        """The chain that the broker means, from memory or the store."""
        async with actor.serial():
            chain = await actor.load(broker_command_id=said.broker_command_id) if said.broker_command_id else None
            if chain is None:
                chain = await actor.load_external(said.broker_command_id, said.external_order_id)
        key = said.key if isinstance(said, OrderClaim) else (said.order and said.order.key)
        is_other = chain is not None and key is not None and key_of(chain.order.instrument) != key
        return None if is_other else chain


def _is_known_so(state: AccountState, report: OrderReport) -> bool:
    """Whether memory has the execution with the figures that are told."""
    named = state.find_command(report.broker_command_id)
    chain = named[0] if named else state.find_order(report.broker_command_id, report.external_order_id)
    if chain is None:
        return False
    known = chain.executions.get(machine.execution_key(report, chain.order.order_side))
    return known is not None and _figures_of(report) == (known.quantity, known.price)


def _execution_of(report: OrderReport) -> _Execution:
    return report.broker_command_id, report.external_order_id, report.trade_date, report.exec_id


def _figures_of(report: OrderReport) -> _Figures:
    return report.last_quantity, report.last_price
