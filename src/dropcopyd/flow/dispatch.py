"""Dispatch: durable commands go to the broker, each at most once, and nothing about their fate is guessed.

"Attempt begun" is committed before the network is touched. The adapter's answer is Acknowledged, Refused (proof) or
Unknown; Unknown stays visible as in doubt and is settled by asking the broker for the command, never by sending it
again. Commands of one order go out one after another, orders beside each other.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

import structlog

from dropcopyd.domain import machine
from dropcopyd.domain.account import BrokerKind
from dropcopyd.domain.command import Command, OutcomeKind
from dropcopyd.domain.controls import Objection
from dropcopyd.domain.event import Batch
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.order import ActionType, OrderType, TimeInForce
from dropcopyd.domain.report import (
    Acknowledged,
    FindResult,
    Found,
    NotFound,
    OrderReport,
    Refused,
    ReportKind,
    SubmitResult,
    Unknown,
)
from dropcopyd.domain.state import AccountState
from dropcopyd.errors import DropcopyError
from dropcopyd.flow.bounded import bounded
from dropcopyd.flow.controls import Controls
from dropcopyd.flow.ownership import Actor, Spawn
from dropcopyd.observe import Metrics
from dropcopyd.ports import Broker, Clock, Failpoints, Submission

_log = structlog.get_logger()
_NS: Final = 1_000_000_000
_ASK_AGAIN_S_MAX: Final = 30.0
_DEAD: Final = frozenset({OutcomeKind.REFUSED, OutcomeKind.NOT_SENT, OutcomeKind.WITHHELD})
_LATE: Final = "the attempt to send did not begin in time"
_UNKNOWN_THERE: Final = "the broker does not know the command; asked twice, apart, on a live session"


class Dispatcher:
    """Sends the commands of every account, each order's in its own lane."""

    def __init__(
        self,
        *,
        brokers: dict[BrokerKind, Broker],
        controls: Controls,
        clock: Clock,
        limits: Limits,
        spawn: Spawn,
        failpoints: Failpoints,
        metrics: Metrics,
    ) -> None:
        self._brokers = brokers
        self._controls = controls
        self._clock = clock
        self._limits = limits
        self._spawn = spawn
        self._failpoints = failpoints
        self._metrics = metrics
        self._lanes: dict[str, deque[Command]] = {}
        self._waiting: Counter[str] = Counter()
        self._queued: set[str] = set()
        self._settling: set[str] = set()

    def undispatched(self, account_id: str) -> int:
        """Commands of an account that are durable and not yet answered by the broker."""
        return self._waiting[account_id]

    def refuses(self, broker: BrokerKind) -> Mapping[tuple[OrderType, TimeInForce], str]:
        """Pairs that the broker does not take although the table does (BrokerCapabilities)."""
        found = self._brokers.get(broker)
        return {} if found is None else found.capabilities.refuses

    def ready(self, actor: Actor, command: Command) -> None:
        """The command is durable. Called in order of commit; again for one that is in its lane changes nothing."""
        if command.broker_command_id in self._queued:
            return
        self._queued.add(command.broker_command_id)
        self._waiting[command.account_id] += 1
        lane = self._lanes.get(command.order_id)
        if lane is not None:
            lane.append(command)
            return
        self._lanes[command.order_id] = deque([command])
        self._spawn(self._run_lane(actor, command.order_id))

    def recover(self, actor: Actor) -> None:
        """After a start, once the broker's snapshot is in: take up what the last run left open.

        What had not begun goes its ordinary way (and its deadline decides); what had begun is in doubt until the
        broker was asked. Commands of this run are in their lanes and left alone.
        """
        for command in actor.state.unresolved():
            if command.broker_command_id in self._queued:
                continue
            if command.stamps.attempt_begun_ns is None:
                self.ready(actor, command)
            elif command.stamps.acknowledged_ns is None:
                self.settle(actor, command, "the gateway stopped before the broker's answer was recorded")

    async def _run_lane(self, actor: Actor, order_id: str) -> None:
        lane = self._lanes[order_id]
        try:
            while lane:
                command = lane[0]
                try:
                    await self._attempt(actor, command)
                except DropcopyError as error:
                    _log.error("dispatch.failed", intent_id=command.intent_id, seq=command.seq, code=error.code.value)
                except Exception:  # noqa: BLE001  a bug of ours must not strand the lane's other commands
                    _log.exception("dispatch.internal", intent_id=command.intent_id, seq=command.seq)
                    self.settle(actor, command, "internal error")
                lane.popleft()
                self._queued.discard(command.broker_command_id)
                self._waiting[command.account_id] -= 1
        finally:
            del self._lanes[order_id]
            self._queued.difference_update(command.broker_command_id for command in lane)

    async def _attempt(self, actor: Actor, command: Command) -> None:
        """One attempt: wait for the session, commit that it begins, send, take the answer."""
        has_begun = await self._is_connected_in_time(actor, command) and await self._begin(actor, command)
        if not has_begun:
            await self._expire(actor, command)
            return
        self._failpoints.reached("dispatch.begun")
        if command.is_late(self._clock.now_ns()):  # the journal took too long; nothing has left yet
            await actor.decide(lambda state, now_ns: machine.not_sent(state, command, _LATE, now_ns))
            return
        broker = self._brokers[actor.account.broker]
        with self._metrics.broker_s.time():
            result = await self._submit(broker, actor, command)
        self._failpoints.reached("dispatch.answered")
        self._metrics.attempts.labels(type(result).__name__.lower()).inc()
        match result:
            case Acknowledged(external_order_id):
                await actor.decide(lambda state, now_ns: machine.acknowledge(state, command, external_order_id, now_ns))
            case Refused(reason_code, reason):
                await actor.decide(lambda state, now_ns: machine.refuse(state, command, reason_code, reason, now_ns))
            case Unknown(cause):
                self.settle(actor, command, cause)

    async def _begin(self, actor: Actor, command: Command) -> bool:
        """Commit that the attempt begins, unless a control objects now: one decision, so that nothing slips between."""
        objections: list[Objection] = []
        await self._controls.judging.renew_key(command)

        def decision(state: AccountState, now_ns: int) -> Batch | None:
            found = self._controls.judging.recheck(actor, command)
            if found is None:
                return machine.begin_attempt(state, command, now_ns)
            objections.append(found)
            return machine.withhold(state, command, found.control, found.message, now_ns)

        batch = await actor.decide(decision)
        if batch is not None and objections:
            await self._controls.refusals.note_withheld(actor.account, objections[-1], command)
        return batch is not None and not objections

    async def _expire(self, actor: Actor, command: Command) -> None:
        """The end of a command whose attempt did not begin in time; any other is left as it is."""
        if command.is_late(self._clock.now_ns()):
            await actor.decide(lambda state, now_ns: machine.expire(state, command, _LATE, now_ns))

    async def _is_connected_in_time(self, actor: Actor, command: Command) -> bool:
        """Until the session is live; False when the deadline passes first. A cancel has none and waits."""
        while True:
            left_s = None
            if command.deadline_ns is not None:
                left_s = (command.deadline_ns - self._clock.now_ns()) / _NS
                if left_s <= 0:
                    return False
            if actor.connected.is_set():
                return True
            with suppress(TimeoutError):  # the clock decides whether the deadline has passed
                await asyncio.wait_for(actor.connected.wait(), left_s)

    async def _submit(self, broker: Broker, actor: Actor, command: Command) -> SubmitResult:
        timeout_s = self._limits.broker_call_s
        try:
            return await bounded(broker.submit(_submission(actor, command), timeout_s), timeout_s)
        except TimeoutError:
            return Unknown(f"no answer within {timeout_s:g} s")
        except Exception as error:  # noqa: BLE001  whatever it was, it proves nothing about the order
            _log.exception("broker.submit.failed", intent_id=command.intent_id, seq=command.seq)
            return Unknown(f"the adapter failed ({type(error).__name__})")

    # --- doubt --------------------------------------------------------------------------------------------------

    def settle(self, actor: Actor, command: Command, cause: str) -> None:
        """Show the command as in doubt and ask until the broker has said what became of it."""
        if command.broker_command_id in self._settling:
            return
        self._settling.add(command.broker_command_id)
        self._spawn(self._settle(actor, command, cause))

    async def _settle(self, actor: Actor, command: Command, cause: str) -> None:
        try:
            with self._metrics.doubts.track_inprogress():
                while not actor.is_halted:
                    if await self._is_settled(actor, command, cause):
                        return
                    await asyncio.sleep(self._limits.doubt_grace_s)
        finally:
            self._settling.discard(command.broker_command_id)

    async def _is_settled(self, actor: Actor, command: Command, cause: str) -> bool:
        """Ask to the end; False when the journal failed on the way, to begin again."""
        try:
            await actor.decide(lambda state, now_ns: machine.doubt(state, command, cause, now_ns))
            await self._ask_until_known(actor, command)
        except DropcopyError as error:
            _log.error("doubt.failed", intent_id=command.intent_id, seq=command.seq, code=error.code.value)
            return False
        return True

    async def _ask_until_known(self, actor: Actor, command: Command) -> None:
        missing_since_ns: int | None = None
        missing_session = 0
        pause_s = self._limits.doubt_grace_s
        while actor.current(command).outcome is OutcomeKind.IN_DOUBT:
            await actor.connected.wait()
            session = actor.connected_count
            result = await self.find(actor, command)
            if isinstance(result, Found):
                await self._take_found(actor, command, result.reports)
                return
            if isinstance(result, NotFound) and session == actor.connected_count and actor.connected.is_set():
                now_ns = self._clock.monotonic_ns()
                if missing_since_ns is None or missing_session != session:
                    missing_since_ns, missing_session = now_ns, session
                elif now_ns - missing_since_ns >= self._limits.doubt_grace_s * _NS:
                    await actor.decide(lambda state, at_ns: machine.not_sent(state, command, _UNKNOWN_THERE, at_ns))
                    return
                await asyncio.sleep(self._limits.doubt_grace_s)
                continue
            missing_since_ns = None
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _ASK_AGAIN_S_MAX)

    async def find(self, actor: Actor, command: Command) -> FindResult | None:
        """What the broker knows of a command; None when it could not be asked.

        The count of a state it describes is of when it answered: the session may have told more by now, or less.
        """
        broker, timeout_s = self._brokers[actor.account.broker], self._limits.broker_call_s
        try:
            result = await bounded(broker.find(_submission(actor, command), timeout_s), timeout_s)
        except TimeoutError:
            return None
        except Exception:  # noqa: BLE001  asking failed: the doubt stands, ask again
            _log.exception("broker.find.failed", intent_id=command.intent_id, seq=command.seq)
            return None
        return Found(tuple(map(_without_count, result.reports))) if isinstance(result, Found) else result

    async def _take_found(self, actor: Actor, command: Command, reports: tuple[OrderReport, ...]) -> None:
        """The broker knows it: take in what it says of the order, and that it has the command."""
        for report in reports:
            taking = _taking(replace(report, cursor=""))  # not the account's next report: the cursor stays
            await actor.decide_about(
                taking, broker_command_id=report.broker_command_id, external_order_id=report.external_order_id
            )
        await actor.decide(lambda state, now_ns: machine.acknowledge(state, command, None, now_ns))


def _without_count(report: OrderReport) -> OrderReport:
    return replace(report, cumulative_quantity=None) if report.kind is ReportKind.STATUS else report


def _taking(report: OrderReport) -> Callable[[AccountState, int], Batch | None]:
    return lambda state, now_ns: machine.take_report(state, report, now_ns)


def _submission(actor: Actor, command: Command) -> Submission:
    """The command with the last one of its chain that was not refused (FIX OrigClOrdID)."""
    chain = actor.state.chains[command.order_id]
    alive = [
        earlier
        for seq, earlier in chain.commands.items()
        if seq < command.seq and earlier.action_type is not ActionType.CANCEL and earlier.outcome not in _DEAD
    ]
    original = max(alive, key=lambda earlier: earlier.seq).broker_command_id if alive else None
    if original is None and command.action_type is not ActionType.CREATE:
        create = chain.create
        original = chain.order.external_command_id if create is None else create.broker_command_id
    return Submission(command, original, chain.order.external_order_id)
