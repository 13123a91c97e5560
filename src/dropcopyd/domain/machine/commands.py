"""What callers ask, and what became of the attempt to send it."""

from collections.abc import Sequence

from dropcopyd.domain.command import NOT_SENT_REASON, Command, IdempotencyRecord, OutcomeKind
from dropcopyd.domain.event import Batch, Event, EventType
from dropcopyd.domain.evolve import evolve
from dropcopyd.domain.machine.draft import Draft
from dropcopyd.domain.machine.story import Story
from dropcopyd.domain.order import ActionType, Order
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
    """A replace or cancel of a known order, whatever state it is in: the broker decides, we do not guess.

    The order's status does not move: it turns pending when the broker says so. The first command on an order from
    outside begins its intent, and the order is published with it.
    """
    order = evolve(state.chains[command.order_id].order, last_seq=command.seq)
    events: tuple[Event, ...] = (Event(EventType.INTENT_ACTION, command),)
    if order.intent_id != command.intent_id:
        order = evolve(
            order,
            intent_id=command.intent_id,
            client_reference_id=command.client_reference_id,
            strategy_id=command.strategy_id,
            received_at_ns=command.stamps.committed_ns,
        )
        events = (*events, Event(EventType.BROKER_ORDER, order))
    return Batch(
        account_id=state.account.account_id,
        at_ns=command.stamps.committed_ns,
        events=events,
        orders=(order,),
        commands=(command,),
        idempotency=idempotency,
    )


def amend_many(state: AccountState, commands: Sequence[Command]) -> Batch:
    """Several cancels of different orders, at least one, as one batch."""
    batches = [amend(state, command, None) for command in commands]
    return evolve(
        batches[0],
        at_ns=max(batch.at_ns for batch in batches),
        events=tuple(event for batch in batches for event in batch.events),
        orders=tuple(order for batch in batches for order in batch.orders),
        commands=tuple(commands),
    )


def begin_attempt(state: AccountState, command: Command, now_ns: int) -> Batch | None:
    """The attempt to send is about to begin; None when the command is no longer to be sent, or too late for it."""
    story = _story(state, command, now_ns)
    current = story.current(command)
    if not current.is_unresolved or current.stamps.attempt_begun_ns is not None or current.is_late(now_ns):
        return None
    begun = evolve(current, stamps=evolve(current.stamps, attempt_begun_ns=story.at_ns))
    story.outcome(begun, OutcomeKind.PENDING)
    return story.draft.batch()


def acknowledge(state: AccountState, command: Command, external_order_id: str | None, now_ns: int) -> Batch | None:
    """The broker has the command: the leg is stamped, a doubt about it is over."""
    story = _story(state, command, now_ns)
    story.arrived()
    if external_order_id is not None and story.order.external_order_id is None:
        story.keep(evolve(story.order, external_order_id=external_order_id))
    return _settled(story)


def refuse(state: AccountState, command: Command, reason_code: str, reason: str, now_ns: int) -> Batch | None:
    """The broker refused the command: proof. A refused create rejects its order, unless it has traded."""
    story = _story(state, command, now_ns)
    current = story.current(command)
    if not current.is_unresolved:
        return None
    return _ended(story, OutcomeKind.REFUSED, reason_code, reason)


def doubt(state: AccountState, command: Command, cause: str, now_ns: int) -> Batch | None:
    """Nobody can say whether the command arrived: visible as in doubt until the broker was asked."""
    story = _story(state, command, now_ns)
    current = story.current(command)
    if current.outcome is not OutcomeKind.PENDING or current.stamps.attempt_begun_ns is None:
        return None
    if current.stamps.acknowledged_ns is not None:
        return None
    story.outcome(current, OutcomeKind.IN_DOUBT, "in_doubt", cause)
    return _settled(story)


def expire(state: AccountState, command: Command, reason: str, now_ns: int) -> Batch | None:
    """The attempt did not begin in time; None when it has begun: what became of it, only the broker can say."""
    current = state.chains[command.order_id].commands[command.seq]
    if current.stamps.attempt_begun_ns is not None:
        return None
    return not_sent(state, command, reason, now_ns)


def withhold(state: AccountState, command: Command, reason_code: str, reason: str, now_ns: int) -> Batch | None:
    """A control stopped the command before its attempt began; None when it has begun or is over."""
    story = _story(state, command, now_ns)
    current = story.current(command)
    if not current.is_unresolved or current.stamps.attempt_begun_ns is not None:
        return None
    return _ended(story, OutcomeKind.WITHHELD, reason_code, reason)


def not_sent(state: AccountState, command: Command, reason: str, now_ns: int) -> Batch | None:
    """The command is proven never to have reached the broker."""
    story = _story(state, command, now_ns)
    current = story.current(command)
    if not current.is_unresolved or current.stamps.acknowledged_ns is not None:
        return None
    return _ended(story, OutcomeKind.NOT_SENT, NOT_SENT_REASON, reason)


def _story(state: AccountState, command: Command, now_ns: int) -> Story:
    chain = state.chains[command.order_id]
    return Story.of(Draft(state, now_ns), chain, chain.commands[command.seq])


def _ended(story: Story, kind: OutcomeKind, reason_code: str, reason: str) -> Batch | None:
    """A command ended without effect: a create rejects its order, a request leaves the open ones."""
    command = story.chain.commands[story.seq]
    story.outcome(command, kind, reason_code, reason)
    if command.action_type is ActionType.CREATE:
        story.reject(reason_code, reason)
    else:
        story.end_request()
    return _settled(story)


def _settled(story: Story) -> Batch | None:
    story.settle_doubt()
    return story.draft.batch()
