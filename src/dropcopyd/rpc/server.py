"""The gRPC services on their ports: plaintext for loopback, TLS for everybody else, health and reflection on both."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pool
from grpclib.health.service import Health
from grpclib.reflection.service import ServerReflection

from dropcopy.proto import POOL
from dropcopyd.domain.limits import TransportLimits
from dropcopyd.flow.streams import Streams
from dropcopyd.ports import Clock
from dropcopyd.rpc.guard import ending_of
from dropcopyd.rpc.stream import StreamService
from dropcopyd.rpc.transport import Listener, listen

if TYPE_CHECKING:
    from grpclib._typing import IServable


@dataclass(frozen=True, slots=True)
class Port:
    """Where to listen; `tls` None = plaintext; port 0 = any free one."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


class GrpcServer:
    """Every gRPC port of a node."""

    def __init__(
        self,
        *,
        new_service: Callable[[], StreamService],
        streams: Streams,
        clock: Clock,
        transport: TransportLimits,
        tasks: asyncio.TaskGroup,
        is_plain: bool = False,
    ) -> None:
        self._streams = streams
        self._new_service = new_service
        self._clock = clock
        self._transport = transport
        self._tasks = tasks
        self._is_plain = is_plain
        self._listeners: list[Listener] = []

    async def open(self, port: Port) -> int:
        """Serve on a port; returns the bound number. Raises OSError."""
        service = self._new_service()
        handlers: list[IServable] = [*service.services(), Health()]
        reflected = ServerReflection.extend(handlers, pool=_Descriptors())
        listener = await listen(
            reflected,
            limits=self._transport,
            host=port.host,
            port=port.port,
            ssl=port.tls,
            monotonic_ns=self._clock.monotonic_ns,
            tasks=self._tasks,
            ending_of=ending_of,
            plain=self._is_plain,
        )
        service.fanout = listener.fanout
        self._listeners.append(listener)
        return listener.port

    async def drain(self, within_s: float) -> None:
        """No new connections or streams; every open stream is told and ended; then the ports close."""
        for listener in self._listeners:
            listener.goaway()
        await self._streams.drain(within_s)
        for listener in self._listeners:
            await listener.close(within_s)


class _Descriptors:
    """For reflection: our own pool first, the default one for health and reflection themselves."""

    def __getattr__(self, name: str) -> Any:
        def find(*arguments: Any) -> Any:
            try:
                return getattr(POOL, name)(*arguments)
            except KeyError:
                return getattr(descriptor_pool.Default(), name)(*arguments)

        return find


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    """A server context from PEM files. Raises OSError or ssl.SSLError for unusable files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    return context
