"""The paper broker at its port: answers after the commit, reports in order, lines that break, commands lost."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dropcopyd.brokers.paper import FailureMode, Plan, SyntheticMarket, read_submit_log
from dropcopyd.brokers.paper.plan import Parameters, Profile
from dropcopyd.brokers.paper.session import RING_REPORTS
from dropcopyd.domain.account import BrokerKind
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.order import ActionType
from dropcopyd.domain.report import (
    Acknowledged,
    BrokerReport,
    Found,
    NotFound,
    OrderClaim,
    OrderReport,
    PositionClaim,
    Refused,
    ReportKind,
    Unavailable,
    Unknown,
)
from dropcopyd.errors import Code, DropcopyError, StoreError
from tests.brokers.build import (
    AAPL,
    ACCOUNT,
    DAY_NS,
    EURUSD,
    GTC,
    NOON_NS,
    OTHER_ACCOUNT,
    SELL,
    D,
    fills,
    kinds,
    quote,
    submission,
    terms,
)
from tests.brokers.service import DEADLINE_S, Listener, Service, serving

K = ReportKind


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def submits(path: Path) -> list[str]:
    return [entry.broker_command_id for entry in read_submit_log(path)]


class Strike:
    """Failpoints that note every place and, at one of them, call something."""

    def __init__(self, point: str = "", do: object = None) -> None:
        self.point = point
        self.do = do
        self.seen: list[str] = []

    def reached(self, point: str) -> None:
        self.seen.append(point)
        if point == self.point and callable(self.do):
            self.do()


# --- submit and report ----------------------------------------------------------------------------------------------


async def test_an_order_is_acknowledged_and_its_reports_come_in_order(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.show(quote("9.99", "10.00", ask_size=30))
        answer = await service.create("c1", terms(100, "10.00"))
        assert answer == Acknowledged("bbbbbbbb0000-1")
        await service.cancel("x1", "c1")
        reports = await service.listener.until_reports(4)
        assert kinds(reports) == [K.ACCEPTED, K.TRADE, K.PENDING_CANCEL, K.CANCELLED]
        assert [report.cursor.rpartition(":")[2] for report in reports] == ["1", "2", "3", "4"]
        assert service.broker.kind is BrokerKind.PAPER


async def test_what_is_answered_and_reported_is_in_the_book(tmp_path: Path) -> None:
    class Checking(Listener):
        async def on_report(self, account_id: str, report: object) -> None:
            seen.append(rows(tmp_path / "paper.db", "SELECT count(*) FROM reports")[0][0])

    seen: list[object] = []
    async with serving(tmp_path, listener=Checking()) as service:
        service.show(quote("9.99", "10.00"))
        await service.create("c1", terms(100, "10.00"))
        assert rows(service.path, "SELECT number, quantity, price FROM executions") == [(1, "100", "10")]
        async with asyncio.timeout(DEADLINE_S):
            while len(seen) < 2:
                await asyncio.sleep(0)
        assert seen == [2, 2]


async def test_a_refused_create_is_answered_and_reported(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        answer = await service.create("c1", terms(100, "10.005"))
        assert isinstance(answer, Refused)
        assert answer.reason_code == "invalid_price_increment"
        assert kinds(await service.listener.until_reports(1)) == [K.REJECTED]


async def test_an_instrument_that_no_feed_covers_has_no_market(tmp_path: Path) -> None:
    async with serving(tmp_path, feeds=[]) as service:
        answer = await service.create("c1", terms(100))
        assert isinstance(answer, Refused)
        assert answer.reason_code == "no_market"


async def test_accounts_hear_only_of_their_own_orders(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.show(quote("9.99", "10.00"))
        await service.create("c1", terms(10))
        await service.create("o1", terms(20), OTHER_ACCOUNT)
        assert fills(await service.listener.until_reports(2, OTHER_ACCOUNT)) == [("o1", D(20), D("10.00"))]
        assert fills(await service.listener.until_reports(2)) == [("c1", D(10), D("10.00"))]


async def test_an_account_added_later_connects_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path, accounts=[ACCOUNT]) as service:
        assert not service.broker.is_connected("late")
        assert isinstance(await service.create("c0", terms(10), "late"), Unknown)
        service.broker.add_account("late")
        service.broker.add_account("late")
        await service.listener.until(lambda: ("connected", "late") in service.listener.events)
        await service.create("c1", terms(10), "late")
        await service.listener.until_reports(1, "late")
        assert service.listener.events.count(("connected", "late")) == 1
        assert submits(service.path) == ["c1"]


async def test_the_market_moves_by_itself(tmp_path: Path) -> None:
    market = SyntheticMarket(7, NOON_NS)
    async with serving(tmp_path, feeds=[market]) as service:
        await service.create("c1", terms(12))
        for _ in range(200):
            if sum(quantity for _, quantity, _ in fills(service.listener.of())) == 12:
                break
            service.clock.advance(0.25)
            service.broker.turn()
            await asyncio.sleep(0.001)
        assert sum(quantity for _, quantity, _ in fills(service.listener.of())) == 12


async def test_the_drive_shows_prices_without_being_pushed(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.create("c1", terms(10))
        service.feed.push(AAPL, quote("9.99", "10.00"))
        assert fills(await service.listener.until_reports(2)) == [("c1", D(10), D("10.00"))]


async def test_day_orders_end_with_the_day(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.create("day", terms(10, "1.00"))
        await service.create("gtc", terms(10, "1.00", GTC))
        service.clock.set_ns(NOON_NS + DAY_NS)
        service.broker.turn()
        reports = await service.listener.until_reports(3)
        assert (reports[-1].kind, reports[-1].broker_command_id, reports[-1].reason_code) == (
            K.CANCELLED,
            "day",
            "expired",
        )


# --- once only ------------------------------------------------------------------------------------------------------


async def test_a_command_sent_again_is_logged_and_makes_no_second_order(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        first = await service.create("c1", terms(10, "1.00"))
        assert await service.create("c1", terms(10, "1.00")) == first
        assert submits(service.path) == ["c1", "c1"]
        assert rows(service.path, "SELECT count(*) FROM orders") == [(1,)]


async def test_two_of_the_same_command_at_once_make_one_order(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.show(quote("9.99", "10.00"))
        answers = await asyncio.gather(*(service.create("c1", terms(10)) for _ in range(8)))
        assert set(answers) == {Acknowledged("bbbbbbbb0000-1")}
        assert rows(service.path, "SELECT count(*), sum(quantity) FROM executions") == [(1, 10.0)]
        assert submits(service.path) == ["c1"] * 8


async def test_a_command_about_an_order_long_closed_and_forgotten_is_answered_from_the_book(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.show(quote("9.99", "10.00"))
        first = await service.create("c1", terms(10))
        await service.cancel("lost", "never-came")
        await service.create("c2", terms(10))
        await service.book.writer.drained()
        image = service.book.image
        assert "c1" not in image.commands
        assert "lost" not in image.commands
        assert not image.orders
        assert await service.create("c1", terms(10)) == first
        assert await service.cancel("lost", "never-came") == Acknowledged(None)
        await service.cancel("x1", "c1")
        reports = await service.listener.until_reports(6)
        assert (reports[-1].kind, reports[-1].reason_code, reports[-1].raw_status) == (
            K.REQUEST_REFUSED,
            "too_late",
            "filled",
        )
        by_our_id = submission("x2", ActionType.CANCEL, external_order_id="bbbbbbbb0000-1")
        await service.submit(by_our_id)
        assert (await service.listener.until_reports(7))[-1].reason_code == "too_late"


async def test_memory_holds_only_what_is_open(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.create("open", terms(10, "1.00"))
        for number in range(50):
            service.show(quote("9.99", "10.00"))
            await service.create(f"c{number}", terms(10))
        await service.book.writer.drained()
        image = service.book.image
        assert len(image.orders) <= 2
        assert len(image.commands) <= 2
        assert "open" in image.commands


# --- find and snapshot ----------------------------------------------------------------------------------------------


async def test_find_tells_all_about_the_order_of_a_command_and_no_cursor(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.show(quote("9.99", "10.00", ask_size=30))
        await service.create("c1", terms(100, "10.00"))
        await service.cancel("x1", "c1")
        for sent in (submission("c1"), submission("x1", ActionType.CANCEL, original="c1")):
            found = await service.broker.find(sent, DEADLINE_S)
            assert isinstance(found, Found)
            assert kinds(found.reports) == [K.ACCEPTED, K.TRADE, K.PENDING_CANCEL, K.CANCELLED]
            assert {report.cursor for report in found.reports} == {""}


async def test_find_knows_a_refused_create_and_a_request_about_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.create("c1", terms("0.5"))
        await service.cancel("x1", "never-came")
        for name, kind, code in (
            ("c1", K.REJECTED, "invalid_quantity_increment"),
            ("x1", K.REQUEST_REFUSED, "unknown_order"),
        ):
            found = await service.broker.find(submission(name), DEADLINE_S)
            assert isinstance(found, Found)
            assert [(report.kind, report.reason_code) for report in found.reports] == [(kind, code)]


async def test_what_never_came_or_is_another_accounts_is_not_found(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.create("c1", terms(10, "1.00"))
        assert await service.broker.find(submission("c2"), DEADLINE_S) == NotFound()
        assert await service.broker.find(submission("c1", account_id=OTHER_ACCOUNT), DEADLINE_S) == NotFound()


async def test_a_snapshot_has_the_open_orders_the_positions_and_the_reports_after_the_cursor(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.show(quote("9.99", "10.00", ask_size=130))
        await service.create("c1", terms(100))
        await service.create("c2", terms(50, "10.00"))
        await service.submit(submission("flat", asked=terms(5), instrument=EURUSD))
        service.show(quote("1.1", "1.2"), EURUSD)
        await service.submit(submission("flat2", asked=terms(5), side=SELL, instrument=EURUSD))
        snapshot = await service.broker.snapshot(ACCOUNT, "", DEADLINE_S)
        assert snapshot.orders == (
            OrderClaim(
                broker_command_id="c2",
                external_order_id="bbbbbbbb0000-2",
                key=(AssetClass.EQUITY, "AAPL"),
                is_open=True,
                quantity=D(50),
                limit_price=D("10.00"),
                cumulative_quantity=D(30),
            ),
        )
        assert snapshot.positions == (PositionClaim((AssetClass.EQUITY, "AAPL"), D(130)),)
        assert list(snapshot.reports) == await service.listener.until_reports(8)
        later = await service.broker.snapshot(ACCOUNT, snapshot.reports[2].cursor, DEADLINE_S)
        assert later.reports == snapshot.reports[3:]
        assert later.cursor == snapshot.cursor == snapshot.reports[-1].cursor
        assert (await service.broker.snapshot(ACCOUNT, snapshot.cursor, DEADLINE_S)).reports == ()


@pytest.mark.parametrize("cursor", ["another-book:1", "1", "nonsense", "bbbbbbbb-0000-4000-8000-000000000001:99"])
async def test_a_cursor_of_another_book_counts_as_the_beginning(tmp_path: Path, cursor: str) -> None:
    async with serving(tmp_path) as service:
        await service.create("c1", terms(10, "1.00"))
        assert len((await service.broker.snapshot(ACCOUNT, cursor, DEADLINE_S)).reports) == 1


# --- lines that break -----------------------------------------------------------------------------------------------


async def test_while_disconnected_nothing_is_sent_or_answered(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.broker.disconnect("cable cut")
        assert not service.broker.is_connected(ACCOUNT)
        assert isinstance(await service.create("c1", terms(10)), Unknown)
        assert isinstance(await service.broker.find(submission("c1"), DEADLINE_S), Unavailable)
        with pytest.raises(DropcopyError) as caught:
            await service.broker.snapshot(ACCOUNT, "", DEADLINE_S)
        assert caught.value.code is Code.NOT_READY
        assert submits(service.path) == []
        await service.listener.until(lambda: ("disconnected: cable cut", ACCOUNT) in service.listener.events)


async def test_one_account_may_break_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.broker.disconnect("cable cut", ACCOUNT)
        assert service.broker.is_connected(OTHER_ACCOUNT)
        assert isinstance(await service.create("o1", terms(10), OTHER_ACCOUNT), Acknowledged)


async def test_the_exchange_goes_on_without_the_line_and_nothing_is_missing_afterwards(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.create("c1", terms(100, "10.00"))
        await service.listener.until_reports(1)
        service.broker.disconnect("cable cut")
        service.show(quote("9.99", "10.00", ask_size=40))
        await service.book.writer.drained()
        assert len(service.listener.of()) == 1
        service.broker.reconnect()
        service.show(quote("9.99", "10.00", ask_size=60))
        reports = await service.listener.until_reports(3)
        assert [report.cursor.rpartition(":")[2] for report in reports] == ["1", "2", "3"]
        connections = [event for event, account in service.listener.events if account == ACCOUNT]
        assert connections == ["connected", "ACCEPTED", "disconnected: cable cut", "connected", "TRADE", "TRADE"]


async def test_a_line_that_breaks_and_comes_back_at_once_is_told_both(tmp_path: Path) -> None:
    async with serving(tmp_path, accounts=[ACCOUNT]) as service:
        service.listener.gate.clear()
        await service.create("c1", terms(100, "10.00"))
        await service.create("c2", terms(100, "10.00"))
        service.broker.disconnect("first")
        service.broker.reconnect()
        assert not service.broker.is_connected(ACCOUNT)
        service.listener.gate.set()
        await service.listener.until(lambda: len(service.listener.events) >= 5)
        assert [event for event, _ in service.listener.events] == [
            "connected",
            "ACCEPTED",
            "disconnected: first",
            "connected",
            "ACCEPTED",
        ]
        assert service.broker.is_connected(ACCOUNT)


async def test_nothing_is_handed_over_a_line_that_broke_even_if_it_was_ready(tmp_path: Path) -> None:
    class Cutting(Listener):
        async def on_report(self, account_id: str, report: BrokerReport) -> None:
            assert isinstance(report, OrderReport)
            await super().on_report(account_id, report)
            if report.broker_command_id == "c1":
                service.broker.disconnect("in the middle")
                service.broker.reconnect()

    async with serving(tmp_path, accounts=[ACCOUNT], listener=Cutting()) as service:
        service.listener.gate.clear()
        for number in range(4):
            await service.create(f"c{number}", terms(1, "1.00"))
        service.listener.gate.set()
        await service.listener.until_reports(4)
        events = [event for event, _ in service.listener.events]
        assert (
            events
            == ["connected", "ACCEPTED", "ACCEPTED", "disconnected: in the middle", "connected"] + ["ACCEPTED"] * 2
        )
        assert [report.broker_command_id for report in service.listener.of()] == ["c0", "c1", "c2", "c3"]


async def test_an_answer_that_comes_back_over_a_broken_line_is_unknown(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        sent = asyncio.ensure_future(service.create("c1", terms(100, "10.00")))
        await asyncio.sleep(0)
        service.broker.disconnect("cable cut")
        assert await sent == Unknown("cable cut")
        assert submits(service.path) == ["c1"]


async def test_a_slow_listener_loses_nothing_and_costs_bounded_memory(tmp_path: Path) -> None:
    async with serving(tmp_path, accounts=[ACCOUNT]) as service:
        service.listener.gate.clear()
        count = RING_REPORTS // 2 + 100
        answers = await asyncio.gather(*(service.create(f"c{number}", terms(1, "1.00")) for number in range(count)))
        assert all(isinstance(answer, Acknowledged) for answer in answers)
        await asyncio.gather(*(service.cancel(f"x{number}", f"c{number}") for number in range(count)))
        service.listener.gate.set()
        reports = await service.listener.until_reports(3 * count)
        assert [int(report.cursor.rpartition(":")[2]) for report in reports] == list(range(1, 3 * count + 1))


async def test_commands_sent_together_arrive_in_their_order(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        sent = [service.create("c1", terms(1, "1.00")), service.cancel("x1", "c1"), service.create("c2", terms(1))]
        await asyncio.gather(*sent)
        assert submits(service.path) == ["c1", "x1", "c2"]
        assert kinds(await service.listener.until_reports(4)) == [
            K.ACCEPTED,
            K.PENDING_CANCEL,
            K.CANCELLED,
            K.ACCEPTED,
        ]


# --- commands that get lost -----------------------------------------------------------------------------------------


async def test_a_command_lost_on_the_way_never_arrives(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.broker.fail_next_submit(FailureMode.LOST_BEFORE)
        assert isinstance(await service.create("c1", terms(10)), Unknown)
        assert await service.broker.find(submission("c1"), DEADLINE_S) == NotFound()
        assert submits(service.path) == []
        assert isinstance(await service.create("c2", terms(10)), Acknowledged)


async def test_an_answer_lost_on_the_way_back_leaves_the_order_alive(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.broker.fail_next_submit(FailureMode.LOST_AFTER)
        assert isinstance(await service.create("c1", terms(10)), Unknown)
        assert isinstance(await service.broker.find(submission("c1"), DEADLINE_S), Found)
        assert submits(service.path) == ["c1"]
        assert kinds(await service.listener.until_reports(1)) == [K.ACCEPTED]


async def test_a_delayed_command_arrives_after_the_caller_has_given_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.broker.fail_next_submit(FailureMode.DELAY, delay_s=0.2)
        assert isinstance(await service.broker.submit(submission("c1"), 0.01), Unknown)
        assert await service.broker.find(submission("c1"), DEADLINE_S) == NotFound()
        assert kinds(await service.listener.until_reports(1)) == [K.ACCEPTED]
        assert isinstance(await service.broker.find(submission("c1"), DEADLINE_S), Found)


async def test_a_short_delay_is_only_slow(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.broker.fail_next_submit(FailureMode.DELAY, delay_s=0.01)
        assert isinstance(await service.create("c1", terms(10)), Acknowledged)


async def test_the_failpoint_after_the_commit_strikes_before_the_answer(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    strike = Strike("paper.submit.committed", lambda: seen.append(submits(tmp_path / "paper.db")))
    async with serving(tmp_path, failpoints=strike) as service:
        await service.create("c1", terms(10))
        await service.listener.until_reports(1)
        await service.listener.until(lambda: "paper.report.emitted" in strike.seen)
    assert seen == [["c1"]]


# --- the book fails -------------------------------------------------------------------------------------------------


async def _break(service: Service) -> None:
    """Another connection holds the file's write lock for longer than the writer waits."""
    with closing(sqlite3.connect(service.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = await service.create("c1", terms(10))
        other.execute("ROLLBACK")
    assert isinstance(answer, Unknown)
    assert "could not be written" in answer.cause


async def test_a_book_that_cannot_be_written_ends_the_broker(tmp_path: Path) -> None:
    with pytest.RaisesGroup(StoreError):
        async with serving(tmp_path, busy_timeout_s=0.05) as service:
            await _break(service)
            assert not service.broker.is_connected(ACCOUNT)
            assert isinstance(await service.create("c2", terms(10)), Unknown)
            await asyncio.sleep(DEADLINE_S)
    assert submits(tmp_path / "paper.db") == []
    assert rows(tmp_path / "paper.db", "SELECT count(*) FROM reports") == [(0,)]
    assert service.listener.of() == []
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        (last,) = [event for event, account in service.listener.events if account == account_id][1:]
        assert last.startswith("disconnected: the paper broker's book could not be written")


async def test_a_listener_that_is_behind_is_told_as_well_when_the_book_fails(tmp_path: Path) -> None:
    with pytest.RaisesGroup(StoreError):
        async with serving(tmp_path, accounts=[ACCOUNT], busy_timeout_s=0.05) as service:
            service.listener.gate.clear()
            await service.create("c0", terms(10))
            await _break(service)
            await asyncio.sleep(DEADLINE_S)
    assert [event.partition(":")[0] for event, _ in service.listener.events] == ["connected", "disconnected"]


def bust_plan() -> Plan:
    """Everything is busted, four days later at the latest."""
    parameters = Parameters(bust_chance=D(1), mishap_delay_ms=D(4 * 86_400_000))
    return Plan(profile=Profile.DISPLAYED, seed=1, cash=None, parameters=parameters)


async def test_what_was_executed_or_amended_since_the_last_list_is_in_the_next_however_old(tmp_path: Path) -> None:
    """Without a place to go on from there are those of today and yesterday."""
    async with serving(tmp_path, plans={ACCOUNT: bust_plan()}) as service:
        service.show(quote("9.99", "10.00", ask_size=1000))
        for name in ("first", "second"):
            await service.create(name, terms(10))
        began = (await service.broker.snapshot(ACCOUNT, "", DEADLINE_S)).cursor

        async def listed(after: str) -> list[tuple[ReportKind, str]]:
            snapshot = await service.broker.snapshot(ACCOUNT, "", DEADLINE_S, after)
            return [(one.kind, one.broker_command_id) for one in snapshot.executions]

        both = [(K.TRADE, "first"), (K.TRADE, "second")]
        assert [await listed(after) for after in ("", began)] == [both, both]
        for _ in range(6):
            service.clock.advance(86_400)
            service.broker.turn()
        for number in (1, 2):
            await service.submit(
                submission(f"end{number}", ActionType.CANCEL, original=("first", "second")[number - 1])
            )
        await service.listener.until_reports(10)
        busts = [report for report in service.listener.of(ACCOUNT) if report.kind is K.BUST]
        assert await listed("") == []
        assert sorted(await listed(began)) == sorted([*both, *((K.BUST, one.broker_command_id) for one in busts)])
        assert await listed(busts[0].cursor) == [
            (K.TRADE, busts[1].broker_command_id),
            (K.BUST, busts[1].broker_command_id),
        ]
        assert await listed(busts[1].cursor) == []
        assert await listed("another-book:9") == await listed(began), "the place is not known: everything"
        assert await listed_by(service, OTHER_ACCOUNT) == ()


async def listed_by(service: Service, account_id: str) -> tuple[OrderReport, ...]:
    return (await service.broker.snapshot(account_id, "", DEADLINE_S, "another-book:1")).executions
