"""Minting: a command gets its ids, its place in its intent, its stamps and its deadline."""

from typing import Final

from dropcopyd.domain.account import Principal
from dropcopyd.domain.command import Command, Stamps
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.order import ActionType
from dropcopyd.domain.state import Chain
from dropcopyd.flow.ownership import Actor
from dropcopyd.flow.submits import CreateRequest, SubmitRequest
from dropcopyd.ports import Clock, Ids

_NS: Final = 1_000_000_000
_TIME_NS_MAX: Final = 2**63 - 1
"""The last time there is, in the year 2262: what a caller names beyond it means the same."""


class Minting:
    """Makes commands of submits; inside an account's serial section."""

    def __init__(self, clock: Clock, ids: Ids, limits: Limits) -> None:
        self._clock = clock
        self._ids = ids
        self._limits = limits

    def mint(
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
