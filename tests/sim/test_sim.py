"""Random orders of all types over a month of bars, under `realistic` and chaos, on a simulated clock."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from dropcopyd.brokers.chaos import MILD, Chaos
from dropcopyd.brokers.paper import Plan, parse_plan
from dropcopyd.domain.event import EventType
from dropcopyd.ports import Committed
from dropcopyd.simulation import VirtualLoop, run_simulated
from tests.sim.check import Summary, check
from tests.sim.world import MONTH_S, world
from tests.support.spec import spec_file

DAY_S = 86_400
MISHAPS = ("bust_chance=0.1", "correction_chance=0.1", "late_fill_chance=0.5", "mishap_delay_ms=5000")


def mishaps(seed: int, words: tuple[str, ...] = MISHAPS) -> Plan:
    """What goes wrong at the broker itself."""
    return parse_plan("realistic", seed=seed, parameters=words)


def run(
    folder: Path,
    data: Path | None,
    orders: int,
    seed: int,
    chaos: Chaos = MILD,
    span_s: float = MONTH_S,
    plan: Plan | None = None,
) -> tuple[Summary, list[Committed]]:
    """One run, checked."""

    async def live(loop: VirtualLoop) -> tuple[Summary, list[Committed]]:
        async with world(loop, folder, data, seed, chaos, plan) as here:
            await here.trade(orders, span_s)
            await here.heal()
            return check(here, folder), here.journal

    return run_simulated(live)


@pytest.mark.spec
@pytest.mark.parametrize("seed", [1, 2])
def test_days_of_random_orders_hold_every_invariant(tmp_path: Path, seed: int) -> None:
    data = spec_file("data/GOOG_daily.csv").parent
    summary, _ = run(tmp_path, data, 250, seed, span_s=5 * DAY_S, plan=mishaps(seed))
    assert summary.busted > 3


@pytest.mark.parametrize(("seed", "orders"), [(10, 120), (16, 120), (40, 150)])
def test_mishaps_of_which_chaos_drops_one_report_in_five_hold_every_invariant(
    tmp_path: Path, seed: int, orders: int
) -> None:
    """Fills, busts, corrections, and what they do to orders that are over: all is found again in what is listed."""
    chaos = replace(MILD, drops=Decimal("0.2"))
    often = ("bust_chance=0.3", "correction_chance=0.4", "late_fill_chance=0.5", "mishap_delay_ms=5000")
    summary, _ = run(tmp_path, None, orders, seed, chaos, 2 * DAY_S, mishaps(seed, often))
    assert summary.busted > 20
    assert summary.mended["BUST"] > 3
    assert summary.mended["CORRECTION"] > 3


def test_busts_corrections_and_late_fills_of_the_broker_hold_every_invariant(tmp_path: Path) -> None:
    summary, _ = run(tmp_path, None, 100, 3, Chaos(), 2 * DAY_S, mishaps(3))
    assert summary.busted > 3
    assert summary.events[EventType.TRADE_AMENDMENT] > summary.busted + 3, "corrections, too"


def test_the_same_seed_gives_the_same_journal_to_the_byte(tmp_path: Path) -> None:
    """Two days, nights included: what happens in them decides how long they take, not the clock."""
    runs = []
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        (tmp_path / name).mkdir()
        summary, journal = run(tmp_path / name, None, 80, seed, span_s=2 * DAY_S)
        runs.append([event.payload for event in journal])
        assert summary.events[EventType.BROKER_TRADE] > 20
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
