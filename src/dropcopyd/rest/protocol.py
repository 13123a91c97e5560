"""One HTTP/1.1 connection: uvicorn's httptools protocol with the bounds and the honest ends that it lacks.

What uvicorn leaves open and this closes: a head has no limit of size or time; whatever follows an early answer is read
for ever; and bytes that are no HTTP are answered with a 400 at once, even while the answer to an earlier, good request
is still owed: a caller would read "refused" for an order that is on its way.
"""

import asyncio
import logging
import socket
from asyncio import TimerHandle, Transport
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from dropcopyd.domain.limits import KIB, MIB, Limits
from dropcopyd.errors import Code
from dropcopyd.ports import Clock
from dropcopyd.rest.errors import problem

_log = structlog.get_logger()
_NS: Final = 1_000_000_000
_HEADER_COST_BYTES: Final = 4
"""A header's colon, blank and line end."""
_DROPPED_BYTES_MAX: Final = 4 * MIB
"""What a client may go on sending after it was answered, so that it reads its answer before a reset; then it is cut."""
_GO_ON: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
"""What uvicorn may write before an answer's head."""
_SILENCE_S: Final = 10
"""A connection whose peer acknowledges nothing ends so long after `stall_s`: when its stream has been cut."""


class _ToStructlog(logging.Handler):
    """uvicorn's own complaints as log events of the product."""

    def emit(self, record: logging.LogRecord) -> None:
        _log.warning("rest.server", message=record.getMessage().strip(), exc_info=record.exc_info)


def _logger() -> logging.Logger:
    """A logger of our own, outside the process-wide tree."""
    logger = logging.Logger("dropcopyd.rest", logging.ERROR)  # noqa: LOG001  nobody else shall configure it
    logger.addHandler(_ToStructlog())
    return logger


@dataclass(slots=True)
class Environment:
    """What the connections of one port share."""

    config: Config
    limits: Limits
    clock: Clock
    state: ServerState = field(default_factory=ServerState)
    logger: logging.Logger = field(default_factory=_logger)
    all_closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while no connection is open."""
    _second: int = -1

    def __post_init__(self) -> None:
        self.all_closed.set()

    def renew_date(self) -> None:
        """Let answers carry the current Date."""
        second = self.clock.now_ns() // _NS
        if second != self._second:
            self._second = second
            self.state.default_headers = [(b"date", formatdate(second, usegmt=True).encode())]


class _Joining:
    """The transport as one answer sees it: its head leaves together with what follows at once, in one packet.

    uvicorn writes them one after the other, and each write is a call of the kernel and wakes the client.
    """

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: Transport, loop: asyncio.AbstractEventLoop) -> None:
        """It knows nothing of the answer, which holds it: each answer would be left to the collector of cycles."""
        self._transport = transport
        self._loop = loop
        self._held: bytes | None = None
        """The head until it is written; then b""."""

    def write(self, data: bytes) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        elif self._held is None and data != _GO_ON:
            self._held = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _flush(self) -> None:
        """Nothing has followed: the head of a stream that has nothing to say yet."""
        if self._held and not self._transport.is_closing():
            held, self._held = self._held, b""
            self._transport.write(held)


class RestProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment.config, environment.state, {})
        self.logger = environment.logger
        self.access_log = False
        self._environment = environment
        self._limits = environment.limits
        self._running: RequestResponseCycle | None = None
        self._is_in_head = True
        self._head_bytes = 0
        self._head_timer: TimerHandle | None = None
        self._dropped_bytes = 0
        self._refusal = Code.MALFORMED_REQUEST

    # --- the connection -------------------------------------------------------------------------------------------

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._environment.all_closed.clear()
        self._bound_silence(transport)
        self._watch_head()

    def _bound_silence(self, transport: Transport) -> None:
        """Let the kernel end a connection whose peer acknowledges nothing, so that the places of the gone get free."""
        option: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)
        if option is not None:  # Linux
            silence_ms = int((self._limits.stall_s + _SILENCE_S) * 1_000)
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, option, silence_ms)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)
        if not self.connections:
            self._environment.all_closed.set()

    def data_received(self, data: bytes) -> None:
        if self._is_in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._is_in_head or self.transport.is_closing():
            return
        if self._head_bytes > self._limits.request_head_bytes_max:
            self._refuse(Code.REQUEST_TOO_LARGE)
        else:
            self._watch_head()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  the text is ours
        """uvicorn's answer to bytes that are no HTTP."""
        self._refuse(self._refusal)

    def _unsupported_upgrade_warning(self) -> None:
        """The parser has stopped at an upgrade that we do not take: answer what came, then close."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    # --- the parser's calls -----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._environment.renew_date()
        self._dropped_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._stop_watching()
        size = len(self.url) + sum(len(name) + len(value) + _HEADER_COST_BYTES for name, value in self.headers)
        if size > self._limits.request_head_bytes_max:
            self._refusal = Code.REQUEST_TOO_LARGE
            raise ValueError("the head is too large")  # ends the parser, which then asks for the 400
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            self._dropped_bytes += len(body)
            if self._dropped_bytes > _DROPPED_BYTES_MAX:
                self.transport.abort()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_head = True
        self._head_bytes = 0
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: object) -> None:
        self._running = cycle
        cycle.transport = _Joining(self.transport, self.loop)  # type: ignore[assignment]  # all that a cycle uses
        self.scope["dropcopy.connection"] = self  # type: ignore[typeddict-unknown-key]  # for streams: flow.pump
        super()._start_asgi_task(cycle, app)  # type: ignore[arg-type]  # uvicorn's own type of an application

    @property
    def has_body(self) -> bool:
        """Whether the request that is carried out has arrived to its end."""
        return self._running is not None and not self._running.more_body

    # --- what streams ask of it (flow.pump.Connection) --------------------------------------------------------------

    @property
    def unsent_bytes(self) -> int:
        """What was written and the client has not taken."""
        return self.transport.get_write_buffer_size()

    def abort(self) -> None:
        """Close at once and drop what is unsent."""
        self.transport.abort()

    # --- time and refusal -------------------------------------------------------------------------------------------

    @property
    def _owes_answer(self) -> bool:
        return self._running is not None and not self._running.response_complete

    def _watch_head(self) -> None:
        """A head that has begun, or the first one, has a deadline; between requests uvicorn's idle timer runs."""
        if self._head_timer is None and not self._owes_answer:
            self._head_timer = self.loop.call_later(self._limits.request_read_s, self._head_is_late)

    def _stop_watching(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, code: Code) -> None:
        """No further request can be read from this connection: answer so and close, unless an answer is owed first."""
        running = self._running
        if running is not None and not running.response_complete:
            is_body_broken = running is self.cycle and running.more_body and not running.response_started
            if not is_body_broken:
                running.keep_alive = False  # what waits behind it is dropped with the connection
                self.flow.pause_reading()
                return
            running.disconnected = True  # it was never read to its end, so it is not carried out
            running.message_event.set()
        detail = "the request is not HTTP/1.1 as in RFC 9112"
        if code is Code.REQUEST_TOO_LARGE:
            detail = f"the request line and headers are over {self._limits.request_head_bytes_max // KIB} KiB"
        self.transport.write(_raw_answer(*problem(code, detail)))
        self.transport.close()


def _raw_answer(status: int, headers: dict[str, str], body: bytes) -> bytes:
    headers = headers | {"content-length": str(len(body)), "connection": "close"}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
