"""Heartbeats: one test for each sentence of the contract."""

import pytest

from tests.stream.site import ORDER, POSITION, TRADE, Tenant
from tests.support.streams import has

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_initial_metadata_and_one_heartbeat_come_at_once(tenant: Tenant) -> None:
    async with tenant.stream() as client:
        await client.until(has("heartbeat"))
        assert client.events[0].WhichOneof("event") == "heartbeat"
        assert client.of("heartbeat")[0].HasField("sent_at")


async def test_heartbeats_go_on_without_a_subscription(tenant: Tenant) -> None:
    async with tenant.stream() as client:
        await client.until(has("heartbeat", 4))
        times = [beat.sent_at.ToNanoseconds() for beat in client.of("heartbeat")]
        assert times == sorted(set(times))
        assert all(not beat.heads and beat.delivered == 0 for beat in client.of("heartbeat"))


async def test_a_heartbeat_is_no_journal_event(tenant: Tenant) -> None:
    async with tenant.stream() as client:
        client.subscribe(tenant.accounts[0])
        await client.until(has("status"))
        await client.until(has("heartbeat", 2))
        assert all(event.sequence == 0 for event in client.events if event.HasField("heartbeat"))


async def test_a_named_accounts_head_is_in_every_heartbeat_with_cursor_and_chain(tenant: Tenant) -> None:
    account_id = tenant.accounts[0]
    async with tenant.stream() as client:
        client.subscribe(account_id, (TRADE,))
        await client.until(has("status"))
        await tenant.fill()
        await client.until(has("broker_trade"))
        head = tenant.site.head(account_id)
        (at,) = tenant.site.rows(
            "SELECT journal.hash FROM journal JOIN accounts ON account = number WHERE account_id = ? AND sequence = ?",
            account_id,
            head,
        )

        def is_level(_: object) -> bool:
            last = client.of("heartbeat")[-1]
            return bool(last.heads) and (last.heads[0].sequence, last.heads[0].head) == (head, head)

        await client.until(is_level, "a heartbeat at the head")
        last = client.of("heartbeat")[-1]
        assert last.delivered == len(client.journal) == 1, "one trade of all the events was of the subscribed kind"
        assert last.heads[0].chain == int.from_bytes(at[0][:8], "big")
        assert last.heads[0].epoch == client.of("status")[0].epoch
        count = len(client.of("heartbeat"))
        await client.until(has("heartbeat", count + 2))
        assert all(beat.heads for beat in client.of("heartbeat")[count:]), "named accounts always"


async def test_an_organizations_heads_come_all_at_first_and_then_those_that_moved(tenant: Tenant) -> None:
    tenant.add_account()
    async with tenant.stream() as client:
        client.subscribe("", (ORDER, POSITION))
        await client.until(has("status"))
        await client.until(lambda _: any(beat.heads for beat in client.of("heartbeat")))
        first = next(beat for beat in client.of("heartbeat") if beat.heads)
        assert {head.account_id for head in first.heads} == set(tenant.accounts)
        await client.until(lambda _: not client.of("heartbeat")[-1].heads, "a heartbeat in which nothing moved")
        count = len(client.of("heartbeat"))
        await tenant.fill(tenant.accounts[1])
        await client.until(lambda _: any(beat.heads for beat in client.of("heartbeat")[count:]))
        moved = {head.account_id for beat in client.of("heartbeat")[count:] for head in beat.heads}
        assert moved == {tenant.accounts[1]}
