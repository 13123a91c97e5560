"""Flatten and a breach in the real program: the paper exchange's own fills and prices."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import Daemon, Rest

_WAIT_S = 60.0


@pytest.fixture
async def rest(tmp_path: Path) -> AsyncIterator[Rest]:
    async with Daemon(tmp_path / "data") as daemon, Rest(daemon.info) as client:
        yield client


async def flattened(rest: Rest, path: str) -> Any:
    async with asyncio.timeout(_WAIT_S):
        while (found := (await rest.client.get(path)).json())["status"] == "RUNNING":
            await asyncio.sleep(0.02)
    return found


async def until_held(rest: Rest, **quantities: str) -> None:
    async with asyncio.timeout(_WAIT_S):
        while {one["symbol"]: one["quantity"] for one in await rest.all("positions")} != quantities:
            await asyncio.sleep(0.02)


async def test_a_killed_account_is_flattened(rest: Rest) -> None:
    account = f"/v1/accounts/{rest.account_id}"
    await rest.create("AAPL", "BUY", "3")
    await rest.create("MSFT", "SELL_SHORT", "2")
    await rest.create("AAPL", "BUY", "1", price="0.50")
    await until_held(rest, AAPL="3", MSFT="-2")
    assert (await rest.client.post(f"{account}/kill", json={})).status_code == 200
    begun = await rest.client.post(f"{account}/flatten", json={"reason": "end of day"})
    found = await flattened(rest, begun.headers["location"])
    assert found["status"] == "DONE", found
    legs = {leg["symbol"]: (leg["quantity"], leg["status"], leg["order_quantity"]) for leg in found["positions"]}
    assert legs == {"AAPL": ("3", "FLAT", "3"), "MSFT": ("-2", "FLAT", "2")}
    assert {one["quantity"] for one in await rest.all("positions")} == {"0"}
    statuses = sorted(str(order["order_status"]) for order in await rest.all("orders"))
    assert statuses == ["CANCELLED", "FILLED", "FILLED", "FILLED", "FILLED"]


async def test_a_loss_that_nobody_asks_about_stops_and_flattens(rest: Rest) -> None:
    """Bought at the ask and marked at the middle, a thousand shares lose at once; nobody sends an order after that."""
    limits = {"daily_loss_max": "0.01", "flattens_on_breach": True}
    answer = await rest.client.put(f"/v1/controls/accounts/{rest.account_id}/limits", json=limits)
    assert answer.status_code == 200, answer.text
    await rest.create("AAPL", "BUY", "1000")
    control: Any = None
    async with asyncio.timeout(_WAIT_S):
        while control is None or not control["killed"] or await held(rest):
            await asyncio.sleep(0.02)
            (control,) = (await rest.client.get("/v1/controls")).json()["data"]
    breach = control["breach"]
    assert (breach["control"], breach["limit"], breach["currency"]) == ("daily_loss_max", "0.01", "USD")
    refused = await rest.submit({"action_type": "CREATE", "payload": {
        "symbol": "AAPL", "order_side": "BUY", "spec": {"Market": {"quantity": "1"}}}})  # fmt: skip
    assert refused.status_code == 403
    facts = {name: refused.json()[name] for name in ("control", "scope", "limit", "actual")}
    assert facts in (
        {"control": "daily_loss_max", "scope": "Account", "limit": "0.01", "actual": breach["actual"]},
        {"control": "flattening", "scope": "Account", "limit": "false", "actual": "true"},
    )
    risk = (await rest.client.get(f"/v1/accounts/{rest.account_id}/risk")).json()
    assert risk["currencies"][0]["daily_pnl"].startswith("-")


async def held(rest: Rest) -> bool:
    """Whether something is held, or was not yet."""
    positions = await rest.all("positions")
    return not positions or any(one["quantity"] != "0" for one in positions)
