"""A node that shows the past: the streams of a folder's journal as they were, for the same keys, over the same gRPC.

It reads and never writes: no broker, no REST, no lock on the folder, so a daemon may run on it meanwhile. The replay's
time begins with the first subscription.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from dropcopyd.config import Settings
from dropcopyd.domain.account import Principal
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.access import Access
from dropcopyd.flow.disconnect import ArmRequest
from dropcopyd.flow.hub import Hub
from dropcopyd.flow.quota import StreamQuota
from dropcopyd.flow.replay import Replay
from dropcopyd.flow.session import Session, SubscribeRequest
from dropcopyd.flow.streams import OpenStream, Streams
from dropcopyd.node import PEPPER_NAME, guarded, open_grpc_ports
from dropcopyd.observe import Metrics
from dropcopyd.ports import Head
from dropcopyd.rest.times import parse_time
from dropcopyd.rpc.server import GrpcServer
from dropcopyd.rpc.stream import StreamService
from dropcopyd.store.past import open_past
from dropcopyd.store.sqlite import SqliteStore
from dropcopyd.system import RandomIds, SystemClock
from dropcopyd.wire import ProtobufEncoder, ProtobufSessionEncoder

_log = structlog.get_logger()
_LOOK_S: Final = 0.05
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be replayed: which accounts (none = all), from when (None = the first event) until when (None = now),
    how many times as fast as it was, and whether all ends when it has been delivered."""

    account_ids: Sequence[str]
    from_ns: int | None
    to_ns: int | None
    speed: float
    stops_at_end: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """Where a replay is reached, and how many events it has."""

    grpc: str | None
    grpc_tls: str | None
    events: int


class ReplayNode:
    """One replay of one folder."""

    def __init__(self, settings: Settings, wish: Wish) -> None:
        self._settings = settings
        self._wish = wish
        self._limits = settings.effective_limits
        self._clock = SystemClock()
        self._encoder = ProtobufEncoder()
        self._session_encoder = ProtobufSessionEncoder(self._encoder)
        self._hub = Hub(self._session_encoder, self._limits, Metrics())
        self._replay: Replay

    async def run(
        self, on_ready: Callable[[Started], None], on_over: Callable[[int], None], stop: asyncio.Event
    ) -> None:
        """Open, tell where, serve until `stop` is set; `on_over` hears how many events were published when all are.

        Raises DropcopyError when there is nothing to replay here, OSError for a port in use.
        """

        def head_of(account_id: str) -> Head:
            """Asked in a thread of the store."""
            return self._replay.head_of(account_id)

        pepper = self._settings.data / PEPPER_NAME
        if not pepper.is_file():
            raise DropcopyError(Code.INVALID_CONFIGURATION, f"no daemon has run on {self._settings.data} yet")
        store, past = open_past(
            self._settings.data, encoder=self._encoder, clock=self._clock, limits=self._limits, head_of=head_of
        )
        wish = self._wish
        self._replay = Replay(
            past=past,
            hub=self._hub,
            clock=self._clock,
            speed=wish.speed,
            from_ns=wish.from_ns,
            to_ns=self._clock.now_ns() if wish.to_ns is None else wish.to_ns,
        )
        try:
            events = await self._open(store)
            async with asyncio.TaskGroup() as tasks:
                streams = Streams(store=store, clock=self._clock, ids=RandomIds(), limits=self._limits)
                tasks.create_task(streams.run())
                grpc = self._server(tasks, store, streams, Access(store, pepper.read_bytes().strip(), self._clock))
                addresses = await open_grpc_ports(grpc, self._settings)
                tasks.create_task(self._play(on_over, streams, stop))
                on_ready(Started(*addresses, events))
                await stop.wait()
                await grpc.drain(self._limits.drain_s)
                raise _StoppedError
        except* _StoppedError:
            _log.info("replay.stopped")
        finally:
            await past.close()
            await store.close()

    async def _open(self, store: SqliteStore) -> int:
        known = [account.account_id for account in await store.accounts()]
        wanted = [account_id.lower() for account_id in self._wish.account_ids] or known
        for account_id in wanted:
            if account_id not in known:
                raise DropcopyError(Code.ACCOUNT_NOT_FOUND, f"there is no account {account_id}")
        return await self._replay.open(wanted, [one for one in known if one not in wanted])

    async def _play(self, on_over: Callable[[int], None], streams: Streams, stop: asyncio.Event) -> None:
        await self._replay.run()
        on_over(self._replay.published_count)
        if self._wish.stops_at_end:
            while not streams.are_settled:  # noqa: ASYNC110  until each has all, or is cut off for not reading
                await asyncio.sleep(_LOOK_S)
            stop.set()

    def _server(self, tasks: asyncio.TaskGroup, store: SqliteStore, streams: Streams, access: Access) -> GrpcServer:
        def spawn(work: Coroutine[Any, Any, None]) -> object:
            return tasks.create_task(guarded(work))

        def new_session(principal: Principal) -> Session:
            return _ReplaySession(
                self._replay.begin,
                principal=principal,
                access=access,
                hub=self._hub,
                store=store,
                encoder=self._session_encoder,
                clock=self._clock,
                limits=self._limits,
                spawn=spawn,
            )

        def new_service() -> StreamService:
            return StreamService(access=access, quota=quota, streams=streams, new_session=new_session, arm=_refuse_arm)

        quota = StreamQuota(self._limits.streams_per_organization)
        return GrpcServer(
            new_service=new_service,
            streams=streams,
            clock=self._clock,
            transport=self._settings.effective_transport,
            tasks=tasks,
            is_plain=self._settings.plain_writer,
        )


class _ReplaySession(Session):
    """Lets time run once it has attached: before, what happens could be missed by an account that is not there yet."""

    def __init__(self, begin: Callable[[], None], **facts: Any) -> None:
        super().__init__(**facts)
        self._begin = begin

    async def subscribe(self, request: SubscribeRequest) -> None:
        await super().subscribe(request)
        self._begin()


async def _refuse_arm(_stream: OpenStream, _request: ArmRequest) -> None:
    raise DropcopyError(Code.NOT_SUPPORTED, "a replay has no orders to cancel")


class _StoppedError(Exception):
    """Ends the TaskGroup, and with it every background task."""


def time_of(text: str | None, option: str) -> int | None:
    """A date (its first moment, UTC) or an RFC 3339 time. Raises DropcopyError(INVALID_ARGUMENT)."""
    if text is None:
        return None
    try:
        return parse_time(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    except ValueError as error:
        raise DropcopyError(Code.INVALID_ARGUMENT, f"{option}: {error}") from error
