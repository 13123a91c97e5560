"""Metrics are what a reader of the lists would count and sum himself."""

import base64
import itertools
import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace as changed
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dropcopy import proto as pb
from dropcopyd.domain import machine
from dropcopyd.domain.report import OrderReport, ReportKind
from dropcopyd.rest import metrics_schemas
from dropcopyd.store import tallying
from tests.doubles import ManualClock
from tests.rest.gateway import PATIENT, Gateway, Tenants, create, opened, replace
from tests.rest.test_pages import fill, walk
from tests.rest.test_queries import trade_a_while

HOUR_S = 3_600
DAY_NS = 24 * HOUR_S * 10**9
START = "2026-11-18T11:00:00Z"


@pytest.fixture(autouse=True, params=[3, tallying.GAINS_MAX], ids=["in the sums", "waiting"])
def some_wait(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are the same, wherever they are kept."""
    monkeypatch.setattr(tallying, "GAINS_MAX", request.param)


def total(rows: list[Any], amount: Callable[[Any], str]) -> Decimal:
    return sum((Decimal(amount(row)) for row in rows), Decimal(0))


def expected(orders: list[Any], trades: list[Any]) -> dict[str, Any]:
    first = [trade for trade in trades if trade["cumulative_quantity"] == trade["quantity"]]
    fees = [fee for trade in trades for fee in trade["fees"]]
    return {
        "orders": len(orders),
        "fills": len(trades),
        "orders_traded": len(first),
        "volume": total(trades, lambda trade: trade["quantity"]),
        "notional": sum((Decimal(trade["quantity"]) * Decimal(trade["price"]) for trade in trades), Decimal(0)),
        "fees": total(fees, lambda fee: fee["amount"]),
    }


def counted(figures: Any) -> dict[str, Any]:
    return {
        **{name: figures[name] for name in ("orders", "fills", "orders_traded")},
        "volume": Decimal(figures["volume"]),
        "notional": Decimal(figures["notional"].get("USD", 0)),
        "fees": Decimal(figures["fees"].get("USD", 0)),
    }


async def metrics(gateway: Gateway, **query: Any) -> Any:
    answer = await gateway.get("metrics", **query)
    metrics_schemas.Metrics.model_validate_json(json.dumps(answer))
    return answer["data"]


async def test_ranges_and_groups_are_what_the_lists_add_up_to(tmp_path: Path, tenants: Tenants) -> None:
    clock = ManualClock()
    async with opened(tmp_path, tenants, PATIENT, clock) as gateway:
        for _ in range(4):
            await trade_a_while(gateway)
            clock.advance(11 * HOUR_S)
        orders, trades = await walk(gateway, "orders", 100), await walk(gateway, "trades", 100)
        instants = [
            "2026-11-18T11:00:00Z",
            "2026-11-18T22:00:00Z",
            "2026-11-19T00:00:00Z",
            "2026-11-20T09:00:00Z",
        ]
        for since, until in itertools.combinations(instants, 2):

            def is_in(at: str, since: str = since, until: str = until) -> bool:
                return since[:19] <= at[:19] < until[:19]

            (figures,) = await metrics(gateway, since=since, until=until)
            inside = [one for one in orders if is_in(one["created_at"])]
            traded = [one for one in trades if is_in(one["received_at"])]
            assert counted(figures) == expected(inside, traded), (since, until)
            for name, member in (("strategy", "strategy_id"), ("symbol", "symbol")):
                groups = await metrics(gateway, since=since, until=until, group_by=name)
                for one in groups:
                    key = one[member]
                    mine = [[row for row in rows if row[member] == key] for rows in (inside, traded)]
                    assert counted(one) == expected(mine[0], mine[1])
                if inside:
                    assert {one[member] for one in groups} == {one[member] for one in inside}
        days = await metrics(gateway, since="2026-11-18T00:00:00Z", until="2026-11-21T00:00:00Z", group_by="day")
        assert [one["day"] for one in days] == ["2026-11-18", "2026-11-19", "2026-11-20"]
        for one in days:
            (alone,) = await metrics(gateway, day=one["day"])
            assert alone == {**one, "day": None}
            inside = [order for order in orders if order["created_at"].startswith(one["day"])]
            assert one["orders"] == len(inside)
        (new_york,) = await metrics(gateway, day="2026-11-18", time_zone="America/New_York")
        assert new_york["orders"] == len([o for o in orders if "2026-11-18T05" <= o["created_at"] < "2026-11-19T05"])
        (narrowed,) = await metrics(gateway, since=START, symbol="AAPL", strategy_id="s1")
        mine = [[r for r in rows if (r["symbol"], r["strategy_id"]) == ("AAPL", "s1")] for rows in (orders, trades)]
        assert counted(narrowed) == expected(mine[0], mine[1])
        positions = (await gateway.get("positions"))["data"]
        (figures,) = await metrics(gateway, since=START)
        assert Decimal(figures["realized_pnl"].get("USD", 0)) == total(positions, lambda one: one["realized_pnl"])
        assert figures["latency"]["accept"]["count"] == figures["orders"] + figures["cancels"]


async def test_worked_numbers(gateway: Gateway) -> None:
    """Those of docs/rest/record.md."""
    bought = await gateway.create(spec={"Market": {"quantity": "2"}})
    await gateway.report(bought, fill("e1", "2", "10"))
    sold = (await gateway.submit({**create(order_side="SELL"), "strategy_id": "s"})).json()["intent_id"]
    await gateway.report(sold, fill("e2", "1", "13"))
    refused = await gateway.create(order_side="SELL")
    await gateway.report(refused, OrderReport(kind=ReportKind.REJECTED, broker_command_id="", reason_code="refused"))
    worked = {
        "orders": 3,
        "replaces": 0,
        "cancels": 0,
        "fills": 2,
        "orders_traded": 2,
        "orders_filled": 2,
        "busts": 0,
        "corrections": 0,
        "fill_ratio": "0.666666666666666667",
        "refusals": {"refused": 1},
        "volume": "3",
        "notional": {"USD": "33"},
        "fees": {"USD": "0.004"},
        "realized_pnl": {"USD": "3"},
        "net_pnl": {"USD": "2.996"},
        "daily_pnl": {"USD": None},
    }
    (figures,) = await metrics(gateway)
    assert {name: figures[name] for name in worked} == worked
    of_s = {one["strategy_id"]: one for one in await metrics(gateway, group_by="strategy")}
    assert (of_s["s"]["realized_pnl"], of_s["s"]["daily_pnl"]) == ({"USD": "3"}, None)
    bust = OrderReport(kind=ReportKind.BUST, broker_command_id="", exec_id="b1", exec_ref_id="e2")
    await gateway.report(sold, bust)
    worked |= {"busts": 1, "volume": "2", "notional": {"USD": "20"}, "realized_pnl": {"USD": "0"}}
    worked |= {"net_pnl": {"USD": "-0.004"}}
    (figures,) = await metrics(gateway)
    assert {name: figures[name] for name in worked} == worked
    of_s = {one["strategy_id"]: one for one in await metrics(gateway, group_by="strategy")}
    assert (of_s["s"]["realized_pnl"], of_s[None]["realized_pnl"]) == ({"USD": "0"}, {})


async def traded(gateway: Gateway, clock: ManualClock, name: str, buy: str, sell: str) -> None:
    """One bought and sold now."""
    for side, price in (("BUY", buy), ("SELL", sell)):
        report = changed(fill(f"{name}{side}", "1", price), broker_sent_at_ns=clock.now_ns())
        await gateway.report(await gateway.create(order_side=side), report)


async def test_each_day_has_its_own_profit(tmp_path: Path, tenants: Tenants) -> None:
    clock = ManualClock()
    async with opened(tmp_path, tenants, PATIENT, clock) as gateway:
        actor = await gateway.actors.get(tenants.account_id)
        for name, buy, sell in (("a", "10", "13"), ("b", "10", "9.5")):
            await traded(gateway, clock, name, buy, sell)
            clock.advance(24 * HOUR_S)
            await actor.decide(lambda state, now_ns: machine.roll_day(state, now_ns // DAY_NS * DAY_NS, "day", now_ns))
        daily = {}
        for day in ("2026-11-18", "2026-11-19", "2026-11-20"):
            (figures,) = await metrics(gateway, day=day)
            daily[day] = figures["daily_pnl"]
            (of_symbol,) = await metrics(gateway, day=day, group_by="symbol") or [{"daily_pnl": {}}]
            assert of_symbol["daily_pnl"] == figures["daily_pnl"]
            assert figures["daily_pnl"] == await last_said(gateway, day)
        assert daily["2026-11-18"] == {"USD": "3"}
        assert daily["2026-11-19"] == {"USD": "-0.5"}
        (figures,) = await metrics(gateway, since="2026-11-18T00:00:00Z", until="2026-11-20T00:00:00Z")
        assert (figures["realized_pnl"], figures["daily_pnl"]) == ({"USD": "2.5"}, {"USD": "-0.5"})
        (narrowed,) = await metrics(gateway, day="2026-11-18", symbol="SPY")
        assert (narrowed["orders"], narrowed["daily_pnl"]) == (0, {})


async def last_said(gateway: Gateway, day: str) -> dict[str, str]:
    """The day's profit by a fold of the journal up to the day's end: what stands since its last roll, if anything."""
    said: dict[str, str] = {}
    for event in await walk(gateway, "journal", 100):
        if event["at"][:10] > day:
            break
        if event["kind"] == "ADJUSTMENT":
            said = {}
        if event["kind"] == "BROKER_POSITION":
            said = {"USD": event["event"]["broker_position"].get("daily_pnl")}
    return said


async def test_counts_and_latencies_are_those_of_the_journal(gateway: Gateway) -> None:
    await trade_a_while(gateway)
    for intent_id in [await gateway.create() for _ in range(3)]:
        await gateway.submit(replace(intent_id))
        report = OrderReport(kind=ReportKind.REQUEST_REFUSED, broker_command_id="", reason_code="too late")
        await gateway.report(intent_id, report)
    counts: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    accepts: list[int] = []
    for entry in await walk(gateway, "journal", 100):
        event = pb.TradingEvent.FromString(base64.b64decode(entry["bytes"]))
        kind = event.WhichOneof("event")
        counts[str(kind)] += 1
        if kind == "intent_action":
            action = event.intent_action
            counts[pb.IntentActionType.Name(action.action_type)] += 1
            accepts.append(action.created_at.ToNanoseconds() - action.received_at.ToNanoseconds())
        if kind == "command_outcome" and event.command_outcome.outcome == pb.COMMAND_OUTCOME_KIND_REFUSED:
            refusals[event.command_outcome.reason_code] += 1
    (figures,) = await metrics(gateway)
    found = [figures[name] for name in ("orders", "replaces", "cancels", "fills")]
    assert found == [
        *(counts[f"INTENT_ACTION_TYPE_{name}"] for name in ("CREATE", "REPLACE", "CANCEL")),
        counts["broker_trade"],
    ]
    assert figures["refusals"] == dict(refusals) == {"too late": 3}
    accept = figures["latency"]["accept"]
    assert accept["count"] == len(accepts)
    accepts.sort()
    for name, share in (("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99), ("max_ms", 1)):
        exact_ms = Decimal(accepts[math.ceil(len(accepts) * share) - 1]) / 1_000_000
        assert exact_ms <= Decimal(accept[name]) <= exact_ms * Decimal("1.0625")


async def test_nothing_happened(gateway: Gateway) -> None:
    (figures,) = await metrics(gateway)
    assert (figures["orders"], figures["fill_ratio"], figures["volume"], figures["refusals"]) == (0, None, "0", {})
    assert await metrics(gateway, group_by="symbol") == []
    assert Counter(one["orders"] for one in await metrics(gateway, group_by="day")) == {0: 1}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"day": "2026-02-30"}, "day"),
        ({"day": "today"}, "day"),
        ({"day": "2026-01-02", "since": START}, "day"),
        ({"until": START}, "until"),
        ({"since": "2026-01-01T00:30:00Z", "until": START}, "since"),
        ({"since": START, "until": "2026-01-01T00:00:00Z"}, "until"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"time_zone": "Asia/Kolkata"}, "day"),
        ({"group_by": "side"}, "group_by"),
        ({"group_by": "day", "since": "1990-01-01T00:00:00Z"}, "group_by"),
        ({"symbol": ""}, "symbol"),
    ],
)
async def test_a_range_that_makes_no_sense_is_refused(gateway: Gateway, query: dict[str, str], parameter: str) -> None:
    answer = await gateway.client.get(f"{gateway.account}/metrics", params=query)
    assert (answer.status_code, answer.json()["code"], answer.json()["parameter"]) == (
        422,
        "invalid_argument",
        parameter,
    )


async def test_operators_see_legs_and_commits(gateway: Gateway) -> None:
    await trade_a_while(gateway)
    text = (await gateway.client.get("/metrics")).text
    for line in ('dropcopy_leg_seconds_count{leg="accept"}', "dropcopy_commit_seconds_count"):
        (found,) = [one for one in text.splitlines() if one.startswith(line)]
        assert float(found.split()[-1]) > 0
