"""Ingest: what the broker says becomes journal events, in whatever state the order is.

Connecting takes the broker's snapshot in before the session is trusted: the account is CATCHING_UP, reports that come
meanwhile are applied without moving the cursor, and only then LIVE.
"""

import asyncio
from collections import Counter, defaultdict
from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from dropcopyd.domain import machine
from dropcopyd.domain.account import AccountConnection
from dropcopyd.domain.catalogue import Catalogue
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.reconciliation import Reconciliation, Trigger
from dropcopyd.domain.report import (
    BalanceReport,
    BrokerReport,
    BrokerSnapshot,
    OrderReport,
    SnapshotPart,
)
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.activity import Activity, subject_of
from dropcopyd.flow.bookkeeping import Bookkeeper
from dropcopyd.flow.bounded import bounded
from dropcopyd.flow.dispatch import Dispatcher
from dropcopyd.flow.listed_executions import ListedExecutions
from dropcopyd.flow.look import Look
from dropcopyd.flow.mending import LISTED_KINDS, Mending
from dropcopyd.flow.ownership import Actor, Actors
from dropcopyd.flow.reconcile import Reconciler
from dropcopyd.flow.reconciliations import Reconciliations
from dropcopyd.flow.taking import Instruments, OrderReports
from dropcopyd.observe import Metrics
from dropcopyd.ports import Broker, Clock, Failpoints, Store

_log = structlog.get_logger()
_RETRY_S: Final = 1.0
_NEEDED: Final = frozenset({SnapshotPart.ORDERS, SnapshotPart.EXECUTIONS})
"""What a session is not trusted without."""


class Ingest:
    """The `BrokerListener` of one broker."""

    def __init__(
        self,
        *,
        broker: Broker,
        actors: Actors,
        dispatcher: Dispatcher,
        store: Store,
        clock: Clock,
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
        self._mending = Mending(self._orders, store, metrics)
        self._executions = ListedExecutions(self._mending)
        self._reconciler = Reconciler(dispatcher, self._mending, self._executions)
        self.reconciliations = Reconciliations(
            reconciler=self._reconciler,
            snapshots=self._look,
            actors=actors,
            store=store,
            clock=clock,
            limits=limits,
            metrics=metrics,
        )
        self._activities: defaultdict[str, Activity] = defaultdict(Activity)
        self._told: set[tuple[str, str]] = set()
        """(account_id, currency) of the balances that sessions tell; those that nobody tells are taken from lists."""
        self._recovered: set[str] = set()
        self._sessions: Counter[str] = Counter()
        """Comings and goings per account: the same number before and after a wait means the same session."""

    async def begin(self, account_id: str) -> None:
        """After a start: nothing is known of the broker until its session is there, whatever the last run said."""
        actor = await self._actors.get(account_id)
        await self._move(actor, AccountConnection.BLIND, "starting", "the gateway has just started")

    async def on_report(self, account_id: str, report: BrokerReport) -> None:
        """Decide about a report in order; the commit follows, back-pressure comes from the store's queue."""
        actor = await self._actors.get(account_id)
        activity, subject = self._activities[account_id], subject_of(actor.state, report)
        activity.begin(subject)
        try:
            await self._take_told(actor, report)
        finally:
            activity.end(subject)

    async def _take_told(self, actor: Actor, report: BrokerReport) -> None:
        account_id = actor.account.account_id
        await self._store.room()
        if not actor.connected.is_set():
            report = replace(report, cursor="")
        self._failpoints.reached("ingest.report")
        self._metrics.reports.labels(_name_of(report)).inc()
        while not actor.is_halted:  # after the restart the snapshot lists what a halted account misses now
            try:
                if isinstance(report, OrderReport):
                    report = await self._executions.as_told(actor, report)
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
                if isinstance(report, OrderReport) and report.kind in LISTED_KINDS:
                    self._mending.took(actor, report)
                elif isinstance(report, BalanceReport):
                    self._told.add((account_id, report.currency))
                return

    def _reached_committed(self, _done: asyncio.Future[None]) -> None:
        self._failpoints.reached("ingest.committed")

    async def on_connected(self, account_id: str) -> None:
        """Take the snapshot in, then trust the session; open questions of the last run are taken up once."""
        self._sessions[account_id] += 1
        session = self._sessions[account_id]
        actor = await self._actors.get(account_id)
        while (first := await self._catch_up(actor)) is None:
            await asyncio.sleep(_RETRY_S)
            if not self._is_same(actor, session):
                return
        if not self._is_same(actor, session):
            return
        actor.mark_connected()
        await self._move(actor, AccountConnection.LIVE)
        first.session = actor.connected_count
        self.reconciliations.connected(account_id, first)
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
        """Reconcile accounts whenever that is due, until cancelled."""
        await self.reconciliations.run()

    async def reconcile(self, account_id: str) -> Reconciliation | None:
        """Compare one account with its broker now; None while it is not connected."""
        return await self.reconciliations.reconcile(await self._actors.get(account_id), Trigger.TIMER)

    def _is_same(self, actor: Actor, session: int) -> bool:
        """Whether the session that began is still there, and the account may be trusted with it."""
        account_id = actor.account.account_id
        is_live = session == self._sessions[account_id] and self._broker.is_connected(account_id)
        return is_live and not actor.is_halted

    async def _catch_up(self, actor: Actor) -> Look | None:
        """Take the snapshot's reports in, then its cursor: the last commit, so that all before it are durable. None
        when it failed; one that lacks orders or executions has."""
        try:
            await self._move(actor, AccountConnection.CATCHING_UP)
            look = await self._look(actor, is_first=True)
            if look.snapshot.lacks & _NEEDED:
                raise DropcopyError(Code.NOT_READY, f"the snapshot lacks {', '.join(sorted(look.snapshot.lacks))}")
            await self._reconciler.look(actor, look, is_first=True)
            await actor.decide(lambda state, now_ns: machine.take_cursor(state, look.snapshot.cursor, now_ns))
        except (DropcopyError, TimeoutError, OSError) as error:
            _log.warning("ingest.catch_up_failed", account_id=actor.account.account_id, cause=str(error))
            return None
        except Exception:  # noqa: BLE001  a bug of ours or of the adapter's: this account waits, the others go on
            _log.exception("ingest.catch_up_internal", account_id=actor.account.account_id)
            return None
        return look

    async def _look(self, actor: Actor, *, is_first: bool = False) -> Look:
        """A snapshot whose reports are taken in; what it lists besides is not yet. The cursor stays: the session that
        is under way moves it."""
        account_id = actor.account.account_id
        activity = self._activities[account_id]
        is_quiet = partial(activity.is_quiet, since=activity.mark())
        session, timeout_s, left_s = actor.connected_count, self._limits.broker_call_s, self._limits.reconcile_look_s
        if not is_first:  # without its snapshot a session is not trusted at all
            timeout_s = min(timeout_s, left_s)
        time_s = asyncio.get_running_loop().time
        begun_s = time_s()
        cursors = actor.state.report_cursor, actor.state.listed_cursor
        asking = self._broker.snapshot(account_id, cursors[0], timeout_s, cursors[1])
        snapshot = await bounded(asking, timeout_s)
        left_s -= time_s() - begun_s
        await self._take_reports(actor, snapshot, is_first=is_first)
        return Look(snapshot, session, is_quiet, left_s)

    async def _take_reports(self, actor: Actor, snapshot: BrokerSnapshot, *, is_first: bool) -> None:
        """The snapshot's reports; its balances when the session begins, or where the session tells none."""
        for report in snapshot.reports:
            await self._store.room()
            await self._take_any(actor, replace(report, cursor=""))
        account_id = actor.account.account_id
        untold = [one for one in snapshot.balances if is_first or (account_id, one.currency) not in self._told]
        await self._books.take_balances(actor, untold)

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
