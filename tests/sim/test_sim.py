"""Random orders of all types over a month of bars, under `realistic` and chaos, on a simulated clock."""

from pathlib import Path

import pytest

from dropcopyd.brokers.chaos import MILD, Chaos
from dropcopyd.ports import Committed
from tests.sim.check import Summary, check
from tests.sim.world import MONTH_S, simulate, world
from tests.support.spec import spec_file

pytestmark = pytest.mark.spec
DAY_S = 86_400


def run(
    folder: Path, data: Path, orders: int, seed: int, chaos: Chaos = MILD, span_s: float = MONTH_S
) -> tuple[Summary, list[Committed]]:
    """One run, checked."""

    async def live() -> tuple[Summary, list[Committed]]:
        async with world(folder, data, seed, chaos) as here:
            await here.trade(orders, span_s)
            await here.heal()
            return check(here, folder), here.journal

    result: tuple[Summary, list[Committed]] = simulate(live())
    return result


@pytest.mark.parametrize("seed", [1, 2])
def test_days_of_random_orders_hold_every_invariant(tmp_path: Path, seed: int) -> None:
    run(tmp_path, spec_file("data/GOOG_daily.csv").parent, 250, seed, span_s=5 * DAY_S)


def test_the_same_seed_gives_the_same_journal_to_the_byte(tmp_path: Path) -> None:
    data = spec_file("data/GOOG_daily.csv").parent
    runs = []
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        (tmp_path / name).mkdir()
        runs.append([event.payload for event in run(tmp_path / name, data, 80, seed, span_s=DAY_S)[1]])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
