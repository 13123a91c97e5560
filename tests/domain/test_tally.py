"""Buckets of durations and what is read back from them."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dropcopyd.domain.tally import bucket_end_ns, bucket_of, percentile_ns

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


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile_ns({}, 500) is None
