"""Every field of every record comes back from its row as it went in."""

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dropcopyd.domain.adjustment import Adjustment
from dropcopyd.domain.amendment import Amendment
from dropcopyd.domain.command import Command, IdempotencyRecord
from dropcopyd.domain.event import Batch, Event, EventType, Trade
from dropcopyd.domain.instrument import AssetClass, Instrument, key_of
from dropcopyd.domain.order import Order
from dropcopyd.domain.position import Position
from dropcopyd.domain.state import Chain
from dropcopyd.record import Listing
from dropcopyd.store import migrate, positions, rows, truth
from tests.store.build import INSTRUMENTS, Announced, account, make_folder, opened

ACCOUNT = account(1)
BY_KEY = {key_of(instrument): instrument for instrument in INSTRUMENTS}
SIGNED = st.builds(
    lambda units, places: Decimal(f"{units}e-{places}"), st.integers(-(10**38) + 1, 10**38 - 1), st.integers(0, 18)
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FIXED: dict[str, Any] = {
    "account_id": ACCOUNT.account_id,
    "organization_id": ACCOUNT.organization_id,
    "broker": ACCOUNT.broker,
}
"""What a row takes from its account."""


def strategy_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type: of every shape that its annotation allows."""
    if kind is Instrument:
        return st.sampled_from(INSTRUMENTS)
    origin, arguments = get_origin(kind), get_args(kind)
    if set(arguments) == {*get_args(Instrument), NoneType}:
        return st.none() | st.sampled_from(INSTRUMENTS)
    if origin in (Union, UnionType):
        return st.one_of(*(strategy_of(argument) for argument in arguments))
    if origin is tuple:
        return st.lists(strategy_of(arguments[0]), max_size=3).map(tuple)
    if origin is Mapping:
        return st.dictionaries(*(strategy_of(argument) for argument in arguments), max_size=3)
    if kind is NoneType:
        return st.none()
    if kind is Decimal:
        return SIGNED
    if kind is int:
        return st.integers(0, 2**63 - 1)
    if kind is bool:
        return st.booleans()
    if kind is str:
        return TEXTS
    if issubclass(kind, StrEnum):
        return st.sampled_from(kind)
    assert isinstance(kind, type), kind
    assert is_dataclass(kind), kind
    hints = get_type_hints(kind)
    return st.builds(
        kind,
        **{f.name: st.just(FIXED[f.name]) if f.name in FIXED else strategy_of(hints[f.name]) for f in fields(kind)},
    )


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    folder = tmp_path_factory.mktemp("rows")
    make_folder(folder)
    opened_connection = migrate.connect(folder / migrate.DATABASE_NAME)
    opened_connection.row_factory = sqlite3.Row
    yield opened_connection
    opened_connection.close()


def instrument_by(key: tuple[AssetClass, str]) -> Instrument:
    return BY_KEY[key]


TABLES: list[tuple[str, Any, Any, Any]] = [
    ("orders", Order, rows.order_values, rows.order_of),
    ("commands", Command, rows.command_values, rows.command_of),
    ("trades", Trade, rows.trade_values, rows.trade_of),
    ("amendments", Amendment, truth.amendment_values, truth.amendment_of),
    ("positions", Position, positions.position_values, positions.position_of),
    ("adjustments", Adjustment, positions.adjustment_values, positions.adjustment_of),
]


@pytest.mark.parametrize(("table", "kind", "values_of", "record_of"), TABLES, ids=[table for table, *_ in TABLES])
@settings(deadline=None)
@given(data=st.data())
def test_a_record_comes_back_whole(
    connection: sqlite3.Connection, table: str, kind: Any, values_of: Any, record_of: Any, data: st.DataObject
) -> None:
    record = data.draw(strategy_of(kind))
    values = values_of(ACCOUNT.number, record)
    connection.execute("BEGIN")
    try:
        connection.execute(rows.insert_sql(table, tuple(values)), values)
        row = connection.execute(f"SELECT * FROM {table}").fetchone()
    finally:
        connection.execute("ROLLBACK")
    assert record_of(row, ACCOUNT, instrument_by) == record


@pytest.mark.parametrize(("table", "kind", "values_of"), [one[:3] for one in TABLES], ids=[one[0] for one in TABLES])
@settings(max_examples=1, deadline=None)
@given(data=st.data())
def test_every_column_is_written(
    connection: sqlite3.Connection, table: str, kind: Any, values_of: Any, data: st.DataObject
) -> None:
    columns = {row["name"] for row in connection.execute(f"PRAGMA table_info({table})")}
    assert columns - {"number"} == values_of(1, data.draw(strategy_of(kind))).keys()


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_committed_batch_is_read_back_whole(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Through the writer and the readers: one record of each kind, with whatever a broker and a caller may say."""
    order = data.draw(strategy_of(Order))
    command = replace(data.draw(strategy_of(Command)), order_id=order.order_id, intent_id=order.intent_id)
    trade = replace(data.draw(strategy_of(Trade)), order_id=order.order_id)
    position = data.draw(strategy_of(Position))
    key = data.draw(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=255))
    assume(order.intent_id)
    idempotency = IdempotencyRecord(key, data.draw(TEXTS), order.intent_id, command.seq)
    batch = Batch(
        account_id=ACCOUNT.account_id,
        at_ns=data.draw(st.integers(0, 2**63 - 1)),
        events=(Event(EventType.INTENT_ACTION, command),),
        orders=(order,),
        commands=(command,),
        trades=(trade,),
        positions=(position,),
        idempotency=idempotency,
        report_cursor=data.draw(TEXTS),
        listed_cursor=data.draw(TEXTS),
    )
    folder = tmp_path_factory.mktemp("batch")
    make_folder(folder)

    async def run() -> None:
        async with opened(folder, Announced()) as store:
            await asyncio.wait_for(store.commit(batch), 10)
            queries = store.record.queries
            chain = await store.load_chain(ACCOUNT.account_id, intent_id=order.intent_id)
            assert chain is not None
            assert (chain.order, chain.commands) == (order, {command.seq: command})
            booked = Chain(order)
            booked.book(trade)
            assert chain.executions == booked.executions
            assert (await queries.trades(ACCOUNT.account_id, Listing(limit=10))).items == [trade]
            assert (await queries.orders(ACCOUNT.account_id, Listing(limit=10))).items == [order]
            assert (await queries.positions(ACCOUNT.account_id, Listing(limit=10))).items == [position]
            assert await store.find_idempotency(ACCOUNT.account_id, key) == idempotency
            state = await store.load_account(ACCOUNT.account_id, -1)
            assert (state.last_ns, state.report_cursor) == (batch.at_ns, batch.report_cursor)
            assert state.listed_cursor == batch.listed_cursor

    asyncio.run(run())
