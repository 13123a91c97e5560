"""docs/errors.md has a row for every code, and each row says what the tables of the edges say."""

import re
from pathlib import Path

import pytest

from dropcopyd.errors import Code
from dropcopyd.rest.errors import STATUS
from dropcopyd.rpc.guard import STATUSES

TEXT = (Path(__file__).parents[2] / "docs" / "errors.md").read_text("utf-8")
ROWS = {
    cells[0].strip("`"): cells[1:]
    for line in TEXT.splitlines()
    if line.startswith("| `") and (cells := [cell.strip() for cell in line.strip("|").split(" | ")])
}


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_row_that_is_true(code: Code) -> None:
    http, grpc, meaning, remedy = ROWS[code.value]
    assert int(http) == STATUS[code][0]
    assert grpc == STATUSES[code].name
    assert meaning
    assert remedy


def test_no_row_is_of_a_code_that_is_gone() -> None:
    assert set(ROWS) == {code.value for code in Code}
    assert len(re.findall(r"(?m)^\| `", TEXT)) == len(Code)
