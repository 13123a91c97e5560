"""What an operator does: set up a folder by commands, serve from a settings file, work beside the running daemon."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dropcopy import proto as pb
from tests.support.daemon import Rest, create_command
from tests.support.streams import StreamClient, has

HEADER = "asset_class,symbol,currency,tick_size,quantity_increment\n"


def run(*words: str, fails: bool = False) -> str:
    """A command's stdout, or with `fails` its one line on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "dropcopyd", *words], capture_output=True, text=True, timeout=90, check=False
    )
    assert (done.returncode != 0) == fails, done.stderr
    assert "Traceback" not in done.stderr
    return (done.stderr if fails else done.stdout).strip()


@asynccontextmanager
async def served(settings: Path, **environment: str) -> AsyncIterator[dict[str, str]]:
    """`dropcopyd serve --config`; where it is reached."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dropcopyd", "serve", "--config", str(settings)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        assert process.stdout is not None
        words = (await asyncio.wait_for(process.stdout.readline(), 90)).decode().replace(",", "").split()
        yield {"rest": words[2], "grpc": words[4]}
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_folder_set_up_by_commands_is_served_from_a_settings_file(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    organization_id = run("orgs", "add", "acme", *data)
    account_id = run("accounts", "add", "main", "--org", "acme", *data)
    key = json.loads(run("keys", "add", "bot", "--org", organization_id, *data))
    settings = tmp_path / "dropcopy.toml"
    settings.write_text(f'data = "{tmp_path / "data"}"\nrest_port = 0\ngrpc_port = 0\n[limits]\nheartbeat_s = 0.3\n')
    async with served(settings, DROPCOPYD_LOG_LEVEL="warning") as addresses:
        info: dict[str, Any] = {**addresses, "api_key": key["api_key"], "account_id": account_id}
        async with Rest(info) as rest, StreamClient(info["grpc"], info["api_key"]) as client:
            client.subscribe(account_id)
            await client.until(has("status"))
            bonds = tmp_path / "bonds.csv"
            bonds.write_text(HEADER + "EQUITY,NEWCO,USD,0.01,1\n")
            answer = await rest.submit(create_command("NEWCO", "BUY", "1"))
            assert answer.json()["code"] == "unknown_symbol"
            assert run("instruments", "import", str(bonds), *data) == "1 new of 1 instruments"
            assert run("instruments", "import", str(bonds), *data) == "0 new of 1 instruments"
            await rest.create("NEWCO", "BUY", "1")
            await client.until(
                lambda events: [e for e in events if e.command_outcome.outcome == pb.COMMAND_OUTCOME_KIND_ACCEPTED],
                "the outcome of an order in the instrument just imported",
            )
            run("keys", "disable", key["key_id"], *data)
            assert (await rest.submit(create_command("AAPL", "BUY", "1"))).status_code == 401
    bonds.write_text(HEADER + "EQUITY,NEWCO,USD,0.05,1\n")
    assert "terms never change" in run("instruments", "import", str(bonds), *data, fails=True)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("rest_prt = 1\n", "rest_prt"),
        ('grpc_host = "0.0.0.0"\n', "not a loopback address"),
        ("[limits]\nheartbeats = 1\n", "there is no limit 'heartbeats'"),
        ("rest_port = 70000\n", "rest_port"),
        ("this is not toml", "settings"),
        ("grpc_tls_port = 0\n", "tls_certificate"),
        ('prices = ["csv:EURUSD"]\n', "csv:EURUSD"),
        ('clock = "noon"\n', "must be START[@SPEED]"),
        ('clock = "2026-11-24T09:25:00"\n', "needs an offset"),
        ('clock = "2026-11-24T09:25:00Z@0"\n', "speed"),
    ],
)
def test_unusable_settings_are_one_clear_line(tmp_path: Path, settings: str, said: str) -> None:
    path = tmp_path / "dropcopy.toml"
    path.write_text(f'data = "{tmp_path / "data"}"\n{settings}')
    line = run("serve", "--config", str(path), fails=True)
    assert said in line
    assert line.count("\n") == 0


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    listed = tmp_path / "listed.csv"
    listed.write_text("asset_class,symbol,calendar\nEQUITY,TENCENT,XHKG\nEQUITY,NEWCO,XYZZ\n")
    assert "no exchange calendar 'XYZZ'" in run("instruments", "import", str(listed), *data, fails=True)
    assert "there is no journal" in run("keys", "disable", "nothing", *data, fails=True)
    run("orgs", "add", "acme", *data)
    assert "no organization 'nobody'" in run("accounts", "add", "main", "--org", "nobody", *data, fails=True)
    assert "no key 'nothing'" in run("keys", "disable", "nothing", *data, fails=True)
    assert "exists already" in run("orgs", "add", "acme", *data, fails=True)
    assert "missing.csv" in run("instruments", "import", str(tmp_path / "missing.csv"), *data, fails=True)
    assert "no settings file" in run("serve", "--config", str(tmp_path / "none.toml"), fails=True)


def test_the_operator_restricts_and_lists_keys(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    run("orgs", "add", "acme", *data)
    account_id = run("accounts", "add", "main", "--org", "acme", *data)
    restricted = ("--account", account_id, "--address", "10.0.0.0/8", "--symbol", "AAPL", "--order-notional", "1000")
    added = json.loads(run("keys", "add", "bot", "--org", "acme", "--scope", "intents:edit", *restricted, *data))
    (listed,) = [json.loads(line) for line in run("keys", "list", "--org", "acme", *data).splitlines()]
    assert (listed["key_id"], listed["scopes"]) == (added["key_id"], ["intents:edit"])
    assert (listed["account_ids"], listed["allowed_addresses"]) == ([account_id], ["10.0.0.0/8"])
    assert added["api_key"].split("_")[2] not in json.dumps(listed)
    assert "no account" in run("keys", "add", "x", "--org", "acme", "--account", "nobody", *data, fails=True)
    assert "is no network" in run("keys", "add", "x", "--org", "acme", "--address", "10.0.0.1/8", *data, fails=True)
    assert "--day-notional" in run("keys", "add", "x", "--org", "acme", "--day-notional", "much", *data, fails=True)
    assert json.loads(run("orgs", "list", *data))["name"] == "acme"


def open_files(pid: int) -> tuple[str, str]:
    """Soft and hard limit of a process."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    soft, hard = next(line for line in lines if line.startswith("Max open files")).split()[3:5]
    return soft, hard


async def test_the_daemon_raises_its_limit_of_open_files_to_the_hard_one(tmp_path: Path) -> None:
    command = f"ulimit -Sn 256 && exec {sys.executable} -m dropcopyd dev --json --data {tmp_path / 'data'}"
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f"{command} --rest-port 0 --grpc-port 0 --grpc-tls-port 0"), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 90)
        soft, hard = open_files(process.pid)
        assert soft == hard != "256"
    finally:
        process.kill()
        await process.wait()
