"""A scripted account through the whole product: examples/scenario.json, order by order."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dropcopy import proto as pb
from tests.node.test_operator import run
from tests.node.test_paper_bench import balances
from tests.node.test_positions import cli, until
from tests.support.daemon import Daemon, Rest
from tests.support.streams import StreamClient

EXAMPLE = Path(__file__).parents[2] / "examples" / "scenario.json"


async def order(rest: Rest, intent_id: str, is_so: Callable[[Any], bool]) -> Any:
    """The intent's order once it is so."""
    rows = await until(
        lambda: rest.all("orders"), lambda rows: any(row["intent_id"] == intent_id and is_so(row) for row in rows)
    )
    return next(row for row in rows if row["intent_id"] == intent_id)


async def position(rest: Rest, is_so: Callable[[Any], bool]) -> Any:
    return (await until(lambda: rest.all("positions"), lambda rows: any(is_so(row) for row in rows)))[0]


async def test_the_example_happens_as_written(tmp_path: Path) -> None:
    """Bought 4 at 100.10, told twice and corrected to 100.00, and 6 at 100.20, busted; the rest is cancelled: 4 that
    cost 400. Of 3 to sell, cancelled, 1 is sold at 101 after all: 1 realized, 3 left that cost 300."""
    words = ("--profile", "scripted", "--scenario", str(EXAMPLE), "--seed", "7", "--cash", "USD=1000")
    daemon = Daemon(tmp_path / "dev", *words, DROPCOPYD_LIMITS__DOUBT_GRACE_S="0.2")
    async with (
        daemon,
        Rest(daemon.info) as rest,
        StreamClient(daemon.info["grpc"], daemon.info["api_key"]) as client,
    ):
        client.subscribe(
            rest.account_id, (pb.EventType.EVENT_TYPE_BROKER_TRADE, pb.EventType.EVENT_TYPE_TRADE_AMENDMENT)
        )
        bought = await rest.create("AAPL", "BUY", "10", price="100.20")
        done = await order(rest, bought, lambda row: row["order_status"] == "CANCELLED")
        assert (done["filled_quantity"], done["average_price"], done["reason_code"]) == ("4", "100", "halted")
        assert done["reason"] == "trading is halted"
        held = await position(rest, lambda row: row["quantity"] == "4")
        assert (held["average_cost"], held["realized_pnl"]) == ("100", "0")
        amended = await client.until(
            lambda events: (
                len(found := [e.trade_amendment for e in events if e.HasField("trade_amendment")]) == 2 and found
            ),
            "two amendments",
        )
        told = [(one.price_before, one.price_after, one.quantity_after, one.reason) for one in amended]
        assert told == [
            ("100.1", "100", "4", "reported at a wrong price"),
            ("100.2", "100.2", "0", "clearly erroneous"),
        ]
        assert [one.quantity for one in client.of("broker_trade")] == ["4", "6"], "what is repeated is one trade"

        sold = await rest.create("AAPL", "SELL", "3", price="101")
        await order(rest, sold, lambda row: row["order_status"] == "NEW")
        await rest.submit({"action_type": "CANCEL", "payload": {"ref_intent_id": sold}})
        late = await order(rest, sold, lambda row: row["filled_quantity"] == "1")
        assert (late["order_status"], late["leaves_quantity"]) == ("CANCELLED", "0")
        left = await position(rest, lambda row: row["quantity"] == "3")
        assert (left["average_cost"], left["realized_pnl"]) == ("100", "1")
        await until(lambda: balances(rest), lambda rows: any(row["cash"] == "701" for row in rows))

        refused = await order(
            rest, await rest.create("MSFT", "SELL", "1", price="9"), lambda row: row["order_status"] == "REJECTED"
        )
        assert (refused["reason_code"], refused["reason"]) == ("no_borrow", "no shares to borrow")

        silent = await rest.create("GOOG", "BUY", "1", price="9")
        await order(rest, silent, lambda row: row["order_status"] == "NEW")
        spec = {"Limit": {"price": "10", "quantity": "2", "time_in_force": "DAY"}}
        await rest.submit({"action_type": "REPLACE", "payload": {"ref_intent_id": silent, "spec": spec}})
        filled = await order(rest, silent, lambda row: row["order_status"] == "FILLED")
        assert (filled["quantity"], filled["average_price"]) == ("1", "9")
        actions = (await rest.client.get(f"/v1/accounts/{rest.account_id}/intents/{silent}/actions")).json()["data"]
        assert [(one["action_type"], one["outcome"]) for one in actions] == [
            ("CREATE", "ACCEPTED"),
            ("REPLACE", "REFUSED"),
        ]
        assert actions[1]["outcome_reason"] == "too late to change"

        lost = await rest.create("NVDA", "BUY", "1", price="9")
        ended = await order(rest, lost, lambda row: row["order_status"] == "REJECTED")
        assert ended["reason_code"] == "not_sent"

        other = await rest.create("SPY", "BUY", "1")
        assert (await order(rest, other, lambda row: row["order_status"] == "FILLED"))["average_price"] == "50"
        assert cli("verify", "--data", str(daemon.folder))[0] == 0


async def test_a_kill_in_the_middle_of_a_script_loses_no_step(tmp_path: Path) -> None:
    """A script that waits: the daemon dies meanwhile, the rest happens after its return."""
    scenario = tmp_path / "scenario.json"
    scenario.write_text(
        '{"otherwise": [{"do": "acknowledge"}, {"do": "fill", "quantity": "1", "price": "5"},'
        ' {"do": "fill", "price": "6", "after_ms": 1500}]}'
    )
    daemon = Daemon(tmp_path / "dev", "--profile", "scripted", "--scenario", str(scenario))
    async with daemon, Rest(daemon.info) as rest:
        intent_id = await rest.create("AAPL", "BUY", "3", price="7")
        await order(rest, intent_id, lambda row: row["filled_quantity"] != "0")
        await daemon.kill()
    async with Daemon(tmp_path / "dev") as again, Rest(again.info) as rest:
        filled = await order(rest, intent_id, lambda row: row["order_status"] == "FILLED")
        assert filled["average_price"] == "5.666666666666666667"
        assert len(await rest.all("trades")) == 2


def test_a_scenario_that_cannot_be_is_refused_with_its_place(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    run("orgs", "add", "acme", *data)
    scenario = tmp_path / "scenario.json"
    scenario.write_text('{"orders": [{"steps": [{"do": "explode"}]}]}')
    words = ("--profile", "scripted", "--scenario", str(scenario))
    said = run("accounts", "add", "main", "--org", "acme", *words, *data, fails=True)
    assert "orders[0].steps[0]: `do` must be one of" in said
