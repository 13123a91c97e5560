"""Opens the REST port in the running event loop and ends it: no signal handlers, no log set-up, no lifespan."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any, Final

import structlog
from fastapi import FastAPI
from uvicorn.config import Config

from dropcopyd.rest.gate import Dependencies
from dropcopyd.rest.protocol import Environment, RestProtocol

_log = structlog.get_logger()
_BACKLOG: Final = 2_048
_FLUSH_S: Final = 1.0
"""What a client may take to read the last answers."""
_ABORT_WAIT_S: Final = 2.0
"""What the requests of an aborted connection, and then a cancelled request, may take to be gone."""


class RestServer:
    """The REST port of one application. `run` it in the owner's TaskGroup; `stop` drains and lets `run` return."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        dependencies: Dependencies = app.state.dependencies
        limits = dependencies.limits
        config = Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=max(1, int(limits.rest_idle_s)),
        )
        config.load()
        self._environment = Environment(config, limits, dependencies.clock)
        self._host = host
        self._asked_port = port
        self._server: asyncio.Server | None = None
        self._port: int | None = None
        self._started = asyncio.Event()
        self._stopped = asyncio.Event()

    @property
    def port(self) -> int:
        """The bound TCP port, once started; with several addresses and port 0, that of the first."""
        if self._port is None:
            raise RuntimeError("the server is not started")
        return self._port

    async def run(self) -> None:
        """Serve until `stop` has ended; when cancelled, cut every connection. Raises OSError for a port in use."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: RestProtocol(self._environment), self._host, self._asked_port, backlog=_BACKLOG
        )
        self._port = self._server.sockets[0].getsockname()[1]
        self._started.set()
        try:
            await self._stopped.wait()
        finally:
            self._server.close()
            self._abort()

    async def started(self) -> None:
        """Until the port is open."""
        await self._started.wait()

    async def stop(self, drain_s: float) -> None:
        """Take nothing new, let what runs finish for at most `drain_s`, then cut what is left. Idempotent.

        A submit that is cut is not undone: what intake has committed stays, and its Idempotency-Key finds it.
        """
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._environment.state.connections):
            connection.shutdown()
        tasks = self._environment.state.tasks
        await _settle(tasks, drain_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_S):
                await self._environment.all_closed.wait()
        self._abort()
        await _settle(tasks, _ABORT_WAIT_S)
        for task in tuple(tasks):
            task.cancel()
        stuck = await _settle(tasks, _ABORT_WAIT_S)
        if stuck:
            _log.error("rest.requests_ignore_cancellation", count=stuck)
        self._stopped.set()

    def _abort(self) -> None:
        """Cut every connection; a request that still reads its body ends, one that is being carried out goes on."""
        for connection in tuple(self._environment.state.connections):
            connection.transport.abort()


async def _settle(tasks: Iterable[asyncio.Task[Any]], wait_s: float) -> int:
    """Wait for tasks; how many still run after that."""
    running = set(tasks)
    if running:
        _, running = await asyncio.wait(running, timeout=wait_s)
    return len(running)
