"""Judging: whether a create or replace may be taken, and again whether it may leave, by the controls in force.

Judging never waits, so that what is judged and what is reserved (the command itself, in the account's state) are one
step: inside the account's serial section for its own limits, in one turn of the event loop for its organization's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import structlog

from dropcopyd.domain.account import Account, BrokerKind, Principal, PrincipalType
from dropcopyd.domain.attenuation import UNATTENUATED, Spending
from dropcopyd.domain.command import Command
from dropcopyd.domain.controls import (
    Ask,
    Control,
    ControlScope,
    Objection,
    Place,
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
from dropcopyd.domain.order import ActionType, OrderSide, OrderTerms
from dropcopyd.domain.state import Chain
from dropcopyd.errors import StoreError
from dropcopyd.flow.kept_controls import KeptControls
from dropcopyd.flow.order_rates import OrderRates
from dropcopyd.flow.ownership import Actor
from dropcopyd.flow.refusals import ControlError
from dropcopyd.flow.risk import flattening, objection_to_closing, pooled_risk_of, risk_of
from dropcopyd.flow.spending import KeyAsk, KeySpending
from dropcopyd.ports import Clock, Store

_log = structlog.get_logger()
_WAITED_NS: Final = 250_000_000
"""What is younger was judged by its key a moment ago."""
References = Callable[[Account, Instrument], Reference | None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A create (chain None) or replace that is to be judged."""

    instrument: Instrument
    order_side: OrderSide
    terms: OrderTerms
    chain: Chain | None


class Judging:
    """Judges the commands of this node's accounts."""

    def __init__(self, *, kept: KeptControls, store: Store, clock: Clock, references: References) -> None:
        self._kept = kept
        self._store = store
        self._clock = clock
        self._references = references
        self._rates = OrderRates(clock)
        self._keys = KeySpending()
        self._flattens: dict[str, Flatten] = {}
        """Accounts that are being flattened."""
        self._unknown: dict[Place, tuple[str, Decimal, str]] = {}
        """Losses that are limited and not known: the rule, its limit, and why not."""

    async def open(self) -> None:
        """Read what attenuated keys have used up; before anything is judged."""
        self._keys.load(await self._store.spent())

    def evaluate(self, account: Account, symbol: str | None, principal: Principal | None = None) -> list[Objection]:
        """What would stop any new order of the account now, in the symbol if one is given, sent by the principal."""
        flatten, closure = self._flattens.get(account.account_id), closed(account)
        found: list[Objection] = [] if flatten is None else [flattening(flatten)]
        found += [] if closure is None else [closure]
        controls = self._kept.in_force(account, symbol)
        if principal is not None and principal.attenuation is not UNATTENUATED:
            controls.append(self._keys.learn(principal.key_id, principal.attenuation, account.organization_id))
        for control in controls:
            off = switched_off(control)
            unknown = self._unknown.get(control.place)
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
        controls = self._kept.in_force(actor.account, wanted.instrument.symbol)
        key_ask = self._key_ask(actor, wanted, principal)
        if found is None and key_ask is not None:
            found = self._keys.objection(key_ask, _own_risk(actor, wanted))
        if found is None and controls:
            found = self._objection(actor, controls, wanted)
        if found is None:
            found = next(filter(None, map(self._rates.objection, controls)), None)
        if found is not None:
            raise ControlError(found)
        for control in controls:
            self._rates.count(control)
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
        controls = self._kept.in_force(actor.account, command.instrument.symbol)
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

    def cannot_judge(self, control: Control, unknown: tuple[str, Decimal, str] | None) -> None:
        """Whether a limited loss is not known now: the rule, its limit, and why not; None = it is known."""
        if unknown is None:
            self._unknown.pop(control.place, None)
        else:
            self._unknown[control.place] = unknown

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
        unknown = self._unknown.get(control.place)
        if unknown is None or only_reduces(ask, risk_of(actor, ask.instrument, order_id)):
            return None
        return unjudged(control, *unknown)


def _own_risk(actor: Actor, wanted: Wanted) -> Risk:
    """What is at risk in the account beside the order."""
    order_id = None if wanted.chain is None else wanted.chain.order.order_id
    return risk_of(actor, wanted.instrument, order_id)


def _is_live(account: Account) -> bool:
    return account.broker is not BrokerKind.PAPER
