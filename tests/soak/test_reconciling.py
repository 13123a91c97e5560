"""A small version of `make reconcile-campaign`."""

from pathlib import Path

import pytest

from tests.soak import reconciling
from tests.soak.reconciling import campaign


async def test_no_false_break_while_fills_arrive(tmp_path: Path) -> None:
    outcome = await campaign(tmp_path / "data", reconciliations=10, rate=50)
    assert not outcome.false_breaks, outcome.lines
    assert not outcome.problems, outcome.lines
    assert outcome.planted == outcome.found == 1
    assert sum(outcome.verdicts.values()) == 10
    assert outcome.fills > 10


async def test_reports_later_than_the_interval_are_missed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a machine that does not keep up looks like: far more is under way than the broker's list keeps of each
    order. Such an execution counts as missed, as documented; no count is a break."""
    monkeypatch.setattr(reconciling, "_WINDOW", 2)
    outcome = await campaign(tmp_path / "data", reconciliations=10, rate=100, lag_s=1.0)
    assert not outcome.false_breaks, outcome.lines
    assert not outcome.problems, outcome.lines
    assert outcome.late
    assert outcome.longest_s > 0.15
