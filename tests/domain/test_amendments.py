"""Busts and corrections, late and early, told with their numbers."""

from dataclasses import replace
from decimal import Decimal

import pytest

from dropcopyd.domain.breaks import BreakKind
from dropcopyd.domain.order import OrderStatus, OrderType
from dropcopyd.domain.report import BrokerCapabilities, ReportKind
from tests.domain.build import SECOND_NS, START_NS, Play, bust, correction, limit_terms, report, trade
from tests.orders.reading import figures

K, S = ReportKind, OrderStatus
DAY_NS = 86_400 * SECOND_NS


@pytest.fixture
def play() -> Play:
    """An accepted buy of ten at 100."""
    play = Play()
    play.begin(play.create())
    play.report(report(K.ACCEPTED))
    return play


def last_kinds(play: Play) -> list[str]:
    return [event.kind.value for event in play.batches[-1].events]


def break_kinds(play: Play) -> list[BreakKind]:
    return [one.kind for batch in play.batches for one in batch.breaks]


def test_a_bust_takes_an_execution_back_and_opens_the_order_again(play: Play) -> None:
    """Ten filled as 4 at 99 and 6 at 101: average (396 + 606) / 10 = 100.2. Without the 4, 6 at 101 are left."""
    play.report(trade("e1", "4", "99"))
    play.report(trade("e2", "6", "101"))
    assert figures(play) == (S.FILLED, "10", "0", "100.2")
    play.report(bust("e3", "e1"))
    assert figures(play) == (S.PARTIALLY_FILLED, "6", "4", "101")
    assert play.held()[0] == "6"
    assert last_kinds(play) == ["TRADE_AMENDMENT", "BROKER_ORDER", "BROKER_POSITION"], "a bust is never a trade"
    amendment = play.batches[-1].amendments[0]
    assert (amendment.exec_id, amendment.new_exec_id) == ("e1", "e3")
    assert (amendment.quantity_before, amendment.price_before, amendment.quantity_after) == (
        Decimal(4),
        Decimal(99),
        Decimal(0),
    )


def test_a_correction_of_a_correction_names_the_last_one(play: Play) -> None:
    """D34: D -> F -> H. 9 at 110, then at 100, then at 120; each is the whole figures of the execution."""
    play.report(trade("C", "1", "100"))
    play.report(trade("D", "9", "110"))
    assert figures(play) == (S.FILLED, "10", "0", "109")
    play.report(bust("E", "C"))
    assert figures(play) == (S.PARTIALLY_FILLED, "9", "1", "110")
    play.report(correction("F", "D", None, "100"))
    assert figures(play) == (S.PARTIALLY_FILLED, "9", "1", "100")
    play.report(correction("H", "F", "9", "120"))
    assert figures(play) == (S.PARTIALLY_FILLED, "9", "1", "120")
    amendment = play.batches[-1].amendments[0]
    assert (amendment.exec_id, amendment.new_exec_id, amendment.price_before) == ("F", "H", Decimal(100))


def test_an_amendment_told_again_changes_nothing_and_with_other_figures_is_a_break(play: Play) -> None:
    play.report(trade("e1", "4", "100"))
    play.report(correction("e2", "e1", "3", "100"))
    assert play.report(correction("e2", "e1", "3", "100")) is None
    again = play.report(correction("e2", "e1", "2", "100"))
    assert again is not None
    assert not again.events
    assert [one.kind for one in again.breaks] == [BreakKind.AMENDMENT_DIFFERS]
    assert figures(play)[1] == "3"


def test_the_execution_told_again_after_its_correction_is_no_break(play: Play) -> None:
    """By its first figures, as a stream repeats it, or by those in force, as a list has it."""
    play.report(trade("e1", "4", "100"))
    play.report(correction("e2", "e1", "3", "98"))
    assert play.report(trade("e1", "4", "100")) is None
    assert play.report(trade("e1", "3", "98")) is None
    differing = play.report(trade("e1", "5", "98"))
    assert differing is not None
    assert [one.kind for one in differing.breaks] == [BreakKind.EXECUTION_DIFFERS]


def test_an_amendment_waits_for_the_execution_that_it_names(play: Play) -> None:
    """And one amendment for another: told backwards, they end as told forwards."""
    play.report(correction("e3", "e2", "2", "100"))
    play.report(correction("e2", "e1", "3", "100"))
    assert len(play.state.parked) == 2
    assert break_kinds(play) == [BreakKind.EXECUTION_UNKNOWN] * 2
    assert play.report(correction("e2", "e1", "3", "100")) is None, "it waits already"
    play.report(trade("e1", "4", "100"))
    assert not play.state.parked
    assert figures(play) == (S.PARTIALLY_FILLED, "2", "8", "100")
    assert play.held()[0] == "2"


def test_a_broker_whose_busts_do_not_open_an_order_again(play: Play) -> None:
    play.state.capabilities = BrokerCapabilities(bust_reopens=False)
    play.report(trade("e1", "10", "100"))
    play.report(bust("e2", "e1"))
    assert figures(play) == (S.CANCELLED, "0", "0", None)


@pytest.mark.parametrize("can_raise", [True, False])
def test_a_filled_order_that_is_raised_is_a_break_where_that_cannot_be(play: Play, can_raise: bool) -> None:
    play.state.capabilities = BrokerCapabilities(can_raise_filled=can_raise)
    play.report(trade("e1", "10", "100"))
    play.begin(play.replace(quantity="12"))
    play.report(report(K.REPLACED, "c1.2"))
    assert figures(play) == (S.PARTIALLY_FILLED, "10", "2", "100"), "the broker is the truth"
    assert break_kinds(play) == ([] if can_raise else [BreakKind.FILLED_RAISED])


def test_an_absurd_correction_is_not_taken(play: Play) -> None:
    play.report(trade("e1", "4", "100"))
    for said in (correction("e2", "e1", "-1", "100"), correction("e3", "e1", None, None)):
        batch = play.report(said)
        assert batch is not None
        assert not batch.events
        assert [one.kind for one in batch.breaks] == [BreakKind.EXECUTION_UNREADABLE]


def test_an_execution_known_without_its_date_is_the_same_with_it(play: Play) -> None:
    """A stream that does not say the trade date, and a list that does."""
    play.report(replace(trade("e1", "4", "100"), trade_date=None))
    assert play.report(trade("e1", "4", "100", trade_date="2026-11-18")) is None
    play.report(trade("e2", "1", "100", trade_date="2026-11-18"))
    assert play.report(replace(trade("e2", "1", "100"), trade_date=None)) is None
    assert figures(play)[1] == "5"


# --- how an order stands --------------------------------------------------------------------------------------------


def test_a_day_order_that_is_done_for_the_day_is_over_until_it_is_restated(play: Play) -> None:
    play.report(trade("e1", "4", "100"))
    play.report(report(K.DONE_FOR_DAY))
    assert figures(play) == (S.CANCELLED, "4", "0", "100")
    play.report(correction("e2", "e1", "3", "100"))
    assert figures(play) == (S.CANCELLED, "3", "0", "100"), "corrections still come, and do not open it"
    play.report(report(K.RESTATED))
    assert figures(play) == (S.PARTIALLY_FILLED, "3", "7", "100")


def test_a_restatement_changes_the_order_in_place(play: Play) -> None:
    play.report(trade("e1", "4", "100"))
    play.report(report(K.RESTATED, quantity=Decimal(12), limit_price=Decimal(99)))
    assert figures(play) == (S.PARTIALLY_FILLED, "4", "8", "100")
    assert play.order().terms.limit_price == 99
    play.report(report(K.RESTATED, quantity=Decimal(3)))
    assert figures(play) == (S.FILLED, "4", "0", "100"), "never below what is filled"


def test_a_restatement_tells_where_a_trailing_stop_is() -> None:
    """It was asked for without a stop price: that is the market's to say. A limit order never gets one."""
    play = Play()
    terms = limit_terms(order_type=OrderType.TRAILING_STOP, limit_price=None, trail_amount=Decimal("0.2"))
    play.begin(play.create(terms=terms))
    play.report(report(K.ACCEPTED))
    assert play.order().terms.stop_price is None
    for stop in ("9.8", "10.29"):
        play.report(report(K.RESTATED, stop_price=Decimal(stop)))
        assert play.order().terms.stop_price == Decimal(stop)
        assert last_kinds(play) == ["BROKER_ORDER"]
    play.begin(play.create("2"))
    play.report(report(K.RESTATED, "c2.1", stop_price=Decimal(9)))
    assert play.order("2").terms.stop_price is None


def test_a_restatement_older_than_the_last_report_brings_nothing_back(play: Play) -> None:
    play.report(report(K.RESTATED, quantity=Decimal(12), broker_sent_at_ns=START_NS + 2))
    assert play.report(report(K.RESTATED, quantity=Decimal(8), broker_sent_at_ns=START_NS + 1)) is None
    assert play.order().terms.quantity == 12


def test_a_guarantee_is_no_fill_and_ends_with_the_order(play: Play) -> None:
    """D37: stopped with 4 guaranteed; a real fill of 4 leaves it stopped; filled outranks it; so does its end."""
    play.report(report(K.STOPPED, last_quantity=Decimal(4), last_price=Decimal(100)))
    assert figures(play) == (S.STOPPED, "0", "10", None)
    play.report(trade("e1", "4", "100"))
    assert figures(play) == (S.STOPPED, "4", "6", "100")
    play.report(trade("e2", "6", "100"))
    assert figures(play)[0] is S.FILLED
    play.report(bust("e3", "e2"))
    assert figures(play)[0] is S.STOPPED
    play.report(report(K.CANCELLED))
    assert figures(play)[0] is S.CANCELLED


def test_a_status_answer_is_compared_and_never_added_from(play: Play) -> None:
    play.report(trade("e1", "4", "100"))
    assert play.report(report(K.STATUS, cumulative_quantity=Decimal(4))) is None
    batch = play.report(report(K.STATUS, cumulative_quantity=Decimal(6)))
    assert batch is not None
    assert [one.kind for one in batch.breaks] == [BreakKind.CUMULATIVE_DIFFERS]
    assert figures(play)[1] == "4"


def test_another_order_under_a_known_id_is_rejected_and_the_live_one_stands(play: Play) -> None:
    """F.1.b: the rejection describes the live order."""
    assert play.report(report(K.REJECTED, reason_code="duplicate_command_id", reason="known id")) is None
    assert figures(play)[0] is S.NEW


def test_a_cancel_refused_for_an_unknown_order_says_nothing_about_any(play: Play) -> None:
    """7a"""
    before = play.order()
    play.begin(play.cancel())
    play.report(report(K.REQUEST_REFUSED, "c1.2", reason_code="unknown_order"))
    assert replace(play.order(), last_seq=1) == before
    assert play.outcome(seq=2).value == "REFUSED"


def test_a_later_replace_in_force_ends_the_wait_for_the_earlier_one(play: Play) -> None:
    play.begin(play.replace(quantity="20"))
    play.begin(play.replace(quantity="30"))
    play.report(report(K.PENDING_REPLACE, "c1.2"))
    play.report(report(K.PENDING_REPLACE, "c1.3"))
    play.report(report(K.REPLACED, "c1.3"))
    assert figures(play) == (S.NEW, "0", "30", None)
    play.report(report(K.PENDING_REPLACE, "c1.2"))
    assert figures(play)[0] is S.NEW, "it comes late"


def test_a_cancel_acknowledged_behind_a_later_replace_is_pending(play: Play) -> None:
    """Asked in this order; the broker took the replace first. The cancel is still to be decided."""
    play.begin(play.cancel())
    play.begin(play.replace(quantity="20"))
    play.report(report(K.REPLACED, "c1.3"))
    play.report(report(K.PENDING_CANCEL, "c1.2"))
    assert figures(play) == (S.PENDING_CANCEL, "0", "20", None)


def test_a_late_word_of_a_replace_under_whose_id_the_order_ended(play: Play) -> None:
    play.begin(play.replace(quantity="20"))
    play.report(report(K.CANCELLED, "c1.2", broker_sent_at_ns=START_NS + 2))
    play.report(report(K.PENDING_REPLACE, "c1.2", broker_sent_at_ns=START_NS + 1))
    assert figures(play)[0] is S.CANCELLED


def test_a_bust_under_a_replaces_id_does_not_end_the_order_as_that_replace(play: Play) -> None:
    """The order ended by its cancel; the bust behind it names the replace, which the broker has never decided."""
    play.report(trade("e1", "4", "100"))
    play.begin(play.replace(quantity="20"))
    play.begin(play.cancel())
    play.report(report(K.CANCELLED, "c1.3", broker_sent_at_ns=START_NS + 2))
    play.report(bust("b1", "e1", broker_command_id="c1.2", broker_sent_at_ns=START_NS + 3))
    play.report(report(K.PENDING_REPLACE, "c1.2", broker_sent_at_ns=START_NS + 1))
    assert figures(play)[0] is S.PENDING_REPLACE


def test_an_amendment_of_todays_execution_waits_and_does_not_meet_yesterdays(play: Play) -> None:
    """Ids begin anew each day: e1 of today is not here yet, e1 of yesterday stays as it is."""
    play.report(trade("e1", "4", "100", trade_date="2026-11-18"))
    play.report(bust("b1", "e1", trade_date="2026-11-19"))
    assert figures(play)[1] == "4"
    play.report(trade("e1", "3", "100", trade_date="2026-11-19"))
    assert figures(play)[1] == "4", "today's came and was busted"


def test_a_late_acknowledgement_revives_no_rejected_order(play: Play) -> None:
    play.begin(play.cancel())
    play.report(report(K.REJECTED, broker_sent_at_ns=START_NS + 3))
    for kind, command in ((K.ACCEPTED, "c1.1"), (K.PENDING_CANCEL, "c1.2"), (K.DONE_FOR_DAY, "c1.1")):
        play.report(report(kind, command, broker_sent_at_ns=START_NS + 1))
    assert figures(play) == (S.REJECTED, "0", "0", None)


def test_a_fill_that_overtakes_a_restatement_does_not_undo_it(play: Play) -> None:
    play.report(trade("e1", "4", "100", broker_sent_at_ns=START_NS + 5))
    play.report(report(K.RESTATED, quantity=Decimal(12), broker_sent_at_ns=START_NS + 3))
    assert figures(play) == (S.PARTIALLY_FILLED, "4", "8", "100")


def test_a_cancel_that_nobody_here_asked_for_pends_and_ends(play: Play) -> None:
    play.report(report(K.PENDING_CANCEL))
    assert figures(play)[0] is S.PENDING_CANCEL
    play.report(report(K.REQUEST_REFUSED))
    assert figures(play)[0] is S.NEW
    play.report(report(K.PENDING_CANCEL))
    play.report(report(K.CANCELLED))
    assert figures(play)[0] is S.CANCELLED
