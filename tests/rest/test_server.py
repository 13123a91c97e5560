"""The port: opened on any free number, drained without losing an answer."""

import asyncio
import contextlib
import dataclasses
import socket
from pathlib import Path

import pytest

from dropcopyd.observe import Metrics
from dropcopyd.rest.app import create_app
from dropcopyd.rest.gate import Dependencies
from dropcopyd.rest.server import RestServer
from tests.rest.gateway import Gateway, Tenants, create, opened
from tests.rest.test_protocol import GOOD, Wire, request, wire

REFUSED = r"refused|Connect call failed"


async def test_a_port_in_use_is_an_os_error(gateway: Gateway) -> None:
    app = create_app(_fresh(gateway))
    server = RestServer(app, "127.0.0.1", gateway.server.port)
    with pytest.raises(OSError, match="in use"):
        await server.run()
    with pytest.raises(RuntimeError):
        _ = server.port


def _fresh(gateway: Gateway) -> Dependencies:
    """The gateway's parts with a registry of their own."""
    return dataclasses.replace(gateway.dependencies, metrics=Metrics())


async def test_a_cancelled_run_cuts_every_connection(gateway: Gateway) -> None:
    server = RestServer(create_app(_fresh(gateway)), "127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(server.run())
        await server.started()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200" in await reader.readline()
        running.cancel()
    with contextlib.suppress(ConnectionResetError):
        await reader.read()
    writer.close()
    with pytest.raises(OSError, match=REFUSED):
        await asyncio.open_connection("127.0.0.1", server.port)


async def test_stop_lets_a_submit_finish_and_takes_nothing_new(tmp_path: Path, tenants: Tenants) -> None:
    async with opened(tmp_path, tenants) as gateway, wire(gateway) as busy, wire(gateway) as idle:
        actor = await gateway.actors.get(tenants.account_id)
        async with actor.serial():
            await busy.send(request(gateway))
            await _until_waiting(gateway)
            stopping = asyncio.create_task(gateway.server.stop(5))
            assert await idle.ended() == b""
            with pytest.raises(OSError, match=REFUSED):
                await asyncio.open_connection("127.0.0.1", gateway.server.port)
            await asyncio.sleep(1.5)  # longer than what stop waits for by itself
        status, headers, answer = await busy.answer()
        assert (status, headers["connection"]) == (201, "close")
        await stopping
        command = await gateway.store.record.queries.latest_action(tenants.account_id, answer["intent_id"])
        assert command is not None


async def test_stop_cuts_what_does_not_finish_and_undoes_nothing(tmp_path: Path, tenants: Tenants) -> None:
    async with opened(tmp_path, tenants) as gateway, wire(gateway) as reading, wire(gateway) as busy:
        actor = await gateway.actors.get(tenants.account_id)
        await reading.send(request(gateway, GOOD[:-1], f"Content-Length: {len(GOOD)}"))
        async with actor.serial():
            await busy.send(request(gateway, GOOD, "Idempotency-Key: k"))
            await _until_waiting(gateway)
            stopping = asyncio.create_task(gateway.server.stop(0.05))
            assert await reading.ended() == b""
            assert await busy.ended() == b""
        await stopping
        await gateway.server.stop(0)
    async with opened(tmp_path, tenants) as gateway:
        intent_id = (await gateway.submit(create(), key="k")).json()["intent_id"]
        assert [order["intent_id"] for order in (await gateway.get("orders"))["data"]] == [intent_id]


async def _until_waiting(gateway: Gateway) -> None:
    """Until a submit stands before the account's serial section."""
    actor = await gateway.actors.get(gateway.tenants.account_id)
    while not actor.serial()._waiters:
        await asyncio.sleep(0.01)


async def test_a_slow_client_gets_all_its_answers(tmp_path: Path, tenants: Tenants) -> None:
    """Megabytes of pipelined pages, more than all buffers hold, not read until the server was told to stop."""
    smile = "\U0001f600" * 128  # 1,536 bytes as JSON escapes
    async with opened(tmp_path, tenants) as gateway:
        body = create() | {"client_reference_id": smile, "strategy_id": smile}
        await asyncio.gather(*(gateway.submit(body) for _ in range(100)))
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", gateway.server.port))
        peer = Wire(*await asyncio.open_connection(sock=connection, limit=1_024))
        await peer.send(request(gateway, b"", method="GET", path="orders") * 12)
        await asyncio.sleep(0.1)
        stopping = asyncio.create_task(gateway.server.stop(30))
        await asyncio.sleep(0.1)
        for _ in range(12):
            status, _, page = await peer.answer()
            assert (status, len(page["data"])) == (200, 100)
        peer.writer.close()
        await stopping
