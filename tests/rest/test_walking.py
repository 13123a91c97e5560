"""The small version of `make record-campaign`."""

from pathlib import Path

from tests.rest.gateway import Gateway
from tests.rest.walking import campaign, check_chain


async def test_lists_under_writes_and_states_of_the_past(tmp_path: Path) -> None:
    await campaign(tmp_path, orders=20, rounds=1, points=120, rate=1_000, limit=60, batches_max=4_000)


async def test_a_timeline_while_its_order_is_filled(gateway: Gateway) -> None:
    await check_chain(gateway, 30)
