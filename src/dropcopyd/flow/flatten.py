"""Flatten: cancel everything, wait until nothing may trade, then close each position with one market order.

While it runs the account takes no other orders, and a kill spares its closing orders, which only reduce: each is
decided with the position as it is, when nothing else in its instrument may trade, and judged so again when its attempt
begins. An order in doubt holds back its own instrument. It ends when everything is flat, when what is left has failed,
or at its deadline; what is left is told, and nothing is tried twice. A restart goes on with it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from dropcopyd.domain import money
from dropcopyd.domain.account import Account, Principal, PrincipalType
from dropcopyd.domain.attenuation import UNATTENUATED
from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.domain.exposure import may_trade
from dropcopyd.domain.flatten import Flatten, FlattenLeg, FlattenStatus, LegStatus
from dropcopyd.domain.instrument import InstrumentKey
from dropcopyd.errors import Code, DropcopyError, NotFoundError
from dropcopyd.flow.controls import Controls
from dropcopyd.flow.intake import Intake
from dropcopyd.flow.masscancel import CancelFilter, MassCancel
from dropcopyd.flow.ownership import Actor, Actors
from dropcopyd.flow.risk import flattening
from dropcopyd.ports import Clock, Ids, Store

_log = structlog.get_logger()
_NS: Final = 1_000_000_000
_LOOK_S: Final = 0.1
DEADLINE_S: Final = 60
DEADLINE_S_MAX: Final = 3_600


@dataclass(slots=True)
class _Run:
    flatten: Flatten
    written: Flatten


class Flattener:
    """The flattens of this node, at most one at a time for each account."""

    def __init__(
        self,
        *,
        actors: Actors,
        intake: Intake,
        controls: Controls,
        cancels: MassCancel,
        store: Store,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._actors = actors
        self._intake = intake
        self._controls = controls
        self._cancels = cancels
        self._store = store
        self._clock = clock
        self._ids = ids
        self._runs: dict[str, _Run] = {}
        self._woken = asyncio.Event()

    async def open(self) -> None:
        """Go on with what the last run left; before anything is judged."""
        for flatten in await self._store.running_flattens():
            self._runs[flatten.account_id] = _Run(flatten, flatten)
            self._controls.judging.begin_flatten(flatten)

    async def start(
        self, principal: Principal, account: Account, reason: str | None, deadline_s: int = DEADLINE_S
    ) -> Flatten:
        """Begin to flatten an account, durable when this returns; the one under way, where there is one.

        Raises DropcopyError(ACCOUNT_HALTED; PERMISSION_DENIED for a key that may not send every order), StoreError.
        """
        if replace(principal.attenuation, is_reduce_only=False) != UNATTENUATED:
            raise DropcopyError(Code.PERMISSION_DENIED, "a key with limits of its own closes its positions itself")
        actor = await self._actors.get(account.account_id)
        if actor.is_halted:
            raise DropcopyError(Code.ACCOUNT_HALTED, "the account is halted: its journal could not be written")
        known = self._runs.get(account.account_id)
        if known is not None:
            return known.flatten
        now_ns = self._clock.now_ns()
        flatten = Flatten(
            flatten_id=self._ids.uuid(),
            account_id=account.account_id,
            organization_id=account.organization_id,
            key_id=principal.key_id,
            reason=reason,
            started_at_ns=now_ns,
            deadline_ns=now_ns + deadline_s * _NS,
        )
        self._runs[account.account_id] = _Run(flatten, flatten)
        self._controls.judging.begin_flatten(flatten)
        try:
            await self._store.put_flatten(flatten, self._entry(flatten, AuditAction.FLATTEN_STARTED, principal.key_id))
        except DropcopyError:
            self._forget(flatten)
            raise
        _log.warning("flatten.started", account_id=account.account_id, flatten_id=flatten.flatten_id, reason=reason)
        self._woken.set()
        return flatten

    async def find(self, account: Account, flatten_id: str) -> Flatten:
        """A flatten of the account, as it is now. Raises NotFoundError, StoreError."""
        run = self._runs.get(account.account_id)
        if run is not None and run.flatten.flatten_id == flatten_id:
            return run.flatten
        found = await self._store.find_flatten(account.account_id, flatten_id)
        if found is None:
            raise NotFoundError(Code.FLATTEN_NOT_FOUND, f"the account has no flatten {flatten_id}")
        return found

    def as_it_is(self, flatten: Flatten) -> Flatten:
        """A flatten of the record as it is now, where it is under way."""
        run = self._runs.get(flatten.account_id)
        return run.flatten if run is not None and run.flatten.flatten_id == flatten.flatten_id else flatten

    async def run(self) -> None:
        """Carry flattens on until cancelled."""
        while True:
            self._woken.clear()
            await self.turn()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _LOOK_S if self._runs else None)

    async def turn(self) -> None:
        """One step of every flatten."""
        steps = [self._guarded(run, self._step) for run in list(self._runs.values())]
        await asyncio.gather(*steps)

    async def _guarded(self, run: _Run, step: Callable[[_Run], Coroutine[Any, Any, None]]) -> None:
        try:
            await step(run)
        except DropcopyError as error:  # tried again at the next turn, until the deadline
            _log.error("flatten.failed", account_id=run.flatten.account_id, code=error.code.value)

    # --- one step -------------------------------------------------------------------------------------------------

    async def _step(self, run: _Run) -> None:
        """Cancel, close what may be closed, look at what is closing, and end if it is over."""
        actor = await self._actors.get(run.flatten.account_id)
        working = 0
        if not actor.is_halted:
            wanted = CancelFilter(spared=run.flatten.closer)
            working = await self._cancels.pursue(actor, wanted, flattening(run.flatten))
            await self._move(actor, run)
        is_late = self._clock.now_ns() >= run.flatten.deadline_ns
        is_over = not working and all(leg.is_over for leg in run.flatten.legs)
        if is_over or is_late or actor.is_halted:
            await self._finish(actor, run, is_late=not is_over)
        elif run.flatten != run.written:
            run.written = run.flatten
            await self._store.put_flatten(run.flatten, None)

    async def _move(self, actor: Actor, run: _Run) -> None:
        known = {leg.key for leg in run.flatten.legs}
        fresh = [
            FlattenLeg(key=key, quantity=position.quantity)
            for key, position in actor.state.positions.items()
            if position.quantity and key not in known
        ]
        legs = [await self._moved(actor, run.flatten, leg) for leg in (*run.flatten.legs, *fresh)]
        run.flatten = replace(run.flatten, legs=tuple(legs))

    async def _moved(self, actor: Actor, flatten: Flatten, leg: FlattenLeg) -> FlattenLeg:
        if leg.status is LegStatus.WAITING:
            return await self._close(actor, flatten, leg)
        return self._closed(actor, leg) if leg.status is LegStatus.CLOSING else leg

    async def _close(self, actor: Actor, flatten: Flatten, leg: FlattenLeg) -> FlattenLeg:
        """Send the leg's one order, or say what holds it back."""
        intent_id = await self._intake.closing(actor, flatten, leg.key)  # of a run before this one
        if intent_id is None and any(actor.exposure.of(leg.key)):
            in_doubt = any(order.in_doubt_since_ns is not None for order in _orders(actor, leg.key))
            code, text = ("in_doubt", "an order is in doubt") if in_doubt else ("working", "an order may still trade")
            return replace(leg, reason_code=code, reason=text)
        if intent_id is None and not _held(actor, leg.key):
            return replace(leg, status=LegStatus.FLAT, reason_code=None, reason=None)
        if intent_id is None and not actor.connected.is_set():
            return replace(leg, reason_code="disconnected", reason="the broker is not connected")
        try:
            principal = Principal(flatten.organization_id, flatten.closer, frozenset(), PrincipalType.SERVICE)
            intent_id = intent_id or await self._intake.close_position(principal, actor, flatten, leg.key)
        except NotFoundError as error:
            return replace(leg, status=LegStatus.FAILED, reason_code=error.code.value, reason=error.message)
        except DropcopyError as error:
            if error.code in (Code.TIME_IN_FORCE_REFUSED, Code.AMBIGUOUS_SYMBOL):
                return replace(leg, status=LegStatus.FAILED, reason_code=error.code.value, reason=error.message)
            raise
        if intent_id is None:
            return leg
        chain = actor.state.chain_of_intent(intent_id)
        quantity = None if chain is None else chain.order.terms.quantity
        return replace(
            leg,
            status=LegStatus.CLOSING,
            reason_code=None,
            reason=None,
            intent_id=intent_id,
            order_quantity=quantity,
        )

    def _closed(self, actor: Actor, leg: FlattenLeg) -> FlattenLeg:
        """Whether the leg's order has done its work."""
        chain = actor.state.chain_of_intent(leg.intent_id or "")
        if chain is not None and may_trade(chain):
            is_in_doubt = chain.order.in_doubt_since_ns is not None
            return replace(leg, reason_code="in_doubt", reason="its order is in doubt") if is_in_doubt else leg
        if not _held(actor, leg.key):
            return replace(leg, status=LegStatus.FLAT, reason_code=None, reason=None)
        order = None if chain is None else chain.order
        code = (order.reason_code if order is not None else None) or "not_flat"
        left = money.render(actor.state.positions[leg.key].quantity)
        text = (order.reason if order is not None else None) or f"its order is over and {left} is held"
        return replace(leg, status=LegStatus.FAILED, reason_code=code, reason=text)

    async def _finish(self, actor: Actor, run: _Run, *, is_late: bool) -> None:
        """The end: closing orders that still work when the time is over are cancelled, and what is left is told."""
        if is_late and not actor.is_halted:
            await self._cancels.cancel_orders(actor, [leg.intent_id for leg in run.flatten.legs if leg.intent_id])
        legs = tuple(_last(actor, leg) for leg in run.flatten.legs)
        is_flat = not is_late and all(leg.status is LegStatus.FLAT for leg in legs)
        status = FlattenStatus.DONE if is_flat else FlattenStatus.INCOMPLETE
        flatten = replace(run.flatten, legs=legs, status=status, finished_at_ns=self._clock.now_ns())
        await self._store.put_flatten(flatten, self._entry(flatten, AuditAction.FLATTEN_ENDED, flatten.closer))
        run.flatten = flatten
        self._forget(flatten)
        _log.warning("flatten.ended", account_id=flatten.account_id, flatten_id=flatten.flatten_id, status=status.value)

    def _forget(self, flatten: Flatten) -> None:
        self._runs.pop(flatten.account_id, None)
        self._controls.judging.end_flatten(flatten)

    def _entry(self, flatten: Flatten, action: AuditAction, key_id: str) -> AuditEntry:
        left = sum(leg.status is not LegStatus.FLAT for leg in flatten.legs)
        detail = {"status": flatten.status.value, "positions": str(len(flatten.legs)), "not_flat": str(left)}
        return AuditEntry(
            organization_id=flatten.organization_id,
            account_id=flatten.account_id,
            at_ns=self._clock.now_ns(),
            principal_id=key_id,
            action=action,
            subject=flatten.flatten_id,
            detail={**detail, "reason": flatten.reason or ""},
        )


def _last(actor: Actor, leg: FlattenLeg) -> FlattenLeg:
    """A leg at the end: one that was flat and is not any more has failed."""
    if leg.status is LegStatus.FLAT and _held(actor, leg.key):
        return replace(leg, status=LegStatus.FAILED, reason_code="moved", reason="the position moved after it was flat")
    return leg


def _held(actor: Actor, key: InstrumentKey) -> bool:
    position = actor.state.positions.get(key)  # what is held is always in memory
    return position is not None and bool(position.quantity)


def _orders(actor: Actor, key: InstrumentKey) -> Any:
    """The orders of an instrument that may still trade."""
    return (
        chain.order
        for chain in actor.state.chains.values()
        if (chain.order.instrument.asset_class, chain.order.instrument.symbol) == key and may_trade(chain)
    )
