"""Every stream of the running program with every kind of credential; a revocation from wherever ends what is open."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from dropcopy import proto as pb
from dropcopyd.domain.account import BrokerKind, Scope
from dropcopyd.domain.keys import KeySettings
from dropcopyd.flow.access import digest, mint_key
from dropcopyd.node import read_pepper
from dropcopyd.store.admin import Admin
from dropcopyd.system import RandomIds, SystemClock
from tests.node.test_operator import run
from tests.support.daemon import Daemon, Rest
from tests.support.streams import StreamClient, has, new_channel, trailer
from tests.support.web import FORMS, WebStream, subscribe

pytestmark = pytest.mark.asyncio(loop_scope="module")
NATIVE = (pb.STREAM_PATH, pb.STREAM_EVENTS_PATH, pb.SUBSCRIBE_EVENTS_PATH)
STREAMS = (*NATIVE, *FORMS)
_IDS = RandomIds()


@dataclass(frozen=True)
class Keys:
    """Keys of the daemon's organization and of a foreign one."""

    account_id: str
    other_account_id: str
    foreign: str
    scopes: dict[Scope, str]
    bad: dict[str, str]
    restricted: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    async with Daemon(tmp_path_factory.mktemp("matrix") / "data", "--heartbeat-s", "0.3") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def rest(daemon: Daemon) -> AsyncIterator[Rest]:
    async with Rest(daemon.info) as client:
        yield client


@pytest.fixture(scope="module")
def keys(daemon: Daemon) -> Keys:
    ours, account_id = daemon.info["organization_id"], daemon.info["account_id"]
    admin = Admin(daemon.folder, SystemClock().now_ns())
    theirs, other = _IDS.uuid(), _IDS.uuid()
    admin.add_organization(theirs, "theirs")
    admin.add_account(other, ours, "other", BrokerKind.PAPER)

    def add(organization_id: str, *scopes: Scope, **restrictions: Any) -> str:
        key_id, key = mint_key(_IDS)
        settings = KeySettings(name=key_id, scopes=frozenset(scopes), **restrictions)
        admin.add_key(key_id, organization_id, key_id, digest(read_pepper(daemon.folder, _IDS), key), (), settings)
        return key

    disabled = add(ours, *Scope)
    admin.disable_key(disabled.split("_")[1])
    found = Keys(
        account_id,
        other,
        add(theirs, *Scope),
        {scope: add(ours, scope) for scope in Scope},
        {
            "unknown": "dc_nobody_" + "a" * 40,
            "disabled": disabled,
            "expired": add(ours, *Scope, expires_at_ns=1),
            "elsewhere": add(ours, *Scope, addresses=("203.0.113.0/24",)),
        },
        add(ours, *Scope, account_ids=frozenset({other})),
    )
    admin.close()
    return found


async def outcome(daemon: Daemon, stream: str, key: str, account_id: str) -> str:
    """`open`, or the code with which the stream was refused."""
    if stream in FORMS:
        async with WebStream(daemon.info["rest"], stream, account_id, headers={"x-api-key": key}) as web:
            return str(await web.until(lambda events: "open" if any(map(is_status, events)) else refusal_of(web)))
    if stream == pb.SUBSCRIBE_EVENTS_PATH:
        return await once(daemon, key, account_id)
    async with StreamClient(daemon.info["grpc"], key, path=stream) as client:
        client.subscribe(account_id)
        try:
            await client.until(lambda events: any(map(is_status, events)) or client.of("error"))
        except AssertionError:
            error = await client.ended()
            return str(trailer(error, "dropcopy-code"))
        return client.of("error")[0].code if client.of("error") else "open"


def is_status(event: pb.TradingEvent) -> bool:
    return event.WhichOneof("event") == "status"


def refusal_of(web: WebStream) -> str | None:
    return None if web.end is None else web.end.code


async def once(daemon: Daemon, key: str, account_id: str) -> str:
    channel = new_channel(daemon.info["grpc"])
    call = channel.unary_stream(
        pb.SUBSCRIBE_EVENTS_PATH,
        request_serializer=pb.Subscribe.SerializeToString,
        response_deserializer=pb.TradingEvent.FromString,
    )(subscribe(account_id), metadata=(("x-api-key", key),), timeout=20)
    try:
        async for event in call:
            if is_status(event):
                return "open"
    except grpc.aio.AioRpcError as error:
        return str(trailer(error, "dropcopy-code"))
    finally:
        call.cancel()
        await channel.close(None)
    raise AssertionError("it ended without a word")


@pytest.mark.parametrize("stream", STREAMS)
async def test_a_stream_with_every_credential(daemon: Daemon, keys: Keys, stream: str) -> None:
    for scope, key in keys.scopes.items():
        expected = "open" if scope is Scope.STREAM_READ else "permission_denied"
        assert await outcome(daemon, stream, key, keys.account_id) == expected, scope
    for name, key in keys.bad.items():
        assert await outcome(daemon, stream, key, keys.account_id) == "unauthenticated", name
    for account_id in (keys.account_id, _IDS.uuid()):
        assert await outcome(daemon, stream, keys.foreign, account_id) == "account_not_found"
    assert await outcome(daemon, stream, keys.restricted, keys.account_id) == "account_not_found"
    assert await outcome(daemon, stream, keys.restricted, keys.other_account_id) == "open"
    if stream != "sse":
        assert await outcome(daemon, stream, keys.restricted, "") == "permission_denied"


async def ended_code(stream: Any) -> str:
    """The code with which an open stream was ended."""
    end = await stream.ended()
    return end.code if isinstance(stream, WebStream) else str(trailer(end, "dropcopy-code"))


async def new_key(rest: Rest, **restrictions: Any) -> tuple[str, str]:
    body = {"name": "leaving", "scopes": ["stream:read", "records:read"], **restrictions}
    answer = await rest.client.post("/v1/keys", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["key"]["key_id"], answer.json()["api_key"]


REVOCATIONS = {
    "revoked by REST": "unauthenticated",
    "disabled on the command line": "unauthenticated",
    "rotated by REST": "unauthenticated",
    "rotated on the command line": "unauthenticated",
    "scope taken": "permission_denied",
    "restricted to another account": "permission_denied",
    "address taken": "unauthenticated",
}


@pytest.mark.parametrize("how", REVOCATIONS)
async def test_a_revocation_ends_what_is_open(daemon: Daemon, rest: Rest, keys: Keys, how: str) -> None:
    key_id, key = await new_key(rest)
    data = ("--data", str(daemon.folder))
    path = f"/v1/keys/{key_id}"
    async with (
        StreamClient(daemon.info["grpc"], key) as native,
        WebStream(daemon.info["rest"], "sse", keys.account_id, headers={"x-api-key": key}) as events,
        StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as staying,
    ):
        native.subscribe(keys.account_id)
        await native.until(has("status"))
        await events.until(lambda heard: any(map(is_status, heard)))
        await staying.until(has("heartbeat"))
        if how == "revoked by REST":
            assert (await rest.client.delete(path)).status_code == 204
        elif how == "disabled on the command line":
            run("keys", "disable", key_id, *data)
        elif how == "rotated by REST":
            assert (await rest.client.post(f"{path}/rotate", json={"overlap_s": 0})).status_code == 200
        elif how == "rotated on the command line":
            fresh = json.loads(run("keys", "rotate", key_id, "--overlap", "0", *data))
            assert await outcome(daemon, pb.STREAM_PATH, fresh["api_key"], keys.account_id) == "open"
        else:
            change: dict[str, Any] = {
                "scope taken": {"scopes": ["records:read"]},
                "restricted to another account": {"account_ids": [keys.other_account_id]},
                "address taken": {"allowed_addresses": ["203.0.113.0/24"]},
            }[how]
            assert (await rest.client.patch(path, json=change)).status_code == 200
        assert await ended_code(native) == REVOCATIONS[how]
        assert await ended_code(events) == REVOCATIONS[how]
        beats = len(staying.of("heartbeat"))
        await staying.until(has("heartbeat", beats + 2))


async def test_an_expiry_ends_what_is_open(daemon: Daemon, rest: Rest, keys: Keys) -> None:
    data = ("--data", str(daemon.folder))
    added = json.loads(run("keys", "add", "short", "--org", "dev", "--expires-in", "4", *data))
    async with StreamClient(daemon.info["grpc"], added["api_key"]) as client:
        await client.until(has("heartbeat"))
        assert await ended_code(client) == "unauthenticated"


async def test_an_account_disabled_on_the_command_line_takes_no_more_orders(daemon: Daemon, rest: Rest) -> None:
    created = await rest.client.post("/v1/accounts", json={"name": "fleeting"})
    account_id = created.json()["account_id"]
    command = {"action_type": "CREATE", "payload": {"symbol": "AAPL", "order_side": "BUY"}}
    command["payload"] |= {"spec": {"Limit": {"price": "1", "quantity": "1", "time_in_force": "DAY"}}}  # type: ignore[operator]
    assert (await rest.submit(command, account_id=account_id)).status_code == 201
    run("accounts", "disable", account_id, "--data", str(daemon.folder))
    listed = [json.loads(line) for line in run("accounts", "list", "--data", str(daemon.folder)).splitlines()]
    assert [one["is_disabled"] for one in listed if one["account_id"] == account_id] == [True]
    async with asyncio.timeout(20):
        while (await rest.client.post("/v1/controls/evaluate", json={"account_id": account_id})).json()["allowed"]:
            await asyncio.sleep(0.05)
    answer = await rest.submit(command, account_id=account_id)
    assert (answer.status_code, answer.json()["control"]) == (403, "account_disabled")
    run("accounts", "enable", account_id, "--data", str(daemon.folder))


async def test_opening_streams_counts_against_the_rate_of_the_key(tmp_path: Path) -> None:
    limits = {"DROPCOPYD_LIMITS__REQUESTS_PER_KEY": "4", "DROPCOPYD_LIMITS__RATE_WINDOW_S": "3600"}
    async with Daemon(tmp_path / "data", **limits) as limited:
        account_id, key = limited.info["account_id"], limited.info["api_key"]
        for stream in ("sse", pb.STREAM_PATH, pb.SUBSCRIBE_EVENTS_PATH, "connect+json"):
            assert await outcome(limited, stream, key, account_id) == "open"
        for stream in STREAMS:
            assert await outcome(limited, stream, key, account_id) == "rate_limited", stream
        async with StreamClient(limited.info["grpc"], key) as client:
            assert (await client.ended()).code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_no_secret_is_logged(daemon: Daemon, rest: Rest, keys: Keys) -> None:
    """Whatever was done with keys in this file."""
    _, key = await new_key(rest)
    token = (await rest.client.post("/v1/tokens", json={}, headers={"x-api-key": key})).json()["token"]
    bearer = {"authorization": f"Bearer {token}"}
    async with Rest(daemon.info) as other:
        del other.client.headers["x-api-key"]
        assert (await other.client.get("/v1/accounts", headers=bearer)).status_code == 200
    log = daemon.log()
    assert "key.refused" in log, "that a good secret was refused is told, and why"
    for secret in (daemon.info["api_key"], key, keys.foreign, *keys.scopes.values(), *keys.bad.values()):
        assert secret.split("_")[2] not in log
    assert token not in log
