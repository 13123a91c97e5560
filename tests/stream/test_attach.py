"""Replayed state, filters, retention: one test for each sentence of the contract."""

import asyncio
from typing import Any

import pytest

from dropcopy import proto as pb
from tests.stream.site import BALANCE, ORDER, POSITION, PRIMED, STATUS, TRADE, Tenant, words
from tests.support.streams import ALL_KINDS, StreamClient, has

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def replay(tenant: Tenant, kinds: tuple[int, ...], primed: int, **fields: Any) -> StreamClient:
    """A stream's events up to its last Primed."""
    async with tenant.stream() as client:
        client.subscribe(tenant.accounts[0], kinds, **fields)
        await client.until(has("primed", primed))
        return client


async def test_positions_are_always_replayed_and_orders_only_primed(tenant: Tenant) -> None:
    await tenant.fill(symbol="AAPL")
    await tenant.fill(symbol="MSFT", side="SELL")
    client = await replay(tenant, (POSITION, ORDER), 1)
    held = {position.symbol: position.quantity for position in client.of("broker_position")}
    assert held == {"AAPL": "1", "MSFT": "-1"}, "the current level of each"
    assert not client.of("broker_order")
    client = await replay(tenant, (POSITION, ORDER), 2, order_delivery=PRIMED)
    assert len(client.of("broker_order")) == 2, "one message per order"


async def test_account_status_and_balances_are_always_replayed(tenant: Tenant) -> None:
    client = await replay(tenant, (STATUS, BALANCE), 2)
    (status,) = client.of("account_status")
    assert status.connection in pb.AccountConnection.values()
    assert [primed.event_type for primed in client.of("primed")] == [STATUS, BALANCE]


async def test_what_has_no_state_has_no_replay(tenant: Tenant) -> None:
    await tenant.fill()
    without = tuple(kind for kind in ALL_KINDS if kind not in (STATUS, BALANCE, POSITION, ORDER))
    async with tenant.stream() as client:
        client.subscribe(tenant.accounts[0], without)
        await client.until(has("status"))
        beats = len(client.of("heartbeat"))
        await client.until(has("heartbeat", beats + 2))
        assert words(client) == ["status"]


async def test_replayed_state_carries_no_sequence(tenant: Tenant) -> None:
    await tenant.fill()
    client = await replay(tenant, ALL_KINDS, 4, order_delivery=PRIMED)
    assert not client.journal
    assert all(event.kind_sequence == 0 and event.chain == 0 for event in client.events)


async def test_all_state_is_read_at_one_head(tenant: Tenant) -> None:
    """While orders are filled: the replay is the state at its as_of."""
    account_id = tenant.accounts[0]
    for _ in range(8):
        await tenant.create()
    async with tenant.stream() as client:
        client.subscribe(account_id, ALL_KINDS, order_delivery=PRIMED)
        await client.until(has("primed", 4))
        (as_of,) = {primed.as_of for primed in client.of("primed")}
        assert as_of == client.of("status")[0].head
        replayed = [event for event in client.events if event.HasField("broker_order") and not event.sequence]
    before = [event for event in tenant.site.journal(account_id, 0, "BROKER_ORDER") if event.sequence <= as_of]
    last = {event.broker_order.order_id: event.broker_order.order_status for event in before}
    assert {event.broker_order.order_id: event.broker_order.order_status for event in replayed} == last


async def test_an_organizations_replay_has_as_of_0(tenant: Tenant) -> None:
    async with tenant.stream() as client:
        client.subscribe("", ALL_KINDS, order_delivery=PRIMED)
        await client.until(has("primed", 4))
        assert {(primed.as_of, primed.trading_account_id) for primed in client.of("primed")} == {(0, "")}
        assert client.of("status")[0].head == 0


async def test_closed_orders_and_flat_positions_leave_the_replay_after_the_retention(tenant: Tenant) -> None:
    await tenant.fill(symbol="MSFT")
    working = await tenant.rest_order(symbol="GOOG")
    await tenant.fill(symbol="AAPL")
    await tenant.fill(symbol="AAPL", side="SELL")
    client = await replay(tenant, (POSITION, ORDER), 2, order_delivery=PRIMED)
    held = {position.symbol: position.quantity for position in client.of("broker_position")}
    assert held["AAPL"] == "0", "flat, and still there"
    async with asyncio.timeout(30):
        while len(client.of("broker_order")) > 1 or len(client.of("broker_position")) > 1:
            await asyncio.sleep(0.3)
            client = await replay(tenant, (POSITION, ORDER), 2, order_delivery=PRIMED)
    assert [order.intent_id for order in client.of("broker_order")] == [working], "a working order stays"
    assert [position.symbol for position in client.of("broker_position")] == ["MSFT"], "what is held stays"
    journal = tenant.site.journal(tenant.accounts[0])
    assert [event.sequence for event in journal] == list(range(1, len(journal) + 1)), "the journal keeps everything"


async def test_an_instrument_narrows_orders_and_positions_and_not_trades(tenant: Tenant) -> None:
    async with tenant.stream() as client:
        client.subscribe(tenant.accounts[0], (ORDER, POSITION, TRADE), instrument_key="MSFT")
        await client.until(has("status"))
        await tenant.fill(symbol="AAPL")
        await tenant.fill(symbol="MSFT")
        await client.until(has("broker_trade", 2))
        await client.until(has("broker_position"))
        assert {trade.symbol for trade in client.of("broker_trade")} == {"AAPL", "MSFT"}
        assert {order.symbol for order in client.of("broker_order")} == {"MSFT"}
        assert {position.symbol for position in client.of("broker_position")} == {"MSFT"}


@pytest.mark.parametrize(
    ("key", "asset_class", "is_heard"),
    [
        ("AAPL", "", True),
        ("AAPL", "equity", True),
        ("AAPL", "unspecified", True),
        ("AAPL", "crypto", False),
        ("aapl", "", False),
        ("AAP", "", False),
        ("AAPL ", "", False),
        ("", "crypto", True),
    ],
)
async def test_the_key_is_the_symbol_byte_for_byte(tenant: Tenant, key: str, asset_class: str, is_heard: bool) -> None:
    """And a class alone narrows nothing."""
    async with tenant.stream() as client:
        client.subscribe(tenant.accounts[0], (ORDER, TRADE), instrument_key=key, instrument_class=asset_class)
        await client.until(has("status"))
        await tenant.fill(symbol="AAPL")
        head = tenant.site.head(tenant.accounts[0])
        await client.until(lambda _: any(h.sequence == head for beat in client.of("heartbeat") for h in beat.heads))
        assert client.of("broker_trade")
        assert bool(client.of("broker_order")) is is_heard


@pytest.mark.parametrize("asset_class", ["bonds", "Equity", "EQUITY", " equity"])
async def test_another_class_is_an_error(tenant: Tenant, asset_class: str) -> None:
    async with tenant.stream() as client:
        client.subscribe(tenant.accounts[0], (ORDER,), instrument_key="AAPL", instrument_class=asset_class)
        await client.until(has("error"))
        assert client.of("error")[0].code == "invalid_instrument_class"


async def test_organization_wide_the_instrument_is_ignored(tenant: Tenant) -> None:
    async with tenant.stream() as client:
        client.subscribe("", (ORDER,), instrument_key="MSFT", instrument_class="equity")
        await client.until(has("status"))
        await tenant.fill(symbol="AAPL")
        await client.until(has("broker_order"))


async def test_filters_and_kinds_change_neither_as_of_nor_the_cursor(tenant: Tenant) -> None:
    await tenant.fill(symbol="AAPL")
    head = tenant.site.head(tenant.accounts[0])
    async with tenant.stream() as client:
        client.subscribe(tenant.accounts[0], (POSITION,), instrument_key="GOOG")
        await client.until(has("primed"))
        assert client.of("primed")[0].as_of == head
        await tenant.fill(symbol="AAPL")
        head = tenant.site.head(tenant.accounts[0])
        await client.until(lambda _: any(h.sequence == head for beat in client.of("heartbeat") for h in beat.heads))
        assert not client.journal


async def test_before_a_further_subscribe_is_confirmed_the_scopes_in_force_are_delivered_up_to_its_head(
    tenant: Tenant,
) -> None:
    account_id = tenant.accounts[0]
    async with tenant.stream() as client:
        client.subscribe(account_id, (ORDER,))
        await client.until(has("status"))
        first_head = client.of("status")[0].head
        for _ in range(5):
            await tenant.create()
        client.subscribe(account_id, (TRADE,))
        await client.until(has("status", 2))
        confirmed = [index for index, event in enumerate(client.events) if event.HasField("status")][1]
        as_of = client.events[confirmed].status.head
        got = [event for event in client.events[:confirmed] if event.sequence]
    due = [event for event in tenant.site.journal(account_id, first_head, "BROKER_ORDER") if event.sequence <= as_of]
    assert got == due
    assert due, "the orders' events came before the second subscribe"


async def test_no_event_between_replay_and_live_is_lost_and_none_comes_before_its_state(tenant: Tenant) -> None:
    """Streams that open at any moment of a busy time: each has exactly the journal after its as_of."""
    account_id, is_over = tenant.accounts[0], asyncio.Event()

    async def follow() -> StreamClient:
        async with tenant.stream() as client:
            client.subscribe(account_id, ALL_KINDS, order_delivery=PRIMED)
            await client.until(has("primed", 4))
            await is_over.wait()
            head = tenant.site.head(account_id)
            as_of = client.of("primed")[0].as_of  # all of it, where the stream opened when all was over
            await client.until(
                lambda _: max(as_of, *(event.sequence for event in client.journal[-1:]), 0) >= head,
                f"event {head} after {as_of}",
            )
            return client

    followers, intents = [], []
    for _ in range(12):
        followers.append(asyncio.ensure_future(follow()))
        intents.append(await tenant.create())
    for intent_id in intents:
        await tenant.settled(intent_id, "FILLED")
    is_over.set()
    clients = await asyncio.gather(*followers)
    journal = tenant.site.journal(account_id)
    for client in clients:
        as_of = client.of("primed")[0].as_of
        assert client.journal == [event for event in journal if as_of < event.sequence]
        places = [bool(event.sequence) for event in client.events if event.WhichOneof("event") != "heartbeat"]
        assert places == sorted(places), "state first, then events"
    assert len({client.of("primed")[0].as_of for client in clients}) > 1, "they opened at different moments"
