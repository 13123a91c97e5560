"""Ingest: what the broker says becomes journal events, in whatever state the order is.

Connecting takes the broker's snapshot in before the session is trusted: the account is CATCHING_UP, reports that come
meanwhile are applied without moving the cursor, and only then LIVE.
"""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Final

import structlog

from dropcopyd.domain import machine
from dropcopyd.domain.account import AccountConnection
from dropcopyd.domain.catalogue import Catalogue
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.report import BalanceReport, BrokerReport, BrokerSnapshot, OrderReport, ReportKind
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.bookkeeping import Bookkeeper
from dropcopyd.flow.dispatch import Dispatcher
from dropcopyd.flow.ownership import Actor, Actors
from dropcopyd.flow.reconcile import Reconciler
from dropcopyd.flow.taking import Instruments, OrderReports
from dropcopyd.observe import Metrics
from dropcopyd.ports import Broker, Failpoints, Store

_log = structlog.get_logger()
_RETRY_S: Final = 1.0


class Ingest:
    """The `BrokerListener` of one broker."""

    def __init__(
        self,
        *,
        broker: Broker,
        actors: Actors,
        dispatcher: Dispatcher,
        store: Store,
        limits: Limits,
        failpoints: Failpoints,
        metrics: Metrics,
        catalogue: Catalogue,
    ) -> None:
        self._broker = broker
        instruments = Instruments(store, catalogue)
        self._books = Bookkeeper(instruments)
        self._orders = OrderReports(instruments)
        self._actors = actors
        self._dispatcher = dispatcher
        self._store = store
        self._limits = limits
        self._failpoints = failpoints
        self._metrics = metrics
        self._reconciler = Reconciler(dispatcher, self._orders, store, metrics)
        self._recovered: set[str] = set()
        self._sessions: Counter[str] = Counter()
        """Comings and goings per account: the same number before and after a wait means the same session."""

    async def begin(self, account_id: str) -> None:
        """After a start: nothing is known of the broker until its session is there, whatever the last run said."""
        actor = await self._actors.get(account_id)
        await self._move(actor, AccountConnection.BLIND, "starting", "the gateway has just started")

    async def on_report(self, account_id: str, report: BrokerReport) -> None:
        """Decide about a report in order; the commit follows, back-pressure comes from the store's queue."""
        await self._store.room()
        actor = await self._actors.get(account_id)
        if not actor.connected.is_set():
            report = replace(report, cursor="")
        self._failpoints.reached("ingest.report")
        self._metrics.reports.labels(_name_of(report)).inc()
        while not actor.is_halted:  # after the restart the snapshot lists what a halted account misses now
            try:
                done = await self._take_any(actor, report)
            except DropcopyError as error:  # none may be skipped: the next one's cursor would pass over it
                _log.error("ingest.failed", account_id=account_id, code=error.code.value)
                await asyncio.sleep(_RETRY_S)
            except Exception as error:  # noqa: BLE001  a bug of ours: that account stops, the others go on
                _log.exception("ingest.internal", account_id=account_id, kind=_name_of(report))
                actor.halt(Code.INTERNAL, "a report of the broker could not be taken in", type(error).__name__)
            else:
                if done is not None:
                    done.add_done_callback(self._reached_committed)
                if isinstance(report, OrderReport) and report.kind is ReportKind.TRADE:
                    self._reconciler.took(account_id, report)
                return

    def _reached_committed(self, _done: asyncio.Future[None]) -> None:
        self._failpoints.reached("ingest.committed")

    async def on_connected(self, account_id: str) -> None:
        """Take the snapshot in, then trust the session; open questions of the last run are taken up once."""
        self._sessions[account_id] += 1
        session = self._sessions[account_id]
        actor = await self._actors.get(account_id)
        while not await self._is_caught_up(actor):
            await asyncio.sleep(_RETRY_S)
            if not self._is_same(actor, session):
                return
        if not self._is_same(actor, session):
            return
        actor.mark_connected()
        await self._move(actor, AccountConnection.LIVE)
        if account_id not in self._recovered:
            self._recovered.add(account_id)
            self._dispatcher.recover(actor)

    async def on_disconnected(self, account_id: str, cause: str) -> None:
        """Nothing is sent until the session is back; what was under way is in doubt by its own answer."""
        self._sessions[account_id] += 1
        actor = await self._actors.get(account_id)
        actor.connected.clear()
        if not actor.is_halted:
            await self._move(actor, AccountConnection.BLIND, "disconnected", cause)

    async def watch(self) -> None:
        """Compare every connected account with what its broker lists, again and again; 0 seconds between: never."""
        while self._limits.reconcile_s:
            await asyncio.sleep(self._limits.reconcile_s)
            for actor in self._actors:
                await self.reconcile(actor.account.account_id)

    async def reconcile(self, account_id: str) -> None:
        """Take in what the broker lists and this account has missed; a snapshot that fails changes nothing.

        The cursor stays: the session that is under way moves it.
        """
        actor = await self._actors.get(account_id)
        if not actor.connected.is_set():
            return
        try:
            snapshot = await self._snapshot(actor)
            await self._take_in(actor, snapshot, is_first=False)
        except (DropcopyError, TimeoutError, OSError) as error:
            _log.warning("reconcile.failed", account_id=account_id, cause=str(error))

    def _is_same(self, actor: Actor, session: int) -> bool:
        """Whether the session that began is still there, and the account may be trusted with it."""
        account_id = actor.account.account_id
        is_live = session == self._sessions[account_id] and self._broker.is_connected(account_id)
        return is_live and not actor.is_halted

    async def _is_caught_up(self, actor: Actor) -> bool:
        try:
            await self._move(actor, AccountConnection.CATCHING_UP)
            await self._catch_up(actor)
        except (DropcopyError, TimeoutError, OSError) as error:
            _log.warning("ingest.catch_up_failed", account_id=actor.account.account_id, cause=str(error))
            return False
        return True

    async def _catch_up(self, actor: Actor) -> None:
        """Take the snapshot's reports in, then its cursor: the last commit, so that all before it are durable."""
        snapshot = await self._snapshot(actor)
        await self._take_in(actor, snapshot, is_first=True)
        await actor.decide(lambda state, now_ns: machine.take_cursor(state, snapshot.cursor, now_ns))

    async def _snapshot(self, actor: Actor) -> BrokerSnapshot:
        timeout_s = self._limits.broker_call_s
        async with asyncio.timeout(timeout_s):
            return await self._broker.snapshot(actor.account.account_id, actor.state.report_cursor, timeout_s)

    async def _take_in(self, actor: Actor, snapshot: BrokerSnapshot, *, is_first: bool) -> None:
        """The snapshot's reports, then what it lists besides, then what still differs."""
        for report in snapshot.reports:
            await self._store.room()
            await self._take_any(actor, replace(report, cursor=""))
        await self._books.take_balances(actor, snapshot.balances)
        await self._reconciler.mend(actor, snapshot)
        self._reconciler.report_differences(actor, snapshot, is_first=is_first)

    async def _take_any(self, actor: Actor, report: BrokerReport) -> asyncio.Future[None] | None:
        if isinstance(report, OrderReport):
            return await self._orders.take(actor, report)
        return await self._books.take(actor, report)

    async def _move(self, actor: Actor, connection: AccountConnection, reason_code: str = "", reason: str = "") -> None:
        try:
            await actor.decide(
                lambda state, now_ns: machine.move_connection(state, connection, now_ns, reason_code, reason)
            )
        except DropcopyError as error:  # the account is halted, and says so itself
            _log.error("ingest.move_failed", account_id=actor.account.account_id, code=error.code.value)


def _name_of(report: BrokerReport) -> str:
    """The kind of a report, for logs and metrics."""
    return "BALANCE" if isinstance(report, BalanceReport) else report.kind.value
