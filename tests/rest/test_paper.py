"""The paper routes: who may, what is taken, and what each refusal points at."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from dropcopyd.domain.account import BrokerKind, Scope
from dropcopyd.store.admin import Admin
from dropcopyd.store.migrate import DATABASE_NAME
from dropcopyd.system import RandomIds, SystemClock
from tests.rest.gateway import Gateway, _add_key

ADJUSTMENTS, QUOTES = "/v1/paper/adjustments", "/v1/paper/quotes"
RATIO = {"new": "2", "old": "1"}


async def adjust(gateway: Gateway, kind: str, **members: Any) -> httpx2.Response:
    body = {"account_id": gateway.tenants.account_id, "kind": kind, **members}
    return await gateway.client.post(ADJUSTMENTS, json=body)


async def push(gateway: Gateway, *quotes: Any) -> httpx2.Response:
    return await gateway.client.post(QUOTES, json={"account_id": gateway.tenants.account_id, "quotes": list(quotes)})


def quote(**members: Any) -> Any:
    return {"symbol": "AAPL", "bid": "99.99", "ask": "100.01", **members}


def admin(folder: Path) -> Admin:
    return Admin(folder, SystemClock().now_ns())


async def test_an_adjustment_is_answered_as_booked_and_noted_in_the_audit_log(gateway: Gateway) -> None:
    answer = await adjust(
        gateway, "OPENING", symbol="AAPL", quantity_delta="-10", cost_delta="1000.50", note="moved in"
    )
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["kind"], body["symbol"], body["asset_class"]) == ("OPENING", "AAPL", "EQUITY")
    assert (body["quantity_delta"], body["cost_delta"], body["cash_delta"]) == ("-10", "1000.5", None)
    log = (await gateway.client.get("/v1/audit")).json()["data"]
    assert (log[0]["action"], log[0]["subject"]) == ("paper.adjusted", body["adjustment_id"])
    assert log[0]["detail"] == {
        "kind": "OPENING",
        "symbol": "AAPL",
        "quantity_delta": "-10",
        "cost_delta": "1000.5",
        "note": "moved in",
    }


async def test_cash_is_in_the_instruments_currency_unless_named(gateway: Gateway) -> None:
    funding = (await adjust(gateway, "FUNDING", symbol="BTCUSD-INVERSE", cash_delta="-0.001")).json()
    fee = (await adjust(gateway, "FEE", cash_delta="-1.5", currency="EUR")).json()
    assert (funding["currency"], funding["cash_delta"]) == ("BTC", "-0.001")
    assert (fee["currency"], fee["symbol"]) == ("EUR", None)


@pytest.mark.parametrize(
    ("kind", "members", "pointer"),
    [
        ("DAY_ROLL", {}, "/kind"),
        ("OPENING", {"quantity_delta": "1", "cost_delta": "1"}, "/symbol"),
        ("OPENING", {"symbol": "AAPL", "quantity_delta": "1"}, "/cost_delta"),
        ("OPENING", {"symbol": "AAPL", "quantity_delta": "1", "cost_delta": "1", "cash_delta": "1"}, "/cash_delta"),
        ("TRANSFER", {"symbol": "AAPL", "quantity_delta": "0.5"}, "/quantity_delta"),
        ("TRANSFER", {"symbol": "AAPL", "quantity_delta": 1}, "/quantity_delta"),
        ("TRANSFER", {"quantity_delta": "1"}, "/quantity_delta"),
        ("TRANSFER", {"cash_delta": "1"}, "/currency"),
        ("TRANSFER", {"symbol": "AAPL", "quantity_delta": "1", "currency": "USD"}, "/currency"),
        ("TRANSFER", {"symbol": "AAPL"}, None),
        ("MANUAL", {"cash_delta": "0", "currency": "USD"}, None),
        ("SPLIT", {"symbol": "AAPL"}, "/ratio"),
        ("SPLIT", {"symbol": "AAPL", "ratio": RATIO, "quantity_delta": "1"}, "/quantity_delta"),
        ("SPLIT", {"symbol": "AAPL", "ratio": {"new": "2", "old": "2"}}, "/ratio"),
        ("SPLIT", {"symbol": "AAPL", "ratio": {"new": "0", "old": "2"}}, "/ratio/new"),
        ("SPLIT", {"symbol": "ESZ7", "ratio": RATIO}, "/symbol"),
        ("FUNDING", {"symbol": "AAPL", "cash_delta": "1"}, "/symbol"),
        ("FUNDING", {"symbol": "BTC-PERP"}, "/cash_delta"),
        ("FEE", {"cash_delta": "-1e3", "currency": "USD"}, "/cash_delta"),
        ("FEE", {"cash_delta": "-1", "currency": "usd"}, "/currency"),
        ("FEE", {"cash_delta": "-1", "currency": "USD", "note": "x" * 501}, "/note"),
    ],
)
async def test_what_a_kind_does_not_take_is_pointed_at(
    gateway: Gateway, kind: str, members: Any, pointer: str | None
) -> None:
    answer = await adjust(gateway, kind, **members)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("pointer")) == (422, "invalid_argument", pointer)


async def test_a_fraction_that_cannot_be_held_needs_its_price(gateway: Gateway) -> None:
    """15 shares, one for two: seven and a half. The half is paid out, by whoever knows for how much."""
    await adjust(gateway, "OPENING", symbol="AAPL", quantity_delta="15", cost_delta="1500")
    split = {"symbol": "AAPL", "ratio": {"new": "1", "old": "2"}}
    refused = await adjust(gateway, "SPLIT", **split)
    assert (refused.status_code, refused.json()["pointer"]) == (422, "/cash_delta")
    done = (await adjust(gateway, "SPLIT", **split, cash_delta="101")).json()
    assert (done["quantity_delta"], done["cash_delta"]) == ("-8", "101")


async def test_a_key_books_once(gateway: Gateway) -> None:
    body = {"account_id": gateway.tenants.account_id, "kind": "FEE", "cash_delta": "-1.50", "currency": "USD"}
    named = {"idempotency-key": "fee-1"}
    first = await gateway.client.post(ADJUSTMENTS, json=body, headers=named)
    again = await gateway.client.post(ADJUSTMENTS, json={**body, "cash_delta": "-1.5"}, headers=named)
    other = await gateway.client.post(ADJUSTMENTS, json={**body, "cash_delta": "-2"}, headers=named)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert other.json()["adjustment_id"] == first.json()["adjustment_id"]
    assert await adjusted(gateway) == [first.json()["adjustment_id"]], "one line of the audit log"
    bad = await gateway.client.post(ADJUSTMENTS, json=body, headers={"idempotency-key": ""})
    assert (bad.status_code, bad.json()["code"]) == (400, "invalid_idempotency_key")
    balances = await adjust(gateway, "FEE", cash_delta="-1.5", currency="USD")
    assert balances.json()["adjustment_id"] != first.json()["adjustment_id"]


async def adjusted(gateway: Gateway) -> list[str]:
    """What the audit log says was adjusted."""
    log = (await gateway.client.get("/v1/audit")).json()["data"]
    return [line["subject"] for line in log if line["action"] == "paper.adjusted"]


async def test_a_line_that_a_crash_kept_out_of_the_audit_log_comes_with_the_repetition(
    gateway: Gateway, tmp_path: Path
) -> None:
    """The broker's book has the adjustment, and the gateway died before it wrote the line."""
    body = {"account_id": gateway.tenants.account_id, "kind": "FEE", "cash_delta": "-1", "currency": "USD"}
    named = {"idempotency-key": "fee-2"}
    first = (await gateway.client.post(ADJUSTMENTS, json=body, headers=named)).json()["adjustment_id"]
    with closing(sqlite3.connect(tmp_path / DATABASE_NAME)) as journal:
        assert journal.execute("DELETE FROM audit WHERE subject = ?", (first,)).rowcount == 1
        journal.commit()
    for _ in range(2):
        answers = [gateway.client.post(ADJUSTMENTS, json=body, headers=named) for _ in range(3)]
        assert {one.json()["adjustment_id"] for one in await asyncio.gather(*answers)} == {first}
    assert await adjusted(gateway) == [first]


async def test_quotes_are_answered_as_they_stand(gateway: Gateway) -> None:
    answer = await push(gateway, quote(bid_size="7", ask_size="0"), quote(symbol="EURUSD", bid="1.1", ask="1.10001"))
    assert answer.status_code == 200, answer.text
    assert answer.json()["quotes"] == [
        {"symbol": "AAPL", "asset_class": "EQUITY", "bid": "99.99", "ask": "100.01", "bid_size": "7", "ask_size": "0"},
        {
            "symbol": "EURUSD",
            "asset_class": "CURRENCY",
            "bid": "1.1",
            "ask": "1.10001",
            "bid_size": "100000",
            "ask_size": "100000",
        },
    ]


@pytest.mark.parametrize(
    ("quotes", "code", "pointer"),
    [
        ([], "invalid_argument", "/quotes"),
        ([quote()] * 101, "invalid_argument", "/quotes"),
        ([quote(), quote(bid="100.01")], "invalid_argument", "/quotes/1/ask"),
        ([quote(bid="0")], "invalid_argument", "/quotes/0/bid"),
        ([quote(bid="99.995")], "invalid_argument", "/quotes/0/bid"),
        ([quote(bid_size="-1")], "invalid_argument", "/quotes/0/bid_size"),
        ([quote(), quote(symbol="NOPE")], "unknown_symbol", "/quotes/1/symbol"),
        ([quote(symbol="TWIN")], "ambiguous_symbol", "/quotes/0/asset_class"),
        ([quote(last="1")], "invalid_argument", "/quotes/0/last"),
    ],
)
async def test_a_quote_that_cannot_be_is_pointed_at(gateway: Gateway, quotes: Any, code: str, pointer: str) -> None:
    answer = await push(gateway, *quotes)
    assert (answer.status_code, answer.json()["code"], answer.json()["pointer"]) == (422, code, pointer)


async def test_an_own_market_is_given_back(gateway: Gateway) -> None:
    account_id = gateway.tenants.account_id
    await push(gateway, quote())
    for _ in range(2):
        answer = await gateway.client.delete(QUOTES, params={"account_id": account_id, "symbol": "AAPL"})
        assert (answer.status_code, answer.content) == (204, b"")
    for query, code, name in (
        ({"symbol": "AAPL"}, "invalid_argument", "account_id"),
        ({"account_id": "x", "symbol": "AAPL"}, "invalid_argument", "account_id"),
        ({"account_id": account_id}, "invalid_argument", "symbol"),
        ({"account_id": account_id, "symbol": "AAPL", "asset_class": "equity"}, "invalid_argument", "asset_class"),
        ({"account_id": account_id, "symbol": "AAPL", "size": "1"}, "invalid_argument", "size"),
        ({"account_id": account_id, "symbol": "NOPE"}, "unknown_symbol", None),
        ({"account_id": account_id, "symbol": "TWIN"}, "ambiguous_symbol", None),
        ({"account_id": gateway.tenants.foreign_account_id, "symbol": "AAPL"}, "account_not_found", None),
    ):
        answer = await gateway.client.delete(QUOTES, params=query)
        assert (answer.json()["code"], answer.json().get("parameter")) == (code, name)


async def test_only_paper_accounts_of_the_organization_with_the_scope(gateway: Gateway, tmp_path: Path) -> None:
    tenants, desk = gateway.tenants, admin(tmp_path)
    elsewhere = RandomIds().uuid()
    try:
        desk.add_account(elsewhere, tenants.organization_id, "elsewhere", BrokerKind.ALPACA)
        trader = _add_key(desk, tenants.organization_id, set(Scope) - {Scope.PAPER_EDIT})
        setter = _add_key(desk, tenants.organization_id, {Scope.PAPER_EDIT})
    finally:
        desk.close()
    fee = {"kind": "FEE", "cash_delta": "-1", "currency": "USD"}
    for path, body in ((ADJUSTMENTS, fee), (QUOTES, {"quotes": [quote()]})):
        for account_id, key, status, code in (
            (tenants.account_id, trader, 403, "permission_denied"),
            (tenants.account_id, setter, None, None),
            (tenants.foreign_account_id, setter, 404, "account_not_found"),
            (elsewhere, setter, 422, "not_a_paper_account"),
        ):
            headers = {"x-api-key": key}
            answer = await gateway.client.post(path, json={"account_id": account_id, **body}, headers=headers)
            if status is None:
                assert answer.status_code in (200, 201), answer.text
                continue
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert status != 403 or answer.json()["scope"] == "paper:edit"
