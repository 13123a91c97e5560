"""Dispatch: each command is sent at most once, and nothing about its fate is guessed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropcopyd.domain.command import OutcomeKind
from dropcopyd.domain.instrument import key_of
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.order import ActionType, OrderStatus
from dropcopyd.domain.report import (
    Acknowledged,
    BrokerSnapshot,
    FindResult,
    Found,
    NotFound,
    OrderClaim,
    Refused,
    ReportKind,
    SubmitResult,
    Unavailable,
    Unknown,
)
from dropcopyd.errors import Code, StoreError
from dropcopyd.ports import Submission
from dropcopyd.store.migrate import DATABASE_NAME
from dropcopyd.store.sqlite import SqliteStore
from tests.domain.build import report, trade
from tests.doubles import ManualClock, SequentialIds
from tests.flow.trading import ONE, Answer, Gateway, ScriptedBroker, never, trading
from tests.store.build import make_folder
from tests.store.journal import verify

K, Outcome, S = ReportKind, OutcomeKind, OrderStatus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path)
    return tmp_path


@pytest.fixture
async def gateway(folder: Path) -> AsyncIterator[Gateway]:
    async with trading(folder) as running:
        yield running


async def status_of(gateway: Gateway, intent_id: str) -> OrderStatus:
    chain = await gateway.store.load_chain(ONE, intent_id=intent_id)
    assert chain is not None
    return chain.order.status


# --- answers --------------------------------------------------------------------------------------------------------


async def test_the_attempt_is_durable_before_the_broker_hears_of_it(gateway: Gateway) -> None:
    seen: list[int | None] = []

    async def look(submission: Submission) -> SubmitResult:
        durable = await gateway.command(submission.command.intent_id)
        seen.append(durable.stamps.attempt_begun_ns)
        return Acknowledged("x1")

    gateway.broker.answers.append(look)
    await gateway.connect()
    command = await gateway.create()
    await gateway.until_acknowledged(command)
    await gateway.report(report(K.ACCEPTED, command.broker_command_id))
    await gateway.until(command, Outcome.ACCEPTED)
    assert len(seen) == 1
    assert seen[0] is not None
    assert gateway.broker.sent() == [command.broker_command_id]


async def test_a_refusal_is_proof(gateway: Gateway) -> None:
    gateway.broker.answers.append(Refused("no_funds", "buying power exceeded"))
    await gateway.connect()
    command = await gateway.until(await gateway.create(), Outcome.REFUSED)
    assert (command.reason_code, command.reason) == ("no_funds", "buying power exceeded")
    assert await status_of(gateway, command.intent_id) is S.REJECTED


NO_ANSWERS: dict[str, Answer] = {
    "unknown": Unknown("the line broke"),
    "no answer in time": never,
    "an adapter that fails": RuntimeError("a bug in the adapter, with a secret in its text"),
    "an adapter that cancels its own call": asyncio.CancelledError(),
    "an adapter that times out": TimeoutError(),
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
async def test_what_is_no_answer_is_a_doubt_that_asking_settles(gateway: Gateway, answer: Answer) -> None:
    ask_on = asyncio.Event()

    async def found(submission: Submission) -> Found:
        await ask_on.wait()
        return Found((report(K.ACCEPTED, submission.command.broker_command_id),))

    gateway.broker.answers.append(answer)
    gateway.broker.findings.extend([found] * 1000)
    await gateway.connect()
    command = await gateway.until(await gateway.create(), Outcome.IN_DOUBT)
    assert command.reason_code == "in_doubt"
    assert "secret" not in str(command.reason)
    chain = await gateway.store.load_chain(ONE, intent_id=command.intent_id)
    assert chain is not None
    assert chain.order.in_doubt_since_ns is not None
    ask_on.set()
    await gateway.until(command, Outcome.ACCEPTED)
    assert await status_of(gateway, command.intent_id) is S.NEW
    assert gateway.broker.sent() == [command.broker_command_id], "never sent again"


async def test_found_with_nothing_to_report_ends_the_doubt_and_waits_for_the_report(gateway: Gateway) -> None:
    gateway.broker.answers.append(Unknown("?"))
    gateway.broker.findings.append(Found(()))
    await gateway.connect()
    command = await gateway.create()
    await gateway.until_acknowledged(command)
    await gateway.until(command, Outcome.PENDING)
    await gateway.report(report(K.ACCEPTED, command.broker_command_id))
    await gateway.until(command, Outcome.ACCEPTED)


async def test_what_was_found_moves_no_cursor(gateway: Gateway) -> None:
    """Reports about one command are not the account's next ones: those between would be missed after a restart."""
    gateway.broker.answers.append(Unknown("?"))
    await gateway.connect()

    async def found(submission: Submission) -> Found:
        return Found((report(K.ACCEPTED, submission.command.broker_command_id, cursor="99"),))

    gateway.broker.findings.append(found)
    await gateway.until(await gateway.create(), Outcome.ACCEPTED)
    assert (await gateway.actor()).state.report_cursor == ""


# --- proof of absence -----------------------------------------------------------------------------------------------


async def test_not_found_twice_apart_is_proof(gateway: Gateway) -> None:
    gateway.broker.answers.append(Unknown("?"))
    await gateway.connect()
    command = await gateway.until(await gateway.create(), Outcome.NOT_SENT)
    assert gateway.broker.asked[command.broker_command_id] == 2
    assert await status_of(gateway, command.intent_id) is S.REJECTED
    assert gateway.broker.sent() == [command.broker_command_id]


async def test_not_found_twice_at_once_is_none(gateway: Gateway) -> None:
    """The clock stands still: however often it is said, it was said once."""
    gateway.broker.answers.append(Unknown("?"))
    enough = asyncio.Event()
    stands_still = True

    async def at_once(submission: Submission) -> NotFound:
        if stands_still:
            gateway.clock.advance(-1)
        if gateway.broker.asked[submission.command.broker_command_id] == 6:
            enough.set()
        return NotFound()

    gateway.broker.findings.extend([at_once] * 10_000)
    await gateway.connect()
    command = await gateway.create()
    await asyncio.wait_for(enough.wait(), 20)
    assert (await gateway.command(command.intent_id)).outcome is Outcome.IN_DOUBT
    stands_still = False
    await gateway.until(command, Outcome.NOT_SENT)
    assert gateway.broker.asked[command.broker_command_id] >= 7


@pytest.mark.parametrize("between", [Unavailable("no line"), RuntimeError("adapter"), asyncio.CancelledError(), never])
async def test_between_the_two_the_broker_must_not_have_been_out_of_reach(gateway: Gateway, between: Any) -> None:
    gateway.broker.answers.append(Unknown("?"))
    gateway.broker.findings.extend([NotFound(), between, NotFound(), NotFound()])
    await gateway.connect()
    command = await gateway.until(await gateway.create(), Outcome.NOT_SENT)
    assert gateway.broker.asked[command.broker_command_id] == 4


async def test_a_session_that_broke_between_the_two_proves_nothing(gateway: Gateway) -> None:
    gateway.broker.answers.append(Unknown("?"))
    await gateway.connect()

    async def before(_submission: Submission) -> NotFound:
        """Right after this answer the line goes down and comes up, before the second asking."""
        asyncio.get_running_loop().call_soon(begin_anew)
        return NotFound()

    actor = await gateway.actor()

    def begin_anew() -> None:
        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, renew)

    def renew() -> None:
        actor.connected.clear()
        actor.mark_connected()

    async def found(submission: Submission) -> Found:
        return Found((report(K.ACCEPTED, submission.command.broker_command_id),))

    gateway.broker.findings.extend([before, NotFound(), found])
    command = await gateway.create()
    await gateway.until(command, Outcome.ACCEPTED)
    assert gateway.broker.asked[command.broker_command_id] == 3


async def test_a_report_on_the_way_outweighs_not_found(gateway: Gateway) -> None:
    """The broker says it does not know the command, and its report comes before we have drawn the conclusion."""
    gateway.broker.answers.append(Unknown("?"))
    await gateway.connect()

    async def crossing(submission: Submission) -> NotFound:
        await gateway.report(trade("e1", "10", "100", submission.command.broker_command_id))
        return NotFound()

    gateway.broker.findings.extend([NotFound(), crossing])
    created = await gateway.until(await gateway.create(), Outcome.ACCEPTED)
    assert await status_of(gateway, created.intent_id) is S.FILLED


async def test_a_doubt_outlives_a_journal_that_cannot_be_read(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.broker.answers.append(Unknown("?"))
    await gateway.connect()
    faults = iter([True])
    load_chain = SqliteStore.load_chain

    async def failing(store: SqliteStore, *arguments: Any, **names: Any) -> Any:
        if next(faults, False):
            raise StoreError(Code.STORE_FAILED, "the journal could not be read")
        return await load_chain(store, *arguments, **names)

    monkeypatch.setattr(SqliteStore, "load_chain", failing)

    async def found(submission: Submission) -> Found:
        unknown = report(K.ACCEPTED, "not in memory, so it is looked for")
        return Found((unknown, report(K.ACCEPTED, submission.command.broker_command_id)))

    gateway.broker.findings.extend([found, found])
    await gateway.until(await gateway.create(), Outcome.ACCEPTED)


# --- deadlines ------------------------------------------------------------------------------------------------------


async def test_nothing_is_sent_after_its_deadline(gateway: Gateway) -> None:
    command = await gateway.create()
    gateway.clock.advance(5)
    await gateway.connect()
    ended = await gateway.until(command, Outcome.NOT_SENT)
    assert ended.stamps.attempt_begun_ns is None
    assert await status_of(gateway, command.intent_id) is S.REJECTED
    assert gateway.broker.sent() == []


async def test_within_its_deadline_it_waits_for_the_line(gateway: Gateway) -> None:
    command = await gateway.create()
    gateway.clock.advance(4.9)
    await gateway.connect()
    await gateway.until_sent(1)
    await gateway.until_acknowledged(command)


async def test_a_journal_that_is_slow_past_the_deadline_keeps_it_from_being_sent(folder: Path) -> None:
    """Attempt begun, committed - and the commit took too long: nothing has left, so nothing leaves."""
    clock = ManualClock()

    class Slow:
        def reached(self, point: str) -> None:
            if point == "dispatch.begun":
                clock.advance(60)

    async with trading(folder, clock=clock, failpoints=Slow()) as gateway:
        await gateway.connect()
        await gateway.until(await gateway.create(), Outcome.NOT_SENT)
        assert gateway.broker.sent() == []


async def test_the_callers_own_deadline(gateway: Gateway) -> None:
    late = await gateway.create(valid_until_ns=gateway.clock.now_ns() + 3_600 * 10**9)
    soon = await gateway.create(valid_until_ns=gateway.clock.now_ns() + 10**9)
    gateway.clock.advance(60)
    await gateway.connect()
    await gateway.until(soon, Outcome.NOT_SENT)
    await gateway.until_acknowledged(late)
    assert gateway.broker.sent() == [late.broker_command_id]


async def test_a_cancel_has_no_deadline(gateway: Gateway) -> None:
    await gateway.connect()
    created = await gateway.create()
    await gateway.until_acknowledged(created)
    await gateway.disconnect()
    cancel = await gateway.amend(created.intent_id)
    gateway.clock.advance(7_200)
    await gateway.connect()
    await gateway.until_acknowledged(cancel)
    assert gateway.broker.sent() == [created.broker_command_id, cancel.broker_command_id]


# --- lanes ----------------------------------------------------------------------------------------------------------


async def test_commands_of_one_order_go_one_after_another_and_orders_beside_each_other(folder: Path) -> None:
    first_may_end = asyncio.Event()

    async def slow(_submission: Submission) -> SubmitResult:
        await first_may_end.wait()
        return Acknowledged("x")

    async with trading(folder, limits=Limits(broker_call_s=20)) as gateway:
        gateway.broker.answers.append(slow)
        await gateway.connect()
        first = await gateway.create()
        cancel = await gateway.amend(first.intent_id)
        other = await gateway.create()
        await gateway.until_acknowledged(other)
        assert gateway.broker.sent() == [first.broker_command_id, other.broker_command_id]
        first_may_end.set()
        await gateway.until_acknowledged(cancel)
        assert gateway.broker.sent() == [name.broker_command_id for name in (first, other, cancel)]
        await gateway.until_idle()
        assert gateway.dispatcher.undispatched(ONE) == 0


async def test_a_cancel_goes_out_although_its_create_is_in_doubt(gateway: Gateway) -> None:
    gateway.broker.answers.append(Unknown("?"))
    gateway.broker.findings.extend([never] * 1000)
    await gateway.connect()
    created = await gateway.create()
    await gateway.until(created, Outcome.IN_DOUBT)
    cancel = await gateway.amend(created.intent_id)
    await gateway.until_acknowledged(cancel)
    assert gateway.broker.submissions[1].original_command_id == created.broker_command_id


async def test_a_request_names_the_last_command_that_was_not_refused(gateway: Gateway) -> None:
    await gateway.connect()
    created = await gateway.create()
    await gateway.until_acknowledged(created)
    gateway.broker.answers.extend([Acknowledged(None), Refused("no", "no"), Acknowledged(None)])
    second = await gateway.amend(created.intent_id, "20")
    await gateway.until_acknowledged(second)
    third = await gateway.amend(created.intent_id, "30")
    await gateway.until(third, Outcome.REFUSED)
    cancel = await gateway.amend(created.intent_id)
    await gateway.until_acknowledged(cancel)
    originals = [submission.original_command_id for submission in gateway.broker.submissions]
    names = created.broker_command_id, second.broker_command_id
    assert originals == [None, names[0], names[1], names[1]]
    assert gateway.broker.submissions[3].command.action_type is ActionType.CANCEL
    assert gateway.broker.submissions[3].external_order_id == "x"


# --- the line comes up while commands wait --------------------------------------------------------------------------


async def test_what_waited_for_the_line_is_sent_once_and_never_expires_after(folder: Path) -> None:
    """Recovery at the first connection must not take a command of this run for one of the last."""
    held = asyncio.Event()

    async def slow(_submission: Submission) -> SubmitResult:
        await held.wait()
        return Acknowledged("x")

    async with trading(folder, limits=Limits(broker_call_s=20, doubt_grace_s=0.001)) as gateway:
        gateway.broker.answers.append(slow)
        command = await gateway.create()
        await gateway.connect()
        await gateway.until_sent(1)
        gateway.dispatcher.recover(await gateway.actor())
        gateway.clock.advance(60)
        held.set()
        await gateway.until_acknowledged(command)
        await gateway.until_idle()
        assert (await gateway.command(command.intent_id)).outcome is Outcome.PENDING
        await gateway.report(report(K.ACCEPTED, command.broker_command_id))
        await gateway.until(command, Outcome.ACCEPTED)
        assert gateway.broker.sent() == [command.broker_command_id]
        assert gateway.broker.asked == {}, "nothing was in doubt"


# --- restart --------------------------------------------------------------------------------------------------------


async def stopped_at(folder: Path, clock: ManualClock, stage: str) -> str:
    """A run that ends with one command at that stage; its broker command id."""
    reached = asyncio.Event()

    class Watching:
        def reached(self, point: str) -> None:
            if point == stage:
                reached.set()

    async with trading(folder, clock=clock, failpoints=Watching(), ids=SequentialIds("a")) as gateway:
        if stage == "in doubt":
            gateway.broker.answers.append(Unknown("?"))
            gateway.broker.findings.extend([never] * 1000)
        elif stage != "acknowledged":
            gateway.broker.answers.append(never)
        if stage != "created":
            await gateway.connect()
        command = await gateway.create()
        if stage == "in doubt":
            await gateway.until(command, Outcome.IN_DOUBT)
        elif stage == "acknowledged":
            await gateway.until_acknowledged(command)
        elif stage != "created":
            await asyncio.wait_for(reached.wait(), 20)
        return command.intent_id


async def test_a_command_that_had_not_begun_is_sent_by_the_next_run(folder: Path) -> None:
    clock = ManualClock()
    intent_id = await stopped_at(folder, clock, "created")
    async with trading(folder, clock=clock, ids=SequentialIds("b")) as gateway:
        await gateway.connect()
        command = await gateway.command(intent_id)
        await gateway.until_acknowledged(command)
        assert gateway.broker.sent() == [command.broker_command_id]


async def test_a_command_that_had_not_begun_in_time_is_not_sent_by_the_next_run(folder: Path) -> None:
    clock = ManualClock()
    intent_id = await stopped_at(folder, clock, "created")
    clock.advance(600)
    async with trading(folder, clock=clock, ids=SequentialIds("b")) as gateway:
        await gateway.connect()
        await gateway.until(await gateway.command(intent_id), Outcome.NOT_SENT)
        assert gateway.broker.sent() == []


@pytest.mark.parametrize("is_known", [True, False], ids=["arrived", "lost"])
@pytest.mark.parametrize("stage", ["dispatch.begun", "in doubt"])
async def test_a_command_that_had_begun_is_asked_for_and_not_sent(folder: Path, stage: str, is_known: bool) -> None:
    clock = ManualClock()
    intent_id = await stopped_at(folder, clock, stage)
    clock.advance(600)
    async with trading(folder, clock=clock, ids=SequentialIds("b")) as gateway:
        command = await gateway.command(intent_id)
        if is_known:
            gateway.broker.findings.append(Found((report(K.ACCEPTED, command.broker_command_id),)))
        await gateway.connect()
        await gateway.until(command, Outcome.ACCEPTED if is_known else Outcome.NOT_SENT)
        assert gateway.broker.asked[command.broker_command_id] == (1 if is_known else 2)
        assert gateway.broker.sent() == []


async def test_a_command_that_was_acknowledged_waits_for_its_report(folder: Path) -> None:
    clock = ManualClock()
    intent_id = await stopped_at(folder, clock, "acknowledged")
    async with trading(folder, clock=clock, ids=SequentialIds("b")) as gateway:
        command = await gateway.command(intent_id)
        said = report(K.ACCEPTED, command.broker_command_id, cursor="1")
        claim = OrderClaim(
            broker_command_id=command.broker_command_id,
            external_order_id="x",
            key=key_of(command.instrument),
            is_open=True,
            quantity=command.terms.quantity,
            limit_price=command.terms.limit_price,
            cumulative_quantity=Decimal(0),
        )
        gateway.broker.snapshots.append(BrokerSnapshot(reports=(said,), orders=(claim,), positions=(), cursor="1"))
        await gateway.connect()
        await gateway.until(command, Outcome.ACCEPTED)
        await gateway.until_idle()
        assert gateway.broker.sent() == []


# --- a campaign -----------------------------------------------------------------------------------------------------


class Book:
    """What a counterparty has: the commands that reached it, each as often as it did."""

    def __init__(self) -> None:
        self.arrived: list[str] = []
        self.refused: set[str] = set()

    def answer(self, fate: str) -> Answer:
        async def take(submission: Submission) -> SubmitResult:
            name = submission.command.broker_command_id
            if fate == "lost":
                return Unknown("lost on the way there")
            self.arrived.append(name)
            if fate == "refused":
                self.refused.add(name)
                return Refused("no", "no")
            if fate == "answer lost":
                return Unknown("lost on the way back")
            if fate == "silence":
                return await never(submission)  # type: ignore[no-any-return]
            return Acknowledged("x")

        return take

    async def find(self, submission: Submission) -> FindResult:
        name = submission.command.broker_command_id
        if name not in self.arrived:
            return NotFound()
        kind = K.REJECTED if name in self.refused else K.ACCEPTED
        return Found((report(kind, name), *(() if name in self.refused else (trade("e1", "10", "100", name),))))


FATES = ["taken", "lost", "answer lost", "silence", "refused"]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(FATES), st.booleans()), min_size=1, max_size=6),
    st.integers(0, 60),
    st.integers(0, 60),
)
def test_whatever_is_lost_and_whenever_it_stops_nothing_is_sent_twice(
    tmp_path_factory: pytest.TempPathFactory, fates: list[tuple[str, bool]], first_turns: int, second_turns: int
) -> None:
    """Three runs on one folder, the first two stopped after so many turns of the loop; then every doubt is settled."""
    folder = tmp_path_factory.mktemp("campaign")
    make_folder(folder)
    asyncio.run(asyncio.wait_for(campaign(folder, fates, (first_turns, second_turns)), 60))


async def campaign(folder: Path, fates: list[tuple[str, bool]], turns: tuple[int, int]) -> None:
    clock, book = ManualClock(), Book()
    broker = ScriptedBroker(clock)
    broker.answers.extend(book.answer(fate) for fate, _ in fates)
    broker.findings.extend([book.find] * 10_000)
    intents: list[str] = []
    for life in range(2):
        async with trading(folder, clock=clock, broker=broker, ids=SequentialIds("ab"[life])) as gateway:
            await gateway.connect()
            for _, is_here in fates:
                if is_here == (life == 0):
                    intents.append((await gateway.create()).intent_id)
            for _ in range(turns[life]):
                await asyncio.sleep(0)
    async with trading(folder, clock=clock, broker=broker, ids=SequentialIds("c")) as gateway:
        await gateway.connect()
        for intent_id in intents:
            command = await gateway.command(intent_id)
            name = command.broker_command_id
            async with asyncio.timeout(30):
                while command.is_unresolved:
                    if name in book.arrived and command.stamps.acknowledged_ns is not None:
                        await gateway.report(report(K.ACCEPTED, name))
                        await gateway.report(trade("e1", "10", "100", name))
                    await asyncio.sleep(0.001)
                    command = await gateway.command(intent_id)
            if name in book.refused:
                assert command.outcome is Outcome.REFUSED
            elif name in book.arrived:
                assert command.outcome is Outcome.ACCEPTED
            else:
                assert command.outcome is Outcome.NOT_SENT
        await gateway.until_idle()
    assert max(Counter(broker.sent()).values(), default=0) <= 1, "a command was sent twice"
    assert max(Counter(book.arrived).values(), default=0) <= 1
    assert len(set(intents)) == len(fates)
    verify(folder / DATABASE_NAME, ONE)
