"""Intake: a parsed command becomes a durable intent action. Its commit is the promise; the caller is answered after.

Idempotency (contract.md section 5): a key is committed with the intent that it made and kept with it; the same
command again gets the first answer, another command under the key is refused naming the first field that differs; a
twin that comes while the first is being committed waits for it.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from dropcopyd.domain import machine, money
from dropcopyd.domain.account import Account, Principal
from dropcopyd.domain.catalogue import Catalogue
from dropcopyd.domain.command import Command, IdempotencyRecord, Stamps
from dropcopyd.domain.event import Batch
from dropcopyd.domain.flatten import Flatten
from dropcopyd.domain.instrument import AssetClass, Instrument, InstrumentKey
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.money import render
from dropcopyd.domain.order import ActionType, OrderSide, OrderTerms, OrderType, OrderVenue, TimeInForce
from dropcopyd.domain.order_rules import accepted_times, spec_name
from dropcopyd.domain.state import AccountState, Chain
from dropcopyd.errors import Code, DropcopyError, InvalidError, NotFoundError
from dropcopyd.flow.controls import Controls
from dropcopyd.flow.dispatch import Dispatcher
from dropcopyd.flow.judging import Wanted
from dropcopyd.flow.ownership import Actor, Actors
from dropcopyd.flow.refusals import ControlError
from dropcopyd.observe import Metrics
from dropcopyd.ports import Clock, Failpoints, Ids, Store

_log = structlog.get_logger()
_NS: Final = 1_000_000_000
_TIME_NS_MAX: Final = 2**63 - 1
"""The last time there is, in the year 2262: what a caller names beyond it means the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """A new order: the instrument by symbol (and class, where the symbol names several)."""

    symbol: str
    asset_class: AssetClass | None
    order_side: OrderSide
    order_venue: OrderVenue
    terms: OrderTerms
    valid_until_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendRequest:
    """A replace (with terms) or cancel (without) of an intent, or of an order that has none."""

    ref_intent_id: str | None
    ref_order_id: str | None = None
    terms: OrderTerms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """One submit as parsed at the edge. `received_ns` is when the request arrived."""

    command: CreateRequest | AmendRequest
    received_ns: int
    client_reference_id: str | None = None
    strategy_id: str | None = None

    @property
    def action_type(self) -> ActionType:
        if isinstance(self.command, CreateRequest):
            return ActionType.CREATE
        return ActionType.CANCEL if self.command.terms is None else ActionType.REPLACE


@dataclass(slots=True)
class _InFlight:
    request: str
    intent_id: str
    done: asyncio.Future[None]


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
        self._ids = ids
        self._limits = limits
        self._failpoints = failpoints
        self._metrics = metrics
        self._in_flight: dict[tuple[str, str], _InFlight] = {}
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
        canonical = "" if idempotency_key is None else _canonical(request)
        try:
            async with actor.serial():
                known = await self._known(account, idempotency_key, canonical)
                if known is None and refusal is not None and request.action_type is not ActionType.CANCEL:
                    raise refusal
                if known is None:
                    intent_id, done = await self._decide(principal, actor, request, idempotency_key, canonical)
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
                commands.append(self._mint(principal, actor, request, chain, chain.order.instrument))
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
            intent_id, done = await self._decide(principal, actor, request, place, _canonical(request), is_judged=False)
        await asyncio.shield(done)
        _log.info("intent.closing", account_id=actor.account.account_id, intent_id=intent_id, symbol=key[1])
        return intent_id

    async def _known(self, account: Account, key: str | None, canonical: str) -> _InFlight | None:
        """What the key was used for, being committed or committed."""
        if key is None:
            return None
        found = self._in_flight.get((account.account_id, key))
        if found is None:
            record = await self._store.find_idempotency(account.account_id, key)
            if record is None:
                return None
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            found = _InFlight(record.request, record.intent_id, done)
        if found.request != canonical:
            pointer = first_difference(json.loads(found.request), json.loads(canonical))
            raise DropcopyError(
                Code.IDEMPOTENCY_KEY_REUSED,
                f"this Idempotency-Key was used for another command; the first difference is at {pointer}",
                pointer=pointer,
                intent_id=found.intent_id,
            )
        return found

    async def _decide(
        self,
        principal: Principal,
        actor: Actor,
        request: SubmitRequest,
        key: str | None,
        canonical: str,
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
        command = self._mint(principal, actor, request, chain, instrument)
        idempotency = None
        if key is not None:
            idempotency = IdempotencyRecord(key, canonical, command.intent_id, command.seq)

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
            place = (actor.account.account_id, key)
            self._in_flight[place] = _InFlight(canonical, command.intent_id, done)
            done.add_done_callback(lambda _done: self._in_flight.pop(place, None))
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

    def _mint(
        self,
        principal: Principal,
        actor: Actor,
        request: SubmitRequest,
        chain: Chain | None,
        instrument: Instrument,
    ) -> Command:
        committed_ns = max(self._clock.now_ns(), actor.state.last_ns)
        stamps = Stamps(received_ns=request.received_ns, committed_ns=committed_ns)
        deadline_ns = committed_ns + int(self._limits.dispatch_deadline_s * _NS)
        if isinstance(request.command, CreateRequest):
            create = request.command
            until_ns = create.valid_until_ns
            return Command(
                intent_id=self._ids.uuid(),
                seq=1,
                order_id=self._ids.uuid(),
                organization_id=actor.account.organization_id,
                account_id=actor.account.account_id,
                broker_command_id=self._ids.command_id(),
                action_type=ActionType.CREATE,
                instrument=instrument,
                order_side=create.order_side,
                order_venue=create.order_venue,
                terms=create.terms,
                principal_type=principal.type,
                principal_id=principal.key_id,
                stamps=stamps,
                deadline_ns=deadline_ns if until_ns is None else max(0, min(until_ns, _TIME_NS_MAX)),
                client_reference_id=request.client_reference_id,
                strategy_id=request.strategy_id,
                outcome_at_ns=committed_ns,
            )
        if chain is None:
            raise AssertionError("an amend has a chain")
        order = chain.order
        terms = request.command.terms
        is_first = not order.intent_id  # an order from outside: the first command on it begins its intent
        return Command(
            intent_id=order.intent_id or self._ids.uuid(),
            seq=order.last_seq + 1,
            order_id=order.order_id,
            organization_id=order.organization_id,
            account_id=order.account_id,
            broker_command_id=self._ids.command_id(),
            action_type=request.action_type,
            instrument=instrument,
            order_side=order.order_side,
            order_venue=order.order_venue,
            terms=order.terms if terms is None else terms,
            principal_type=principal.type,
            principal_id=principal.key_id,
            stamps=stamps,
            deadline_ns=None if terms is None else deadline_ns,
            client_reference_id=request.client_reference_id if is_first else order.client_reference_id,
            strategy_id=request.strategy_id if is_first else order.strategy_id,
            outcome_at_ns=committed_ns,
        )


def _closing_key(flatten: Flatten, key: InstrumentKey) -> str:
    """The idempotency key of a flatten's order; no caller can send this one."""
    return f"\x00{flatten.closer}/{key[0]}/{key[1]}"


def _symbol_of(request: SubmitRequest) -> str:
    """What a refusal was about, for the audit log."""
    command = request.command
    if isinstance(command, CreateRequest):
        return command.symbol
    return command.ref_intent_id or command.ref_order_id or ""


def _canonical(request: SubmitRequest) -> str:
    """The request as parsed, in the body's own shape, so that equal commands are equal strings."""
    command = request.command
    payload: dict[str, Any]
    if isinstance(command, CreateRequest):
        payload = {
            "symbol": command.symbol,
            "asset_class": command.asset_class,
            "spec": _spec(command.terms),
            "order_side": command.order_side,
            "order_venue": command.order_venue,
            "valid_until": command.valid_until_ns,
        }
    else:
        payload = {"ref_intent_id": command.ref_intent_id, "ref_order_id": command.ref_order_id}
        if command.terms is not None:
            payload["spec"] = _spec(command.terms)
    body = {
        "command": {"action_type": request.action_type, "payload": payload},
        "client_reference_id": request.client_reference_id,
        "strategy_id": request.strategy_id,
    }
    return json.dumps(body, separators=(",", ":"))


def _spec(terms: OrderTerms) -> dict[str, dict[str, str]]:
    name = spec_name(terms.order_type)
    fields = {"quantity": render(terms.quantity), "time_in_force": terms.time_in_force.value}
    prices = {
        "price": terms.limit_price,
        "stop_price": terms.stop_price,
        "trail_amount": terms.trail_amount,
        "trail_percent": terms.trail_percent,
    }
    fields.update({field: render(value) for field, value in prices.items() if value is not None})
    return {name: fields}


def first_difference(first: Mapping[str, Any], second: Mapping[str, Any], pointer: str = "") -> str:
    """JSON pointer of the first member in which two objects differ, in the order of the first; "" when equal."""
    for name in (*first, *(name for name in second if name not in first)):
        one, other = first.get(name), second.get(name)
        if one == other:
            continue
        here = f"{pointer}/{name}"
        if isinstance(one, dict) and isinstance(other, dict) and one.keys() & other.keys():
            deeper = first_difference(one, other, here)
            if deeper:
                return deeper
            continue
        return here
    return ""
