"""Peers that vanish without a word - a cable is pulled - give back their places, whatever edge serves them."""

import asyncio
import json
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_NAMESPACE = ("unshare", "--map-root-user", "--net")


async def _run(*command: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(150):
        out, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


async def test_streams_whose_peers_vanish_are_gone_from_the_list(tmp_path: Path) -> None:
    """Takes 25 s: the kernel gives up a silent connection ten seconds after `stall_s`, and backs off between looks."""
    if shutil.which("unshare") is None or (await _run(*_NAMESPACE, "true"))[0]:
        pytest.skip("no network namespace can be made here")
    status, out, errors = await _run(*_NAMESPACE, sys.executable, "-m", "tests.node.vanishing", str(tmp_path))
    assert status == 0, errors
    before, after = json.loads(out)
    assert before == ["CONNECT", "CONNECT", "GRPC", "GRPC_WEB", "GRPC_WEB", "SSE"]
    assert after == []
