"""Bad input: each with its code and the member at fault, and nothing comes of it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.rest.gateway import Gateway, Json, cancel, create

SPEC = "/command/payload/spec"
QUANTITY = f"{SPEC}/Market/quantity"
UUID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
async def nothing_comes_of_it(gateway: Gateway) -> AsyncIterator[None]:
    yield
    assert await gateway.get("orders") == {"data": [], "next_cursor": None}


async def refused(gateway: Gateway, body: Any, code: str, pointer: str | None, status: int = 422) -> Json:
    return check(await gateway.submit(body), code, pointer, status)


def check(answer: httpx2.Response, code: str, pointer: str | None, status: int) -> Json:
    problem: Json = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["code"], problem.get("pointer")) == (status, code, pointer), answer.text
    assert problem["status"] == status
    assert problem["type"] == f"urn:dropcopy:error:{code}"
    assert problem["title"]
    assert problem["detail"]
    return problem


def market(quantity: Any) -> Json:
    return create(spec={"Market": {"quantity": quantity}})


def limit(**terms: Any) -> Json:
    return create(spec={"Limit": {"price": "1", "quantity": "1", "time_in_force": "DAY", **terms}})


@pytest.mark.parametrize(
    ("quantity", "words"),
    [
        ("0", "above zero"),
        ("0.000", "above zero"),
        ("-0", "above zero"),
        ("-1", "above zero"),
        ("1e5", "decimal"),
        ("1E5", "decimal"),
        ("NaN", "decimal"),
        ("Infinity", "decimal"),
        ("-inf", "decimal"),
        ("+1", "decimal"),
        (" 1", "decimal"),
        ("1 ", "decimal"),
        ("1\n", "decimal"),
        ("", "decimal"),
        (".5", "decimal"),
        ("5.", "decimal"),
        ("1_000", "decimal"),
        ("1,000", "decimal"),
        ("0x10", "decimal"),
        ("\u0661", "decimal"),  # a digit, but not one of ours
        ("1\u0000", "decimal"),
        ("1.0000000000000000000", "18 after"),
        ("100000000000000000000.0000000000000000001", "18 after"),
        ("100000000000000000000", "20 digits"),
        (1, "JSON string"),
        (1.5, "JSON string"),
        (True, "JSON string"),
        ([], "an array"),
        ({}, "an object"),
    ],
)
async def test_amounts(gateway: Gateway, quantity: Any, words: str) -> None:
    problem = await refused(gateway, market(quantity), "invalid_argument", QUANTITY)
    assert words in problem["detail"]
    await refused(gateway, limit(price=quantity), "invalid_argument", f"{SPEC}/Limit/price")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], None),
        ("text", None),
        (False, None),
        (1, None),
        ({}, "/command"),
        ({"command": None}, "/command"),
        ({"command": []}, "/command"),
        ({"command": {}}, "/command/action_type"),
        ({"command": {"action_type": "CREATE"}}, "/command/payload"),
        ({"command": {"action_type": "create", "payload": {}}}, "/command/action_type"),
        ({"command": {"action_type": 1, "payload": {}}}, "/command/action_type"),
        ({"command": {"action_type": "CREATE", "payload": {}}}, "/command/payload/symbol"),
        (create() | {"extra": 1}, "/extra"),
        (create() | {"a/b~c": 1}, "/a~1b~0c"),
        (create() | {"": 1}, "/"),
        (create(limit_price="1"), "/command/payload/limit_price"),
        (create(symbol=""), "/command/payload/symbol"),
        (create(symbol=" AAPL"), "/command/payload/symbol"),
        (create(symbol="A" * 65), "/command/payload/symbol"),
        (create(symbol="AAPL\u0000"), "/command/payload/symbol"),
        (create(symbol="ÄÄPL"), "/command/payload/symbol"),
        (create(symbol=7), "/command/payload/symbol"),
        (create(asset_class="equity"), "/command/payload/asset_class"),
        (create(order_side="LONG"), "/command/payload/order_side"),
        (create(order_side=None), "/command/payload/order_side"),
        (create(order_venue="LSE"), "/command/payload/order_venue"),
        (create(spec=None), SPEC),
        (create(spec={}), SPEC),
        (create(spec="Market"), SPEC),
        (create(spec={"Market": {"quantity": "1"}, "Limit": {}}), SPEC),
        (create(spec={"market": {"quantity": "1"}}), f"{SPEC}/market"),
        (create(spec={"Market": None}), f"{SPEC}/Market"),
        (create(spec={"Market": {}}), QUANTITY),
        (create(spec={"Market": {"quantity": "1", "price": "1"}}), f"{SPEC}/Market/price"),
        (create(spec={"Market": {"quantiy": "1"}}), f"{SPEC}/Market/quantiy"),
        (create(spec={"Market": {"quantity": "1", "time_in_force": "FOREVER"}}), f"{SPEC}/Market/time_in_force"),
        (create(spec={"Limit": {"quantity": "1", "time_in_force": "DAY"}}), f"{SPEC}/Limit/price"),
        (create(spec={"Limit": {"price": "1", "quantity": "1"}}), f"{SPEC}/Limit/time_in_force"),
        (limit(time_in_force=None), f"{SPEC}/Limit/time_in_force"),
        (create() | {"client_reference_id": ""}, "/client_reference_id"),
        (create() | {"client_reference_id": "a" * 129}, "/client_reference_id"),
        (create() | {"client_reference_id": "a\u0000b"}, "/client_reference_id"),
        (create() | {"client_reference_id": "a\u202eb"}, "/client_reference_id"),
        (create() | {"client_reference_id": 5}, "/client_reference_id"),
        (create() | {"strategy_id": "a\n"}, "/strategy_id"),
        ({"command": {"action_type": "REPLACE", "payload": {"ref_intent_id": UUID}}}, SPEC),
        ({"command": {"action_type": "REPLACE", "payload": {"ref_order_id": UUID}}}, "/command/payload/ref_order_id"),
        ({"command": {"action_type": "CANCEL", "payload": {}}}, "/command/payload"),
        (
            {"command": {"action_type": "CANCEL", "payload": {"ref_intent_id": UUID, "ref_order_id": UUID}}},
            "/command/payload",
        ),
        (cancel("not-a-uuid"), "/command/payload/ref_intent_id"),
        (cancel(UUID + "\n"), "/command/payload/ref_intent_id"),
        ({"command": {"action_type": "CANCEL", "payload": {"ref_order_id": 5}}}, "/command/payload/ref_order_id"),
    ],
)
async def test_shapes_and_words(gateway: Gateway, body: Any, pointer: str | None) -> None:
    await refused(gateway, body, "invalid_argument", pointer)


@pytest.mark.parametrize(
    "time",
    [
        "",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-13-02T03:04:05Z",
        "2026-02-30T03:04:05Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:04:60Z",
        "2026-01-02T03:04:05.1234567890Z",
        "2026-01-02T03:04:05+24:00",
        "1969-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "2262-04-11T23:47:16.854775808Z",
        "9999-12-31T23:59:59-23:59",
        1_700_000_000,
    ],
)
async def test_times(gateway: Gateway, time: Any) -> None:
    await refused(gateway, create(valid_until=time), "invalid_argument", "/command/payload/valid_until")


async def test_symbols(gateway: Gateway) -> None:
    symbol = "/command/payload/symbol"
    for payload in ({"symbol": "NOPE"}, {"symbol": "aapl"}, {"symbol": "AAPL", "asset_class": "CRYPTO"}):
        await refused(gateway, create(**payload), "unknown_symbol", symbol)
    problem = await refused(gateway, create(symbol="TWIN"), "ambiguous_symbol", "/command/payload/asset_class")
    assert problem["asset_classes"] == "CRYPTO, EQUITY"


GOOD = json.dumps(create()).encode()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"{", "line 1"),
        (b"{'command': 1}", "line 1"),
        (GOOD + b"}", "Extra data"),
        (GOOD + GOOD, "Extra data"),
        (GOOD[:-1] + b",}", "line 1"),
        (b'{"command": NaN}', "NaN"),
        (b'{"command": -Infinity}', "-Infinity"),
        (b'{"command": "a\x00b"}', "control character"),
        (b'\xef\xbb\xbf{"command": 1}', "line 1"),  # a byte order mark
        (b'{"command": "\xff"}', "UTF-8"),
        (GOOD.decode().encode("utf-16"), "UTF-8"),
        (b'{"client_reference_id": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'{"command": 1, "command": 1}', '"command" appears 2 times'),
        (GOOD.replace(b'"quantity": "1"', b'"quantity": "1", "quantity": "9"'), '"quantity" appears 2 times'),
        (b"[" * 60_000, "nested too deeply"),
        (b'{"a":' * 10_000, "nested too deeply"),
        (b"1" * 60_000, None),
        (b"-" * 100, "line 1"),
    ],
)
async def test_json(gateway: Gateway, body: bytes, words: str | None) -> None:
    headers = {"content-type": "application/json"}
    answer = await gateway.client.post(f"{gateway.account}/intents", content=body, headers=headers)
    if words is None:  # a number of 60,000 digits is JSON, but no command
        check(answer, "invalid_argument", None, 422)
    else:
        assert words in check(answer, "invalid_json", None, 400)["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/jsonx"},
        {"content-type": "application/problem+json"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json; charset=utf-8; q=1"},
        {"content-type": "application/json, application/json"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
async def test_media_types(gateway: Gateway, headers: dict[str, str]) -> None:
    answer = await gateway.client.post(f"{gateway.account}/intents", content=GOOD, headers=headers)
    check(answer, "unsupported_media_type", None, 415)


async def test_two_content_types_are_refused(gateway: Gateway) -> None:
    headers = [("content-type", "application/json"), ("content-type", "application/json")]
    answer = await gateway.client.post(f"{gateway.account}/intents", content=GOOD, headers=headers)
    check(answer, "unsupported_media_type", None, 415)


@pytest.mark.parametrize("size", [64 * 1024 + 1, 1024 * 1024])
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_size(gateway: Gateway, size: int, is_chunked: bool) -> None:
    body = b" " * (size - len(GOOD)) + GOOD

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, size, 10_000):
            yield body[start : start + 10_000]

    headers = {"content-type": "application/json"}
    content = chunks() if is_chunked else body
    answer = await gateway.client.post(f"{gateway.account}/intents", content=content, headers=headers)
    assert check(answer, "body_too_large", None, 413)["limit_bytes"] == 64 * 1024


@pytest.mark.parametrize("account", ["x", UUID[:-1], UUID + "0", f"{{{UUID}}}", "%20", UUID.replace("-", "")])
async def test_a_malformed_account_is_named(gateway: Gateway, account: str) -> None:
    for method, path in (("POST", "intents"), ("GET", "orders"), ("GET", f"intents/{UUID}")):
        answer = await gateway.client.request(method, f"/v1/accounts/{account}/{path}")
        assert check(answer, "invalid_argument", None, 422)["parameter"] == "account_id"


async def test_a_malformed_intent_is_named(gateway: Gateway) -> None:
    for path in ("intents/x", "intents/x/actions"):
        answer = await gateway.client.get(f"{gateway.account}/{path}")
        assert check(answer, "invalid_argument", None, 422)["parameter"] == "intent_id"


async def test_an_unknown_query_parameter_is_refused_and_never_ignored(gateway: Gateway) -> None:
    answer = await gateway.client.post(f"{gateway.account}/intents?dry_run=true", json=create())
    assert check(answer, "invalid_argument", None, 422)["parameter"] == "dry_run"
    answer = await gateway.client.get(f"{gateway.account}/orders?symbols=AAPL")
    assert check(answer, "invalid_argument", None, 422)["parameter"] == "symbols"
