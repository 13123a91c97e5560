"""Cancel on disconnect: when a stream that has armed it is lost for longer than the grace, orders are cancelled.

An arming belongs to one strategy of one account and is held by the stream that armed it last. It is durable before it
is confirmed. After a start no stream is there: what was armed is lost from then on. Once fired, the orders that were
there at that moment are pursued until none of them may trade: one in doubt is cancelled when it proves alive.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl

import structlog

from dropcopyd.domain.account import Account, Scope
from dropcopyd.domain.arming import GRACE_S_MAX, LOST, STRATEGY_CHARACTERS_MAX, Arming
from dropcopyd.domain.audit import GATEWAY, AuditAction, AuditEntry
from dropcopyd.domain.controls import ControlScope, Objection
from dropcopyd.errors import Code, DropcopyError, InvalidError
from dropcopyd.flow.access import Access
from dropcopyd.flow.masscancel import CancelFilter, MassCancel
from dropcopyd.flow.ownership import Actor, Actors
from dropcopyd.flow.streams import OpenStream
from dropcopyd.ports import Clock, Store

_log = structlog.get_logger()
_NS: Final = 1_000_000_000
_LOOK_S: Final = 1.0
"""How long nothing is looked at when nothing is lost."""
_PURSUE_S: Final = 0.25
ARM_HEADER: Final = "dropcopy-arm"
"""What a stream without requests of its own carries an arming in: `account_id=..&strategy_id=..&grace_s=..`."""
ARMINGS_MAX: Final = 256
"""Of one account."""


@dataclass(frozen=True, slots=True)
class ArmRequest:
    """What a stream asks for, as parsed at the edge."""

    account_id: str
    strategy_id: str
    grace_s: int


Arm = Callable[[OpenStream, ArmRequest], Awaitable[None]]
"""Arms for a stream: `DisconnectCancels.arm`."""


async def arm_nothing(_stream: OpenStream, _request: ArmRequest) -> None:
    """Of a node without trading. Raises DropcopyError(NOT_SUPPORTED)."""
    raise DropcopyError(Code.NOT_SUPPORTED, "nothing can be cancelled here")


def parse_arm(text: str) -> ArmRequest:
    """An arming in a header. Raises InvalidError."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=3)
        values = dict(pairs)
        if len(values) != len(pairs) or not values.keys() <= {"account_id", "strategy_id", "grace_s"}:
            raise ValueError(text)
        grace = values["grace_s"]
        if not (grace.isascii() and grace.isdigit() and len(grace) < 10):
            raise ValueError(grace)
        return ArmRequest(values["account_id"], values.get("strategy_id", ""), int(grace))
    except (ValueError, KeyError) as error:
        raise InvalidError(f"{ARM_HEADER} must be account_id=..&strategy_id=..&grace_s=.., percent-encoded") from error


@dataclass(slots=True)
class _Watch:
    """An arming with the stream that holds it; None = lost, since `lost_at_ns` (monotonic)."""

    arming: Arming
    stream_id: str | None
    lost_at_ns: int

    def due_ns(self) -> int | None:
        """When it fires (monotonic); None while its stream is there, or it is not armed."""
        if self.stream_id is not None or not self.arming.is_armed:
            return None
        return self.lost_at_ns + self.arming.grace_s * _NS


class DisconnectCancels:
    """All armings of this node."""

    def __init__(self, *, access: Access, actors: Actors, cancels: MassCancel, store: Store, clock: Clock) -> None:
        self._access = access
        self._actors = actors
        self._cancels = cancels
        self._store = store
        self._clock = clock
        self._watches: dict[tuple[str, str], _Watch] = {}
        self._woken = asyncio.Event()

    async def open(self) -> None:
        """Read what the last run left: all of it is lost from now on."""
        now_ns = self._clock.monotonic_ns()
        for arming in await self._store.armings():
            self._watches[arming.account_id, arming.strategy_id] = _Watch(arming, None, now_ns)

    def of(self, account: Account) -> list[tuple[Arming, bool]]:
        """The account's armings by strategy, each with whether its stream is there."""
        found = [watch for (account_id, _), watch in self._watches.items() if account_id == account.account_id]
        found.sort(key=lambda watch: watch.arming.strategy_id)
        return [(watch.arming, watch.stream_id is not None) for watch in found]

    async def arm(self, stream: OpenStream, request: ArmRequest) -> None:
        """Arm for a strategy, or take an arming over with a new grace; confirmed on the stream once it is durable.

        Raises InvalidError, NotFoundError, DropcopyError(PERMISSION_DENIED: only who may cancel may arm;
        UNAUTHENTICATED), StoreError.
        """
        principal = stream.principal
        self._access.require(principal, Scope.INTENTS_EDIT)
        await self._access.recheck(principal)  # the stream may be long open
        account = await self._access.account(principal, request.account_id, "/account_id")
        _check(request)
        place = account.account_id, request.strategy_id
        before = self._watches.get(place)
        if before is None and sum(account_id == account.account_id for account_id, _ in self._watches) >= ARMINGS_MAX:
            raise DropcopyError(
                Code.SUBSCRIPTION_LIMIT_EXCEEDED, f"an account has at most {ARMINGS_MAX} armings", limit=ARMINGS_MAX
            )
        if not stream.is_open:
            return
        arming = Arming(
            account_id=account.account_id,
            organization_id=account.organization_id,
            strategy_id=request.strategy_id,
            grace_s=request.grace_s,
            key_id=principal.key_id,
            armed_at_ns=self._clock.now_ns(),
            fired_at_ns=None if before is None else before.arming.fired_at_ns,
        )
        self._watches[place] = _Watch(arming, stream.stream_id, 0)
        entry = self._entry(arming, AuditAction.DISCONNECT_ARMED, principal.key_id)
        try:
            await self._store.put_arming(arming, entry)
        except DropcopyError:
            self._restore(place, arming, before)
            raise
        stream.session.announce("armed", "armed", account.account_id)

    async def disarm(self, key_id: str, account: Account, strategy_id: str) -> None:
        """Let a strategy's stream be lost without consequence; what has fired goes on. Idempotent.

        Raises StoreError.
        """
        place = account.account_id, strategy_id
        watch = self._watches.get(place)
        if watch is None or not watch.arming.is_armed:
            return
        arming = replace(watch.arming, is_armed=False)
        await self._store.put_arming(arming, self._entry(arming, AuditAction.DISCONNECT_DISARMED, key_id))
        if self._watches.get(place) is watch:
            self._keep(place, watch, replace(watch.arming, is_armed=False))

    def lost(self, stream_id: str) -> None:
        """A stream has ended: the grace of what it holds begins."""
        now_ns = self._clock.monotonic_ns()
        for watch in self._watches.values():
            if watch.stream_id == stream_id:
                watch.stream_id, watch.lost_at_ns = None, now_ns
                self._woken.set()

    async def run(self) -> None:
        """Fire what is due and pursue what has fired, until cancelled."""
        while True:
            self._woken.clear()
            pause_s = await self.turn()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause_s)

    async def turn(self) -> float:
        """Do what is due; seconds until there may be more to do."""
        pause_s = _LOOK_S
        for place, watch in list(self._watches.items()):
            due_ns, now_ns = watch.due_ns(), self._clock.monotonic_ns()
            if due_ns is not None and due_ns > now_ns:
                pause_s = min(pause_s, (due_ns - now_ns) / _NS)
                due_ns = None
            if due_ns is None and watch.arming.fired_at_ns is None:
                continue
            pause_s = min(pause_s, _PURSUE_S)
            try:
                actor = await self._actors.get(place[0])
                if due_ns is not None:
                    await self._fire(actor, place)
                await self._pursue(actor, place)
            except DropcopyError as error:
                _log.error("disconnect.failed", account_id=place[0], strategy_id=place[1], code=error.code.value)
        return pause_s

    async def _fire(self, actor: Actor, place: tuple[str, str]) -> None:
        """Mark what is to be cancelled: all that is there now."""
        watch = self._watches.get(place)
        due_ns = None if watch is None else watch.due_ns()
        if watch is None or due_ns is None or due_ns > self._clock.monotonic_ns():
            return  # taken over meanwhile
        now_ns = max(self._clock.now_ns(), actor.state.last_ns)
        watch.arming = replace(watch.arming, is_armed=False, fired_at_ns=now_ns)
        _log.warning("disconnect.fired", account_id=place[0], strategy_id=place[1], grace_s=watch.arming.grace_s)
        await self._store.put_arming(watch.arming, self._entry(watch.arming, AuditAction.DISCONNECT_FIRED, GATEWAY))

    async def _pursue(self, actor: Actor, place: tuple[str, str]) -> None:
        """Cancel once more; let the firing go when nothing of it may trade any more."""
        watch = self._watches.get(place)
        fired_at_ns = None if watch is None else watch.arming.fired_at_ns
        if watch is None or fired_at_ns is None or actor.is_halted:
            return
        wanted = CancelFilter(strategy_id=place[1] or None, created_until_ns=fired_at_ns)
        found = _objection(watch.arming)
        if await self._cancels.pursue(actor, wanted, found):
            return
        watch = self._watches.get(place)  # it may have been armed anew, or fired again
        if watch is not None and watch.arming.fired_at_ns == fired_at_ns:
            arming = replace(watch.arming, fired_at_ns=None)
            self._keep(place, watch, arming)
            await self._store.put_arming(arming, None)

    def _keep(self, place: tuple[str, str], watch: _Watch, arming: Arming) -> None:
        watch.arming = arming
        if not arming.is_armed and arming.fired_at_ns is None:
            del self._watches[place]

    def _restore(self, place: tuple[str, str], arming: Arming, before: _Watch | None) -> None:
        """An arming could not be written: what was there before holds on, with the stream that wanted it."""
        watch = self._watches.get(place)
        if watch is None or watch.arming is not arming:
            return
        if before is None:
            del self._watches[place]
        else:
            watch.arming = before.arming

    def _entry(self, arming: Arming, action: AuditAction, key_id: str) -> AuditEntry:
        return AuditEntry(
            organization_id=arming.organization_id,
            account_id=arming.account_id,
            at_ns=self._clock.now_ns(),
            principal_id=key_id,
            action=action,
            subject=arming.strategy_id or "every strategy",
            detail={"grace_s": str(arming.grace_s), "armed_by": arming.key_id},
        )


def _check(request: ArmRequest) -> None:
    if len(request.strategy_id) > STRATEGY_CHARACTERS_MAX:
        raise InvalidError(f"a strategy_id has at most {STRATEGY_CHARACTERS_MAX} characters", pointer="/strategy_id")
    if not 0 <= request.grace_s <= GRACE_S_MAX:
        raise InvalidError(f"grace_s is a number of seconds from 0 to {GRACE_S_MAX}", pointer="/grace_s")


def _objection(arming: Arming) -> Objection:
    """Why the commands of a lost stream do not leave."""
    text = f"the stream that armed cancel on disconnect was lost for longer than {arming.grace_s} s"
    return Objection(ControlScope.ACCOUNT, arming.account_id, LOST, str(arming.grace_s), "lost", text)
