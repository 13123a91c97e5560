"""The exchange's benchmark measures what it says: orders that fill do, orders that rest do."""

from pathlib import Path

import pytest

from bench.exchange import ACCOUNT, PLANS, Floor, decided, durable
from dropcopyd.brokers.paper.funding import wallet_of


@pytest.mark.parametrize("name", PLANS)
def test_orders_fill_and_rest(name: str) -> None:
    floor = Floor.of(PLANS[name], book=7)
    image = floor.exchange.image
    assert (len(image.orders), image.execution_count) == (7, 0)
    assert wallet_of(image, ACCOUNT).plan == PLANS[name]
    floor.take(floor.orders.filling())
    assert (len(image.orders), image.execution_count) == (7, 1)
    floor.quote()
    floor.take(floor.orders.resting())
    assert (len(image.orders), image.execution_count) == (8, 1)


async def test_every_case_is_measured(tmp_path: Path) -> None:
    plan = PLANS["displayed"]
    assert all(decided(plan, book=3, count=5)[what] > 0 for what in ("fills", "rests", "quotes"))
    assert all(figure > 0 for figure in (await durable(tmp_path, plan, count=20)).values())
