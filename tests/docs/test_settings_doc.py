"""docs/settings.md has each setting and limit once, with the default that is in force."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from dropcopyd.config import Settings
from dropcopyd.domain.limits import Limits, TransportLimits

TEXT = Path("docs/settings.md").read_text("utf-8")


def rows() -> Iterator[tuple[str, str]]:
    for name, field in Settings.model_fields.items():
        value = field.get_default(call_default_factory=True)
        yield name, "none" if value is None else f"`{json.dumps(value, default=str)}`"
    for kind in (Limits, TransportLimits):
        for limit in fields(kind):
            yield limit.name, f"{limit.default:,}"


def test_each_setting_is_there_once_with_its_default() -> None:
    told = re.findall(r"^\| `(\w+)` \| (.*?) \| .+ \|$", TEXT, re.MULTILINE)
    assert told == list(rows())
