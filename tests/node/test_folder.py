"""The running program and its folder: what stays over a restart, and that only one may hold it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dropcopy import proto as pb
from tests.support.daemon import Daemon
from tests.support.streams import StreamClient, has

ORDER = pb.EVENT_TYPE_BROKER_ORDER


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with Daemon(tmp_path / "data") as running:
        yield running


def open_client(daemon: Daemon) -> StreamClient:
    return StreamClient(daemon.info["grpc"], daemon.info["api_key"])


async def test_the_same_folder_keeps_ids_key_and_epoch_over_a_restart(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "data")
    epochs = []
    infos = []
    for _ in range(2):
        async with daemon:
            async with open_client(daemon) as client:
                client.subscribe(daemon.info["account_id"], (ORDER,))
                await client.until(has("status"))
                epochs.append(client.of("status")[0].epoch)
            infos.append({name: daemon.info[name] for name in ("api_key", "organization_id", "account_id", "ca")})
            await daemon.stop()
    assert epochs[0] == epochs[1]
    assert infos[0] == infos[1]


async def test_a_second_daemon_on_the_folder_is_refused(daemon: Daemon) -> None:
    second = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dropcopyd", "dev", "--data", str(daemon.folder), "--rest-port", "0"),
        *("--grpc-port", "0", "--grpc-tls-port", "0"),
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    _, error = await asyncio.wait_for(second.communicate(), 90)
    assert second.returncode == 1
    assert b"in use by another dropcopyd" in error
    assert b"Traceback" not in error
