"""What callers ask, and what became of the attempt to send it."""

from collections.abc import Sequence
from dataclasses import replace

from dropcopyd.domain.command import NOT_SENT_REASON, Command, IdempotencyRecord, OutcomeKind
from dropcopyd.domain.event import Batch, Event, EventType
from dropcopyd.domain.machine.draft import Draft
from dropcopyd.domain.order import Order
from dropcopyd.domain.state import AccountState


def create(state: AccountState, command: Command, idempotency: IdempotencyRecord | None) -> Batch:
    """A new intent: its action and the order it makes, PENDING_NEW until the broker speaks."""
    account = state.account
    order = Order(
        order_id=command.order_id,
        intent_id=command.intent_id,
        account_id=account.account_id,
        organization_id=account.organization_id,
        broker=account.broker,
        instrument=command.instrument,
        order_side=command.order_side,
        order_venue=command.order_venue,
        terms=command.terms,
        last_seq=command.seq,
        command_seq=command.seq,
        created_at_ns=command.stamps.committed_ns,
        received_at_ns=command.stamps.committed_ns,
        client_reference_id=command.client_reference_id,
        strategy_id=command.strategy_id,
    )
    events = (Event(EventType.INTENT_ACTION, command), Event(EventType.BROKER_ORDER, order))
    return Batch(
        account_id=account.account_id,
        at_ns=command.stamps.committed_ns,
        events=events,
        orders=(order,),
        commands=(command,),
        idempotency=idempotency,
    )


def amend(state: AccountState, command: Command, idempotency: IdempotencyRecord | None) -> Batch:
    """A replace or cancel of a known intent, whatever state its order is in: the broker decides, we do not guess.

    The order's status does not move: it turns pending when the broker says so.
    """
    order = replace(state.chains[command.order_id].order, last_seq=command.seq)
    return Batch(
        account_id=state.account.account_id,
        at_ns=command.stamps.committed_ns,
        events=(Event(EventType.INTENT_ACTION, command),),
        orders=(order,),
        commands=(command,),
        idempotency=idempotency,
    )


def amend_many(state: AccountState, commands: Sequence[Command]) -> Batch:
    """Several cancels of different orders, at least one, as one batch."""
    batches = [amend(state, command, None) for command in commands]
    return replace(
        batches[0],
        at_ns=max(batch.at_ns for batch in batches),
        events=tuple(event for batch in batches for event in batch.events),
        orders=tuple(order for batch in batches for order in batch.orders),
        commands=tuple(commands),
    )


def begin_attempt(state: AccountState, command: Command, now_ns: int) -> Batch | None:
    """The attempt to send is about to begin; None when the command is no longer to be sent, or too late for it."""
    current = state.chains[command.order_id].commands[command.seq]
    if not current.is_unresolved or current.stamps.attempt_begun_ns is not None or current.is_late(now_ns):
        return None
    draft = Draft(state, now_ns)
    current = replace(current, stamps=replace(current.stamps, attempt_begun_ns=draft.at_ns))
    draft.outcome(current, OutcomeKind.PENDING)
    return draft.batch()


def acknowledge(state: AccountState, command: Command, external_order_id: str | None, now_ns: int) -> Batch | None:
    """The broker has the command: the leg is stamped, a doubt about it is over."""
    draft = Draft(state, now_ns)
    chain, current = draft.find(command)
    draft.arrived(current)
    order = draft.order_of(chain)
    if external_order_id is not None and order.external_order_id is None:
        draft.keep(replace(order, external_order_id=external_order_id))
    draft.settle_doubt(chain)
    return draft.batch()


def refuse(state: AccountState, command: Command, reason_code: str, reason: str, now_ns: int) -> Batch | None:
    """The broker refused the command: proof. A refused create rejects its order, unless it has traded."""
    draft = Draft(state, now_ns)
    chain, current = draft.find(command)
    if not current.is_unresolved:
        return None
    draft.outcome(current, OutcomeKind.REFUSED, reason_code, reason)
    draft.end_request(chain, current, is_rejected=True, reason_code=reason_code, reason=reason)
    draft.settle_doubt(chain)
    return draft.batch()


def doubt(state: AccountState, command: Command, cause: str, now_ns: int) -> Batch | None:
    """Nobody can say whether the command arrived: visible as in doubt until the broker was asked."""
    draft = Draft(state, now_ns)
    chain, current = draft.find(command)
    if current.outcome is not OutcomeKind.PENDING or current.stamps.attempt_begun_ns is None:
        return None
    if current.stamps.acknowledged_ns is not None:
        return None
    draft.outcome(current, OutcomeKind.IN_DOUBT, "in_doubt", cause)
    draft.settle_doubt(chain)
    return draft.batch()


def expire(state: AccountState, command: Command, reason: str, now_ns: int) -> Batch | None:
    """The attempt did not begin in time; None when it has begun: what became of it, only the broker can say."""
    current = state.chains[command.order_id].commands[command.seq]
    if current.stamps.attempt_begun_ns is not None:
        return None
    return not_sent(state, command, reason, now_ns)


def withhold(state: AccountState, command: Command, reason_code: str, reason: str, now_ns: int) -> Batch | None:
    """A control stopped the command before its attempt began; None when it has begun or is over."""
    draft = Draft(state, now_ns)
    chain, current = draft.find(command)
    if not current.is_unresolved or current.stamps.attempt_begun_ns is not None:
        return None
    draft.outcome(current, OutcomeKind.WITHHELD, reason_code, reason)
    draft.end_request(chain, current, is_rejected=True, reason_code=reason_code, reason=reason)
    return draft.batch()


def not_sent(state: AccountState, command: Command, reason: str, now_ns: int) -> Batch | None:
    """The command is proven never to have reached the broker."""
    draft = Draft(state, now_ns)
    chain, current = draft.find(command)
    if not current.is_unresolved or current.stamps.acknowledged_ns is not None:
        return None
    draft.outcome(current, OutcomeKind.NOT_SENT, NOT_SENT_REASON, reason)
    draft.end_request(chain, current, is_rejected=True, reason_code=NOT_SENT_REASON, reason=reason)
    draft.settle_doubt(chain)
    return draft.batch()
