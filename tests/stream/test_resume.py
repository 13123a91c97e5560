"""Resuming with cursors: one test for each sentence of the contract."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dropcopy import proto as pb
from tests.stream.site import ORDER, POSITION, TRADE, UNKNOWN_UUID, Site, Tenant, words
from tests.support.daemon import Daemon
from tests.support.streams import ALL_KINDS, StreamClient, has

pytestmark = pytest.mark.asyncio(loop_scope="module")


def cursor_at(site: Site, account_id: str, sequence: int, **changes: Any) -> pb.Cursor:
    """The true cursor at a sequence, with what is changed about it."""
    chain = 0 if sequence == 0 else site.journal(account_id, sequence - 1)[0].chain
    facts: dict[str, Any] = {"account_id": account_id, "epoch": site.epoch(), "sequence": sequence, "chain": chain}
    return pb.Cursor(**(facts | changes))


async def resumed(tenant: Tenant, account_id: str, kinds: tuple[int, ...], *cursors: pb.Cursor) -> StreamClient:
    """A stream that subscribes with these cursors, and what it has heard two heartbeats after the confirmation."""
    async with tenant.stream() as client:
        client.subscribe(account_id, kinds, resume=list(cursors))
        await client.until(has("status"))
        beats = len(client.of("heartbeat"))
        await client.until(has("heartbeat", beats + 2))
        return client


def replayed(client: StreamClient, kind: str) -> set[str]:
    """The accounts whose state of a kind was replayed."""
    return {getattr(event, kind).account_id for event in client.events if event.HasField(kind) and not event.sequence}  # type: ignore[arg-type]


async def test_a_good_cursor_replays_exactly_the_events_after_it_and_goes_live(tenant: Tenant) -> None:
    account_id = tenant.accounts[0]
    await tenant.fill()
    middle = tenant.site.head(account_id)
    await tenant.fill()
    missed = tenant.site.journal(account_id, middle)
    async with tenant.stream() as client:
        client.subscribe(account_id, ALL_KINDS, resume=[cursor_at(tenant.site, account_id, middle)])
        await client.until(lambda _: len(client.journal) >= len(missed))
        assert client.journal == missed, "with their original sequences"
        (answer,) = client.of("status")[0].resumes
        expected = (pb.RESUME_OUTCOME_RESUMED, missed[-1].sequence, 1)
        assert (answer.outcome, answer.head, answer.oldest) == expected
        assert not client.of("primed"), "no state, no Primed"
        await tenant.fill()
        head = tenant.site.head(account_id)
        await client.until(lambda _: client.journal[-1].sequence >= head, "live events")
        assert client.journal == tenant.site.journal(account_id, middle)


async def test_only_the_subscribed_kinds_are_replayed(tenant: Tenant) -> None:
    account_id = tenant.accounts[0]
    await tenant.fill()
    client = await resumed(tenant, account_id, (TRADE, POSITION), cursor_at(tenant.site, account_id, 0))
    assert client.journal == tenant.site.journal(account_id, 0, "BROKER_TRADE", "BROKER_POSITION")
    assert words(client)[0] == "status"


async def test_a_cursor_equal_to_the_head_is_resumed(tenant: Tenant) -> None:
    account_id = tenant.accounts[0]
    await tenant.fill()
    cursor = cursor_at(tenant.site, account_id, tenant.site.head(account_id))
    client = await resumed(tenant, account_id, ALL_KINDS, cursor)
    assert client.of("status")[0].resumes[0].outcome == pb.RESUME_OUTCOME_RESUMED
    assert words(client) == ["status"]


async def test_a_chain_of_0_is_not_compared(tenant: Tenant) -> None:
    account_id = tenant.accounts[0]
    await tenant.fill()
    client = await resumed(tenant, account_id, ALL_KINDS, cursor_at(tenant.site, account_id, 2, chain=0))
    assert client.of("status")[0].resumes[0].outcome == pb.RESUME_OUTCOME_RESUMED


@pytest.mark.parametrize("changes", [{"epoch": "other"}, {"epoch": ""}, {"chain": 1}, {"sequence": 10_000}])
async def test_a_cursor_that_cannot_be_honoured_is_reset_with_state_and_orders(
    tenant: Tenant, changes: dict[str, Any]
) -> None:
    account_id = tenant.accounts[0]
    await tenant.fill()
    cursor = cursor_at(tenant.site, account_id, 2)
    for name, value in changes.items():
        setattr(cursor, name, value)
    async with tenant.stream() as client:
        client.subscribe(account_id, (ORDER, POSITION, TRADE), resume=[cursor], order_delivery=pb.ORDER_DELIVERY_LIVE)
        await client.until(has("primed", 2))
        assert client.of("status")[0].resumes[0].outcome == pb.RESUME_OUTCOME_RESET
        assert len(client.of("broker_order")) == 1, "orders whatever the delivery"
        assert len(client.of("broker_position")) == 1
        assert not client.journal


async def test_a_fresh_attach_is_answered_as_live(tenant: Tenant) -> None:
    client = await resumed(tenant, tenant.accounts[0], (TRADE,))
    (answer,) = client.of("status")[0].resumes
    assert answer.outcome == pb.RESUME_OUTCOME_LIVE
    assert answer.account_id == tenant.accounts[0]


async def test_a_negative_or_foreign_cursor_is_an_error(tenant: Tenant) -> None:
    account_id, foreign = tenant.accounts[0], tenant.site.tenant().accounts[0]
    good = cursor_at(tenant.site, account_id, 0)
    negative = pb.Cursor(account_id=account_id, epoch=good.epoch, sequence=-1)
    others = [pb.Cursor(account_id=one, epoch=good.epoch) for one in (UNKNOWN_UUID, foreign)]
    async with tenant.stream() as client:
        requests = [
            (account_id, [negative]),
            ("", [negative]),
            *((named, [other]) for named in (account_id, "") for other in others),
            (account_id, [good, good]),
            ("", [good, good]),
        ]
        for number, (named, cursors) in enumerate(requests, start=1):
            client.subscribe(named, (ORDER,), resume=cursors)
            await client.until(has("error", number))
            assert client.of("error")[-1].code == "invalid_cursor"
        assert not client.of("status")


async def test_an_organization_resumes_with_any_number_of_cursors(tenant: Tenant) -> None:
    second, third = tenant.add_account(), tenant.add_account()
    for account_id in tenant.accounts:
        await tenant.fill(account_id)
    good = cursor_at(tenant.site, tenant.accounts[0], 2)
    bad = cursor_at(tenant.site, second, 2, epoch="other")
    async with tenant.stream() as client:
        client.subscribe("", ALL_KINDS, resume=[good, bad])
        await client.until(has("primed", 4))
        head = tenant.site.head(good.account_id)
        await client.until(lambda _: client.journal and client.journal[-1].sequence >= head)
        answers = {answer.account_id: answer.outcome for answer in client.of("status")[0].resumes}
        assert answers == {good.account_id: pb.RESUME_OUTCOME_RESUMED, second: pb.RESUME_OUTCOME_RESET}
        assert client.journal == tenant.site.journal(good.account_id, 2)
        assert replayed(client, "broker_position") == {second, third}, "the others are attached as usual"
        assert replayed(client, "broker_order") == {second}, "a reset replays its orders whatever the delivery"


async def test_a_resume_behind_the_streams_own_cursor_is_refused(tenant: Tenant) -> None:
    account_id = tenant.accounts[0]
    await tenant.fill()
    async with tenant.stream() as client:
        client.subscribe(account_id, (TRADE,))
        await client.until(has("status"))
        for number, named in enumerate((account_id, ""), start=1):
            client.subscribe(named, (ORDER,), resume=[cursor_at(tenant.site, account_id, 1)])
            await client.until(has("error", number))
            assert client.of("error")[-1].code == "invalid_cursor"
        await tenant.fill()
        await client.until(has("broker_trade"), "the old subscription, still in force")
        assert not client.of("broker_order")


async def test_after_an_unsubscribe_the_other_scope_goes_on_at_the_streams_cursor(tenant: Tenant) -> None:
    account_id = tenant.accounts[0]
    async with tenant.stream() as client:
        client.subscribe("", (TRADE, ORDER))
        client.subscribe(account_id, (TRADE, ORDER))
        await client.until(has("status", 2))
        before = tenant.site.head(account_id)
        await tenant.create()
        client.unsubscribe(account_id)
        await tenant.fill()
        due = tenant.site.journal(account_id, before, "BROKER_TRADE", "BROKER_ORDER")
        await client.until(lambda _: len(client.journal) >= len(due))
        after = tenant.site.journal(account_id, before, "BROKER_TRADE", "BROKER_ORDER")
        assert client.journal == after[: len(client.journal)], "no gap and no repeat over the unsubscribe"


async def test_a_pruned_event_after_the_cursor_means_reset_and_oldest_says_where_the_journal_begins(
    tmp_path: Path,
) -> None:
    async with Daemon(tmp_path / "data", "--heartbeat-s", "0.3") as daemon:
        site = Site(daemon)
        tenant = site.tenant()
        account_id = tenant.accounts[0]
        await tenant.fill()
        epoch, chains = site.epoch(), {event.sequence: event.chain for event in site.journal(account_id)}
        await daemon.stop()
        connection = sqlite3.connect(daemon.folder / "dropcopy.db")
        number = "(SELECT number FROM accounts WHERE account_id = ?)"
        connection.execute(f"DELETE FROM journal WHERE account = {number} AND sequence < 4", (account_id,))
        connection.execute("UPDATE accounts SET oldest = 4 WHERE account_id = ?", (account_id,))
        connection.commit()
        connection.close()
        await daemon.start()
        for sequence, outcome in ((2, pb.RESUME_OUTCOME_RESET), (4, pb.RESUME_OUTCOME_RESUMED)):
            cursor = pb.Cursor(account_id=account_id, epoch=epoch, sequence=sequence, chain=chains[sequence])
            client = await resumed(tenant, account_id, (TRADE,), cursor)
            (answer,) = client.of("status")[0].resumes
            assert (answer.outcome, answer.oldest) == (outcome, 4)
        await site.http.aclose()


async def test_the_epoch_is_kept_across_restarts_and_renewed_in_a_copied_folder(tmp_path: Path) -> None:
    async with Daemon(tmp_path / "data", "--heartbeat-s", "0.3") as daemon:
        site = Site(daemon)
        tenant = site.tenant()
        account_id = tenant.accounts[0]
        await tenant.fill()
        cursor = cursor_at(site, account_id, 2)
        await daemon.stop()
        await daemon.start()
        client = await resumed(tenant, account_id, (ORDER,), cursor)
        assert client.of("status")[0].resumes[0].outcome == pb.RESUME_OUTCOME_RESUMED
        await daemon.stop()
        shutil.copytree(daemon.folder, tmp_path / "copy")
        await site.http.aclose()
    async with Daemon(tmp_path / "copy", "--heartbeat-s", "0.3") as daemon:
        copied = Site(daemon)
        assert copied.epoch() != cursor.epoch
        client = await resumed(
            Tenant(copied, tenant.organization_id, tenant.api_key, tenant.accounts), account_id, (ORDER,), cursor
        )
        assert client.of("status")[0].resumes[0].outcome == pb.RESUME_OUTCOME_RESET
        await copied.http.aclose()


async def test_the_epoch_is_renewed_by_a_restore(tmp_path: Path) -> None:
    """A backup made while the program runs, restored: a cursor from before is reset, with complete state."""
    async with Daemon(tmp_path / "data", "--heartbeat-s", "0.3") as daemon:
        site = Site(daemon)
        tenant = site.tenant()
        account_id = tenant.accounts[0]
        await tenant.fill()
        working = await tenant.rest_order(symbol="MSFT")
        command = (sys.executable, "-m", "dropcopyd")
        run = partial(subprocess.run, check=True, capture_output=True, text=True, timeout=60)
        filling = asyncio.ensure_future(tenant.fill())
        made = await asyncio.to_thread(run, [*command, "backup", str(tmp_path / "copy"), "--data", str(daemon.folder)])
        assert "hash chains verified" in made.stdout
        await filling
        cursor = cursor_at(site, account_id, 3)
        await daemon.stop()
        await asyncio.to_thread(
            run, [*command, "restore", str(tmp_path / "copy"), "--data", str(daemon.folder), "--force"]
        )
        await daemon.start()
        assert site.epoch() != cursor.epoch
        async with tenant.stream() as client:
            client.subscribe(account_id, (ORDER, POSITION), resume=[cursor])
            await client.until(has("primed", 2))
            assert client.of("status")[0].resumes[0].outcome == pb.RESUME_OUTCOME_RESET
            assert working in {order.intent_id for order in client.of("broker_order")}
            await tenant.fill()
            head = site.head(account_id)
            await client.until(lambda _: client.journal and client.journal[-1].sequence >= head)
        sequences = [event.sequence for event in site.journal(account_id)]
        assert sequences == list(range(1, len(sequences) + 1))
        await site.http.aclose()
