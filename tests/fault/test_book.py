"""kill -9 with a book full of waiting orders: each is what it was, and triggers and trades as if nothing had been.

One day and the next morning in New York, in six lives of the real daemon; prices are bars that grow between them:

    10.00, up to 10.50 | down to 9.40 | up to 10.90

A restart finds a stop, a stop limit, a trailing stop, a limit and two auction orders. The trailing stop has followed
the market to 10.29 before the second kill; if that were lost it would trail from somewhere else.
"""

from pathlib import Path
from typing import Any

import pytest

from dropcopyd.store.audit import audit
from tests.support.check import paper_positions, submitted_twice
from tests.support.daemon import Daemon, Rest
from tests.support.node import until

FLAT = ("10.00", "10.00", "10.00", "10.00")
UP = ("10.00", "10.50", "10.00", "10.50")
DOWN = ("10.50", "10.50", "9.40", "9.40")
UP_AGAIN = ("9.40", "10.90", "9.40", "10.90")
KEPT = "GOOD_TILL_CANCEL"
ORDERS: dict[str, tuple[str, str, dict[str, str]]] = {
    "limit": ("BUY", "Limit", {"price": "9.50", "time_in_force": KEPT}),
    "stop": ("SELL", "Stop", {"stop_price": "9.70", "time_in_force": KEPT}),
    "stop limit": ("BUY", "StopLimit", {"stop_price": "10.80", "price": "10.85", "time_in_force": KEPT}),
    "trailing stop": ("SELL", "TrailingStop", {"trail_amount": "0.20", "time_in_force": KEPT}),
    "limit on close": ("BUY", "LimitOnClose", {"price": "10.60"}),
    "market on open": ("SELL", "MarketOnOpen", {}),
}
FILLS = {
    "limit on close": ("10.5", "2026-11-24", "AUCTION"),
    "market on open": ("10.49", "2026-11-25", "AUCTION"),
    "trailing stop": ("10.29", "2026-11-25", "REMOVED"),
    "stop": ("9.7", "2026-11-25", "REMOVED"),
    "limit": ("9.5", "2026-11-25", "ADDED"),
    "stop limit": ("10.8", "2026-11-25", "REMOVED"),
}
"""Price, trading day, liquidity: in this order."""


class Lives:
    """One folder, one life of the daemon after the other."""

    def __init__(self, folder: Path) -> None:
        self.daemon = Daemon(folder / "data")
        self.intents: dict[str, str] = {}
        self._bars = folder / "bars.csv"
        self._rest: Rest | None = None

    @property
    def rest(self) -> Rest:
        assert self._rest is not None
        return self._rest

    async def begin(self, at: str, *bars: tuple[str, str, str, str]) -> None:
        """Start at a time in New York with these bars, a second each."""
        rows = [f"2026-11-02T15:{minute:02}:00,{','.join(bar)},130000" for minute, bar in enumerate(bars)]
        self._bars.write_text("\n".join(["time,open,high,low,close,volume", *rows, ""]))
        words = ("--prices", f"csv:AAPL={self._bars}@60", "--sessions", "real", "--clock", f"{at}-05:00")
        self.daemon.arguments = words
        await self.daemon.start()
        self._rest = Rest(self.daemon.info)

    async def kill(self) -> None:
        await self.rest.client.aclose()
        await self.daemon.kill()

    async def enter(self, name: str) -> None:
        side, form, members = ORDERS[name]
        payload = {"symbol": "AAPL", "order_side": side, "spec": {form: {"quantity": "10", **members}}}
        answer = await self.rest.submit({"action_type": "CREATE", "payload": payload})
        assert answer.status_code == 201, answer.text
        self.intents[name] = answer.json()["intent_id"]

    async def orders(self) -> dict[str, dict[str, Any]]:
        by_intent = {order["intent_id"]: order for order in await self.rest.all("orders")}
        return {name: by_intent[intent_id] for name, intent_id in self.intents.items()}

    async def until(self, name: str, **facts: str) -> dict[str, dict[str, Any]]:
        """All orders, once one of them is so."""

        async def look() -> dict[str, dict[str, Any]] | None:
            orders = await self.orders()
            return orders if all(orders[name][key] == value for key, value in facts.items()) else None

        try:
            found: dict[str, dict[str, Any]] = await until(look)
        except TimeoutError:
            raise AssertionError(f"{name} never {facts}: {(await self.orders())[name]}") from None
        return found

    async def cancel(self, name: str) -> dict[str, Any]:
        """What became of a cancel."""
        payload = {"ref_intent_id": self.intents[name]}
        assert (await self.rest.submit({"action_type": "CANCEL", "payload": payload})).status_code == 201
        url = f"/v1/accounts/{self.rest.account_id}/intents/{self.intents[name]}"

        async def look() -> dict[str, Any] | None:
            action: dict[str, Any] = (await self.rest.client.get(url)).json()
            return action if action["outcome"] != "PENDING" else None

        decided: dict[str, Any] = await until(look)
        return decided


@pytest.mark.timeout(240)
async def test_a_book_of_every_kind_of_waiting_order_survives_kills(tmp_path: Path) -> None:
    """Six starts of the real program."""
    lives = Lives(tmp_path)
    try:
        await lives.begin("2026-11-24T15:30:00", FLAT)
        for name in ORDERS:
            await lives.enter(name)
            await lives.until(name, order_status="NEW")
        await lives.until("trailing stop", stop_price="9.8")
        await lives.kill()

        await lives.begin("2026-11-24T15:40:00", FLAT, UP)
        before = await lives.until("trailing stop", stop_price="10.29")
        await lives.kill()

        await lives.begin("2026-11-24T15:52:00", FLAT, UP)
        assert await lives.orders() == before
        refused = await lives.cancel("limit on close")
        assert (refused["outcome"], refused["outcome_reason_code"]) == ("REFUSED", "auction_cutoff")
        after = await lives.orders()
        assert {**after, "limit on close": None} == {**before, "limit on close": None}
        await lives.kill()

        await lives.begin("2026-11-24T15:59:58", FLAT, UP)
        await lives.until("limit on close", order_status="FILLED")
        await lives.kill()

        await lives.begin("2026-11-25T09:29:58", FLAT, UP)
        after = await lives.until("market on open", order_status="FILLED")
        waiting = ("limit", "stop", "stop limit", "trailing stop")
        assert [after[name] for name in waiting] == [before[name] for name in waiting]
        await lives.kill()

        await lives.begin("2026-11-25T10:00:00", FLAT, UP, DOWN, UP_AGAIN)
        for name in waiting:
            await lives.until(name, order_status="FILLED")
        await check(lives)
    finally:
        if lives.daemon.is_running:
            await lives.kill()
    folder = lives.daemon.folder
    assert submitted_twice(folder) == []
    assert paper_positions(folder, lives.rest.account_id) == {}
    assert audit(folder).differences == ()


async def check(lives: Lives) -> None:
    """Each filled once, at its price, in this order; three bought, three sold."""
    names = {order["order_id"]: name for name, order in (await lives.orders()).items()}
    trades = list(reversed(await lives.rest.all("trades")))
    told = [(names[one["client_order_id"]], one["price"], one["trade_date"], one["liquidity"]) for one in trades]
    assert told == [(name, *fill) for name, fill in FILLS.items()]
    assert {one["quantity"] for one in trades} == {"10"}
    (held,) = await lives.rest.all("positions")
    assert held["quantity"] == "0"
    assert held["realized_pnl"] == "-3.2"
