"""The network of the SDK's tests: a TCP proxy that can go silent, and a REST server that answers as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any


class Proxy:
    """A TCP proxy that can go silent: bytes are swallowed and nothing is closed, as behind a dead NAT entry."""

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self.upstream = (host, int(port))
        self.is_silent = False
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.target = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        is_dead = [False]
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.upstream)
            self.writers += [writer, far_writer]
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.pump(reader, far_writer, is_dead))
                tasks.create_task(self.pump(far_reader, writer, is_dead))
        except OSError:
            pass
        finally:
            writer.close()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_dead: list[bool]) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                is_dead[0] = is_dead[0] or self.is_silent
                if not is_dead[0]:
                    writer.write(data)
                    await writer.drain()
            writer.close()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        self.target = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for writer in self.writers:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
            await asyncio.sleep(0.05)  # the handlers see it and end


@dataclass
class HttpRequest:
    """What came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


Answer = tuple[int, dict[str, str], bytes] | None
"""None: the connection is closed without a word."""


def json_answer(status_code: int, data: Any, **headers: str) -> Answer:
    """An answer with a JSON body."""
    kind = "application/json" if status_code < 400 else "application/problem+json"
    return status_code, {"content-type": kind} | headers, json.dumps(data).encode()


class HttpServer:
    """HTTP/1.1 on a real port. `respond` sees each request and says the answer."""

    def __init__(self, respond: Callable[[HttpRequest], Awaitable[Answer]]) -> None:
        self.respond = respond
        self.requests: list[HttpRequest] = []
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                method, path, _ = line.decode().split()
                headers = {}
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                raw = await reader.readexactly(int(headers.get("content-length", "0")))
                request = HttpRequest(method, path, headers, json.loads(raw) if raw else None)
                self.requests.append(request)
                answer = await self.respond(request)
                if answer is None:
                    return
                code, more, body = answer
                lines = [f"HTTP/1.1 {code} X", *(f"{n}: {v}" for n, v in more.items()), f"content-length: {len(body)}"]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["HttpServer"]:
        server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            await asyncio.sleep(0.05)  # the handlers see their connections close and end
