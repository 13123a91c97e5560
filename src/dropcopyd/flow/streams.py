"""Every open stream of the node, whatever edge serves it: heartbeats, stalls, revocation, drain, and the list of them.

An edge enters its stream here and keeps it entered for as long as its handler runs; it gives a `Wire`, by which the
stream is watched and ended. The session is closed on the way out.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import structlog

from dropcopyd.domain.account import Principal, Scope
from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.domain.keys import KeyRecord, is_narrower, lapse_of
from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, DropcopyError, NotFoundError, StoreError
from dropcopyd.flow.session import Session
from dropcopyd.ports import Clock, Ids, Store

_log = structlog.get_logger()
_NS: Final = 1_000_000_000
_BEAT_TICKS: Final = 20
"""Heartbeats are spread over their interval in so many steps, so that 10,000 streams are not one burst."""
_CURSORS_MAX: Final = 4_096
"""Characters of cursors in a trailer: gRPC clients refuse responses whose metadata is above 8 KiB."""
_REVOCATION_S: Final = 1.0
"""How often the keys of open streams are looked up."""


class Edge(StrEnum):
    """What serves a stream."""

    GRPC = "GRPC"
    GRPC_WEB = "GRPC_WEB"
    CONNECT = "CONNECT"
    SSE = "SSE"


class Wire(Protocol):
    """An edge's end of one stream."""

    @property
    def stalled_since_ns(self) -> int | None:
        """Since when (monotonic) the client has taken nothing of what waits for it; None while it takes."""

    @property
    def unsent_bytes(self) -> int:
        """What was pulled from the session and has not gone out."""

    async def drained(self) -> None:
        """Until all that the session has now has gone out."""

    def fail(self, error: DropcopyError) -> None:
        """End the stream with this error."""


@dataclass(eq=False, slots=True)
class OpenStream:
    """One open stream. `peer` is the client's address, `since_ns` when it was opened (UTC)."""

    stream_id: str
    edge: Edge
    peer: str
    since_ns: int
    session: Session
    wire: Wire
    beat_at_ns: int
    is_open: bool = True
    last_message: str = ""
    """What was confirmed last: a drain repeats it."""

    @property
    def principal(self) -> Principal:
        return self.session.principal


class Streams:
    """All open streams of the node: their pulse and their list."""

    def __init__(self, *, store: Store, clock: Clock, ids: Ids, limits: Limits) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._limits = limits
        self._open: dict[str, OpenStream] = {}
        self._revocation_at_ns = 0
        self.on_lost: Callable[[str], None] = lambda _stream_id: None
        """Called with the id of each stream that has ended, however it did."""

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def entered(self, session: Session, wire: Wire, edge: Edge, peer: str) -> Iterator[OpenStream]:
        """Keep the stream's pulse while the block runs."""
        interval_ns = int(self._limits.heartbeat_s * _NS)
        beat_at_ns = self._clock.monotonic_ns() + interval_ns
        stream = OpenStream(self._ids.uuid(), edge, peer, self._clock.now_ns(), session, wire, beat_at_ns)
        self._open[stream.stream_id] = stream
        try:
            yield stream
        finally:
            del self._open[stream.stream_id]
            stream.is_open = False
            session.close()
            self.on_lost(stream.stream_id)

    @property
    def are_settled(self) -> bool:
        """Whether every stream's edge has pulled all that is published."""
        return all(stream.session.is_settled for stream in self._open.values())

    def of(self, organization_id: str) -> list[OpenStream]:
        """The organization's open streams, oldest first."""
        return [stream for stream in self._open.values() if stream.principal.organization_id == organization_id]

    async def end(self, principal: Principal, stream_id: str) -> None:
        """End a stream of the principal's organization. Raises NotFoundError for one that is not open, or foreign."""
        stream = self._open.get(stream_id)
        if stream is None or stream.principal.organization_id != principal.organization_id:
            raise NotFoundError(Code.STREAM_NOT_FOUND, f"there is no open stream {stream_id}")
        entry = AuditEntry(
            organization_id=principal.organization_id,
            at_ns=self._clock.now_ns(),
            principal_id=principal.key_id,
            action=AuditAction.STREAM_ENDED,
            subject=stream_id,
            detail={"key_id": stream.principal.key_id, "edge": stream.edge.value},
        )
        await self._store.audit(entry)
        stream.wire.fail(DropcopyError(Code.STREAM_ENDED, "the stream was ended by its organization"))

    async def run(self) -> None:
        """Beat and watch until cancelled."""
        tick_s = self._limits.heartbeat_s / _BEAT_TICKS
        while True:
            await asyncio.sleep(tick_s)
            now_ns = self._clock.monotonic_ns()
            for stream in list(self._open.values()):
                self._tend(stream, now_ns)
            if now_ns >= self._revocation_at_ns:
                self._revocation_at_ns = now_ns + int(_REVOCATION_S * _NS)
                await self.end_revoked()

    def _tend(self, stream: OpenStream, now_ns: int) -> None:
        stalled_ns = stream.wire.stalled_since_ns
        expires_at_ns = stream.principal.expires_at_ns
        if stalled_ns is not None and now_ns - stalled_ns >= self._limits.stall_s * _NS:
            stream.wire.fail(
                DropcopyError(
                    Code.STREAM_STALLED,
                    "the client took nothing for too long; resume from your cursor",
                    cursor=cursors_text(stream),
                )
            )
        elif expires_at_ns is not None and expires_at_ns <= self._clock.now_ns():
            stream.wire.fail(_expired(stream.principal))
        elif now_ns >= stream.beat_at_ns:
            stream.beat_at_ns = now_ns + int(self._limits.heartbeat_s * _NS)
            stream.session.beat()

    async def end_revoked(self) -> None:
        """End the streams whose credential is not good any more: disabled, rotated away, narrowed."""
        keys = {stream.principal.key_id for stream in self._open.values()}
        if not keys:
            return
        try:
            found = await self._store.find_keys(keys)
        except StoreError as error:
            _log.error("streams.keys_unreadable", code=error.code.value)
            return
        now_ns = self._clock.now_ns()
        for stream in list(self._open.values()):
            refusal = _revoked(stream.principal, found.get(stream.principal.key_id), now_ns)
            if refusal is not None:
                stream.wire.fail(refusal)

    async def drain(self, within_s: float) -> None:
        """Say goodbye on every stream and end it with UNAVAILABLE; what is committed can be resumed."""
        streams = list(self._open.values())
        for stream in streams:
            stream.session.announce(stream.last_message, "draining")
        waits = [asyncio.wait_for(stream.wire.drained(), within_s) for stream in streams]
        await asyncio.gather(*waits, return_exceptions=True)
        for stream in list(self._open.values()):
            stream.wire.fail(DropcopyError(Code.DRAINING, "the gateway is shutting down; reconnect with your cursor"))


def _expired(principal: Principal) -> DropcopyError:
    if principal.is_token:
        return DropcopyError(Code.TOKEN_EXPIRED, "the bearer token has expired; mint another one")
    return DropcopyError(Code.UNAUTHENTICATED, "the key has expired")


def _revoked(principal: Principal, record: KeyRecord | None, now_ns: int) -> DropcopyError | None:
    """Why a stream of the principal ends, as its key is now."""
    if record is None or lapse_of(record, principal.generation, principal.address, now_ns) is not None:
        return DropcopyError(Code.UNAUTHENTICATED, "the key has been disabled, rotated or restricted")
    if Scope.STREAM_READ not in record.scopes or is_narrower(record, principal):
        return DropcopyError(Code.PERMISSION_DENIED, "the key may not read all of this stream any more")
    return None


def cursors_text(stream: OpenStream) -> str:
    """Where the client can resume: `ACCOUNT EPOCH:SEQUENCE, ...`, as many as a client takes in a trailer."""
    places = stream.session.cursors(has_unsent=stream.wire.unsent_bytes > 0)
    text = ", ".join(f"{account_id} {stream.session.epoch}:{sequence}" for account_id, sequence in places)
    return text if len(text) <= _CURSORS_MAX else text[: text.rindex(", ", 0, _CURSORS_MAX)]
