"""docs/paper.md: the table of order types and times in force is the one that decides."""

from collections.abc import Iterator
from pathlib import Path

from dropcopyd.brokers.paper.records import Reason
from dropcopyd.domain.order import TimeInForce
from dropcopyd.domain.order_rules import RULES

TEXT = (Path(__file__).parents[2] / "docs" / "paper.md").read_text("utf-8")


def table() -> Iterator[str]:
    """The table as the document prints it: yes or no, then the sentences, equal ones together."""
    yield "| order type | " + " | ".join(f"`{time}`" for time in TimeInForce) + " |"
    yield "| --- |" + " --- |" * len(TimeInForce)
    for order_type, row in RULES.items():
        yield f"| `{order_type}` | " + " | ".join("yes" if cell.is_accepted else "no" for cell in row.values()) + " |"
    for order_type, row in RULES.items():
        yield f"\n**`{order_type}`**\n"
        sentences: dict[str, list[str]] = {}
        for time, cell in row.items():
            sentence = cell.text if cell.is_accepted else f"refused, {cell.text}"
            sentences.setdefault(sentence, []).append(f"`{time}`")
        for sentence, times in sentences.items():
            yield f"- {', '.join(times)}: {sentence}."


def test_the_table_is_the_one_that_decides() -> None:
    assert "\n".join(table()) in TEXT


def test_reason_codes_named_there_exist() -> None:
    for word in ("market_closed", "auction_cutoff", "auction_remainder", "expired", "instrument_expired", "too_late"):
        assert f"`{word}`" in TEXT
        assert word in set(Reason)
