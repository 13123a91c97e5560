"""Buckets of requests: their size, how they refill, and that they cost no memory once they are full again."""

from hypothesis import given
from hypothesis import strategies as st

from dropcopyd.domain.account import Principal
from dropcopyd.domain.limits import Limits
from dropcopyd.flow import rates
from dropcopyd.flow.rates import Policy, Rates
from tests.doubles import ManualClock

KEY = Principal("organization", "key", frozenset())


def limited(clock: ManualClock, quota: int, window_s: int = 10) -> Rates:
    return Rates(clock, Limits(requests_per_key=quota, rate_window_s=window_s))


@given(quota=st.integers(1, 30), pauses=st.lists(st.floats(0, 3), max_size=80))
def test_never_more_than_the_quota_and_what_came_back(quota: int, pauses: list[float]) -> None:
    clock = ManualClock()
    buckets = limited(clock, quota)
    begun_ns, passed = clock.monotonic_ns(), 0
    for pause in pauses:
        clock.advance(pause)
        allowance = buckets.take(KEY)
        if allowance.refusal is None:
            passed += 1
            assert 0 <= allowance.remaining < quota
        else:
            assert 0 < allowance.wait_ns <= 10 * 10**9
            assert allowance.remaining == 0
        came_back = (clock.monotonic_ns() - begun_ns) * quota // (10 * 10**9)
        assert passed <= quota + came_back + 1


def test_waiting_as_long_as_told_is_enough() -> None:
    clock = ManualClock()
    buckets = limited(clock, 3)
    for _ in range(3):
        assert buckets.take(KEY).refusal is None
    refused = buckets.take(KEY)
    assert refused.refusal is not None
    clock.advance(int(str(refused.refusal.facts["retry_after_s"])))
    assert buckets.take(KEY).refusal is None


def test_policies_and_keys_are_apart() -> None:
    clock = ManualClock()
    buckets = limited(clock, 1)
    assert buckets.take(KEY).refusal is None
    assert buckets.take(KEY).refusal is not None
    assert buckets.take(KEY, Policy.CANCELS).refusal is None
    assert buckets.take(Principal("organization", "other", frozenset())).refusal is None


def test_memory_is_bounded() -> None:
    clock = ManualClock()
    buckets = limited(clock, 100)
    most = rates._KEYS_MAX
    for number in range(most + 10):
        buckets.take(Principal("organization", f"k{number}", frozenset()))
    assert len(buckets) <= most
