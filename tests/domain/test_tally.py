"""Buckets of durations and what is read back from them."""

import math
from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from dropcopyd.domain.command import Command
from dropcopyd.domain.instrument import key_of
from dropcopyd.domain.tally import Before, Tally, bucket_end_ns, bucket_of, gain_of, percentile_ns
from tests.domain.build import INVERSE, Play, bust, correction, trade

DURATIONS = st.one_of(st.integers(0, 100), st.integers(0, 10**15))


@given(DURATIONS)
def test_a_bucket_is_no_wider_than_a_sixteenth(taken_ns: int) -> None:
    bucket = bucket_of(taken_ns)
    end_ns = bucket_end_ns(bucket)
    assert taken_ns <= end_ns <= taken_ns + taken_ns // 16
    assert bucket_of(end_ns) == bucket
    assert bucket_of(end_ns + 1) == bucket + 1


@given(st.lists(DURATIONS, min_size=1, max_size=200), st.sampled_from([1, 500, 900, 990, 1000]))
def test_a_percentile_is_at_most_a_sixteenth_above(durations: list[int], permille: int) -> None:
    exact = sorted(durations)[math.ceil(len(durations) * permille / 1000) - 1]
    found = percentile_ns(Counter(map(bucket_of, durations)), permille)
    assert found is not None
    assert exact <= found <= exact + exact // 16


def last_gain(play: Play, realized_before: str) -> Tally:
    """What the newest batch adds, all of it of one strategy."""
    batch = play.batches[-1]
    commands = {(one.intent_id, one.seq): (one.outcome, one.stamps) for one in batch.commands}
    realized = {key_of(one.instrument): Decimal(realized_before) for one in batch.positions}
    (tally,) = gain_of(batch, Before(commands, realized), ()).tallies.values()
    return tally


def begun(play: Play, name: str, **facts: object) -> Command:
    command = play.create(name, **facts)
    play.begin(command)
    return command


def test_amendments_move_volume_and_value_by_their_difference() -> None:
    play = Play()
    begun(play, "1", strategy_id="s")
    play.report(trade("e1", "2", "10"))
    play.report(trade("e2", "1", "11"))
    play.report(correction("e3", "e1", "3", "10.5"))
    gained = last_gain(play, "0")
    assert (gained.counts, gained.amounts) == (
        {"corrections": 1},
        {"volume": Decimal(1), "notional|USD": Decimal("11.5")},
    )
    play.report(bust("e4", "e3"))
    gained = last_gain(play, "0")
    assert (gained.counts, gained.amounts) == (
        {"busts": 1},
        {"volume": Decimal(-3), "notional|USD": Decimal("-31.5")},
    )


def test_a_bust_of_an_inverse_perpetual_has_no_price_to_divide_by() -> None:
    play = Play()
    begun(play, "1", instrument=INVERSE)
    play.report(trade("e1", "2", "50000"))
    play.report(bust("e2", "e1"))
    gained = last_gain(play, "0")
    assert gained.amounts["volume"] == -2
    assert gained.amounts[f"notional|{INVERSE.currency}"] < 0


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile_ns({}, 500) is None
