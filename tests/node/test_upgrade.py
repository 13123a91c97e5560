"""Folders that older versions left behind, killed in the middle: opened, proven and traded on by this one.

`old/` has what those versions themselves wrote, as SQL text, by the number of the journal's last migration: bought and
sold AAPL (10, -4, -16, 3), EURUSD and BTC-PERP; an order replaced and waiting, one cancelled, one of that day only.
"""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from dropcopyd.errors import StoreError
from dropcopyd.store import migrate
from dropcopyd.store.audit import audit
from tests.support.check import paper_positions, submitted_twice
from tests.support.daemon import Daemon, Rest
from tests.support.node import until

OLD = Path(__file__).parent / "old"
VERSIONS = sorted(path.name.partition("_")[0] for path in OLD.glob("*_journal.sql"))


def put_back(version: str, folder: Path) -> None:
    folder.mkdir()
    for name, file in (("journal", migrate.DATABASE_NAME), ("paper", "paper.db")):
        connection = sqlite3.connect(folder / file)
        connection.executescript((OLD / f"{version}_{name}.sql").read_text("utf-8"))
        connection.close()


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / migrate.DATABASE_NAME)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


ORDERS = "SELECT intent_id, order_status, quantity, filled_quantity, last_seq FROM orders ORDER BY number DESC"
POSITIONS = "SELECT symbol, quantity, cost, realized_pnl FROM positions ORDER BY symbol"
JOURNAL = "SELECT payload FROM journal ORDER BY sequence"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("version", VERSIONS)
async def test_an_old_folder_opens_is_proven_and_trades_on(version: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    put_back(version, folder)
    assert rows(folder, "SELECT max(number) FROM migrations") == [(int(version),)]
    orders, positions, journal = (rows(folder, query) for query in (ORDERS, POSITIONS, JOURNAL))
    with pytest.raises(StoreError, match="bring it up to date"):
        audit(folder)

    words = ("--prices", "synthetic:7", "--clock")
    daemon = Daemon(folder, *words, "2026-12-01T15:00:00Z")
    async with daemon, Rest(daemon.info) as rest:
        assert [one[:4] for one in orders] == [
            (order["intent_id"], _before(order), order["quantity"], order["filled_quantity"])
            for order in await rest.all("orders")
        ]
        assert rows(folder, POSITIONS) == positions
        assert rows(folder, JOURNAL)[: len(journal)] == journal

        async def proven() -> bool:
            """What the first versions did not keep comes with the roll of the day, which the start owes."""
            return audit(folder).differences == ()

        await until(proven)
        waiting = next(one[0] for one in orders if one[1] == "NEW" and one[2] == "8")
        payload = {"ref_intent_id": waiting}
        assert (await rest.submit({"action_type": "CANCEL", "payload": payload})).status_code == 201
        await rest.create("AAPL", "BUY", "5")

        async def traded() -> bool:
            found = {order["intent_id"]: order["order_status"] for order in await rest.all("orders")}
            held = {row["symbol"]: row["quantity"] for row in await rest.all("positions")}
            return (found[waiting], held["AAPL"]) == ("CANCELLED", "-2")

        await until(traded)
        assert "NEW" not in {order["order_status"] for order in await rest.all("orders")}, "the day is over"
        await daemon.kill()
    daemon.arguments = (*words, "2026-12-01T16:00:00Z")
    async with daemon, Rest(daemon.info) as rest:
        held = {row["symbol"]: row["quantity"] for row in await rest.all("positions")}
        assert held == {"AAPL": "-2", "EURUSD": "-5000", "BTC-PERP": "0.125"}
        assert held == dict(paper_positions(folder, rest.account_id))
    assert audit(folder).differences == ()
    assert submitted_twice(folder) == []


def _before(order: dict[str, Any]) -> str:
    """The status in the old folder: what waited for that day only has expired by now, or is about to."""
    return "NEW" if order["reason_code"] == "expired" else str(order["order_status"])
