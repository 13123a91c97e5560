"""Breaks and reconciliations: rows and back, what a migration keeps, and how many reconciliations are kept."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from dropcopyd.domain.breaks import Break, BreakKind
from dropcopyd.domain.event import Batch
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.reconciliation import (
    BreakStatus,
    Closing,
    Difference,
    Figure,
    Reconciliation,
    Resolution,
    ResolutionAction,
    Ticket,
    Trigger,
    Verdict,
)
from dropcopyd.record import Listing
from dropcopyd.store import breaks, migrate
from dropcopyd.store.admin import Admin
from tests.domain.build import START_NS
from tests.store.build import ORGANIZATIONS, account, account_id, make_folder, opened

ONE = account_id(1)
DIFFERENCE = Difference(
    kind=BreakKind.POSITION,
    subject="EQUITY|AAPL",
    figure=Figure.QUANTITY,
    ours="1.000000000000000001",
    theirs="-3",
    detail="position AAPL: …",
    key=(AssetClass.EQUITY, "AAPL"),
    order_id="o1",
)
TICKET = Ticket(
    break_id="00000000-0000-4000-8000-00000000beef",
    account_id=ONE,
    difference=DIFFERENCE,
    status=BreakStatus.OPEN,
    first_at_ns=START_NS,
    last_at_ns=START_NS + 1,
    times=3,
)
RESOLUTION = Resolution(
    action=ResolutionAction.ACCEPT,
    reason='"quoted", ünïcode',
    principal_id="key",
    at_ns=START_NS + 2,
    asked={"quantity": "4"},
    booked="break:x",
)
RUN = Reconciliation(
    reconciliation_id="r1",
    account_id=ONE,
    trigger=Trigger.TIMER,
    verdict=Verdict.FAILED,
    begun_at_ns=START_NS,
    ended_at_ns=START_NS + 5,
    snapshots=2,
    mended=3,
    healed=4,
    opened=5,
    closed=6,
    standing=7,
    detail="no answer",
)


def batch(**facts: object) -> Batch:
    return Batch(account_id=ONE, at_ns=START_NS, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "ticket",
    [
        TICKET,
        replace(TICKET, status=BreakStatus.ACCEPTED, resolution=RESOLUTION),
        replace(TICKET, status=BreakStatus.CLOSED, closing=Closing.AGREED, closed_at_ns=9, resolution=RESOLUTION),
        replace(TICKET, difference=replace(DIFFERENCE, kind=BreakKind.CASH, key=None, order_id=None)),
    ],
)
async def test_a_ticket_comes_back_as_it_went_in_and_stands_again_after_a_restart(
    tmp_path: Path, ticket: Ticket
) -> None:
    make_folder(tmp_path)
    async with opened(tmp_path) as store:
        await store.commit(batch(tickets=(replace(TICKET, status=BreakStatus.OPEN),)))
        await store.commit(batch(tickets=(ticket,), reconciliation=RUN))
        kept = await store.record.queries.find_break(ONE, ticket.break_id)
        assert kept == ticket
        assert await store.record.queries.reconciliation(ONE, "r1") == RUN
        assert await store.record.queries.find_break(account_id(2), ticket.break_id) is None
        assert await store.record.queries.reconciliation(account_id(2), "r1") is None
    async with opened(tmp_path) as store:
        state = await store.load_account(ONE, 0)
        expected = {} if ticket.status is BreakStatus.CLOSED else {ticket.break_id: ticket}
        assert state.tickets == expected


async def test_what_was_said_is_counted_on_and_never_stands(tmp_path: Path) -> None:
    make_folder(tmp_path)
    said = Break(kind=BreakKind.OVERFILLED, subject="o1", detail="13 of 10", at_ns=START_NS, order_id="o1")
    async with opened(tmp_path) as store:
        await store.commit(batch(breaks=(said,)))
        (kept,) = (await store.record.queries.breaks(ONE, Listing(limit=10))).items
        done = replace(kept, status=BreakStatus.CLOSED, closing=Closing.RESOLVED, closed_at_ns=7, resolution=RESOLUTION)
        await store.commit(batch(breaks=(replace(said, at_ns=START_NS + 9, detail="14 of 10"),), tickets=(done,)))
        (again,) = (await store.record.queries.breaks(ONE, Listing(limit=10))).items
        assert (again.times, again.last_at_ns, again.difference.detail) == (2, START_NS + 9, "14 of 10")
        assert (again.status, again.resolution) == (BreakStatus.CLOSED, RESOLUTION)
        assert not (await store.load_account(ONE, 0)).tickets


async def test_the_newest_reconciliations_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaks, "RECONCILIATIONS_MAX", 20)
    make_folder(tmp_path)
    count = 3 * breaks._PRUNE_EVERY
    async with opened(tmp_path) as store:
        runs = [replace(RUN, reconciliation_id=f"r{number}") for number in range(count)]
        for done in [store.commit(batch(reconciliation=run)) for run in runs]:
            await done
        kept = (await store.record.queries.reconciliations(ONE, Listing(limit=100))).items
    assert [run.reconciliation_id for run in kept] == [f"r{number}" for number in reversed(range(count - 20, count))]


def test_breaks_of_before_are_kept_by_the_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = migrate._migrations()
    number = next(index for index, (name, _) in enumerate(known) if name.endswith("_reconciliation.sql"))
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "_migrations", lambda: known[:number])
        connection = migrate.connect(tmp_path / migrate.DATABASE_NAME)
        migrate.migrate(connection, START_NS)
        connection.execute("INSERT INTO organizations VALUES (?, 'ours', 0, NULL)", (ORGANIZATIONS[0],))
        connection.execute(
            "INSERT INTO accounts (account_id, organization_id, name, broker, created_at_ns) VALUES (?, ?, 'a', ?, 0)",
            (ONE, ORGANIZATIONS[0], account(1).broker.value),
        )
        for subject in ("o1", "o2"):
            connection.execute(
                "INSERT INTO breaks (account, kind, subject, order_id, detail, first_at_ns, last_at_ns, times)"
                " VALUES (1, 'OVERFILLED', ?, ?, 'told', 5, 6, 7)",
                (subject, subject),
            )
        connection.close()
    Admin(tmp_path, START_NS).close()
    connection = migrate.connect(tmp_path / migrate.DATABASE_NAME)
    connection.row_factory = sqlite3.Row
    kept = [breaks.ticket_of(row, account(1)) for row in connection.execute("SELECT * FROM breaks ORDER BY number")]
    connection.close()
    assert [(one.difference.subject, one.times, one.status, one.is_said) for one in kept] == [
        ("o1", 7, BreakStatus.OPEN, True),
        ("o2", 7, BreakStatus.OPEN, True),
    ]
    assert len({one.break_id for one in kept}) == 2
    assert all(len(one.break_id) == 36 for one in kept)
