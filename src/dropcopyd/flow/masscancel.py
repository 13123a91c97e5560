"""Mass cancel and kill: every working order of an account, or those of a side, symbol or strategy, is cancelled.

A kill latches first (nothing new passes), then withholds what has not left yet, then cancels what works. While the
latch holds, a sweep cancels what proves alive later: an order that was in doubt, a replace that crossed, what a
reconnect brings up.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from dropcopyd.domain import machine
from dropcopyd.domain.account import Account, Principal, PrincipalType
from dropcopyd.domain.audit import GATEWAY, AuditAction, AuditEntry
from dropcopyd.domain.command import Command
from dropcopyd.domain.controls import Control, ControlScope, Objection
from dropcopyd.domain.exposure import may_trade
from dropcopyd.domain.order import ActionType, OrderSide
from dropcopyd.domain.state import Chain
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.controls import Controls
from dropcopyd.flow.intake import Intake
from dropcopyd.flow.ownership import Actor, Actors
from dropcopyd.ports import Clock, Store

_log = structlog.get_logger()
_NS: Final = 1_000_000_000
_SWEEP_S: Final = 0.25
_AGAIN_NS: Final = _NS
"""A cancel that was refused is not repeated sooner than this."""
_BATCH_ORDERS: Final = 100
"""Cancels in one commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelFilter:
    """Which working orders; None = any."""

    order_side: OrderSide | None = None
    symbol: str | None = None
    strategy_id: str | None = None
    created_until_ns: int | None = None
    spared: str | None = None
    """The principal whose orders are not taken."""

    def takes(self, chain: Chain) -> bool:
        """Whether the order is among them."""
        order = chain.order
        return (
            (self.order_side is None or order.order_side is self.order_side)
            and (self.symbol is None or order.instrument.symbol == self.symbol)
            and (self.strategy_id is None or order.strategy_id == self.strategy_id)
            and (self.created_until_ns is None or order.created_at_ns <= self.created_until_ns)
            and (self.spared is None or chain.create is None or chain.create.principal_id != self.spared)
        )


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What a mass cancel has asked for: the cancels, durable, and how many commands were withheld before they left."""

    commands: tuple[Command, ...]
    withheld: int = 0
    failed: tuple[tuple[str, Code], ...] = ()
    """(account id, why) of accounts whose orders could not be cancelled, where several were to be."""


class MassCancel:
    """Cancels many orders at once, for the accounts of this node."""

    def __init__(self, *, actors: Actors, intake: Intake, controls: Controls, store: Store, clock: Clock) -> None:
        self._actors = actors
        self._intake = intake
        self._controls = controls
        self._store = store
        self._clock = clock
        self._tried: dict[str, int] = {}
        """order_id -> when the sweep last cancelled it (monotonic)."""
        self._stopping: Counter[str] = Counter()
        """Accounts that a kill is stopping right now: the sweep need not."""

    async def cancel_all(self, principal: Principal, account: Account, wanted: CancelFilter) -> Cancelled:
        """Cancel the account's working orders that the filter takes; returns once the cancels are durable.

        An order that has a cancel under way gets no second one. Raises DropcopyError(ACCOUNT_HALTED), StoreError.
        """
        actor = await self._actors.get(account.account_id)
        chains = [chain for chain in actor.state.chains.values() if _is_cancellable(chain) and wanted.takes(chain)]
        commands = await self._cancel(principal, actor, chains)
        detail = {
            "side": wanted.order_side or "any",
            "symbol": wanted.symbol or "any",
            "strategy_id": wanted.strategy_id or "any",
            "orders": str(len(commands)),
        }
        await self._audit(principal, account, detail)
        return Cancelled(tuple(commands))

    async def kill_account(
        self, principal: Principal, account: Account, reason: str | None
    ) -> tuple[Control, Cancelled]:
        """Latch, withhold, cancel: one account."""
        control = self._controls.kept.control(account.organization_id, ControlScope.ACCOUNT, account.account_id)
        with self._at_work_on([account]):
            latched = await self._controls.kept.latch(principal, control, reason)
            return latched, await self._stop(principal, account)

    async def kill_organization(self, principal: Principal, reason: str | None) -> tuple[Control, Cancelled]:
        """Latch, withhold, cancel: every account of the principal's organization; those that fail do not keep the
        others from it, and are named."""
        organization_id = principal.organization_id
        control = self._controls.kept.control(organization_id, ControlScope.ORGANIZATION, organization_id)
        with self._at_work_on(await self._accounts_of(organization_id)):
            latched = await self._controls.kept.latch(principal, control, reason)
            accounts = await self._accounts_of(organization_id)
            stopped = await asyncio.gather(*(self._tried_to_stop(principal, account) for account in accounts))
        commands = tuple(command for one in stopped for command in one.commands)
        failed = tuple(found for one in stopped for found in one.failed)
        return latched, Cancelled(commands, sum(one.withheld for one in stopped), failed)

    async def pursue(self, actor: Actor, wanted: CancelFilter, found: Objection) -> int:
        """Withhold and cancel what the filter takes, each order once a second at most; how many may trade still.

        To be called again until there are none: what was in doubt may prove alive, a cancel may be refused. `found`
        is why. Raises DropcopyError(ACCOUNT_HALTED), StoreError.
        """
        chains = actor.state.chains

        def objection(command: Command) -> Objection | None:
            return found if wanted.takes(chains[command.order_id]) else None

        await self._withhold(actor, objection)
        await self._cancel_again(_gateway(actor.account), actor, wanted)
        return sum(may_trade(chain) and wanted.takes(chain) for chain in actor.state.chains.values())

    async def cancel_orders(self, actor: Actor, intents: Iterable[str]) -> None:
        """Cancel the orders of these intents that work. Raises DropcopyError(ACCOUNT_HALTED), StoreError."""
        found = [actor.state.chain_of_intent(intent_id) for intent_id in intents]
        chains = [chain for chain in found if chain is not None and _is_cancellable(chain)]
        await self._cancel(_gateway(actor.account), actor, chains)

    async def stop(self, account: Account) -> Cancelled:
        """After a latch of the gateway's own: withhold and cancel. Raises DropcopyError(ACCOUNT_HALTED), StoreError."""
        return await self._stop(_gateway(account), account)

    async def run(self) -> None:
        """While a kill is in force, cancel what proves alive; until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            for actor in self._actors:
                is_stopping = self._stopping[actor.account.account_id]
                if is_stopping or actor.is_halted or not self._controls.kept.is_killed(actor.account):
                    continue
                try:
                    await self._sweep(_gateway(actor.account), actor)
                except DropcopyError as error:
                    _log.error("kill.sweep_failed", account_id=actor.account.account_id, code=error.code.value)

    async def _sweep(self, principal: Principal, actor: Actor) -> None:
        await self._withhold(actor, lambda command: self._controls.judging.recheck(actor, command))
        await self._cancel_again(principal, actor, CancelFilter(spared=self._controls.judging.closer(actor.account)))

    async def _cancel_again(self, principal: Principal, actor: Actor, wanted: CancelFilter) -> None:
        """Cancel what the filter takes and was not cancelled a moment ago."""
        now_ns = self._clock.monotonic_ns()
        self._tried = {order_id: at_ns for order_id, at_ns in self._tried.items() if now_ns - at_ns < _AGAIN_NS}
        chains = [
            chain
            for order_id, chain in actor.state.chains.items()
            if _is_cancellable(chain) and order_id not in self._tried and wanted.takes(chain)
        ]
        for chain in chains:
            self._tried[chain.order.order_id] = now_ns
        await self._cancel(principal, actor, chains)

    async def _stop(self, principal: Principal, account: Account) -> Cancelled:
        actor = await self._actors.get(account.account_id)
        with self._at_work_on([account]):
            withheld = await self._withhold(actor, lambda command: self._controls.judging.recheck(actor, command))
            spared = self._controls.judging.closer(account)
            cancelled = await self.cancel_all(principal, account, CancelFilter(spared=spared))
        return Cancelled(cancelled.commands, withheld)

    async def _accounts_of(self, organization_id: str) -> list[Account]:
        return [account for account in await self._store.accounts() if account.organization_id == organization_id]

    @contextmanager
    def _at_work_on(self, accounts: Sequence[Account]) -> Iterator[None]:
        """The sweep leaves these accounts alone, from before their latch is in force: whoever kills is told of each
        cancel."""
        ids = [account.account_id for account in accounts]
        self._stopping.update(ids)
        try:
            yield
        finally:
            self._stopping.subtract(ids)

    async def _tried_to_stop(self, principal: Principal, account: Account) -> Cancelled:
        account_id = account.account_id
        try:
            return await self._stop(principal, account)
        except DropcopyError as error:
            code = error.code
            _log.error("kill.account_failed", account_id=account_id, code=code.value)
        except Exception:  # noqa: BLE001  a bug of ours: the other accounts are stopped all the same
            code = Code.INTERNAL
            _log.exception("kill.account_failed", account_id=account_id)
        return Cancelled((), failed=((account_id, code),))

    async def _withhold(self, actor: Actor, objection: Callable[[Command], Objection | None]) -> int:
        """Stop every create and replace whose attempt has not begun and that is objected to; how many there were."""
        waiting = [
            command
            for command in actor.state.unresolved()
            if command.action_type is not ActionType.CANCEL and command.stamps.attempt_begun_ns is None
        ]
        count = 0
        for command in waiting:
            found = objection(command)
            if found is None:
                continue
            code, text = found.control, found.message
            batch = await actor.decide(
                lambda state, now_ns, c=command, k=code, t=text: machine.withhold(state, c, k, t, now_ns)  # type: ignore[misc]
            )
            if batch is not None:
                count += 1
                await self._controls.refusals.note_withheld(actor.account, found, command)
        return count

    async def _cancel(self, principal: Principal, actor: Actor, chains: list[Chain]) -> list[Command]:
        commands: list[Command] = []
        for start in range(0, len(chains), _BATCH_ORDERS):
            orders = [chain.order.order_id for chain in chains[start : start + _BATCH_ORDERS]]
            commands += await self._intake.cancel_many(principal, actor, orders)
        return commands

    async def _audit(self, principal: Principal, account: Account, detail: dict[str, str]) -> None:
        await self._store.audit(
            AuditEntry(
                organization_id=account.organization_id,
                account_id=account.account_id,
                at_ns=self._clock.now_ns(),
                principal_id=principal.key_id,
                action=AuditAction.ORDERS_CANCELLED,
                subject=account.account_id,
                detail=detail,
            )
        )


def _gateway(account: Account) -> Principal:
    """The gateway itself, acting for an account."""
    return Principal(account.organization_id, GATEWAY, frozenset(), PrincipalType.SERVICE)


def _is_cancellable(chain: Chain) -> bool:
    """Whether the order works, or may, and no cancel of it is under way."""
    return chain.order.is_working and not chain.has_cancel
