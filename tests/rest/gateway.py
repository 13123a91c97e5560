"""The real REST port on a real folder, without a broker: commands stay unsent unless a test speaks for the broker."""

import asyncio
import contextlib
import csv
from collections.abc import AsyncIterator, Coroutine, Iterable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

import httpx2

from dropcopyd.brokers.paper import open_paper, parse_plan, plan_from, render_plan
from dropcopyd.brokers.scripted import ScriptedBroker
from dropcopyd.domain import machine
from dropcopyd.domain.account import Account, BrokerKind, Principal, Scope
from dropcopyd.domain.catalogue import Catalogue, instruments_of
from dropcopyd.domain.instrument import Crypto, Equity
from dropcopyd.domain.keys import KeySettings
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.money import parse
from dropcopyd.domain.report import OrderReport
from dropcopyd.flow.access import Access, digest, mint_key
from dropcopyd.flow.controls import Controls
from dropcopyd.flow.disconnect import DisconnectCancels
from dropcopyd.flow.dispatch import Dispatcher
from dropcopyd.flow.flatten import Flattener
from dropcopyd.flow.hub import Hub
from dropcopyd.flow.ingest import Ingest
from dropcopyd.flow.intake import Intake
from dropcopyd.flow.keyring import Keyring
from dropcopyd.flow.losses import LossWatch
from dropcopyd.flow.masscancel import MassCancel
from dropcopyd.flow.ownership import Actors
from dropcopyd.flow.paper import PaperBench
from dropcopyd.flow.pump import Pumps
from dropcopyd.flow.quota import StreamQuota
from dropcopyd.flow.registrar import PaperRequest, Registrar
from dropcopyd.flow.resolutions import Resolutions
from dropcopyd.flow.session import Session
from dropcopyd.flow.streams import Streams
from dropcopyd.flow.taking import Instruments
from dropcopyd.observe import Metrics
from dropcopyd.ports import Clock
from dropcopyd.rest.app import Dependencies, create_app
from dropcopyd.rest.server import RestServer
from dropcopyd.rest.straight import Application
from dropcopyd.store.admin import Admin
from dropcopyd.store.sqlite import SqliteStore, open_store
from dropcopyd.system import NoFailpoints, RandomIds, SystemClock
from dropcopyd.wire import ProtobufEncoder, ProtobufSessionEncoder

PEPPER: Final = b"pepper"
WAIT_S: Final = 30.0
PATIENT: Final = Limits(dispatch_deadline_s=600)
"""Commands wait for a broker that never comes."""
Json = dict[str, Any]
_IDS: Final = RandomIds()


@dataclass
class Tenants:
    """Two organizations: ours with two accounts and several keys, and a foreign one."""

    organization_id: str = field(default_factory=_IDS.uuid)
    account_id: str = field(default_factory=_IDS.uuid)
    second_account_id: str = field(default_factory=_IDS.uuid)
    foreign_organization_id: str = field(default_factory=_IDS.uuid)
    foreign_account_id: str = field(default_factory=_IDS.uuid)
    key: str = ""
    read_key: str = ""
    edit_key: str = ""
    disabled_key: str = ""
    foreign_key: str = ""
    expired_key: str = ""
    restricted_key: str = ""
    """All scopes, for the second account only."""
    elsewhere_key: str = ""
    """All scopes, for another network than the tests'."""
    scope_keys: dict[Scope, str] = field(default_factory=dict)
    """A key for each scope alone."""


def populate(folder: Path) -> Tenants:
    """Create the database as the operator's commands do."""
    tenants = Tenants()
    admin = Admin(folder, SystemClock().now_ns())
    try:
        admin.add_organization(tenants.organization_id, "ours")
        admin.add_organization(tenants.foreign_organization_id, "theirs")
        admin.add_account(tenants.account_id, tenants.organization_id, "first", BrokerKind.PAPER)
        admin.add_account(tenants.second_account_id, tenants.organization_id, "second", BrokerKind.PAPER)
        admin.add_account(tenants.foreign_account_id, tenants.foreign_organization_id, "first", BrokerKind.PAPER)
        tenants.key = _add_key(admin, tenants.organization_id, Scope)
        tenants.read_key = _add_key(admin, tenants.organization_id, [Scope.RECORDS_READ])
        tenants.edit_key = _add_key(admin, tenants.organization_id, [Scope.INTENTS_EDIT])
        tenants.disabled_key = _add_key(admin, tenants.organization_id, Scope)
        tenants.foreign_key = _add_key(admin, tenants.foreign_organization_id, Scope)
        admin.disable_key(tenants.disabled_key.split("_")[1])
        tenants.expired_key = _add_key(admin, tenants.organization_id, Scope, expires_at_ns=1)
        second = frozenset({tenants.second_account_id})
        tenants.restricted_key = _add_key(admin, tenants.organization_id, Scope, account_ids=second)
        tenants.elsewhere_key = _add_key(admin, tenants.organization_id, Scope, addresses=("203.0.113.0/24",))
        tenants.scope_keys = {scope: _add_key(admin, tenants.organization_id, [scope]) for scope in Scope}
        text = (resources.files("dropcopyd") / "catalogue.csv").read_text("utf-8")
        admin.add_instruments(instruments_of(csv.DictReader(text.splitlines())))
        admin.add_instruments(
            [
                Equity(symbol="TWIN"),
                Crypto(
                    symbol="TWIN",
                    base="T",
                    quote="USD",
                    venue="PAPER",
                    tick_size=parse("0.01"),
                    quantity_increment=parse("0.01"),
                ),
            ]
        )
    finally:
        admin.close()
    return tenants


def _add_key(admin: Admin, organization_id: str, scopes: Iterable[Scope], **restrictions: Any) -> str:
    key_id, key = mint_key(_IDS)
    settings = KeySettings(name=key_id, scopes=frozenset(scopes), **restrictions)
    admin.add_key(key_id, organization_id, key_id, digest(PEPPER, key), (), settings)
    return key


@dataclass
class Gateway:
    """A running REST port with its parts, and a client that sends `tenants.key`."""

    tenants: Tenants
    store: SqliteStore
    actors: Actors
    intake: Intake
    dependencies: Dependencies
    server: RestServer
    client: httpx2.AsyncClient
    app: Application
    is_ready: bool = True

    def without_key(self) -> httpx2.AsyncClient:
        """Another client of the same port, which sends no key of its own."""
        return httpx2.AsyncClient(base_url=self.client.base_url, verify=False, timeout=WAIT_S)

    @property
    def account(self) -> str:
        """The path of our first account."""
        return f"/v1/accounts/{self.tenants.account_id}"

    async def submit(self, body: Json, key: str | None = None, **headers: str) -> httpx2.Response:
        """POST a submit to our first account; `key` is the Idempotency-Key."""
        if key is not None:
            headers["idempotency-key"] = key
        return await self.client.post(f"{self.account}/intents", json=body, headers=headers)

    async def create(self, **payload: Any) -> str:
        """A new intent's id."""
        answer = await self.submit(create(**payload))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["intent_id"])

    async def get(self, path: str, **query: Any) -> Any:
        """A record or page below our first account."""
        answer = await self.client.get(f"{self.account}/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def report(self, intent_id: str, report: OrderReport) -> None:
        """Speak for the broker: a report about the newest command of an intent."""
        actor = await self.actors.get(self.tenants.account_id)
        async with actor.serial():
            chain = await actor.load(intent_id=intent_id)
            assert chain is not None
            command = chain.commands[max(chain.commands)]
        named = OrderReport(
            **{name: getattr(report, name) for name in report.__slots__ if name != "broker_command_id"},
            broker_command_id=command.broker_command_id,
        )
        await actor.decide(lambda state, now_ns: machine.take_report(state, named, now_ns))


def _plan_of(asked: PaperRequest) -> str:
    plan = parse_plan(
        asked.profile, seed=asked.seed, cash=asked.cash, parameters=asked.parameters, scenario=asked.scenario
    )
    return render_plan(plan)


def create(**payload: Any) -> Json:
    """The body of a CREATE; members as given over those of a market order of one share."""
    order: Json = {"symbol": "AAPL", "spec": {"Market": {"quantity": "1"}}, "order_side": "BUY"}
    return {"command": {"action_type": "CREATE", "payload": {**order, **payload}}}


def replace(intent_id: str, **terms: str) -> Json:
    """The body of a REPLACE with a limit order's terms."""
    spec = {"Limit": {"price": "10", "quantity": "5", "time_in_force": "DAY", **terms}}
    return {"command": {"action_type": "REPLACE", "payload": {"ref_intent_id": intent_id, "spec": spec}}}


def cancel(intent_id: str) -> Json:
    """The body of a CANCEL."""
    return {"command": {"action_type": "CANCEL", "payload": {"ref_intent_id": intent_id}}}


@contextlib.asynccontextmanager
async def opened(
    folder: Path,
    tenants: Tenants,
    limits: Limits = PATIENT,
    clock: Clock | None = None,
    access: Access | None = None,
) -> AsyncIterator[Gateway]:
    """The gateway on a populated folder; closed, it may be opened again."""
    tasks: set[asyncio.Task[None]] = set()

    def spawn(work: Coroutine[Any, Any, None]) -> object:
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)
        return task

    clock = clock or SystemClock()
    failpoints, metrics = NoFailpoints(), Metrics()
    encoder = ProtobufEncoder()
    session_encoder = ProtobufSessionEncoder(encoder)
    hub = Hub(session_encoder, limits, metrics)
    store = open_store(
        folder,
        encoder=encoder,
        clock=clock,
        ids=_IDS,
        limits=limits,
        failpoints=failpoints,
        on_committed=hub.publish,
        metrics=metrics,
    )
    catalogue = Catalogue(await store.instruments())
    book, paper = open_paper(
        folder, ["synthetic"], await store.accounts(), catalogue, clock=clock, ids=_IDS, failpoints=failpoints
    )

    def connect(account: Account) -> None:
        paper.add_account(account.account_id, plan_from(account.broker_settings))

    actors = Actors(store, clock, spawn, on_loaded=connect)
    controls = Controls(store=store, clock=clock, limits=limits, references=lambda _account, _instrument: None)
    dispatcher = Dispatcher(
        brokers={},
        controls=controls,
        clock=clock,
        limits=limits,
        spawn=spawn,
        failpoints=failpoints,
        metrics=metrics,
    )
    intake = Intake(
        actors=actors,
        dispatcher=dispatcher,
        controls=controls,
        store=store,
        catalogue=catalogue,
        clock=clock,
        ids=_IDS,
        limits=limits,
        failpoints=failpoints,
        metrics=metrics,
    )
    await controls.open()
    broker = ScriptedBroker([tenants.account_id])
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
    spawn(ingest.watch())
    access = access or Access(store, PEPPER, clock, limits)
    streams = Streams(store=store, clock=clock, ids=_IDS, limits=limits)

    def new_session(principal: Principal) -> Session:
        return Session(
            principal=principal,
            access=access,
            hub=hub,
            store=store,
            encoder=session_encoder,
            clock=clock,
            limits=limits,
            spawn=spawn,
        )

    quota = StreamQuota(limits.streams_per_organization)
    cancels = MassCancel(actors=actors, intake=intake, controls=controls, store=store, clock=clock)
    disconnects = DisconnectCancels(access=access, actors=actors, cancels=cancels, store=store, clock=clock)
    await disconnects.open()
    streams.on_lost = disconnects.lost
    flattener = Flattener(
        actors=actors, intake=intake, controls=controls, cancels=cancels, store=store, clock=clock, ids=_IDS
    )
    losses = LossWatch(
        actors=actors,
        controls=controls,
        cancels=cancels,
        flattener=flattener,
        store=store,
        clock=clock,
        references=lambda _account, _instrument: None,
    )
    dependencies = Dependencies(
        access=access,
        intake=intake,
        record=store.record,
        controls=controls,
        cancels=cancels,
        disconnects=disconnects,
        flattener=flattener,
        losses=losses,
        keyring=Keyring(
            registry=store.registry, store=store, access=access, streams=streams, clock=clock, ids=_IDS, limits=limits
        ),
        registrar=Registrar(
            registry=store.registry, store=store, actors=actors, clock=clock, ids=_IDS, limits=limits, plan_of=_plan_of
        ),
        reconciliations=ingest.reconciliations,
        resolutions=Resolutions(actors=actors, queries=store.record.queries, instruments=Instruments(store, catalogue)),
        clock=clock,
        limits=limits,
        metrics=metrics,
        streams=streams,
        pumps=Pumps(
            quota=quota, streams=streams, new_session=new_session, arm=disconnects.arm, clock=clock, spawn=spawn
        ),
        paper=PaperBench(
            paper=paper, actors=actors, instruments=Instruments(store, catalogue), store=store, clock=clock
        ),
        is_ready=lambda: gateway.is_ready,
    )
    app = create_app(dependencies)
    server = RestServer(app, "127.0.0.1", 0)
    running = asyncio.get_running_loop().create_task(server.run())
    await server.started()
    url, headers = f"http://127.0.0.1:{server.port}", {"x-api-key": tenants.key}
    client = httpx2.AsyncClient(base_url=url, headers=headers, verify=False, timeout=WAIT_S)
    gateway = Gateway(tenants, store, actors, intake, dependencies, server, client, app)
    try:
        yield gateway
    finally:
        await client.aclose()
        await server.stop(1.0)
        await running
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await book.close()
        await store.close()
