"""Pushed adjustments and quotes through the whole product: REST in, the paper broker, the stream and the record."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from dropcopy import proto as pb
from tests.node.test_positions import cli, until
from tests.support.daemon import Daemon, Rest
from tests.support.streams import StreamClient


async def balances(rest: Rest) -> list[Any]:
    """All on one page."""
    answer = await rest.client.get(f"/v1/accounts/{rest.account_id}/balances")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


class Bench:
    """One account with pushed prices."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest

    async def push(self, symbol: str, bid: str, ask: str, **sizes: str) -> None:
        quote = {"symbol": symbol, "bid": bid, "ask": ask, **sizes}
        body = {"account_id": self.rest.account_id, "quotes": [quote]}
        answer = await self.rest.client.post("/v1/paper/quotes", json=body)
        assert answer.status_code == 200, answer.text

    async def adjust(self, kind: str, **members: Any) -> Any:
        body = {"account_id": self.rest.account_id, "kind": kind, **members}
        answer = await self.rest.client.post("/v1/paper/adjustments", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def limit(self, symbol: str, side: str, quantity: str, price: str) -> str:
        """A limit order that is good till cancelled."""
        spec = {"Limit": {"quantity": quantity, "price": price, "time_in_force": "GOOD_TILL_CANCEL"}}
        payload = {"symbol": symbol, "order_side": side, "spec": spec}
        answer = await self.rest.submit({"action_type": "CREATE", "payload": payload})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["intent_id"])

    async def position(self, symbol: str, is_so: Callable[[Any], bool]) -> Any:
        """The position once it is so."""
        return await self._until(lambda: self.rest.all("positions"), lambda row: row["symbol"] == symbol and is_so(row))

    async def order(self, intent_id: str, is_so: Callable[[Any], bool]) -> Any:
        return await self._until(
            lambda: self.rest.all("orders"), lambda row: row["intent_id"] == intent_id and is_so(row)
        )

    async def cash(self, currency: str, amount: str) -> Any:
        return await self._until(
            lambda: balances(self.rest), lambda row: (row["currency"], row["cash"]) == (currency, amount)
        )

    async def _until(self, ask: Callable[[], Awaitable[list[Any]]], is_so: Callable[[Any], bool]) -> Any:
        rows = await until(ask, lambda rows: any(is_so(row) for row in rows))
        return next(row for row in rows if is_so(row))


async def test_a_split_goes_over_a_working_order(tmp_path: Path) -> None:
    """30 bought at 120 cost 3,600. Of 30 to sell at 150, 10 are sold: 300 realized, 20 left that cost 2,400.

    Two for one: 40 at 60; the order has 60 in all, 20 of them filled at 75, 40 to go at 75. 25 are sold at 75 and 15 at
    78: 375 and 270, with the 300 that is 945; the order's average is (1,500 + 1,875 + 1,170) / 60 = 75.75.
    """
    async with (
        Daemon(tmp_path / "dev", "--profile", "displayed", "--cash", "USD=100000") as daemon,
        Rest(daemon.info) as rest,
        StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as client,
    ):
        bench = Bench(rest)
        client.subscribe(rest.account_id, (pb.EventType.EVENT_TYPE_ADJUSTMENT, pb.EventType.EVENT_TYPE_BROKER_ORDER))
        await bench.push("AAPL", "119.99", "120", ask_size="1000")
        await rest.create("AAPL", "BUY", "30")
        await bench.position("AAPL", lambda row: row["quantity"] == "30")
        intent_id = await bench.limit("AAPL", "SELL", "30", "150")
        await bench.order(intent_id, lambda row: row["order_status"] == "NEW")
        await bench.push("AAPL", "150", "150.01", bid_size="10")
        await bench.position("AAPL", lambda row: row["quantity"] == "20" and row["realized_pnl"] == "300")

        split = await bench.adjust("SPLIT", symbol="AAPL", ratio={"new": "2", "old": "1"}, note="two for one")
        assert (split["quantity_delta"], split["cost_delta"], split["cash_delta"]) == ("20", None, None)
        after = await bench.position("AAPL", lambda row: row["quantity"] == "40")
        assert (after["average_cost"], after["realized_pnl"]) == ("60", "300")
        order = await bench.order(intent_id, lambda row: row["quantity"] == "60")
        assert (order["limit_price"], order["filled_quantity"], order["leaves_quantity"]) == ("75", "20", "40")
        assert (order["order_status"], order["average_price"]) == ("PARTIALLY_FILLED", "75")
        told = await client.until(lambda events: [e for e in events if e.HasField("adjustment")], "the adjustment")
        assert told[0].adjustment.kind == pb.AdjustmentKind.ADJUSTMENT_KIND_SPLIT
        assert (told[0].adjustment.symbol, told[0].adjustment.quantity_delta) == ("AAPL", "20")
        assert told[0].adjustment.note == "two for one"
        restated = await client.until(
            lambda events: [e.broker_order for e in events if e.broker_order.raw_status == "restated"], "restatement"
        )
        assert (restated[0].quantity, restated[0].limit_price) == ("60", "75")

        await bench.push("AAPL", "75", "75.01", bid_size="25")
        await bench.order(intent_id, lambda row: row["filled_quantity"] == "45")
        await bench.push("AAPL", "78", "78.01", bid_size="1000")
        done = await bench.order(intent_id, lambda row: row["order_status"] == "FILLED")
        assert (done["filled_quantity"], done["average_price"]) == ("60", "75.75")
        flat = await bench.position("AAPL", lambda row: row["quantity"] == "0")
        assert flat["realized_pnl"] == "945"
        await bench.cash("USD", "100945")
        assert cli("verify", "--data", str(daemon.folder))[0] == 0


async def test_funding_of_a_perpetual_is_realized_and_paid(tmp_path: Path) -> None:
    """Half a bitcoin long at 50,000; one hundredth of a percent of 25,000 is paid: 2.50. Sold at 50,100: 50 - 2.50."""
    async with (
        Daemon(tmp_path / "dev", "--profile", "instant", "--cash", "USD=10000") as daemon,
        Rest(daemon.info) as rest,
    ):
        bench = Bench(rest)
        await bench.push("BTC-PERP", "49999.5", "50000")
        await rest.create("BTC-PERP", "BUY", "0.5")
        await bench.position("BTC-PERP", lambda row: row["quantity"] == "0.5")
        await bench.adjust("FUNDING", symbol="BTC-PERP", cash_delta="-2.5")
        held = await bench.position("BTC-PERP", lambda row: row["realized_pnl"] == "-2.5")
        assert (held["quantity"], held["average_cost"]) == ("0.5", "50000")
        await bench.cash("USD", "9997.5")
        await bench.push("BTC-PERP", "50100", "50100.5")
        await rest.create("BTC-PERP", "SELL", "0.5")
        flat = await bench.position("BTC-PERP", lambda row: row["quantity"] == "0")
        assert flat["realized_pnl"] == "47.5"
        await bench.cash("USD", "10047.5")


async def test_an_inverse_perpetual_goes_through_zero(tmp_path: Path) -> None:
    """10,000 contracts of a dollar at 50,000 cost 0.2 BTC. 15,000 sold at 40,000 are worth 0.375: 5,000 open a short
    that cost 0.125, the closing 10,000 are worth 0.25. Realized: 0.2 - 0.25 = -0.05 BTC.

    Funding brings the short 0.001. Bought back at 32,000 it is worth 0.15625: 0.03125 more than it cost. In all
    -0.05 + 0.001 + 0.03125 = -0.01775, and that is what is gone of the one bitcoin.
    """
    symbol = "BTCUSD-INVERSE"
    async with (
        Daemon(tmp_path / "dev", "--profile", "instant", "--cash", "BTC=1") as daemon,
        Rest(daemon.info) as rest,
    ):
        bench = Bench(rest)
        await bench.push(symbol, "49999.5", "50000")
        await rest.create(symbol, "BUY", "10000")
        long = await bench.position(symbol, lambda row: row["quantity"] == "10000")
        assert long["average_cost"] == "50000"
        await bench.push(symbol, "40000", "40000.5")
        await rest.create(symbol, "SELL", "15000")
        short = await bench.position(symbol, lambda row: row["quantity"] == "-5000")
        assert (short["average_cost"], short["realized_pnl"]) == ("40000", "-0.05")
        await bench.cash("BTC", "0.95")
        await bench.adjust("FUNDING", symbol=symbol, cash_delta="0.001")
        await bench.cash("BTC", "0.951")
        await bench.push(symbol, "31999.5", "32000")
        await rest.create(symbol, "BUY", "5000")
        flat = await bench.position(symbol, lambda row: row["quantity"] == "0")
        assert (flat["average_cost"], flat["realized_pnl"]) == ("0", "-0.01775")
        await bench.cash("BTC", "0.98225")


async def test_what_was_pushed_is_there_after_a_kill(tmp_path: Path) -> None:
    """The account's own market, its adjustments and their names survive: nothing is booked twice."""
    daemon = Daemon(tmp_path / "dev", "--profile", "instant", "--cash", "USD=1000")
    opening = {"kind": "OPENING", "symbol": "AAPL", "quantity_delta": "4", "cost_delta": "400"}
    async with daemon, Rest(daemon.info) as rest:
        bench = Bench(rest)
        await bench.push("AAPL", "99.99", "100.01")
        body, named = {"account_id": rest.account_id, **opening}, {"idempotency-key": "opening-1"}
        first = await rest.client.post("/v1/paper/adjustments", json=body, headers=named)
        assert first.status_code == 201, first.text
        await daemon.kill()
    async with daemon, Rest(daemon.info) as rest:
        bench = Bench(rest)
        again = await rest.client.post("/v1/paper/adjustments", json=body, headers=named)
        assert (again.status_code, again.json()) == (201, first.json())
        await rest.create("AAPL", "BUY", "1")
        held = await bench.position("AAPL", lambda row: row["quantity"] == "5")
        assert held["average_cost"] == "100.002"
