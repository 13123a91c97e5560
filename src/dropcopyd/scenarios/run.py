"""Every path of a file, each on an account of its own, in one gateway in a folder that is thrown away."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import grpc
import httpx2

from dropcopy import proto as pb
from dropcopyd import config
from dropcopyd.brokers.scripted import ScriptedBroker
from dropcopyd.domain.account import BrokerKind, Scope
from dropcopyd.flow.access import digest, mint_key
from dropcopyd.node import Addresses, Node, read_pepper, seed_instruments
from dropcopyd.scenarios.path import Path
from dropcopyd.scenarios.stage import WAIT_S, MismatchError, Stage
from dropcopyd.scenarios.words import Row
from dropcopyd.store.admin import Admin
from dropcopyd.system import RandomIds, SystemClock

Played = tuple[str, list[Row], list[str]]
"""A path's name, its rows, the quirks of its source."""


@dataclass(slots=True)
class Verdict:
    """How one path went. `quirks` are rows that the source itself breaks, told apart."""

    name: str
    problem: str | None = None
    quirks: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        told = "passed" if self.problem is None else f"FAILED {self.problem}"
        return f"{self.name}: {told}" + "".join(f"; quirk {quirk}" for quirk in self.quirks)


def read_file(path: FilePath) -> list[Played]:
    """A file's paths, each with its name and the quirks of its source. Raises ValueError, OSError."""
    scenarios = json.loads(path.read_text("utf-8"))
    try:
        return [
            (f"{one['id']} ({one.get('fix', '?')}) {name}", rows, one.get("quirks", []))
            for one in scenarios
            for name, rows in zip(
                one.get("path_names") or map(str, range(len(one["paths"]))), one["paths"], strict=False
            )
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("must be a list of scenarios, each with its id and paths") from error


async def play(paths: list[Played]) -> AsyncIterator[Verdict]:
    """The verdicts of the paths, as they come."""
    with tempfile.TemporaryDirectory(prefix="dropcopy-scenarios-") as folder:
        async for verdict in _play_all(FilePath(folder), paths):
            yield verdict


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway whose broker says what it is told to say. The key may do everything."""

    addresses: Addresses
    broker: ScriptedBroker
    api_key: str


@asynccontextmanager
async def gateway(folder: FilePath, accounts: list[str]) -> AsyncIterator[Gateway]:
    """A whole gateway in an empty folder, with these accounts; stopped at the end."""
    api_key = _prepare(folder, accounts, RandomIds(), SystemClock())
    broker = ScriptedBroker(accounts)
    settings = config.load(data=folder, rest_port=0, grpc_port=0, grpc_tls_port=None, prices=["synthetic"])
    ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Node(settings, broker=broker).run(ready.set_result, stop))
        try:
            addresses = await asyncio.wait_for(asyncio.shield(ready), WAIT_S)
            await asyncio.wait_for(broker.is_up.wait(), WAIT_S)
            yield Gateway(addresses, broker, api_key)
        finally:
            stop.set()


async def _play_all(folder: FilePath, paths: list[Played]) -> AsyncIterator[Verdict]:
    ids = RandomIds()
    accounts = [ids.uuid() for _ in paths]
    async with gateway(folder, accounts) as running:
        addresses, headers = running.addresses, {"x-api-key": running.api_key}
        async with (
            httpx2.AsyncClient(base_url=addresses.rest, headers=headers, timeout=WAIT_S) as client,
            grpc.aio.insecure_channel(str(addresses.grpc)) as channel,
        ):
            for (name, rows, quirks), account_id in zip(paths, accounts, strict=True):
                yield await _play_one(name, rows, quirks, account_id, running.broker, client, channel, running.api_key)


async def _play_one(
    name: str,
    rows: list[Row],
    quirks: list[str],
    account_id: str,
    broker: ScriptedBroker,
    client: httpx2.AsyncClient,
    channel: Any,
    api_key: str,
) -> Verdict:
    verdict = Verdict(name)
    call = channel.stream_stream(
        pb.STREAM_EVENTS_PATH,
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=pb.TradingEvent.FromString,
    )(metadata=(("x-api-key", api_key),))
    stage = Stage(account_id, broker, client, call)
    try:
        subscribe = pb.Subscribe(trading_account_id=account_id)
        subscribe.subscriptions.extend([pb.EVENT_TYPE_BROKER_ORDER, pb.EVENT_TYPE_ACCOUNT_BALANCE])
        await call.write(pb.StreamEventsRequest(subscribe=subscribe))
        await stage.until(lambda event: event.WhichOneof("event") == "status")
        verdict.quirks = await Path(stage, rows, quirks).run()
    except MismatchError as mismatch:
        verdict.problem = str(mismatch)
    except Exception as error:  # noqa: BLE001  a path that cannot be played is a line, not the end
        verdict.problem = f"cannot be played: {type(error).__name__}: {error}"
    finally:
        call.cancel()
    return verdict


def _prepare(folder: FilePath, accounts: list[str], ids: RandomIds, clock: SystemClock) -> str:
    """Organization, accounts and a key that may do everything."""
    seed_instruments(folder, clock.now_ns())
    key_id, api_key = mint_key(ids)
    organization_id = ids.uuid()
    admin = Admin(folder, clock.now_ns())
    try:
        admin.add_organization(organization_id, "scenarios")
        for number, account_id in enumerate(accounts, start=1):
            admin.add_account(account_id, organization_id, f"path {number}", BrokerKind.PAPER)
        admin.add_key(key_id, organization_id, "scenarios", digest(read_pepper(folder, ids), api_key), frozenset(Scope))
    finally:
        admin.close()
    return api_key
