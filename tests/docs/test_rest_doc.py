"""docs/rest.md and what belongs to it: the examples run as printed, one after another."""

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.rest.gateway import opened, populate
from tests.rest.test_openapi import ROUTES

DOCS = Path(__file__).parents[2] / "docs"
TEXT = "".join((DOCS / name).read_text("utf-8") for name in ("rest.md", "rest/record.md", "paper.md", "keys.md"))
EXAMPLES = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("bash") is None, reason="needs curl and bash")
async def test_the_examples_run(tmp_path: Path) -> None:
    tenants = populate(tmp_path)
    async with opened(tmp_path, tenants) as gateway:
        environment = {
            "PATH": os.environ["PATH"],
            "REST": str(gateway.client.base_url).rstrip("/"),
            "KEY": tenants.key,
            "ACCOUNT": tenants.account_id,
        }
        script = "set -euo pipefail\n" + "".join(EXAMPLES)
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", script, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        order = (await gateway.get("orders"))["data"][0]
        actions = (await gateway.get(f"intents/{order['intent_id']}/actions"))["data"]
    assert [action["action_type"] for action in actions] == ["CREATE", "REPLACE", "CANCEL"]
    assert order["client_reference_id"] == "my-order-1"
    assert len(EXAMPLES) == 11


def test_each_route_is_listed_once() -> None:
    rows = re.findall(r"^\| `(/\S+)` \| (.*?) \| \[.+\) \|$", (DOCS / "rest.md").read_text("utf-8"), re.MULTILINE)
    listed = [(method, path) for path, methods in rows for method in re.findall(r"[A-Z]+", methods)]
    assert sorted(listed) == sorted(ROUTES)
