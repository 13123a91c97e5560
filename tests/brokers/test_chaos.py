"""Chaos over the paper broker: each misbehaviour alone, and none of them changes the truth."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dropcopyd.brokers.chaos import MILD, Chaos, ChaosBroker, parse_chaos
from dropcopyd.brokers.paper import Book, ManualFeed, PaperBroker
from dropcopyd.domain.report import Acknowledged, Found, NotFound, OrderReport, ReportKind, Unknown
from dropcopyd.errors import DropcopyError
from tests.brokers.build import AAPL, ACCOUNT, NOON_NS, D, kinds, quote, submission, terms
from tests.brokers.service import DEADLINE_S, Listener
from tests.doubles import ManualClock, SequentialIds

K = ReportKind


@dataclass
class Line:
    broker: ChaosBroker
    paper: PaperBroker
    listener: Listener
    clock: ManualClock
    feed: ManualFeed

    def show(self, bid: str, ask: str) -> None:
        self.feed.push(AAPL, quote(bid, ask))
        self.paper.turn()

    async def create(self, command_id: str, quantity: int = 10, limit: str = "90") -> object:
        return await self.broker.submit(submission(command_id, asked=terms(quantity, limit)), DEADLINE_S)

    async def told(self) -> list[OrderReport]:
        """Everything told once nothing more comes at this time."""
        for _ in range(40):
            self.paper.turn()
            self.broker.turn()
            await asyncio.sleep(0.002)
        return self.listener.of(ACCOUNT)


@asynccontextmanager
async def line(folder: Path, **rates: str | int) -> AsyncIterator[Line]:
    chaos = Chaos(**{name: D(value) if name != "seed" else value for name, value in rates.items()})  # type: ignore[arg-type]
    clock, feed, listener = ManualClock(NOON_NS), ManualFeed([AAPL]), Listener()
    book = Book.open(folder / "paper.db", clock, SequentialIds("b"))
    paper = PaperBroker(book, [feed], clock, [ACCOUNT])
    broker = ChaosBroker(paper, chaos, clock)
    try:
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(broker.run(listener))
            await listener.until(lambda: ("connected", ACCOUNT) in listener.events)
            yield Line(broker, paper, listener, clock, feed)
            run.cancel()
    finally:
        await book.close()


async def test_without_rates_nothing_is_changed(tmp_path: Path) -> None:
    async with line(tmp_path) as here:
        assert isinstance(await here.create("A"), Acknowledged)
        here.show("89", "90")
        assert kinds(await here.told()) == [K.ACCEPTED, K.TRADE]


async def test_every_report_twice(tmp_path: Path) -> None:
    async with line(tmp_path, duplicates=1) as here:
        await here.create("A")
        here.show("89", "90")
        assert kinds(await here.told()) == [K.ACCEPTED, K.ACCEPTED, K.TRADE, K.TRADE]


async def test_what_is_dropped_is_in_the_list(tmp_path: Path) -> None:
    async with line(tmp_path, drops=1) as here:
        await here.create("A")
        here.show("89", "90")
        assert await here.told() == []
        snapshot = await here.broker.snapshot(ACCOUNT, "", DEADLINE_S)
        assert [(r.kind, r.last_quantity, r.last_price) for r in snapshot.executions] == [(K.TRADE, D(10), D(90))]


async def test_reports_are_told_out_of_order_and_none_is_lost(tmp_path: Path) -> None:
    async with line(tmp_path, reorders="0.5", seed=2) as here:
        for number in range(20):
            await here.create(f"C{number}")
        await here.told()
        here.clock.advance(2)
        told = [report.broker_command_id for report in await here.told()]
        assert sorted(told) == sorted(f"C{number}" for number in range(20))
        assert told != [f"C{number}" for number in range(20)]


async def test_a_phantom_is_busted_before_anything_else_is_told_of_its_order(tmp_path: Path) -> None:
    async with line(tmp_path, phantoms=1) as here:
        await here.create("A", 2000)
        here.show("89", "90")  # 1,000 of it
        await here.told()
        await here.broker.submit(submission("B", asked=terms(1, "80")), DEADLINE_S)
        told = await here.told()
        assert kinds(told) == [K.ACCEPTED, K.TRADE, K.TRADE, K.BUST, K.ACCEPTED]
        phantom, real, bust = told[1:4]
        assert bust.exec_ref_id == phantom.exec_id != real.exec_id
        assert real.last_quantity == 1000
        snapshot = await here.broker.snapshot(ACCOUNT, "", DEADLINE_S)
        assert [report.exec_id for report in snapshot.executions] == [real.exec_id]


async def test_a_phantom_without_a_sequel_is_busted_in_time(tmp_path: Path) -> None:
    async with line(tmp_path, phantoms=1) as here:
        await here.create("A", 2000)
        here.show("89", "90")
        await here.told()
        here.clock.advance(1)
        assert kinds(await here.told()) == [K.ACCEPTED, K.TRADE, K.TRADE, K.BUST]
        assert here.broker.is_quiet


async def test_a_lost_answer_and_a_lost_command_look_the_same(tmp_path: Path) -> None:
    async with line(tmp_path, lost_answers=1) as here:
        assert isinstance(await here.create("A"), Unknown)
        assert isinstance(await here.broker.find(submission("A"), DEADLINE_S), Found)
    async with line(tmp_path, lost_commands=1) as here:
        assert isinstance(await here.create("B"), Unknown)
        assert isinstance(await here.broker.find(submission("B"), DEADLINE_S), NotFound)


async def test_a_late_answer_waits_for_the_clock(tmp_path: Path) -> None:
    async with line(tmp_path, late_answers=1) as here, asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(here.create("A"))
        await here.told()
        assert not answer.done()
        here.clock.advance(2)
        await here.told()
        assert isinstance(await answer, Acknowledged)


async def test_a_line_that_is_cut_comes_back_and_lists_what_was_missed(tmp_path: Path) -> None:
    async with line(tmp_path, disconnects=1) as here:
        await here.create("A")
        await here.listener.until(lambda: ("disconnected: chaos: the line is down", ACCOUNT) in here.listener.events)
        assert not here.broker.is_connected(ACCOUNT)
        assert isinstance(await here.create("B"), Unknown)
        with pytest.raises(DropcopyError):
            await here.broker.snapshot(ACCOUNT, "", DEADLINE_S)
        here.show("89", "90")
        await here.told()
        assert kinds(here.listener.of(ACCOUNT)) == [K.ACCEPTED]
        here.clock.advance(2)
        await here.told()
        assert here.listener.events.count(("connected", ACCOUNT)) == 2
        snapshot = await here.broker.snapshot(ACCOUNT, here.listener.of(ACCOUNT)[0].cursor, DEADLINE_S)
        assert [r.kind for r in snapshot.reports if isinstance(r, OrderReport)] == [K.TRADE]


async def test_ids_are_used_again_and_every_telling_agrees(tmp_path: Path) -> None:
    """Two orders have the same execution id; orders are still found by their commands."""
    async with line(tmp_path, id_reuse=1) as here:
        first, second = await here.create("A"), await here.create("B")
        here.show("89", "90")
        told = [report for report in await here.told() if report.kind is K.TRADE]
        assert [report.exec_id for report in told] == ["again-0", "again-0"]
        assert isinstance(first, Acknowledged)
        assert told[0].external_order_id == first.external_order_id
        assert isinstance(second, Acknowledged)
        snapshot = await here.broker.snapshot(ACCOUNT, "", DEADLINE_S)
        assert [r.exec_id for r in snapshot.executions] == ["again-0", "again-0"]
        found = await here.broker.find(submission("A"), DEADLINE_S)
        assert isinstance(found, Found)
        assert [r.exec_id for r in found.reports if r.kind is K.TRADE] == ["again-0"]


async def test_an_amendment_names_its_execution_by_the_id_that_is_used_again(tmp_path: Path) -> None:
    """A fill, corrected twice, busted, and the next fill of the same order: each has an id of its own in the order."""
    async with line(tmp_path, id_reuse=1) as here:
        order = OrderReport(kind=K.TRADE, broker_command_id="A", external_order_id="p-7", exec_id="p-E9")
        said = [
            order,
            replace(order, kind=K.CORRECTION, exec_id="p-E9.1", exec_ref_id="p-E9"),
            replace(order, kind=K.CORRECTION, exec_id="p-E9.2", exec_ref_id="p-E9.1"),
            replace(order, kind=K.BUST, exec_id="p-E9.3", exec_ref_id="p-E9.2"),
            replace(order, exec_id="p-E10"),
        ]
        for report in said:
            await here.broker.on_report(ACCOUNT, report)
        told = here.listener.of(ACCOUNT)[-5:]
        assert [(one.exec_id, one.exec_ref_id) for one in told] == [
            ("again-2", None),
            ("again-2.1", "again-2"),
            ("again-2.2", "again-2.1"),
            ("again-2.3", "again-2.2"),
            ("again-3", None),
        ]


async def test_the_same_seed_does_the_same(tmp_path: Path) -> None:
    runs = []
    for number, seed in enumerate((5, 5, 6)):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with line(folder, seed=seed, duplicates="0.3", drops="0.3", reorders="0.2") as here:
            for order in range(30):
                await here.create(f"C{order}")
                await here.told()
            here.clock.advance(2)
            runs.append([report.broker_command_id for report in await here.told()])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_the_words_of_the_option() -> None:
    assert parse_chaos([]) is None
    assert parse_chaos(["mild"]) == MILD
    chaos = parse_chaos(["seed=7", "drops=0.5", "hold_s=3"])
    assert chaos is not None
    assert (chaos.seed, chaos.drops, chaos.hold_s, chaos.duplicates) == (7, D("0.5"), D(3), MILD.duplicates)
    for word in ("mayhem=1", "drops=2", "drops=x", "drops=-1"):
        with pytest.raises(ValueError):
            parse_chaos([word])
