"""One actor per account: its serial section. Commands and reports are decided in turn, commits are pipelined.

The actor decides on pending state (what it has already handed to the store), so that group commit can batch. When a
commit fails, that state never came to be: it is thrown away, the account is reloaded and halted.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import structlog

from dropcopyd.domain import machine
from dropcopyd.domain.account import Account, AccountConnection, BrokerKind
from dropcopyd.domain.command import Command
from dropcopyd.domain.event import Batch
from dropcopyd.domain.exposure import Exposure, Pool
from dropcopyd.domain.fold import Marks, no_marks
from dropcopyd.domain.needs import NeedsAdjustment, NeedsHistory, NeedsRecords
from dropcopyd.domain.report import BrokerCapabilities
from dropcopyd.domain.state import AccountState, Chain
from dropcopyd.errors import Code, DropcopyError, StoreError
from dropcopyd.observe import Metrics
from dropcopyd.ports import Clock, Store

_log = structlog.get_logger()
_IDLE_CHAIN_NS: Final = 60 * 1_000_000_000
_HALT_RETRY_S: Final = 5.0
_DRAIN_S: Final = 60.0
_LOADS_MAX: Final = 1_000
"""A roll may ask for each of its positions."""

Decision = Callable[[AccountState, int], Batch | None]
Spawn = Callable[[Coroutine[Any, Any, None]], object]
"""Starts a background task in the node's TaskGroup."""


class Actor:
    """The serial section of one account."""

    def __init__(
        self,
        account: Account,
        state: AccountState,
        store: Store,
        clock: Clock,
        spawn: Spawn,
        marks: Marks,
        capabilities: BrokerCapabilities,
        metrics: Metrics | None,
        pool: Pool | None = None,
    ) -> None:
        """`marks` are the prices that the account's broker knows, `capabilities` what it does with orders, `pool` the
        sums of its organization.
        """
        self.account = account
        self._marks = marks
        self._capabilities = capabilities
        self.state = self._equipped(state)
        self.exposure = Exposure(state.chains.values(), state.positions.values(), pool)
        """What the working orders may still do."""
        self._metrics = metrics
        self._store = store
        self._clock = clock
        self._spawn = spawn
        self._lock = asyncio.Lock()
        self._committing = 0
        self._is_drained = asyncio.Event()
        self._is_drained.set()
        self._is_halted = False
        self.connected = asyncio.Event()
        """Set while the broker's session is live and its snapshot has been taken in."""
        self.connected_count = 0
        """Sessions so far: the same number before and after a question means one unbroken session."""

    def _equipped(self, state: AccountState) -> AccountState:
        """A loaded state with what it is decided by beside itself."""
        state.marks, state.capabilities = self._marks, self._capabilities
        return state

    @property
    def is_halted(self) -> bool:
        """Whether a commit failed: nothing is decided until the daemon is started anew."""
        return self._is_halted

    def mark_connected(self) -> None:
        """The broker's session is live and caught up."""
        self.connected_count += 1
        self.connected.set()

    async def decide(self, decision: Decision, *, then: Callable[[Batch], None] | None = None) -> Batch | None:
        """Decide and wait until it is durable and announced. Raises StoreError, DropcopyError(ACCOUNT_HALTED)."""
        async with self._lock:
            registered = await self._register_fully(decision, then)
        if registered is None:
            return None
        batch, done = registered
        await asyncio.shield(done)
        return batch

    async def decide_about(
        self,
        decision: Decision,
        *,
        intent_id: str | None = None,
        order_id: str | None = None,
        broker_command_id: str | None = None,
        external_order_id: str | None = None,
    ) -> asyncio.Future[None] | None:
        """Decide about a chain, loaded first if it has left memory, and do not wait for the commit.

        The broker's ids name one together: `broker_command_id`, and where that is none of ours `external_order_id`.

        Whoever waits for the answer shields it.
        """
        async with self._lock:
            chain = await self.load(intent_id=intent_id, order_id=order_id, broker_command_id=broker_command_id)
            if chain is None and (external_order_id is not None or broker_command_id):
                await self.load_external(broker_command_id or "", external_order_id)
            registered = await self._register_fully(decision)
        return None if registered is None else registered[1]

    async def decide_soon(self, decision: Decision) -> asyncio.Future[None] | None:
        """Decide about the account as such, and do not wait for the commit."""
        async with self._lock:
            registered = await self._register_fully(decision)
        return None if registered is None else registered[1]

    def serial(self) -> asyncio.Lock:
        """The section itself, for a verb that loads before it decides; `load` and `register` belong inside."""
        return self._lock

    async def load(
        self, *, intent_id: str | None = None, order_id: str | None = None, broker_command_id: str | None = None
    ) -> Chain | None:
        """The chain that is named, from memory or the store; inside the section."""
        state = self.state
        if broker_command_id is not None and broker_command_id in state.command_ids:
            return state.chains[state.command_ids[broker_command_id][0]]
        if intent_id is not None and intent_id in state.order_ids:
            return state.chain_of_intent(intent_id)
        if order_id is not None and order_id in state.chains:
            return state.chains[order_id]
        chain = await self._store.load_chain(
            self.account.account_id, intent_id=intent_id, order_id=order_id, broker_command_id=broker_command_id
        )
        if chain is not None:
            state.adopt([chain])
        return chain

    async def load_external(self, broker_command_id: str, external_order_id: str | None) -> Chain | None:
        """The chain that the broker's own ids name, from memory or the store; inside the section."""
        chain = self.state.find_order(broker_command_id, external_order_id)
        if chain is None:
            chain = await self._store.find_chain(self.account.account_id, broker_command_id, external_order_id)
            if chain is not None:
                self.state.adopt([chain])
        return chain

    def register(
        self, decision: Decision, *, then: Callable[[Batch], None] | None = None
    ) -> tuple[Batch, asyncio.Future[None]] | None:
        """Decide now and hand the batch to the store; inside the section. `then` runs once it is durable."""
        if self._is_halted:
            raise DropcopyError(Code.ACCOUNT_HALTED, "the account is halted: its journal could not be written")
        batch = decision(self.state, self._clock.now_ns())
        if batch is None:
            return None
        done = asyncio.ensure_future(self._store.commit(batch))  # noqa: TID251  it is a future already
        self.state.apply(batch)  # after the store took it: what it cannot encode never came to be
        self._expose(batch)
        for one in batch.breaks:
            _log.warning("break", account_id=batch.account_id, kind=one.kind.value, detail=one.detail)
            if self._metrics is not None:
                self._metrics.breaks.labels(one.kind.value).inc()
        self._committing += 1
        self._is_drained.clear()
        done.add_done_callback(lambda future: self._committed(future, batch, then))
        return batch, done

    async def _register_fully(
        self, decision: Decision, then: Callable[[Batch], None] | None = None
    ) -> tuple[Batch, asyncio.Future[None]] | None:
        """Register a decision that may need records which are not in memory; inside the section.

        Raises StoreError when they cannot be had.
        """
        for _ in range(_LOADS_MAX):
            try:
                return self.register(decision, then=then)
            except NeedsRecords as needs:
                await self._fetch(needs)
        raise DropcopyError(Code.INTERNAL, "a decision asks for more and more records")

    async def _fetch(self, needs: NeedsRecords) -> None:
        """Bring what is asked for into memory, as it is after every commit under way."""
        try:
            async with asyncio.timeout(_DRAIN_S):
                await self._is_drained.wait()
        except TimeoutError as error:
            raise StoreError(Code.STORE_FAILED, "the journal is far behind") from error
        account_id, state = self.account.account_id, self.state
        match needs:
            case NeedsAdjustment(adjustment_id=adjustment_id):
                state.adjustments[adjustment_id] = await self._store.find_adjustment(account_id, adjustment_id)
            case NeedsHistory(key=key, ref=None, fold_ns=None):
                position = await self._store.find_position(account_id, key)
                if position is None:
                    state.unknown_keys.add(key)
                else:
                    state.positions[key] = position
            case NeedsHistory(key=key, ref=ref, fold_ns=fold_ns):
                history = await self._store.load_history(account_id, key, ref=ref, fold_ns=fold_ns or 0)
                if history is None:
                    raise DropcopyError(Code.INTERNAL, f"the position of {key[1]} has no change {ref!r}")
                state.adopt_history(key, history)

    def _committed(self, done: asyncio.Future[None], batch: Batch, then: Callable[[Batch], None] | None) -> None:
        self._committing -= 1
        if not self._committing:
            self._is_drained.set()
        if done.cancelled():
            return
        if done.exception() is None:
            if then is not None:
                then(batch)
            return
        self.halt(Code.STORE_FAILED, "the journal could not be written", str(done.exception()))

    def halt(self, code: Code, reason: str, cause: str) -> None:
        """Decide nothing more rather than guess; the account is published as HALTED with `reason`. Idempotent."""
        if self._is_halted:
            return
        self._is_halted = True
        self.connected.clear()
        _log.error("account.halted", account_id=self.account.account_id, code=code.value, cause=cause)
        self._spawn(self._reload(code, reason))

    async def _reload(self, code: Code, reason: str) -> None:
        """Throw the pending state away, load what is durable, and publish HALTED; retried until the store writes."""
        while True:
            try:
                await self._store.readmit(self.account.account_id)
                async with self._lock:
                    self.state = await self._store.load_account(self.account.account_id, self._clock.now_ns())
                    self.state = self._equipped(self.state)
                    self._expose_anew()
                    batch = machine.move_connection(
                        self.state,
                        AccountConnection.HALTED,
                        self._clock.now_ns(),
                        code.value,
                        f"{reason}; start the daemon anew when the cause is mended",
                    )
                    if batch is not None:
                        self.state.apply(batch)
                        await self._store.commit(batch)
            except StoreError:
                await asyncio.sleep(_HALT_RETRY_S)
            else:
                return

    def _expose(self, batch: Batch) -> None:
        changed = {order.order_id for order in batch.orders} | {command.order_id for command in batch.commands}
        for order_id in changed:
            self.exposure.take(self.state.chains[order_id])
        for position in batch.positions:
            self.exposure.hold(position)

    def _expose_anew(self) -> None:
        """The state is another one."""
        self.exposure.leave()
        state, pool = self.state, self.exposure.pool
        self.exposure = Exposure(state.chains.values(), state.positions.values(), pool)

    def forget_idle(self) -> int:
        """Let settled chains that were quiet for a minute leave memory; returns how many did.

        Only while no commit is under way: a chain that is loaded again must not be older than what was decided.
        """
        if self._committing or self._lock.locked():
            return 0
        before = self._clock.now_ns() - _IDLE_CHAIN_NS
        idle = [
            order_id
            for order_id, chain in self.state.chains.items()
            if chain.order.received_at_ns < before and chain.is_settled
        ]
        for order_id in idle:
            self.state.forget(order_id)
        self.state.forget_positions()
        return len(idle)

    def current(self, command: Command) -> Command:
        """The command as it is now."""
        chain = self.state.chains.get(command.order_id)
        return command if chain is None else chain.commands[command.seq]


class Actors:
    """The actors of this node, loaded on first use."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        spawn: Spawn,
        *,
        on_loaded: Callable[[Account], None] = lambda _account: None,
        marks_of: Callable[[Account], Marks] = lambda _account: no_marks,
        capabilities: Mapping[BrokerKind, BrokerCapabilities] = MappingProxyType({}),
        metrics: Metrics | None = None,
    ) -> None:
        """`on_loaded` is told of each account once, when its actor is there: its broker is to connect it.

        `marks_of` says what is known of prices at an account's broker, `capabilities` what each broker does with
        orders, the ordinary ones where it is not named.
        """
        self._marks_of = marks_of
        self._store = store
        self._clock = clock
        self._spawn = spawn
        self._on_loaded = on_loaded
        self._capabilities = capabilities
        self._metrics = metrics
        self._actors: dict[str, Actor] = {}
        self._pools: dict[str, Pool] = {}
        self._loading = asyncio.Lock()
        store.on_accounts = self._renew

    def __iter__(self) -> Any:
        return iter(tuple(self._actors.values()))

    def _renew(self, accounts: Sequence[Account]) -> None:
        """What decisions go by is what everybody else is told, from the same moment on."""
        for account in accounts:
            actor = self._actors.get(account.account_id)
            if actor is not None:
                actor.account = account

    async def get(self, account_id: str) -> Actor:
        """The account's actor; the account exists."""
        actor = self._actors.get(account_id)
        if actor is not None:
            return actor
        async with self._loading:
            actor = self._actors.get(account_id)
            if actor is None:
                state = await self._store.load_account(account_id, self._clock.now_ns() - _IDLE_CHAIN_NS)
                capabilities = self._capabilities.get(state.account.broker, BrokerCapabilities())
                actor = Actor(
                    state.account,
                    state,
                    self._store,
                    self._clock,
                    self._spawn,
                    marks=self._marks_of(state.account),
                    capabilities=capabilities,
                    metrics=self._metrics,
                    pool=self._pools.setdefault(state.account.organization_id, Pool()),
                )
                self._actors[account_id] = actor
                self._on_loaded(actor.account)
            return actor
