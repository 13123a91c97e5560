"""What an account's tallies come to, read from the tables by code of the tests' own."""

import json
import sqlite3
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from dropcopyd.store.migrate import DATABASE_NAME

Figures = dict[tuple[Any, ...], Counter[str]]


def figures(folder: Path, grain: str) -> Figures:
    """What is counted and summed, by account, period and what of; sums in units of 10^-18."""
    hours = {"H": "hour", "D": "hour / 24"}[grain]
    of = "strategy_id, asset_class, symbol, counts, amounts"
    found: Figures = {}
    with sqlite3.connect(folder / DATABASE_NAME) as connection:
        rows = connection.execute(
            f"SELECT account, period, {of} FROM tallies WHERE grain = ?"
            f" UNION ALL SELECT account, {hours}, {of} FROM gains",
            (grain,),
        ).fetchall()
    for *place, counts, amounts in rows:
        one = found.setdefault(tuple(place), Counter())
        for name, count in json.loads(counts).items():
            one[name] += count
        for name, amount in json.loads(amounts).items():
            one[name] += int(Decimal(amount).scaleb(18))
    return found
