"""Intake: the commit is the promise; the same key never makes two orders."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropcopyd.domain.command import OutcomeKind
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.order import OrderSide, OrderType, TimeInForce
from dropcopyd.domain.report import BrokerCapabilities
from dropcopyd.errors import Code, DropcopyError, InvalidError, NotFoundError
from dropcopyd.flow.submits import AmendRequest, SubmitRequest, first_difference
from dropcopyd.record import Listing, Sort
from dropcopyd.store.migrate import DATABASE_NAME
from tests.domain.build import START_NS, limit_terms
from tests.doubles import ManualClock, SequentialIds
from tests.flow.trading import FAST, ONE, Gateway, ScriptedBroker, create, never, trading
from tests.store.build import account, make_folder, writing
from tests.store.journal import verify


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path, accounts=3)
    return tmp_path


@pytest.fixture
async def gateway(folder: Path) -> AsyncIterator[Gateway]:
    async with trading(folder) as running:
        yield running


def amend(intent_id: str | None, quantity: str | None = None, order_id: str | None = None) -> SubmitRequest:
    terms = None if quantity is None else limit_terms(quantity)
    return SubmitRequest(
        command=AmendRequest(ref_intent_id=intent_id, ref_order_id=order_id, terms=terms), received_ns=START_NS
    )


async def orders(gateway: Gateway, one: str = ONE) -> int:
    return len((await gateway.store.record.queries.orders(one, Listing(limit=1000))).items)


async def test_a_pair_that_the_broker_does_not_take_is_refused_before_anything_is_written(folder: Path) -> None:
    broker = ScriptedBroker(ManualClock(START_NS))
    pair = (OrderType.LIMIT, TimeInForce.DAY)
    broker.capabilities = BrokerCapabilities(refuses={pair: "it has no days"})
    async with trading(folder, broker=broker) as gateway:
        with pytest.raises(InvalidError) as caught:
            await gateway.submit(create())
        assert await orders(gateway) == 0
    assert (caught.value.code, caught.value.pointer) == (
        Code.TIME_IN_FORCE_REFUSED,
        "/command/payload/spec/Limit/time_in_force",
    )
    assert "LIMIT with DAY is refused by PAPER: it has no days" in caught.value.message
    assert "DAY" not in str(caught.value.facts["accepted"]).split(", ")


# --- the promise ----------------------------------------------------------------------------------------------------


async def test_who_was_answered_finds_it_durable_and_told(gateway: Gateway) -> None:
    intent_id = await gateway.submit(create(client_reference_id="mine", strategy_id="s1"))
    command = await gateway.command(intent_id)
    assert (command.seq, command.outcome) == (1, OutcomeKind.PENDING)
    assert (command.client_reference_id, command.strategy_id) == ("mine", "s1")
    assert [event.kind.value for event in gateway.journal[ONE]] == ["INTENT_ACTION", "BROKER_ORDER"]
    assert len(command.broker_command_id) <= 20


async def test_an_amend_appends_to_its_chain(gateway: Gateway) -> None:
    intent_id = await gateway.submit(create())
    assert await gateway.submit(amend(intent_id, "20")) == intent_id
    assert await gateway.submit(amend(intent_id)) == intent_id
    commands = (await gateway.store.record.queries.actions(ONE, intent_id, Listing(limit=10, sort=Sort.ASC))).items
    told = [f"{c.seq} {c.action_type} {c.terms.quantity}" for c in commands]
    assert told == ["1 CREATE 10", "2 REPLACE 20", "3 CANCEL 10"]
    assert len({command.order_id for command in commands}) == 1
    assert len({command.broker_command_id for command in commands}) == 3


async def test_an_order_that_left_memory_can_be_amended(folder: Path) -> None:
    async with trading(folder, limits=Limits(dispatch_deadline_s=0.01)) as gateway:
        command = await gateway.create()
        gateway.clock.advance(600)
        await gateway.until(command, OutcomeKind.NOT_SENT)
        await gateway.until_idle()
        gateway.clock.advance(600)
        actor = await gateway.actor()
        async with asyncio.timeout(20):
            while actor.state.chains:
                actor.forget_idle()
                await asyncio.sleep(0.001)
        assert await gateway.submit(amend(command.intent_id)) == command.intent_id
        assert (await gateway.command(command.intent_id)).seq == 2


# --- idempotency ----------------------------------------------------------------------------------------------------


async def test_the_same_key_and_command_get_the_first_answer(folder: Path) -> None:
    async with trading(folder) as gateway:
        first = await gateway.submit(create(), "k")
        assert await gateway.submit(create(), "k") == first
        assert await gateway.submit(create(quantity="10.00", price="100.0"), "k") == first, "decimals by value"
        assert await gateway.submit(replace(create(), received_ns=START_NS + 5), "k") == first
        assert await orders(gateway) == 1
        assert await gateway.submit(create(), "another") != first
        assert await gateway.submit(create(), "k", of=account(3)) != first, "a key belongs to its account"
        assert await gateway.submit(create()) != await gateway.submit(create()), "without a key nothing is the same"
    async with trading(folder) as gateway:
        assert await gateway.submit(create(), "k") == first, "kept with the intent"


@pytest.mark.parametrize(
    ("other", "pointer"),
    [
        (create(symbol="MSFT"), "/command/payload/symbol"),
        (create(quantity="11"), "/command/payload/spec/Limit/quantity"),
        (create(price="101"), "/command/payload/spec/Limit/price"),
        (create(order_side=OrderSide.SELL), "/command/payload/order_side"),
        (create(valid_until_ns=START_NS), "/command/payload/valid_until"),
        (create(client_reference_id="x"), "/client_reference_id"),
        (create(strategy_id="x"), "/strategy_id"),
        (amend("00000000-0000-4000-8000-000000000001"), "/command/action_type"),
    ],
)
async def test_another_command_under_the_key_names_the_first_difference(
    gateway: Gateway, other: SubmitRequest, pointer: str
) -> None:
    first = await gateway.submit(create(), "k")
    with pytest.raises(DropcopyError) as refusal:
        await gateway.submit(other, "k")
    assert refusal.value.code is Code.IDEMPOTENCY_KEY_REUSED
    assert refusal.value.facts == {"pointer": pointer, "intent_id": first}
    assert await orders(gateway) == 1


async def test_twins_at_the_same_time_make_one_order(gateway: Gateway) -> None:
    answers = await asyncio.wait_for(asyncio.gather(*(gateway.submit(create(), "k") for _ in range(20))), 20)
    assert len(set(answers)) == 1
    assert await orders(gateway) == 1


async def test_a_twin_with_another_command_is_refused_while_the_first_is_on_its_way(gateway: Gateway) -> None:
    results = await asyncio.wait_for(
        asyncio.gather(
            gateway.submit(create(), "k"), gateway.submit(create(quantity="1"), "k"), return_exceptions=True
        ),
        20,
    )
    assert isinstance(results[1], DropcopyError)
    assert results[1].code is Code.IDEMPOTENCY_KEY_REUSED
    assert await orders(gateway) == 1


async def test_twins_of_a_commit_that_failed_fail_alike_and_leave_nothing(gateway: Gateway) -> None:
    connection = writing(gateway.store)
    connection.execute(
        "CREATE TEMP TRIGGER broken BEFORE INSERT ON main.idempotency BEGIN SELECT raise(ABORT, 'no'); END"
    )
    twins = [gateway.submit(create(), "k") for _ in range(5)]
    results = await asyncio.wait_for(asyncio.gather(*twins, return_exceptions=True), 20)
    codes = [result.code for result in results if isinstance(result, DropcopyError)]
    assert codes[0] is Code.STORE_FAILED
    assert set(codes) <= {Code.STORE_FAILED, Code.ACCOUNT_HALTED}, "a late twin finds the account halted"
    assert len(codes) == 5
    connection.execute("DROP TRIGGER broken")
    with pytest.raises(DropcopyError) as refusal:
        await gateway.submit(create(), "k")
    assert refusal.value.code is Code.ACCOUNT_HALTED
    assert await orders(gateway) == 0
    assert gateway.intake._keys._committing == {}


@pytest.mark.parametrize("turns", range(14))
async def test_a_caller_that_goes_away_loses_and_doubles_nothing(gateway: Gateway, turns: int) -> None:
    """Cancelled after so many turns of the loop: its retry with the same key gets the one order there is."""
    await gateway.actor()
    caller = asyncio.get_running_loop().create_task(gateway.submit(create(), "k"))
    for _ in range(turns):
        await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait({caller}, timeout=20)
    intent_id = await asyncio.wait_for(gateway.submit(create(), "k"), 20)
    assert await orders(gateway) == 1
    if not caller.cancelled():
        assert caller.result() == intent_id
    await gateway.connect()
    await gateway.until_acknowledged(await gateway.command(intent_id))
    await gateway.until_idle()
    assert len(gateway.broker.sent()) == 1


documents = st.recursive(
    st.none() | st.text("ab", max_size=2),
    lambda children: st.dictionaries(st.sampled_from("abc"), children, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(st.sampled_from("abc"), documents, max_size=3)


def found_at(document: Any, pointer: str) -> Any:
    for name in pointer.split("/")[1:]:
        document = document.get(name)
    return document


@settings(max_examples=200)
@given(mappings, mappings)
def test_the_first_difference_is_one(first: dict[str, Any], second: dict[str, Any]) -> None:
    pointer = first_difference(first, second)
    if pointer:
        assert found_at(first, pointer) != found_at(second, pointer)
    else:
        assert without_none(first) == without_none(second)


def without_none(document: Any) -> Any:
    """An absent member and null are the same."""
    if not isinstance(document, dict):
        return document
    return {name: without_none(value) for name, value in document.items() if value is not None}


# --- what is refused ------------------------------------------------------------------------------------------------


async def test_unknown_foreign_and_contradicting_references(gateway: Gateway) -> None:
    mine, other = await gateway.create(), await gateway.create()
    foreign = await gateway.submit(create(), of=account(3))
    unknown = "00000000-0000-4000-8000-00000000dead"
    for request, code in [
        (amend(unknown), Code.INTENT_NOT_FOUND),
        (amend(foreign), Code.INTENT_NOT_FOUND),
        (amend(None, order_id=unknown), Code.ORDER_NOT_FOUND),
        (amend(unknown, order_id=mine.order_id), Code.INTENT_NOT_FOUND),
        (amend(mine.intent_id, order_id=other.order_id), Code.INTENT_NOT_FOUND),
        (create(symbol="NOPE"), Code.UNKNOWN_SYMBOL),
    ]:
        with pytest.raises(NotFoundError) as refusal:
            await gateway.submit(request)
        assert refusal.value.code is code
    assert await gateway.submit(amend(None, order_id=mine.order_id)) == mine.intent_id
    assert await gateway.submit(amend(mine.intent_id, order_id=mine.order_id)) == mine.intent_id
    assert await orders(gateway) == 2


async def test_too_many_in_flight_holds_creates_and_replaces_back_and_no_cancel(folder: Path) -> None:
    async with trading(folder, limits=Limits(intents_in_flight_per_account=2, broker_call_s=20)) as gateway:
        gateway.broker.answers.extend([never] * 10)
        await gateway.connect()
        first = await gateway.create()
        await gateway.create()
        for request in (create(), amend(first.intent_id, "20")):
            with pytest.raises(DropcopyError) as refusal:
                await gateway.submit(request)
            assert refusal.value.code is Code.TOO_MANY_IN_FLIGHT
        await gateway.amend(first.intent_id)
        await gateway.submit(create(), of=account(3))


async def test_a_full_queue_holds_everything_back_but_cancels(folder: Path) -> None:
    async with trading(folder) as gateway:
        intent_id = await gateway.submit(create())
    async with trading(folder, limits=Limits(writer_queue_batches=0), ids=SequentialIds("b")) as gateway:
        with pytest.raises(DropcopyError) as refusal:
            await gateway.submit(create())
        assert refusal.value.code is Code.OVERLOADED
        assert await asyncio.wait_for(gateway.submit(amend(intent_id)), 20) == intent_id


async def test_a_gateway_that_shuts_down_takes_nothing_new(gateway: Gateway) -> None:
    gateway.intake.is_draining = True
    with pytest.raises(DropcopyError) as refusal:
        await gateway.submit(create())
    assert refusal.value.code is Code.DRAINING


# --- no caller can halt an account ----------------------------------------------------------------------------------


@pytest.mark.parametrize("until_ns", [2**63, 10**21, -(10**21), 0, 2**63 - 1])
async def test_any_time_may_be_named(gateway: Gateway, until_ns: int) -> None:
    command = await gateway.create(valid_until_ns=until_ns)
    assert command.deadline_ns is not None
    assert (command.deadline_ns > gateway.clock.now_ns()) == (until_ns > gateway.clock.now_ns())
    await gateway.connect()
    if until_ns > gateway.clock.now_ns():
        await gateway.until_acknowledged(command)
    else:
        await gateway.until(command, OutcomeKind.NOT_SENT)


async def test_a_text_that_no_message_can_hold_harms_only_its_caller(gateway: Gateway) -> None:
    """The edge refuses half a character; should one come through, no trace of it stays."""
    with pytest.raises((ValueError, TypeError)):
        await gateway.submit(create(client_reference_id="\ud800"), "k")
    actor = await gateway.actor()
    assert not actor.is_halted
    assert not actor.state.chains
    assert await gateway.submit(create(), "k")
    assert await orders(gateway) == 1


async def test_the_largest_amounts_there_are(folder: Path) -> None:
    most = "9" * 20 + "." + "9" * 18
    async with trading(folder, limits=FAST) as gateway:
        command = await gateway.create(quantity=most, price=most)
        assert f"{command.terms.quantity}" == most
    verify(folder / DATABASE_NAME, ONE)
