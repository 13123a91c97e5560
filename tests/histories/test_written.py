"""What a history decided is what the store has of it: loaded again to the last field, and folded again by `verify`."""

from pathlib import Path
from random import Random

import pytest

from dropcopyd.store.admin import Admin
from dropcopyd.store.audit import audit
from tests.domain.build import START_NS
from tests.domain.classes import ALL
from tests.histories.history import History
from tests.store.build import account, account_id, make_folder, opened


@pytest.mark.parametrize("number", range(6))
async def test_a_history_comes_back_as_it_was_decided(tmp_path: Path, number: int) -> None:
    make_folder(tmp_path, accounts=1)
    admin = Admin(tmp_path, START_NS)
    admin.add_instruments(ALL)
    admin.close()
    history = History(Random(f"written/{number}"), 1_000, account(1))
    history.run(60)
    state = history.play.state
    async with opened(tmp_path) as store:
        for batch in history.play.batches:
            await store.room()
            await store.commit(batch)
        for order_id, chain in state.chains.items():
            assert await store.load_chain(account_id(1), order_id=order_id) == chain
        loaded = await store.load_account(account_id(1), 0)
        assert loaded.parked == state.parked
        assert loaded.roll.at_ns == state.roll.at_ns
        for key, position in loaded.positions.items():
            assert position == state.positions[key]
    assert audit(tmp_path).differences == ()
