"""Reconciliations: when an account is compared with its broker, and what counts of what differs.

An account is reconciled when it connects, every `reconcile_s` seconds, and when somebody asks. One snapshot finds, a
second one `reconcile_confirm_s` later confirms: a difference counts when both show the same figures, on one unbroken
session, with no report of its instrument from before the first to after the second. A snapshot that fails concludes
nothing, and no more does a look for which the broker takes longer than `reconcile_look_s`. The interval must be longer
than a report may be under way.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from dropcopyd.domain import machine
from dropcopyd.domain.account import Account, Principal
from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.reconciliation import (
    BreakStatus,
    Closing,
    Difference,
    Place,
    Reconciliation,
    Ticket,
    Trigger,
    Verdict,
    reconciliation_id_of,
)
from dropcopyd.domain.state import AccountState
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow import comparing
from dropcopyd.flow.look import Look
from dropcopyd.flow.ownership import Actor, Actors
from dropcopyd.flow.reconcile import Reconciler
from dropcopyd.observe import Metrics
from dropcopyd.ports import Clock, Store

_log = structlog.get_logger()
_SCAN_S: Final = 5.0
"""Accounts are looked at this often: one may be new, or its interval another one now."""
_RUNS_MAX: Final = 4
"""Snapshots that are taken and compared at the same time."""
_ASKED_MAX: Final = 64
"""Callers that may wait for reconciliations of one account."""
_ENDING: Final = DropcopyError(Code.DRAINING, "the gateway is shutting down")
Snapshots = Callable[[Actor], Awaitable[Look]]
"""Takes a snapshot and its reports in; raises DropcopyError, TimeoutError or OSError."""


@dataclass(slots=True)
class _Outcome:
    """What a reconciliation has found so far."""

    snapshots: int = 0
    mended: int = 0
    findings: machine.Findings = field(default_factory=machine.Findings)
    failure: str | None = None
    is_still_so: Callable[[Difference], bool] = lambda _difference: True


class Reconciliations:
    """Of the accounts of one broker. `run` is to run for as long as the broker does."""

    def __init__(
        self,
        *,
        reconciler: Reconciler,
        snapshots: Snapshots,
        actors: Actors,
        store: Store,
        clock: Clock,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self._reconciler = reconciler
        self._snapshots = snapshots
        self._actors = actors
        self._store = store
        self._clock = clock
        self._limits = limits
        self._metrics = metrics
        self._wake = asyncio.Event()
        self._due_s: dict[str, float] = {}
        """account_id -> when it is due, in the loop's time."""
        self._firsts: dict[str, Look] = {}
        """What was seen when accounts connected."""
        self._asked: defaultdict[str, list[asyncio.Future[Reconciliation]]] = defaultdict(list)
        self._busy: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._places = asyncio.Semaphore(_RUNS_MAX)
        self._is_running = False

    def connected(self, account_id: str, first: Look) -> None:
        """The account has connected, and this is what its snapshot showed: judge it."""
        self._firsts[account_id] = first
        self._wake.set()

    async def ask(self, principal: Principal, account: Account) -> Reconciliation:
        """Reconcile now; the record, durable. One that is under way is not it: its snapshot may be older.

        Cancelling the wait cancels nothing. Raises DropcopyError: ACCOUNT_HALTED, OVERLOADED when too many wait,
        NOT_READY when it takes too long; it goes on then.
        """
        self._require_place(account)
        await self._actors.get(account.account_id)
        await self._audit(principal, account)
        self._require_place(account)  # and the list is another one where a reconciliation has begun meanwhile
        done: asyncio.Future[Reconciliation] = asyncio.get_running_loop().create_future()
        self._asked[account.account_id].append(done)
        self._wake.set()
        try:
            async with asyncio.timeout(4 * self._limits.broker_call_s + self._limits.reconcile_confirm_s):
                return await asyncio.shield(done)
        except TimeoutError as error:
            raise DropcopyError(Code.NOT_READY, "it takes long and goes on; list the reconciliations") from error
        finally:
            done.cancel()

    def _require_place(self, account: Account) -> None:
        if not self._is_running:
            raise DropcopyError(Code.NOT_READY, "the gateway is starting or shutting down")
        if len(self._asked[account.account_id]) >= _ASKED_MAX:
            raise DropcopyError(Code.OVERLOADED, "too many callers wait for reconciliations of this account")

    async def run(self) -> None:
        """Begin what is due, for ever, until cancelled."""
        self._is_running = True
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._wake.clear()
                    pause_s = await self._begin_due(tasks)
                    try:
                        async with asyncio.timeout(pause_s):
                            await self._wake.wait()
                    except TimeoutError:
                        pass
        finally:
            self._is_running = False
            for asked in self._asked.values():
                _answer(asked, _ENDING)

    async def reconcile(self, actor: Actor, trigger: Trigger, first: Look | None = None) -> Reconciliation | None:
        """Reconcile an account in its turn. None when there was no connection to compare over, and nobody asked."""
        account_id = actor.account.account_id
        async with self._turns[account_id]:
            if not actor.connected.is_set() and trigger is not Trigger.DEMAND:
                return None
            begun_ns = self._clock.now_ns()
            self._counts[account_id] += 1
            outcome = _Outcome()
            try:
                await self._compare(actor, outcome, first)
            except (DropcopyError, TimeoutError, OSError) as error:
                outcome.failure = str(error) or type(error).__name__
                _log.warning("reconcile.failed", account_id=account_id, cause=outcome.failure)
            except Exception:  # noqa: BLE001  a bug of ours or of the adapter's: nothing is concluded
                outcome.failure = "it failed inside; see the log"
                _log.exception("reconcile.internal", account_id=account_id)
            return await self._keep(actor, trigger, begun_ns, outcome)

    # --- when -----------------------------------------------------------------------------------------------------

    async def _begin_due(self, tasks: asyncio.TaskGroup) -> float:
        """Begin what is due and not under way; seconds until there may be more."""
        try:
            accounts = {account.account_id: account for account in await self._store.accounts()}
        except DropcopyError as error:
            _log.error("reconcile.accounts_unread", code=error.code.value)
            return _SCAN_S
        now_s, pause_s = asyncio.get_running_loop().time(), _SCAN_S
        for actor in self._actors:
            account_id = actor.account.account_id
            interval_s = self._interval_s(accounts.get(account_id, actor.account))
            due_s = self._due_s.get(account_id)
            if due_s is None or due_s > now_s + interval_s:
                due_s = self._due_s[account_id] = now_s + interval_s
            if account_id in self._busy:
                continue
            trigger = self._trigger(account_id, is_due=bool(interval_s) and due_s <= now_s)
            if trigger is not None:
                self._busy.add(account_id)
                self._due_s[account_id] = now_s + interval_s
                tasks.create_task(self._serve(actor, trigger))
            elif interval_s:
                pause_s = min(pause_s, due_s - now_s)
        return pause_s

    def _interval_s(self, account: Account) -> float:
        """0: never by the timer."""
        return self._limits.reconcile_s if account.reconcile_s is None else account.reconcile_s

    def _trigger(self, account_id: str, *, is_due: bool) -> Trigger | None:
        if account_id in self._firsts:
            return Trigger.CONNECT
        if self._asked[account_id]:
            return Trigger.DEMAND
        return Trigger.TIMER if is_due else None

    async def _serve(self, actor: Actor, trigger: Trigger) -> None:
        """One reconciliation, and the answer to everybody who had asked before it began; not from what a connection
        showed, which may be older than the question."""
        account_id = actor.account.account_id
        answer: Reconciliation | DropcopyError | None = _ENDING
        asked: list[asyncio.Future[Reconciliation]] = []
        try:
            if trigger is Trigger.CONNECT:
                answer = await self.reconcile(actor, trigger, self._firsts.pop(account_id))
            else:
                asked, self._asked[account_id] = self._asked[account_id], []
                answer = await self.reconcile(actor, trigger)
        except DropcopyError as error:
            answer = error
            _log.warning("reconcile.not_kept", account_id=account_id, code=error.code.value)
        except Exception:  # noqa: BLE001  a bug of ours: the other accounts go on
            answer = DropcopyError(Code.NOT_READY, "the reconciliation failed inside; see the log")
            _log.exception("reconcile.internal", account_id=account_id)
        finally:
            self._busy.discard(account_id)
            self._wake.set()
            _answer(asked, answer)

    # --- what counts ----------------------------------------------------------------------------------------------

    async def _compare(self, actor: Actor, outcome: _Outcome, first: Look | None) -> None:
        """Two looks where one is not enough."""
        is_first = first is not None and first.session == actor.connected_count
        if first is not None and is_first and not first.is_cut:
            one, outcome.snapshots, outcome.mended = first, 1, first.mended_reports
        else:
            one = await self._look(actor, outcome)
        mended = {} if is_first else one.mended  # what a connection brings was missed, and is no break
        if not one.differences and not mended and not actor.state.tickets:
            return
        await asyncio.sleep(self._limits.reconcile_confirm_s)
        two = await self._look(actor, outcome, is_thorough=True)

        def is_still_so(difference: Difference) -> bool:
            is_one_session = one.session == two.session == actor.connected_count and actor.connected.is_set()
            return is_one_session and one.is_quiet(difference.key or difference.subject)

        await self._judge(actor, one, two, mended, outcome, is_still_so)

    async def _judge(
        self,
        actor: Actor,
        one: Look,
        two: Look,
        mended: dict[Place, Difference],
        outcome: _Outcome,
        is_still_so: Callable[[Difference], bool],
    ) -> None:
        both = [
            found
            for place, found in two.differences.items()
            if place in one.differences and found.is_like(one.differences[place]) and is_still_so(found)
        ]
        before = two.mended_reports
        restated = {found.place for found in await self._reconciler.restate(actor, two, both, is_still_so)}
        outcome.mended += two.mended_reports - before
        healed = [found for place, found in mended.items() if place not in two.differences]
        healed += [found for found in both if found.place in restated]
        healed += [found for place, found in two.mended.items() if place in one.differences and is_still_so(found)]
        confirmed = tuple(found for found in both if found.place not in restated)
        outcome.is_still_so = is_still_so
        outcome.findings = machine.Findings(
            confirmed=confirmed,
            healed=tuple(healed),
            agreed=frozenset(one.agreed & two.agreed),
            is_unsettled=len(two.differences) > len(both),
        )

    async def _look(self, actor: Actor, outcome: _Outcome, *, is_thorough: bool = False) -> Look:
        if not actor.connected.is_set():
            raise DropcopyError(Code.NOT_READY, "the account is not connected to its broker")
        async with self._places:
            look = await self._snapshots(actor)
            outcome.snapshots += 1
            try:
                await self._reconciler.look(actor, look, is_first=False, is_thorough=is_thorough)
            finally:
                outcome.mended += look.mended_reports
        if look.is_cut:
            raise TimeoutError(f"the broker took longer than {self._limits.reconcile_look_s:g} s for one look")
        return look

    async def _keep(self, actor: Actor, trigger: Trigger, begun_ns: int, outcome: _Outcome) -> Reconciliation:
        """Write what was found; what a report has touched since is left for the next time."""
        account_id = actor.account.account_id
        run = Reconciliation(
            reconciliation_id=reconciliation_id_of(account_id, self._counts[account_id], begun_ns),
            account_id=account_id,
            trigger=trigger,
            verdict=Verdict.AGREED if outcome.failure is None else Verdict.FAILED,
            begun_at_ns=begun_ns,
            ended_at_ns=begun_ns,
            snapshots=outcome.snapshots,
            mended=outcome.mended,
            detail=outcome.failure or "",
        )
        batch = await actor.decide(lambda state, now_ns: machine.settle(state, run, _still(state, outcome), now_ns))
        if batch is None or batch.reconciliation is None:
            raise DropcopyError(Code.INTERNAL, "a reconciliation left no record")
        for ticket in batch.tickets:
            self._tell(ticket)
        self._metrics.reconciliations.labels(batch.reconciliation.verdict.value).inc()
        return batch.reconciliation

    def _tell(self, ticket: Ticket) -> None:
        facts = {
            "account_id": ticket.account_id,
            "break_id": ticket.break_id,
            "kind": ticket.difference.kind.value,
            "difference": ticket.difference.detail,
        }
        if ticket.closing is not None:
            _log.info("reconcile.closed", closing=ticket.closing.value, **facts)
        elif ticket.status is BreakStatus.OPEN:
            _log.warning("reconcile.break", **facts)
        if ticket.closing is Closing.HEALED or (ticket.status is BreakStatus.OPEN and ticket.times == 1):
            self._metrics.breaks.labels(ticket.difference.kind.value).inc()

    async def _audit(self, principal: Principal, account: Account) -> None:
        await self._store.audit(
            AuditEntry(
                organization_id=account.organization_id,
                account_id=account.account_id,
                at_ns=self._clock.now_ns(),
                principal_id=principal.key_id,
                action=AuditAction.RECONCILIATION_ASKED,
                subject=account.account_id,
                detail={},
            )
        )


def _answer(asked: list[asyncio.Future[Reconciliation]], answer: Reconciliation | DropcopyError | None) -> None:
    for done in asked:
        if done.done():
            continue  # nobody waits any more
        if isinstance(answer, Reconciliation):
            done.set_result(answer)
        else:
            done.set_exception(answer or _ENDING)


def _still(state: AccountState, outcome: _Outcome) -> machine.Findings:
    """The findings that no report, and no decision of a person, has touched up to this decision."""
    found, is_still_so = outcome.findings, outcome.is_still_so
    confirmed = tuple(one for one in found.confirmed if is_still_so(one) and comparing.stands(state, one))
    differences = {ticket.place: ticket.difference for ticket in state.tickets.values()}
    agreed = frozenset(place for place in found.agreed if place in differences and is_still_so(differences[place]))
    return replace(
        found,
        confirmed=confirmed,
        healed=tuple(one for one in found.healed if is_still_so(one)),
        agreed=agreed,
        is_unsettled=found.is_unsettled or len(confirmed) < len(found.confirmed),
    )
