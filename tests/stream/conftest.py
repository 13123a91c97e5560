"""One running program for a whole module of stream tests; every test makes a tenant of its own on it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.stream.site import Site, Tenant
from tests.support.daemon import Daemon

IMPATIENT = {
    "DROPCOPYD_LIMITS__HEARTBEAT_S": "0.3",
    "DROPCOPYD_LIMITS__RETENTION_S": "4",
    "DROPCOPYD_LIMITS__STALL_S": "2",
}
"""What takes minutes or an hour takes seconds here."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with Daemon(tmp_path_factory.mktemp("site") / "data", **IMPATIENT) as daemon:
        site = Site(daemon)
        yield site
        await site.http.aclose()


@pytest.fixture
def tenant(site: Site) -> Tenant:
    return site.tenant()
