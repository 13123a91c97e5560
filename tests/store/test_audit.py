"""`dropcopyd verify`: silent over a journal that the product wrote, and not over one that somebody touched."""

import asyncio
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from dropcopyd.domain import machine
from dropcopyd.domain.adjustment import AdjustmentKind
from dropcopyd.domain.instrument import key_of
from dropcopyd.domain.report import CORPORATE_ACTION_REASON, AdjustmentReport, BalanceReport, ReportKind
from dropcopyd.errors import DropcopyError, StoreError
from dropcopyd.store.audit import audit
from dropcopyd.store.migrate import DATABASE_NAME
from tests.domain.build import AAPL, START_NS, bust, report, trade
from tests.store.build import Desk, account_id, lives, make_folder, opened

DAY_NS = 86_400 * 1_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path)

    async def run() -> None:
        async with opened(tmp_path) as store:
            desks = Desk(1), Desk(2)
            for batch in (*lives(desks[0], 6), *lives(desks[1], 4), *extras(desks[0])):
                await asyncio.wait_for(store.commit(batch), 20)

    asyncio.run(run())
    return tmp_path


def extras(desk: Desk) -> list:  # type: ignore[type-arg]
    """Adjustments, a roll with a mark, a balance, and a fill of before all of them."""
    play, first = desk.play, len(desk.play.batches)
    state = play.state
    state.marks = lambda _instrument: Decimal(101)
    split = AdjustmentReport(
        adjustment_id="s1",
        kind=AdjustmentKind.SPLIT,
        key=key_of(AAPL),
        quantity_delta=Decimal(3),
        broker_sent_at_ns=START_NS + 10,
    )
    play.take(machine.take_adjustment(state, split, AAPL, play.now_ns))
    fee = AdjustmentReport(adjustment_id="f1", kind=AdjustmentKind.FEE, cash_delta=Decimal(-1))
    play.take(machine.take_adjustment(state, fee, None, play.now_ns))
    play.take(machine.roll_day(state, START_NS + DAY_NS, "2026-11-19", play.now_ns))
    play.take(machine.take_balance(state, BalanceReport(currency="USD", cash=Decimal(7)), play.now_ns))
    desk.create("late")
    play.report(trade("late", "2", "99", "clate.1", broker_sent_at_ns=START_NS + 5))
    split_order(desk)
    return play.batches[first:]


def split_order(desk: Desk) -> None:
    """4 of 10, two for one, 1 of before it, and the 4 are busted: 2 of 20."""
    desk.create("split")
    told = {"quantity": Decimal(20), "cumulative_quantity": Decimal(8), "reason_code": CORPORATE_ACTION_REASON}
    for said in (
        trade("g1", "4", "99", "csplit.1", broker_sent_at_ns=START_NS + 5),
        report(ReportKind.RESTATED, "csplit.1", broker_sent_at_ns=START_NS + 10, **told),
        trade("g2", "1", "99", "csplit.1", broker_sent_at_ns=START_NS + 6),
        bust("g3", "g1", "csplit.1"),
    ):
        desk.play.report(said)
    assert desk.play.order("split").filled_quantity == 2


def test_what_the_product_wrote_has_no_differences(folder: Path) -> None:
    found = audit(folder)
    assert found.differences == ()
    assert found.accounts == 2
    alone = audit(folder, account_id(1))
    assert (alone.accounts, alone.differences) == (1, ())
    assert 0 < alone.events < found.events


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("UPDATE positions SET cost = '1' WHERE symbol = 'AAPL' AND account = 1", "cost"),
        ("UPDATE positions SET realized_pnl = '77' WHERE symbol = 'AAPL' AND account = 1", "realized_pnl"),
        ("UPDATE positions SET daily_pnl = '5' WHERE symbol = 'AAPL' AND account = 1", "daily_pnl"),
        ("DELETE FROM positions WHERE symbol = 'AAPL' AND account = 1", "not in its table"),
        ("UPDATE orders SET filled_quantity = '9' WHERE order_id = 'o1-2'", "filled"),
        ("UPDATE orders SET splits = '[]' WHERE order_id = 'osplit'", "filled by the journal's executions"),
        ("UPDATE orders SET is_closed = 0, quantity = '1000' WHERE number = 1", "order_status"),
        ("DELETE FROM orders WHERE number = 1", "not in its table"),
        ("DELETE FROM trades WHERE number = 1", "rows in trades"),
        ("DELETE FROM adjustments WHERE adjustment_id = 'f1'", "rows in adjustments"),
        ("UPDATE balances SET cash = '8'", "cash"),
        ("UPDATE kind_heads SET head = head + 1 WHERE kind = 'BROKER_TRADE' AND account = 1", "by its count"),
    ],
)
def test_what_somebody_touched_is_told(folder: Path, statement: str, word: str) -> None:
    touch(folder, statement)
    differences = audit(folder).differences
    assert differences
    assert all(difference.startswith(f"account {account_id(1)}: ") for difference in differences)
    assert any(word in difference for difference in differences), differences


def test_a_broken_chain_ends_it(folder: Path) -> None:
    touch(folder, "UPDATE journal SET payload = CAST('tampered' AS BLOB) WHERE sequence = 3")
    with pytest.raises(StoreError) as broken:
        audit(folder)
    assert "broken at 3" in broken.value.message


def test_a_folder_without_a_journal_and_an_unknown_account_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DropcopyError):
        audit(tmp_path / "nothing")
    with pytest.raises(DropcopyError):
        audit(folder, "nobody")


def touch(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / DATABASE_NAME)
    with connection:
        assert connection.execute(statement).rowcount
    connection.close()
