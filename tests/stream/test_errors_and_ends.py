"""Bad requests and how streams end: one test for each sentence of the contract."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from dropcopy import proto as pb
from tests.stream.site import ORDER, TRADE, UNKNOWN_UUID, Site, Tenant
from tests.stream.slow_reader import SlowReader
from tests.support.daemon import Daemon
from tests.support.streams import ALL_KINDS, has, new_channel, trailer

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_bad_subscribe_is_an_error_event_and_the_stream_stays(site: Site, tenant: Tenant) -> None:
    account_id = tenant.accounts[0]
    foreign = site.tenant().accounts[0]
    async with tenant.stream() as client:
        client.subscribe(account_id, (TRADE,))
        await client.until(has("status"))
        requests: list[tuple[Any, str]] = [
            (lambda: client.subscribe("not-a-uuid", (ORDER,)), "invalid_argument"),
            (lambda: client.subscribe(account_id + "0", (ORDER,)), "invalid_argument"),
            (lambda: client.subscribe(UNKNOWN_UUID, (ORDER,)), "account_not_found"),
            (lambda: client.subscribe(foreign, (ORDER,)), "account_not_found"),
            (lambda: client.subscribe(account_id, ()), "no_known_event_type"),
            (lambda: client.subscribe(account_id, (0, 777)), "no_known_event_type"),
            (lambda: client.unsubscribe("nonsense"), "invalid_argument"),
            (lambda: client.send(pb.StreamEventsRequest()), "invalid_argument"),
        ]
        for number, (request, code) in enumerate(requests, start=1):
            request()
            await client.until(has("error", number), code)
            assert client.of("error")[-1].code == code
        unknown, theirs = (error for error in client.of("error") if error.code == "account_not_found")
        assert unknown.message.replace(UNKNOWN_UUID, "") == theirs.message.replace(foreign, ""), "indistinguishable"
        await tenant.fill()
        await client.until(has("broker_trade"), "the subscription that was there")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"trading_account_id": "x", "subscriptions": [ORDER]}, "INVALID_ARGUMENT", "invalid_argument"),
        ({"trading_account_id": ""}, "INVALID_ARGUMENT", "no_known_event_type"),
        ({"trading_account_id": UNKNOWN_UUID, "subscriptions": [ORDER]}, "NOT_FOUND", "account_not_found"),
        ({"subscriptions": [ORDER], "instrument_class": "bonds"}, "INVALID_ARGUMENT", "invalid_instrument_class"),
        ({"subscriptions": [ORDER], "resume": [pb.Cursor(sequence=1)]}, "INVALID_ARGUMENT", "invalid_cursor"),
    ],
)
async def test_a_bad_subscribe_ends_subscribe_events(
    site: Site, tenant: Tenant, fields: dict[str, Any], status: str, code: str
) -> None:
    channel: Any = new_channel(site.daemon.info["grpc"])
    call = channel.unary_stream(
        pb.SUBSCRIBE_EVENTS_PATH,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=pb.TradingEvent.FromString,
    )(pb.Subscribe(**fields), metadata=(("x-api-key", tenant.api_key),))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in call:
            pass
    assert caught.value.code() is grpc.StatusCode[status]
    assert trailer(caught.value, "dropcopy-code") == code
    await channel.close(None)


async def test_a_request_over_64_kib_ends_the_call(tenant: Tenant) -> None:
    async with tenant.stream() as client:
        client.subscribe("x" * 65_600, (ORDER,))
        error = await client.ended()
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert trailer(error, "dropcopy-code") == "request_too_large"


async def test_a_request_of_just_under_64_kib_does_not(tenant: Tenant) -> None:
    async with tenant.stream() as client:
        client.subscribe("x" * 65_400, (ORDER,))
        await client.until(has("error"))


async def test_half_closing_ends_requests_and_not_events(tenant: Tenant) -> None:
    async with tenant.stream() as client:
        client.subscribe(tenant.accounts[0], (TRADE,))
        client.half_close()
        await client.until(has("status"))
        await tenant.fill()
        await client.until(has("broker_trade"))


async def test_a_stream_cut_for_not_reading_is_told_where_it_was_and_ends_complete(tenant: Tenant) -> None:
    """A client whose window is full and that gives no more, while more happens than fits."""
    account_id = tenant.accounts[0]
    reader = SlowReader(tenant)
    try:
        await asyncio.to_thread(reader.open, account_id)
        trailers: dict[str, str] = {}
        async with asyncio.timeout(60):
            while not trailers:
                await asyncio.gather(*(tenant.create() for _ in range(4)))
                trailers = await asyncio.to_thread(reader.peek_end)
    finally:
        reader.close()
    assert trailers["grpc-status"] == str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
    assert trailers["dropcopy-code"] == "stream_stalled"
    named, place = trailers["dropcopy-cursor"].split(" ")
    epoch, sequence = place.split(":")
    assert (named, epoch) == (account_id, tenant.site.epoch())
    heard = [event for event in reader.events if event.sequence]
    assert 0 < int(sequence) <= heard[-1].sequence, "nothing after what surely arrived"
    await tenant.fill()
    head = tenant.site.head(account_id)
    cursor = pb.Cursor(account_id=account_id, epoch=epoch, sequence=int(sequence))
    async with tenant.stream() as client:
        client.subscribe(account_id, ALL_KINDS, resume=[cursor])
        await client.until(lambda _: client.journal and client.journal[-1].sequence >= head)
        assert client.of("status")[0].resumes[0].outcome == pb.RESUME_OUTCOME_RESUMED
        union = {event.sequence: event for event in [*heard, *client.journal]}
    journal = tenant.site.journal(account_id, heard[0].sequence - 1)
    assert list(union.values()) == journal[: len(union)], "complete, and in order"


async def test_draining_ends_streams_as_unavailable_and_a_cursor_goes_on(tmp_path: Path) -> None:
    async with Daemon(tmp_path / "data") as daemon:
        site = Site(daemon)
        tenant = site.tenant()
        account_id = tenant.accounts[0]
        async with tenant.stream() as client, tenant.stream() as silent:
            client.subscribe(account_id, ALL_KINDS)
            await client.until(has("status"))
            await silent.until(has("heartbeat"))
            for _ in range(5):
                await tenant.create()
            await client.until(lambda _: client.journal)
            await asyncio.gather(daemon.stop(), client.ended(), silent.ended())
            for ended, message in ((client, "subscribed"), (silent, "")):
                assert ended.of("status")[-1].code == "draining"
                assert ended.of("status")[-1].message == message, "as last confirmed"
                assert ended.error is not None
                assert ended.error.code() is grpc.StatusCode.UNAVAILABLE
                assert trailer(ended.error, "dropcopy-code") == "draining"
            heard = client.journal
        await daemon.start()
        last = heard[-1]
        cursor = pb.Cursor(account_id=account_id, epoch=site.epoch(), sequence=last.sequence, chain=last.chain)
        async with tenant.stream() as client:
            client.subscribe(account_id, ALL_KINDS, resume=[cursor])
            await client.until(has("status"))
            await tenant.fill()
            head = site.head(account_id)
            await client.until(lambda _: client.journal and client.journal[-1].sequence >= head)
            assert client.of("status")[0].resumes[0].outcome == pb.RESUME_OUTCOME_RESUMED
            both = [*heard, *client.journal]
        journal = site.journal(account_id, both[0].sequence - 1)
        assert both == journal[: len(both)], "nothing committed is lost"
        await site.http.aclose()


@pytest.mark.parametrize("path", ["/trading.TradingService/Nothing", "/a.B/C"])
async def test_the_end_of_an_unknown_call_carries_a_code_too(site: Site, tenant: Tenant, path: str) -> None:
    channel: Any = new_channel(site.daemon.info["grpc"])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(path)(b"", metadata=(("x-api-key", tenant.api_key),))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert trailer(caught.value, "dropcopy-code")
    await channel.close(None)
