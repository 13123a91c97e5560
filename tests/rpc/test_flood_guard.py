"""How many control frames a peer may send: pings of a keepalive always, a flood never."""

import pytest
from h2.exceptions import DenialOfServiceError

from dropcopyd.domain.limits import TransportLimits
from dropcopyd.rpc.frames import FloodGuard
from tests.doubles import ManualClock


def guard(clock: ManualClock) -> FloodGuard:
    limits = TransportLimits()
    return FloodGuard(limits.control_frames_per_s_max, limits.control_frames_burst, clock.monotonic_ns)


@pytest.mark.parametrize("interval_s", [10.0, 0.01], ids=["as documented", "far more often than any library"])
def test_pings_at_an_interval_are_tolerated_for_ever(interval_s: float) -> None:
    clock = ManualClock()
    counted = guard(clock)
    for _ in range(20_000):
        clock.advance(interval_s)
        counted.count()


def test_a_flood_is_not_however_long_the_peer_was_quiet() -> None:
    clock = ManualClock()
    counted = guard(clock)
    clock.advance(86_400)
    for _ in range(TransportLimits().control_frames_burst):
        counted.count()
    with pytest.raises(DenialOfServiceError):
        counted.count()
