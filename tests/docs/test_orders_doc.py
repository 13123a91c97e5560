"""The transition table and the capabilities in docs/orders.md are the product's."""

import re
from dataclasses import fields
from pathlib import Path

from dropcopyd.domain.order import OrderStatus
from dropcopyd.domain.report import BrokerCapabilities
from dropcopyd.domain.transitions import TRANSITIONS

TEXT = Path("docs/orders.md").read_text("utf-8")


def test_the_table_of_what_may_follow_what_is_the_machines() -> None:
    names = "|".join(status.value for status in OrderStatus)
    rows = re.findall(rf"^\| ({names}) \| ({names}) \| (.*?) ?\|$", TEXT, re.MULTILINE)
    assert {(before, after): reason for before, after, reason in rows} == {
        (before.value, after.value): reason for (before, after), reason in TRANSITIONS.items()
    }


def test_every_capability_and_status_is_explained() -> None:
    for field in fields(BrokerCapabilities):
        assert f"| `{field.name}` |" in TEXT
    for status in OrderStatus:
        assert f"`{status.value}`" in TEXT
