"""Streams by examples: what an attach says and in which order, resume, filters, heartbeats, pressure and ends."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dropcopy import proto as pb
from dropcopyd.domain import machine
from dropcopyd.domain.account import BrokerKind
from dropcopyd.domain.event import EventType
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.report import BalanceReport
from dropcopyd.errors import Code, DropcopyError, InvalidError, NotFoundError, StoreError
from dropcopyd.store.admin import Admin
from dropcopyd.store.sqlite import SqliteStore
from tests.domain.build import AAPL, MSFT, START_NS
from tests.flow.streams import ALL, ORDERS, TRADES, Listening, Node, Publishing, cursor, running, subscribe
from tests.store.build import ORGANIZATIONS, Desk, account_id, make_folder

ONE, FOREIGN, TWO = account_id(1), account_id(2), account_id(3)
K = EventType


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path, accounts=3)
    return tmp_path


@pytest.fixture
async def rig(folder: Path) -> AsyncIterator[tuple[Node, Publishing]]:
    async with running(folder) as (node, published):
        yield node, published


@pytest.fixture
def node(rig: tuple[Node, Publishing]) -> Node:
    return rig[0]


@pytest.fixture
def published(rig: tuple[Node, Publishing]) -> Publishing:
    return rig[1]


@pytest.fixture
def desk() -> Desk:
    return Desk(1)


async def commit(node: Node, *batches: Any) -> None:
    await asyncio.wait_for(asyncio.gather(*(node.store.commit(batch) for batch in batches)), 20)


async def attached(node: Node, request: Any, organization: int = 0) -> Listening:
    listening = node.listen(organization)
    await asyncio.wait_for(listening.session.subscribe(request), 20)
    return await listening.drain()


# --- attach ---------------------------------------------------------------------------------------------------------


async def test_state_comes_between_the_confirmation_and_the_live_feed(node: Node, desk: Desk) -> None:
    await commit(node, *desk.life(AAPL, fills=2), *desk.life(MSFT, fills=0), desk.create_batch())
    one = await attached(node, subscribe(ONE, is_primed=True))
    assert one.words == [
        "subscribed",
        "state account_status",
        "primed account_status",
        "primed account_balance",
        "state broker_position",
        "primed broker_position",
        "state broker_order",
        "state broker_order",
        "state broker_order",
        "primed broker_order",
    ]
    head = (await node.store.read_state(ONE, 0)).head.sequence
    status = one.heard[0][1].status
    assert (status.code, status.trading_account_id, status.head) == ("subscribed", ONE, head)
    assert status.epoch == node.store.epoch
    assert [(r.account_id, r.outcome, r.head, r.oldest) for r in status.resumes] == [
        (ONE, pb.RESUME_OUTCOME_LIVE, head, 1)
    ]
    assert {event.primed.as_of for _, event in one.heard if event.WhichOneof("event") == "primed"} == {head}
    await commit(node, desk.create_batch())
    await one.hear(2)
    assert one.words[-2:] == [f"{head + 1} intent_action", f"{head + 2} broker_order"]


async def test_balances_are_replayed_as_they_are_at_the_head(node: Node, desk: Desk) -> None:
    for currency, cash in (("USD", "10"), ("EUR", "3"), ("USD", "7.5")):
        batch = desk.play.take(
            machine.take_balance(desk.play.state, BalanceReport(currency=currency, cash=Decimal(cash)), 0)
        )
        await commit(node, batch)
    one = await attached(node, subscribe(ONE, frozenset({K.ACCOUNT_BALANCE})))
    balances = [event.account_balance for _, event in one.heard if event.WhichOneof("event") == "account_balance"]
    assert {(balance.currency, balance.cash) for balance in balances} == {("USD", "7.5"), ("EUR", "3")}
    assert len(balances) == 2
    assert one.words[-1] == "primed account_balance"


async def test_live_delivery_replays_positions_but_no_orders(node: Node, desk: Desk) -> None:
    await commit(node, *desk.life(AAPL, fills=1))
    one = await attached(node, subscribe(ONE, frozenset({K.BROKER_ORDER, K.BROKER_POSITION, K.BROKER_TRADE})))
    assert one.words == ["subscribed", "state broker_position", "primed broker_position"]


async def test_kinds_without_state_have_no_replay(node: Node, desk: Desk) -> None:
    await commit(node, *desk.life(AAPL, fills=1))
    one = await attached(node, subscribe(ONE, TRADES | {K.INTENT_ACTION, K.COMMAND_OUTCOME}, is_primed=True))
    assert one.words == ["subscribed"]


async def test_an_organization_is_replayed_kind_by_kind_over_its_accounts(node: Node, desk: Desk) -> None:
    other, foreign = Desk(3), Desk(2)
    await commit(node, desk.create_batch(), *other.life(AAPL, fills=1), other.create_batch(), foreign.create_batch())
    one = await attached(node, subscribe("", frozenset({K.ACCOUNT_STATUS, K.BROKER_ORDER}), is_primed=True))
    assert one.words == [
        "subscribed",
        "state account_status",
        "state account_status",
        "primed account_status",
        "state broker_order",
        "state broker_order",
        "state broker_order",
        "primed broker_order",
    ]
    assert {e.primed.as_of for _, e in one.heard if e.WhichOneof("event") == "primed"} == {0}
    assert not one.heard[0][1].status.resumes
    await commit(node, foreign.create_batch(), desk.create_batch(), other.create_batch())
    await one.drain()
    assert {account for account, _, _ in one.events} == {ONE, TWO}


async def test_a_new_account_belongs_to_the_organization_from_its_first_event(node: Node, folder: Path) -> None:
    one = await attached(node, subscribe("", ORDERS))
    admin = Admin(folder, START_NS)
    admin.add_account(account_id(5), ORGANIZATIONS[0], "later", BrokerKind.PAPER)
    admin.close()
    await node.store.accounts()
    late = Desk(5)
    await commit(node, late.create_batch(), late.create_batch())
    await one.hear(2)
    assert [(account, sequence) for account, sequence, _ in one.events] == [(account_id(5), 2), (account_id(5), 4)]
    assert one.heads()[account_id(5)].sequence == 4


async def test_a_new_account_is_heard_while_another_one_is_being_attached(
    node: Node, published: Publishing, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attach of one account holds that account's events back, not those of an account that is new."""
    one = await attached(node, subscribe("", ORDERS))
    admin = Admin(folder, START_NS)
    admin.add_account(account_id(5), ORGANIZATIONS[0], "later", BrokerKind.PAPER)
    admin.close()
    await node.store.accounts()
    read_state = node.store.read_state

    async def slowly(*arguments: Any) -> Any:
        await commit(node, Desk(5).create_batch())
        return await read_state(*arguments)

    monkeypatch.setattr(node.store, "read_state", slowly)
    await asyncio.wait_for(one.session.subscribe(subscribe(ONE, TRADES)), 20)
    await one.hear(1)
    assert [account for account, _, _ in one.events] == [account_id(5)]


async def test_a_named_scope_alone_delivers_its_kinds(node: Node, desk: Desk) -> None:
    one = await attached(node, subscribe("", ORDERS | TRADES))
    await asyncio.wait_for(one.session.subscribe(subscribe(ONE, ORDERS, instrument_key="MSFT")), 20)
    await commit(node, *desk.life(AAPL, fills=1), *desk.life(MSFT, fills=1))
    await one.drain()
    heard = [event for _, event in one.heard if event.sequence]
    assert {event.broker_order.symbol for event in heard if event.WhichOneof("event") == "broker_order"} == {"MSFT"}
    trades = [event.broker_trade.symbol for event in heard if event.WhichOneof("event") == "broker_trade"]
    assert trades == ["AAPL", "MSFT"], "the organization's scope goes on delivering what the named one does not name"
    assert len({sequence for _, sequence, _ in one.events}) == len(one.events)


async def test_a_second_subscribe_replaces_the_first_and_attaches_again(
    node: Node, published: Publishing, desk: Desk
) -> None:
    one = await attached(node, subscribe(ONE, ORDERS))
    await commit(node, *desk.life(AAPL, fills=1))
    middle = published.head(ONE)
    await asyncio.wait_for(one.session.subscribe(subscribe(ONE, TRADES)), 20)
    await commit(node, *desk.life(AAPL, fills=1))
    await one.drain()
    wanted = published.of(ONE, ORDERS)
    assert one.events == [e for e in wanted if e[1] <= middle] + published.of(ONE, TRADES, after=middle)
    assert one.words.count("subscribed") == 2


# --- unsubscribe ----------------------------------------------------------------------------------------------------


async def test_unsubscribe_ends_the_events_and_is_confirmed_even_of_nothing(node: Node, desk: Desk) -> None:
    one = await attached(node, subscribe(ONE, ORDERS))
    await one.session.unsubscribe(ONE)
    await one.session.unsubscribe(ONE)
    await one.session.unsubscribe("")
    await commit(node, desk.create_batch())
    await one.drain()
    assert one.words == ["subscribed", "unsubscribed", "unsubscribed", "unsubscribed"]
    assert one.session.cursors() == []
    with pytest.raises(InvalidError):
        await one.session.unsubscribe("no uuid")


async def test_the_organizations_scope_and_a_named_one_end_apart(node: Node, published: Publishing, desk: Desk) -> None:
    one = await attached(node, subscribe("", TRADES))
    await asyncio.wait_for(one.session.subscribe(subscribe(ONE, ORDERS)), 20)
    await one.session.unsubscribe("")
    await commit(node, *desk.life(AAPL, fills=1), *Desk(3).life(AAPL, fills=1))
    await one.drain()
    assert one.events == published.of(ONE, ORDERS)
    await one.session.unsubscribe(ONE)
    await commit(node, desk.create_batch())
    await one.drain()
    assert one.events == published.of(ONE, ORDERS)[:-1]


# --- resume ---------------------------------------------------------------------------------------------------------


async def resumed(node: Node, place: Any, **facts: Any) -> Listening:
    return await attached(node, subscribe(ONE, facts.pop("kinds", ALL), resume=(place,), **facts))


def outcome(one: Listening) -> str:
    (answer,) = one.heard[0][1].status.resumes
    return pb.ResumeOutcome.Name(answer.outcome).removeprefix("RESUME_OUTCOME_")


@pytest.mark.parametrize("with_chain", [True, False])
@pytest.mark.parametrize("page", [1, 512])
async def test_a_good_cursor_gets_exactly_what_it_missed(folder: Path, with_chain: bool, page: int) -> None:
    async with running(folder, Limits(replay_page_events=page)) as (node, published):
        desk = Desk(1)
        await commit(node, *desk.life(AAPL, fills=2))
        chain = published.journal[ONE][4].chain if with_chain else 0
        one = await resumed(node, cursor(ONE, node.store.epoch, 5, chain), kinds=ORDERS | TRADES, is_primed=True)
        assert outcome(one) == "RESUMED"
        assert one.events == published.of(ONE, ORDERS | TRADES, after=5)
        assert not any(word.startswith(("primed", "state")) for word in one.words)
        await commit(node, desk.create_batch())
        await one.drain()
        assert one.events == published.of(ONE, ORDERS | TRADES, after=5)


async def test_a_cursor_at_the_head_is_resumed_with_nothing(node: Node, published: Publishing, desk: Desk) -> None:
    await commit(node, *desk.life(AAPL, fills=1))
    last = published.journal[ONE][-1]
    one = await resumed(node, cursor(ONE, node.store.epoch, last.sequence, last.chain))
    assert (outcome(one), one.words) == ("RESUMED", ["subscribed"])
    head = one.heads()[ONE]
    assert (head.sequence, head.head, head.chain) == (last.sequence, last.sequence, last.chain)


async def test_a_cursor_of_nothing_gets_the_whole_journal(node: Node, published: Publishing, desk: Desk) -> None:
    await commit(node, *desk.life(AAPL, fills=1))
    one = await resumed(node, cursor(ONE, node.store.epoch, 0))
    assert (outcome(one), one.events) == ("RESUMED", published.of(ONE))


@pytest.mark.parametrize(
    ("epoch", "sequence", "chain"),
    [
        ("another", 3, 0),
        ("", 3, 0),
        ("same", 3, 12345),
        ("same", 0, 1),
        ("same", 10_000, 0),
        ("same", 2**63 - 1, 0),
    ],
    ids=["other epoch", "no epoch", "other chain", "a chain of nothing", "beyond the head", "far beyond"],
)
async def test_a_cursor_that_cannot_be_honoured_is_reset(
    node: Node, published: Publishing, desk: Desk, epoch: str, sequence: int, chain: int
) -> None:
    await commit(node, *desk.life(AAPL, fills=1))
    place = cursor(ONE, node.store.epoch if epoch == "same" else epoch, sequence, chain)
    one = await resumed(node, place)
    assert outcome(one) == "RESET"
    assert one.words[-2:] == ["state broker_order", "primed broker_order"], "orders whatever the delivery"
    assert one.events == []
    await commit(node, desk.create_batch())
    await one.hear(2)
    assert one.events == published.of(ONE)[-2:]


@pytest.mark.parametrize(
    "places",
    [
        [(ONE, -1)],
        [(TWO, 1)],
        [(ONE, 1), (ONE, 1)],
        [(FOREIGN, 1)],
    ],
    ids=["negative", "another account", "two", "foreign"],
)
async def test_a_cursor_that_makes_no_sense_is_refused(node: Node, places: list[tuple[str, int]]) -> None:
    listening = node.listen()
    given = tuple(cursor(account, node.store.epoch, sequence) for account, sequence in places)
    with pytest.raises(InvalidError) as refusal:
        await listening.session.subscribe(subscribe(ONE, resume=given))
    assert refusal.value.code is Code.INVALID_CURSOR
    assert listening.heard == []


async def test_an_organization_resumes_some_accounts_and_replays_the_others(
    node: Node, published: Publishing, desk: Desk
) -> None:
    await commit(node, *desk.life(AAPL, fills=1), *Desk(3).life(MSFT, fills=1))
    place = cursor(ONE, node.store.epoch, 4)
    one = await attached(node, subscribe("", ORDERS | {K.BROKER_POSITION}, resume=(place,)))
    assert [(r.account_id, r.outcome) for r in one.heard[0][1].status.resumes] == [(ONE, pb.RESUME_OUTCOME_RESUMED)]
    assert one.events == published.of(ONE, ORDERS | {K.BROKER_POSITION}, after=4)
    states = [event for _, event in one.heard if event.WhichOneof("event") == "broker_position" and not event.sequence]
    assert [event.broker_position.symbol for event in states] == ["MSFT"], "only of the account that was not resumed"
    foreign = subscribe("", ORDERS, resume=(cursor(FOREIGN, node.store.epoch, 0),))
    with pytest.raises(InvalidError) as refusal:
        await node.listen().session.subscribe(foreign)
    assert refusal.value.code is Code.INVALID_CURSOR


async def test_what_the_stream_has_delivered_is_not_resumed_again(
    node: Node, published: Publishing, desk: Desk
) -> None:
    one = await attached(node, subscribe("", TRADES))
    await commit(node, *desk.life(AAPL, fills=2))
    await one.drain()
    head = published.head(ONE)
    for name in (ONE, ""):
        again = subscribe(name, ORDERS, resume=(cursor(ONE, node.store.epoch, head - 1),))
        with pytest.raises(InvalidError) as refusal:
            await one.session.subscribe(again)
        assert refusal.value.code is Code.INVALID_CURSOR
    await commit(node, *desk.life(AAPL, fills=1))
    await one.drain()
    assert one.events == published.of(ONE, TRADES), "a refused Subscribe leaves the old one in force"


# --- bad requests ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (subscribe("not a uuid"), Code.INVALID_ARGUMENT),
        (subscribe(ONE + "0"), Code.INVALID_ARGUMENT),
        (subscribe("{" + ONE + "}"), Code.INVALID_ARGUMENT),
        (subscribe(ONE, frozenset()), Code.NO_KNOWN_EVENT_TYPE),
        (subscribe(ONE, instrument_class="stocks"), Code.INVALID_INSTRUMENT_CLASS),
        (subscribe(ONE, instrument_class="EQUITY"), Code.INVALID_INSTRUMENT_CLASS),
        (subscribe(account_id(99)), Code.ACCOUNT_NOT_FOUND),
        (subscribe(FOREIGN), Code.ACCOUNT_NOT_FOUND),
    ],
)
async def test_a_bad_subscribe_changes_nothing(
    node: Node, published: Publishing, desk: Desk, request_: Any, code: Code
) -> None:
    one = await attached(node, subscribe(ONE, ORDERS))
    with pytest.raises(DropcopyError) as refusal:
        await one.session.subscribe(request_)
    assert refusal.value.code is code
    one.session.refuse(refusal.value, request_.account_id)
    await commit(node, desk.create_batch())
    await one.drain()
    assert one.words == ["subscribed", f"error {code}", "2 broker_order"]


async def test_unknown_and_foreign_accounts_look_the_same(node: Node) -> None:
    texts = []
    for name in (account_id(99), FOREIGN):
        with pytest.raises(NotFoundError) as refusal:
            await node.listen().session.subscribe(subscribe(name))
        texts.append((refusal.value.code, refusal.value.message.replace(name, ""), refusal.value.facts))
    assert texts[0] == texts[1]


async def test_the_account_id_is_a_uuid_in_any_case(node: Node, desk: Desk) -> None:
    one = await attached(node, subscribe(ONE.upper(), ORDERS))
    await commit(node, desk.create_batch())
    assert (await one.hear(1)).heard[0][1].status.trading_account_id == ONE


async def test_subscriptions_of_a_stream_are_limited(folder: Path) -> None:
    async with running(folder, Limits(subscriptions_per_stream=1)) as (node, _):
        one = await attached(node, subscribe(ONE, ORDERS))
        with pytest.raises(DropcopyError) as refusal:
            await one.session.subscribe(subscribe(TWO, ORDERS))
        assert refusal.value.code is Code.SUBSCRIPTION_LIMIT_EXCEEDED
        await one.session.subscribe(subscribe(ONE, TRADES))


# --- filters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "asset_class", "orders"),
    [
        ("AAPL", "", {"AAPL"}),
        ("AAPL", "equity", {"AAPL"}),
        ("AAPL", "unspecified", {"AAPL"}),
        ("AAPL", "future", set()),
        ("aapl", "", set()),
        ("AAP", "", set()),
        ("", "future", {"AAPL", "MSFT"}),
    ],
)
async def test_an_instrument_narrows_orders_and_positions_only(
    node: Node, desk: Desk, key: str, asset_class: str, orders: set[str]
) -> None:
    await commit(node, *desk.life(AAPL, fills=1), *desk.life(MSFT, fills=1))
    one = await attached(node, subscribe(ONE, is_primed=True, instrument_key=key, instrument_class=asset_class))
    replayed = [event for _, event in one.heard]
    await commit(node, *desk.life(AAPL, fills=1), *desk.life(MSFT, fills=1))
    await one.drain()
    for heard in (replayed, [event for _, event in one.heard][len(replayed) :]):
        assert {e.broker_order.symbol for e in heard if e.WhichOneof("event") == "broker_order"} == orders
        assert {e.broker_position.symbol for e in heard if e.WhichOneof("event") == "broker_position"} == orders
    live = [event for _, event in one.heard if event.sequence]
    assert {e.broker_trade.symbol for e in live if e.WhichOneof("event") == "broker_trade"} == {"AAPL", "MSFT"}
    assert {e.intent_action.symbol for e in live if e.WhichOneof("event") == "intent_action"} == {"AAPL", "MSFT"}


async def test_an_organizations_subscribe_ignores_the_instrument(node: Node, desk: Desk) -> None:
    one = await attached(node, subscribe("", ORDERS, instrument_key="MSFT", is_primed=True))
    await commit(node, desk.create_batch())
    await one.hear(1)


# --- heartbeats -----------------------------------------------------------------------------------------------------


async def test_a_heartbeat_without_a_subscription_has_no_heads(node: Node) -> None:
    one = node.listen()
    assert one.heads() == {}
    assert one.last("heartbeat").delivered == 0


async def test_heads_of_named_accounts_always_and_of_the_organizations_when_they_moved(node: Node, desk: Desk) -> None:
    one = await attached(node, subscribe("", ORDERS))
    assert one.heads().keys() == {ONE, TWO}, "all in the first one after the attach"
    assert one.heads().keys() == set()
    await commit(node, desk.create_batch())
    await one.drain()
    assert one.heads().keys() == {ONE}
    assert one.last("heartbeat").delivered == 1
    await asyncio.wait_for(one.session.subscribe(subscribe(TWO, ORDERS)), 20)
    await one.drain()
    assert one.heads().keys() == {TWO}
    assert one.heads().keys() == {TWO}


async def test_a_filter_does_not_hold_the_cursor_back(node: Node, published: Publishing, desk: Desk) -> None:
    one = await attached(node, subscribe(ONE, TRADES))
    await commit(node, desk.create_batch())
    await one.drain()
    head = one.heads()[ONE]
    assert (head.sequence, head.head, head.chain) == (2, 2, published.journal[ONE][-1].chain)
    assert one.events == []


async def test_one_heartbeat_waits_at_most(node: Node) -> None:
    one = node.listen()
    for _ in range(5):
        one.session.beat()
    await one.drain()
    assert one.words == ["heartbeat"]
    one.session.beat()
    await one.drain()
    assert one.words == ["heartbeat"] * 2


async def test_a_heartbeat_tells_how_far_behind_a_slow_reader_is(node: Node, desk: Desk) -> None:
    one = await attached(node, subscribe(ONE, ORDERS))
    await commit(node, desk.create_batch(), desk.create_batch())
    one.session.beat()
    one.pull(1)
    head = one.last("heartbeat").heads[0]
    assert (head.sequence, head.head, one.last("heartbeat").delivered) == (0, 4, 0)


# --- pressure -------------------------------------------------------------------------------------------------------


async def test_a_reader_that_does_not_read_costs_no_memory_and_loses_nothing(folder: Path) -> None:
    async with running(folder, Limits(replay_page_events=20)) as (node, published):
        desk = Desk(1)
        await commit(node, *(batch for _ in range(150) for batch in desk.life(AAPL, fills=3)))
        one = node.listen()
        request = subscribe(ONE, resume=(cursor(ONE, node.store.epoch, 0),))
        attaching = asyncio.get_running_loop().create_task(one.session.subscribe(request))
        total = sum(len(event.payload) for event in published.journal[ONE])
        for _ in range(200):
            await asyncio.sleep(0.001)
            assert one.session.queued_bytes < 300_000 < total / 2
        assert not attaching.done(), "the attach waits for its reader"
        asked = asyncio.get_running_loop().create_task(one.session.unsubscribe(TWO))
        await commit(node, desk.create_batch())
        await one.reach(lambda: {ONE: published.head(ONE)})
        await asyncio.wait_for(attaching, 20)
        await asyncio.wait_for(asked, 20)
        await one.drain()
        assert one.events == published.of(ONE)


async def test_what_fell_out_of_the_ring_comes_from_the_store(folder: Path) -> None:
    limits = Limits(ring_events_per_account=4, replay_page_events=3)
    async with running(folder, limits) as (node, published):
        desk = Desk(1)
        one = await attached(node, subscribe(ONE))
        await commit(node, *desk.life(AAPL, fills=3), *desk.life(AAPL, fills=3))
        assert node.hub.feed(ONE, ORGANIZATIONS[0]).first > 1
        await one.drain()
        assert one.events == published.of(ONE)


async def test_a_read_that_fails_on_the_way_is_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropcopyd.flow.session.delivery._RETRY_S", 0.001)
    async with running(folder, Limits(ring_events_per_account=1)) as (node, published):
        faults = iter([True, True, False])
        read_events = SqliteStore.read_events

        async def failing(store: SqliteStore, *arguments: Any) -> Any:
            if next(faults, False):
                raise StoreError(Code.STORE_FAILED, "the journal could not be read")
            return await read_events(store, *arguments)

        one = await attached(node, subscribe(ONE))
        monkeypatch.setattr(SqliteStore, "read_events", failing)
        await commit(node, *Desk(1).life(AAPL, fills=1))
        await one.reach(lambda: {ONE: published.head(ONE)})
        assert one.events == published.of(ONE)


async def test_a_pull_keeps_to_its_budget_and_to_whole_messages(node: Node, published: Publishing, desk: Desk) -> None:
    one = await attached(node, subscribe(ONE))
    await commit(node, *desk.life(AAPL, fills=3))
    largest = max(len(event.payload) for event in published.journal[ONE]) + 5
    for budget in (1, largest, 3 * largest):
        before = len(one.session.pull(budget))
        assert 0 < before <= max(budget, largest)


async def test_sessions_at_one_cursor_share_one_segment(node: Node, desk: Desk) -> None:
    one, other = [await attached(node, subscribe(ONE, ORDERS)) for _ in range(2)]
    await commit(node, *desk.life(AAPL, fills=3))
    assert one.session.pull(65_536) is other.session.pull(65_536)


# --- ends -----------------------------------------------------------------------------------------------------------


def listeners(node: Node) -> int:
    feeds = node.hub._feeds.values()
    return sum(len(feed.listeners) for feed in feeds) + len(node.hub._organizations)


async def test_a_closed_session_leaves_nothing_behind(node: Node, desk: Desk) -> None:
    one = await attached(node, subscribe(""))
    await asyncio.wait_for(one.session.subscribe(subscribe(ONE)), 20)
    await commit(node, desk.create_batch())
    one.session.close()
    await commit(node, desk.create_batch())
    assert one.session.pull(65_536) == b""
    assert listeners(node) == 0
    assert node.hub._bytes == 0
    one.session.close()


@pytest.mark.parametrize("name", [ONE, ""])
@pytest.mark.parametrize("method", ["read_state", "read_states", "read_events", "chain_at"])
@pytest.mark.parametrize("how", ["close", "cancel", "fail"])
async def test_an_attach_that_is_cut_short_leaves_nothing_behind(
    node: Node, desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str, method: str, how: str
) -> None:
    """The stream ends, the request is cancelled, or the journal cannot be read: at each read of an attach."""
    await commit(node, *desk.life(AAPL, fills=2))
    one = node.listen()
    reached, go_on = asyncio.Event(), asyncio.Event()
    real = getattr(node.store, method)

    async def held(*arguments: Any) -> Any:
        reached.set()
        await go_on.wait()
        if how == "fail":
            raise StoreError(Code.STORE_FAILED, "the journal could not be read")
        return await real(*arguments)

    monkeypatch.setattr(node.store, method, held)
    request = subscribe(name, resume=(cursor(ONE, node.store.epoch, 1, 0),))
    attaching = asyncio.get_running_loop().create_task(one.session.subscribe(request))
    done, _ = await asyncio.wait(
        {attaching, asyncio.get_running_loop().create_task(reached.wait())},
        timeout=20,
        return_when=asyncio.FIRST_COMPLETED,
    )
    assert done
    if reached.is_set():
        if how == "cancel":
            attaching.cancel()
        if how == "close":
            one.session.close()
        go_on.set()
    else:
        reached.set()
    await asyncio.wait({attaching}, timeout=20)
    assert attaching.done()
    attaching.cancelled() or attaching.exception()
    one.session.close()
    assert listeners(node) == 0
    await commit(node, desk.create_batch())
    assert node.hub._bytes == 0


async def test_a_failed_first_attach_leaves_no_subscription(node: Node, desk: Desk, monkeypatch: Any) -> None:
    one = node.listen()

    async def fail(*_arguments: Any) -> Any:
        raise StoreError(Code.STORE_FAILED, "the journal could not be read")

    with monkeypatch.context() as patch:
        patch.setattr(node.store, "read_state", fail)
        patch.setattr(node.store, "read_states", fail)
        for name in (ONE, ""):
            with pytest.raises(StoreError):
                await one.session.subscribe(subscribe(name))
    await commit(node, desk.create_batch())
    await one.drain()
    assert one.words == []
    assert listeners(node) == 0


# --- the cursor of a stream that is cut -----------------------------------------------------------------------------


async def test_a_cut_stream_is_given_the_cursor_before_the_pull_that_is_still_unsent(node: Node, desk: Desk) -> None:
    one = await attached(node, subscribe(ONE))
    await commit(node, desk.create_batch())
    one.pull()
    assert one.session.cursors() == [(ONE, 2)]
    await commit(node, desk.create_batch())
    assert one.session.cursors() == [(ONE, 2)], "what nobody has pulled is not sent"
    one.pull()
    assert one.session.cursors() == [(ONE, 4)]
    assert one.session.cursors(has_unsent=True) == [(ONE, 2)], "the last pull may lie half sent"
    one.pull()  # there was nothing: so the edge had room, and all before is sent
    assert one.session.cursors(has_unsent=True) == [(ONE, 4)]


async def test_a_stream_that_is_cut_within_its_replay_has_no_cursor_yet(node: Node, desk: Desk) -> None:
    await commit(node, *desk.life(AAPL, fills=1))
    listening = node.listen()
    await asyncio.wait_for(listening.session.subscribe(subscribe(ONE, is_primed=True)), 20)
    assert listening.session.cursors() == [], "a resume from the head would skip the state"
    await listening.drain()
    head = (await node.store.read_state(ONE, 0)).head.sequence
    assert listening.session.cursors() == [(ONE, head)]
