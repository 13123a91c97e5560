"""Placeholders: the real execution takes their place in one batch; what is not it leaves them alone."""

from decimal import Decimal
from typing import Any

import pytest

from dropcopyd.domain import machine
from dropcopyd.domain.amendment import AmendmentKind
from dropcopyd.domain.breaks import BreakKind
from dropcopyd.domain.event import Batch, EventType
from dropcopyd.domain.reconciliation import BreakStatus, Difference, Figure, ResolutionAction, Ticket
from dropcopyd.domain.report import OrderReport, ReportKind
from dropcopyd.errors import Code, DropcopyError, InvalidError
from tests.domain.build import SECOND_NS, START_NS, Play, correction, limit_terms, report, trade


def decided(
    play: Play, action: ResolutionAction, *, seen_ns: int | None = None, break_id: str = "b1", **asked: Any
) -> Batch:
    """What a person decides about the filled quantity of order o1, which was last seen just now."""
    difference = Difference(
        kind=BreakKind.QUANTITY,
        subject="o1",
        figure=Figure.FILLED_QUANTITY,
        ours="3",
        theirs="7",
        detail="",
        order_id="o1",
    )
    ticket = Ticket(
        break_id=break_id,
        account_id="a",
        difference=difference,
        status=BreakStatus.OPEN,
        first_at_ns=START_NS,
        last_at_ns=play.now_ns if seen_ns is None else seen_ns,
    )
    decision = machine.Decision(action=action, reason="statement", **asked)
    batch = machine.resolve(
        play.state, ticket, decision, principal_id="key", asked={}, instrument=None, now_ns=play.now_ns
    )
    play.take(batch)
    return batch


def booked(play: Play, quantity: str = "4", price: str = "101", seen_ns: int | None = None) -> Batch:
    """A person's placeholder on order o1."""
    figures: dict[str, Any] = {"quantity": Decimal(quantity), "price": Decimal(price)}
    return decided(play, ResolutionAction.BOOK_EXECUTION, seen_ns=seen_ns, **figures)


@pytest.fixture
def play() -> Play:
    """An order of ten, three of them filled, then a placeholder of four; half a minute has passed."""
    play = Play()
    play.create(terms=limit_terms("10"))
    play.report(report(ReportKind.ACCEPTED))
    play.report(trade("e1", "3", "100", cumulative_quantity=Decimal(3), broker_sent_at_ns=play.now_ns))
    play.now_ns += 30 * SECOND_NS
    booked(play)
    return play


def missing(quantity: str, **facts: Any) -> OrderReport:
    return trade("real", quantity, "100.25", **facts)


def filled(play: Play) -> str:
    return f"{play.order().filled_quantity:f}"


def test_it_counts_like_an_execution(play: Play) -> None:
    assert (filled(play), play.held()[0]) == ("7", "7")
    assert play.batches[-1].trades[0].exec_id == "placeholder:b1"


def test_the_real_one_takes_its_place_in_one_batch(play: Play) -> None:
    batch = play.report(missing("4", broker_sent_at_ns=START_NS + SECOND_NS))
    assert batch is not None
    (amendment,) = batch.amendments
    assert (amendment.kind, amendment.exec_id) == (AmendmentKind.BUST, "placeholder:b1")
    assert not amendment.quantity_after
    assert batch.trades[0].exec_id == "real"
    assert [Decimal(one) for one in (filled(play), *play.held())] == [7, 7, 701, 0]
    assert [event.kind for event in batch.events].count(EventType.BROKER_POSITION) == 1
    assert play.order().filled_value == Decimal(701)
    assert not batch.breaks
    assert play.report(missing("4", broker_sent_at_ns=START_NS + SECOND_NS)) is None, "again is a repetition"


def test_in_pieces_the_rest_stays_until_it_comes(play: Play) -> None:
    first = play.report(missing("1", broker_sent_at_ns=START_NS + SECOND_NS))
    assert first is not None
    (amendment,) = first.amendments
    assert (amendment.kind, amendment.quantity_after) == (AmendmentKind.CORRECTION, Decimal(3))
    assert filled(play) == play.held()[0] == "7"
    second = play.report(trade("real2", "3", "100.25", broker_sent_at_ns=START_NS + 2 * SECOND_NS))
    assert second is not None
    assert second.amendments[0].kind is AmendmentKind.BUST
    assert filled(play) == play.held()[0] == "7"


def test_more_than_it_stood_for_counts_besides(play: Play) -> None:
    play.report(missing("5", broker_sent_at_ns=START_NS + SECOND_NS))
    assert filled(play) == play.held()[0] == "8"


def test_two_placeholders_give_together_what_the_real_one_brings(play: Play) -> None:
    """Four and two are booked; of the five that come the first takes four, the second one."""
    figures: dict[str, Any] = {"quantity": Decimal(2), "price": Decimal(102)}
    decided(play, ResolutionAction.BOOK_EXECUTION, break_id="b2", **figures)
    batch = play.report(missing("5", broker_sent_at_ns=START_NS + SECOND_NS))
    assert batch is not None
    left = [(one.exec_id, one.quantity_after) for one in batch.amendments]
    assert left == [("placeholder:b1", Decimal(0)), ("placeholder:b2", Decimal(1))]
    assert filled(play) == play.held()[0] == "9"


def test_a_fill_of_later_is_another_one(play: Play) -> None:
    """It happened after the placeholder was booked."""
    batch = play.report(missing("3", broker_sent_at_ns=play.now_ns, cumulative_quantity=Decimal(10)))
    assert batch is not None
    assert not batch.amendments
    assert filled(play) == "10"


def test_the_brokers_count_says_how_much_was_counted_already(play: Play) -> None:
    """Without times: the broker's count after it is 9, so 2 of these 4 are new."""
    play.report(missing("4", cumulative_quantity=Decimal(9)))
    assert filled(play) == play.held()[0] == "9"
    assert [batch.amendments[0].quantity_after for batch in play.batches if batch.amendments] == [2]


def test_without_time_and_count_only_its_equal_is_the_real_one(play: Play) -> None:
    play.report(trade("other", "2", "101"))
    assert filled(play) == "9"
    play.report(trade("real", "4", "101"))
    assert filled(play) == play.held()[0] == "9"


def test_a_real_one_that_is_busted_leaves_nothing(play: Play) -> None:
    play.report(missing("4", broker_sent_at_ns=START_NS + SECOND_NS))
    play.report(report(ReportKind.BUST, exec_id="b", exec_ref_id="real"))
    assert (filled(play), play.held()[0]) == ("3", "3")


def test_it_needs_a_quantity_above_zero(play: Play) -> None:
    with pytest.raises(InvalidError):
        booked(play, quantity="0")


def test_what_came_before_it_was_booked_is_not_booked_again() -> None:
    """The real execution has come since the break was last seen."""
    play = Play()
    play.create(terms=limit_terms("10"))
    seen_ns = play.now_ns
    play.now_ns += SECOND_NS
    play.report(trade("real", "4", "100.25", broker_sent_at_ns=seen_ns))
    with pytest.raises(DropcopyError) as refused:
        booked(play, seen_ns=seen_ns)
    assert refused.value.code is Code.BREAK_CHANGED
    assert filled(play) == play.held()[0] == "4"


@pytest.mark.parametrize("count", [None, Decimal(7)])
def test_a_correction_that_makes_the_real_one_larger_takes_from_the_rest(play: Play, count: Decimal | None) -> None:
    """One of four was told first, then corrected to all four: none counts twice."""
    play.report(missing("1", broker_sent_at_ns=START_NS + SECOND_NS))
    corrected = correction("k", "real", "4", "100.25", broker_sent_at_ns=play.now_ns, cumulative_quantity=count)
    batch = play.report(corrected)
    assert batch is not None
    left = [(one.exec_id, one.quantity_after) for one in batch.amendments]
    assert left == [("placeholder:b1", Decimal(0)), ("real", Decimal(4))]
    assert filled(play) == play.held()[0] == "7"
    assert play.order().filled_value == Decimal(701)
    assert not batch.breaks
    assert play.report(corrected) is None


def test_a_correction_that_is_larger_than_the_rest_counts_besides(play: Play) -> None:
    play.report(missing("1", broker_sent_at_ns=START_NS + SECOND_NS))
    play.report(correction("k", "real", "6", "100.25"))
    assert filled(play) == play.held()[0] == "9"


def test_a_correction_of_the_price_or_of_another_fill_of_later_leaves_it(play: Play) -> None:
    play.report(correction("k", "e1", "3", "99"))
    later = play.now_ns + SECOND_NS
    play.report(trade("later", "1", "100", broker_sent_at_ns=later))
    play.report(correction("k2", "later", "2", "100", broker_sent_at_ns=later))
    assert filled(play) == play.held()[0] == "9"


def test_a_bust_that_came_before_the_real_one_waits_for_it(play: Play) -> None:
    play.report(report(ReportKind.BUST, exec_id="b", exec_ref_id="real"))
    assert filled(play) == "7"
    play.report(missing("4", broker_sent_at_ns=START_NS + SECOND_NS))
    assert not play.state.parked
    assert filled(play) == play.held()[0] == "3"


@pytest.mark.parametrize(("to", "left"), [("0", "3"), ("1", "4")])
def test_it_is_taken_back_as_a_whole_or_in_part(play: Play, to: str, left: str) -> None:
    batch = decided(play, ResolutionAction.BOOK_CORRECTION, quantity=Decimal(to))
    assert [(one.exec_id, one.new_exec_id) for one in batch.amendments] == [("placeholder:b1", "correction:b1")]
    assert batch.amendments[0].kind is (AmendmentKind.CORRECTION if int(to) else AmendmentKind.BUST)
    assert filled(play) == play.held()[0] == left
    play.report(missing("4", broker_sent_at_ns=START_NS + SECOND_NS))
    assert filled(play) == play.held()[0] == "7"


def test_only_what_stands_is_taken_back_and_by_how_much_is_said(play: Play) -> None:
    refused: tuple[dict[str, Any], ...] = ({}, {"quantity": Decimal(-1)})
    for asked in refused:
        with pytest.raises(InvalidError):
            decided(play, ResolutionAction.BOOK_CORRECTION, **asked)
    with pytest.raises(DropcopyError):
        decided(play, ResolutionAction.BOOK_CORRECTION, quantity=Decimal(0), seen_ns=START_NS)
    decided(play, ResolutionAction.BOOK_CORRECTION, quantity=Decimal(0))
    with pytest.raises(InvalidError):
        decided(play, ResolutionAction.BOOK_CORRECTION, quantity=Decimal(0))
    assert filled(play) == "3"
