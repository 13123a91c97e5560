"""A reader that does not read costs the gateway no memory, is cut with its cursor, and loses nothing."""

from pathlib import Path

import pytest

from tests.soak import unread

_GROWTH_BYTES_MAX = 3 * 1024 * 1024
_EVENT_BYTES = 250


@pytest.mark.timeout(240)
async def test_memory_stays_flat_past_a_reader_that_does_not_read(tmp_path: Path) -> None:
    events = 25_000
    assert events * _EVENT_BYTES > 1.5 * _GROWTH_BYTES_MAX, "too few to tell"
    figures = await unread.run(tmp_path / "data", events=events, stall_s=8, warm_up=20_000)
    print(figures)
    assert figures.unread_events > events * 0.9, "it was to take nothing"
    assert figures.passing_bytes < _GROWTH_BYTES_MAX
    assert figures.catch_up_bytes < _GROWTH_BYTES_MAX
