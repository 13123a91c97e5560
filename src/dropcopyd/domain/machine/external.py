"""Which order a report means, and the adoption of one that nobody here sent."""

import uuid
from typing import Final

from dropcopyd.domain.breaks import BreakKind
from dropcopyd.domain.evolve import evolve
from dropcopyd.domain.instrument import Instrument, InstrumentKey, key_of
from dropcopyd.domain.machine.draft import Draft
from dropcopyd.domain.machine.story import Story
from dropcopyd.domain.order import Order, OrderOrigin, OrderSide
from dropcopyd.domain.report import OrderReport, ReportedOrder, ReportKind
from dropcopyd.domain.state import AccountState, Chain

_NAMESPACE: Final = uuid.UUID("5f0c1f0e-6d0c-5c1e-9d3e-0f6a3c1b2d40")
_NEVER_ADOPTED: Final = (ReportKind.REQUEST_REFUSED, ReportKind.BUST, ReportKind.CORRECTION)


def adopted_order_id(account_id: str, external_order_id: str, key: InstrumentKey, side: OrderSide) -> str:
    """The platform's id of an order from outside: the same whenever and however it is adopted."""
    return str(uuid.uuid5(_NAMESPACE, "|".join((account_id, external_order_id, key[0].value, key[1], side.value))))


def locate(draft: Draft, report: OrderReport, instrument: Instrument | None) -> Story | None:
    """The order that a report means: that of the command it names, else the broker's order id; adopted if need be."""
    state = draft.state
    found = state.find_command(report.broker_command_id)
    if found is not None:
        return Story.of(draft, *found)
    chain = state.find_order(report.broker_command_id, report.external_order_id)
    if chain is not None and _is_other(chain.order, report.order):
        told = f"the broker's order id {report.external_order_id!r} names another order than {chain.order.order_id}"
        draft.say(BreakKind.ORDER_ID_REUSED, report.external_order_id or "", told)
        chain = None
    if chain is not None:
        return Story.of(draft, chain, None)
    return _adopt(draft, report, instrument)


def _is_other(order: Order, described: ReportedOrder | None) -> bool:
    if described is None:
        return False
    return described.key != key_of(order.instrument) or described.order_side is not order.order_side


def _adopt(draft: Draft, report: OrderReport, instrument: Instrument | None) -> Story | None:
    described, external_order_id = report.order, report.external_order_id
    if described is None or external_order_id is None or report.kind in _NEVER_ADOPTED:
        return None
    if instrument is None:
        told = f"order {external_order_id!r} from outside is in {described.key[0]} {described.key[1]}"
        draft.say(BreakKind.INSTRUMENT_UNKNOWN, external_order_id, f"{told}, which is not in the catalogue")
        return None
    order_id = adopted_order_id(draft.state.account.account_id, external_order_id, described.key, described.order_side)
    known = draft.state.chains.get(order_id)
    if known is not None:
        return Story.of(draft, known, None)
    story = Story.of(draft, Chain(_order_of(draft, report, described, instrument, order_id)), None)
    story.publish(story.order)
    return story


def _order_of(
    draft: Draft, report: OrderReport, described: ReportedOrder, instrument: Instrument, order_id: str
) -> Order:
    account, terms = draft.state.account, described.terms
    if report.quantity is not None:
        terms = evolve(terms, quantity=report.quantity)
    return Order(
        order_id=order_id,
        intent_id="",
        account_id=account.account_id,
        organization_id=account.organization_id,
        broker=account.broker,
        instrument=instrument,
        order_side=described.order_side,
        order_venue=described.order_venue,
        terms=terms,
        last_seq=0,
        command_seq=0,
        created_at_ns=draft.at_ns,
        received_at_ns=draft.at_ns,
        origin=OrderOrigin.EXTERNAL,
        client_reference_id=described.client_reference_id,
        external_order_id=report.external_order_id,
        is_accepted=report.kind is ReportKind.STATUS,
        external_command_id=report.broker_command_id or None,
    )


def is_about(state: AccountState, parked_order_id: str, waiting: OrderReport, told: OrderReport) -> bool:
    """Whether a report that waits may go on after another one was taken in: they name the same order."""
    if waiting.external_order_id is not None and waiting.external_order_id == told.external_order_id:
        return True
    if waiting.broker_command_id and waiting.broker_command_id == told.broker_command_id:
        return True
    found = state.find_command(told.broker_command_id)
    return found is not None and found[0].order.order_id == parked_order_id
