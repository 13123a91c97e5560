"""Our own document, exercised by schemathesis with all of its checks; `make fuzz` does so for longer."""

from pathlib import Path

import pytest

from tests.rest.fuzzing import fuzz


@pytest.mark.timeout(600)
async def test_the_document_is_what_is_served(tmp_path: Path) -> None:
    code, report = await fuzz(tmp_path, examples=1, seed=1, phases="coverage")
    assert code == 0, report
