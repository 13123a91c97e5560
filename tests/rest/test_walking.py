"""The small version of `make record-campaign`."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dropcopyd.domain.account import BrokerKind
from dropcopyd.store.admin import Admin
from dropcopyd.system import RandomIds
from tests.rest.gateway import Gateway
from tests.rest.test_pages import fill
from tests.rest.walking import campaign, check_chain


async def test_lists_under_writes_and_states_of_the_past(tmp_path: Path) -> None:
    await campaign(tmp_path, orders=20, rounds=1, points=120, rate=1_000, limit=60, batches_max=4_000)


async def test_a_timeline_while_its_order_is_filled(gateway: Gateway) -> None:
    await check_chain(gateway, 30)


async def pages(gateway: Gateway, path: str, member: str, **query: Any) -> list[Any]:
    """Every record of a list of the organization."""
    found: list[Any] = []
    while True:
        answer = await gateway.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        found += [record[member] for record in answer.json()["data"]]
        if answer.json()["next_cursor"] is None:
            return found
        query["next_cursor"] = answer.json()["next_cursor"]


@asynccontextmanager
async def meanwhile(write: Callable[[int], Awaitable[object]]) -> AsyncIterator[None]:
    """Writes, one after another, for as long as the block runs."""
    is_over = False

    async def run() -> int:
        for number in itertools.count():
            if is_over and number > 5:
                return number
            await write(number)
        return 0

    task = asyncio.get_running_loop().create_task(run())
    try:
        yield
    finally:
        is_over = True
        assert await task > 5


@pytest.mark.parametrize("sort", ["asc", "desc"])
async def test_accounts_and_keys_while_some_are_added(gateway: Gateway, tmp_path: Path, sort: str) -> None:
    """They have no time: new ones come between others, and are found or not; those that were there are, once each."""
    admin, ids = Admin(tmp_path, 1), RandomIds()
    organization_id = gateway.tenants.organization_id

    numbers = itertools.count()

    async def add(_: int) -> None:
        number = next(numbers)
        name = f"{number * 7919 % 1000:03} {number}"
        admin.add_account(ids.uuid(), organization_id, name, BrokerKind.PAPER)
        answer = await gateway.client.post("/v1/keys", json={"name": name, "scopes": ["records:read"]})
        assert answer.status_code == 201, answer.text

    for number in range(20):
        await add(number)
    for path, member, query in (("/v1/accounts", "name", {"order": sort}), ("/v1/keys", "key_id", {})):
        before = await pages(gateway, path, member, **query)
        async with meanwhile(add):
            found = await pages(gateway, path, member, limit=3, **query)
        after = await pages(gateway, path, member, **query)
        assert found == [one for one in after if one in set(found)], "in order, none twice"
        assert set(before) <= set(found)
    admin.close()


async def test_the_audit_log_and_an_explanation_while_they_grow(gateway: Gateway) -> None:
    intent_id = await gateway.create(spec={"Market": {"quantity": "1000"}})

    async def write(number: int) -> None:
        await gateway.report(intent_id, fill(f"m{next(names)}"))
        switch = {"manually_disabled": True, "manual_reason": f"{number}"}
        answer = await gateway.client.put(f"/v1/controls/accounts/{gateway.tenants.account_id}", json=switch)
        assert answer.status_code == 200, answer.text

    names = itertools.count()
    for number in range(12):
        await write(number)
    async with meanwhile(write):
        logged = await pages(gateway, "/v1/audit", "number", limit=3)
        told = {
            sort: await pages(gateway, f"{gateway.account}/positions/AAPL/explanation", "exec_id", limit=4, order=sort)
            for sort in ("desc", "asc")
        }
    after = await pages(gateway, "/v1/audit", "number")
    assert logged == after[after.index(logged[0]) :]
    executions = [f"m{number}" for number in range(next(names))]
    assert told["asc"] == executions[: len(told["asc"])]
    assert told["desc"] == executions[len(told["desc"]) - 1 :: -1]
    assert min(map(len, told.values())) >= 12
