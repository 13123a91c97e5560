"""The durable book: reopened, killed, refused; what was answered is there, and everything goes on from where it was."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropcopyd.brokers.paper import Book, Replay, SyntheticMarket, read_submit_log
from dropcopyd.brokers.paper.codec import (
    apply,
    command_from,
    command_row,
    order_from,
    order_row,
    report_body,
    report_from,
    standing_from,
    standing_row,
)
from dropcopyd.brokers.paper.records import CommandRecord, Decision, PaperOrder, PaperStatus, Quote, Standing
from dropcopyd.brokers.paper.replay import BAR_QUOTES
from dropcopyd.brokers.paper.schema import MIGRATIONS, migrate
from dropcopyd.brokers.paper.writer import PENDING_MAX, merged
from dropcopyd.domain.instrument import InstrumentKey, key_of
from dropcopyd.domain.order import ActionType, OrderSide, OrderTerms, OrderType, TimeInForce
from dropcopyd.domain.report import Acknowledged, Fee, Found, Liquidity, OrderReport, Refused, ReportKind
from dropcopyd.errors import Code, StoreError
from tests.brokers.build import AAPL, ACCOUNT, GTC, NOON_NS, D, fills, kinds, quote, submission, terms
from tests.brokers.service import DEADLINE_S, serving
from tests.brokers.test_replay import FALLING, RISING
from tests.doubles import ManualClock, SequentialIds

ROOT = Path(__file__).parents[2]


def opened(path: Path) -> Book:
    return Book.open(path, ManualClock(NOON_NS + 10**9), SequentialIds("c"))


# --- there and back -------------------------------------------------------------------------------------------------

amounts = st.decimals("-99999999999999999999", "99999999999999999999", places=18, allow_nan=False)
sizes = st.decimals("0.000000000000000001", "99999999999999999999", places=18, allow_nan=False)
texts = st.text(max_size=20).filter(lambda text: "\x00" not in text and text.isprintable())
order_terms = st.builds(
    OrderTerms, order_type=st.sampled_from(OrderType), quantity=sizes, time_in_force=st.sampled_from(TimeInForce),
    limit_price=st.none() | sizes, stop_price=st.none() | sizes, trail_amount=st.none() | sizes,
    trail_percent=st.none() | sizes,
)  # fmt: skip
orders = st.builds(
    PaperOrder, number=st.integers(1, 2**62), external_order_id=texts, account_id=texts, instrument=st.just(AAPL),
    side=st.sampled_from(OrderSide), terms=order_terms, live_command_id=texts, priority=st.integers(1, 2**62),
    entered_at_ns=st.integers(0, 2**62), trade_date=texts, filled_quantity=sizes,
    status=st.sampled_from(PaperStatus),
)  # fmt: skip
reports = st.builds(
    OrderReport, kind=st.sampled_from(ReportKind), broker_command_id=texts, external_order_id=st.none() | texts,
    broker_sent_at_ns=st.none() | st.integers(0, 2**62), raw_status=st.none() | texts, reason_code=st.none() | texts,
    reason=st.none() | texts, quantity=st.none() | amounts, limit_price=st.none() | amounts,
    cumulative_quantity=st.none() | amounts, exec_id=st.none() | texts, last_quantity=st.none() | amounts,
    last_price=st.none() | amounts, trade_date=st.none() | texts, venue=st.none() | texts,
    liquidity=st.none() | st.sampled_from(Liquidity),
    fees=st.lists(st.builds(Fee, texts, amounts, texts), max_size=2).map(tuple), cursor=texts,
)  # fmt: skip


@given(reports)
def test_a_report_survives_the_book(report: OrderReport) -> None:
    assert report_from(report_body(report), report.cursor) == report


@given(orders)
def test_an_order_survives_the_book(order: PaperOrder) -> None:
    assert order_from(order_row(order), AAPL) == order


@given(
    texts, st.none() | st.integers(1, 9), st.builds(Refused, texts, texts) | st.builds(Acknowledged, st.none() | texts)
)
def test_a_command_survives_the_book(name: str, number: int | None, answer: Refused | Acknowledged) -> None:
    record = CommandRecord(name, ACCOUNT, ActionType.REPLACE, number, answer)
    assert command_from(command_row(record)) == record


@given(sizes, sizes, sizes)
def test_a_standing_market_survives_the_book(bid: Decimal, bid_size: Decimal, ask_size: Decimal) -> None:
    standing = Standing(AAPL, "csv:a", "1:2", Quote(bid, bid + 1 if bid < 10**9 else bid * 2, bid_size, ask_size), 5)
    for one in (standing, replace(standing, account_id=ACCOUNT)):
        assert standing_from(standing_row(one), AAPL) == one


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["", ACCOUNT]), st.integers(1, 9)), max_size=12))
def test_decisions_committed_together_are_the_same_as_one_by_one(moves: list[tuple[bool, str, int]]) -> None:
    decisions = []
    for at_ns, (is_release, account_id, price) in enumerate(moves):
        standing = Standing(AAPL, "csv:a", "1:2", Quote(D(price), D(price + 1), D(1), D(1)), at_ns, account_id)
        decision = Decision(cash={(ACCOUNT, "USD"): D(price)}, instruments={key_of(AAPL): AAPL})
        if is_release:
            decision.released.append(standing)
        else:
            decision.standings[standing.market] = standing
        decisions.append(decision)
    dumps = []
    for written in (decisions, list(merged(decisions))):
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            migrate(connection)
            known: set[InstrumentKey] = set()
            for decision in written:
                apply(connection, decision, known)
            dumps.append(list(connection.iterdump()))
    assert dumps[0] == dumps[1]


# --- reopening ------------------------------------------------------------------------------------------------------


async def test_a_reopened_book_has_orders_positions_and_numbers_and_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.show(quote("9.99", "10.00", ask_size=130))
        await service.create("c1", terms(100))
        await service.create("c2", terms(50, "10.00", GTC))
        await service.create("c3", terms(5, "9.00"))
        await service.cancel("x3", "c3")
        before = await service.broker.snapshot(ACCOUNT, "", DEADLINE_S)
        open_order = service.book.image.orders[2]
    async with serving(tmp_path) as service:
        image = service.book.image
        assert image.orders == {2: open_order}
        assert set(image.commands) == {"c2"}
        assert (image.order_count, image.execution_count, image.heads) == (3, 2, {ACCOUNT: 7})
        after = await service.broker.snapshot(ACCOUNT, "", DEADLINE_S)
        assert after == before
        assert await service.create("c2", terms(50, "10.00", GTC)) == Acknowledged("bbbbbbbb0000-2")
        service.show(quote("9.99", "10.00"))
        await service.create("c4", terms(1))
        seen = await service.listener.until_reports(3)
        assert fills(seen) == [("c2", D(20), D("10.00")), ("c4", D(1), D("10.00"))]
        assert [report.cursor.rpartition(":")[2] for report in seen] == ["8", "9", "10"]
        assert [report.exec_id for report in seen] == ["bbbbbbbb0000-E3", None, "bbbbbbbb0000-E4"]


async def test_what_was_consumed_of_a_quote_stays_consumed(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.show(quote("9.99", "10.00", ask_size=30))
        await service.create("c1", terms(20))
    async with serving(tmp_path) as service:
        await service.create("c2", terms(20))
        assert fills(await service.listener.until_reports(2)) == [("c2", D(10), D("10.00"))]


async def test_time_priority_survives(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        for name in ("c1", "c2"):
            await service.create(name, terms(10, "10.00", GTC))
        await service.submit(submission("r1", ActionType.REPLACE, terms(11, "10.00", GTC), original="c1"))
    async with serving(tmp_path) as service:
        service.show(quote("9.99", "10.00", ask_size=10))
        assert fills(await service.listener.until_reports(1)) == [("c2", D(10), D("10.00"))]


async def test_a_quote_of_another_source_is_no_market_any_more(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.show(quote("9.99", "10.00"))
        await service.create("c1", terms(10))
    async with serving(tmp_path, feeds=[SyntheticMarket(7, NOON_NS)]) as service:
        assert service.book.image.standings == {}


async def test_a_listener_that_connects_gets_only_what_comes_after(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.create("c1", terms(10, "1.00"))
    async with serving(tmp_path) as service:
        await service.create("c2", terms(10, "1.00"))
        assert [report.broker_command_id for report in await service.listener.until_reports(1)] == ["c2"]


async def test_the_synthetic_market_goes_on_from_when_the_book_was_made(tmp_path: Path) -> None:
    book = opened(tmp_path / "paper.db")
    created_at_ns = book.image.created_at_ns
    await book.close()
    book = Book.open(tmp_path / "paper.db", ManualClock(1), SequentialIds("d"))
    assert book.image.created_at_ns == created_at_ns == NOON_NS + 10**9
    assert book.image.book_id.startswith("cccccccc")
    await book.close()


# --- replay and restart ---------------------------------------------------------------------------------------------


async def test_a_replay_goes_on_where_it_stood_and_an_order_never_sees_the_past(tmp_path: Path) -> None:
    bars = [RISING, FALLING]
    hour = Fraction(3_600)
    async with serving(tmp_path, feeds=[Replay(AAPL, bars, hour, "bars.csv")]) as service:
        service.clock.advance(6.5 / BAR_QUOTES)
        service.broker.turn()
        await service.create("c1", terms(10, "98.40", GTC))
    async with serving(tmp_path, feeds=[Replay(AAPL, bars, hour, "bars.csv")]) as service:
        standing = service.book.image.standings[AAPL.asset_class, "AAPL"]
        assert standing.place in ("0:6", "0:7")
        service.clock.advance(6.4 / BAR_QUOTES)
        service.broker.turn()
        assert service.listener.of() == []
        service.clock.advance(1)
        service.broker.turn()
        assert fills(await service.listener.until_reports(1)) == [("c1", D(10), D("98.40"))]


async def test_a_replay_records_its_place_at_every_bar_without_any_order(tmp_path: Path) -> None:
    async with serving(tmp_path, feeds=[Replay(AAPL, [RISING, FALLING], None, "bars.csv")]) as service:
        service.broker.turn()
        await service.book.writer.drained()
        recorded = rows(service.path, "SELECT place, bid, ask FROM standings")
        assert recorded == [(f"{FALLING.time_ns}:12", "96.99", "97")]
    async with serving(tmp_path, feeds=[Replay(AAPL, [RISING, FALLING], None, "bars.csv")]) as service:
        assert service.book.image.standings[AAPL.asset_class, "AAPL"].place == f"{FALLING.time_ns}:12"
        await service.create("c1", terms(10))
        assert fills(await service.listener.until_reports(2)) == [("c1", D(10), D("97.00"))]


# --- killed ---------------------------------------------------------------------------------------------------------


def start_victim(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.brokers.victim", str(folder), *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": "."})


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def check_whole(path: Path) -> None:
    """The book is one consistent history."""
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(path, "PRAGMA foreign_key_check") == []
    numbers = [number for (number,) in rows(path, "SELECT number FROM reports ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1))
    executed = rows(path, "SELECT coalesce(sum(quantity), 0) FROM executions")
    assert executed == rows(path, "SELECT coalesce(sum(filled_quantity), 0) FROM orders")
    assert executed == rows(path, "SELECT coalesce(sum(quantity), 0) FROM positions")
    trades = rows(path, "SELECT count(*) FROM reports WHERE body LIKE '%\"TRADE\"%'")
    assert trades == rows(path, "SELECT count(*) FROM executions")


async def test_a_process_killed_between_commit_and_answer_has_the_order(tmp_path: Path) -> None:
    with start_victim(tmp_path, "paper.submit.committed", "1") as victim:
        output, _ = await asyncio.to_thread(victim.communicate)
    assert victim.returncode == -9
    assert output == ""
    path = tmp_path / "paper.db"
    assert read_submit_log(path)[0].broker_command_id == "c0"
    check_whole(path)
    async with serving(tmp_path) as service:
        found = await service.broker.find(submission("c0"), DEADLINE_S)
        assert isinstance(found, Found)
        assert kinds(found.reports) == [ReportKind.ACCEPTED, ReportKind.TRADE]
        first = await service.create("c0", terms(5, "10.00"))
        assert first == Acknowledged("bbbbbbbb0000-1")
        assert [e.broker_command_id for e in read_submit_log(path)].count("c0") == 2
        check_whole(path)


@pytest.mark.parametrize("lines", [1, 30, 200])
async def test_what_was_acknowledged_before_a_kill_is_in_the_book(tmp_path: Path, lines: int) -> None:
    victim = start_victim(tmp_path)
    assert victim.stdout is not None
    acknowledged = [await asyncio.to_thread(victim.stdout.readline) for _ in range(lines)]
    victim.kill()
    rest, _ = await asyncio.to_thread(victim.communicate)
    assert victim.returncode == -9
    complete = rest[: rest.rfind("\n") + 1]
    acknowledged += complete.splitlines()
    path = tmp_path / "paper.db"
    check_whole(path)
    known = {command for (command,) in rows(path, "SELECT broker_command_id FROM commands")}
    assert {name.strip() for name in acknowledged} <= known
    async with serving(tmp_path) as service:
        last = rows(path, "SELECT max(number) FROM reports")[0][0]
        await service.create("after", terms(1, "1.00"))
        await service.listener.until_reports(1)
        assert service.listener.of()[0].cursor == f"{service.book.image.book_id}:{int(str(last)) + 1}"


# --- what cannot be opened ------------------------------------------------------------------------------------------


def test_a_file_that_is_no_book_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "paper.db"
    path.write_bytes(b"this is not a database, by any means at all" * 100)
    with pytest.raises(StoreError, match="cannot open the paper broker's book") as caught:
        opened(path)
    assert caught.value.code is Code.STORE_FAILED


def test_a_book_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "paper.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(StoreError, match="use a newer Dropcopy"):
        opened(path)
    assert rows(path, "SELECT count(*) FROM sqlite_master") == [(0,)]


async def test_a_book_is_written_with_full_synchrony_in_wal(tmp_path: Path) -> None:
    book = opened(tmp_path / "paper.db")
    connection = book.writer._connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    await book.close()


async def test_whoever_decides_waits_while_the_writer_is_behind(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        writer = service.book.writer
        with closing(sqlite3.connect(service.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            sent = [
                asyncio.ensure_future(service.create(f"c{number}", terms(1, "1.00")))
                for number in range(PENDING_MAX + 50)
            ]
            while len(writer._pending) < PENDING_MAX:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)
            assert len(writer._pending) == PENDING_MAX
            other.execute("ROLLBACK")
        assert all(isinstance(answer, Acknowledged) for answer in await asyncio.gather(*sent))
        assert len(read_submit_log(service.path)) == PENDING_MAX + 50
