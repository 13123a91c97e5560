"""Subscriptions on one stream, and what follows each: one test for each sentence of the contract."""

import pytest

from dropcopy import proto as pb
from tests.stream.site import ACTION, ORDER, POSITION, PRIMED, STATUS, TRADE, Tenant, words
from tests.support.streams import ALL_KINDS, has

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_another_subscribe_of_the_same_scope_replaces_it_and_attaches_again(tenant: Tenant) -> None:
    account_id = tenant.accounts[0]
    await tenant.fill()
    async with tenant.stream() as client:
        client.subscribe(account_id, (ORDER, POSITION))
        await client.until(has("primed"))
        client.subscribe(account_id, (TRADE, POSITION))
        await client.until(has("primed", 2))
        assert len(client.of("broker_position")) == 2, "attached again: the position is replayed once more"
        await tenant.fill()
        await client.until(has("broker_trade"))
        await client.until(has("broker_position", 3))
        assert not client.of("broker_order"), "orders are no longer asked for"


async def test_a_refused_subscribe_leaves_the_old_one_in_force(tenant: Tenant) -> None:
    account_id = tenant.accounts[0]
    async with tenant.stream() as client:
        client.subscribe(account_id, (TRADE,))
        await client.until(has("status"))
        client.subscribe(account_id, ())
        await client.until(has("error"))
        await tenant.fill()
        await client.until(has("broker_trade"))


async def test_different_scopes_coexist(tenant: Tenant) -> None:
    second = tenant.add_account()
    async with tenant.stream() as client:
        client.subscribe(tenant.accounts[0], (ORDER,))
        client.subscribe(second, (TRADE,))
        await client.until(has("status", 2))
        await tenant.fill(second)
        await tenant.fill()
        await client.until(has("broker_trade"))
        await client.until(has("broker_order", 3))
        kinds = {(event.account_id, event.WhichOneof("event")) for event in client.journal}
        assert kinds == {(tenant.accounts[0], "broker_order"), (second, "broker_trade")}


async def test_a_named_scope_alone_delivers_the_kinds_it_names(tenant: Tenant) -> None:
    account_id = tenant.accounts[0]
    async with tenant.stream() as client:
        client.subscribe("", (ORDER, TRADE))
        client.subscribe(account_id, (ORDER,), instrument_key="MSFT")
        await client.until(has("status", 2))
        await tenant.fill(symbol="AAPL")
        await tenant.fill(symbol="MSFT")
        await client.until(has("broker_trade", 2))
        await client.until(lambda _: client.of("broker_order") and client.of("broker_order")[-1].filled_quantity == "1")
        assert {order.symbol for order in client.of("broker_order")} == {"MSFT"}, "the named scope's filter holds"
        sequences = [event.sequence for event in client.journal]
        assert sequences == sorted(set(sequences)), "nothing arrives twice"


async def test_an_organizations_replay_leaves_out_what_a_named_scope_delivers(tenant: Tenant) -> None:
    account_id = tenant.accounts[0]
    await tenant.fill()
    async with tenant.stream() as client:
        client.subscribe(account_id, (ORDER,), order_delivery=PRIMED)
        await client.until(has("primed"))
        client.subscribe("", (ORDER, POSITION), order_delivery=PRIMED)
        await client.until(has("primed", 3))
        assert len(client.of("broker_order")) == 1
        assert len(client.of("broker_position")) == 1


async def test_an_organization_wide_scope_includes_accounts_created_later(tenant: Tenant) -> None:
    async with tenant.stream() as client:
        client.subscribe("", ALL_KINDS)
        await client.until(has("status"))
        later = tenant.add_account()
        await tenant.fill(later)
        head = tenant.site.head(later)
        await client.until(lambda _: client.journal and client.journal[-1].sequence == head)
        assert client.journal == tenant.site.journal(later), "from its first event on"


async def test_order_holds_within_an_account(tenant: Tenant) -> None:
    second = tenant.add_account()
    async with tenant.stream() as client:
        client.subscribe("", ALL_KINDS)
        await client.until(has("status"))
        for number in range(6):
            await tenant.create(tenant.accounts[number % 2])
        await client.until(
            lambda _: sum(order.order_status == pb.ORDER_STATUS_FILLED for order in client.of("broker_order")) >= 6
        )
        for account_id in (tenant.accounts[0], second):
            sequences = [event.sequence for event in client.journal if event.account_id == account_id]
            assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))


async def test_each_subscribe_and_unsubscribe_is_confirmed_also_of_nothing(tenant: Tenant) -> None:
    account_id = tenant.accounts[0]
    async with tenant.stream() as client:
        client.unsubscribe(account_id)
        client.subscribe(account_id, (ORDER,))
        client.unsubscribe(account_id)
        client.unsubscribe("")
        await client.until(has("status", 4))
        assert [(s.message, s.trading_account_id) for s in client.of("status")] == [
            ("unsubscribed", account_id),
            ("subscribed", account_id),
            ("unsubscribed", account_id),
            ("unsubscribed", ""),
        ]
        assert client.of("status")[1].head == tenant.site.head(account_id)
        assert client.of("status")[1].epoch == tenant.site.epoch()


async def test_an_empty_unsubscribe_removes_the_organizations_scope_only(tenant: Tenant) -> None:
    async with tenant.stream() as client:
        client.subscribe("", (TRADE,))
        client.subscribe(tenant.accounts[0], (POSITION,))
        client.unsubscribe("")
        await client.until(has("status", 3))
        await tenant.fill()
        await client.until(has("broker_position"))
        await tenant.fill()
        await client.until(has("broker_position", 2))
        assert not client.of("broker_trade")


async def test_after_the_confirmation_come_status_balances_positions_orders_then_live(tenant: Tenant) -> None:
    await tenant.fill()
    working = await tenant.rest_order(symbol="MSFT")
    async with tenant.stream() as client:
        client.subscribe(tenant.accounts[0], ALL_KINDS, order_delivery=PRIMED)
        await client.until(has("primed", 4))
        await tenant.cancel(working)
        await client.until(lambda _: client.journal)
        live = next(index for index, event in enumerate(client.events) if event.sequence)
        replay = [event for event in client.events[:live] if event.WhichOneof("event") != "heartbeat"]
        sections: list[tuple[set[str], int]] = []
        seen: set[str] = set()
        for event in replay[1:]:
            if event.HasField("primed"):
                sections.append((seen, event.primed.event_type))
                seen = set()
            else:
                seen.add(str(event.WhichOneof("event")))
        assert replay[0].status.message == "subscribed"
        assert not seen, "nothing follows the last Primed"
        assert [kind for _, kind in sections] == [
            pb.EVENT_TYPE_ACCOUNT_STATUS,
            pb.EVENT_TYPE_ACCOUNT_BALANCE,
            pb.EVENT_TYPE_BROKER_POSITION,
            pb.EVENT_TYPE_BROKER_ORDER,
        ]
        expected = ({"account_status"}, {"account_balance"}, {"broker_position"}, {"broker_order"})
        assert all(found <= wanted for (found, _), wanted in zip(sections, expected, strict=True))
        assert all(sections[index][0] for index in (0, 2, 3))


async def test_only_what_is_asked_for_is_replayed_and_primed(tenant: Tenant) -> None:
    await tenant.fill()
    async with tenant.stream() as client:
        client.subscribe(tenant.accounts[0], (TRADE, POSITION, ACTION))
        await client.until(has("primed"))
        assert words(client) == ["status", "broker_position", "primed"]


async def test_unknown_and_zero_kinds_are_ignored_if_one_known_kind_remains(tenant: Tenant) -> None:
    async with tenant.stream() as client:
        client.subscribe(tenant.accounts[0], (0, 777, TRADE))
        await client.until(has("status"))
        await tenant.fill()
        await client.until(has("broker_trade"))
        assert not client.of("error")


async def test_unspecified_delivery_is_live(tenant: Tenant) -> None:
    await tenant.fill()
    for delivery, count in ((pb.ORDER_DELIVERY_UNSPECIFIED, 0), (pb.ORDER_DELIVERY_LIVE, 0), (PRIMED, 1)):
        async with tenant.stream() as client:
            client.subscribe(tenant.accounts[0], (ORDER, STATUS), order_delivery=delivery)
            await client.until(has("primed", 1 + count))
            count_of_beats = len(client.of("heartbeat"))
            await client.until(has("heartbeat", count_of_beats + 1))
            assert len(client.of("broker_order")) == count


async def test_a_subscription_of_one_account_says_nothing_of_another(tenant: Tenant) -> None:
    other = tenant.add_account()
    async with tenant.stream() as client:
        client.subscribe(tenant.accounts[0], ALL_KINDS)
        await client.until(has("status"))
        await tenant.fill(other)
        await tenant.fill()
        await client.until(has("broker_trade"))
        assert {event.account_id for event in client.journal} == {tenant.accounts[0]}
