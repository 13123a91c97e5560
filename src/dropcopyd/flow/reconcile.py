"""Reconcile: where the platform's record and the broker's snapshot differ. It states differences and mends nothing."""

from collections.abc import Iterator

from dropcopyd.domain import money
from dropcopyd.domain.instrument import InstrumentKey
from dropcopyd.domain.order import OrderState
from dropcopyd.domain.report import BrokerSnapshot
from dropcopyd.domain.state import AccountState


def differences(state: AccountState, snapshot: BrokerSnapshot) -> Iterator[str]:
    """Each difference in words: orders first, then positions.

    Meant for the moment after the snapshot's reports were taken in; an order with an unresolved command is left out,
    its question is still open.
    """
    yield from _order_differences(state, snapshot)
    yield from _position_differences(state, snapshot)


def _order_differences(state: AccountState, snapshot: BrokerSnapshot) -> Iterator[str]:
    claimed: set[str] = set()
    for claim in snapshot.orders:
        found = state.find_command(claim.broker_command_id)
        if found is None:
            yield f"unknown order: the broker has {claim.external_order_id} open, nobody here knows it"
            continue
        order = found[0].order
        claimed.add(order.order_id)
        if claim.cumulative_quantity != order.filled_quantity:
            yield (
                f"order {order.order_id}: filled {money.render(order.filled_quantity)} here,"
                f" {money.render(claim.cumulative_quantity)} at the broker"
            )
        if claim.is_open and order.state is not OrderState.OPEN:
            yield f"order {order.order_id}: {order.status} here, open at the broker"
    for chain in state.chains.values():
        order = chain.order
        is_expected = order.is_accepted and order.state is OrderState.OPEN and not chain.has_open_question
        if is_expected and order.order_id not in claimed:
            yield f"order {order.order_id}: {order.status} here, not open at the broker"


def _position_differences(state: AccountState, snapshot: BrokerSnapshot) -> Iterator[str]:
    theirs: dict[InstrumentKey, object] = {claim.key: claim.quantity for claim in snapshot.positions}
    ours = {key: position.quantity for key, position in state.positions.items() if position.quantity}
    for key in sorted(theirs.keys() | ours.keys()):
        if theirs.get(key, money.ZERO) != ours.get(key, money.ZERO):
            yield f"position {key[1]}: {ours.get(key, money.ZERO)} here, {theirs.get(key, money.ZERO)} at the broker"
