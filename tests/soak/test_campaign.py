"""Each client's union of replay and live is the journal filtered by its scopes: no gap, no repeat, in order."""

import random
from pathlib import Path

import pytest

from tests.soak.campaign import campaign


@pytest.mark.timeout(180)  # twenty clients wait for each other's events on whatever machine this is
async def test_whatever_twenty_clients_do_each_hears_the_journal_filtered(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    counts = await campaign(tmp_path / "data", seed, steps=10)
    print(dict(counts))
    assert min(counts[word] for word in ("events", "state", "heartbeats", "LIVE", "RESUMED", "unsubscribed")) > 0
