"""Controls in force: judged when a command is accepted and again when its attempt begins; switched, limited, killed.

Judging never waits, so that what is judged and what is reserved (the command itself, in the account's state) are one
step: inside the account's serial section for its own limits, in one turn of the event loop for its organization's.
Refusals and changes are written to the audit log.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import structlog

from dropcopyd.domain.account import Account, BrokerKind, Principal, PrincipalType
from dropcopyd.domain.attenuation import UNATTENUATED, Spending
from dropcopyd.domain.audit import GATEWAY, AuditAction, AuditEntry
from dropcopyd.domain.command import Command
from dropcopyd.domain.controls import (
    Ask,
    Breach,
    Control,
    ControlLimits,
    ControlScope,
    Objection,
    Reference,
    Risk,
    closed,
    needs_reference,
    objection,
    only_reduces,
    rules_of_symbol,
    switched_off,
    unjudged,
)
from dropcopyd.domain.exposure import leaves_at_most
from dropcopyd.domain.flatten import Flatten
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.key_limits import standing_objection
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.order import ActionType, OrderSide, OrderTerms
from dropcopyd.domain.state import Chain
from dropcopyd.errors import Code, DropcopyError, StoreError
from dropcopyd.flow.ownership import Actor
from dropcopyd.flow.risk import flattening, objection_to_closing, pooled_risk_of, risk_of
from dropcopyd.flow.spending import KeyAsk, KeySpending
from dropcopyd.ports import Clock, Store

_log = structlog.get_logger()
_NS: Final = 1_000_000_000
_WAITED_NS: Final = _NS // 4
"""What is younger was judged by its key a moment ago."""
References = Callable[[Account, Instrument], Reference | None]
_Place = tuple[str, ControlScope, str]


class ControlError(DropcopyError):
    """A control objects to a command."""

    def __init__(self, found: Objection) -> None:
        super().__init__(
            Code.CONTROL_REFUSED,
            found.message,
            control=found.control,
            scope=found.scope.value,
            subject=found.subject,
            limit=found.limit,
            actual=found.actual,
        )
        self.objection = found


@dataclass(frozen=True, slots=True)
class Wanted:
    """A create (chain None) or replace that is to be judged."""

    instrument: Instrument
    order_side: OrderSide
    terms: OrderTerms
    chain: Chain | None


class Controls:
    """All controls of this node's organizations."""

    def __init__(self, *, store: Store, clock: Clock, limits: Limits, references: References) -> None:
        self._limits = limits
        self._store = store
        self._clock = clock
        self._references = references
        self._controls: dict[_Place, Control] = {}
        self._symbols: Counter[str] = Counter()
        """How many of them are of symbols, by organization."""
        self._held: dict[_Place, list[Control]] = {}
        """Stops that are not durable yet."""
        self._writing = asyncio.Lock()
        self._rates: dict[_Place, deque[int]] = {}
        self._flattens: dict[str, Flatten] = {}
        """Accounts that are being flattened."""
        self._unknown: dict[_Place, tuple[str, Decimal, str]] = {}
        """Losses that are limited and not known: the rule, its limit, and why not."""
        self._keys = KeySpending()

    async def open(self) -> None:
        """Read what is in force; before anything is judged."""
        self._keys.load(await self._store.spent())
        for control in await self._store.controls():
            self._keep(_place(control), control)

    # --- judging --------------------------------------------------------------------------------------------------

    def in_force(self, account: Account, symbol: str | None) -> list[Control]:
        """The controls that apply, widest first."""
        organization_id = account.organization_id
        places: list[_Place] = [
            (organization_id, ControlScope.ORGANIZATION, organization_id),
            (organization_id, ControlScope.ACCOUNT, account.account_id),
        ]
        if symbol is not None:
            places.append((organization_id, ControlScope.SYMBOL, symbol))
        return [control for place in places if (control := self._now(place)) is not None]

    def _now(self, place: _Place) -> Control | None:
        """The control at a place: a stop that is being written comes first."""
        held, kept = self._held.get(place), self._controls.get(place)
        if not held:
            return kept
        is_killed = any(one.is_killed for one in held) or (kept is not None and kept.is_killed)
        return replace(held[-1], is_killed=is_killed)

    def evaluate(self, account: Account, symbol: str | None, principal: Principal | None = None) -> list[Objection]:
        """What would stop any new order of the account now, in the symbol if one is given, sent by the principal."""
        flatten, closure = self._flattens.get(account.account_id), closed(account)
        found: list[Objection] = [] if flatten is None else [flattening(flatten)]
        found += [] if closure is None else [closure]
        controls = self.in_force(account, symbol)
        if principal is not None and principal.attenuation is not UNATTENUATED:
            controls.append(self._keys.learn(principal.key_id, principal.attenuation, account.organization_id))
        for control in controls:
            off = switched_off(control)
            unknown = self._unknown.get(_place(control))
            if off is not None:
                found.append(off)
            elif unknown is not None:
                found.append(unjudged(control, *unknown))
            if symbol is not None:
                found += rules_of_symbol(control, symbol, is_live=_is_live(account))
        return found

    def judge(self, actor: Actor, wanted: Wanted, principal: Principal | None = None) -> Spending | None:
        """Inside the account's section, right before the command is registered. Raises ControlError.

        A command that passes counts against the rates, and against the limits of an attenuated key: what that used up
        is to be committed with the command.
        """
        flatten = self._flattens.get(actor.account.account_id)
        found = closed(actor.account) if flatten is None else flattening(flatten)
        controls = self.in_force(actor.account, wanted.instrument.symbol)
        key_ask = self._key_ask(actor, wanted, principal)
        if found is None and key_ask is not None:
            found = self._keys.objection(key_ask, _own_risk(actor, wanted))
        if found is None and controls:
            found = self._objection(actor, controls, wanted)
        if found is None:
            found = next(filter(None, (self._too_fast(control) for control in controls)), None)
        if found is not None:
            raise ControlError(found)
        for control in controls:
            self._count(control)
        return None if key_ask is None else self._keys.spend(key_ask)

    def _key_ask(self, actor: Actor, wanted: Wanted, principal: Principal | None) -> KeyAsk | None:
        """What is asked of an attenuated key; None for any other."""
        if principal is None:
            return None
        if principal.attenuation is UNATTENUATED:
            self._keys.forget(principal.key_id)
            return None
        control = self._keys.learn(principal.key_id, principal.attenuation, actor.account.organization_id)
        before = None if wanted.chain is None else wanted.chain.order.terms
        return KeyAsk(control, principal.attenuation, actor.account, self._ask(actor, wanted), before)

    async def renew_key(self, command: Command) -> None:
        """Know the key that sent a command as it is now, where the command has waited: what it may not do any more does
        not leave.
        """
        key_id = command.principal_id
        if 0 <= self._clock.now_ns() - command.stamps.received_ns < _WAITED_NS:  # a clock put back has waited, too
            return
        if key_id is None or command.principal_type is not PrincipalType.API_KEY:
            return
        if command.action_type is ActionType.CANCEL:
            return
        try:
            record = await self._store.find_key(key_id)
        except StoreError as error:  # what is known of it decides
            _log.error("controls.key_unreadable", key_id=key_id, code=error.code.value)
            return
        if record is not None:
            self._keys.renew(record)

    def recheck(self, actor: Actor, command: Command) -> Objection | None:
        """When the attempt of a command is about to begin: whether it may still leave. A cancel always may."""
        if command.action_type is ActionType.CANCEL:
            return None
        flatten = self._flattens.get(actor.account.account_id)
        if flatten is not None:
            return objection_to_closing(actor, flatten, command)
        off = closed(actor.account) or self._keys.revoked(command.principal_id)
        controls = self.in_force(actor.account, command.instrument.symbol)
        key = self._keys.known(command.principal_id, actor.account.organization_id)
        if off is not None or not (controls or key):
            return off
        chain = actor.state.chains[command.order_id]
        wanted = Wanted(command.instrument, command.order_side, command.terms, chain)
        found = self._objection(actor, controls, wanted)
        if found is None and key is not None:
            control, limits = key
            found = standing_objection(control, limits, self._ask(actor, wanted), _own_risk(actor, wanted))
        return found

    def watched(self) -> list[Control]:
        """The controls that limit a loss."""
        return [control for control in self._controls.values() if control.limits.is_watched]

    def cannot_judge(self, control: Control, unknown: tuple[str, Decimal, str] | None) -> None:
        """Whether a limited loss is not known now: the rule, its limit, and why not; None = it is known."""
        if unknown is None:
            self._unknown.pop(_place(control), None)
        else:
            self._unknown[_place(control)] = unknown

    def begin_flatten(self, flatten: Flatten) -> None:
        """From now on the account takes nothing but the flatten's closing orders."""
        self._flattens[flatten.account_id] = flatten

    def end_flatten(self, flatten: Flatten) -> None:
        """The account takes orders again, as its controls allow."""
        self._flattens.pop(flatten.account_id, None)

    def closer(self, account: Account) -> str | None:
        """The principal whose orders a kill spares: that of the flatten under way."""
        flatten = self._flattens.get(account.account_id)
        return None if flatten is None else flatten.closer

    def _ask(self, actor: Actor, wanted: Wanted, *, is_priced: bool = True) -> Ask:
        chain, account = wanted.chain, actor.account
        is_new = chain is None or not chain.order.is_accepted
        return Ask(
            instrument=wanted.instrument,
            order_side=wanted.order_side,
            terms=wanted.terms,
            leaves=wanted.terms.quantity if chain is None else leaves_at_most(chain, wanted.terms.quantity),
            is_create=is_new,
            is_live=_is_live(account),
            now_ns=self._clock.now_ns(),
            reference=self._references(account, wanted.instrument) if is_priced else None,
        )

    def _objection(self, actor: Actor, controls: Sequence[Control], wanted: Wanted) -> Objection | None:
        ask = self._ask(actor, wanted, is_priced=needs_reference(controls))
        order_id = None if wanted.chain is None else wanted.chain.order.order_id
        risks: dict[bool, Risk] = {}
        for control in controls:
            is_own = control.scope is ControlScope.ACCOUNT
            risk = risks.get(is_own)
            if risk is None:
                sum_of = risk_of if is_own else pooled_risk_of
                risk = risks[is_own] = sum_of(actor, wanted.instrument, order_id)
            found = objection(control, ask, risk)
            if found is None and self._unknown:
                found = self._unjudged(control, actor, ask, order_id)
            if found is not None:
                return found
        return None

    def _unjudged(self, control: Control, actor: Actor, ask: Ask, order_id: str | None) -> Objection | None:
        """While a limited loss is not known, only what reduces passes."""
        unknown = self._unknown.get(_place(control))
        if unknown is None or only_reduces(ask, risk_of(actor, ask.instrument, order_id)):
            return None
        return unjudged(control, *unknown)

    def _too_fast(self, control: Control) -> Objection | None:
        limit = control.limits.orders_per_second_max
        if limit is None:
            return None
        count = len(self._recent(control))
        if count < limit:
            return None
        text = f"{count + 1} orders within a second, above {limit}"
        return Objection(control.scope, control.subject, "orders_per_second_max", str(limit), str(count + 1), text)

    def _recent(self, control: Control) -> deque[int]:
        """When the orders of the last second were taken; never more than the limit."""
        times = self._rates.setdefault(_place(control), deque())
        since_ns = self._clock.monotonic_ns() - _NS
        while times and times[0] <= since_ns:
            times.popleft()
        return times

    def _count(self, control: Control) -> None:
        if control.limits.orders_per_second_max is None:
            self._rates.pop(_place(control), None)
        else:
            self._recent(control).append(self._clock.monotonic_ns())

    # --- the audit log --------------------------------------------------------------------------------------------

    async def audit_log(self, organization_id: str, before: int, limit: int) -> list[AuditEntry]:
        """An organization's lines below a number, newest first."""
        return await self._store.read_audit(organization_id, before, limit)

    async def note_refusal(self, principal: Principal, account: Account, error: ControlError, symbol: str) -> None:
        """Write a refusal of intake to the audit log, before the caller hears of it."""
        await self._note(AuditAction.INTENT_REFUSED, principal.key_id, account, error.objection, symbol)

    async def note_withheld(self, account: Account, found: Objection, command: Command) -> None:
        """Write to the audit log that a command was stopped when its attempt was due."""
        _log.warning(
            "command.withheld", account_id=account.account_id, intent_id=command.intent_id, control=found.control
        )
        await self._note(AuditAction.COMMAND_WITHHELD, GATEWAY, account, found, command.intent_id)

    async def _note(self, action: AuditAction, key_id: str, account: Account, found: Objection, subject: str) -> None:
        detail = {
            "control": found.control,
            "scope": f"{found.scope.value} {found.subject}",
            "limit": found.limit,
            "actual": found.actual,
        }
        await self._store.audit(
            AuditEntry(
                organization_id=account.organization_id,
                account_id=account.account_id,
                at_ns=self._clock.now_ns(),
                principal_id=key_id,
                action=action,
                subject=subject,
                detail=detail,
            )
        )

    # --- changing -------------------------------------------------------------------------------------------------

    def control(self, organization_id: str, scope: ControlScope, subject: str) -> Control:
        """The control as it is; version 0 when it was never written."""
        empty = Control(organization_id=organization_id, scope=scope, subject=subject)
        return self._controls.get((organization_id, scope, subject), empty)

    def all_of(self, organization_id: str) -> list[Control]:
        """Every control of the organization, by scope and subject."""
        found = [control for control in self._controls.values() if control.organization_id == organization_id]
        return sorted(found, key=lambda control: (control.scope, control.subject))

    async def switch(
        self, principal: Principal, named: Control, *, disabled: bool, reason: str | None, version: int | None
    ) -> Control:
        """Disable or enable by hand. Enabling what is disabled needs the control's version; disabling never does.

        `named` says which control; what it is, is looked up when the change is its turn. Raises DropcopyError:
        VERSION_REQUIRED, VERSION_CONFLICT, ORGANIZATION_LIMIT_EXCEEDED (a symbol without a control yet).
        """

        def change(current: Control) -> Control:
            if version is not None or (current.manually_disabled and not disabled):
                require_version(current.version, version)
            return replace(current, manually_disabled=disabled, manual_reason=reason)

        detail = {"reason": reason or ""}
        return await self._write(principal, named, change, AuditAction.CONTROL_CHANGED, detail, is_stop=disabled)

    async def limit(self, principal: Principal, named: Control, limits: ControlLimits, version: int | None) -> Control:
        """Set all limits of a control at once. Needs its version once it has one. Raises DropcopyError as `switch`."""

        def change(current: Control) -> Control:
            if version is not None or current.version:
                require_version(current.version, version)
            return replace(current, limits=limits)

        return await self._write(principal, named, change, AuditAction.CONTROL_CHANGED, {})

    async def latch(self, principal: Principal, named: Control, reason: str | None) -> Control:
        """Kill: in force at once, before it is durable; nothing that is judged from now on passes."""
        detail = {"reason": reason or ""}
        return await self._write(
            principal, named, lambda current: replace(current, is_killed=True), AuditAction.KILLED, detail, is_stop=True
        )

    async def latch_by(self, named: Control, breach: Breach) -> Control:
        """Kill because of a loss, in force at once as `latch`; the first breach stays until it is released."""
        detail = {"control": breach.rule, "limit": breach.limit, "actual": f"{breach.actual} {breach.currency}"}

        def change(current: Control) -> Control:
            return replace(current, is_killed=True, breach=current.breach or breach)

        gateway = Principal(named.organization_id, GATEWAY, frozenset(), PrincipalType.SERVICE)
        return await self._write(gateway, named, change, AuditAction.LIMIT_BREACHED, detail, is_stop=True)

    async def release(self, principal: Principal, named: Control, version: int | None) -> Control:
        """End a kill; needs the version. Raises DropcopyError as `switch`."""

        def change(current: Control) -> Control:
            require_version(current.version, version)
            return replace(current, is_killed=False, breach=None)

        return await self._write(principal, named, change, AuditAction.KILL_RELEASED, {})

    def is_killed(self, account: Account) -> bool:
        """Whether a kill is in force for the account or its organization."""
        return any(control.is_killed for control in self.in_force(account, None))

    async def _write(
        self,
        principal: Principal,
        named: Control,
        change: Callable[[Control], Control],
        action: AuditAction,
        detail: dict[str, str],
        *,
        is_stop: bool = False,
    ) -> Control:
        """Changes are made one after another, each of what the one before left. A stop holds from this moment on,
        whatever is still being written before it; what loosens is in force only once it is durable.
        """
        place = _place(named)
        held = change(self.control(*place)) if is_stop else None
        if held is not None:
            self._held.setdefault(place, []).append(held)
        try:
            async with self._writing:
                return await self._write_now(principal, place, change, action, detail, is_stop=is_stop)
        finally:
            if held is not None:
                self._unhold(place, held)

    async def _write_now(
        self,
        principal: Principal,
        place: _Place,
        change: Callable[[Control], Control],
        action: AuditAction,
        detail: dict[str, str],
        *,
        is_stop: bool,
    ) -> Control:
        now_ns, current = self._clock.now_ns(), self.control(*place)
        self._require_room(place)
        control = change(current)
        created_ns = current.created_at_ns or now_ns
        control = replace(control, version=current.version + 1, created_at_ns=created_ns, updated_at_ns=now_ns)
        entry = AuditEntry(
            organization_id=control.organization_id,
            account_id=control.subject if control.scope is ControlScope.ACCOUNT else None,
            at_ns=now_ns,
            principal_id=principal.key_id,
            action=action,
            subject=f"{control.scope.value} {control.subject}",
            detail={**detail, "version": str(control.version), "disabled": str(control.is_off).lower()},
        )
        try:
            await self._store.put_control(control, entry)
        except DropcopyError:
            if is_stop:  # held back all the same, though not recorded
                self._keep(place, replace(control, version=current.version))
            raise
        except asyncio.CancelledError:
            if is_stop:  # nobody waits any more; it is in the writer's queue
                self._keep(place, control)
            raise
        self._keep(place, control)
        return control

    def _keep(self, place: _Place, control: Control) -> None:
        if place not in self._controls and control.scope is ControlScope.SYMBOL:
            self._symbols[control.organization_id] += 1
        self._controls[place] = control

    def _require_room(self, place: _Place) -> None:
        """Whether a place has a control, or may get one. Raises DropcopyError(ORGANIZATION_LIMIT_EXCEEDED)."""
        organization_id, scope, _ = place
        limit = self._limits.symbol_controls_per_organization
        if scope is not ControlScope.SYMBOL or place in self._controls or self._symbols[organization_id] < limit:
            return
        text = f"the organization has controls of {limit} symbols, as many as it may have"
        raise DropcopyError(Code.ORGANIZATION_LIMIT_EXCEEDED, text, resource="symbol_controls", limit=limit)

    def _unhold(self, place: _Place, held: Control) -> None:
        waiting = [one for one in self._held[place] if one is not held]
        if waiting:
            self._held[place] = waiting
        else:
            del self._held[place]


def require_version(current: int, version: int | None) -> None:
    """Whether a change is made on what is there. Raises DropcopyError: VERSION_REQUIRED, VERSION_CONFLICT."""
    if version is None:
        raise DropcopyError(
            Code.VERSION_REQUIRED, f"this change needs the header If-Match with the version, now {current}"
        )
    if version != current:
        raise DropcopyError(
            Code.VERSION_CONFLICT,
            f"the control has version {current}, not {version}; read it again",
            version=current,
        )


def _own_risk(actor: Actor, wanted: Wanted) -> Risk:
    """What is at risk in the account beside the order."""
    order_id = None if wanted.chain is None else wanted.chain.order.order_id
    return risk_of(actor, wanted.instrument, order_id)


def _place(control: Control) -> _Place:
    return control.organization_id, control.scope, control.subject


def _is_live(account: Account) -> bool:
    return account.broker is not BrokerKind.PAPER
