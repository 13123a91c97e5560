"""Filters, ranges of time and directions of the lists: what a filter finds is what a reader of all rows would pick."""

import asyncio
import itertools
from typing import Any

import pytest

from dropcopyd.record import INTENT_FILTERS, ORDER_FILTERS, TRADE_FILTERS
from tests.rest.gateway import Gateway, cancel, create
from tests.rest.test_pages import fill, walk

UUID = "00000000-0000-4000-8000-000000000000"
LIMIT_SPEC = {"Limit": {"price": "10.5", "quantity": "2", "time_in_force": "DAY"}}


async def trade_a_while(gateway: Gateway) -> None:
    """Orders of several symbols, sides, types and strategies; some filled, some partly, some cancelled."""
    kinds = itertools.product(["AAPL", "SPY"], ["BUY", "SELL"], [LIMIT_SPEC, {"Market": {"quantity": "2"}}])
    for number, (symbol, side, spec) in enumerate(itertools.chain.from_iterable(itertools.repeat(list(kinds), 2))):
        body = create(symbol=symbol, order_side=side, spec=spec)
        body |= {"strategy_id": f"s{number % 3}"} if number % 4 else {}
        body |= {"client_reference_id": f"r{number % 5}"}
        intent_id = (await gateway.submit(body)).json()["intent_id"]
        for execution in range(number % 3):
            await gateway.report(intent_id, fill(f"e{number % 2}-{execution}"))
        if number % 5 == 0:
            await gateway.submit(cancel(intent_id))


@pytest.mark.parametrize(
    ("path", "filters"), [("orders", ORDER_FILTERS), ("trades", TRADE_FILTERS), ("intents", INTENT_FILTERS)]
)
async def test_every_pair_of_filters_picks_what_a_reader_would(
    gateway: Gateway, path: str, filters: tuple[str, ...]
) -> None:
    await trade_a_while(gateway)
    rows = await walk(gateway, path, 100)
    assert len(rows) >= 15
    for pair in itertools.combinations(filters, 2):
        values = {tuple(row[name] for name in pair) for row in rows if all(row[name] for name in pair)}
        for one in sorted(values)[:6]:
            asked = dict(zip(pair, one, strict=True))
            expected = [row for row in rows if all(row[name] == value for name, value in asked.items())]
            assert (await gateway.get(path, **asked))["data"] == expected, asked
    for name in filters:
        value = next(row[name] for row in rows if row[name])
        expected = [row for row in rows if row[name] == value]
        assert await walk_with(gateway, path, 2, {name: value}) == expected
        assert await walk_with(gateway, path, 2, {name: value, "order": "asc"}) == expected[::-1]


async def walk_with(gateway: Gateway, path: str, limit: int, query: dict[str, Any]) -> list[Any]:
    rows: list[Any] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await gateway.get(path, limit=limit, **query, **cursor)
        rows += page["data"]
        if page["next_cursor"] is None:
            return rows
        cursor = {"next_cursor": page["next_cursor"]}


@pytest.mark.parametrize(("path", "member"), [("orders", "created_at"), ("trades", "received_at")])
async def test_a_range_of_time_includes_its_begin_and_not_its_end(gateway: Gateway, path: str, member: str) -> None:
    await trade_a_while(gateway)
    rows = await walk(gateway, path, 100)
    times = sorted({row[member] for row in rows})
    for since, until in ((times[3], times[7]), (times[0], times[-1]), (times[2], times[2]), (times[-1], None)):
        query = {"since": since} | ({"until": until} if until else {})
        expected = [row for row in rows if row[member] >= since and (until is None or row[member] < until)]
        assert (await gateway.get(path, **query))["data"] == expected
    both = {"since": times[2], "symbol": "AAPL", "order": "asc"}
    expected = [row for row in rows[::-1] if row[member] >= times[2] and row["symbol"] == "AAPL"]
    assert await walk_with(gateway, path, 1, both) == expected


async def test_positions_by_class_and_symbol_in_both_directions(gateway: Gateway) -> None:
    for symbol in ("SPY", "AAPL", "EURUSD", "ESZ7"):
        await gateway.report(await gateway.create(symbol=symbol), fill("e1"))
    rows = await walk(gateway, "positions", 100)
    assert await walk_with(gateway, "positions", 1, {"order": "desc"}) == rows[::-1]
    equities = [row for row in rows if row["instrument"]["asset_class"] == "EQUITY"]
    assert await walk_with(gateway, "positions", 1, {"asset_class": "EQUITY"}) == equities
    assert (await gateway.get("positions", symbol="SPY"))["data"] == [row for row in rows if row["symbol"] == "SPY"]
    assert (await gateway.get("positions", symbol="SPY", asset_class="CRYPTO"))["data"] == []


async def test_a_symbol_of_two_classes_has_two_positions(gateway: Gateway) -> None:
    for asset_class in ("EQUITY", "CRYPTO"):
        await gateway.report(await gateway.create(symbol="TWIN", asset_class=asset_class), fill("e1"))
    rows = await walk_with(gateway, "positions", 1, {"symbol": "TWIN"})
    assert [row["instrument"]["asset_class"] for row in rows] == ["CRYPTO", "EQUITY"]
    assert await walk_with(gateway, "positions", 1, {"symbol": "TWIN", "order": "desc"}) == rows[::-1]


@pytest.mark.parametrize(
    "query",
    [
        {"order_state": "open"},
        {"order_status": "DONE"},
        {"order": "DESC"},
        {"since": "yesterday"},
        {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"symbol": ""},
        {"symbol": "x" * 256},
        {"strategy_id": "a\x00b"},
        {"sideways": "BUY"},
        {"side": "BUY"},
    ],
)
async def test_a_filter_that_makes_no_sense_is_refused(gateway: Gateway, query: dict[str, str]) -> None:
    answer = await gateway.client.get(f"{gateway.account}/orders", params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_argument")
    assert answer.json()["parameter"] in query


@pytest.mark.parametrize("text", ["' OR 1=1 --", "%", "é", "\U0001f4a9", "a b", '"', "\\", "..", "AAPL;"])
async def test_a_filter_is_a_value_and_nothing_else(gateway: Gateway, text: str) -> None:
    await gateway.create()
    for name in ("symbol", "strategy_id", "client_reference_id", "external_order_id"):
        assert await gateway.get("orders", **{name: text}) == {"data": [], "next_cursor": None}


async def test_a_cursor_of_another_query_is_refused(gateway: Gateway) -> None:
    await asyncio.gather(*(gateway.create() for _ in range(3)))
    cursor = (await gateway.get("orders", limit=1, symbol="AAPL"))["next_cursor"]
    assert len((await gateway.get("orders", limit=100, symbol="AAPL", next_cursor=cursor))["data"]) == 2
    for other in ({}, {"symbol": "SPY"}, {"symbol": "AAPL", "order": "asc"}, {"symbol": "AAPL", "order_side": "BUY"}):
        answer = await gateway.client.get(f"{gateway.account}/orders", params={**other, "next_cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def test_one_order(gateway: Gateway) -> None:
    await gateway.create()
    order = (await gateway.get("orders"))["data"][0]
    assert await gateway.get(f"orders/{order['order_id'].upper()}") == order
    second = f"/v1/accounts/{gateway.tenants.second_account_id}"
    for path in (f"{gateway.account}/orders/{UUID}", f"{second}/orders/{order['order_id']}"):
        answer = await gateway.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")


async def test_accounts_are_the_organizations_own(gateway: Gateway) -> None:
    tenants = gateway.tenants
    page = (await gateway.client.get("/v1/accounts")).json()
    assert [one["account_id"] for one in page["data"]] == [tenants.account_id, tenants.second_account_id]
    assert page["data"][0] == (await gateway.client.get(gateway.account)).json()
    first = (await gateway.client.get("/v1/accounts", params={"limit": 1, "order": "desc"})).json()
    assert [one["name"] for one in first["data"]] == ["second"]
    query = {"order": "desc", "next_cursor": first["next_cursor"]}
    assert (await gateway.client.get("/v1/accounts", params=query)).json() == {
        "data": page["data"][:1],
        "next_cursor": None,
    }
    foreign = (await gateway.client.get("/v1/accounts", headers={"x-api-key": tenants.foreign_key})).json()
    assert [one["account_id"] for one in foreign["data"]] == [tenants.foreign_account_id]
