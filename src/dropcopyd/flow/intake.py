"""Intake: a parsed command becomes a durable intent action. Its commit is the promise; the caller is answered after.

An idempotency key is committed with the intent that it made and kept with it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from dropcopyd.domain import machine, money
from dropcopyd.domain.account import Account, Principal
from dropcopyd.domain.catalogue import Catalogue
from dropcopyd.domain.command import Command, IdempotencyRecord
from dropcopyd.domain.event import Batch
from dropcopyd.domain.flatten import Flatten
from dropcopyd.domain.instrument import Instrument, InstrumentKey
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.order import ActionType, OrderSide, OrderTerms, OrderType, OrderVenue, TimeInForce
from dropcopyd.domain.order_rules import accepted_times, spec_name
from dropcopyd.domain.state import AccountState, Chain
from dropcopyd.errors import Code, DropcopyError, InvalidError, NotFoundError
from dropcopyd.flow.controls import Controls
from dropcopyd.flow.dispatch import Dispatcher
from dropcopyd.flow.idempotency import IdempotencyKeys, Promise
from dropcopyd.flow.judging import Wanted
from dropcopyd.flow.minting import Minting
from dropcopyd.flow.ownership import Actor, Actors
from dropcopyd.flow.refusals import ControlError
from dropcopyd.flow.submits import AmendRequest, CreateRequest, SubmitRequest, canonical
from dropcopyd.observe import Metrics
from dropcopyd.ports import Clock, Failpoints, Ids, Store

_log = structlog.get_logger()


class Intake:
    """Takes submits for every account of this node."""

    def __init__(
        self,
        *,
        actors: Actors,
        dispatcher: Dispatcher,
        controls: Controls,
        store: Store,
        catalogue: Catalogue,
        clock: Clock,
        ids: Ids,
        limits: Limits,
        failpoints: Failpoints,
        metrics: Metrics,
    ) -> None:
        self._actors = actors
        self._dispatcher = dispatcher
        self._controls = controls
        self._store = store
        self._catalogue = catalogue
        self._clock = clock
        self._limits = limits
        self._failpoints = failpoints
        self._metrics = metrics
        self._keys = IdempotencyKeys(store)
        self._minting = Minting(clock, ids, limits)
        self.is_draining = False

    async def submit(
        self,
        principal: Principal,
        account: Account,
        request: SubmitRequest,
        idempotency_key: str | None,
        refusal: DropcopyError | None = None,
    ) -> str:
        """The id of the intent that the command created or went to, once it is durable.

        `refusal`: the rate limit's; it is raised unless the command is a cancel, or its key has an answer already.

        Raises NotFoundError (intent, order, symbol), InvalidError (TIME_IN_FORCE_REFUSED: not at this broker),
        DropcopyError (IDEMPOTENCY_KEY_REUSED with the pointer of the first differing field, OVERLOADED,
        CONTROL_REFUSED, TOO_MANY_IN_FLIGHT, ACCOUNT_HALTED, DRAINING), StoreError when nothing was kept.
        """
        if self.is_draining:
            raise DropcopyError(Code.DRAINING, "the gateway is shutting down; submit again in a moment")
        if self._store.is_full and request.action_type is not ActionType.CANCEL:
            raise DropcopyError(Code.OVERLOADED, "the journal is behind; submit again in a moment")
        actor = await self._actors.get(account.account_id)
        asked = "" if idempotency_key is None else canonical(request)
        try:
            async with actor.serial():
                known = await self._keys.known(account, idempotency_key, asked)
                if known is None and refusal is not None and request.action_type is not ActionType.CANCEL:
                    raise refusal
                if known is None:
                    intent_id, done = await self._decide(principal, actor, request, idempotency_key, asked)
                else:
                    intent_id, done = known.intent_id, known.done
        except ControlError as error:
            self._metrics.intents.labels("refused").inc()
            await self._controls.refusals.note_refusal(principal, account, error, _symbol_of(request))
            raise
        self._failpoints.reached("intake.registered")
        await asyncio.shield(done)
        self._failpoints.reached("intake.committed")
        answer = "accepted" if known is None else "repeated"
        self._metrics.intents.labels(answer).inc()
        _log.debug(f"intent.{answer}", account_id=account.account_id, intent_id=intent_id, key_id=principal.key_id)
        return intent_id

    async def cancel_many(self, principal: Principal, actor: Actor, order_ids: Sequence[str]) -> list[Command]:
        """Cancel these orders of an account in one commit; returns the commands, once they are durable.

        What does not work any more, or has a cancel under way by now, is passed over.
        """
        commands: list[Command] = []
        async with actor.serial():
            for order_id in order_ids:
                chain = await actor.load(order_id=order_id)
                if chain is None or not chain.order.is_working or chain.has_cancel:
                    continue
                amend = AmendRequest(ref_intent_id=None, ref_order_id=order_id)
                request = SubmitRequest(command=amend, received_ns=self._clock.now_ns())
                commands.append(self._minting.mint(principal, actor, request, chain, chain.order.instrument))
            if not commands:
                return []

            def tell(_batch: Batch) -> None:
                for command in commands:
                    self._dispatcher.ready(actor, command)

            registered = actor.register(lambda state, _now_ns: machine.amend_many(state, commands), then=tell)
        if registered is None:
            raise AssertionError("new commands always yield a batch")
        await asyncio.shield(registered[1])
        _log.info("intent.mass_cancel", account_id=actor.account.account_id, orders=len(commands))
        return commands

    async def closing(self, actor: Actor, flatten: Flatten, key: InstrumentKey) -> str | None:
        """The intent of a flatten's order for a position, if it was sent already; its chain is then in memory."""
        record = await self._store.find_idempotency(actor.account.account_id, _closing_key(flatten, key))
        if record is None:
            return None
        async with actor.serial():
            await actor.load(intent_id=record.intent_id)
        return record.intent_id

    async def close_position(
        self, principal: Principal, actor: Actor, flatten: Flatten, key: InstrumentKey
    ) -> str | None:
        """One market order for all of a position, towards zero; the intent, once it is durable.

        None when the position is flat, or something else in the instrument may trade: it is decided in one step. The
        controls are not asked: the order only reduces. Raises as `submit`.
        """
        async with actor.serial():
            position = actor.state.positions.get(key)
            if position is None or not position.quantity or any(actor.exposure.of(key)):
                return None
            create = CreateRequest(
                symbol=key[1],
                asset_class=key[0],
                order_side=OrderSide.SELL if position.quantity > 0 else OrderSide.BUY,
                order_venue=OrderVenue.SMART,
                terms=OrderTerms(
                    order_type=OrderType.MARKET,
                    quantity=money.magnitude(position.quantity),
                    time_in_force=TimeInForce.DAY,
                ),
            )
            request = SubmitRequest(command=create, received_ns=self._clock.now_ns())
            place = _closing_key(flatten, key)
            intent_id, done = await self._decide(principal, actor, request, place, canonical(request), is_judged=False)
        await asyncio.shield(done)
        _log.info("intent.closing", account_id=actor.account.account_id, intent_id=intent_id, symbol=key[1])
        return intent_id

    async def _decide(
        self,
        principal: Principal,
        actor: Actor,
        request: SubmitRequest,
        key: str | None,
        asked: str,
        *,
        is_judged: bool = True,
    ) -> tuple[str, asyncio.Future[None]]:
        """Inside the serial section: mint the command, let the machine decide, hand it to the store."""
        chain = await self._chain(actor, request)
        if request.action_type is not ActionType.CANCEL and (
            self._dispatcher.undispatched(actor.account.account_id) >= self._limits.intents_in_flight_per_account
        ):
            raise DropcopyError(Code.TOO_MANY_IN_FLIGHT, "too many commands of this account wait to be sent")
        self._check_broker(actor.account, request.command.terms)
        instrument = await self._instrument(request.command) if chain is None else chain.order.instrument
        command = self._minting.mint(principal, actor, request, chain, instrument)
        idempotency = None
        if key is not None:
            idempotency = IdempotencyRecord(key, asked, command.intent_id, command.seq)

        def decision(state: AccountState, _now_ns: int) -> Batch:
            batch = (
                machine.create(state, command, idempotency)
                if chain is None
                else machine.amend(state, command, idempotency)
            )
            return batch if spending is None else replace(batch, spending=spending)

        spending = None
        if is_judged and request.action_type is not ActionType.CANCEL:
            wanted = Wanted(instrument, command.order_side, command.terms, chain)
            spending = self._controls.judging.judge(actor, wanted, principal)
        registered = actor.register(decision, then=lambda _batch: self._dispatcher.ready(actor, command))
        if registered is None:
            raise AssertionError("a new command always yields a batch")
        done = registered[1]
        if key is not None:
            self._keys.use(actor.account, key, Promise(asked, command.intent_id, done))
        return command.intent_id, done

    def _check_broker(self, account: Account, terms: OrderTerms | None) -> None:
        """Refuse a pair of order type and time in force that the account's broker does not take."""
        if terms is None:
            return
        refuses = self._dispatcher.refuses(account.broker)
        reason = refuses.get((terms.order_type, terms.time_in_force))
        if reason is None:
            return
        takes = [time for time in accepted_times(terms.order_type) if (terms.order_type, time) not in refuses]
        taken = ", ".join(takes) or "nothing"
        pair = f"{terms.order_type} with {terms.time_in_force}"
        error = InvalidError(
            f"{pair} is refused by {account.broker}: {reason} ({terms.order_type} takes {taken} there)",
            pointer=f"/command/payload/spec/{spec_name(terms.order_type)}/time_in_force",
            code=Code.TIME_IN_FORCE_REFUSED,
        )
        error.facts |= {"order_type": terms.order_type, "time_in_force": terms.time_in_force, "accepted": taken}
        raise error

    async def _chain(self, actor: Actor, request: SubmitRequest) -> Chain | None:
        """The chain that a replace or cancel refers to; None for a create."""
        amend = request.command
        if isinstance(amend, CreateRequest):
            return None
        chain = await actor.load(intent_id=amend.ref_intent_id, order_id=amend.ref_order_id)
        if chain is not None and (
            amend.ref_intent_id not in (None, chain.order.intent_id)
            or amend.ref_order_id not in (None, chain.order.order_id)
        ):
            chain = None  # one names another order than the other: neither is to be touched
        if chain is None and amend.ref_intent_id is not None:
            raise NotFoundError(
                Code.INTENT_NOT_FOUND,
                f"the account has no intent {amend.ref_intent_id}",
                pointer="/command/payload/ref_intent_id",
            )
        if chain is None:
            raise NotFoundError(
                Code.ORDER_NOT_FOUND,
                f"the account has no order {amend.ref_order_id}",
                pointer="/command/payload/ref_order_id",
            )
        return chain

    async def _instrument(self, create: CreateRequest | AmendRequest) -> Instrument:
        """The instrument that a create names; one imported since the start is found as well."""
        if isinstance(create, AmendRequest):
            raise TypeError("an amend takes its order's instrument")
        try:
            return self._catalogue.find(create.symbol, create.asset_class)
        except NotFoundError:
            for instrument in await self._store.instruments():
                self._catalogue.add(instrument)
            return self._catalogue.find(create.symbol, create.asset_class)


def _closing_key(flatten: Flatten, key: InstrumentKey) -> str:
    """The idempotency key of a flatten's order; no caller can send this one."""
    return f"\x00{flatten.closer}/{key[0]}/{key[1]}"


def _symbol_of(request: SubmitRequest) -> str:
    """What a refusal was about, for the audit log."""
    command = request.command
    if isinstance(command, CreateRequest):
        return command.symbol
    return command.ref_intent_id or command.ref_order_id or ""
