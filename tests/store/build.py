"""A folder with organizations, accounts and instruments, the store on it, and batches worth keeping."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from dropcopyd.domain import machine
from dropcopyd.domain.account import Account, AccountConnection, BrokerKind
from dropcopyd.domain.command import Command, IdempotencyRecord
from dropcopyd.domain.event import Batch
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.limits import Limits
from dropcopyd.domain.order import ActionType
from dropcopyd.domain.report import ReportKind
from dropcopyd.ports import Clock, Committed, Failpoints, OnCommitted
from dropcopyd.store.admin import Admin
from dropcopyd.store.apart import Apart
from dropcopyd.store.migrate import DATABASE_NAME
from dropcopyd.store.sqlite import SqliteStore, open_store
from dropcopyd.store.writer import ThreadWriter
from dropcopyd.system import NoFailpoints
from dropcopyd.wire import ProtobufEncoder
from tests.domain.build import AAPL, ES, INVERSE, LINEAR, MSFT, START_NS, Play, limit_terms, report, trade
from tests.doubles import ManualClock, SequentialIds

ORGANIZATIONS = ("00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b")
INSTRUMENTS: tuple[Instrument, ...] = (AAPL, MSFT, ES, LINEAR, INVERSE)


def account_id(number: int) -> str:
    """Account 1, 2 ...; odd ones belong to the first organization, even ones to the second."""
    return f"00000000-0000-4000-8000-{number:012d}"


def account(number: int) -> Account:
    """As the store will know it."""
    organization_id = ORGANIZATIONS[(number - 1) % 2]
    return Account(number, account_id(number), organization_id, f"account {number}", BrokerKind.PAPER)


def make_folder(folder: Path, accounts: int = 2) -> None:
    """Two organizations with `accounts` accounts between them, and the instruments."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DATABASE_NAME).write_bytes(_made(accounts))


@cache
def _made(accounts: int) -> bytes:
    """Made once and copied: a dozen flushes to the disk are most of what a small test costs."""
    with TemporaryDirectory() as name:
        admin = Admin(Path(name), START_NS)
        for organization_id in ORGANIZATIONS:
            admin.add_organization(organization_id, f"organization {organization_id[-1]}")
        for number in range(1, accounts + 1):
            one = account(number)
            admin.add_account(one.account_id, one.organization_id, one.name, one.broker)
        admin.add_instruments(INSTRUMENTS)
        admin.close()
        return (Path(name) / DATABASE_NAME).read_bytes()


class Announced:
    """What the store told, in order."""

    def __init__(self) -> None:
        self.events: list[Committed] = []

    def __call__(self, committed: Sequence[Committed]) -> None:
        self.events.extend(committed)

    def of(self, number: int) -> list[Committed]:
        return [event for event in self.events if event.account_id == account_id(number)]


@asynccontextmanager
async def opened(
    folder: Path,
    on_committed: OnCommitted | None = None,
    *,
    failpoints: Failpoints | None = None,
    limits: Limits | None = None,
    ids: SequentialIds | None = None,
    clock: Clock | None = None,
    apart: Apart | None = None,
) -> AsyncIterator[SqliteStore]:
    """The store on a folder, closed at the end; with `apart` its writer is a process."""
    store = open_store(
        folder,
        encoder=ProtobufEncoder(),
        clock=clock or ManualClock(START_NS),
        ids=ids or SequentialIds(),
        limits=limits or Limits(),
        failpoints=failpoints or NoFailpoints(),
        on_committed=on_committed or Announced(),
        apart=apart,
    )
    try:
        yield store
    finally:
        await store.close()


def writer_process(*arguments: str, on_lost: Callable[[], None] | None = None) -> Apart:
    """The writer as the daemon starts it; a loss that nobody expects fails the test."""

    def unexpected() -> None:
        raise AssertionError("the writer's process was lost")

    return Apart("dropcopyd.journalling", [*arguments, "--cache-bytes", "8000000"], on_lost or unexpected)


def writing(store: SqliteStore) -> sqlite3.Connection:
    """The connection that the store's writer writes by, where that is a thread."""
    assert isinstance(store._writer, ThreadWriter)
    return store._writer._connection


class Desk:
    """One account's life, decided by the machine: batches in the order in which they were decided."""

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self.play = Play(account(number))
        self._orders = 0

    def name(self) -> str:
        self._orders += 1
        return f"{self.number}-{self._orders}"

    def create(self, name: str, **changes: object) -> Command:
        one = account(self.number)
        facts = {"account_id": one.account_id, "organization_id": one.organization_id, **changes}
        return self.play.create(name, **facts)

    def create_batch(self, key: str | None = None, **changes: object) -> Batch:
        """One new intent, perhaps under an idempotency key."""
        command = self.create(self.name(), **changes)
        batch = self.play.batches[-1]
        if key is None:
            return batch
        return replace(batch, idempotency=IdempotencyRecord(key, "{}", command.intent_id, command.seq))

    def life(self, instrument: Instrument = AAPL, fills: int = 3) -> list[Batch]:
        """An order from its create to its end: accepted, filled in parts, replaced, doubted, cancelled."""
        first = len(self.play.batches)
        play, name = self.play, self.name()
        command = self.create(name, instrument=instrument, terms=limit_terms(str(10 + fills)))
        play.begin(command)
        play.acknowledge(command, f"x{name}")
        play.report(report(ReportKind.ACCEPTED, f"c{name}.1", cursor=f"{name}.0"))
        for number in range(fills):
            price = str(Decimal(100) + Decimal(number) / 4)
            play.report(trade(f"e{number}", "1", price, f"c{name}.1", cursor=f"{name}.{number + 1}"))
        changed = play.amend(name, ActionType.REPLACE, terms=limit_terms(str(20 + fills), "99.5"))
        play.begin(changed)
        play.doubt(changed)
        play.report(report(ReportKind.REPLACED, f"c{name}.2"))
        play.begin(play.amend(name, ActionType.CANCEL))
        play.report(report(ReportKind.CANCELLED, f"c{name}.3", reason_code="asked", reason="as asked"))
        return play.batches[first:]

    def moved(self) -> Batch:
        """A connection that goes and comes."""
        now = self.play.state.status.connection
        to = AccountConnection.BLIND if now is AccountConnection.LIVE else AccountConnection.LIVE
        batch = self.play.take(machine.move_connection(self.play.state, to, self.play.now_ns, to.value.lower()))
        assert batch is not None
        return batch


def lives(desk: Desk, count: int) -> Iterable[Batch]:
    """Several orders, one after another, over every kind of instrument."""
    for number in range(count):
        yield from desk.life(INSTRUMENTS[number % len(INSTRUMENTS)], fills=number % 4)
