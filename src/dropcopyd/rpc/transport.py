"""Opens the gRPC port and ends it: the listener, its connections' keepalive, drain and close."""

import asyncio
import contextlib
import ssl as tls
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, cast

import structlog
from grpclib.const import Handler

from dropcopyd.domain.limits import TransportLimits
from dropcopyd.rpc.calls import Calls, EndingOf, default_ending
from dropcopyd.rpc.fanout import Fanout
from dropcopyd.rpc.plain import PlainResponseStream
from dropcopyd.rpc.protocol import Environment, GatewayProtocol

if TYPE_CHECKING:
    from grpclib._typing import IServable

_log = structlog.get_logger(__name__)

_ABORT_WAIT_S = 2.0
"""What an aborted connection and a cancelled handler may take to be gone."""
_TLS_SHUTDOWN_S = 2.0


class Keepalive:
    """Pings silent connections and aborts those that stay silent: one timer for all of them."""

    def __init__(self, environment: Environment) -> None:
        limits = environment.limits
        self._environment = environment
        self._interval_ns = int(limits.ping_interval_s * 1e9)
        self._timeout_ns = int(limits.ping_timeout_s * 1e9)
        self._period_s = min(limits.ping_interval_s, limits.ping_timeout_s, 4.0) / 4
        self._loop = asyncio.get_running_loop()
        self._states: dict[GatewayProtocol, _Silence] = {}
        self._timer = self._loop.call_later(self._period_s, self._tick)

    def close(self) -> None:
        """Stop."""
        self._timer.cancel()
        self._states.clear()

    def _tick(self) -> None:
        now_ns = self._environment.monotonic_ns()
        connections = self._environment.connections
        self._states = {protocol: self._states.get(protocol) or _Silence(now_ns) for protocol in connections}
        for protocol, silence in self._states.items():
            self._look(protocol, silence, now_ns)
        self._timer = self._loop.call_later(self._period_s, self._tick)

    def _look(self, protocol: GatewayProtocol, silence: "_Silence", now_ns: int) -> None:
        unsent = protocol.transport.get_write_buffer_size()
        shows_life = protocol.heard or unsent < silence.unsent_bytes  # a slow reader drains without a word
        silence.unsent_bytes = unsent
        if shows_life and not protocol.connection.dead:
            protocol.heard = False
            silence.since_ns = now_ns
            silence.pinged = silence.overdue = False
        elif now_ns - silence.since_ns >= self._interval_ns + self._timeout_ns:
            if silence.overdue:  # seen twice: after a pause of our own the answer may lie in the socket
                protocol.abort("no sign of life")
            silence.overdue = True
        elif now_ns - silence.since_ns >= self._interval_ns and not silence.pinged:
            protocol.ping()
            silence.pinged = True


class _Silence:
    """Since when a connection is silent."""

    __slots__ = ("overdue", "pinged", "since_ns", "unsent_bytes")

    def __init__(self, now_ns: int) -> None:
        self.since_ns = now_ns
        self.unsent_bytes = 0
        self.pinged = False
        self.overdue = False


class Listener:
    """The open gRPC port."""

    def __init__(self, environment: Environment, server: asyncio.Server) -> None:
        self._environment = environment
        self._server = server
        self._keepalive = Keepalive(environment)
        self.port: int = server.sockets[0].getsockname()[1]
        """The bound TCP port; with several addresses and port 0, that of the first."""

    @property
    def fanout(self) -> Fanout:
        """Opens responses on the streams of this listener."""
        return self._environment.fanout

    @property
    def connections(self) -> frozenset[GatewayProtocol]:
        """The connections that are open now."""
        return frozenset(self._environment.connections)

    def goaway(self) -> None:
        """Drain: no new connections, no new streams; those that run go on. Idempotent."""
        if not self._environment.draining:
            self._environment.draining = True
            self._server.close()
        for protocol in self.connections:
            protocol.goaway()

    async def close(self, grace_s: float) -> None:
        """Drain for at most `grace_s`, cancel the calls that remain, and close every connection. Idempotent.

        A cancelled call ends with UNAVAILABLE. Returns when no connection is left, and at the latest some seconds
        after the grace: a peer that takes nothing is aborted, a handler that ignores its cancellation is logged.
        """
        self.goaway()
        await self._settle(self._tasks(), grace_s)
        for protocol in self.connections:
            protocol.handler.close()
        stuck = await self._settle(self._tasks(), _ABORT_WAIT_S)
        for protocol in self.connections:
            protocol.close("the server is shutting down")
        await self._until_no_connection(self._environment.limits.linger_s)
        for protocol in self.connections:
            protocol.abort("the server is shutting down")
        await self._until_no_connection(_ABORT_WAIT_S)
        self._keepalive.close()
        if stuck:
            _log.error("listener.handlers_ignore_cancellation", count=stuck)

    def _tasks(self) -> "list[asyncio.Task[None]]":
        return [task for protocol in self.connections for task in cast("Calls", protocol.handler).tasks]

    @staticmethod
    async def _settle(tasks: "Iterable[asyncio.Task[None]]", wait_s: float) -> int:
        running = set(tasks)
        if running:
            _, running = await asyncio.wait(running, timeout=wait_s)
        return len(running)

    async def _until_no_connection(self, wait_s: float) -> None:
        if self._environment.connections:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._environment.all_closed.wait()


async def listen(
    handlers: "Sequence[IServable]",
    *,
    limits: TransportLimits,
    host: str,
    port: int,
    ssl: tls.SSLContext | None,
    monotonic_ns: Callable[[], int],
    tasks: asyncio.TaskGroup,
    ending_of: EndingOf = default_ending,
    plain: bool = False,
) -> Listener:
    """Open the port and serve the methods of `handlers` until `Listener.close`.

    `tasks` owns the calls; they never raise into it. `ending_of` turns what a handler raises into its end. `ssl` is
    told to offer h2. `plain` sends responses by grpclib's own path. Raises OSError when the port cannot be bound.
    """
    mapping: dict[str, Handler] = {}
    for handler in handlers:
        mapping.update(handler.__mapping__())
    fanout = Fanout(limits, monotonic_ns, tasks, kind=PlainResponseStream if plain else None)

    def calls_of(protocol: GatewayProtocol) -> Calls:
        return Calls(mapping, limits=limits, tasks=tasks, ending_of=ending_of, on_end=protocol.close_if_unused)

    environment = Environment(limits, fanout, monotonic_ns, calls_of)
    if ssl is not None:
        ssl.set_alpn_protocols(["h2"])
    server = await asyncio.get_running_loop().create_server(
        lambda: GatewayProtocol(environment),
        host,
        port,
        ssl=ssl,
        backlog=limits.listen_backlog,
        ssl_handshake_timeout=limits.handshake_timeout_s if ssl else None,
        ssl_shutdown_timeout=_TLS_SHUTDOWN_S if ssl else None,
    )
    return Listener(environment, server)
