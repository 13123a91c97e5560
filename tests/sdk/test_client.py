"""The client's REST side against a real HTTP server: what each outcome proves about a command, and nothing more."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trustme

import dropcopy
from dropcopy import Client, Limit, Market
from tests.sdk.network import Answer, HttpRequest, HttpServer, json_answer
from tests.sdk.peers import ACCOUNT, KEY, WAIT_S

INTENT = "46a72175-a200-456a-9cbe-c85ec3bb2db0"
PROBLEM = {"type": "urn:x", "title": "T", "detail": "it is so", "status": 422, "code": "unknown_symbol"}
ORDER = {
    "order_id": "o-1",
    "intent_id": INTENT,
    "command_seq": 1,
    "external_order_id": None,
    "account_id": ACCOUNT,
    "broker": "PAPER",
    "symbol": "AAPL",
    "order_state": "OPEN",
    "order_status": "NEW",
    "order_type": "LIMIT",
    "order_side": "BUY",
    "limit_price": "187.20",
    "average_price": None,
    "order_venue": "SMART",
    "quantity": "10",
    "filled_quantity": "0",
    "time_in_force": "DAY",
    "received_at": "2026-11-22T09:47:33.498996468Z",
    "instrument": {"asset_class": "EQUITY", "symbol": "AAPL", "exchange": "NASDAQ"},
    "created_at": "2026-11-22T09:47:33.483Z",
}


class Journal:
    """A gateway's intake: commits once per idempotency key, then answers as the script says."""

    def __init__(self, *script: Answer | str) -> None:
        self.script = list(script)
        self.committed: dict[str, Any] = {}
        self.is_over = asyncio.Event()

    async def respond(self, request: HttpRequest) -> Answer:
        step = self.script.pop(0) if self.script else "accept"
        if step == "hang before":
            await self.is_over.wait()
            return None
        if not isinstance(step, str):
            return step
        self.committed.setdefault(request.headers.get("idempotency-key", ""), request.body)
        if step == "hang after":
            await self.is_over.wait()
        if step != "accept":
            return None
        return json_answer(201, {"intent_id": INTENT})


@asynccontextmanager
async def gateway(*script: Answer | str, **options: Any) -> AsyncIterator[tuple[Client, Journal, HttpServer]]:
    """A server with a script, and a client of it."""
    journal = Journal(*script)
    async with (
        asyncio.timeout(WAIT_S),
        HttpServer(journal.respond).serving() as server,
        Client(rest=server.url, grpc="127.0.0.1:9", api_key=KEY, **options) as client,
    ):
        try:
            yield client, journal, server
        finally:
            journal.is_over.set()


async def submit(client: Client, **options: Any) -> str:
    return await client.submit(ACCOUNT, symbol="AAPL", side="buy", spec=Limit("187.20", 10), **options)


# --- what goes out


async def test_a_submit_is_the_contracts_body_with_exact_amounts() -> None:
    async with gateway() as (client, _, server):
        intent_id = await client.submit(
            ACCOUNT,
            symbol="BTC-PERP",
            side=dropcopy.OrderSide.SELL,
            spec=Limit(Decimal("1E+5"), "0.000000000000000001", "good_till_cancel"),
            asset_class="perpetual",
            client_reference_id="mine",
            strategy_id="s",
            valid_until=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            idempotency_key="key-1",
        )
    assert intent_id == INTENT
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", f"/v1/accounts/{ACCOUNT}/intents")
    assert request.headers["x-api-key"] == KEY
    assert request.headers["idempotency-key"] == "key-1"
    assert request.body == {
        "command": {
            "action_type": "CREATE",
            "payload": {
                "symbol": "BTC-PERP",
                "spec": {
                    "Limit": {
                        "price": "100000",
                        "quantity": "0.000000000000000001",
                        "time_in_force": "GOOD_TILL_CANCEL",
                    }
                },
                "order_side": "SELL",
                "order_venue": "SMART",
                "asset_class": "PERPETUAL",
                "valid_until": "2026-01-02T03:04:05+00:00",
            },
        },
        "client_reference_id": "mine",
        "strategy_id": "s",
    }


async def test_replace_and_cancel_name_the_intent() -> None:
    async with gateway() as (client, _, server):
        await client.replace(ACCOUNT, INTENT, Market(5, "immediate-or-cancel"))
        await client.cancel(ACCOUNT, INTENT)
    replaced, cancelled = (request.body["command"] for request in server.requests)
    assert replaced["action_type"] == "REPLACE"
    assert replaced["payload"] == {
        "ref_intent_id": INTENT,
        "spec": {"Market": {"quantity": "5", "time_in_force": "IMMEDIATE_OR_CANCEL"}},
    }
    assert cancelled == {"action_type": "CANCEL", "payload": {"ref_intent_id": INTENT}}
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert all(re.fullmatch(r"[0-9a-f]{32}", key) for key in keys)
    assert keys[0] != keys[1]


@pytest.mark.parametrize("value", [0.1, 1.0, True, None, b"1"])
def test_an_amount_that_is_not_exact_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="price must be a Decimal, str or int"):
        Limit(value, 1)
    with pytest.raises(TypeError, match="quantity"):
        Market(value)


@pytest.mark.parametrize(
    "value",
    ["1e5", "NaN", "", " 1", "1,0", "0x1", "\u0661", "1.", Decimal("NaN"), Decimal("Infinity"), "0." + "0" * 18 + "1"],
)
def test_an_amount_that_is_no_plain_decimal_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match="quantity"):
        Market(value)


def test_amounts_are_kept_as_decimals() -> None:
    assert Limit("187.20", 10) == Limit(Decimal("187.20"), Decimal(10))
    assert Limit("-1.5", 1).price == Decimal("-1.5")  # some futures trade below zero; the gateway decides


@pytest.mark.parametrize("account", ["", "../x", "a/b", "a?b", "a b"])
async def test_an_id_cannot_lead_to_another_path(account: str) -> None:
    async with gateway() as (client, _, server):
        with pytest.raises(ValueError, match="is not an id"):
            await client.cancel(account, INTENT)
        with pytest.raises(ValueError, match="is not an id"):
            await client.orders(account)
    assert not server.requests


# --- doubt


@pytest.mark.parametrize("fate", ["hang after", "hang before", "close after"])
async def test_no_answer_is_doubt_with_the_key_to_ask_again(fate: str) -> None:
    async with gateway(fate, timeout_s=0.3) as (client, journal, server):
        with pytest.raises(dropcopy.SubmitInDoubt) as doubt:
            await submit(client)
        assert len(server.requests) == 1  # never sent again by itself
        key = doubt.value.idempotency_key
        assert await submit(client, idempotency_key=key) == INTENT
        assert list(journal.committed) == [key]
    assert [request.headers["idempotency-key"] for request in server.requests] == [key, key]
    assert KEY not in str(doubt.value)


async def test_an_answer_that_trickles_in_for_ever_is_doubt_in_time() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 100000\r\n\r\n")
        with suppress(OSError):
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with asyncio.timeout(WAIT_S), Client(rest=url, grpc="127.0.0.1:9", api_key=KEY, timeout_s=0.4) as client:
        with pytest.raises(dropcopy.SubmitInDoubt):
            await submit(client)
        with pytest.raises(dropcopy.ConnectionFailed):
            await client.orders(ACCOUNT)
    server.close()
    await asyncio.sleep(0.2)  # the server's side sees it


@pytest.mark.parametrize(
    "answer",
    [
        json_answer(500, PROBLEM | {"code": "internal"}),
        json_answer(503, PROBLEM | {"code": "store_failed"}),
        (502, {"content-type": "text/html"}, b"<h1>bad gateway</h1>"),
        (503, {"content-type": "text/html"}, b"busy"),
        (504, {}, b""),
        (408, {}, b""),
        (307, {"location": "/elsewhere"}, b""),
        (201, {"content-type": "application/json"}, b'{"intent'),
        (201, {"content-type": "application/json"}, b"[]"),
        json_answer(201, {"intent_id": None}),
    ],
)
async def test_an_answer_that_proves_nothing_is_doubt(answer: Answer) -> None:
    async with gateway(answer) as (client, _, server):
        with pytest.raises(dropcopy.SubmitInDoubt):
            await submit(client)
    assert len(server.requests) == 1


async def test_retries_ask_again_under_one_key_and_commit_once() -> None:
    overloaded = json_answer(503, PROBLEM | {"code": "overloaded"}, **{"retry-after": "0"})
    async with gateway("close after", overloaded, "hang after", timeout_s=0.3) as (client, journal, server):
        assert await submit(client, retries=3) == INTENT
    assert len(server.requests) == 4
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1
    assert len(journal.committed) == 1


@pytest.mark.parametrize("later", [json_answer(422, PROBLEM), json_answer(503, PROBLEM | {"code": "draining"})])
async def test_a_later_refusal_does_not_end_the_doubt(later: Answer) -> None:
    async with gateway("close after", later) as (client, _, _server):
        with pytest.raises(dropcopy.SubmitInDoubt):
            await submit(client, retries=1)


async def test_no_connection_is_certainly_not_sent() -> None:
    async with Client(rest="http://127.0.0.1:9", grpc="127.0.0.1:9", api_key=KEY) as client:
        with pytest.raises(dropcopy.ConnectionFailed, match="not sent"):
            await submit(client)
        with pytest.raises(dropcopy.ConnectionFailed, match="not sent"):
            await submit(client, retries=1)
        with pytest.raises(dropcopy.ConnectionFailed):
            await client.orders(ACCOUNT)


async def test_a_cancelled_submit_stays_cancelled() -> None:
    async with gateway("hang after") as (client, _, _server):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(submit(client), 0.2)


# --- refusals


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "invalid_json", dropcopy.InvalidRequest),
        (401, "unauthenticated", dropcopy.Unauthenticated),
        (403, "permission_denied", dropcopy.PermissionDenied),
        (404, "account_not_found", dropcopy.NotFound),
        (409, "idempotency_key_reused", dropcopy.Conflict),
        (415, "unsupported_media_type", dropcopy.InvalidRequest),
        (422, "unknown_symbol", dropcopy.InvalidRequest),
        (429, "too_many_in_flight", dropcopy.QuotaExceeded),
        (503, "overloaded", dropcopy.Unavailable),
        (503, "account_halted", dropcopy.Unavailable),
    ],
)
async def test_a_refusal_is_its_exception(status: int, code: str, error: type[dropcopy.ApiError]) -> None:
    problem = {"title": "T", "detail": "it is so", "code": code, "pointer": "/command", "more": 1}
    async with gateway(json_answer(status, problem, **{"retry-after": "7"})) as (client, _, server):
        with pytest.raises(error) as caught:
            await submit(client)
    refused = caught.value
    assert (refused.code, refused.status, refused.pointer) == (code, status, "/command")
    assert (refused.title, refused.detail, refused.retry_after_s) == ("T", "it is so", 7.0)
    assert refused.facts == {"more": 1}
    assert str(refused) == f"it is so [{code}] at /command"
    assert len(server.requests) == 1


# --- pages


async def test_pages_hold_typed_rows_and_lead_on() -> None:
    first = json_answer(200, {"data": [ORDER | {"order_status": "SUSPENDED"}], "next_cursor": "c"})
    last = json_answer(200, {"data": [ORDER], "next_cursor": None})
    async with gateway(first, last, first, last) as (client, _, server):
        page = await client.orders(ACCOUNT, limit=1)
        assert page.next_cursor == "c"
        (row,) = page.data
        assert row.order_status is dropcopy.OrderStatus.UNSPECIFIED
        assert row.unrecognized == {"order_status": "SUSPENDED"}
        assert row.received_at_ns == 1_795_340_853_498_996_468
        assert (await client.orders(ACCOUNT, next_cursor="c")).next_cursor is None
        assert [row.order_id async for row in client.each(client.orders, ACCOUNT)] == ["o-1", "o-1"]
    assert [request.path.partition("?")[2] for request in server.requests] == [
        "limit=1",
        "limit=100&next_cursor=c",
        "limit=100",
        "limit=100&next_cursor=c",
    ]


async def test_a_page_that_leads_to_itself_ends() -> None:
    again = json_answer(200, {"data": [ORDER], "next_cursor": "c"})
    async with gateway(again, again, again) as (client, _, _server):
        assert len([row async for row in client.each(client.orders, ACCOUNT)]) == 2


@pytest.mark.parametrize(
    "answer",
    [
        json_answer(200, {"data": "x"}),
        json_answer(200, {"data": [1], "next_cursor": None}),
        json_answer(200, {"data": [ORDER | {"quantity": 10}], "next_cursor": None}),
        json_answer(200, {"data": [{}], "next_cursor": None}),
        json_answer(200, {"data": [ORDER | {"received_at": "yesterday"}], "next_cursor": None}),
        json_answer(200, {"data": [ORDER | {"received_at": "2026-13-45T99:00:00Z"}], "next_cursor": None}),
        (200, {}, b"<html>"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_said(answer: Answer) -> None:
    async with gateway(answer) as (client, _, _server):
        with pytest.raises(dropcopy.UnexpectedAnswer):
            await client.orders(ACCOUNT)


async def test_the_latest_action_says_what_became_of_it() -> None:
    action = {
        "intent_id": INTENT,
        "account_id": ACCOUNT,
        "seq": 2,
        "action_type": "REPLACE",
        "symbol": "AAPL",
        "order_side": "BUY",
        "order_type": "LIMIT",
        "quantity": "10",
        "outcome": "REFUSED",
        "outcome_reason": "too late",
    }
    async with gateway(json_answer(200, action)) as (client, _, server):
        latest = await client.latest_action(ACCOUNT, INTENT)
    assert server.requests[0].path == f"/v1/accounts/{ACCOUNT}/intents/{INTENT}"
    assert latest.outcome is dropcopy.CommandOutcomeKind.REFUSED
    assert latest.time_in_force is None


# --- how to connect


async def test_from_env_and_from_file(tmp_path: Path) -> None:
    env = {"DROPCOPY_REST": "http://127.0.0.1:1", "DROPCOPY_GRPC": "127.0.0.1:2", "DROPCOPY_API_KEY": KEY}
    async with Client.from_env(env | {"DROPCOPY_ACCOUNT": ACCOUNT}) as client:
        assert client.account_id == ACCOUNT
    with pytest.raises(dropcopy.ConfigurationError, match="DROPCOPY_GRPC, DROPCOPY_API_KEY"):
        Client.from_env({"DROPCOPY_REST": "http://127.0.0.1:1"})
    file = tmp_path / "connect.json"
    file.write_text(
        'a line of a log\n{"rest": "http://127.0.0.1:1", "grpc": "127.0.0.1:2", "grpc_tls": "localhost:3",'
        f' "ca": "ca.pem", "api_key": "{KEY}", "organization_id": "o", "account_id": "{ACCOUNT}"}}\n'
    )
    async with Client.from_file(file) as client:
        assert client.account_id == ACCOUNT
    for text in ("", "{", "[]", '{"rest": 1}'):
        file.write_text(text)
        with pytest.raises(dropcopy.ConfigurationError, match="does not hold"):
            Client.from_file(file)
    with pytest.raises(dropcopy.ConfigurationError):
        Client.from_file(tmp_path / "nothing")


@pytest.mark.parametrize(
    "options",
    [
        {"rest": "http://gateway.example:8080"},
        {"rest": "ftp://127.0.0.1"},
        {"rest": "127.0.0.1:8080"},
        {"api_key": ""},
        {"api_key": "two\nlines"},
        {"api_key": "sch\u00f6n"},
        {"ca": "no-such-file.pem"},
        {"grpc": ""},
    ],
)
def test_what_cannot_be_used_is_refused_at_once(options: dict[str, Any]) -> None:
    usable = {"rest": "http://127.0.0.1:8080", "grpc": "127.0.0.1:50051", "api_key": KEY}
    with pytest.raises(dropcopy.ConfigurationError) as caught:
        Client(**(usable | options))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("grpc", "options", "is_plaintext"),
    [
        ("127.0.0.1:50051", {}, True),
        ("localhost:50051", {}, True),
        ("[::1]:50051", {}, True),
        ("10.0.0.1:50051", {}, False),
        ("localhost.evil.example:50051", {}, False),
        ("127.0.0.1.evil.example:50051", {}, False),
        ("10.0.0.1:50051", {"plaintext": True}, True),
        ("127.0.0.1:50051", {"plaintext": False}, False),
        ("localhost:50051", {"with_ca": True}, False),
    ],
)
async def test_plaintext_is_for_this_machine_unless_asked(
    grpc: str, options: dict[str, Any], is_plaintext: bool, tmp_path: Path
) -> None:
    options = dict(options)
    if options.pop("with_ca", False):
        trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        options["ca"] = tmp_path / "ca.pem"
    async with Client(rest="https://gateway.example", grpc=grpc, api_key=KEY, **options) as client:
        assert client._target.is_plaintext is is_plaintext


async def test_the_key_shows_nowhere() -> None:
    async with Client(rest="http://127.0.0.1:9", grpc="127.0.0.1:9", api_key=KEY) as client:
        texts = [repr(client), repr(client._target), str(client._rest), repr(client.stream(ACCOUNT))]
    assert not any(KEY in text for text in texts)
