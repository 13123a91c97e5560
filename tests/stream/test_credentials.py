"""Who may open a stream: one test for each sentence of the contract on credentials."""

from typing import Any

import grpc
import pytest

from dropcopy import proto as pb
from dropcopyd.domain.account import Scope
from tests.stream.site import ORDER, Site, Tenant
from tests.support.streams import StreamClient, has, new_channel, trailer

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_key_travels_in_the_initial_metadata(tenant: Tenant) -> None:
    async with tenant.stream() as client:
        await client.until(has("heartbeat"))


async def test_a_bearer_token_does_as_well(site: Site, tenant: Tenant) -> None:
    url = f"{site.daemon.info['rest']}/v1/tokens"
    answer = await site.http.post(url, json={}, headers={"x-api-key": tenant.api_key})
    bearer = (("authorization", f"Bearer {answer.json()['token']}"),)
    async with StreamClient(site.daemon.info["grpc"], None, metadata=bearer) as client:
        client.subscribe(tenant.accounts[0], (ORDER,))
        await client.until(has("status"))


async def test_credentials_are_checked_before_the_call_runs(site: Site) -> None:
    async with StreamClient(site.daemon.info["grpc"], None) as client:
        error = await client.ended()
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert not client.events, "no heartbeat"


async def test_the_organization_comes_from_the_credential(site: Site, tenant: Tenant) -> None:
    other = site.tenant()
    async with tenant.stream() as mine, other.stream() as theirs:
        for client in (mine, theirs):
            client.subscribe("", (ORDER,))
            await client.until(has("status"))
        await tenant.fill()
        await other.fill()
        for client, owner in ((mine, tenant), (theirs, other)):
            await client.until(has("broker_order", 3))
            assert {event.account_id for event in client.journal} == set(owner.accounts)


@pytest.mark.parametrize("path", [pb.STREAM_EVENTS_PATH, pb.STREAM_PATH])
async def test_a_bad_or_missing_credential_is_unauthenticated(site: Site, tenant: Tenant, path: str) -> None:
    key_id, disabled = tenant.add_key(*Scope)
    with site.admin() as admin:
        admin.disable_key(key_id)
    wrong = tenant.api_key[:-1] + ("a" if tenant.api_key[-1] != "a" else "b")
    for key in (None, "", "nonsense", wrong, disabled):
        async with StreamClient(site.daemon.info["grpc"], key, path=path) as client:
            error = await client.ended()
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED
            assert trailer(error, "dropcopy-code") == "unauthenticated"
            assert not key or key not in (error.details() or "")


async def test_a_missing_scope_is_permission_denied(tenant: Tenant) -> None:
    _, key = tenant.add_key(Scope.RECORDS_READ, Scope.INTENTS_EDIT)
    async with tenant.stream(key) as client:
        error = await client.ended()
        assert error.code() is grpc.StatusCode.PERMISSION_DENIED
        assert trailer(error, "dropcopy-code") == "permission_denied"


async def test_health_and_reflection_need_no_key(site: Site) -> None:
    channel: Any = new_channel(site.daemon.info["grpc"])
    assert await channel.unary_unary("/grpc.health.v1.Health/Check")(b"") == b"\x08\x01"  # SERVING
    reflect = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
    answer = await reflect(iter([b"\x3a\x00"])).read()  # list_services: ""
    assert b"trading.TradingService" in answer
    assert b"trading.StreamingService" in answer
    assert b"StreamEvents" in await reflect(iter([b"\x22\x16trading.TradingService"])).read()
    await channel.close(None)
