"""schemathesis over our own document against the real port, with all of its checks: `python -m tests.rest.fuzzing`.

What it needs to know beside the document is in `schemathesis.toml` beside this file.
"""

import argparse
import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.rest.gateway import PATIENT, opened, populate

SETTINGS: Final = Path(__file__).with_name("schemathesis.toml")
LIMITS: Final = replace(PATIENT, requests_per_key=10_000_000, intents_in_flight_per_account=10_000_000)
"""The fuzzer's key is not the limit."""


async def fuzz(folder: Path, *, examples: int, seed: int, phases: str = "examples,coverage,fuzzing") -> tuple[int, str]:
    """Exit code and report of one run on a fresh folder."""
    tenants = populate(folder)
    async with opened(folder, tenants, LIMITS) as gateway:
        intent_id = await gateway.create()
        (order,) = (await gateway.get("orders"))["data"]
        names = {
            "FUZZ_ACCOUNT": tenants.account_id,
            "FUZZ_INTENT": intent_id,
            "FUZZ_ORDER": order["order_id"],
            "FUZZ_KEY": tenants.read_key.split("_")[1],
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "run"),
            f"{str(gateway.client.base_url).rstrip(chr(47))}/openapi.json",
            *("--checks", "all", "--phases", phases, "--max-examples", str(examples), "--seed", str(seed)),
            *("--header", f"x-api-key: {tenants.key}", "--no-shrink", "--generation-database", "none"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **names},
            cwd=folder,
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, output.decode()


def main() -> None:
    """A longer run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        code, report = asyncio.run(fuzz(Path(folder), examples=asked.examples, seed=asked.seed, phases=asked.phases))
    print(report)
    sys.exit(code)


if __name__ == "__main__":
    main()
