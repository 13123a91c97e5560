"""The connection: bytes that are no HTTP, bodies that never end, and answers that stay true beside them."""

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from dropcopyd.domain.limits import Limits
from tests.rest.gateway import Gateway, Tenants, create, opened

IMPATIENT = Limits(dispatch_deadline_s=600, request_read_s=0.2)
GOOD = json.dumps(create()).encode()


class Wire:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """(status, headers, JSON body) of the next answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await self.reader.readexactly(int(headers["content-length"]))
        return int(status.split()[1]), headers, json.loads(body)

    async def ended(self) -> bytes:
        """Whatever still comes until the server closes."""
        with contextlib.suppress(ConnectionResetError):
            return await self.reader.read()
        return b""


@contextlib.asynccontextmanager
async def wire(gateway: Gateway) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def request(gateway: Gateway, body: bytes = GOOD, *headers: str, method: str = "POST", path: str = "intents") -> bytes:
    """A request; its Content-Length is the body's unless the headers say something of their own."""
    lines = [f"{method} {gateway.account}/{path} HTTP/1.1", "Host: localhost", f"x-api-key: {gateway.tenants.key}"]
    lines += ["Content-Type: application/json", *headers]
    if not any(name in "".join(headers) for name in ("Content-Length", "Transfer-Encoding")):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def count_orders(gateway: Gateway) -> int:
    return len((await gateway.get("orders"))["data"])


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50,  # a TLS hello
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\na: \x00\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    ],
)
async def test_bytes_that_are_no_http(gateway: Gateway, data: bytes) -> None:
    async with wire(gateway) as peer:
        await peer.send(data)
        status, headers, problem = await peer.answer()
        assert (status, problem["code"], headers["connection"]) == (400, "malformed_request", "close")
        assert headers["content-type"] == "application/problem+json"
        assert await peer.ended() == b""


async def test_garbage_behind_a_good_submit_does_not_change_its_answer(gateway: Gateway) -> None:
    """A 400 here would say "refused" of an order that is on its way."""
    async with wire(gateway) as peer:
        await peer.send(request(gateway) + b"garbage\r\n\r\n")
        status, headers, answer = await peer.answer()
        assert (status, headers["connection"]) == (201, "close")
        assert await peer.ended() == b""
    assert (await gateway.get(f"intents/{answer['intent_id']}"))["seq"] == 1
    assert await count_orders(gateway) == 1


async def test_a_body_longer_than_announced_is_cut_where_announced(gateway: Gateway) -> None:
    async with wire(gateway) as peer:
        await peer.send(request(gateway, GOOD + b"}}}", f"Content-Length: {len(GOOD)}"))
        assert (await peer.answer())[0] == 201
        assert await peer.ended() == b""
    assert await count_orders(gateway) == 1


async def test_garbage_behind_pipelined_submits_answers_the_first_or_nothing(gateway: Gateway) -> None:
    async with wire(gateway) as peer:
        await peer.send(request(gateway) + request(gateway) + b"garbage\r\n\r\n")
        assert (await peer.answer())[0] == 201
        assert await peer.ended() == b""
    assert await count_orders(gateway) == 1


async def test_pipelined_submits_are_answered_in_order(gateway: Gateway) -> None:
    async with wire(gateway) as peer:
        await peer.send(b"".join(request(gateway, GOOD, f"Idempotency-Key: {number}") for number in range(5)))
        ids = [(await peer.answer())[2]["intent_id"] for _ in range(5)]
    for number, intent_id in enumerate(ids):
        assert (await gateway.submit(create(), key=str(number))).json() == {"intent_id": intent_id}
    assert await count_orders(gateway) == 5


async def test_a_broken_chunk_is_a_400_and_nothing_is_submitted(gateway: Gateway) -> None:
    async with wire(gateway) as peer:
        await peer.send(request(gateway, b"", "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n" % (len(GOOD), GOOD))
        await asyncio.sleep(0.05)
        await peer.send(b"not a chunk\r\n")
        status, _, problem = await peer.answer()
        assert (status, problem["code"]) == (400, "malformed_request")
        assert await peer.ended() == b""
    assert await count_orders(gateway) == 0


async def test_a_client_that_leaves_inside_its_body_submits_nothing(gateway: Gateway) -> None:
    async with wire(gateway) as peer:
        await peer.send(request(gateway, GOOD[:-1], f"Content-Length: {len(GOOD)}"))
        await asyncio.sleep(0.05)
    await gone(gateway)
    assert await count_orders(gateway) == 0


async def gone(gateway: Gateway) -> None:
    while 'status="gone"' not in (await gateway.client.get("/metrics")).text:
        await asyncio.sleep(0.01)


async def test_a_chunked_body_is_a_body(gateway: Gateway) -> None:
    async with wire(gateway) as peer:
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in GOOD) + b"0\r\n\r\n"
        await peer.send(request(gateway, b"", "Transfer-Encoding: chunked") + chunks)
        assert (await peer.answer())[0] == 201


@pytest.mark.parametrize("head", [b"x" * 40_000, b"x: y\r\n" * 6_000, b"x: " + b"y" * 200_000])
async def test_a_head_over_32_kib(gateway: Gateway, head: bytes) -> None:
    async with wire(gateway) as peer:
        with contextlib.suppress(ConnectionError):
            await peer.send(b"GET /healthz HTTP/1.1\r\n" + head)
        status, _, problem = await peer.answer()
        assert (status, problem["code"]) == (431, "request_too_large")


async def test_a_whole_head_over_32_kib(gateway: Gateway) -> None:
    async with wire(gateway) as peer:
        await peer.send(request(gateway, GOOD, "x: " + "y" * 33_000))
        assert (await peer.answer())[0] == 431
    assert await count_orders(gateway) == 0


async def test_a_head_of_nearly_32_kib_is_fine(gateway: Gateway) -> None:
    async with wire(gateway) as peer:
        for _ in range(3):
            await peer.send(request(gateway, GOOD, "x: " + "y" * 32_000))
            assert (await peer.answer())[0] == 201


async def test_a_body_that_does_not_come(tmp_path: Path, tenants: Tenants) -> None:
    async with opened(tmp_path, tenants, IMPATIENT) as gateway:
        async with wire(gateway) as peer:
            await peer.send(request(gateway, GOOD[:-1], f"Content-Length: {len(GOOD)}"))
            status, headers, problem = await peer.answer()
            assert (status, problem["code"], headers["connection"]) == (408, "request_timeout", "close")
            assert await peer.ended() == b""
        assert await count_orders(gateway) == 0


@pytest.mark.parametrize("data", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: a\r\n"])
@pytest.mark.parametrize("is_second", [False, True])
async def test_a_head_that_does_not_come(tmp_path: Path, tenants: Tenants, data: bytes, is_second: bool) -> None:
    async with opened(tmp_path, tenants, IMPATIENT) as gateway, wire(gateway) as peer:
        if is_second:
            await peer.send(request(gateway))
            assert (await peer.answer())[0] == 201
            data = data or b"\r\n"
        await peer.send(data)
        assert await peer.ended() == b""


async def test_a_slow_answer_outlives_the_deadline_of_the_next_head(tmp_path: Path, tenants: Tenants) -> None:
    async with opened(tmp_path, tenants, IMPATIENT) as gateway, wire(gateway) as peer:
        actor = await gateway.actors.get(tenants.account_id)
        async with actor.serial():
            await peer.send(request(gateway) + b"GET /hea")
            await asyncio.sleep(2 * IMPATIENT.request_read_s)
        assert (await peer.answer())[0] == 201


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_upgrade_is_not_taken(gateway: Gateway, method: str) -> None:
    """curl --http2 asks so; the parser stops there, and a body would be lost without a word."""
    async with wire(gateway) as peer:
        path = "orders" if method == "GET" else "intents"
        body = b"" if method == "GET" else GOOD
        await peer.send(request(gateway, body, "Connection: Upgrade", "Upgrade: h2c", method=method, path=path))
        status, headers, answer = await peer.answer()
        assert headers["connection"] == "close"
        if method == "GET":
            assert (status, answer["data"]) == (200, [])
        else:
            assert (status, answer["code"]) == (400, "malformed_request")
            assert "upgrade" in answer["detail"]


async def test_what_follows_an_early_answer_is_read_for_a_while_and_then_cut(gateway: Gateway) -> None:
    async with wire(gateway) as peer:
        await peer.send(request(gateway, b"", "Content-Length: 100000000"))
        status, _, problem = await peer.answer()
        assert (status, problem["code"]) == (413, "body_too_large")
        with pytest.raises(ConnectionError):
            await flood(peer)
    assert (await gateway.client.get("/healthz")).status_code == 200


async def flood(peer: Wire) -> None:
    for _ in range(1_000):
        await peer.send(b" " * 100_000)


async def test_a_small_rest_of_a_body_leaves_the_connection_good(gateway: Gateway) -> None:
    async with wire(gateway) as peer:
        await peer.send(request(gateway, b" " * 300_000))
        assert (await peer.answer())[0] == 413
        await peer.send(request(gateway))
        assert (await peer.answer())[0] == 201


async def test_answers_carry_a_date_and_no_server(gateway: Gateway) -> None:
    answer = await gateway.client.get("/healthz")
    assert answer.headers["date"].endswith("GMT")
    assert "server" not in answer.headers


def requests_in_memory() -> int:
    return sum(isinstance(found, RequestResponseCycle) for found in gc.get_objects())


async def test_a_request_that_is_over_is_freed_without_the_collector(gateway: Gateway) -> None:
    """The collector of reference cycles stops every order and stream for as long as it looks."""
    gc.collect()
    gc.disable()
    try:
        async with wire(gateway) as connection:
            for _ in range(20):
                for asked, status in (
                    (request(gateway), 201),
                    (request(gateway, b"{}"), 422),
                    (request(gateway, b"", method="GET", path="orders"), 200),
                    (request(gateway, GOOD, "Expect: 100-continue"), 201),
                ):
                    await connection.send(asked)
                    if b"Expect" in asked:
                        await connection.reader.readuntil(b"\r\n\r\n")
                    assert (await connection.answer())[0] == status
            assert requests_in_memory() <= 2
    finally:
        gc.enable()
