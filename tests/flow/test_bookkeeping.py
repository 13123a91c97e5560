"""Balances, adjustments, late executions and the roll of the day, over a real store: what memory lost is loaded."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from dropcopyd.domain.adjustment import AdjustmentKind
from dropcopyd.domain.day import latest_roll, next_roll_ns
from dropcopyd.domain.event import Batch, EventType
from dropcopyd.domain.fold import STEPS_MAX, Execution
from dropcopyd.domain.instrument import Instrument, key_of
from dropcopyd.domain.money import render
from dropcopyd.domain.order import OrderSide
from dropcopyd.domain.position import Position
from dropcopyd.domain.posting import PositionDraft
from dropcopyd.domain.report import AdjustmentReport, BalanceReport
from dropcopyd.domain.state import AccountState
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.bookkeeping import DayRoller
from dropcopyd.flow.ownership import Actor
from dropcopyd.store.admin import Admin
from tests.domain.build import AAPL, SECOND_NS, START_NS, account, trade
from tests.domain.ledger import DAY_NS
from tests.flow.trading import ONE, Gateway, said_since, trading
from tests.histories.ledger import LedgerModel
from tests.store.build import make_folder

K = AdjustmentKind
NEW_YORK = "America/New_York"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path, accounts=2)
    return tmp_path


@pytest.fixture
async def gateway(folder: Path) -> AsyncIterator[Gateway]:
    async with trading(folder) as running:
        await running.connect()
        yield running


async def drained(actor: Actor) -> None:
    await asyncio.wait_for(actor._is_drained.wait(), 20)


async def take(actor: Actor, ref: str, signed: str, price: str, at_ns: int | None) -> None:
    """An execution straight into the position of AAPL."""

    def decision(state: AccountState, now_ns: int) -> Batch:
        draft = PositionDraft(state, max(now_ns, state.last_ns))
        draft.take(AAPL, ref, Execution(Decimal(signed), Decimal(price)), at_ns)
        return batch_of(draft, state, now_ns)

    await actor.decide_soon(decision)


async def amend(actor: Actor, ref: str, signed: str, price: str) -> None:
    def decision(state: AccountState, now_ns: int) -> Batch:
        draft = PositionDraft(state, max(now_ns, state.last_ns))
        draft.amend(AAPL, ref, Execution(Decimal(signed), Decimal(price)), None)
        return batch_of(draft, state, now_ns)

    await actor.decide_soon(decision)


def batch_of(draft: PositionDraft, state: AccountState, now_ns: int) -> Batch:
    account_id = state.account.account_id
    return Batch(account_id=account_id, at_ns=now_ns, positions=draft.positions, postings=draft.postings)


async def stored(gateway: Gateway, instrument: Instrument = AAPL) -> Position:
    await drained(await gateway.actor())
    position = await gateway.store.find_position(ONE, key_of(instrument))
    assert position is not None
    return position


def figures(position: Position) -> tuple[str, str, str]:
    return render(position.quantity), render(position.cost), render(position.realized_pnl)


@pytest.mark.parametrize("seed", range(2))
async def test_what_left_memory_is_loaded_and_folded_to_the_same(folder: Path, seed: int) -> None:
    """Some hundred executions, often late, with busts and corrections of any of them, memory emptied now and then,
    the gateway started anew twice: the figures of the model after every step."""
    chance = random.Random(seed)
    model, known = LedgerModel(), 0
    for _ in range(3):
        async with trading(folder) as gateway:
            actor = await gateway.actor()
            for _ in range(90):
                verb = chance.choices(["new", "late", "amend", "forget"], [8, 2, 2, 1])[0]
                signed, price = str(chance.choice([-3, -2, -1, 1, 2, 3])), str(chance.randint(1, 999) / 8)
                if verb == "forget":
                    await drained(actor)
                    actor.state.forget_positions()
                elif verb == "amend" and known:
                    ref = f"e{chance.randint(1, known)}"
                    signed = str(int(Fraction(signed)) * chance.choice([0, 1]))
                    model.amend(ref, Fraction(signed), Fraction(price))
                    await amend(actor, ref, signed, price)
                else:
                    known += 1
                    at = START_NS + known * 10 - (chance.randint(0, 3000) if verb == "late" else 0)
                    model.add(f"e{known}", at, signed=Fraction(signed), price=Fraction(price))
                    await take(actor, f"e{known}", signed, price, at)
                if key_of(AAPL) in actor.state.positions:
                    check(actor.state.positions[key_of(AAPL)], model)
            check(await stored(gateway), model)
            assert len(actor.state.folds.get(key_of(AAPL)).steps) <= 2 * STEPS_MAX  # type: ignore[union-attr]


def check(position: Position, model: LedgerModel) -> None:
    expected = model.figures()
    assert Fraction(position.quantity) == expected.quantity
    assert Fraction(position.cost) == expected.cost
    assert Fraction(position.realized_pnl) == expected.realized


async def test_a_change_that_nobody_has_is_refused_and_costs_nothing(gateway: Gateway) -> None:
    actor = await gateway.actor()
    await take(actor, "e1", "5", "10", START_NS)
    with pytest.raises(DropcopyError) as refused:
        await amend(actor, "e2", "1", "1")
    assert refused.value.code is Code.INTERNAL
    assert figures(await stored(gateway)) == ("5", "50", "0")


async def test_a_late_fill_over_the_wire_republishes_the_position(gateway: Gateway) -> None:
    command = await gateway.create(quantity="200")
    sale = await gateway.create(quantity="100", order_side=OrderSide.SELL)
    for one, report in (
        (command, trade("e1", "100", "10", broker_sent_at_ns=START_NS + 1)),
        (sale, trade("e2", "100", "12", broker_sent_at_ns=START_NS + 3)),
        (command, trade("e3", "100", "11", broker_sent_at_ns=START_NS + 2)),
    ):
        await gateway.report(replace(report, broker_command_id=one.broker_command_id))
    assert figures(await stored(gateway)) == ("100", "1050", "150")
    kinds = [event.kind for event in gateway.journal[ONE]]
    assert kinds.count(EventType.BROKER_POSITION) == 3


async def test_an_adjustment_counts_once_also_after_a_restart(folder: Path) -> None:
    opening = AdjustmentReport(
        adjustment_id="a1", kind=K.OPENING, key=key_of(AAPL), quantity_delta=Decimal(10), cost_delta=Decimal(900)
    )
    for _ in range(2):
        async with trading(folder) as gateway:
            await gateway.ingest.on_report(ONE, opening)
            await gateway.ingest.on_report(ONE, opening)
            assert figures(await stored(gateway)) == ("10", "900", "0")
    async with trading(folder) as gateway:
        await gateway.ingest.on_report(ONE, replace(opening, cost_delta=Decimal(901)))
        assert figures(await stored(gateway)) == ("10", "900", "0")
        assert not gateway.journal[ONE]


async def test_an_adjustment_of_an_instrument_that_nobody_knows_is_no_event(gateway: Gateway) -> None:
    unknown = AdjustmentReport(
        adjustment_id="a1", kind=K.OPENING, key=(AAPL.asset_class, "NOSUCH"), quantity_delta=Decimal(1), cursor="7"
    )
    before = len(gateway.journal[ONE])
    await gateway.ingest.on_report(ONE, unknown)
    actor = await gateway.actor()
    await drained(actor)
    assert len(gateway.journal[ONE]) == before
    assert actor.state.report_cursor == "7"


async def test_balances_are_published_when_they_change_and_are_state(gateway: Gateway) -> None:
    said = BalanceReport(currency="USD", cash=Decimal(100), equity=Decimal("100.5"))
    for report in (said, said, replace(said, cash=Decimal(99)), BalanceReport(currency="EUR", cash=Decimal(1))):
        await gateway.ingest.on_report(ONE, report)
    await drained(await gateway.actor())
    kinds = [event.kind for event in gateway.journal[ONE]]
    assert kinds.count(EventType.ACCOUNT_BALANCE) == 3
    state = await gateway.store.read_state(ONE, 0)
    assert [(one.currency, one.cash, one.buying_power) for one in state.balances] == [
        ("EUR", Decimal(1), None),
        ("USD", Decimal(99), None),
    ]


async def test_a_snapshot_brings_adjustments_and_balances(gateway: Gateway) -> None:
    await gateway.disconnect()
    snapshot = said_since(cursor="9")
    opening = AdjustmentReport(adjustment_id="a1", kind=K.OPENING, key=key_of(AAPL), quantity_delta=Decimal(10))
    balance = BalanceReport(currency="USD", cash=Decimal(5))
    gateway.broker.snapshots.append(replace(snapshot, reports=(opening,), balances=(balance,)))
    await gateway.connect()
    assert figures(await stored(gateway))[0] == "10"
    assert [one.cash for one in (await gateway.store.read_state(ONE, 0)).balances] == [Decimal(5)]


# --- the day ---------------------------------------------------------------------------------------------------------


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND_NS


@pytest.mark.parametrize(
    ("zone", "roll_time", "now", "began", "next_one", "day"),
    [
        ("UTC", "00:00", "2026-11-25T00:00:00", "2026-11-25T00:00:00", "2026-11-26T00:00:00", "2026-11-25"),
        ("UTC", "17:30", "2026-11-25T10:00:00", "2026-11-24T17:30:00", "2026-11-25T17:30:00", "2026-11-24"),
        (
            NEW_YORK,
            "17:00",
            "2026-11-25T22:00:00",
            "2026-11-25T22:00:00",
            "2026-11-26T22:00:00",
            "2026-11-25",
        ),
        # Clocks go forward at 2:00 on 8 March 2026 in New York: 2:30 is left out, and comes an hour later.
        (
            NEW_YORK,
            "02:30",
            "2026-03-08T12:00:00",
            "2026-03-08T07:30:00",
            "2026-03-09T06:30:00",
            "2026-03-08",
        ),
        # They go back at 2:00 on 1 November: 1:30 is there twice, and the first of them counts.
        (
            NEW_YORK,
            "01:30",
            "2026-11-01T06:00:00",
            "2026-11-01T05:30:00",
            "2026-11-02T06:30:00",
            "2026-11-01",
        ),
        ("Asia/Kathmandu", "00:00", "2026-11-25T18:14:59", "2026-11-24T18:15:00", "2026-11-25T18:15:00", "2026-11-25"),
    ],
)
def test_a_day_begins_once_per_local_date(
    zone: str, roll_time: str, now: str, began: str, next_one: str, day: str
) -> None:
    one = replace(account(), time_zone=zone, roll_time=roll_time)
    roll = latest_roll(one, at(now))
    assert (roll.day, roll.at_ns) == (day, at(began))
    assert next_roll_ns(one, at(now)) == at(next_one)


async def test_the_day_rolls_when_it_is_due_and_once_after_a_stop(folder: Path) -> None:
    """Wednesday, 11:06:40 UTC: the account's first roll is at midnight; of three missed ones the last counts."""
    async with trading(folder) as gateway:
        roller = DayRoller(gateway.store, gateway.actors, gateway.clock)
        actor = await gateway.actor()
        await take(actor, "e1", "10", "100", START_NS)
        assert await roller.turn() > 0
        assert actor.state.roll.at_ns == 0
        gateway.clock.set_ns(at("2026-11-19T00:00:01"))
        await roller.turn()
        await roller.turn()
        assert actor.state.roll.at_ns == at("2026-11-19T00:00:00")
        kinds = [event.kind for event in gateway.journal[ONE]]
        assert kinds == [EventType.ADJUSTMENT, EventType.BROKER_POSITION]
    async with trading(folder) as gateway:
        gateway.clock.set_ns(at("2026-11-22T15:00:00"))
        roller = DayRoller(gateway.store, gateway.actors, gateway.clock)
        await roller.turn()
        actor = await gateway.actor()
        assert actor.state.roll.at_ns == at("2026-11-22T00:00:00")
        assert len(gateway.journal[ONE]) == 2
        assert (await stored(gateway)).day_quantity == 10


async def test_the_marks_of_a_roll_survive_a_restart(folder: Path) -> None:
    async with trading(folder) as gateway:
        actor = await gateway.actor()
        actor.state.marks = lambda _instrument: Decimal(105)
        await take(actor, "e1", "10", "100", START_NS)
        gateway.clock.set_ns(START_NS + DAY_NS)
        await DayRoller(gateway.store, gateway.actors, gateway.clock).turn()
    async with trading(folder) as gateway:
        actor = await gateway.actor()
        actor.state.marks = lambda _instrument: Decimal(106)
        await take(actor, "late", "-4", "103", START_NS + 1)
        position = await stored(gateway)
        assert figures(position) == ("6", "600", "12")
        assert position.daily_pnl == Decimal(6)


def test_the_operator_says_when_the_day_begins(folder: Path) -> None:
    admin = Admin(folder, START_NS)
    try:
        admin.set_day(ONE, NEW_YORK, None)
        admin.set_day(ONE, None, "17:00")
        for wrong in (("Mars/Olympus", None), (None, "24:00"), (None, "5:00"), ("../etc", None)):
            with pytest.raises(DropcopyError) as refused:
                admin.set_day(ONE, *wrong)
            assert refused.value.code is Code.INVALID_ARGUMENT
        with pytest.raises(DropcopyError):
            admin.set_day("nobody", "UTC", None)
    finally:
        admin.close()

    async def run() -> None:
        async with trading(folder) as gateway:
            found = await gateway.store.find_account(ONE)
            assert found is not None
            assert (found.time_zone, found.roll_time) == (NEW_YORK, "17:00")

    asyncio.run(run())
