"""Orders that nobody here sent."""

from decimal import Decimal
from typing import Any

import pytest

from dropcopyd.domain import machine
from dropcopyd.domain.breaks import BreakKind
from dropcopyd.domain.event import Batch, EventType
from dropcopyd.domain.instrument import key_of
from dropcopyd.domain.order import ActionType, Order, OrderOrigin, OrderSide, OrderStatus
from dropcopyd.domain.report import OrderReport, ReportedOrder, ReportKind
from tests.domain.build import AAPL, MSFT, Play, amend_command, bust, limit_terms, report, trade

K, S = ReportKind, OrderStatus
DESCRIBED = ReportedOrder(key=key_of(AAPL), order_side=OrderSide.BUY, terms=limit_terms("10"))


@pytest.fixture
def play() -> Play:
    return Play()


def said(kind: ReportKind, **facts: Any) -> OrderReport:
    return report(kind, facts.pop("named", ""), **{"external_order_id": "desk-1", "order": DESCRIBED, **facts})


def fill(exec_id: str, quantity: str, **facts: Any) -> OrderReport:
    return trade(exec_id, quantity, "100", "", **{"external_order_id": "desk-1", **facts})


def the_order(play: Play) -> Order:
    (chain,) = play.state.chains.values()
    return chain.order


def breaks(batch: Batch | None) -> list[BreakKind]:
    return [] if batch is None else [one.kind for one in batch.breaks]


def test_an_order_from_outside_is_kept_with_all_that_happens_to_it(play: Play) -> None:
    play.report(said(K.ACCEPTED))
    order = the_order(play)
    assert (order.origin, order.status, order.external_order_id) == (OrderOrigin.EXTERNAL, S.NEW, "desk-1")
    assert (order.intent_id, order.command_seq) == ("", 0)
    play.report(fill("e1", "4"))
    play.report(said(K.RESTATED, quantity=Decimal(8)))
    order = the_order(play)
    assert (order.status, order.filled_quantity, order.leaves_quantity) == (S.PARTIALLY_FILLED, Decimal(4), Decimal(4))
    assert play.held()[0] == "4"
    play.report(bust("e2", "e1", "", external_order_id="desk-1"))
    assert the_order(play).status is S.NEW
    play.report(said(K.CANCELLED))
    assert the_order(play).status is S.CANCELLED


@pytest.mark.parametrize("kind", [K.STATUS, K.RESTATED, K.PENDING_CANCEL, K.DONE_FOR_DAY, K.REJECTED])
def test_any_description_adopts_it(play: Play, kind: ReportKind) -> None:
    play.report(said(kind))
    order = the_order(play)
    expected = {K.PENDING_CANCEL: S.PENDING_CANCEL, K.DONE_FOR_DAY: S.CANCELLED, K.REJECTED: S.REJECTED}
    assert order.status is expected.get(kind, S.NEW)


def test_it_has_the_same_id_however_often_it_is_adopted(play: Play) -> None:
    play.report(said(K.ACCEPTED))
    other = Play()
    other.report(said(K.STATUS))
    assert the_order(play).order_id == the_order(other).order_id


def test_an_execution_of_an_order_that_nobody_described_waits_for_its_description(play: Play) -> None:
    batch = play.report(fill("e1", "4"))
    assert breaks(batch) == [BreakKind.ORDER_UNKNOWN]
    assert batch is not None
    assert not batch.events
    assert play.report(fill("e1", "4")) is None, "it waits already"
    play.report(bust("e2", "e1", "", external_order_id="desk-1"))
    play.report(fill("e3", "3"))
    assert len(play.state.parked) == 3
    play.report(said(K.STATUS))
    assert not play.state.parked
    assert the_order(play).filled_quantity == 3
    assert play.held()[0] == "3"


def test_what_nobody_knows_and_nobody_describes_makes_no_order(play: Play) -> None:
    for kind in (K.ACCEPTED, K.CANCELLED, K.REQUEST_REFUSED, K.REJECTED):
        batch = play.report(report(kind, "nobody's", external_order_id="desk-9"))
        assert breaks(batch) == [BreakKind.ORDER_UNKNOWN]
    assert breaks(play.report(said(K.REQUEST_REFUSED))) == [BreakKind.ORDER_UNKNOWN]
    assert not play.state.chains


def test_an_instrument_that_is_not_in_the_catalogue(play: Play) -> None:
    batch = play.take(machine.take_report(play.state, said(K.ACCEPTED), play.now_ns, None))
    assert BreakKind.INSTRUMENT_UNKNOWN in breaks(batch)
    assert not play.state.chains


def test_a_broker_that_uses_an_order_id_again(play: Play) -> None:
    """Another instrument or side under a known id is another order; both are kept apart."""
    play.report(said(K.ACCEPTED))
    other = ReportedOrder(key=key_of(MSFT), order_side=OrderSide.BUY, terms=limit_terms("5"))
    batch = play.take(machine.take_report(play.state, said(K.ACCEPTED, order=other), play.now_ns, MSFT))
    assert breaks(batch) == [BreakKind.ORDER_ID_REUSED]
    assert len(play.state.chains) == 2
    again = play.report(said(K.CANCELLED))
    assert breaks(again) == [BreakKind.ORDER_ID_REUSED]
    assert [chain.order.status for chain in play.state.chains.values()] == [S.CANCELLED, S.NEW]


def test_the_first_cancel_of_it_begins_its_intent(play: Play) -> None:
    play.report(said(K.ACCEPTED, named="theirs"))
    order = the_order(play)
    assert order.external_command_id == "theirs"
    cancel = amend_command(order, ActionType.CANCEL, play.state.last_ns, intent_id="i9", broker_command_id="ours.1")
    play.take(machine.amend(play.state, cancel, None))
    assert [event.kind for event in play.batches[-1].events] == [EventType.INTENT_ACTION, EventType.BROKER_ORDER]
    assert (the_order(play).intent_id, the_order(play).command_seq) == ("i9", 0)
    assert play.state.chain_of_intent("i9") is not None
    play.begin(cancel)
    play.report(report(K.PENDING_CANCEL, "ours.1", external_order_id="desk-1"))
    play.report(fill("e1", "4"))
    assert (the_order(play).status, the_order(play).command_seq) == (S.PENDING_CANCEL, 1)
    play.report(report(K.CANCELLED, "ours.1", external_order_id="desk-1"))
    assert (the_order(play).status, the_order(play).filled_quantity) == (S.CANCELLED, Decimal(4))
    play.state.forget(order.order_id)
    state = play.state
    assert not any((state.chains, state.order_ids, state.external_ids, state.external_command_ids, state.command_ids))


def test_a_report_that_names_our_order_by_the_brokers_id_alone(play: Play) -> None:
    """A desk cancels our order under an id of its own."""
    command = play.create()
    play.begin(command)
    play.report(report(K.ACCEPTED, external_order_id="x1"))
    play.report(report(K.CANCELLED, "desk-77", external_order_id="x1"))
    assert (play.order().status, play.order().command_seq) == (S.CANCELLED, 1)
