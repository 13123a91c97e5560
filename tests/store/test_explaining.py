"""Explain every share: the chain is the fold's, change by change, and adding it up gives the position."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from dropcopyd.domain import machine
from dropcopyd.domain.adjustment import Adjustment, AdjustmentKind
from dropcopyd.domain.event import Batch, EventType
from dropcopyd.domain.fold import CHECKPOINT_STEPS, Execution
from dropcopyd.domain.instrument import key_of
from dropcopyd.domain.order import OrderSide
from dropcopyd.domain.report import AdjustmentReport, ReportKind
from dropcopyd.record import ExplainedChange, Explanation, Listing, Sort
from dropcopyd.store.sqlite import SqliteStore
from tests.domain.build import AAPL, START_NS, Play, bust, correction, limit_terms, report, trade
from tests.histories.ledger import LedgerModel, half_even
from tests.store.build import Announced, account, account_id, make_folder, opened

ONE = account_id(1)
KEY = key_of(AAPL)
K = AdjustmentKind
LATE_MAX = 30
"""A change comes at most so many changes late: no further than memory reaches."""


def history(seed: int, count: int) -> list[Batch]:
    """Two orders of the account's one instrument filled, amended, adjusted, rolled; much of it late."""
    chance, play = random.Random(seed), Play(account(1))
    for name, side in (("b", OrderSide.BUY), ("s", OrderSide.SELL)):
        facts = {"account_id": ONE, "organization_id": account(1).organization_id, "order_side": side}
        play.create(name, terms=limit_terms("100000"), **facts)
        play.report(report(ReportKind.ACCEPTED, f"c{name}.1", external_order_id=f"X{name}"))
    executions: list[tuple[str, str, str]] = []
    for number in range(count):
        sent_ns = START_NS + max(0, number - chance.randrange(LATE_MAX) * (chance.random() < 0.4)) * 1_000
        dice, name = chance.random(), chance.choice("bs")
        quantity, price = str(chance.randint(1, 40)), f"{chance.randint(50, 150)}.{chance.randint(0, 99):02}"
        if dice < 0.7 or not executions:
            told = trade(f"e{number}", quantity, price, f"c{name}.1", broker_sent_at_ns=sent_ns)
            play.report(told)
            executions.append((name, f"e{number}", quantity))
        elif dice < 0.8:
            name, exec_id, _ = executions[-1 - chance.randrange(min(len(executions), LATE_MAX // 2))]
            play.report(bust(f"b{number}", exec_id, f"c{name}.1"))
        elif dice < 0.87:
            name, exec_id, _ = executions[-1 - chance.randrange(min(len(executions), LATE_MAX // 2))]
            play.report(correction(f"k{number}", exec_id, quantity, price, f"c{name}.1"))
        elif dice < 0.97:
            kind = chance.choice([K.OPENING, K.TRANSFER, K.MANUAL, K.SPLIT, K.FUNDING])
            moved = None if kind is K.FUNDING else Decimal(chance.choice([-7, 3, 11]))
            said = AdjustmentReport(
                adjustment_id=f"a{number}",
                kind=kind,
                key=KEY,
                quantity_delta=moved,
                cost_delta=Decimal(chance.randint(1, 500)) if kind is K.OPENING else None,
                cash_delta=Decimal(chance.randint(-9, 9)) if kind in (K.FUNDING, K.SPLIT) else None,
                broker_sent_at_ns=sent_ns,
            )
            play.take(machine.take_adjustment(play.state, said, AAPL, play.now_ns))
        else:
            play.take(machine.roll_day(play.state, START_NS + number * 1_000, f"day {number}", play.now_ns))
    return play.batches


@asynccontextmanager
async def kept(folder: Path, batches: list[Batch]) -> AsyncIterator[tuple[SqliteStore, Announced]]:
    make_folder(folder)
    told = Announced()
    async with opened(folder, told) as store:
        for done in [store.commit(batch) for batch in batches]:
            await done
        yield store, told


async def explained(store: SqliteStore, limit: int, sort: Sort = Sort.ASC) -> list[Explanation]:
    """Every page."""
    pages: list[Explanation] = []
    mark = ""
    while True:
        page = await store.record.explanations.explain(ONE, KEY, Listing(limit=limit, sort=sort, mark=mark))
        assert page is not None
        pages.append(page)
        mark = page.mark
        if not mark:
            return pages


def added_up(changes: list[ExplainedChange]) -> None:
    """The chain added up by a model that shares no code with the product, after each change."""
    model = LedgerModel()
    for number, explained_change in enumerate(changes, start=1):
        effect, after = explained_change.change.effect, explained_change.after
        if isinstance(effect, Execution):
            model.add(f"{number}", number, signed=Fraction(effect.signed_quantity), price=Fraction(effect.price))
        else:
            model.add(
                f"{number}",
                number,
                kind=effect.kind.value,
                signed=Fraction(effect.quantity_delta),
                cost=None if effect.cost_delta is None else Fraction(effect.cost_delta),
                cash=Fraction(effect.cash_delta),
            )
        figures = model.figures()
        assert (Fraction(after.quantity), Fraction(after.cost), Fraction(after.realized_pnl)) == (
            figures.quantity,
            figures.cost,
            figures.realized,
        )
        average = half_even(figures.cost / abs(figures.quantity)) if figures.quantity else Fraction(0)
        assert Fraction(after.average_cost) == average


@pytest.mark.parametrize("seed", range(6))
async def test_the_chain_adds_up_to_the_position(tmp_path: Path, seed: int) -> None:
    async with kept(tmp_path, history(seed, 3 * CHECKPOINT_STEPS)) as (store, _):
        (page,) = await explained(store, 10_000)
        changes = list(page.items)
        assert len(changes) == page.position.change_count > 2 * CHECKPOINT_STEPS
        total = Decimal(0)
        for one in changes:
            effect = one.change.effect
            total += effect.signed_quantity if isinstance(effect, Execution) else effect.quantity_delta
            assert total == one.after.quantity
        held = await store.find_position(ONE, KEY)
        assert held is not None
        last = changes[-1].after
        assert (last.quantity, last.cost, last.realized_pnl) == (held.quantity, held.cost, held.realized_pnl)
        assert total == held.quantity == page.position.quantity
        added_up(changes)


@pytest.mark.parametrize("limit", [1, 7, 64, 100])
async def test_pages_are_the_whole_in_pieces_in_both_directions(tmp_path: Path, limit: int) -> None:
    async with kept(tmp_path, history(3, 130)) as (store, _):
        (whole,) = await explained(store, 10_000)
        for sort, expected in ((Sort.ASC, list(whole.items)), (Sort.DESC, list(whole.items)[::-1])):
            pages = await explained(store, limit, sort)
            assert all(len(page.items) == limit for page in pages[:-1])
            found = [one for page in pages for one in page.items]
            figures = [(one.change, one.after.quantity, one.after.cost, one.after.realized_pnl) for one in found]
            assert figures == [
                (one.change, one.after.quantity, one.after.cost, one.after.realized_pnl) for one in expected
            ]


async def test_each_change_names_its_event_in_the_journal(tmp_path: Path) -> None:
    """Every trade, amendment and adjustment of the instrument in the journal is in the chain, once."""
    async with kept(tmp_path, history(5, 130)) as (store, told):
        (page,) = await explained(store, 10_000)
        named = [(one.sequence, EventType.BROKER_TRADE if one.trade else EventType.ADJUSTMENT) for one in page.items]
        named += [(one.sequence, EventType.TRADE_AMENDMENT) for change in page.items for one in change.amendments]
        kinds = (EventType.BROKER_TRADE, EventType.ADJUSTMENT, EventType.TRADE_AMENDMENT)
        written = [(event.sequence, event.kind) for event in told.of(1) if event.kind in kinds and event.symbol]
        assert sorted(named, key=lambda one: one[0] or 0) == written
        for one in page.items:
            if one.trade is not None and one.amendments:
                last = one.amendments[-1].amendment
                effect = one.change.effect
                assert isinstance(effect, Execution)
                assert abs(effect.signed_quantity) == last.quantity_after
            elif not isinstance(one.change.effect, Adjustment):
                assert one.trade is not None


async def test_events_of_one_moment_are_told_apart(tmp_path: Path) -> None:
    """All within one nanosecond: by the execution's own id."""
    play = Play(account(1))
    facts = {"account_id": ONE, "organization_id": account(1).organization_id}
    play.create("b", terms=limit_terms("100"), **facts)
    for number in range(5):
        play.now_ns = START_NS
        play.report(trade(f"e{number}", "1", "100", "cb.1"))
    async with kept(tmp_path, play.batches) as (store, told):
        (page,) = await explained(store, 100)
        events = [event.sequence for event in told.of(1) if event.kind is EventType.BROKER_TRADE]
        assert [one.sequence for one in page.items] == events


async def test_a_position_that_never_was_is_not_explained(tmp_path: Path) -> None:
    async with kept(tmp_path, []) as (store, _):
        assert await store.record.explanations.explain(ONE, KEY, Listing(limit=10)) is None
        assert not await store.record.explanations.classes_of(ONE, "AAPL")
