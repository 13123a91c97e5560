"""Streams at the quota of several organizations: all stay, one more is refused, and many come back at once."""

from pathlib import Path

from tests.soak import idle


async def test_idle_streams_stay_and_come_back_with_all_they_missed(tmp_path: Path) -> None:
    figures = await idle.run(tmp_path / "data", organizations=5, each=30, returning=75, heartbeat_s=0.5)
    print(figures)
    assert figures.streams == 150
    assert figures.beats >= figures.streams, "each has a heartbeat in three intervals"
    assert len(figures.back_s) == 75
