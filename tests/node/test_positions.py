"""Positions, the day and the proof of the journal, through the real daemon."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.support.daemon import Daemon, Rest


async def until(ask: Callable[[], Awaitable[list[dict[str, Any]]]], is_so: Callable[[Any], bool]) -> Any:
    """The first answer for which it is so."""
    async with asyncio.timeout(30):
        while True:
            found = await ask()
            if is_so(found):
                return found
            await asyncio.sleep(0.02)


def cli(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "dropcopyd", *words], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout.strip()


async def test_a_position_tells_its_day_and_the_journal_proves_it(tmp_path: Path) -> None:
    """Bought 10 and sold 4 of them: what was bought and sold, the day's profit by the market's mark, and after a
    kill -9 the same; `verify` finds nothing beside the daemon nor after it."""
    daemon = Daemon(tmp_path / "data")
    async with daemon, Rest(daemon.info) as rest:
        await rest.create("AAPL", "BUY", "10")
        await until(lambda: rest.all("positions"), lambda rows: rows and rows[0]["quantity"] == "10")
        await rest.create("AAPL", "SELL", "4")
        (held,) = await until(lambda: rest.all("positions"), lambda rows: rows[0]["quantity"] == "6")
        trades = await rest.all("trades")
        values = {side: value_of(trades, side) for side in ("BUY", "SELL")}
        assert (Decimal(held["value_bought"]), Decimal(held["value_sold"])) == (values["BUY"], values["SELL"])
        unrealized = Decimal(held["daily_pnl"]) - Decimal(held["realized_pnl"])
        assert abs(unrealized) < Decimal(6), "six shares, marked within a dollar of what they cost"
        assert cli("verify", "--data", str(daemon.folder))[0] == 0
        await daemon.kill()
    code, said = cli("verify", "--data", str(daemon.folder), "--account", daemon.info["account_id"])
    assert code == 0, said
    assert said.startswith("1 accounts, ")
    assert said.endswith(" events verified, 0 differences")
    async with Daemon(tmp_path / "data") as again, Rest(again.info) as rest:
        (kept,) = await rest.all("positions")
        assert kept == held


def value_of(trades: list[dict[str, Any]], side: str) -> Decimal:
    return sum((Decimal(one["quantity"]) * Decimal(one["price"]) for one in trades if one["side"] == side), Decimal(0))


async def test_the_operator_moves_the_roll_and_a_running_daemon_follows(tmp_path: Path) -> None:
    """An account older than today gets midnight's roll at the start; then its day is said to begin a minute ago."""
    daemon = Daemon(tmp_path / "data")
    async with daemon:
        account_id, data = daemon.info["account_id"], ("--data", str(daemon.folder))
        await daemon.stop()
    change(daemon.folder, "UPDATE accounts SET created_at_ns = 0")
    async with daemon:
        await until(lambda: rolls(daemon.folder), lambda rows: len(rows) == 1)
        assert cli("accounts", "set", account_id, "--time-zone", "Nowhere/Land", *data)[0] == 2
        while f"{datetime.now(UTC):%H:%M}" == "00:00":  # a minute ago was yesterday
            await asyncio.sleep(1)
        a_minute_ago = f"{datetime.now(UTC) - timedelta(minutes=1):%H:%M}"
        assert cli("accounts", "set", account_id, "--roll-time", a_minute_ago, *data) == (0, account_id)
        _, second = await until(lambda: rolls(daemon.folder), lambda rows: len(rows) == 2)
        at = datetime.fromtimestamp(second["broker_sent_at_ns"] // 10**9, UTC)
        assert f"{at:%H:%M}" == a_minute_ago
        assert cli("verify", *data)[0] == 0


def change(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "dropcopy.db")
    with connection:
        connection.execute(statement)
    connection.close()


async def rolls(folder: Path) -> list[dict[str, Any]]:
    """The account's rolls, in order."""
    connection = sqlite3.connect(folder / "dropcopy.db")
    connection.row_factory = sqlite3.Row
    try:
        found = connection.execute("SELECT * FROM adjustments WHERE kind = 'DAY_ROLL' ORDER BY number")
        return [dict(row) for row in found]
    finally:
        connection.close()
