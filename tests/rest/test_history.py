"""The journal, timelines, past states and search over REST."""

import base64
import json
from typing import Any

import pytest

from dropcopy import proto as pb
from dropcopyd.rest import account_schemas, record_schemas
from dropcopyd.store import keeping
from dropcopyd.store import search as searching
from dropcopyd.wire import event_json
from tests.rest.gateway import Gateway, cancel, create, replace
from tests.rest.test_pages import fill, walk
from tests.rest.test_queries import UUID, trade_a_while, walk_with


async def test_the_journal_is_whole_in_both_directions(gateway: Gateway) -> None:
    await trade_a_while(gateway)
    events = await walk(gateway, "journal", 100)
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    page = await gateway.get("journal", limit=7, order="desc")
    record_schemas.JournalPage.model_validate_json(json.dumps(page))
    assert (page["head"], page["oldest"]) == (len(events), 1)
    assert page["data"] == events[:-8:-1]
    for event in events:
        payload = base64.b64decode(event["bytes"])
        message = pb.TradingEvent.FromString(payload)
        assert (message.sequence, message.kind_sequence) == (event["sequence"], event["kind_sequence"])
        assert event["chain"] == f"{message.chain:016x}"
        assert event["event"] == json.loads(event_json(payload)[1])
        assert event["kind"].lower() == message.WhichOneof("event")
    assert (await gateway.get("journal", after=len(events) - 3))["data"] == events[-3:]
    since, until = events[10]["at"], events[30]["at"]
    expected = [event for event in events if since <= event["at"] < until]
    assert (await gateway.get("journal", since=since, until=until))["data"] == expected
    assert (await gateway.get("journal", after=10**17))["data"] == []


async def test_a_timeline_tells_who_asked_what_and_what_came_of_it(gateway: Gateway) -> None:
    intent_id = await gateway.create(spec={"Limit": {"price": "10", "quantity": "5", "time_in_force": "DAY"}})
    other = await gateway.create()
    await gateway.report(intent_id, fill("e1"))
    await gateway.submit(replace(intent_id))
    await gateway.submit(cancel(intent_id))
    await gateway.submit(cancel(other))
    order = next(one for one in (await gateway.get("orders"))["data"] if one["intent_id"] == intent_id)
    path = f"orders/{order['order_id']}/timeline"
    entries = await walk(gateway, path, 2)
    page = record_schemas.TimelinePage.model_validate_json(json.dumps(await gateway.get(path)))
    assert len(page.data) == len(entries)
    journal = await walk(gateway, "journal", 100)
    about = [event["sequence"] for event in journal if order["order_id"] in json.dumps(event["event"])]
    about += [event["sequence"] for event in journal if intent_id in json.dumps(event["event"])]
    assert [entry["sequence"] for entry in entries] == sorted(set(about))
    assert await walk_desc(gateway, path) == entries[::-1]
    asked = [entry["command"] for entry in entries if entry["kind"] == "INTENT_ACTION"]
    assert [(command["seq"], command["action_type"]) for command in asked] == [
        (1, "CREATE"),
        (2, "REPLACE"),
        (3, "CANCEL"),
    ]
    key_id = gateway.tenants.key.split("_")[1]
    assert {(command["principal_type"], command["principal_id"]) for command in asked} == {("API_KEY", key_id)}
    assert asked[0]["first_fill_at"] == asked[0]["last_fill_at"] is not None
    trade = next(entry["record"] for entry in entries if entry["kind"] == "BROKER_TRADE")
    assert trade == (await gateway.get("trades"))["data"][0]
    states = [entry["record"] for entry in entries if entry["kind"] == "BROKER_ORDER"]
    assert [state["order_status"] for state in states] == ["PENDING_NEW", "PARTIALLY_FILLED"]


async def walk_desc(gateway: Gateway, path: str) -> list[Any]:
    rows: list[Any] = []
    query: dict[str, Any] = {"limit": 3, "order": "desc"}
    while True:
        page = await gateway.get(path, **query)
        rows += page["data"]
        if page["next_cursor"] is None:
            return rows
        query["next_cursor"] = page["next_cursor"]


def fold(events: list[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Working orders and positions after these events, from protobuf's JSON form."""
    orders: dict[str, Any] = {}
    positions: dict[str, Any] = {}
    for event in events:
        if event["kind"] == "BROKER_ORDER":
            order = event["event"]["broker_order"]
            orders[order["order_id"]] = order
        if event["kind"] == "BROKER_POSITION":
            position = event["event"]["broker_position"]
            positions[position["symbol"]] = position
    working = {
        order_id: order
        for order_id, order in orders.items()
        if order["order_state"] == "ORDER_STATE_OPEN" or "in_doubt_since" in order
    }
    return working, positions


async def test_every_past_state_is_a_fold_of_the_journal(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "WORKING_SET_EVENTS", 8)
    await trade_a_while(gateway)
    events = await walk(gateway, "journal", 100)
    for sequence in range(len(events) + 1):
        state = await gateway.get("state", as_of=sequence)
        orders, positions = fold(events[:sequence])
        assert {one["order_id"] for one in state["orders"]} == set(orders)
        for one in state["orders"]:
            order = orders[one["order_id"]]
            assert one["filled_quantity"] == order["filled_quantity"]
            assert f"ORDER_STATUS_{one['order_status']}" == order["order_status"]
        assert {one["symbol"]: one["quantity"] for one in state["positions"]} == {
            symbol: position["quantity"] for symbol, position in positions.items()
        }
        assert state["sequence"] == sequence
        assert state["at"] == (events[sequence - 1]["at"] if sequence else None)
    for event in events[::9]:
        state = await gateway.get("state", as_of=event["at"])
        assert state["sequence"] == max(one["sequence"] for one in events if one["at"] <= event["at"])


async def test_the_present_state_is_what_the_lists_say(gateway: Gateway) -> None:
    await trade_a_while(gateway)
    state = await gateway.get("state")
    record_schemas.State.model_validate_json(json.dumps(state))
    assert state["sequence"] == state["head"]
    working = await walk_with(gateway, "orders", 100, {"order_state": "OPEN"})
    assert sorted(state["orders"], key=lambda one: one["order_id"]) == sorted(working, key=lambda one: one["order_id"])
    assert state["positions"] == (await gateway.get("positions"))["data"]


@pytest.mark.parametrize("as_of", ["", "-1", "1.5", "x", "9" * 18, "9" * 19, "2999-01-01T00:00:00Z", "2026-01-01", "١"])
async def test_a_point_that_is_not_there_is_refused(gateway: Gateway, as_of: str) -> None:
    answer = await gateway.client.get(f"{gateway.account}/state", params={"as_of": as_of})
    assert (answer.status_code, answer.json()["code"], answer.json()["parameter"]) == (422, "invalid_argument", "as_of")


async def test_before_the_first_event_there_is_nothing(gateway: Gateway) -> None:
    await gateway.create()
    for as_of in ("0", "1970-01-01T00:00:00Z"):
        state = await gateway.get("state", as_of=as_of)
        assert (state["sequence"], state["at"], state["orders"], state["positions"]) == (0, None, [], [])


async def search(gateway: Gateway, text: str, limit: int = 100, key: str | None = None) -> list[Any]:
    hits: list[Any] = []
    query: dict[str, Any] = {"q": text, "limit": limit}
    while True:
        headers = {} if key is None else {"x-api-key": key}
        answer = await gateway.client.get("/v1/search", params=query, headers=headers)
        assert answer.status_code == 200, answer.text
        record_schemas.SearchPage.model_validate_json(answer.content)
        page = answer.json()
        hits += page["data"]
        if page["next_cursor"] is None:
            return hits
        query["next_cursor"] = page["next_cursor"]


@pytest.mark.parametrize("places", [2, 2_000])
async def test_search_finds_the_name_wherever_it_stands(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, places: int
) -> None:
    monkeypatch.setattr(searching, "_PLACES_MAX", places)
    await trade_a_while(gateway)
    orders = await walk(gateway, "orders", 100)
    trades = await walk(gateway, "trades", 100)
    one = orders[3]
    for name in ("order_id", "intent_id", "client_reference_id", "strategy_id", "external_order_id"):
        value = next(order[name] for order in orders if order[name])
        expected = [order for order in orders if order[name] == value]
        for limit in (2, 100):
            hits = await search(gateway, value, limit)
            assert [hit["order"] for hit in hits if hit["matched"] == name] == expected
    assert [hit["trade"] for hit in await search(gateway, "e1-0", 3)] == [t for t in trades if t["exec_id"] == "e1-0"]
    positions = [hit["position"] for hit in await search(gateway, "SPY", 1)]
    assert positions == (await gateway.get("positions", symbol="SPY"))["data"]
    assert [hit["account"]["account_id"] for hit in await search(gateway, "first")] == [gateway.tenants.account_id]
    assert await search(gateway, gateway.tenants.account_id) == [
        {
            "matched": "account_id",
            "account": (await gateway.client.get(gateway.account)).json(),
            "order": None,
            "trade": None,
            "position": None,
        }
    ]
    for text in (one["order_id"], "SPY", "e1-0", gateway.tenants.account_id, "s1", "nobody", "' OR 1=1 --"):
        assert await search(gateway, text, key=gateway.tenants.foreign_key) == []


async def test_search_needs_a_name(gateway: Gateway) -> None:
    for query in ({}, {"q": ""}, {"q": "x" * 256}, {"q": "a\x00"}, {"q": "a", "order": "asc"}):
        answer = await gateway.client.get("/v1/search", params=query)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_argument"), query


async def test_an_unknown_order_has_no_timeline(gateway: Gateway) -> None:
    answer = await gateway.client.get(f"{gateway.account}/orders/{UUID}/timeline")
    assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")


async def test_balances_have_their_shape(gateway: Gateway) -> None:
    account_schemas.BalancePage.model_validate_json(json.dumps(await gateway.get("balances")))
    await gateway.submit(create())
