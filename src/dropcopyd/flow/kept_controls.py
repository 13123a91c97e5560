"""Kept controls: every control as it is now, and each change of one: switched, limited, killed, released.

Changes are made one after another and written with their line of the audit log. What stops is in force before it is
durable, what loosens only once it is.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from dropcopyd.domain.account import Account, Principal, PrincipalType
from dropcopyd.domain.audit import GATEWAY, AuditAction, AuditEntry
from dropcopyd.domain.controls import Breach, Control, ControlLimits, ControlScope, Place
from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.versions import require_version
from dropcopyd.ports import Clock, Store


class KeptControls:
    """The controls of this node's organizations."""

    def __init__(self, *, store: Store, clock: Clock, limits: Limits) -> None:
        self._limits = limits
        self._store = store
        self._clock = clock
        self._controls: dict[Place, Control] = {}
        self._symbols: Counter[str] = Counter()
        """How many of them are of symbols, by organization."""
        self._held: dict[Place, list[Control]] = {}
        """Stops that are not durable yet."""
        self._writing = asyncio.Lock()

    async def open(self) -> None:
        """Read what is in force; before anything is judged."""
        for control in await self._store.controls():
            self._keep(control.place, control)

    # --- reading --------------------------------------------------------------------------------------------------

    def in_force(self, account: Account, symbol: str | None) -> list[Control]:
        """The controls that apply, widest first."""
        organization_id = account.organization_id
        places: list[Place] = [
            (organization_id, ControlScope.ORGANIZATION, organization_id),
            (organization_id, ControlScope.ACCOUNT, account.account_id),
        ]
        if symbol is not None:
            places.append((organization_id, ControlScope.SYMBOL, symbol))
        return [control for place in places if (control := self._now(place)) is not None]

    def is_killed(self, account: Account) -> bool:
        """Whether a kill is in force for the account or its organization."""
        return any(control.is_killed for control in self.in_force(account, None))

    def watched(self) -> list[Control]:
        """The controls that limit a loss."""
        return [control for control in self._controls.values() if control.limits.is_watched]

    def control(self, organization_id: str, scope: ControlScope, subject: str) -> Control:
        """The control as it is; version 0 when it was never written."""
        empty = Control(organization_id=organization_id, scope=scope, subject=subject)
        return self._controls.get((organization_id, scope, subject), empty)

    def all_of(self, organization_id: str) -> list[Control]:
        """Every control of the organization, by scope and subject."""
        found = [control for control in self._controls.values() if control.organization_id == organization_id]
        return sorted(found, key=lambda control: (control.scope, control.subject))

    def _now(self, place: Place) -> Control | None:
        """The control at a place: a stop that is being written comes first."""
        held, kept = self._held.get(place), self._controls.get(place)
        if not held:
            return kept
        is_killed = any(one.is_killed for one in held) or (kept is not None and kept.is_killed)
        return replace(held[-1], is_killed=is_killed)

    # --- changing -------------------------------------------------------------------------------------------------

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
        place = named.place
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
        place: Place,
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

    def _keep(self, place: Place, control: Control) -> None:
        if place not in self._controls and control.scope is ControlScope.SYMBOL:
            self._symbols[control.organization_id] += 1
        self._controls[place] = control

    def _require_room(self, place: Place) -> None:
        """Whether a place has a control, or may get one. Raises DropcopyError(ORGANIZATION_LIMIT_EXCEEDED)."""
        organization_id, scope, _ = place
        limit = self._limits.symbol_controls_per_organization
        if scope is not ControlScope.SYMBOL or place in self._controls or self._symbols[organization_id] < limit:
            return
        text = f"the organization has controls of {limit} symbols, as many as it may have"
        raise DropcopyError(Code.ORGANIZATION_LIMIT_EXCEEDED, text, resource="symbol_controls", limit=limit)

    def _unhold(self, place: Place, held: Control) -> None:
        waiting = [one for one in self._held[place] if one is not held]
        if waiting:
            self._held[place] = waiting
        else:
            del self._held[place]
