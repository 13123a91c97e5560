"""Pages by key: each combination of filters by an index, and nothing lost or repeated while writes go on."""

import asyncio
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropcopyd.domain.report import ReportKind
from dropcopyd.record import Listing, Sort
from dropcopyd.store import keyset
from dropcopyd.store.keyset import ORDERS, TRADES, Table
from dropcopyd.store.migrate import DATABASE_NAME
from dropcopyd.store.sqlite import SqliteStore
from tests.domain.build import AAPL, MSFT, limit_terms, report, trade
from tests.store.build import Desk, account_id, make_folder, opened


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    folder = tmp_path_factory.mktemp("plans")
    make_folder(folder)
    connection = sqlite3.connect(folder / DATABASE_NAME)
    connection.row_factory = sqlite3.Row
    yield connection
    connection.close()


class Tracing:
    """A connection that remembers the plan of every statement."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.plans: dict[str, str] = {}

    def execute(self, sql: str, values: Any = ()) -> Any:
        plan = self._connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        self.plans[sql] = "\n".join(row["detail"] for row in plan)
        return self._connection.execute(sql, values)


@pytest.mark.parametrize("table", [ORDERS, TRADES], ids=lambda table: table.name)
@pytest.mark.parametrize("sort", list(Sort))
def test_every_combination_of_filters_is_answered_by_an_index(
    connection: sqlite3.Connection, table: Table, sort: Sort
) -> None:
    names = list(table.filters)
    combinations = [each for size in range(len(names) + 1) for each in itertools.combinations(names, size)]
    assert len(combinations) == 2 ** len(names)
    for chosen in combinations:
        for times in ({}, {"since_ns": 1, "until_ns": 5}):
            tracing: Any = Tracing(connection)
            listing = Listing(limit=10, sort=sort, mark="7", filters=tuple((name, "x") for name in chosen), **times)
            keyset.find_page(tracing, table, 1, listing)
            expected = {table.filters[name].index for name in chosen} or {table.index}
            assert tracing.plans
            for sql, plan in tracing.plans.items():
                for line in plan.splitlines():
                    assert "TEMP B-TREE" not in line, (sql, plan)
                    if "SCAN" in line:
                        assert sql.startswith("SELECT count(*) FROM"), (sql, plan)
                        assert line.startswith(("SCAN SUBQUERY", "SCAN (subquery")), (sql, plan)
                assert f"SEARCH {table.name} USING" in plan, (sql, plan)
                assert any(index in plan for index in {*expected, table.index}), (sql, plan)


async def all_pages(store: SqliteStore, listing: Listing, between: Any) -> list[str]:
    found, mark = [], ""
    while True:
        wanted = Listing(limit=listing.limit, sort=listing.sort, filters=listing.filters, mark=mark)
        page = await store.record.queries.orders(account_id(1), wanted)
        assert len(page.items) <= listing.limit
        found += [order.order_id for order in page.items]
        if not page.mark:
            return found
        mark = page.mark
        await between()


FILTERS = st.sampled_from(
    [
        (),
        (("symbol", "AAPL"),),
        (("symbol", "AAPL"), ("order_side", "BUY")),
        (("strategy_id", "s"), ("symbol", "MSFT"), ("order_type", "LIMIT")),
        (("strategy_id", "s"),),
    ]
)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.booleans(), max_size=12), FILTERS, st.sampled_from(list(Sort)), st.integers(1, 4), st.booleans())
def test_what_was_there_throughout_comes_exactly_once(
    shape: list[bool], filters: tuple[tuple[str, str], ...], sort: Sort, limit: int, examines_little: bool
) -> None:
    """Between any two pages orders of both accounts come and go; those that were there and stay as asked come once."""

    async def run(folder: Path) -> None:
        make_folder(folder)
        async with opened(folder) as store:
            desks = [Desk(1), Desk(2)]

            async def order(number: int, is_plain: bool) -> None:
                desk = desks[number % 3 == 2]
                desk.create_batch(instrument=AAPL if is_plain else MSFT, strategy_id="s" if number % 2 else None)
                await store.commit(desk.play.batches[-1])

            for number, is_plain in enumerate(shape):
                await order(number, is_plain)
            first = await all_pages(store, Listing(limit=100, sort=sort, filters=filters), lambda: asyncio.sleep(0))
            rounds = itertools.count(len(shape))

            async def between() -> None:
                number = next(rounds)
                if number < len(shape) + 30:
                    await order(number, number % 2 == 0)
                    for desk in desks:
                        await fill_newest(store, desk)

            found = await all_pages(store, Listing(limit=limit, sort=sort, filters=filters), between)
            assert len(set(found)) == len(found)
            assert [one for one in found if one in set(first)] == first

    examined = keyset.EXAMINED_MAX
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyset, "EXAMINED_MAX", 2 if examines_little else examined)
        asyncio.run(run(Path(name)))


async def fill_newest(store: SqliteStore, desk: Desk) -> None:
    """The newest order of the desk trades and ends: its row changes."""
    if not desk.play.batches:
        return
    command = next(batch.commands[0] for batch in reversed(desk.play.batches) if batch.commands)
    begun = len(desk.play.batches)
    desk.play.report(report(ReportKind.ACCEPTED, command.broker_command_id))
    desk.play.report(trade("e", "10", "1", command.broker_command_id))
    for batch in desk.play.batches[begun:]:
        await store.commit(batch)


async def test_times_are_found_by_halving(tmp_path: Path) -> None:
    make_folder(tmp_path)
    async with opened(tmp_path) as store:
        desks = [Desk(1), Desk(2)]
        for number in range(40):
            desk = desks[number % 5 == 0]
            desk.create_batch(terms=limit_terms("1"))
            await store.commit(desk.play.batches[-1])
            if number % 7 == 0:
                desks[0].play.now_ns = desks[1].play.now_ns = max(one.play.now_ns for one in desks) + number
    connection = sqlite3.connect(tmp_path / DATABASE_NAME)
    rows = connection.execute("SELECT number, created_at_ns FROM orders WHERE account = 1 ORDER BY number").fetchall()
    for _, at_ns in rows:
        for asked in (at_ns - 1, at_ns, at_ns + 1):
            found = keyset.first_number(connection, ORDERS, 1, asked)
            assert [one for one in rows if one[0] >= found] == [one for one in rows if one[1] >= asked]
    assert keyset.first_number(connection, ORDERS, 99, 5) == 0
