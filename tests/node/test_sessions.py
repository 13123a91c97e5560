"""Real hours through a whole node: auctions with their cut-offs, early closes, expiry, orders over days.

The market stands at 10.00 bid, 10.01 asked, 1,000 either way. November 2026 in New York: Thursday the 26th is
Thanksgiving, on Friday the 27th the session closes at 13:00.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.brokers.build import new_york
from tests.doubles import ManualClock
from tests.support.daemon import Daemon, Rest
from tests.support.node import Running, running, until

BARS = "time,open,high,low,close,volume\n2026-11-02,10.00,10.00,10.00,10.00,13000\n"


class Exchange:
    """A node at an hour in New York, and orders in AAPL."""

    def __init__(self, node: Running, clock: ManualClock) -> None:
        self.node = node
        self.clock = clock

    def at(self, text: str) -> None:
        self.clock.set_ns(new_york(text))

    async def enter(self, side: str, form: str, quantity: int, **members: str) -> str:
        """An order that the exchange has taken or refused; its intent."""
        spec = {form: {"quantity": str(quantity), **members}}
        payload = {"symbol": "AAPL", "order_side": side, "spec": spec}
        answer = await self.node.rest.submit({"action_type": "CREATE", "payload": payload})
        assert answer.status_code == 201, answer.text
        intent_id = str(answer.json()["intent_id"])
        await self._decided(intent_id)
        return intent_id

    async def cancel(self, intent_id: str) -> tuple[str, str | None]:
        """What became of a cancel: outcome and reason."""
        payload = {"ref_intent_id": intent_id}
        assert (await self.node.rest.submit({"action_type": "CANCEL", "payload": payload})).status_code == 201
        action = await self._decided(intent_id)
        assert action["action_type"] == "CANCEL"
        return action["outcome"], action["outcome_reason_code"]

    async def replace(self, intent_id: str, form: str, **members: str) -> None:
        payload = {"ref_intent_id": intent_id, "spec": {form: members}}
        assert (await self.node.rest.submit({"action_type": "REPLACE", "payload": payload})).status_code == 201
        await self._decided(intent_id)

    async def fills(self, intent_id: str) -> list[tuple[str, str, str, str]]:
        """(quantity, price, trading day, liquidity) of each execution, once there is one."""
        trades = await until(lambda: self.node.trades_of(intent_id))
        return [(one["quantity"], one["price"], one["trade_date"], one["liquidity"]) for one in trades]

    async def _decided(self, intent_id: str) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            url = f"/v1/accounts/{self.node.rest.account_id}/intents/{intent_id}"
            action: dict[str, Any] = (await self.node.rest.client.get(url)).json()
            return action if action["outcome"] not in ("PENDING", "IN_DOUBT") else None

        found: dict[str, Any] = await until(look)
        return found


@asynccontextmanager
async def exchange(folder: Path, at: str) -> AsyncIterator[Exchange]:
    bars = folder / "bars.csv"
    bars.write_text(BARS)
    clock = ManualClock(new_york(at))
    prices = [f"csv:AAPL={bars}"]
    async with running(folder / "data", clock=clock, prices=prices, sessions="real") as node:
        yield Exchange(node, clock)


async def test_an_opening_auction(tmp_path: Path) -> None:
    """At 10.01 the buyers of 40 and 5 trade, the most that can; the market sells 35 of it, the other 10 an order."""
    async with exchange(tmp_path, "2026-11-24 08:00") as here:
        limit_on_open = await here.enter("BUY", "LimitOnOpen", 40, price="10.05")
        market_on_open = await here.enter("SELL", "MarketOnOpen", 10)
        day = await here.enter("BUY", "Limit", 5, price="10.02", time_in_force="DAY")
        withdrawn = await here.enter("BUY", "LimitOnOpen", 7, price="10.05")
        extended = await here.enter("BUY", "Limit", 5, price="10.01", time_in_force="EXT")
        at_once = await here.enter("BUY", "Limit", 5, price="10.05", time_in_force="IMMEDIATE_OR_CANCEL")
        assert await here.fills(extended) == [("5", "10.01", "2026-11-24", "REMOVED")]
        await here.node.until(at_once, order_status="REJECTED", reason_code="market_closed")
        assert await here.cancel(withdrawn) == ("ACCEPTED", None)

        here.at("2026-11-24 09:28")
        assert await here.cancel(limit_on_open) == ("REFUSED", "auction_cutoff")
        late = await here.enter("SELL", "MarketOnOpen", 1)
        await here.node.until(late, order_status="REJECTED", reason_code="auction_cutoff")
        await here.node.until(limit_on_open, order_status="NEW")

        here.at("2026-11-24 09:30")
        for intent_id, quantity in ((limit_on_open, "40"), (market_on_open, "10"), (day, "5")):
            await here.node.until(intent_id, order_status="FILLED")
            assert await here.fills(intent_id) == [(quantity, "10.01", "2026-11-24", "AUCTION")]
        await here.node.until(withdrawn, order_status="CANCELLED", filled_quantity="0")
        (held,) = await here.node.rest.all("positions")
        assert held["quantity"] == "40"


async def test_an_early_close_and_what_goes_on_after_it(tmp_path: Path) -> None:
    """Cut-off at 12:50, auction at 13:00; DAY ends there, EXT four hours later, GOOD_TILL_CANCEL trades on Monday."""
    async with exchange(tmp_path, "2026-11-27 12:00") as here:
        limit_on_close = await here.enter("BUY", "LimitOnClose", 1_500, price="10.05")
        market_on_close = await here.enter("SELL", "MarketOnClose", 4)
        day = await here.enter("BUY", "Limit", 5, price="9.00", time_in_force="DAY")
        kept = await here.enter("BUY", "Limit", 6, price="9.00", time_in_force="GOOD_TILL_CANCEL")
        extended = await here.enter("BUY", "Limit", 7, price="9.00", time_in_force="EXT")

        here.at("2026-11-27 12:50")
        assert await here.cancel(market_on_close) == ("REFUSED", "auction_cutoff")

        here.at("2026-11-27 13:00")
        await here.node.until(market_on_close, order_status="FILLED")
        assert await here.fills(market_on_close) == [("4", "10.01", "2026-11-27", "AUCTION")]
        await here.node.until(limit_on_close, order_status="CANCELLED", reason_code="auction_remainder")
        assert await here.fills(limit_on_close) == [("1004", "10.01", "2026-11-27", "AUCTION")]
        await here.node.until(day, order_status="CANCELLED", reason_code="expired")
        assert (await here.node.order(extended))["order_status"] == "NEW"

        here.at("2026-11-27 16:59")
        late = await here.enter("BUY", "Limit", 1, price="10.01", time_in_force="EXT")
        assert [one[:3] for one in await here.fills(late)] == [("1", "10.01", "2026-11-27")]
        here.at("2026-11-27 17:00")
        await here.node.until(extended, order_status="CANCELLED", reason_code="expired")

        here.at("2026-11-30 10:00")
        assert (await here.node.order(kept))["order_status"] == "NEW"
        await here.replace(kept, "Limit", price="10.01", quantity="6", time_in_force="GOOD_TILL_CANCEL")
        await here.node.until(kept, order_status="FILLED")
        assert [one[:3] for one in await here.fills(kept)] == [("6", "10.01", "2026-11-30")]


async def test_an_order_entered_on_a_holiday_belongs_to_the_next_session(tmp_path: Path) -> None:
    async with exchange(tmp_path, "2026-11-26 12:00") as here:
        day = await here.enter("BUY", "Limit", 5, price="10.05", time_in_force="DAY")
        here.at("2026-11-27 09:29")
        probe = await here.enter("BUY", "Market", 1)
        assert (await here.node.order(day))["order_status"] == "NEW"
        here.at("2026-11-27 09:30")
        for intent_id in (day, probe):
            await here.node.until(intent_id, order_status="FILLED")
            assert [one[2:] for one in await here.fills(intent_id)] == [("2026-11-27", "AUCTION")]


async def test_a_day_order_expires_in_a_daemon_whose_clock_runs_fast(tmp_path: Path) -> None:
    """Entered at three, killed, started again half a minute before the close, at twenty times its pace."""
    words = ("--sessions", "real", "--clock")
    daemon = Daemon(tmp_path / "data", *words, "2026-11-24T15:00:00-05:00")
    async with daemon:
        async with Rest(daemon.info) as rest:
            await rest.create("AAPL", "BUY", "5", price="1.00")

            async def taken() -> bool:
                return [order["order_status"] for order in await rest.all("orders")] == ["NEW"]

            await until(taken)
        await daemon.kill()
        daemon.arguments = (*words, "2026-11-24T15:59:30-05:00@20")
        await daemon.start()
        async with Rest(daemon.info) as rest:

            async def ended() -> dict[str, Any] | None:
                (order,) = await rest.all("orders")
                return order if order["order_state"] == "CLOSED" else None

            order = await until(ended)
            assert (order["order_status"], order["reason_code"]) == ("CANCELLED", "expired")
            assert order["broker_sent_at"] >= "2026-11-24T21:00:00"
