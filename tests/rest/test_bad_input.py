"""Bad input, on every list, export and question of the record alike: refused in words, or a value and nothing else."""

import json
from typing import Any

import pytest

from dropcopyd.rest import listing as lists
from tests.rest.gateway import Gateway, cancel, create
from tests.rest.test_pages import fill
from tests.rest.test_queries import UUID

ACCOUNT_LISTS = {
    kind.name: kind for kind in (lists.INTENTS, lists.ORDERS, lists.TRADES, lists.POSITIONS, lists.JOURNAL)
}
EXPORTS = {f"exports/{name}": ACCOUNT_LISTS[name] for name in ("orders", "trades", "positions", "journal")}
PATHS = {**ACCOUNT_LISTS, **EXPORTS, **{kind.name: kind for kind in (lists.BREAKS, lists.RECONCILIATIONS)}}
INJECTIONS = (
    "' OR '1'='1",
    "'; DROP TABLE orders; --",
    '" OR ""="',
    "1) UNION SELECT payload FROM journal --",
    "%",
    "_",
    "*",
    "\\",
    "../../../etc/passwd",
    "${jndi:ldap://127.0.0.1/a}",
    "<script>alert(1)</script>",
    "é\u202e\U0001f4a9",
    "A" * 255,
)
TEXTS = ("symbol", "strategy_id", "client_reference_id", "external_order_id", "order_id", "exec_id")


async def some(gateway: Gateway) -> str:
    """A few records of everything; the intent of an order with a chain."""
    for number in range(3):
        intent_id = await gateway.create(symbol=("AAPL", "SPY", "EURUSD")[number])
        await gateway.report(intent_id, fill(f"e{number}"))
        await gateway.submit(cancel(intent_id))
    return intent_id


async def refusal(gateway: Gateway, path: str, **query: Any) -> tuple[int, str, Any]:
    answer = await gateway.client.get(path if path[0] == "/" else f"{gateway.account}/{path}", params=query)
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, problem["code"], problem.get("parameter")


@pytest.mark.parametrize("path", [*PATHS, "metrics", "state", "balances", "/v1/accounts", "/v1/search", "/v1/audit"])
async def test_an_unknown_parameter_is_refused_everywhere(gateway: Gateway, path: str) -> None:
    required = {"q": "x"} if path == "/v1/search" else {}
    for name in ("sideways", "Symbol", "symbol[]", "next_cursor ", "order_by", "é"):
        found = await refusal(gateway, path, **required, **{name: "x"})
        assert found[:2] == (422, "invalid_argument"), name


@pytest.mark.parametrize("path", [*(path for path, kind in PATHS.items() if kind.has_times), "metrics"])
async def test_a_range_the_wrong_way_round_is_refused_everywhere(gateway: Gateway, path: str) -> None:
    since, until = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"
    assert await refusal(gateway, path, since=since, until=until) == (422, "invalid_argument", "until")
    for text in (
        "2026-01-02",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "1e9",
        "now",
        "",
        "2300-01-01T00:00:00Z",
    ):
        assert await refusal(gateway, path, since=text) == (422, "invalid_argument", "since"), text


async def test_a_cursor_belongs_to_its_list_and_query(gateway: Gateway) -> None:
    intent_id = await some(gateway)
    order_id = (await gateway.get("orders"))["data"][0]["order_id"]
    pages: dict[str, dict[str, Any]] = {
        **{f"{gateway.account}/{name}": {} for name in ACCOUNT_LISTS},
        f"{gateway.account}/intents/{intent_id}/actions": {},
        f"{gateway.account}/orders/{order_id}/timeline": {},
        "/v1/accounts": {},
    }
    cursors = {}
    for path, query in pages.items():
        page = (await gateway.client.get(path, params={**query, "limit": 1})).json()
        cursors[path] = page["next_cursor"]
        assert page["next_cursor"], path
    for path in pages:
        for other, cursor in cursors.items():
            answer = await gateway.client.get(path, params={"next_cursor": cursor})
            assert (answer.status_code == 200) == (path == other), (path, other)
        cursor = cursors[path]
        flipped = [cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :] for at in range(len(cursor))]
        for tampered in (*flipped, cursor[1:], cursor + cursor, cursor.swapcase(), cursor + "\n", "null", "0", "\x00"):
            assert (await refusal(gateway, path, next_cursor=tampered))[:2] == (400, "invalid_cursor"), (path, tampered)
        turned = await gateway.client.get(path, params={"next_cursor": cursor, "order": "asc"})
        turned_too = await gateway.client.get(path, params={"next_cursor": cursor, "order": "desc"})
        assert sorted((turned.status_code, turned_too.status_code)) == [200, 400], path


@pytest.mark.parametrize("path", PATHS)
async def test_a_filter_is_compared_and_never_run(gateway: Gateway, path: str) -> None:
    await some(gateway)
    kind = PATHS[path]
    for name in (name for name in kind.filters if name in TEXTS):
        for text in INJECTIONS:
            answer = await gateway.client.get(f"{gateway.account}/{path}", params={name: text})
            assert answer.status_code == 200, answer.text
            if path not in EXPORTS:
                assert answer.json()["data"] == []
            else:
                assert answer.text.count("\r\n") == 1, "the header only"
        for text in ("", "A" * 256, "a\x00b", "a\nb", "\x7f"):
            assert await refusal(gateway, path, **{name: text}) == (422, "invalid_argument", name)
    assert len((await gateway.get("orders"))["data"]) == 3, "all is still there"


@pytest.mark.parametrize("text", INJECTIONS)
async def test_search_and_metrics_take_names_as_names(gateway: Gateway, text: str) -> None:
    await some(gateway)
    answer = await gateway.client.get("/v1/search", params={"q": text})
    assert (answer.status_code, answer.json()["data"]) == (200, [])
    figures = await gateway.get("metrics", symbol=text, strategy_id=text)
    assert [one["orders"] for one in figures["data"]] == [0]


@pytest.mark.parametrize(
    "segment",
    ["%2e%2e", "..%2f..%2fetc%2fpasswd", "'%20OR%201=1", UUID[:-1], UUID + "0", "%ff", "é", "*", "null"],
)
async def test_a_path_is_ids_and_nothing_else(gateway: Gateway, segment: str) -> None:
    for path in (
        f"/v1/accounts/{segment}",
        f"/v1/accounts/{segment}/orders",
        f"/v1/accounts/{segment}/exports/orders",
        f"/v1/accounts/{segment}/metrics",
        f"{gateway.account}/orders/{segment}",
        f"{gateway.account}/orders/{segment}/timeline",
        f"{gateway.account}/intents/{segment}",
        f"{gateway.account}/intents/{segment}/actions",
        f"{gateway.account}/exports/{segment}",
    ):
        answer = await gateway.client.get(path)
        assert answer.status_code in (404, 422), (path, answer.status_code)
        assert answer.json()["code"] in ("invalid_argument", "route_not_found"), path


@pytest.mark.parametrize("segment", ["%00", "%0A", "%0d%0a", "A%0aB", "%1b%5b", "%7f", f"{UUID}%0a", "%0A%2e%2e"])
async def test_a_control_character_in_a_path_is_no_request(gateway: Gateway, segment: str) -> None:
    """Also one that a pattern would overlook: `$` matches before a last line break."""
    for method, path in (
        ("GET", f"/v1/accounts/{segment}"),
        ("GET", f"{gateway.account}/positions/{segment}/explanation"),
        ("GET", f"{gateway.account}/orders/{segment}/timeline"),
        ("DELETE", f"/v1/keys/{segment}"),
        ("PATCH", f"/v1/symbol-controls/{segment}"),
        ("GET", f"/nowhere/{segment}"),
        ("POST", f"{gateway.account}/intents{segment}"),
    ):
        answer = await gateway.client.request(method, path, json=create() if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request"), (method, path)
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await gateway.get("orders"))["data"] == [], "nothing was taken for the route that trades"


async def test_references_of_any_script_come_back_as_they_were(gateway: Gateway) -> None:
    for text in ("é", "日本語", "\U0001f4a9", "a\u0301", "' OR 1=1 --", "=1+1", "x" * 128):
        body = {**create(), "client_reference_id": text, "strategy_id": text}
        intent_id = (await gateway.submit(body)).json()["intent_id"]
        for name in ("client_reference_id", "strategy_id"):
            found = (await gateway.get("orders", **{name: text}))["data"]
            assert [(one["intent_id"], one[name]) for one in found] == [(intent_id, text)]
    for text in ("", "x" * 129, "\u202eabc", "a\x00", "a\n", "\ud800"):
        answer = await gateway.client.post(
            f"{gateway.account}/intents",
            content=json.dumps({**create(), "client_reference_id": text}).encode(),
            headers={"content-type": "application/json"},
        )
        assert answer.status_code in (400, 422), text
        assert answer.json()["code"] in ("invalid_argument", "invalid_json")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"manually_disabled": true, "manually_disabled": false}', "invalid_json"),
        (b'{"account_id": "' + UUID.encode() + b'", "account_id": "' + UUID.encode() + b'"}', "invalid_json"),
        (b"\xff\xfe{}", "invalid_json"),
        (b"{" + b" " * 70_000 + b"}", "body_too_large"),
        (b"[" * 5_000, "invalid_json"),
        (b'{"order_quantity_max": 1.5}', "invalid_argument"),
        (b'{"order_quantity_max": 1}', "invalid_argument"),
        (b'{"order_quantity_max": "1e5"}', "invalid_argument"),
        (b'{"order_quantity_max": NaN}', "invalid_json"),
    ],
)
async def test_bodies_beside_the_submit(gateway: Gateway, body: bytes, code: str) -> None:
    """What `test_refusals` shows of a submit holds for every body."""
    path = f"/v1/controls/accounts/{gateway.tenants.account_id}"
    for method, target in (("PUT", f"{path}/limits"), ("PUT", path), ("POST", "/v1/controls/evaluate")):
        answer = await gateway.client.request(
            method, target, content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code in (400, 413, 422), answer.text
        assert answer.json()["code"] in (code, "invalid_argument"), answer.text
