"""One node: builds every part, connects them, runs them and ends them. The only file that knows everybody."""

import asyncio
import csv
import os
import secrets
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final

import structlog

from dropcopyd.brokers.chaos import ChaosBroker, parse_chaos
from dropcopyd.brokers.paper import (
    PAUSE_MAX_S,
    Book,
    PaperBroker,
    open_paper,
    parse_plan,
    plan_from,
    render_plan,
)
from dropcopyd.collecting import collect_when_quiet
from dropcopyd.config import Settings
from dropcopyd.domain.account import Account, BrokerKind, Principal
from dropcopyd.domain.catalogue import Catalogue, instruments_of
from dropcopyd.domain.instrument import Instrument
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.access import Access
from dropcopyd.flow.bookkeeping import DayRoller
from dropcopyd.flow.controls import Controls
from dropcopyd.flow.disconnect import Arm, DisconnectCancels
from dropcopyd.flow.dispatch import Dispatcher
from dropcopyd.flow.flatten import Flattener
from dropcopyd.flow.hub import Hub
from dropcopyd.flow.ingest import Ingest
from dropcopyd.flow.intake import Intake
from dropcopyd.flow.judging import References
from dropcopyd.flow.keyring import Keyring
from dropcopyd.flow.losses import LossWatch
from dropcopyd.flow.masscancel import MassCancel
from dropcopyd.flow.ownership import Actors, Spawn
from dropcopyd.flow.paper import PaperBench
from dropcopyd.flow.pump import Pumps
from dropcopyd.flow.quota import StreamQuota
from dropcopyd.flow.registrar import PaperRequest, Registrar
from dropcopyd.flow.resolutions import Resolutions
from dropcopyd.flow.session import Session
from dropcopyd.flow.streams import Streams
from dropcopyd.flow.taking import Instruments
from dropcopyd.observe import Metrics
from dropcopyd.ports import Broker, Clock, Committed, Failpoints, Ids, Registry
from dropcopyd.rest.app import Dependencies, create_app
from dropcopyd.rest.server import RestServer
from dropcopyd.rpc.server import GrpcServer, Port, tls_context
from dropcopyd.rpc.stream import SessionFactory, StreamService
from dropcopyd.rpc.web import WebService
from dropcopyd.store.admin import Admin
from dropcopyd.store.apart import Apart
from dropcopyd.store.sqlite import SqliteStore, open_store
from dropcopyd.system import KillAt, NoFailpoints, RandomIds, SetClock, SystemClock, parse_clock
from dropcopyd.wire import ProtobufEncoder, ProtobufSessionEncoder

_log = structlog.get_logger()
PEPPER_NAME: Final = "secret.key"
_SWEEP_S: Final = 15.0
_SPEED_LOOKED_AFTER: Final = 50
"""The paper market looks at a faster clock more often, up to so many times."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running node is reached. A port that is not open is None."""

    rest: str
    grpc: str | None
    grpc_tls: str | None


class Node:
    """Everything of one daemon on one folder."""

    def __init__(self, settings: Settings, *, broker: Broker | None = None, clock: Clock | None = None) -> None:
        """`broker`: the accounts' broker instead of the paper exchange. `clock`: instead of the settings' one."""
        self._settings = settings
        self._broker = broker
        self._limits = settings.effective_limits
        self._clock: Clock = clock or SystemClock()
        self._pause_max_s = PAUSE_MAX_S
        if settings.clock and clock is None:
            self._set_clock(settings.clock)
        self._ids = RandomIds()
        self._metrics = Metrics()
        self._failpoints: Failpoints = KillAt(settings.kill_at) if settings.kill_at else NoFailpoints()
        self._encoder = ProtobufEncoder()
        self._session_encoder = ProtobufSessionEncoder(self._encoder)
        self._hub = Hub(self._session_encoder, self._limits, self._metrics)
        self._is_ready = False

    async def run(self, on_ready: Callable[[Addresses], None], stop: asyncio.Event) -> None:
        """Open, tell where, serve until `stop` is set, drain and close.

        Raises DropcopyError when it cannot open (folder or port in use, unusable settings).
        """
        seed_instruments(self._settings.data, self._clock.now_ns())
        store = open_store(
            self._settings.data,
            encoder=self._encoder,
            clock=self._clock,
            ids=self._ids,
            limits=self._limits,
            failpoints=self._failpoints,
            on_committed=self._announce,
            metrics=self._metrics,
            apart=self._apart() if self._settings.writer_process else None,
        )
        try:
            async with asyncio.TaskGroup() as group:
                await self._serve(group, store, on_ready, stop)
                raise _StoppedError
        except* _StoppedError:
            pass
        finally:
            await store.close()

    def _apart(self) -> Apart:
        """The writer's process. Without it nobody knows what of the last moments is durable: this process ends, as if
        it had been killed, and knows when it is started again."""
        settings = self._settings
        arguments = ["--log-level", settings.log_level, "--cache-bytes", str(self._limits.page_cache_bytes)]
        if settings.log_json:
            arguments.append("--log-json")
        if settings.kill_at:
            arguments += ["--kill-at", settings.kill_at]
        return Apart("dropcopyd.journalling", arguments, _die)

    def _set_clock(self, text: str) -> None:
        """Time by the settings. An order's deadline is judged by this clock, and is meant in real time."""
        start_ns, speed = parse_clock(text)
        _log.warning("node.clock_set", clock=text)
        self._clock = SetClock(start_ns, speed)
        deadline_s = self._limits.dispatch_deadline_s * max(1.0, float(speed))
        self._limits = replace(self._limits, dispatch_deadline_s=deadline_s)
        self._pause_max_s = PAUSE_MAX_S / min(max(1.0, float(speed)), _SPEED_LOOKED_AFTER)

    def _announce(self, committed: Sequence[Committed]) -> None:
        self._hub.publish(committed)

    async def _serve(
        self,
        group: asyncio.TaskGroup,
        store: SqliteStore,
        on_ready: Callable[[Addresses], None],
        stop: asyncio.Event,
    ) -> None:
        parts = await self._build(group, store)
        try:
            async with asyncio.TaskGroup() as services:
                await self._serve_parts(services, parts, await store.accounts(), on_ready, stop)
                raise _StoppedError
        except* _StoppedError:
            _log.info("node.stopped")
        finally:
            await parts.book.close()

    async def _serve_parts(
        self,
        services: asyncio.TaskGroup,
        parts: "_Parts",
        accounts: Sequence[Account],
        on_ready: Callable[[Addresses], None],
        stop: asyncio.Event,
    ) -> None:
        for account in accounts:
            await parts.ingest.begin(account.account_id)
        await parts.losses.open()
        services.create_task(self._serve_rest(parts.rest))
        await parts.rest.started()
        addresses = await self._open_ports(parts)
        services.create_task(parts.broker.run(parts.ingest))
        services.create_task(parts.streams.run())
        services.create_task(parts.roller.run())
        services.create_task(parts.access.uses.run(parts.registry))
        services.create_task(parts.ingest.watch())
        services.create_task(parts.cancels.run())
        services.create_task(parts.disconnects.run())
        services.create_task(parts.flattener.run())
        services.create_task(parts.losses.run())
        services.create_task(_sweep(parts.actors))
        services.create_task(collect_when_quiet())
        self._is_ready = True
        _log.info("node.ready", rest=addresses.rest, grpc=addresses.grpc, grpc_tls=addresses.grpc_tls)
        on_ready(addresses)
        await stop.wait()
        _log.info("node.draining")
        self._is_ready = False
        parts.intake.is_draining = True
        await asyncio.gather(parts.grpc.drain(self._limits.drain_s), parts.rest.stop(self._limits.drain_s))

    async def _build(self, group: asyncio.TaskGroup, store: SqliteStore) -> "_Parts":
        def spawn(work: Coroutine[Any, Any, None]) -> object:
            return group.create_task(guarded(work))

        clock, limits, failpoints, metrics = self._clock, self._limits, self._failpoints, self._metrics
        access = Access(store, read_pepper(self._settings.data, self._ids), clock, limits)
        streams = Streams(store=store, clock=clock, ids=self._ids, limits=limits)
        quota = StreamQuota(limits.streams_per_organization)
        new_session = self._sessions(store, access, spawn)
        catalogue = Catalogue(await store.instruments())
        book, paper = open_paper(
            self._settings.data,
            self._settings.prices,
            await store.accounts(),
            catalogue,
            clock=clock,
            ids=self._ids,
            failpoints=failpoints,
            sessions=self._settings.sessions,
            pause_max_s=self._pause_max_s,
        )

        def connect(account: Account) -> None:
            paper.add_account(account.account_id, plan_from(account.broker_settings))

        broker = self._broker_over(paper)
        actors = Actors(
            store,
            clock,
            spawn,
            on_loaded=connect,
            marks_of=lambda account: lambda instrument: paper.mark(instrument, account.account_id),
            capabilities={BrokerKind.PAPER: broker.capabilities},
            metrics=metrics,
        )
        roller = DayRoller(store, actors, clock)
        controls = Controls(store=store, clock=clock, limits=limits, references=_prices_of(paper))
        await controls.open()
        dispatcher = Dispatcher(
            brokers={BrokerKind.PAPER: broker},
            controls=controls,
            clock=clock,
            limits=limits,
            spawn=spawn,
            failpoints=failpoints,
            metrics=metrics,
        )
        ingest = Ingest(
            broker=broker,
            actors=actors,
            dispatcher=dispatcher,
            store=store,
            clock=clock,
            limits=limits,
            failpoints=failpoints,
            metrics=metrics,
            catalogue=catalogue,
        )
        resolutions = Resolutions(
            actors=actors, queries=store.record.queries, instruments=Instruments(store, catalogue)
        )
        intake = Intake(
            actors=actors,
            dispatcher=dispatcher,
            controls=controls,
            store=store,
            catalogue=catalogue,
            clock=clock,
            ids=self._ids,
            limits=limits,
            failpoints=failpoints,
            metrics=metrics,
        )
        cancels = MassCancel(actors=actors, intake=intake, controls=controls, store=store, clock=clock)
        flattener = Flattener(
            actors=actors,
            intake=intake,
            controls=controls,
            cancels=cancels,
            store=store,
            clock=clock,
            ids=self._ids,
        )
        await flattener.open()
        losses = LossWatch(
            actors=actors,
            controls=controls,
            cancels=cancels,
            flattener=flattener,
            store=store,
            clock=clock,
            references=_prices_of(paper),
        )
        disconnects = DisconnectCancels(access=access, actors=actors, cancels=cancels, store=store, clock=clock)
        await disconnects.open()
        streams.on_lost = disconnects.lost
        pumps = Pumps(
            quota=quota, streams=streams, new_session=new_session, arm=disconnects.arm, clock=clock, spawn=spawn
        )
        web = WebService(access=access, pumps=pumps, limits=limits, transport=self._settings.effective_transport)
        bench = PaperBench(
            paper=paper, actors=actors, instruments=Instruments(store, catalogue), store=store, clock=clock
        )
        registry = store.registry
        app = create_app(
            Dependencies(
                access=access,
                intake=intake,
                record=store.record,
                controls=controls,
                cancels=cancels,
                disconnects=disconnects,
                flattener=flattener,
                losses=losses,
                paper=bench,
                keyring=Keyring(
                    registry=registry,
                    store=store,
                    access=access,
                    streams=streams,
                    clock=clock,
                    ids=self._ids,
                    limits=limits,
                ),
                registrar=Registrar(
                    registry=registry,
                    store=store,
                    actors=actors,
                    clock=clock,
                    ids=self._ids,
                    limits=limits,
                    plan_of=_plan_of,
                ),
                reconciliations=ingest.reconciliations,
                resolutions=resolutions,
                clock=clock,
                limits=limits,
                metrics=metrics,
                streams=streams,
                pumps=pumps,
                is_ready=lambda: self._is_ready,
            ),
            mounted=dict.fromkeys(web.paths, web),
            cors_origins=self._settings.cors_origins,
        )
        rest = RestServer(app, self._settings.rest_host, self._settings.rest_port)
        grpc = self._grpc(group, access, quota, streams, new_session, disconnects.arm)
        flow = (ingest, intake, cancels, disconnects, flattener, losses, actors, roller)
        return _Parts(rest, grpc, streams, book, broker, *flow, access, registry)

    def _broker_over(self, paper: PaperBroker) -> Broker:
        """The broker as the flow sees it: with chaos in between where that is set."""
        if self._broker is not None:
            return self._broker
        try:
            chaos = parse_chaos(self._settings.chaos)
        except ValueError as error:
            raise DropcopyError(Code.INVALID_CONFIGURATION, str(error)) from error
        if chaos is None:
            return paper
        _log.warning("broker.chaos", seed=chaos.seed)
        return ChaosBroker(paper, chaos, self._clock, self._pause_max_s)

    def _sessions(self, store: SqliteStore, access: Access, spawn: Spawn) -> SessionFactory:
        def new_session(principal: Principal) -> Session:
            return Session(
                principal=principal,
                access=access,
                hub=self._hub,
                store=store,
                encoder=self._session_encoder,
                clock=self._clock,
                limits=self._limits,
                spawn=spawn,
            )

        return new_session

    def _grpc(
        self,
        group: asyncio.TaskGroup,
        access: Access,
        quota: StreamQuota,
        streams: Streams,
        new_session: SessionFactory,
        arm: Arm,
    ) -> GrpcServer:
        def new_service() -> StreamService:
            return StreamService(access=access, quota=quota, streams=streams, new_session=new_session, arm=arm)

        return GrpcServer(
            new_service=new_service,
            streams=streams,
            clock=self._clock,
            transport=self._settings.effective_transport,
            tasks=group,
            is_plain=self._settings.plain_writer,
        )

    async def _serve_rest(self, rest: RestServer) -> None:
        with _listening("rest_port", self._settings.rest_host, self._settings.rest_port):
            await rest.run()

    async def _open_ports(self, parts: "_Parts") -> Addresses:
        grpc, grpc_tls = await open_grpc_ports(parts.grpc, self._settings)
        return Addresses(f"http://{self._settings.rest_host}:{parts.rest.port}", grpc, grpc_tls)


async def open_grpc_ports(server: GrpcServer, settings: Settings) -> tuple[str | None, str | None]:
    """Open the plaintext and the TLS port, where they are set; their addresses. Raises DropcopyError."""
    grpc = grpc_tls = None
    if settings.grpc_port is not None:
        with _listening("grpc_port", settings.grpc_host, settings.grpc_port):
            port = await server.open(Port(settings.grpc_host, settings.grpc_port))
        grpc = f"{settings.grpc_host}:{port}"
    if settings.grpc_tls_port is not None:
        if settings.tls_certificate is None or settings.tls_key is None:
            raise DropcopyError(Code.INVALID_CONFIGURATION, "the TLS port needs tls_certificate and tls_key")
        try:
            context = tls_context(str(settings.tls_certificate), str(settings.tls_key))
        except OSError as error:
            files = f"{settings.tls_certificate} and {settings.tls_key}"
            raise DropcopyError(Code.INVALID_CONFIGURATION, f"the TLS port cannot use {files}: {error}") from error
        with _listening("grpc_tls_port", settings.grpc_tls_host, settings.grpc_tls_port):
            port = await server.open(Port(settings.grpc_tls_host, settings.grpc_tls_port, context))
        grpc_tls = f"{_name_of(settings.grpc_tls_host)}:{port}"
    return grpc, grpc_tls


@contextmanager
def _listening(setting: str, host: str, port: int) -> Iterator[None]:
    """Names the setting where a port cannot be opened."""
    try:
        yield
    except OSError as error:
        is_system = error.errno is not None and error.errno > 0  # a host that is not found has a number of its own
        cause = os.strerror(error.errno) if is_system and error.errno is not None else error.strerror
        raise DropcopyError(
            Code.INVALID_CONFIGURATION, f"{setting}: cannot listen on {host}:{port}: {cause}"
        ) from error


@dataclass(frozen=True, slots=True)
class _Parts:
    rest: RestServer
    grpc: GrpcServer
    streams: Streams
    book: Book
    broker: Broker
    ingest: Ingest
    intake: Intake
    cancels: MassCancel
    disconnects: DisconnectCancels
    flattener: Flattener
    losses: LossWatch
    actors: Actors
    roller: DayRoller
    access: Access
    registry: Registry


def _prices_of(paper: PaperBroker) -> References:
    """Where controls take reference prices from: the account's broker."""
    return lambda account, instrument: paper.reference(instrument, account.account_id)


def _plan_of(asked: PaperRequest) -> str:
    """The settings of a paper account that is asked for by REST."""
    plan = parse_plan(
        asked.profile, seed=asked.seed, cash=asked.cash, parameters=asked.parameters, scenario=asked.scenario
    )
    return render_plan(plan)


class _StoppedError(Exception):
    """Ends the node's TaskGroup, and with it every background task."""


def _die() -> None:
    """Without a farewell: whatever would be done on the way out might be told as if it were durable."""
    os._exit(1)


async def guarded(work: Coroutine[Any, Any, None]) -> None:
    """A background task that fails is a bug: logged, and the others go on."""
    try:
        await work
    except Exception:  # noqa: BLE001  logged with its trace
        _log.exception("task.failed", error_id=secrets.token_hex(6))


async def _sweep(actors: Actors) -> None:
    """Let what is settled leave memory, again and again."""
    while True:
        await asyncio.sleep(_SWEEP_S)
        for actor in actors:
            actor.forget_idle()


def _name_of(host: str) -> str:
    """The name that the development certificate is made out to, for loopback addresses."""
    return "localhost" if host in ("127.0.0.1", "::1") else host


def read_pepper(folder: Path, ids: Ids) -> bytes:
    """The folder's secret for hashing keys; made at first use, readable by its owner only."""
    path = folder / PEPPER_NAME
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes().strip()
    with os.fdopen(descriptor, "wb") as file:
        file.write(ids.secret().encode())
    return path.read_bytes().strip()


def packaged_instruments() -> tuple[Instrument, ...]:
    """The catalogue that comes with the product."""
    text = (resources.files("dropcopyd") / "catalogue.csv").read_text("utf-8")
    return instruments_of(csv.DictReader(text.splitlines()))


def seed_instruments(folder: Path, at_ns: int) -> None:
    """Put the packaged catalogue into the folder's database; what is there stays."""
    admin = Admin(folder, at_ns)
    try:
        admin.add_instruments(packaged_instruments())
    finally:
        admin.close()
