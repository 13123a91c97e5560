"""What is kept beside the projections is what the journal and the tables say, counted again here."""

import json
import sqlite3
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from dropcopy import proto as pb
from dropcopyd.domain.order import ActionType
from dropcopyd.domain.report import ReportKind
from dropcopyd.store import tallying
from dropcopyd.store.migrate import DATABASE_NAME
from tests.domain.build import AAPL, limit_terms, report, trade
from tests.store.build import Desk, lives, make_folder, opened


async def commit_all(folder: Path, desks: list[Desk]) -> sqlite3.Connection:
    async with opened(folder) as store:
        for desk in desks:
            for batch in desk.play.batches:
                await store.commit(batch)
    connection = sqlite3.connect(folder / DATABASE_NAME)
    connection.row_factory = sqlite3.Row
    return connection


def tallied(connection: sqlite3.Connection, grain: str) -> list[sqlite3.Row]:
    """The sums of hours or days, and what is not in them yet."""
    columns = "strategy_id, symbol, counts, amounts"
    sql = f"SELECT {columns} FROM tallies WHERE grain = ? UNION ALL SELECT {columns} FROM gains"
    return connection.execute(sql, (grain,)).fetchall()


def order_id_of(event: pb.TradingEvent, orders: dict[str, str]) -> str | None:
    """The order that a journal event is about; `orders` by intent."""
    match event.WhichOneof("event"):
        case "broker_order":
            return event.broker_order.order_id
        case "broker_trade":
            return event.broker_trade.client_order_id
        case "intent_action":
            return orders[event.intent_action.intent_id]
        case "command_outcome":
            return orders[event.command_outcome.intent_id]
    return None


async def test_each_event_names_its_order(tmp_path: Path) -> None:
    make_folder(tmp_path)
    desks = [Desk(1), Desk(2)]
    for desk in desks:
        list(lives(desk, 6))
        desk.moved()
    connection = await commit_all(tmp_path, desks)
    orders = {row["intent_id"]: row["order_id"] for row in connection.execute("SELECT * FROM orders")}
    ids = {row["number"]: row["order_id"] for row in connection.execute("SELECT * FROM orders")}
    events = connection.execute("SELECT payload, order_number FROM journal").fetchall()
    assert len(events) > 100
    for row in events:
        expected = order_id_of(pb.TradingEvent.FromString(row["payload"]), orders)
        assert ids.get(row["order_number"]) == expected
    subjects = Counter(row["kind"] for row in connection.execute("SELECT kind FROM state_events"))
    kinds = Counter(row["kind"] for row in connection.execute("SELECT kind FROM journal"))
    assert subjects == Counter({kind: kinds[kind] for kind in ("BROKER_POSITION", "ACCOUNT_STATUS")})


@pytest.mark.parametrize("waiting", [0, 5, tallying.GAINS_MAX])
async def test_tallies_are_a_recount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting: int) -> None:
    monkeypatch.setattr(tallying, "GAINS_MAX", waiting)
    make_folder(tmp_path)
    desk = Desk(1)
    list(lives(desk, 10))
    play = desk.play
    refused = desk.create(desk.name(), strategy_id="s")
    play.begin(refused)
    play.refuse(refused)
    filled = desk.create(desk.name(), strategy_id="s", terms=limit_terms("2"))
    name = filled.broker_command_id
    play.begin(filled)
    play.report(report(ReportKind.ACCEPTED, name))
    play.report(trade("f1", "1.5", "101.25", name))
    play.report(trade("f2", "0.5", "101.5", name))
    connection = await commit_all(tmp_path, [desk])
    for grain in ("H", "D"):
        rows = tallied(connection, grain)
        counts: Counter[str] = Counter()
        volume: dict[tuple[str, str], Decimal] = {}
        realized: dict[str, Decimal] = {}
        for row in rows:
            counts.update({name: n for name, n in json.loads(row["counts"]).items() if "leg" not in name})
            amounts = {name: Decimal(amount) for name, amount in json.loads(row["amounts"]).items()}
            key = (row["strategy_id"], row["symbol"])
            volume[key] = volume.get(key, Decimal(0)) + amounts.get("volume", Decimal(0))
            for name, amount in amounts.items():
                if name.startswith("realized_pnl"):
                    realized[row["symbol"]] = realized.get(row["symbol"], Decimal(0)) + amount
        actions = Counter(row[0] for row in connection.execute("SELECT action_type FROM commands"))
        assert counts["orders"] == actions[ActionType.CREATE]
        assert counts["replaces"] == actions[ActionType.REPLACE]
        assert counts["cancels"] == actions[ActionType.CANCEL]
        assert counts["fills"] == connection.execute("SELECT count(*) FROM trades").fetchone()[0]
        traded = connection.execute("SELECT count(DISTINCT order_id) FROM trades").fetchone()[0]
        assert (counts["orders_traded"], counts["orders_filled"], counts["refused|refused"]) == (traded, 1, 1)
        assert volume["s", AAPL.symbol] == Decimal(2)
        trades = connection.execute("SELECT quantity FROM trades").fetchall()
        assert sum(volume.values()) == sum(Decimal(row[0]) for row in trades)
        for position in connection.execute("SELECT symbol, realized_pnl FROM positions"):
            assert realized.get(position["symbol"], Decimal(0)) == Decimal(position["realized_pnl"])


async def test_every_leg_is_counted_once(tmp_path: Path) -> None:
    make_folder(tmp_path)
    desk = Desk(1)
    list(lives(desk, 8))
    connection = await commit_all(tmp_path, [desk])
    legs: Counter[str] = Counter()
    for row in tallied(connection, "D"):
        for name, count in json.loads(row["counts"]).items():
            if name.startswith("leg|"):
                legs[name.split("|")[1]] += count
    stamps = connection.execute(
        "SELECT count(*), count(attempt_begun_ns), count(acknowledged_ns), count(first_fill_ns) FROM commands"
    ).fetchone()
    assert (legs["accept"], legs["dispatch"], legs["first_fill"]) == (stamps[0], stamps[1], stamps[3])
    assert legs["acknowledge"] == stamps[2]


async def test_working_sets_are_what_worked_then(tmp_path: Path) -> None:
    make_folder(tmp_path)
    desk = Desk(1)
    for number in range(160):
        desk.life(fills=number % 3)
        if number % 10 == 0:
            desk.create(desk.name())
    connection = await commit_all(tmp_path, [desk])
    sets = connection.execute("SELECT sequence, orders FROM working_sets").fetchall()
    assert len(sets) >= 2
    ids = {row["number"]: row["order_id"] for row in connection.execute("SELECT * FROM orders")}
    for row in sets:
        working: dict[str, bool] = {}
        for (payload,) in connection.execute(
            "SELECT payload FROM journal WHERE sequence <= ? AND kind = 'BROKER_ORDER' ORDER BY sequence", (row[0],)
        ):
            order = pb.TradingEvent.FromString(payload).broker_order
            working[order.order_id] = order.order_state == pb.ORDER_STATE_OPEN or order.HasField("in_doubt_since")
        assert {ids[number] for number in json.loads(row["orders"])} == {one for one, is_on in working.items() if is_on}
