"""The benchmark of the record runs: tiny numbers, every question answered, and not a word about speed."""

from pathlib import Path

from bench.record import QUESTIONS, WHOLE, build, measure, report


def test_every_question_is_answered_over_copied_days(tmp_path: Path) -> None:
    account_id = build(tmp_path / "data", 2_000, day_events=500)
    figures = measure(tmp_path / "data", account_id, 3)
    assert set(figures) == {*QUESTIONS, WHOLE}
    report({2_000: figures})
