"""Attenuated keys: each limit, at acceptance and at the attempt; counters exact, shared, good after a restart."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dropcopyd.domain.account import Account, BrokerKind, Principal, Scope
from dropcopyd.domain.attenuation import Attenuation
from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.domain.command import OutcomeKind
from dropcopyd.domain.controls import Reference
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.keys import KeySettings
from dropcopyd.domain.order import OrderSide, OrderType
from dropcopyd.domain.report import ReportKind
from dropcopyd.errors import Code
from dropcopyd.flow.refusals import ControlError
from dropcopyd.flow.submits import AmendRequest, CreateRequest, SubmitRequest
from dropcopyd.store.admin import Admin
from tests.domain.build import START_NS, limit_terms, report, trade
from tests.doubles import ManualClock, SequentialIds
from tests.flow.trading import ONE, Gateway, create, trading
from tests.store.build import ORGANIZATIONS, account, make_folder

ORGANIZATION = ORGANIZATIONS[0]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    make_folder(tmp_path, accounts=3)
    async with trading(tmp_path) as running:
        yield running


def holder(key_id: str = "key", **limits: Any) -> Principal:
    return Principal(ORGANIZATION, key_id, frozenset(Scope), attenuation=Attenuation(**limits))


async def send(
    gateway: Gateway,
    principal: Principal,
    request: SubmitRequest | None = None,
    of: Account | None = None,
    **facts: Any,
) -> str:
    idempotency_key = facts.pop("key", None)
    request = request or create(**facts)
    return await asyncio.wait_for(gateway.intake.submit(principal, of or account(1), request, idempotency_key), 20)


async def objected(gateway: Gateway, principal: Principal, request: SubmitRequest | None = None, **facts: Any) -> Any:
    """What the refusal says: control, scope, subject, limit, actual."""
    with pytest.raises(ControlError) as caught:
        await send(gateway, principal, request, **facts)
    assert caught.value.code is Code.CONTROL_REFUSED
    said = caught.value.facts
    assert (said["scope"], said["subject"]) == ("Key", principal.key_id)
    return said["control"], said["limit"], said["actual"]


def replaced(intent_id: str, quantity: str, price: str = "100") -> SubmitRequest:
    terms = limit_terms(quantity, price)
    return SubmitRequest(command=AmendRequest(ref_intent_id=intent_id, terms=terms), received_ns=START_NS)


async def test_symbols_and_sides(gateway: Gateway) -> None:
    buyer = holder(allowed_symbols=frozenset({"AAPL"}), allowed_sides=frozenset({"BUY"}))
    intent_id = await send(gateway, buyer)
    assert await objected(gateway, buyer, symbol="MSFT") == ("allowed_symbols", "AAPL", "MSFT")
    assert await objected(gateway, buyer, order_side=OrderSide.SELL) == ("allowed_sides", "BUY", "SELL")
    others = await send(gateway, holder("another"), symbol="MSFT")
    assert (await objected(gateway, buyer, replaced(others, "1")))[0] == "allowed_symbols"
    cancel = SubmitRequest(command=AmendRequest(ref_intent_id=others), received_ns=START_NS)
    assert await send(gateway, buyer, cancel) == others, "a cancel is never held back"
    assert await send(gateway, buyer, replaced(intent_id, "5")) == intent_id
    line = (await gateway.store.read_audit(ORGANIZATION, 2**62, 1))[0]
    assert (line.action, line.principal_id, line.detail["scope"]) == (AuditAction.INTENT_REFUSED, "key", "Key key")


async def test_the_notional_of_one_order(gateway: Gateway) -> None:
    small = holder(order_notional_max=Decimal(1_000))
    intent_id = await send(gateway, small)
    assert await objected(gateway, small, quantity="10.01") == ("order_notional_max", "1000", "1001")
    assert await objected(gateway, small, replaced(intent_id, "10", "100.5")) == ("order_notional_max", "1000", "1005")


async def test_reduce_only_and_paper_only(gateway: Gateway) -> None:
    assert (await objected(gateway, holder(is_reduce_only=True)))[0] == "is_reduce_only"
    paper = holder(allows_live_trading=False)
    await send(gateway, paper)
    actor = await gateway.actor()
    actor.account = Account(1, ONE, ORGANIZATION, "account 1", BrokerKind.ALPACA)
    assert (await objected(gateway, paper))[0] == "allows_live_trading"


async def test_the_notional_of_a_day_counts_what_is_sent_by_all_its_accounts(gateway: Gateway) -> None:
    spender = holder(day_notional_max=Decimal(3_000))
    first = await send(gateway, spender)
    await send(gateway, spender, of=account(3))
    assert await objected(gateway, spender, quantity="10.01") == ("day_notional_max", "3000", "3001")
    assert await objected(gateway, spender, replaced(first, "21")) == ("day_notional_max", "3000", "3100")
    await send(gateway, spender, replaced(first, "15"))
    await send(gateway, spender, replaced(first, "5"))
    assert await objected(gateway, spender, quantity="5.01") == ("day_notional_max", "3000", "3001"), (
        "nothing comes back"
    )
    await send(gateway, holder("other key", day_notional_max=Decimal(3_000)))
    await send(gateway, spender, quantity="5")
    gateway.clock.advance(86_400)
    await send(gateway, spender, quantity="30")


async def test_an_order_that_cannot_be_valued_is_not_counted_as_nothing(tmp_path: Path) -> None:
    make_folder(tmp_path)
    clock, prices = ManualClock(START_NS), {"AAPL": "100"}

    def references(_account: Account, instrument: Instrument) -> Reference | None:
        price = prices.get(instrument.symbol)
        return None if price is None else Reference(Decimal(price), clock.now_ns())

    async with trading(tmp_path, clock=clock, references=references) as gateway:
        spender = holder(day_notional_max=Decimal(1_500))
        await send(gateway, spender, price="90")
        said = await objected(gateway, spender, quantity="6", price="90")
        assert said == ("day_notional_max", "1500", "1600"), "the dearer of limit and market"
        prices.clear()
        market = replace(limit_terms("1"), order_type=OrderType.MARKET, limit_price=None)
        command = create().command
        assert isinstance(command, CreateRequest)
        unpriced = SubmitRequest(command=replace(command, terms=market), received_ns=START_NS)
        assert await objected(gateway, spender, unpriced) == ("day_notional_max", "1500", "none")
        await send(gateway, spender, quantity="5", price="90")


async def test_orders_per_minute(gateway: Gateway) -> None:
    slow = holder(orders_per_minute_max=2)
    first = await send(gateway, slow)
    gateway.clock.advance(30)
    await send(gateway, slow, replaced(first, "11"))
    assert await objected(gateway, slow) == ("orders_per_minute_max", "2", "3")
    gateway.clock.advance(29)
    assert (await objected(gateway, slow))[0] == "orders_per_minute_max"
    gateway.clock.advance(1)
    await send(gateway, slow)
    assert (await objected(gateway, slow))[0] == "orders_per_minute_max"


async def test_only_so_many_of_many_at_once(gateway: Gateway) -> None:
    """Two accounts, one key: what is left of its day and of its minute is given out once."""
    spender = holder(day_notional_max=Decimal(5_000), orders_per_minute_max=100)
    sent = await asyncio.gather(
        *(send(gateway, spender, of=account(number)) for number in (1, 3) * 10), return_exceptions=True
    )
    assert sum(isinstance(answer, str) for answer in sent) == 5
    slow = holder("slow", orders_per_minute_max=3)
    sent = await asyncio.gather(
        *(send(gateway, slow, of=account(number)) for number in (1, 3) * 10), return_exceptions=True
    )
    assert sum(isinstance(answer, str) for answer in sent) == 3


async def test_a_repeated_submit_costs_nothing_more(gateway: Gateway) -> None:
    slow = holder(orders_per_minute_max=1, day_notional_max=Decimal(1_000))
    first = await send(gateway, slow, key="once")
    assert await send(gateway, slow, key="once") == first


async def test_counters_survive_a_restart(tmp_path: Path) -> None:
    make_folder(tmp_path)
    clock = ManualClock(START_NS)
    spender = holder(day_notional_max=Decimal(3_000), orders_per_minute_max=2)
    async with trading(tmp_path, clock=clock) as gateway:
        await send(gateway, spender)
        await send(gateway, spender)
    async with trading(tmp_path, clock=clock, ids=SequentialIds("1")) as gateway:
        await gateway.controls.open()
        assert await objected(gateway, spender) == ("orders_per_minute_max", "2", "3")
        clock.advance(60)
        assert await objected(gateway, spender, quantity="11") == ("day_notional_max", "3000", "3100")
        await send(gateway, spender)


async def test_a_key_that_is_attenuated_no_more_is_free(gateway: Gateway) -> None:
    with pytest.raises(ControlError):
        await send(gateway, holder(allowed_symbols=frozenset({"MSFT"})))
    command = await gateway.command(await send(gateway, Principal(ORGANIZATION, "key", frozenset(Scope))))
    await gateway.connect()
    await gateway.until_sent(1)
    assert gateway.broker.sent() == [command.broker_command_id]


async def test_what_has_become_forbidden_does_not_leave(tmp_path: Path) -> None:
    """The key is narrowed between acceptance and attempt; after a restart the rules are read back."""
    make_folder(tmp_path)
    clock = ManualClock(START_NS)
    wide, narrow = Attenuation(allowed_symbols=frozenset({"AAPL"})), Attenuation(allowed_symbols=frozenset({"MSFT"}))
    async with trading(tmp_path, clock=clock) as gateway:
        first = await gateway.command(await send(gateway, holder(allowed_symbols=wide.allowed_symbols)))
        with pytest.raises(ControlError):
            await send(gateway, holder(allowed_symbols=narrow.allowed_symbols))
        await gateway.connect()
        withheld = await gateway.until(first, OutcomeKind.WITHHELD)
        assert withheld.reason_code == "allowed_symbols"
        assert not gateway.broker.sent()
    admin = Admin(tmp_path, START_NS)
    admin.add_key("key", ORGANIZATION, "key", b"", (), KeySettings(name="key", scopes=frozenset(), attenuation=narrow))
    admin.close()
    async with trading(tmp_path, clock=clock, ids=SequentialIds("1")) as gateway:
        second = await gateway.command(await send(gateway, holder()))
        await gateway.controls.open()
        await gateway.connect()
        await gateway.until(second, OutcomeKind.WITHHELD)


@pytest.mark.parametrize("passed_s", [1, -3_600])
async def test_what_a_key_has_sent_does_not_leave_once_it_is_revoked_or_narrowed(tmp_path: Path, passed_s: int) -> None:
    """By the command line beside the daemon, while the broker is away; cancels leave all the same."""
    make_folder(tmp_path)
    key_ids = ("revoked", "narrowed", "freed", "kept")
    narrow = Attenuation(allowed_symbols=frozenset({"MSFT"}))
    admin = Admin(tmp_path, START_NS)
    for key_id in key_ids:
        settings = KeySettings(name=key_id, scopes=frozenset(Scope))
        admin.add_key(key_id, ORGANIZATION, key_id, b"", (), settings)
    async with trading(tmp_path) as gateway:
        senders = {key_id: holder(key_id) for key_id in key_ids}
        sent = {key_id: await gateway.command(await send(gateway, sender)) for key_id, sender in senders.items()}
        admin.disable_key("revoked")
        for key_id, limits in (("narrowed", narrow), ("freed", Attenuation(is_reduce_only=False))):
            settings = KeySettings(name=key_id, scopes=frozenset(Scope), attenuation=limits)
            entry = AuditEntry(
                organization_id=ORGANIZATION,
                at_ns=START_NS,
                principal_id="kept",
                action=AuditAction.KEY_CHANGED,
                subject=key_id,
                detail={},
            )
            await gateway.store.registry.change_key(key_id, settings, entry)
        gateway.clock.advance(passed_s)
        await gateway.connect()
        revoked = await gateway.until(sent["revoked"], OutcomeKind.WITHHELD)
        narrowed = await gateway.until(sent["narrowed"], OutcomeKind.WITHHELD)
        assert (revoked.reason_code, narrowed.reason_code) == ("key_revoked", "allowed_symbols")
        await gateway.until_sent(2)
        assert set(gateway.broker.sent()) == {sent[name].broker_command_id for name in ("freed", "kept")}
        await gateway.until_idle()
        entries = await gateway.store.read_audit(ORGANIZATION, 2**62, 20)
        lines = [one for one in entries if one.action is AuditAction.COMMAND_WITHHELD]
        assert {one.detail["scope"] for one in lines} == {"Key revoked", "Key narrowed"}
    admin.close()


async def test_a_cancel_of_a_revoked_key_leaves(tmp_path: Path) -> None:
    make_folder(tmp_path)
    admin = Admin(tmp_path, START_NS)
    admin.add_key("key", ORGANIZATION, "key", b"", (Scope.INTENTS_EDIT,))
    async with trading(tmp_path) as gateway:
        await gateway.connect()
        created = await gateway.create()
        await gateway.until_sent(1)
        await gateway.report(report(ReportKind.ACCEPTED, created.broker_command_id))
        await gateway.disconnect()
        cancel = await gateway.amend(created.intent_id)
        admin.disable_key("key")
        gateway.clock.advance(1)
        await gateway.connect()
        await gateway.until_sent(2)
        assert gateway.broker.sent()[1] == cancel.broker_command_id
    admin.close()


async def test_a_clock_that_was_put_back_begins_no_day_anew_each_time(tmp_path: Path) -> None:
    """Three later days are known already: the one of the clock is counted all the same, also after a restart."""
    make_folder(tmp_path)
    spender = holder(day_notional_max=Decimal(1_000))
    clock = ManualClock(START_NS)
    async with trading(tmp_path, clock=clock) as gateway:
        for _ in range(3):
            clock.advance(86_400)
            await send(gateway, spender)
        clock.set_ns(START_NS)
        await send(gateway, spender)
        assert (await objected(gateway, spender))[0] == "day_notional_max"
    async with trading(tmp_path, clock=clock, ids=SequentialIds("1")) as gateway:
        await gateway.controls.open()
        assert (await objected(gateway, spender))[0] == "day_notional_max"


async def test_reducing_orders_of_a_key_share_what_is_held(gateway: Gateway) -> None:
    """What works already counts, and a replace counts at the larger of old and new."""
    await gateway.connect()
    command = await gateway.create()
    await gateway.until_sent(1)
    await gateway.report(report(ReportKind.ACCEPTED, command.broker_command_id))
    await gateway.report(trade("e1", "10", "100", command.broker_command_id))
    reducer = holder("reducer", is_reduce_only=True)
    first = await send(gateway, reducer, order_side=OrderSide.SELL, quantity="6")
    assert (await objected(gateway, reducer, order_side=OrderSide.SELL, quantity="5"))[0] == "is_reduce_only"
    assert (await objected(gateway, reducer, replaced(first, "11")))[0] == "is_reduce_only"
    assert (await objected(gateway, reducer))[0] == "is_reduce_only"
    await send(gateway, reducer, order_side=OrderSide.SELL, quantity="4")
    assert (await objected(gateway, reducer, replaced(first, "7")))[0] == "is_reduce_only"
    assert await send(gateway, reducer, replaced(first, "5")) == first
    assert (await objected(gateway, reducer, order_side=OrderSide.SELL, quantity="1"))[0] == "is_reduce_only", (
        "until the broker has taken the replace, six may trade"
    )
