"""The `Metrics` port: the tallies of a range, whole days by the day and the hours at its ends by the hour, with what
waits to be added to them; and what the positions last said of the day in which it ends."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from dropcopyd.decode import daily_pnl
from dropcopyd.domain import money
from dropcopyd.domain.account import Account
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.tally import Dimension, Tally
from dropcopyd.record import Figures, Group, Wanted
from dropcopyd.store import rows
from dropcopyd.store.history import sequence_at
from dropcopyd.store.reader import Reader
from dropcopyd.store.tallying import DAY_HOURS, HOUR_NS, gains_of, tally_of

_Gains = Mapping[tuple[int, Dimension], Tally]
"""What the sums lack yet, by the hour since 1970."""
_LAST_ROLL: Final = """
SELECT received_at_ns FROM adjustments INDEXED BY adjustments_rolls
WHERE account = ?1 AND kind = 'DAY_ROLL' AND broker_sent_at_ns < ?2 AND received_at_ns < ?2
ORDER BY broker_sent_at_ns DESC LIMIT 1
"""
_LAST_SAID: Final = """
SELECT asset_class, symbol, (
    SELECT max(sequence) FROM state_events
    WHERE account = ?1 AND kind = 'BROKER_POSITION' AND subject = asset_class || '|' || symbol AND sequence <= ?2
) AS sequence
FROM positions WHERE account = ?1
"""


class SqliteMetrics:
    """Reads through the store's reader; `account_of` gives an account that is known to exist."""

    def __init__(self, reader: Reader, account_of: Callable[[str], Account]) -> None:
        self._reader = reader
        self._account_of = account_of

    async def figures(self, account_id: str, ranges: Sequence[Wanted]) -> Sequence[Figures]:
        number = self._account_of(account_id).number

        def query(connection: sqlite3.Connection) -> Sequence[Figures]:
            (since_ns,) = connection.execute(
                "SELECT tallied_since_ns FROM accounts WHERE number = ?", (number,)
            ).fetchone()
            instruments, gains = self._reader.instruments_by(connection), gains_of(connection, number)
            return [
                Figures(
                    _sums(connection, number, wanted, gains),
                    since_ns,
                    _daily_pnl(connection, number, wanted, instruments),
                )
                for wanted in ranges
            ]

        return await self._reader.read(query)


def _sums(connection: sqlite3.Connection, account: int, wanted: Wanted, gains: _Gains) -> dict[str, Tally]:
    sums: dict[str, Tally] = {}
    narrowed, values = "", []
    for column, value in (("strategy_id", wanted.strategy_id), ("symbol", wanted.symbol)):
        if value is not None:
            narrowed += f" AND {column} = ?"
            values.append(value)
    for grain, first, end in _stretches(wanted):
        found = connection.execute(
            "SELECT strategy_id, asset_class, symbol, counts, amounts FROM tallies"  # noqa: S608  ours
            f" WHERE account = ? AND grain = ? AND period >= ? AND period < ?{narrowed}",
            (account, grain, first, end, *values),
        )
        for *of, counts, amounts in found:
            sums.setdefault(_key(Dimension(*of), wanted.group), Tally()).add(tally_of(counts, amounts))
    first_hour, end_hour = wanted.since_ns // HOUR_NS, wanted.until_ns // HOUR_NS
    for (hour, of_gain), gain in gains.items():
        if first_hour <= hour < end_hour and _is_wanted(of_gain, wanted):
            sums.setdefault(_key(of_gain, wanted.group), Tally()).add(gain)
    return sums


def _is_wanted(of: Dimension, wanted: Wanted) -> bool:
    return wanted.strategy_id in (None, of.strategy_id) and wanted.symbol in (None, of.symbol)


def _key(of: Dimension, group: Group | None) -> str:
    match group:
        case Group.STRATEGY:
            return of.strategy_id
        case Group.SYMBOL:
            return f"{of.asset_class}|{of.symbol}"
    return ""


def _stretches(wanted: Wanted) -> Iterator[tuple[str, int, int]]:
    """(grain, first period, period after the last): the whole days, and the hours before and after them."""
    day_ns = DAY_HOURS * HOUR_NS
    first_day, end_day = -(-wanted.since_ns // day_ns), wanted.until_ns // day_ns
    first_hour, end_hour = wanted.since_ns // HOUR_NS, wanted.until_ns // HOUR_NS
    if first_day >= end_day:
        yield "H", first_hour, end_hour
        return
    yield "H", first_hour, first_day * DAY_HOURS
    yield "D", first_day, end_day
    yield "H", end_day * DAY_HOURS, end_hour


def _daily_pnl(
    connection: sqlite3.Connection, account: int, wanted: Wanted, instruments: rows.Instruments
) -> Mapping[str, Mapping[str, Decimal | None]] | None:
    """Of positions that said something since the day began: the roll lets every one speak that has something to say."""
    if wanted.strategy_id is not None or wanted.group is Group.STRATEGY:
        return None
    roll = connection.execute(_LAST_ROLL, (account, wanted.until_ns)).fetchone()
    begin = 0 if roll is None else sequence_at(connection, account, roll["received_at_ns"] - 1)
    end = sequence_at(connection, account, wanted.until_ns - 1)
    narrowed, values = ("", ()) if wanted.symbol is None else (" AND symbol = ?3", (wanted.symbol,))
    sums: dict[str, dict[str, Decimal | None]] = {}
    for row in connection.execute(_LAST_SAID + narrowed, (account, end, *values)).fetchall():
        if row["sequence"] is None or row["sequence"] <= begin:
            continue
        event = connection.execute(
            "SELECT payload FROM journal WHERE account = ? AND sequence = ?", (account, row["sequence"])
        ).fetchone()
        said = None if event is None else daily_pnl(event["payload"])
        currency = instruments((AssetClass(row["asset_class"]), row["symbol"])).currency
        of_group = sums.setdefault(_key(Dimension("", row["asset_class"], row["symbol"]), wanted.group), {})
        before = of_group.get(currency, money.ZERO)
        of_group[currency] = None if said is None or before is None else money.add(before, Decimal(said))
    return sums
