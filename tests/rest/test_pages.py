"""Pages: complete and in order while writes go on, cursors that fit their list only, and what each record says."""

import asyncio
import base64
from decimal import Decimal
from typing import Any

import pytest

from dropcopyd.domain.report import Fee, Liquidity, OrderReport, ReportKind
from dropcopyd.rest import account_schemas, order_schemas
from dropcopyd.rest.cursor import make_cursor
from tests.rest.gateway import Gateway, cancel, create, replace

SENT_NS = 1_795_000_000_000_000_009


def fill(exec_id: str, quantity: str = "1", price: str = "10") -> OrderReport:
    return OrderReport(
        kind=ReportKind.TRADE,
        broker_command_id="",
        external_order_id="B-1",
        broker_sent_at_ns=SENT_NS,
        raw_status="fill",
        exec_id=exec_id,
        last_quantity=Decimal(quantity),
        last_price=Decimal(price),
        trade_date="2026-11-18",
        venue="ARCA",
        liquidity=Liquidity.REMOVED,
        fees=(Fee("exchange", Decimal("0.0030"), "USD"), Fee("rebate", Decimal("-0.001"), "USD")),
    )


async def walk(gateway: Gateway, path: str, limit: int, between: Any = None) -> list[Any]:
    """All records by following cursors; `between` is awaited after each page."""
    records: list[Any] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = await gateway.get(path, **query)
        assert list(page)[:2] == ["data", "next_cursor"]
        assert len(page["data"]) <= limit
        records += page["data"]
        if page["next_cursor"] is None:
            return records
        assert len(page["data"]) == limit
        query["next_cursor"] = page["next_cursor"]
        if between is not None:
            await between()


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
async def test_orders_newest_first_while_writes_go_on(gateway: Gateway, limit: int) -> None:
    ids = [await gateway.create(order_side="BUY") for _ in range(7)]

    async def write() -> None:
        await gateway.create()
        await gateway.submit(cancel(ids[0]))

    records = await walk(gateway, "orders", limit, write)
    assert [record["intent_id"] for record in records] == ids[::-1]


async def test_actions_ascending_while_the_chain_grows(gateway: Gateway) -> None:
    intent_id = await gateway.create()
    other = await gateway.create()
    for _ in range(4):
        await gateway.submit(replace(intent_id))
    grown = 0

    async def write() -> None:
        nonlocal grown
        if grown < 2:
            grown += 1
            await gateway.submit(cancel(intent_id))
            await gateway.submit(cancel(other))

    records = await walk(gateway, f"intents/{intent_id}/actions", 2, write)
    assert [record["seq"] for record in records] == list(range(1, 8))
    assert {record["intent_id"] for record in records} == {intent_id}


async def test_positions_by_class_and_symbol(gateway: Gateway) -> None:
    symbols = ["SPY", "AAPL", "BTC-PERP", "EURUSD", "ESZ7"]
    for symbol in symbols:
        await gateway.report(await gateway.create(symbol=symbol), fill("e1"))
    records = await walk(gateway, "positions", 2)
    assert [(record["instrument"]["asset_class"], record["symbol"]) for record in records] == [
        ("CURRENCY", "EURUSD"),
        ("EQUITY", "AAPL"),
        ("EQUITY", "SPY"),
        ("FUTURE", "ESZ7"),
        ("PERPETUAL", "BTC-PERP"),
    ]


async def test_a_page_may_end_exactly_at_the_end(gateway: Gateway) -> None:
    for _ in range(4):
        await gateway.create()
    assert len(await walk(gateway, "orders", 2)) == 4
    intent_id = await gateway.create()
    await gateway.submit(cancel(intent_id))
    page = await gateway.get(f"intents/{intent_id}/actions", limit=2)
    assert (len(page["data"]), page["next_cursor"]) == (2, None)


async def test_an_order_a_trade_and_a_position_say_all_that_is_known(gateway: Gateway) -> None:
    spec = {"Limit": {"price": "10.5", "quantity": "3", "time_in_force": "DAY"}}
    intent_id = (await gateway.submit(create(spec=spec) | {"strategy_id": "s"})).json()["intent_id"]
    await gateway.report(intent_id, fill("e1", "1", "10"))
    await gateway.report(intent_id, fill("e2", "1", "10.25"))
    action = await gateway.get(f"intents/{intent_id}")
    order = (await gateway.get("orders"))["data"][0]
    trade = (await gateway.get("trades"))["data"][0]
    position = (await gateway.get("positions"))["data"][0]
    assert action["outcome"] == "ACCEPTED"
    expected_order = {
        "external_order_id": "B-1",
        "broker": "PAPER",
        "order_state": "OPEN",
        "order_status": "PARTIALLY_FILLED",
        "limit_price": "10.5",
        "average_price": "10.125",
        "quantity": "3",
        "filled_quantity": "2",
        "leaves_quantity": "1",
        "broker_sent_at": "2026-11-18T11:06:40.000000009Z",
        "instrument": {"asset_class": "EQUITY", "symbol": "AAPL", "exchange": "NASDAQ"},
        "in_doubt_since": None,
        "origin": "PLATFORM",
        "strategy_id": "s",
        "raw_status": "fill",
    }
    assert {name: order[name] for name in expected_order} == expected_order
    expected_trade = {
        "order_id": "B-1",
        "client_order_id": order["order_id"],
        "side": "BUY",
        "quantity": "1",
        "price": "10.25",
        "exec_id": "e2",
        "cumulative_quantity": "2",
        "order_quantity": "3",
        "leaves_quantity": "1",
        "fees": [
            {"kind": "exchange", "amount": "0.003", "currency": "USD"},
            {"kind": "rebate", "amount": "-0.001", "currency": "USD"},
        ],
        "trade_date": "2026-11-18",
        "venue": "ARCA",
        "liquidity": "REMOVED",
        "intent_id": intent_id,
    }
    assert {name: trade[name] for name in expected_trade} == expected_trade
    expected_position = {"quantity": "2", "average_cost": "10.125", "realized_pnl": "0", "daily_pnl": None}
    assert {name: position[name] for name in expected_position} == expected_position


async def test_trades_newest_first_and_complete(gateway: Gateway) -> None:
    intent_id = await gateway.create(spec={"Market": {"quantity": "100"}})
    await asyncio.gather(*(gateway.report(intent_id, fill(f"e{number}")) for number in range(9)))
    records = await walk(gateway, "trades", 4)
    assert len({record["exec_id"] for record in records}) == 9
    assert [record["cumulative_quantity"] for record in records] == [str(number) for number in range(9, 0, -1)]


async def test_every_answer_has_its_documented_shape(gateway: Gateway) -> None:
    """Every asset class, an order in each, with fills; nothing more and nothing less than documented."""
    for instrument in await gateway.store.instruments():
        payload = {"symbol": instrument.symbol, "asset_class": instrument.asset_class.value}
        intent_id = await gateway.create(**payload)
        await gateway.report(intent_id, fill("e1"))
        answer = await gateway.client.get(f"{gateway.account}/intents/{intent_id}")
        order_schemas.IntentAction.model_validate_json(answer.content)
    for path, model in (
        ("orders", order_schemas.OrderPage),
        ("trades", order_schemas.TradePage),
        ("positions", account_schemas.PositionPage),
        (f"intents/{intent_id}/actions", order_schemas.IntentActionPage),
    ):
        answer = await gateway.client.get(f"{gateway.account}/{path}")
        page = model.model_validate_json(answer.content)
        assert len(page.data) == (1 if "actions" in path else len(await gateway.store.instruments()))
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("limit", "count"),
    [("0", 1), ("-1", 1), ("-" + "9" * 5_000, 1), ("1", 1), ("00002", 2), ("100", 3), ("101", 3), ("9" * 5_000, 3)],
)
async def test_limit_is_clamped(gateway: Gateway, limit: str, count: int) -> None:
    for _ in range(3):
        await gateway.create()
    for path in ("orders",):
        assert len((await gateway.get(path, limit=limit))["data"]) == count


async def test_a_page_has_at_most_100_records(gateway: Gateway) -> None:
    await asyncio.gather(*(gateway.create() for _ in range(101)))
    for query in ({}, {"limit": 1_000}):
        page = await gateway.get("orders", **query)
        assert len(page["data"]) == 100
        rest = await gateway.get("orders", next_cursor=page["next_cursor"], **query)
        assert (len(rest["data"]), rest["next_cursor"]) == (1, None)


@pytest.mark.parametrize("limit", ["", "abc", "1.5", "1e2", "+1", " 1", "1 ", "0x1", "١", "--1", "-"])
async def test_a_limit_that_is_no_number_is_refused(gateway: Gateway, limit: str) -> None:
    answer = await gateway.client.get(f"{gateway.account}/orders", params={"limit": limit})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["parameter"]) == (422, "invalid_argument", "limit")


async def test_a_parameter_given_twice_is_refused(gateway: Gateway) -> None:
    for query in ("limit=1&limit=2", "next_cursor=a&next_cursor=a"):
        answer = await gateway.client.get(f"{gateway.account}/orders?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_argument")


def bound(name: str, account_id: str, sort: str = "desc") -> str:
    """What a cursor of an unfiltered list is bound to."""
    return repr((name, account_id, sort, (), None, None))


async def test_a_foreign_or_garbled_cursor_is_refused(gateway: Gateway) -> None:
    tenants = gateway.tenants
    intent_id, other = await gateway.create(), await gateway.create()
    for chain in (intent_id, other):
        await gateway.submit(cancel(chain))
    orders = (await gateway.get("orders", limit=1))["next_cursor"]
    actions = (await gateway.get(f"intents/{intent_id}/actions", limit=1))["next_cursor"]
    account = tenants.account_id
    flipped = orders[:-1] + ("A" if orders[-1] != "A" else "B")
    second = f"/v1/accounts/{tenants.second_account_id}/orders"
    bad = [
        (f"{gateway.account}/orders", cursor)
        for cursor in ("", "x", "é", "0" * 5_000, actions, flipped, orders + "=", orders + "A", orders[:-1])
    ]
    bad += [
        (f"{gateway.account}/trades", orders),
        (f"{gateway.account}/positions", orders),
        (second, orders),
        (f"{gateway.account}/intents/{other}/actions", actions),
        (f"{gateway.account}/orders", base64.urlsafe_b64encode(b"\x02" + base64.urlsafe_b64decode(orders + "=")[1:])),
        (f"{gateway.account}/orders", make_cursor(bound("orders", account), "9" * 30)),
        (f"{gateway.account}/orders", make_cursor(bound("orders", account), "-1")),
        (f"{gateway.account}/orders", make_cursor(bound("orders", account), "1 OR 1")),
        (f"{gateway.account}/positions", make_cursor(bound("positions", account, "asc"), "EQUITY")),
    ]
    for path, cursor in bad:
        answer = await gateway.client.get(path, params={"next_cursor": cursor})
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (400, "invalid_cursor"), (path, cursor)
        assert problem["parameter"] == "next_cursor"
    assert len((await gateway.get("orders", next_cursor=orders))["data"]) == 1
    forged = make_cursor(bound("orders", account), "9" * 9)
    assert len((await gateway.get("orders", next_cursor=forged))["data"]) == 2, "it is the mark that is refused above"


async def test_cursors_may_be_used_again(gateway: Gateway) -> None:
    for _ in range(3):
        await gateway.create()
    cursor = (await gateway.get("orders", limit=1))["next_cursor"]
    assert await gateway.get("orders", next_cursor=cursor) == await gateway.get("orders", next_cursor=cursor)
