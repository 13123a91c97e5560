"""The fold against a model that sorts and adds up everything from nothing, and numbers to check by hand."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropcopyd.domain.adjustment import AdjustmentKind
from dropcopyd.domain.fold import CHECKPOINT_STEPS, STEPS_MAX
from dropcopyd.domain.instrument import Instrument, key_of
from dropcopyd.domain.needs import NeedsAdjustment, NeedsHistory
from tests.domain.build import AAPL, ES, LINEAR, START_NS
from tests.domain.classes import ALL, BITCOIN, CALL, YES
from tests.domain.ledger import DAY_NS, Ledger
from tests.histories.compare import compare_position
from tests.histories.ledger import MOVES, LedgerModel, ledger_of

K = AdjustmentKind


# --- numbers to check by hand ----------------------------------------------------------------------------------------


def test_a_late_fill_is_folded_where_it_belongs() -> None:
    """100 @ 10, then 100 sold @ 12; late comes a purchase of 100 @ 11 that was between them.

    In order: 200 for 2100, average 10.50; the sale removes 1050 and realizes 1200 - 1050 = 150. Folded as they came it
    would have been 200 realized and 100 @ 11 left.
    """
    ledger = Ledger()
    ledger.trade("first", "100", "10", at=1)
    ledger.trade("sale", "-100", "12", at=3)
    assert ledger.held() == ("0", "0", "200")
    ledger.trade("late", "100", "11", at=2)
    assert ledger.held() == ("100", "1050", "150")


def test_a_late_fill_before_the_last_flat_refolds_from_the_flat_before_it() -> None:
    """Flat at 2 with 100 realized; 10 @ 50 bought at 4. Late: 10 more sold @ 12 at 1.5, before the flat.

    10 @ 10 bought, 10 sold @ 12 (gain 20, flat), the sale of 10 @ 20 opens a short of 200, and the purchase @ 50
    closes it: 200 - 500 = -300. In all -280, flat.
    """
    ledger = Ledger()
    ledger.trade("in", "10", "10", at=1)
    ledger.trade("out", "-10", "20", at=3)
    assert ledger.held() == ("0", "0", "100")
    ledger.trade("again", "10", "50", at=4)
    assert ledger.held() == ("10", "500", "100")
    ledger.trade("late", "-10", "12", at=2)
    assert ledger.held() == ("0", "0", "-280")


def test_a_correction_that_flips_the_sign_of_a_position() -> None:
    """Bought 100 @ 10, sold 80 @ 11; the sale is corrected to 180 @ 11.

    100 are closed: 1100 - 1000 = 100 realized. 80 are short @ 11: cost 880.
    """
    ledger = Ledger()
    ledger.trade("bought", "100", "10", at=1)
    ledger.trade("sold", "-80", "11", at=2)
    assert ledger.held() == ("20", "200", "80")
    ledger.amend("sold", "-180", "11")
    assert ledger.held() == ("-80", "880", "100")


def test_a_bust_takes_the_execution_out_of_what_came_after_it() -> None:
    """10 @ 1, 10 @ 3, 10 sold @ 5: average 2, so 30 realized. Without the 10 @ 3: 40 realized and flat."""
    ledger = Ledger()
    ledger.trade("a", "10", "1", at=1)
    ledger.trade("b", "10", "3", at=2)
    ledger.trade("c", "-10", "5", at=3)
    assert ledger.held() == ("10", "20", "30")
    ledger.bust("b")
    assert ledger.held() == ("0", "0", "40")


def test_fractions_of_a_coin_are_exact_to_the_last_digit() -> None:
    """0.00000003 of a coin at 97123.45 cost 0.0029137035; a third of it goes for its part, rounded once."""
    ledger = Ledger(BITCOIN)
    ledger.trade("in", "0.00000003", "97123.45", at=1)
    assert ledger.held() == ("0.00000003", "0.0029137035", "0")
    ledger.trade("out", "-0.00000001", "100000", at=2)
    assert ledger.held() == ("0.00000002", "0.001942469", "0.0000287655")


def test_ties_and_absent_times_keep_the_order_of_arrival() -> None:
    """Same time: the sale came second and stays second. Without a time: behind what is known."""
    ledger = Ledger()
    ledger.trade("a", "10", "1", at=5)
    ledger.trade("b", "-10", "3", at=5)
    ledger.trade("c", "10", "2")
    ledger.trade("d", "-10", "4", at=6)
    assert ledger.held() == ("0", "0", "40")
    ledger.trade("e", "-5", "9", at=4)  # now the first: 5 * 8, then 5 * 2, 5 * 1 and 5 * 2 are realized; 5 short @ 4
    assert ledger.held() == ("-5", "20", "65")


# --- the day ---------------------------------------------------------------------------------------------------------


def test_daily_pnl_over_a_roll() -> None:
    """Day 1: 10 bought @ 100, mark 102: 20. The roll marks 105. Day 2: 4 sold @ 108, mark 107.

    Day 2: realized 4 * (108 - 100) = 32; the 6 left are worth 6 * 7 = 42 more than they cost, the 10 were worth
    10 * 5 = 50 more at the roll: 32 + 42 - 50 = 24. The same by hand: 4 * (108 - 105) + 6 * (107 - 105) = 24.
    """
    ledger = Ledger()
    ledger.mark("102")
    ledger.trade("in", "10", "100", at=1)
    assert ledger.daily() == "20"
    ledger.mark("105")
    ledger.roll(at=DAY_NS)
    assert ledger.daily() == "0"
    ledger.mark("107")
    ledger.trade("out", "-4", "108", at=DAY_NS + 1)
    assert ledger.daily() == "24"
    assert (ledger.position.value_bought, ledger.position.value_sold) == (Decimal(0), Decimal(432))


def test_a_fill_of_yesterday_that_comes_today_is_yesterdays() -> None:
    """10 @ 100, roll at a mark of 105; then a sale of 4 @ 103 of before the roll comes.

    At the roll 6 were held: they are today's 6 * (106 - 105) = 6; the sale's 12 are realized, but yesterday.
    """
    ledger = Ledger()
    ledger.trade("in", "10", "100", at=1)
    ledger.mark("105")
    ledger.roll(at=DAY_NS)
    ledger.mark("106")
    ledger.trade("late", "-4", "103", at=2)
    assert ledger.held() == ("6", "600", "12")
    assert ledger.daily() == "6"
    assert (ledger.position.value_bought, ledger.position.value_sold) == (Decimal(0), Decimal(0))


def test_what_the_broker_dates_after_the_roll_is_todays_even_when_it_came_before_it() -> None:
    ledger = Ledger()
    ledger.mark("100")
    ledger.trade("yesterday", "10", "100", at=1)
    ledger.trade("today", "5", "100", at=DAY_NS + 1)
    ledger.roll(at=DAY_NS)
    assert (ledger.position.day_quantity, ledger.position.value_bought) == (Decimal(10), Decimal(500))


def test_without_a_mark_there_is_no_daily_pnl_but_for_what_needs_none() -> None:
    ledger = Ledger()
    ledger.trade("in", "10", "100", at=1)
    assert ledger.daily() is None
    ledger.trade("out", "-10", "101", at=2)
    assert ledger.daily() == "10", "flat now, flat when the account began: all of it is realized"
    ledger.trade("over night", "10", "100", at=3)
    ledger.roll(at=DAY_NS)
    ledger.mark("105")
    ledger.trade("out again", "-10", "106", at=DAY_NS + 1)
    assert ledger.daily() is None, "what it was worth at the roll is not known"


def test_what_came_in_without_a_price_leaves_the_day_unknown_until_the_next_roll() -> None:
    ledger = Ledger()
    ledger.mark("100")
    ledger.adjust("in", K.TRANSFER, "10", at=1, cost="900")
    assert ledger.held() == ("10", "900", "0")
    assert ledger.daily() is None
    ledger.roll(at=DAY_NS)
    assert ledger.daily() == "0"


def test_a_roll_publishes_what_moved_and_nothing_else_and_only_once() -> None:
    ledger = Ledger()
    ledger.trade("in", "10", "100", at=1)
    ledger.trade("out", "-10", "101", at=2)
    batch = ledger.roll(at=DAY_NS)
    assert batch is not None
    assert [event.kind.value for event in batch.events] == ["ADJUSTMENT", "BROKER_POSITION"]
    assert ledger.roll(at=DAY_NS) is None
    again = ledger.roll(at=2 * DAY_NS)
    assert again is not None
    assert [event.kind.value for event in again.events] == ["ADJUSTMENT"], "flat, and nothing moved"


# --- adjustments -----------------------------------------------------------------------------------------------------


def test_a_split_keeps_the_cost_and_the_average_follows() -> None:
    """30 @ 120 cost 3600; two for one is 60 @ 60. A sale of 20 @ 70 realizes 20 * 10."""
    ledger = Ledger()
    ledger.trade("in", "30", "120", at=1)
    ledger.adjust("split", K.SPLIT, "30", at=2)
    assert (ledger.held(), ledger.position.average_cost) == (("60", "3600", "0"), Decimal(60))
    ledger.trade("out", "-20", "70", at=3)
    assert ledger.held() == ("40", "2400", "200")


def test_a_fill_of_before_the_split_that_comes_after_it() -> None:
    """The late 10 @ 90 were before the two-for-one of 20 @ 120; the broker's delta of 20 stays what it was."""
    ledger = Ledger()
    ledger.trade("in", "20", "120", at=1)
    ledger.adjust("split", K.SPLIT, "20", at=3)
    ledger.trade("late", "10", "90", at=2)
    assert ledger.held() == ("50", "3300", "0")


def test_a_reverse_split_with_cash_in_lieu() -> None:
    """15 @ 1 one-for-ten is 1.5; the half share is paid out at 6: 14 go, cash 6, nothing of the cost."""
    ledger = Ledger()
    ledger.trade("in", "15", "1", at=1)
    ledger.adjust("split", K.SPLIT, "-14", at=2, cash="6")
    assert ledger.held() == ("1", "15", "6")


def test_an_option_expires_worthless() -> None:
    """Long 2 at 2.50 a share of 100 lose 500; short 2 keep it."""
    ledger = Ledger(CALL)
    ledger.trade("in", "2", "2.5", at=1)
    ledger.adjust("expiry", K.EXPIRY, "-2", at=2)
    assert ledger.held() == ("0", "0", "-500")
    short = Ledger(CALL)
    short.trade("in", "-2", "2.5", at=1)
    short.adjust("expiry", K.EXPIRY, "2", at=2)
    assert short.held() == ("0", "0", "500")


def test_a_prediction_pays_out() -> None:
    """100 at 0.40 cost 40; YES pays 1 each."""
    ledger = Ledger(YES)
    ledger.trade("in", "100", "0.4", at=1)
    ledger.adjust("resolved", K.EXPIRY, "-100", at=2, cash="100")
    assert ledger.held() == ("0", "0", "60")


def test_a_future_settles_in_cash_for_its_profit() -> None:
    """One at 5000, settled at 5010: the broker pays 10 points of 50."""
    ledger = Ledger(ES)
    ledger.trade("in", "1", "5000", at=1)
    ledger.adjust("settled", K.EXPIRY, "-1", at=2, cash="500")
    assert ledger.held() == ("0", "0", "500")


def test_assignment_delivers_shares_at_the_strike() -> None:
    """100 shares come for 19,000; a further assignment calls 40 of them away at 200: 8000 - 7600."""
    ledger = Ledger()
    ledger.adjust("put", K.ASSIGNMENT, "100", at=1, cash="-19000")
    assert ledger.held() == ("100", "19000", "0")
    ledger.adjust("call", K.ASSIGNMENT, "-40", at=2, cash="8000")
    assert ledger.held() == ("60", "11400", "400")


def test_funding_is_realized_in_the_currency_of_the_profit_and_a_fee_is_not() -> None:
    ledger = Ledger(LINEAR)
    ledger.trade("in", "10", "100", at=1)
    ledger.adjust("funding", K.FUNDING, at=2, cash="-1.5")
    ledger.adjust("other money", K.FUNDING, at=3, cash="7", currency="EUR")
    fee = ledger.adjust("fee", K.FEE, at=4, cash="-3")
    assert ledger.held() == ("10", "10", "-1.5")
    assert fee is not None
    assert [event.kind.value for event in fee.events] == ["ADJUSTMENT"]


def test_a_transfer_takes_its_part_of_the_cost_along() -> None:
    """A third of 100 goes with a third of it, rounded once, and nothing is realized."""
    ledger = Ledger()
    ledger.trade("in", "3", "33.333333333333333334", at=1)
    ledger.adjust("out", K.TRANSFER, "-1", at=2)
    assert ledger.held() == ("2", "66.666666666666666668", "0")
    ledger.adjust("back", K.TRANSFER, "2", at=3)
    assert ledger.held() == ("4", "133.333333333333333336", "0")


def test_the_same_adjustment_again_changes_nothing_and_another_one_under_its_id_is_told() -> None:
    ledger = Ledger()
    ledger.adjust("one", K.OPENING, "10", at=1, cost="100")
    assert ledger.adjust("one", K.OPENING, "10", at=1, cost="100") is None
    batch = ledger.adjust("one", K.OPENING, "11", at=1, cost="100")
    assert batch is not None
    assert not batch.events
    assert "other content" in batch.breaks[0].detail
    assert ledger.held() == ("10", "100", "0")


# --- what is in memory -----------------------------------------------------------------------------------------------


def test_steps_in_memory_are_bounded_and_what_is_older_is_asked_for() -> None:
    ledger = Ledger()
    for number in range(1, 1000):
        ledger.trade(f"e{number}", "1", "10", at=number)
    fold = ledger.state.folds[key_of(AAPL)]
    assert len(fold.steps) <= 2 * STEPS_MAX
    with pytest.raises(NeedsHistory) as needs:
        ledger.trade("late", "1", "10", at=5)
    assert (needs.value.key, needs.value.fold_ns) == (key_of(AAPL), START_NS + 5)
    with pytest.raises(NeedsHistory) as needs:
        ledger.bust("e7")
    assert needs.value.ref == "e7"
    assert ledger.held() == ("999", "9990", "0"), "a decision that asks has changed nothing"


def test_a_partial_state_asks_for_what_it_does_not_have() -> None:
    ledger = Ledger()
    ledger.state.is_partial = True
    with pytest.raises(NeedsHistory) as needs:
        ledger.trade("a", "1", "10")
    assert (needs.value.ref, needs.value.fold_ns) == (None, None)
    ledger.state.unknown_keys.add(key_of(AAPL))
    ledger.trade("a", "1", "10")
    with pytest.raises(NeedsAdjustment):
        ledger.adjust("x", K.FEE, cash="1")


def test_there_is_a_checkpoint_at_every_flat_and_every_so_many_steps() -> None:
    ledger = Ledger()
    checkpoints = []
    for number in range(3 * CHECKPOINT_STEPS):
        ledger.trade(f"e{number}", "1", "10", at=number)
        checkpoints.append(ledger.state.folds[key_of(AAPL)].steps[-1].is_checkpoint)
    assert [index for index, is_checkpoint in enumerate(checkpoints, 1) if is_checkpoint] == [64, 128, 192]
    ledger.trade("out", f"-{3 * CHECKPOINT_STEPS}", "10", at=1000)
    assert ledger.state.folds[key_of(AAPL)].steps[-1].is_checkpoint


# --- against the model -----------------------------------------------------------------------------------------------

amounts = st.builds(lambda units, places: Decimal(units).scaleb(-places), st.integers(1, 10**6), st.integers(0, 4))
signs = st.sampled_from([1, -1])
times = st.none() | st.integers(1, 9).map(lambda tenths: tenths * DAY_NS // 4)


def maybe(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


@st.composite
def happenings(draw: st.DrawFn) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    days = 0
    for _ in range(draw(st.integers(1, 14))):
        verb = draw(st.sampled_from(["trade"] * 5 + ["amend", "amend", "bust", "adjust", "adjust", "roll"]))
        facts: dict[str, Any] = {"signed": str(draw(amounts) * draw(signs)), "price": str(draw(amounts))}
        if verb in ("amend", "bust"):
            facts["which"] = draw(st.integers(0, 20))
        elif verb == "adjust":
            facts["kind"] = draw(st.sampled_from([k for k in K if k not in (K.FEE, K.DAY_ROLL)]))
            facts["closes"] = draw(st.booleans())
            facts["cash"] = draw(st.none() | st.builds(lambda a, s: str(a * s), amounts, signs))
            facts["cost"] = draw(st.none() | amounts.map(str))
        elif verb == "roll":
            days += 1
            facts["at"] = days * DAY_NS
            facts["mark"] = str(draw(amounts))
        if verb in ("trade", "adjust"):
            facts["at"] = draw(times)
        found.append((verb, facts))
    return found


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(ALL), happenings(), amounts)
def test_the_fold_is_the_models_whatever_comes_in_whatever_order(
    instrument: Instrument, found: list[tuple[str, dict[str, Any]]], mark: Decimal
) -> None:
    play(Ledger(instrument), ledger_of(instrument.symbol), found, mark)


def play(ledger: Ledger, model: LedgerModel, found: list[tuple[str, dict[str, Any]]], mark: Decimal) -> None:
    day_mark: Fraction | None = None
    trades: list[tuple[str, int]] = []
    for number, (verb, facts) in enumerate(found):
        ledger.mark(facts.get("mark", str(mark)))
        name = f"{verb}{number}"
        if verb == "trade":
            sent = None if facts["at"] is None else facts["at"] + START_NS
            model.add(name, sent, signed=Fraction(facts["signed"]), price=Fraction(facts["price"]))
            ledger.trade(name, facts["signed"], facts["price"], facts["at"])
            trades.append((name, 1 if Fraction(facts["signed"]) > 0 else -1))
        elif verb in ("amend", "bust"):
            if not trades:
                continue
            which, side = trades[facts["which"] % len(trades)]
            size = "0" if verb == "bust" else facts["signed"].lstrip("-")
            signed = f"-{size}" if side < 0 else size
            model.amend(which, Fraction(signed), Fraction(facts["price"]))
            ledger.amend(which, signed, facts["price"])
        elif verb == "adjust":
            adjust(ledger, model, name, facts)
        else:
            held = key_of(ledger.instrument) in ledger.state.positions and ledger.position.quantity
            model.roll_at = facts["at"] + START_NS
            ledger.roll(facts["at"])
            day_mark = Fraction(facts["mark"]) if held else None
        if key_of(ledger.instrument) in ledger.state.positions:
            compare_position(ledger.position, model, Fraction(facts.get("mark", str(mark))), day_mark)


def adjust(ledger: Ledger, model: LedgerModel, name: str, facts: dict[str, Any]) -> None:
    kind: AdjustmentKind = facts["kind"]
    quantity: str | None = facts["signed"]
    if facts["closes"] and key_of(ledger.instrument) in ledger.state.positions:
        quantity = f"{-ledger.position.quantity:f}"
    if kind is K.FUNDING:
        quantity = None
    sent = None if facts["at"] is None else facts["at"] + START_NS
    cash = None if kind.value in MOVES else facts["cash"]
    model.add(
        name,
        sent,
        kind=kind.value,
        signed=Fraction(quantity or 0),
        cost=maybe(facts["cost"]),
        cash=Fraction(cash or 0),
    )
    ledger.adjust(name, kind, quantity, facts["at"], cost=facts["cost"], cash=cash)
