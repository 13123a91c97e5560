"""The folder: who holds it, what its epoch means, how its schema grows, and the operator's hand beside the daemon."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from dropcopyd.domain.account import BrokerKind, Scope
from dropcopyd.errors import Code, DropcopyError, NotFoundError, StoreError
from dropcopyd.record import Listing
from dropcopyd.store import migrate
from dropcopyd.store.admin import Admin
from tests.domain.build import AAPL, START_NS, limit_terms
from tests.doubles import SequentialIds
from tests.store.build import ORGANIZATIONS, Desk, account_id, make_folder, opened
from tests.store.journal import verify

DATABASE = "dropcopy.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path / "data")
    return tmp_path / "data"


async def epoch_of(folder: Path, ids: SequentialIds) -> str:
    async with opened(folder, ids=ids) as store:
        return store.epoch


# --- epoch ----------------------------------------------------------------------------------------------------------


async def test_the_epoch_is_kept_across_restarts_and_renewed_for_a_copy(folder: Path, tmp_path: Path) -> None:
    ids = SequentialIds()
    first = await epoch_of(folder, ids)
    assert await epoch_of(folder, ids) == first
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    copied = await epoch_of(copy, ids)
    assert copied != first
    assert await epoch_of(copy, ids) == copied
    assert await epoch_of(folder, ids) == first, "the original is what it was"


async def test_a_restored_file_has_another_epoch(folder: Path, tmp_path: Path) -> None:
    ids = SequentialIds()
    first = await epoch_of(folder, ids)
    shutil.copy(folder / DATABASE, tmp_path / "backup.db")
    shutil.copy(tmp_path / "backup.db", folder / "restored.db")
    (folder / "restored.db").replace(folder / DATABASE)
    assert await epoch_of(folder, ids) != first


async def test_a_moved_folder_is_the_same_store(folder: Path, tmp_path: Path) -> None:
    ids = SequentialIds()
    first = await epoch_of(folder, ids)
    shutil.move(folder, tmp_path / "elsewhere")
    assert await epoch_of(tmp_path / "elsewhere", ids) == first


# --- one daemon -----------------------------------------------------------------------------------------------------

HOLD = """
import sys, pathlib
from dropcopyd.errors import DropcopyError
from dropcopyd.store import migrate
try:
    held = migrate.hold_folder(pathlib.Path(sys.argv[1]))
except DropcopyError as error:
    print("refused", error.code.value, flush=True)
else:
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that tries to hold the folder until it is killed, and what it says."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


async def test_a_second_daemon_is_refused_and_harms_nothing(folder: Path) -> None:
    async with opened(folder) as store:
        with pytest.raises(DropcopyError) as refusal:
            async with opened(folder):
                raise AssertionError("two at once")
        assert refusal.value.code is Code.FOLDER_IN_USE
        with another_process(folder) as (_, said):
            assert said == "refused folder_in_use"
        await asyncio.wait_for(store.commit(Desk(1).create_batch()), 10)
    await epoch_of(folder, SequentialIds())


async def test_a_killed_daemon_holds_nothing(folder: Path) -> None:
    with another_process(folder) as (holder, said):
        assert said == "held"
        with pytest.raises(DropcopyError):
            await epoch_of(folder, SequentialIds())
        holder.kill()
        holder.wait(30)
    await epoch_of(folder, SequentialIds())


# --- schema ---------------------------------------------------------------------------------------------------------


async def test_a_file_of_a_newer_version_is_refused_untouched(folder: Path) -> None:
    with sqlite3.connect(folder / DATABASE) as connection:
        connection.execute("INSERT INTO migrations VALUES (9999, '9999_later.sql', 0)")
    connection.close()
    before = (folder / DATABASE).read_bytes()
    with pytest.raises(StoreError, match="newer"):
        await epoch_of(folder, SequentialIds())
    with pytest.raises(StoreError, match="newer"):
        Admin(folder, START_NS)
    assert (folder / DATABASE).read_bytes() == before
    migrate.hold_folder(folder).close()


async def test_what_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        await epoch_of(tmp_path, SequentialIds())
    migrate.hold_folder(tmp_path).close()


def test_a_migration_that_fails_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = migrate._migrations()
    step = "CREATE TABLE fine (x INTEGER) STRICT; INSERT INTO fine VALUES (1); INSERT INTO missing VALUES (1);"
    monkeypatch.setattr(migrate, "_migrations", lambda: [*known, ("0002_broken.sql", step)])
    connection = migrate.connect(folder / DATABASE)
    try:
        with pytest.raises(StoreError, match=r"0002_broken.sql"):
            migrate.migrate(connection, START_NS)
        assert not connection.in_transaction
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        assert "fine" not in tables
        assert connection.execute("SELECT max(number) FROM migrations").fetchone() == (len(known),)
        monkeypatch.setattr(migrate, "_migrations", lambda: [*known, ("0002_mended.sql", "CREATE TABLE fine (x) ;")])
        migrate.migrate(connection, START_NS)
        migrate.migrate(connection, START_NS)
        assert connection.execute("SELECT count(*) FROM migrations").fetchone() == (len(known) + 1,)
    finally:
        connection.close()


def test_migrations_are_numbered_without_a_gap() -> None:
    names = [name for name, _ in migrate._migrations()]
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


def test_every_commit_is_flushed(folder: Path) -> None:
    connection = migrate.connect(folder / DATABASE)
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    finally:
        connection.close()


# --- the operator ---------------------------------------------------------------------------------------------------


async def test_what_the_operator_does_beside_a_running_daemon_is_seen(folder: Path) -> None:
    async with opened(folder) as store:
        admin = Admin(folder, START_NS + 1)
        admin.add_key("k1", ORGANIZATIONS[0], "bot", b"d" * 32, [Scope.STREAM_READ, Scope.INTENTS_EDIT])
        key = await store.find_key("k1")
        assert key is not None
        assert (key.organization_id, key.name, key.digest) == (ORGANIZATIONS[0], "bot", b"d" * 32)
        assert key.scopes == {Scope.STREAM_READ, Scope.INTENTS_EDIT}
        assert not key.is_disabled
        admin.disable_key("k1")
        admin.disable_key("k1")
        disabled = await store.find_key("k1")
        assert disabled is not None
        assert disabled.is_disabled
        assert await store.find_key("k2") is None
        admin.add_account(account_id(3), ORGANIZATIONS[0], "third", BrokerKind.PAPER)
        states = await store.read_states(ORGANIZATIONS[0], 0)
        assert [state.account.account_id for state in states] == [account_id(1), account_id(3)]
        page = await store.read_events(account_id(3), 0, 0, frozenset(), 10)
        assert page.events == (), "known from now on, also to reads by id"
        one = replace(AAPL, symbol="NEW")
        assert admin.add_instruments([one, AAPL]) == 1
        batch = Desk(3).create_batch(instrument=one)
        await asyncio.wait_for(store.commit(batch), 10)
        state = await store.load_account(account_id(3), 0)
        assert [chain.order.instrument for chain in state.chains.values()] == [one]
        admin.close()
    verify(folder / DATABASE, account_id(3))


async def test_an_account_added_later_is_found_by_its_first_commit(folder: Path) -> None:
    async with opened(folder) as store:
        admin = Admin(folder, START_NS + 1)
        admin.add_account(account_id(3), ORGANIZATIONS[0], "third", BrokerKind.PAPER)
        admin.close()
        await store.load_account(account_id(3), 0)
        await asyncio.wait_for(store.commit(Desk(3).create_batch()), 10)
        found = await store.find_account(account_id(3))
        assert found is not None
        assert await store.find_account(account_id(9)) is None


def test_names_and_terms_are_kept_apart(folder: Path) -> None:
    admin = Admin(folder, START_NS)
    try:
        with pytest.raises(DropcopyError) as organization:
            admin.add_organization("other id", "organization a")
        with pytest.raises(DropcopyError) as one:
            admin.add_account("other id", ORGANIZATIONS[0], "account 1", BrokerKind.PAPER)
        assert {organization.value.code, one.value.code} == {Code.NAME_IN_USE}
        admin.add_account("same name, other organization", ORGANIZATIONS[1], "account 1", BrokerKind.PAPER)
        with pytest.raises(NotFoundError):
            admin.disable_key("nobody")
        assert admin.find_organization("organization b") == admin.find_organization(ORGANIZATIONS[1])
        assert admin.find_account(ORGANIZATIONS[1], "account 1") == "same name, other organization"
        with pytest.raises(DropcopyError, match="terms never change"):
            admin.add_instruments([replace(AAPL, symbol="NEXT"), replace(AAPL, tick_size=Decimal("0.05"))])
        assert admin.add_instruments([replace(AAPL, symbol="NEXT")]) == 1, "all or none"
    finally:
        admin.close()


# --- pages ----------------------------------------------------------------------------------------------------------


async def test_records_are_read_in_pages_newest_first(folder: Path) -> None:
    async with opened(folder) as store:
        desk = Desk(1)
        for _ in range(7):
            await asyncio.wait_for(store.commit(desk.create_batch(terms=limit_terms("3"))), 10)
        names, mark = [], ""
        for size in (3, 3, 1):
            page = await store.record.queries.orders(account_id(1), Listing(limit=3, mark=mark))
            orders, mark = page.items, page.mark
            assert len(orders) == size
            names += [order.order_id for order in orders]
        assert mark == ""
        assert names == [f"o1-{number}" for number in range(7, 0, -1)]
        command = await store.record.queries.latest_action(account_id(1), "i1-4")
        assert command is not None
        assert command.seq == 1
        assert await store.record.queries.latest_action(account_id(2), "i1-4") is None, (
            "another account's intent is not there"
        )
        assert await store.load_chain(account_id(2), intent_id="i1-4") is None
        assert await store.load_chain(account_id(2), broker_command_id="c1-4.1") is None
