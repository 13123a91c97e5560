"""Pages by key: rows of one account in order of their number, each filter behind an index of its own.

A number never changes and only grows, so pages neither skip nor repeat what was there when they began, whatever is
written meanwhile. With several filters the one with the fewest rows leads and the others are checked on the way;
a page then examines at most `EXAMINED_MAX` rows, and may come short before the end.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dropcopyd.record import Listing, Sort

EXAMINED_MAX: Final = 4_000
_COMPARED_MAX: Final = 1_000
"""How many rows of each filter are counted to find the one with the fewest."""
_NUMBER_MAX: Final = 2**62


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter: the column it compares, and the index (account, column, number) that answers it."""

    column: str
    index: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is listed by number; `time_column` grows with it within an account."""

    name: str
    index: str
    time_column: str
    filters: Mapping[str, Filter]


ORDERS: Final = Table(
    "orders",
    "orders_by_account",
    "created_at_ns",
    {
        "order_state": Filter("order_state", "orders_by_state"),
        "order_status": Filter("order_status", "orders_by_status"),
        "symbol": Filter("symbol", "orders_by_symbol"),
        "order_side": Filter("order_side", "orders_by_side"),
        "order_type": Filter("order_type", "orders_by_type"),
        "strategy_id": Filter("strategy_id", "orders_by_strategy"),
        "client_reference_id": Filter("client_reference_id", "orders_by_reference"),
        "external_order_id": Filter("external_order_id", "orders_by_external"),
    },
)
TRADES: Final = Table(
    "trades",
    "trades_by_account",
    "received_at_ns",
    {
        "symbol": Filter("symbol", "trades_by_symbol"),
        "side": Filter("order_side", "trades_by_side"),
        "strategy_id": Filter("strategy_id", "trades_by_strategy"),
        "order_id": Filter("external_order_id", "trades_by_external"),
        "client_order_id": Filter("order_id", "trades_by_order"),
        "exec_id": Filter("exec_id", "trades_by_exec"),
    },
)

BREAKS: Final = Table(
    "breaks",
    "breaks_by_account",
    "first_at_ns",
    {
        "status": Filter("status", "breaks_by_status"),
        "kind": Filter("kind", "breaks_by_kind"),
        "symbol": Filter("symbol", "breaks_by_symbol"),
    },
)
RECONCILIATIONS: Final = Table(
    "reconciliations",
    "reconciliations_by_account",
    "ended_at_ns",
    {
        "trigger": Filter("run_trigger", "reconciliations_by_trigger"),
        "verdict": Filter("verdict", "reconciliations_by_verdict"),
    },
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with its values."""

    sql: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Range:
    """Numbers from `low` to `high`, both included, in one direction."""

    low: int
    high: int
    sort: Sort

    def cut(self, at: int) -> "_Range":
        """The part up to `at` in its direction."""
        return _Range(at, self.high, self.sort) if self.sort is Sort.DESC else _Range(self.low, at, self.sort)


def find_page(
    connection: sqlite3.Connection, table: Table, account: int, listing: Listing, condition: str = ""
) -> tuple[list[sqlite3.Row], str]:
    """The rows of a page and the mark of the next; `condition` is one more that each row meets."""
    reach = _reach(connection, table, account, listing)
    leading, others = _leading(connection, table, account, listing.filters, reach)
    stop = None
    if others or condition:
        stop = _number(connection, statement(table, account, leading, reach, skipped=EXAMINED_MAX - 1))
        reach = reach if stop is None else reach.cut(stop)
    found = _rows(connection, table, account, leading, others, reach, listing.limit + 1, condition)
    if len(found) > listing.limit:
        return found[: listing.limit], str(found[listing.limit - 1]["number"])
    return found, "" if stop is None else str(stop)


def statement(
    table: Table,
    account: int,
    leading: tuple[str, str] | None,
    reach: _Range,
    *,
    columns: str = "number",
    condition: str = "",
    limit: int = 1,
    skipped: int = 0,
    values: Sequence[Any] = (),
) -> Statement:
    """Rows of a range of numbers, by the index of the leading filter, or of the account when there is none."""
    index, led = table.index, ""
    value: tuple[str, ...] = ()
    if leading is not None:
        lead = table.filters[leading[0]]
        index, led, value = lead.index, f" AND {lead.column} = ?", (leading[1],)
    return Statement(
        f"SELECT {columns} FROM {table.name} INDEXED BY {index} WHERE account = ?{led}"  # noqa: S608  names are ours
        f" AND number >= ? AND number <= ?{condition} ORDER BY number {reach.sort.value} LIMIT ? OFFSET ?",
        (account, *value, reach.low, reach.high, *values, limit, skipped),
    )


def first_number(connection: sqlite3.Connection, table: Table, account: int, at_ns: int) -> int:
    """The least number that no row of the account before that time has; found by halving, some thirty seeks."""
    low, high = (_end(connection, table, account, sort) for sort in (Sort.ASC, Sort.DESC))
    if low is None or high is None:
        return 0
    low, high = low, high + 1
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(
            f"SELECT number, {table.time_column} FROM {table.name} INDEXED BY {table.index}"  # noqa: S608  ours
            " WHERE account = ? AND number >= ? ORDER BY number LIMIT 1",
            (account, middle),
        ).fetchone()
        if row is None or row[1] >= at_ns:
            high = middle
        else:
            low = row[0] + 1
    return low


def _rows(
    connection: sqlite3.Connection,
    table: Table,
    account: int,
    leading: tuple[str, str] | None,
    others: Sequence[tuple[str, str]],
    reach: _Range,
    limit: int,
    condition: str,
) -> list[sqlite3.Row]:
    # the unary plus keeps a column from being used for an index: the leading filter has been chosen
    terms = "".join(f" AND +{table.filters[name].column} = ?" for name, _ in others)
    found = statement(
        table,
        account,
        leading,
        reach,
        columns="*",
        condition=terms + (f" AND {condition}" if condition else ""),
        limit=limit,
        values=[value for _, value in others],
    )
    return connection.execute(found.sql, found.values).fetchall()


def _reach(connection: sqlite3.Connection, table: Table, account: int, listing: Listing) -> _Range:
    low, high = 0, _NUMBER_MAX
    if listing.since_ns is not None:
        low = first_number(connection, table, account, listing.since_ns)
    if listing.until_ns is not None:
        high = first_number(connection, table, account, listing.until_ns) - 1
    if listing.mark and listing.sort is Sort.DESC:
        high = min(high, int(listing.mark) - 1)
    elif listing.mark:
        low = max(low, int(listing.mark) + 1)
    return _Range(low, high, listing.sort)


def _leading(
    connection: sqlite3.Connection,
    table: Table,
    account: int,
    filters: Sequence[tuple[str, str]],
    reach: _Range,
) -> tuple[tuple[str, str] | None, list[tuple[str, str]]]:
    """The filter with the fewest rows in the range, and the others."""
    if len(filters) < 2:
        return (filters[0] if filters else None), []
    counts = {one: _count(connection, statement(table, account, one, reach, limit=_COMPARED_MAX)) for one in filters}
    leading = min(filters, key=lambda one: counts[one])
    return leading, [one for one in filters if one != leading]


def _count(connection: sqlite3.Connection, rows: Statement) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM ({rows.sql})", rows.values).fetchone()  # noqa: S608  ours
    return int(count)


def _number(connection: sqlite3.Connection, found: Statement) -> int | None:
    row = connection.execute(found.sql, found.values).fetchone()
    return None if row is None else int(row[0])


def _end(connection: sqlite3.Connection, table: Table, account: int, sort: Sort) -> int | None:
    return _number(connection, statement(table, account, None, _Range(0, _NUMBER_MAX, sort)))
