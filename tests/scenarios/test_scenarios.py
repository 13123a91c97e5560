"""The command `dropcopyd scenarios run` on a small file, and on the published one where it is given."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.spec import spec_file

FILLED: list[dict[str, Any]] = [
    {"t": 1, "in": {"type": "NewOrder", "clordid": "X", "orig": None, "qty": 10}, "out": None},
    {"t": 2, "in": None, "out": {"exec_type": "NEW", "ord_status": "NEW", "order_qty": 10, "cum_qty": 0}},
    {"t": 3, "in": None, "out": {"exec_type": "TRADE", "ord_status": "FILLED", "cum_qty": 10, "last_qty": 10}},
]


async def run(file: Path) -> tuple[int | None, list[str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dropcopyd", "scenarios", "run", str(file), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await asyncio.wait_for(process.communicate(), 100)
    return process.returncode, told.decode().splitlines()


def written(folder: Path, last_filled: int, *, quirks: list[str] | None = None, exec_type: str = "TRADE") -> Path:
    rows = json.loads(json.dumps(FILLED))
    for row in rows[1:]:
        row["out"] |= {"type": "ExecutionReport", "clordid": "X"}
    rows[2]["out"] |= {"cum_qty": last_filled, "exec_type": exec_type}
    file = folder / "scenarios.json"
    file.write_text(json.dumps([{"id": "one", "path_names": ["main"], "paths": [rows], "quirks": quirks or []}]))
    return file


async def test_a_path_that_the_stream_bears_out_passes(tmp_path: Path) -> None:
    code, lines = await run(written(tmp_path, 10))
    assert (code, lines[-1]) == (0, "1 passed, 0 failed")


async def test_a_path_that_the_stream_contradicts_fails(tmp_path: Path) -> None:
    code, lines = await run(written(tmp_path, 9))
    assert (code, lines[-1]) == (1, "0 passed, 1 failed")
    assert "at t=3: filled_quantity is 10, not 9" in lines[0]


async def test_a_quirk_is_told_apart_and_fails_nothing(tmp_path: Path) -> None:
    code, lines = await run(written(tmp_path, 9, quirks=["t=3: printed so"]))
    assert (code, lines[-1]) == (0, "1 passed, 0 failed")
    assert "quirk at t=3" in lines[0]


async def test_a_word_that_nobody_knows_is_a_failure_line(tmp_path: Path) -> None:
    code, lines = await run(written(tmp_path, 10, exec_type="UNHEARD_OF"))
    assert (code, lines[-1]) == (1, "0 passed, 1 failed")


async def test_every_path_of_the_matrices_passes() -> None:
    """What the published file below lacks, each with the rule that it follows."""
    code, lines = await run(Path(__file__).with_name("matrices.json"))
    assert code == 0, [line for line in lines if "FAILED" in line]
    assert lines[-1] == "98 passed, 0 failed"


@pytest.mark.spec
async def test_every_published_path_passes() -> None:
    code, lines = await run(spec_file("spec/fix_order_states.json"))
    assert code == 0, [line for line in lines if "FAILED" in line]
    assert lines[-1] == "64 passed, 0 failed"
