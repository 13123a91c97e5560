"""The guide's own Python example, as printed but for its four placeholders, against the real daemon over TLS."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, Rest
from tests.support.spec import spec_file

PROTO = Path(__file__).parents[2] / "proto"


def guide_example(text: str) -> str:
    """The code block of the section `Python example flow`."""
    start = text.index("import asyncio", text.index("Python example flow"))
    return text[start : text.index("Unsubscribe flow")]


def generate(folder: Path) -> None:
    """The Python client, by the guide's command, into the package `generated` of the folder."""
    package = folder / "generated"
    package.mkdir()
    files = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", "."]
    outputs = [f"--python_out={package}", f"--grpc_python_out={package}"]
    subprocess.run([*command, *outputs, *files], cwd=PROTO, check=True, timeout=60)


async def run_example(folder: Path, code: str, daemon: Daemon) -> asyncio.subprocess.Process:
    (folder / "example.py").write_text(code)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{folder}{os.pathsep}{folder / 'generated'}",
        "PYTHONUNBUFFERED": "1",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": daemon.info["ca"],
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, str(folder / "example.py"), stdout=asyncio.subprocess.PIPE, env=environment
    )


async def read_until(process: asyncio.subprocess.Process, lines: list[str], *patterns: str) -> None:
    """Read lines of output until each pattern was seen."""
    assert process.stdout is not None
    wanted = list(patterns)
    async with asyncio.timeout(30):
        while wanted:
            line = (await process.stdout.readline()).decode()
            assert line, f"the example ended early, without {wanted}; it printed {lines}"
            lines.append(line)
            wanted = [pattern for pattern in wanted if not re.match(pattern, line)]


@pytest.mark.spec
async def test_the_guides_example_as_printed_hears_orders_and_positions(tmp_path: Path) -> None:
    code = guide_example(spec_file("spec/streaming-guide.txt").read_text("utf-8"))
    generate(tmp_path)
    async with Daemon(tmp_path / "data", "--heartbeat-s", "0.5") as daemon, Rest(daemon.info) as rest:
        for old, new in (
            ("YOUR_API_KEY", daemon.info["api_key"]),
            ("YOUR_TRADING_ACCOUNT_ID", daemon.info["account_id"]),
            ("api.anthid.com:443", daemon.info["grpc_tls"]),
        ):
            assert code.count(old) == 1
            code = code.replace(old, new)
        process = await run_example(tmp_path, code, daemon)
        lines: list[str] = []
        try:
            await read_until(process, lines, "heartbeat", "status subscribed")
            await rest.create("AAPL", "BUY", "5")
            await read_until(process, lines, "broker order", "broker position", "heartbeat")
        finally:
            process.kill()
            await process.wait()
        assert any('quantity: "5"' in line for line in lines)


@pytest.mark.spec
async def test_the_guides_unsubscribe_flow_stops_the_events(tmp_path: Path) -> None:
    """Its `yield` statement, as printed, put after the example's first request."""
    text = spec_file("spec/streaming-guide.txt").read_text("utf-8")
    code = guide_example(text)
    section = text[text.index("Unsubscribe flow") :]
    unsubscribe = section[section.index("yield") : section.index("Keep the stream")].rstrip()
    after_signal = (
        "    while not os.path.exists(os.environ['UNSUBSCRIBE_WHEN']):\n        await asyncio.sleep(0.05)\n"
        + "".join(f"    {line}\n" for line in unsubscribe.splitlines())
        + "\n    while True:"
    )
    assert code.count("    while True:") == 1
    code = "import os\n" + code.replace("    while True:", after_signal)
    generate(tmp_path)
    async with Daemon(tmp_path / "data", "--heartbeat-s", "0.3") as daemon, Rest(daemon.info) as rest:
        for old, new in (
            ("YOUR_API_KEY", daemon.info["api_key"]),
            ("YOUR_TRADING_ACCOUNT_ID", daemon.info["account_id"]),
            ("api.anthid.com:443", daemon.info["grpc_tls"]),
        ):
            code = code.replace(old, new)
        os.environ["UNSUBSCRIBE_WHEN"] = str(tmp_path / "now")
        process = await run_example(tmp_path, code, daemon)
        lines: list[str] = []
        try:
            await read_until(process, lines, "status subscribed")
            await rest.create("MSFT", "BUY", "3")
            await read_until(process, lines, "broker order", "broker position")
            (tmp_path / "now").touch()
            await read_until(process, lines, "status unsubscribed")
            lines.clear()
            await rest.create("MSFT", "BUY", "4")
            await read_until(process, lines, "heartbeat")
            await read_until(process, lines, "heartbeat")
        finally:
            process.kill()
            await process.wait()
            del os.environ["UNSUBSCRIBE_WHEN"]
        assert not [line for line in lines if line.startswith(("broker order", "broker position"))]
