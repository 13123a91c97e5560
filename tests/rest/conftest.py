"""A gateway per test, on a folder of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rest.gateway import Gateway, Tenants, opened, populate


@pytest.fixture
def tenants(tmp_path: Path) -> Tenants:
    """The folder `tmp_path` with organizations, accounts, keys and instruments."""
    return populate(tmp_path)


@pytest.fixture
async def gateway(tmp_path: Path, tenants: Tenants) -> AsyncIterator[Gateway]:
    """A running REST port on that folder."""
    async with opened(tmp_path, tenants) as running:
        yield running
