"""The machine by examples: one story per rule, told with the verbs of the journey."""

from decimal import Decimal
from typing import Any

import pytest

from dropcopyd.domain import machine
from dropcopyd.domain.account import AccountConnection
from dropcopyd.domain.command import IdempotencyRecord, OutcomeKind
from dropcopyd.domain.event import EventType
from dropcopyd.domain.order import ActionType, OrderSide, OrderStatus
from dropcopyd.domain.report import ReportKind
from tests.domain.build import INVERSE, SECOND_NS, START_NS, Play, create_command, report, trade

K, Outcome, S = ReportKind, OutcomeKind, OrderStatus


@pytest.fixture
def play() -> Play:
    return Play()


def kinds(play: Play) -> list[str]:
    return [event.kind.value for event in play.batches[-1].events]


def accepted(play: Play, name: str = "1", **changes: object) -> None:
    """A create that was sent, acknowledged and accepted."""
    command = play.create(name, **changes)
    play.begin(command)
    play.acknowledge(command, f"x{name}")
    play.report(report(K.ACCEPTED, command.broker_command_id))


# --- create and attempt ---------------------------------------------------------------------------------------------


def test_a_create_is_an_action_and_an_order_the_broker_has_not_spoken_of(play: Play) -> None:
    command = create_command()
    batch = machine.create(play.state, command, IdempotencyRecord("k", "{}", "i1", 1))
    assert [event.kind for event in batch.events] == [EventType.INTENT_ACTION, EventType.BROKER_ORDER]
    assert batch.idempotency is not None
    assert batch.orders[0].status is S.PENDING_NEW
    assert batch.orders[0].leaves_quantity == 10


def test_an_attempt_begins_once(play: Play) -> None:
    command = play.create()
    assert play.begin(command) is not None
    assert kinds(play) == ["COMMAND_OUTCOME"]
    assert play.begin(command) is None


def test_no_attempt_begins_at_or_after_the_deadline(play: Play) -> None:
    command = play.create()
    play.now_ns = START_NS + 5 * SECOND_NS
    assert play.begin(command) is None
    assert play.state.chains["o1"].commands[1].stamps.attempt_begun_ns is None


def test_a_cancel_has_no_deadline(play: Play) -> None:
    accepted(play)
    cancel = play.cancel()
    play.now_ns += 3_600 * SECOND_NS
    assert play.begin(cancel) is not None


def test_what_expired_is_rejected_with_its_reason(play: Play) -> None:
    command = play.create()
    play.take(machine.expire(play.state, command, "too late", play.now_ns))
    assert play.outcome() is Outcome.NOT_SENT
    assert play.order().status is S.REJECTED
    assert play.order().reason_code == "not_sent"


def test_a_command_that_has_begun_never_expires(play: Play) -> None:
    """It may be alive at the broker, whatever the clock says."""
    command = play.create()
    play.begin(command)
    assert machine.expire(play.state, command, "too late", play.now_ns + 60 * SECOND_NS) is None
    play.acknowledge(command)
    assert machine.expire(play.state, command, "too late", play.now_ns + 60 * SECOND_NS) is None
    assert machine.not_sent(play.state, command, "unknown there", play.now_ns) is None, "the broker had it"


# --- doubt ----------------------------------------------------------------------------------------------------------


def test_a_doubt_is_visible_until_the_broker_has_spoken(play: Play) -> None:
    command = play.create()
    play.begin(command)
    play.doubt(command)
    assert play.outcome() is Outcome.IN_DOUBT
    assert play.order().in_doubt_since_ns == play.state.last_ns
    assert play.order().status is S.PENDING_NEW
    play.report(report(K.ACCEPTED))
    assert play.outcome() is Outcome.ACCEPTED
    assert play.order().in_doubt_since_ns is None
    assert play.order().status is S.NEW


def test_what_is_proven_unknown_at_the_broker_was_not_sent(play: Play) -> None:
    command = play.create()
    play.begin(command)
    play.doubt(command)
    play.not_sent(command)
    assert (play.outcome(), play.order().status) == (Outcome.NOT_SENT, S.REJECTED)
    assert play.order().in_doubt_since_ns is None
    assert not play.order().is_working


def test_there_is_no_doubt_before_the_attempt_or_after_the_answer(play: Play) -> None:
    command = play.create()
    assert play.doubt(command) is None
    play.begin(command)
    play.acknowledge(command)
    assert play.doubt(command) is None


@pytest.mark.parametrize("kind", [K.PENDING_CANCEL, K.CANCELLED, K.REQUEST_REFUSED])
def test_any_report_that_names_a_doubted_cancel_ends_the_doubt(play: Play, kind: ReportKind) -> None:
    accepted(play)
    cancel = play.cancel()
    play.begin(cancel)
    play.doubt(cancel)
    play.report(report(kind, "c1.2"))
    assert play.outcome(seq=2) is not Outcome.IN_DOUBT
    assert play.order().in_doubt_since_ns is None
    assert play.not_sent(cancel) is None, "it arrived: no later asking can prove the contrary"


def test_an_order_is_in_doubt_while_any_of_its_commands_is(play: Play) -> None:
    accepted(play)
    replace, cancel = play.replace(quantity="20"), play.cancel()
    for command in (replace, cancel):
        play.begin(command)
        play.doubt(command)
    since = play.order().in_doubt_since_ns
    play.report(report(K.REQUEST_REFUSED, "c1.2"))
    assert play.order().in_doubt_since_ns == since
    play.report(report(K.CANCELLED, "c1.3"))
    assert play.order().in_doubt_since_ns is None


# --- the broker is the truth ----------------------------------------------------------------------------------------


def test_taken_for_never_sent_and_then_filled(play: Play) -> None:
    command = play.create()
    play.begin(command)
    play.doubt(command)
    play.not_sent(command)
    batch = play.report(trade("e1", "10", "100"))
    assert batch is not None
    assert batch.breaks
    assert (play.outcome(), play.order().status) == (Outcome.ACCEPTED, S.FILLED)
    assert play.held()[0] == "10"


def test_a_replace_taken_for_never_sent_that_the_broker_made_is_in_force(play: Play) -> None:
    accepted(play)
    command = play.replace(quantity="20", price="99")
    play.begin(command)
    play.doubt(command)
    play.not_sent(command)
    play.report(report(K.REPLACED, "c1.2", quantity=Decimal(20)))
    assert play.outcome(seq=2) is Outcome.ACCEPTED
    assert (play.order().terms.quantity, play.order().terms.limit_price) == (Decimal(20), Decimal(99))


def test_a_cancel_taken_for_never_sent_that_the_broker_made_is_accepted(play: Play) -> None:
    accepted(play)
    command = play.cancel()
    play.begin(command)
    play.doubt(command)
    play.not_sent(command)
    play.report(report(K.CANCELLED, "c1.2"))
    assert (play.outcome(seq=2), play.order().status) == (Outcome.ACCEPTED, S.CANCELLED)


def test_a_broker_may_reject_what_it_accepted_and_an_echo_of_the_acceptance_changes_nothing(play: Play) -> None:
    accepted(play)
    play.report(report(K.REJECTED, reason_code="halted", reason="trading halt"))
    assert play.order().status is S.REJECTED
    assert play.report(report(K.ACCEPTED)) is None
    assert play.report(report(K.REJECTED, reason_code="halted", reason="trading halt")) is None
    assert play.order().status is S.REJECTED


def test_a_refused_create_rejects_its_order(play: Play) -> None:
    command = play.create()
    play.begin(command)
    play.refuse(command, "no such symbol")
    assert (play.outcome(), play.order().status, play.order().reason) == (Outcome.REFUSED, S.REJECTED, "no such symbol")


def test_a_refusal_does_not_unmake_what_has_traded(play: Play) -> None:
    command = play.create()
    play.begin(command)
    play.report(trade("e1", "4", "100"))
    assert play.refuse(command) is None
    assert play.order().status is S.PARTIALLY_FILLED


# --- executions -----------------------------------------------------------------------------------------------------


def test_a_fill_is_a_trade_an_order_and_a_position(play: Play) -> None:
    accepted(play)
    play.report(trade("e1", "4", "99.5", cumulative_quantity=Decimal(4)))
    assert kinds(play) == ["BROKER_TRADE", "BROKER_ORDER", "BROKER_POSITION"]
    execution = play.batches[-1].trades[0]
    assert (execution.cumulative_quantity, execution.order_quantity, execution.leaves_quantity) == (
        Decimal(4),
        Decimal(10),
        Decimal(6),
    )
    assert play.order().status is S.PARTIALLY_FILLED
    assert play.held() == ("4", "398.000000000000000000", "0")
    assert not play.batches[-1].breaks


def test_a_fill_that_overtakes_the_acceptance_accepts_the_order(play: Play) -> None:
    command = play.create()
    play.begin(command)
    play.report(trade("e1", "4", "100"))
    assert (play.outcome(), play.order().status) == (Outcome.ACCEPTED, S.PARTIALLY_FILLED)
    assert play.report(report(K.ACCEPTED)) is None


def test_an_execution_is_known_by_its_id_date_and_side(play: Play) -> None:
    accepted(play)
    play.report(trade("e1", "4", "100"))
    assert play.report(trade("e1", "4", "100")) is None
    assert play.report(trade("e1", "4", "100.00")) is None
    assert play.report(trade("e1", "1", "100", trade_date="2026-11-19")) is not None, "ids begin anew each day"
    again = play.report(trade("e1", "5", "100"))
    assert again is not None
    assert again.breaks
    assert not again.events
    assert play.order().filled_quantity == 5


def test_without_an_id_it_is_known_by_what_it_did(play: Play) -> None:
    accepted(play)
    said: dict[str, Any] = {"cumulative_quantity": Decimal(4), "broker_sent_at_ns": START_NS}
    play.report(trade(None, "4", "100", **said))
    assert play.report(trade(None, "4", "100", **said)) is None
    spelled = {**said, "cumulative_quantity": Decimal("4.00")}
    assert play.report(trade(None, "4.0", "100.000", **spelled)) is None, "another spelling of the same figures"
    assert play.report(trade(None, "4", "100", **{**said, "cumulative_quantity": Decimal(8)})) is not None
    assert play.order().filled_quantity == 8


def test_a_late_fill_counts_on_a_cancelled_order(play: Play) -> None:
    accepted(play)
    play.report(report(K.CANCELLED))
    play.report(trade("e1", "4", "100"))
    assert (play.order().status, play.order().filled_quantity) == (S.CANCELLED, Decimal(4))
    assert play.order().leaves_quantity == 0
    play.report(trade("e2", "6", "100"))
    assert play.order().status is S.FILLED


def test_an_overfill_is_kept_and_noted(play: Play) -> None:
    accepted(play)
    batch = play.report(trade("e1", "13", "100"))
    assert batch is not None
    assert any("13 of 10" in one.detail for one in batch.breaks)
    assert (play.order().filled_quantity, play.order().leaves_quantity) == (Decimal(13), Decimal(0))
    assert play.held()[0] == "13"


@pytest.mark.parametrize("side", [OrderSide.SELL, OrderSide.SELL_SHORT])
def test_a_sale_makes_a_position_negative(play: Play, side: OrderSide) -> None:
    accepted(play, order_side=side)
    play.report(trade("e1", "10", "100"))
    assert play.held() == ("-10", "1000.000000000000000000", "0")


@pytest.mark.parametrize(("quantity", "price"), [("0", "1"), ("-1", "1")])
def test_an_execution_of_nothing_is_noted_and_not_taken(play: Play, quantity: str, price: str) -> None:
    accepted(play)
    batch = play.report(trade("e1", quantity, price))
    assert batch is not None
    assert batch.breaks
    assert not batch.events
    assert not batch.trades


@pytest.mark.parametrize("price", ["0", "-1"])
def test_an_inverse_execution_without_a_price_has_no_value(play: Play, price: str) -> None:
    accepted(play, instrument=INVERSE)
    batch = play.report(trade("e1", "1", price))
    assert batch is not None
    assert batch.breaks
    assert not batch.trades


def test_fills_stamp_the_create(play: Play) -> None:
    accepted(play)
    play.report(trade("e1", "1", "100"))
    play.report(trade("e2", "1", "100"))
    stamps = play.state.chains["o1"].commands[1].stamps
    assert stamps.first_fill_ns is not None
    assert stamps.last_fill_ns == stamps.first_fill_ns + SECOND_NS


# --- replace and cancel ---------------------------------------------------------------------------------------------


def test_asking_moves_no_status_and_no_terms(play: Play) -> None:
    accepted(play)
    command = play.replace(quantity="20", price="99")
    assert kinds(play) == ["INTENT_ACTION"]
    play.begin(command)
    assert (play.order().status, play.order().terms.quantity) == (S.NEW, Decimal(10))


def test_a_replace_is_in_force_when_accepted(play: Play) -> None:
    accepted(play)
    play.report(trade("e1", "4", "100"))
    play.begin(play.replace(quantity="20", price="99"))
    play.report(report(K.PENDING_REPLACE, "c1.2"))
    assert (play.order().status, play.order().leaves_quantity) == (S.PENDING_REPLACE, Decimal(6))
    play.report(report(K.REPLACED, "c1.2"))
    assert (play.order().status, play.order().leaves_quantity) == (S.PARTIALLY_FILLED, Decimal(16))
    assert play.order().command_seq == 2
    assert play.report(report(K.REPLACED, "c1.2")) is None


def test_a_replace_reopens_a_filled_order(play: Play) -> None:
    """C.1.c: filled, then the quantity raised."""
    accepted(play)
    play.report(trade("e1", "10", "100"))
    play.begin(play.replace(quantity="12"))
    play.report(report(K.REPLACED, "c1.2"))
    assert (play.order().status, play.order().leaves_quantity) == (S.PARTIALLY_FILLED, Decimal(2))


def test_a_replace_that_a_later_one_overtook_brings_no_old_terms_back(play: Play) -> None:
    accepted(play)
    play.begin(play.replace(quantity="20"))
    play.begin(play.replace(quantity="30"))
    play.report(report(K.REPLACED, "c1.3"))
    play.report(report(K.REPLACED, "c1.2"))
    assert play.outcome(seq=2) is Outcome.ACCEPTED
    assert play.order().terms.quantity == 30


def test_a_fill_while_a_cancel_is_pending(play: Play) -> None:
    """B.1.c: even the completing fill reports Pending Cancel; the refusal then shows Filled."""
    accepted(play)
    play.begin(play.cancel())
    play.report(report(K.PENDING_CANCEL, "c1.2"))
    play.report(trade("e1", "10", "100"))
    assert (play.order().status, play.order().leaves_quantity) == (S.PENDING_CANCEL, Decimal(0))
    play.report(report(K.REQUEST_REFUSED, "c1.2", reason_code="too_late", reason="filled"))
    assert play.order().status is S.FILLED
    assert play.outcome(seq=2) is Outcome.REFUSED


def test_a_refused_request_leaves_the_other_pending(play: Play) -> None:
    accepted(play)
    play.begin(play.replace(quantity="20"))
    play.begin(play.cancel())
    play.report(report(K.PENDING_REPLACE, "c1.2"))
    play.report(report(K.PENDING_CANCEL, "c1.3"))
    assert play.order().status is S.PENDING_CANCEL
    play.report(report(K.REQUEST_REFUSED, "c1.3"))
    assert play.order().status is S.PENDING_REPLACE


def test_an_unsolicited_cancel_closes_for_good(play: Play) -> None:
    accepted(play)
    play.report(report(K.CANCELLED, reason_code="expired", reason="end of day"))
    assert (play.order().status, play.order().reason_code) == (S.CANCELLED, "expired")
    assert play.outcome() is Outcome.ACCEPTED, "the create was accepted; its order has ended"
    assert play.report(report(K.CANCELLED, reason_code="expired", reason="end of day")) is None


@pytest.mark.parametrize(
    ("kind", "action"),
    [(K.PENDING_REPLACE, ActionType.CANCEL), (K.PENDING_CANCEL, ActionType.REPLACE), (K.REPLACED, ActionType.CANCEL)],
)
def test_a_report_that_names_a_command_of_another_kind_changes_nothing(
    play: Play, kind: ReportKind, action: ActionType
) -> None:
    accepted(play)
    play.begin(play.amend("1", action))
    before = play.order()
    assert play.report(report(kind, "c1.2")) is None
    assert play.order() == before


def test_a_refusal_that_names_the_create_changes_nothing(play: Play) -> None:
    command = play.create()
    play.begin(command)
    assert play.report(report(K.REQUEST_REFUSED)) is None
    assert (play.outcome(), play.order().status) == (Outcome.PENDING, S.PENDING_NEW)


def test_a_rejected_request_is_a_refused_one_and_leaves_the_order(play: Play) -> None:
    accepted(play)
    play.begin(play.cancel())
    play.report(report(K.REJECTED, "c1.2", reason_code="no", reason="no"))
    assert (play.outcome(seq=2), play.order().status) == (Outcome.REFUSED, S.NEW)
    assert play.report(report(K.REJECTED, "c1.2", reason_code="no", reason="no")) is None


# --- the account ----------------------------------------------------------------------------------------------------


def test_a_report_of_an_unknown_command_is_noted_and_moves_the_cursor(play: Play) -> None:
    batch = play.report(report(K.ACCEPTED, "somebody else's", cursor="7"))
    assert batch is not None
    assert batch.breaks
    assert not batch.events
    assert play.state.report_cursor == "7"


def test_a_repetition_moves_nothing_but_the_cursor(play: Play) -> None:
    accepted(play)
    play.report(trade("e1", "4", "100", cursor="5"))
    batch = play.report(trade("e1", "4", "100", cursor="6"))
    assert batch is not None
    assert (batch.events, batch.orders, batch.trades, batch.report_cursor) == ((), (), (), "6")


def test_time_never_goes_back_within_the_account(play: Play) -> None:
    accepted(play)
    play.now_ns = START_NS - 3_600 * SECOND_NS
    batch = play.report(trade("e1", "4", "100"))
    assert batch is not None
    assert batch.at_ns == play.batches[-2].at_ns
    assert play.order().received_at_ns == batch.at_ns


def test_a_connection_is_published_when_it_moves(play: Play) -> None:
    batch = machine.move_connection(play.state, AccountConnection.BLIND, play.now_ns, "disconnected", "gone")
    assert batch is not None
    play.take(batch)
    assert kinds(play) == ["ACCOUNT_STATUS"]
    assert machine.move_connection(play.state, AccountConnection.BLIND, play.now_ns, "disconnected", "gone") is None
