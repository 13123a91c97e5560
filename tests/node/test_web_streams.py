"""Streams over HTTP/1.1 of the running program: gRPC-Web, Connect and server-sent events, beside a native client."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToJson

from dropcopy import proto as pb
from tests.support.daemon import Daemon, Rest
from tests.support.streams import StreamClient, has
from tests.support.web import FORMS, WebStream, framed, headers, subscribe

pytestmark = pytest.mark.asyncio(loop_scope="module")
STATUS = {"grpc-web": ("16", "8", "14"), "connect": ("unauthenticated", "resource_exhausted", "unavailable")}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    async with Daemon(tmp_path_factory.mktemp("web") / "data", "--heartbeat-s", "0.3") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def rest(daemon: Daemon) -> AsyncIterator[Rest]:
    async with Rest(daemon.info) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def native(daemon: Daemon) -> AsyncIterator[StreamClient]:
    async with StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as client:
        client.subscribe(daemon.info["account_id"])
        await client.until(has("status"))
        yield client


def web(daemon: Daemon, form: str, account_id: str | None = None, key: str | None = None, **options: Any) -> WebStream:
    info = daemon.info
    credential = {"x-api-key": key or info["api_key"]}
    return WebStream(info["rest"], form, account_id or info["account_id"], headers=credential, **options)


def status_of(form: str, index: int) -> str:
    return "" if form == "sse" else STATUS[form.split("+")[0].removesuffix("-text")][index]


async def token(rest: Rest, **body: Any) -> str:
    answer = await rest.client.post("/v1/tokens", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def resume(form: str, epoch: str, event: pb.TradingEvent) -> dict[str, Any]:
    """The option that resumes after an event."""
    if form == "sse":
        return {"last_event_id": f"{epoch}:{event.sequence}"}
    return {"resume": [pb.Cursor(account_id=event.account_id, epoch=epoch, sequence=event.sequence, chain=event.chain)]}


@pytest.mark.parametrize("form", FORMS)
async def test_every_event_is_the_native_one(form: str, daemon: Daemon, rest: Rest, native: StreamClient) -> None:
    async with web(daemon, form) as stream:
        await stream.until(has("status"), "the confirmation")
        assert stream.events[0].WhichOneof("event") == "heartbeat"
        await rest.create("AAPL", "BUY", "3")
        await stream.until(has("broker_trade"), "a trade")
        await stream.until(has("heartbeat", 4), "heartbeats")
        first = stream.of("status")[0].head + 1
        last = stream.journal[-1].sequence
    await native.until(lambda _: native.journal[-1].sequence >= last)
    assert stream.journal == [event for event in native.journal if first <= event.sequence <= last]
    assert stream.answer is not None
    assert stream.answer.headers["cache-control"] == "no-store"
    epoch = stream.of("status")[0].epoch
    if form == "sse":
        assert stream.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.ids == [f"{epoch}:{event.sequence}" if event.sequence else "" for event in stream.events]
    else:
        assert stream.answer.headers["content-type"] == f"application/{form}"


@pytest.mark.parametrize("form", FORMS)
async def test_a_cursor_resumes_without_gap_or_repeat(
    form: str, daemon: Daemon, rest: Rest, native: StreamClient
) -> None:
    async with web(daemon, form) as stream:
        await stream.until(has("status"))
        await rest.create("AAPL", "BUY", "3")
        await stream.until(has("broker_trade"))
    before = stream.journal[:2]
    await rest.create("MSFT", "BUY", "1")
    await native.until(lambda _: any(trade.symbol == "MSFT" for trade in native.of("broker_trade")))
    head = native.journal[-1].sequence
    async with web(daemon, form, **resume(form, stream.of("status")[0].epoch, before[-1])) as again:
        await again.until(lambda _: again.journal and again.journal[-1].sequence >= head, "what was missed")
    (answer,) = again.of("status")[0].resumes
    assert answer.outcome == pb.RESUME_OUTCOME_RESUMED
    assert not again.of("primed")
    heard = [event for event in (*before, *again.journal) if event.sequence <= head]
    assert heard == [event for event in native.journal if before[0].sequence <= event.sequence <= head]


@pytest.mark.parametrize("form", FORMS)
async def test_a_cursor_of_another_epoch_is_reset(form: str, daemon: Daemon, rest: Rest) -> None:
    await rest.create("AAPL", "BUY", "1")
    old = pb.TradingEvent(account_id=daemon.info["account_id"], sequence=1)
    async with web(daemon, form, **resume(form, "another", old)) as stream:
        await stream.until(has("primed", 4), "state")
    (answer,) = stream.of("status")[0].resumes
    assert answer.outcome == pb.RESUME_OUTCOME_RESET


@pytest.mark.parametrize("form", FORMS)
async def test_kinds_and_delivery_are_as_asked(form: str, daemon: Daemon, rest: Rest) -> None:
    await rest.create("AAPL", "BUY", "1")
    options: dict[str, Any] = {"kinds": "BROKER_ORDER,BROKER_TRADE", "order_delivery": "PRIMED"}
    if form != "sse":
        kinds = (pb.EVENT_TYPE_BROKER_ORDER, pb.EVENT_TYPE_BROKER_TRADE)
        options = {"kinds": kinds, "order_delivery": pb.ORDER_DELIVERY_PRIMED}
    async with web(daemon, form, instrument_key="AAPL", instrument_class="equity", **options) as stream:
        await stream.until(has("primed"))
        await rest.create("MSFT", "BUY", "1")
        await stream.until(has("broker_trade"))
        state = [event.broker_order for event in stream.events if not event.sequence and event.HasField("broker_order")]
    assert state
    assert {order.symbol for order in stream.of("broker_order")} == {"AAPL"}
    assert {event.WhichOneof("event") for event in stream.journal} <= {"broker_order", "broker_trade"}


@pytest.mark.parametrize("form", FORMS)
async def test_a_wrong_key_is_refused(form: str, daemon: Daemon) -> None:
    async with web(daemon, form, key="wrong") as stream:
        end = await stream.ended()
    assert end.code == "unauthenticated"
    assert end.status == (status_of(form, 0) or "401")
    assert not stream.events


@pytest.mark.parametrize("form", FORMS)
async def test_a_token_opens_its_account_until_it_expires(form: str, daemon: Daemon, rest: Rest) -> None:
    bearer = await token(rest, lifetime_s=2, scopes=["stream:read"], account_ids=[daemon.info["account_id"]])
    credential = {"authorization": f"Bearer {bearer}"}
    async with WebStream(daemon.info["rest"], form, daemon.info["account_id"], headers=credential) as stream:
        await stream.until(has("status"))
        end = await stream.ended()
    assert end.code == "token_expired"


@pytest.mark.parametrize("form", FORMS)
async def test_a_token_without_the_scope_is_refused(form: str, daemon: Daemon, rest: Rest) -> None:
    credential = {"authorization": f"Bearer {await token(rest, scopes=['records:read'])}"}
    async with WebStream(daemon.info["rest"], form, daemon.info["account_id"], headers=credential) as stream:
        assert (await stream.ended()).code == "permission_denied"


async def test_the_header_of_an_event_source_wins_over_the_address(daemon: Daemon, rest: Rest) -> None:
    await rest.create("AAPL", "BUY", "1")
    async with web(daemon, "sse") as stream:
        await stream.until(has("status"))
    credential = {"x-api-key": daemon.info["api_key"], "last-event-id": f"{stream.of('status')[0].epoch}:1"}
    async with WebStream(
        daemon.info["rest"], "sse", daemon.info["account_id"], headers=credential, last_event_id="other:1"
    ) as again:
        await again.until(lambda _: again.journal)
    assert again.journal[0].sequence == 2


@pytest.mark.parametrize("form", FORMS)
async def test_a_foreign_account_is_not_found(form: str, daemon: Daemon) -> None:
    async with web(daemon, form, "00000000-0000-4000-8000-000000000000") as stream:
        end = await stream.ended()
    assert end.code == "account_not_found"
    assert end.status == ("404" if form == "sse" else "5" if "grpc" in form else "not_found")


@pytest.mark.parametrize("form", FORMS)
async def test_the_list_shows_it_and_ends_it(form: str, daemon: Daemon, rest: Rest) -> None:
    async with web(daemon, form) as stream:
        await stream.until(has("status"))
        listed = (await rest.client.get("/v1/streams")).json()["data"]
        edge = {"grpc": "GRPC_WEB", "connect": "CONNECT", "sse": "SSE"}[form.split("+")[0].split("-")[0]]
        (mine,) = [entry for entry in listed if entry["edge"] == edge]
        assert mine["subscriptions"][0]["trading_account_id"] == daemon.info["account_id"]
        assert mine["peer"].startswith("127.0.0.1:")
        ended = await rest.client.delete(f"/v1/streams/{mine['stream_id']}")
        assert ended.status_code == 204
        end = await stream.ended()
    assert end.code == "stream_ended"


async def test_every_form_counts_in_the_one_quota_and_frees_its_place(tmp_path: Path) -> None:
    limit = {"DROPCOPYD_LIMITS__STREAMS_PER_ORGANIZATION": str(len(FORMS))}
    async with Daemon(tmp_path / "data", **limit) as daemon, AsyncExitStack() as stack:
        for form in FORMS[1:]:
            stream = await stack.enter_async_context(web(daemon, form))
            await stream.until(has("status"))
        async with web(daemon, FORMS[0]) as last:
            await last.until(has("status"))
            for form in FORMS:
                async with web(daemon, form) as refused:
                    end = await refused.ended()
                assert end.code == "stream_quota_exceeded"
                assert end.status == (status_of(form, 1) or "429")
            async with StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as native:
                await native.ended()
        for form in FORMS:  # the last one's place is free, again and again
            await opens(daemon, form)


async def opens(daemon: Daemon, form: str) -> None:
    """Wait until there is a place."""
    async with asyncio.timeout(20):
        while True:
            async with web(daemon, form) as stream:
                try:
                    await stream.until(has("status"))
                except AssertionError:
                    assert (await stream.ended()).code == "stream_quota_exceeded"
                else:
                    return


async def test_a_stop_tells_every_stream_and_loses_nothing(tmp_path: Path) -> None:
    async with Daemon(tmp_path / "data") as daemon, Rest(daemon.info) as rest, AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(web(daemon, form)) for form in FORMS]
        for stream in streams:
            await stream.until(has("status"))
        await rest.create("AAPL", "BUY", "3")
        await streams[0].until(has("broker_trade"))
        await daemon.stop()
        for form, stream in zip(FORMS, streams, strict=True):
            end = await stream.ended()
            assert (end.code, end.status) == ("draining", status_of(form, 2))
            assert stream.of("status")[-1].code == "draining"
            assert stream.of("status")[-1].message == "subscribed"
        epoch = streams[0].of("status")[0].epoch
        await daemon.start()
        for form, stream in zip(FORMS, streams, strict=True):
            options = resume(form, epoch, stream.journal[-1])
            async with web(daemon, form, **options) as again:
                await again.until(has("status"))
            assert again.of("status")[0].resumes[0].outcome == pb.RESUME_OUTCOME_RESUMED


# --- a client that does not read ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
async def test_a_client_that_does_not_read_is_cut_and_resumes_complete(form: str, tmp_path: Path) -> None:
    setting = {"DROPCOPYD_LIMITS__STALL_S": "0.5", "DROPCOPYD_LIMITS__STREAMS_PER_ORGANIZATION": "1"}
    async with Daemon(tmp_path / "data", **setting) as daemon, Rest(daemon.info) as rest:
        await asyncio.gather(*(rest.create("AAPL", "BUY", "1") for _ in range(300)))
        async with web(daemon, "sse") as stream:
            await stream.until(has("status"))
        await listed_streams(rest, 0)  # its place is free
        with silent_peer(daemon, form, stream.of("status")[0].epoch) as peer:
            listed = await listed_streams(rest, 1)
            assert listed[0]["queued_bytes"] < 512 * 1024
            await opens(daemon, form)
            heard = WebStream("http://nowhere", form, "", headers={})
            heard.take(dechunked(rest_of(peer)))
        head = stream.of("status")[0].head
        last = heard.journal[-1] if heard.journal else pb.TradingEvent(account_id=daemon.info["account_id"])
        assert last.sequence < head, "it was not cut"
        async with web(daemon, form, **resume(form, stream.of("status")[0].epoch, last)) as again:
            await again.until(lambda _: again.journal and again.journal[-1].sequence >= head, "what was missed")
    whole = [event.sequence for event in (*heard.journal, *again.journal)]
    assert whole == list(range(1, len(whole) + 1))


async def listed_streams(rest: Rest, count: int) -> list[dict[str, Any]]:
    """The open streams, once there are so many."""
    async with asyncio.timeout(20):
        while len(listed := (await rest.client.get("/v1/streams")).json()["data"]) != count:
            await asyncio.sleep(0.02)
    return list(listed)


@contextmanager
def silent_peer(daemon: Daemon, form: str, epoch: str) -> Iterator[socket.socket]:
    """A client of a whole journal that takes as little as its kernel lets it."""
    address, account_id = urlsplit(daemon.info["rest"]), daemon.info["account_id"]
    given = {"x-api-key": daemon.info["api_key"], "host": "x"}
    if form == "sse":
        content = b""
        line = f"GET /v1/accounts/{account_id}/events?last_event_id={epoch}:0 HTTP/1.1"
    else:
        request = subscribe(account_id, resume=[pb.Cursor(account_id=account_id, epoch=epoch)])
        text = MessageToJson(request).encode() if form.endswith("json") else request.SerializeToString()
        content = framed(text, form)
        given = headers(form, {**given, "content-length": str(len(content))})
        line = f"POST {pb.SUBSCRIBE_EVENTS_PATH} HTTP/1.1"
    peer = socket.socket()
    try:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        peer.settimeout(20)
        peer.connect((address.hostname, address.port))
        head = "\r\n".join([line, *(f"{name}: {value}" for name, value in given.items()), "", ""])
        peer.sendall(head.encode() + content)
        yield peer
    finally:
        peer.close()


def rest_of(peer: socket.socket) -> bytes:
    """What the kernels still hold of the answer, until the gateway's end of the connection."""
    data = b""
    try:
        while more := peer.recv(65_536):
            data += more
    except ConnectionResetError:
        pass
    return data


def dechunked(answer: bytes) -> bytes:
    """The body of a chunked answer as far as it has come."""
    _, _, rest = answer.partition(b"\r\n\r\n")
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body
