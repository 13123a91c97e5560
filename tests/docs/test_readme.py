"""README's Python example runs as printed, and its make targets are the Makefile's."""

import asyncio
import os
import re
import sys
from pathlib import Path

from tests.support.daemon import Daemon

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


async def test_the_python_example_prints_orders(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(code)
    async with Daemon(tmp_path / "data") as daemon:
        connection = {
            "DROPCOPY_REST": daemon.info["rest"],
            "DROPCOPY_GRPC": daemon.info["grpc"],
            "DROPCOPY_API_KEY": daemon.info["api_key"],
            "DROPCOPY_ACCOUNT": daemon.info["account_id"],
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(script),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **connection, "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(90):
                while not (line := (await process.stdout.readline()).decode()).startswith("Order("):
                    assert line, "the example ended without an order"
        finally:
            process.kill()
            await process.wait()
        assert "AAPL" in line


def test_the_make_targets_it_names_exist() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    named = set(re.findall(r"\bmake ([a-z-]+)", README + (ROOT / "CONTRIBUTING.md").read_text("utf-8")))
    assert named <= set(targets)
    assert {"setup", "demo", "test", "lint", "types", "gen", "ci", "bench"} <= set(targets)
