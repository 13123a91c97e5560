"""A small version of `make reconcile-campaign`."""

from pathlib import Path

from tests.soak.reconciling import campaign


async def test_no_false_break_while_fills_arrive(tmp_path: Path) -> None:
    outcome = await campaign(tmp_path / "data", reconciliations=10, rate=50)
    assert not outcome.false_breaks, outcome.lines
    assert not outcome.problems, outcome.lines
    assert outcome.planted == outcome.found == 1
    assert sum(outcome.verdicts.values()) == 10
    assert outcome.fills > 10
