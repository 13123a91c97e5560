"""Backups: of one moment, proven, whole or not at all; and what becomes of a damaged one."""

import sqlite3
from pathlib import Path

import pytest

from dropcopyd.errors import Code, DropcopyError, StoreError
from dropcopyd.store import migrate
from dropcopyd.store.backup import Copied, backup, restore, verify
from tests.store.build import Desk, account_id, lives, make_folder, opened

EPOCH = "a fresh epoch"


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A folder with two lives in its journal, a secret and a second database."""
    folder = tmp_path / "data"
    make_folder(folder)
    async with opened(folder) as store:
        for desk in (Desk(1), Desk(2)):
            for batch in lives(desk, 3):
                await store.commit(batch)
    (folder / "secret.key").write_text("pepper")
    book = sqlite3.connect(folder / "paper.db")
    book.execute("CREATE TABLE book (line TEXT)")
    book.execute("INSERT INTO book VALUES ('order 1')")
    book.commit()
    book.close()
    return folder


def change(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / migrate.DATABASE_NAME, isolation_level=None)
    connection.execute(statement)
    connection.close()


def journal(folder: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / migrate.DATABASE_NAME)
    try:
        return connection.execute("SELECT account, sequence, payload, hash FROM journal ORDER BY 1, 2").fetchall()
    finally:
        connection.close()


def test_a_backup_holds_everything_and_is_proven(folder: Path, tmp_path: Path) -> None:
    copied = backup(folder, tmp_path / "backups" / "one")
    assert copied == Copied(2, len(journal(folder)))
    assert copied.events > 50
    assert journal(tmp_path / "backups" / "one") == journal(folder)
    assert (tmp_path / "backups" / "one" / "secret.key").read_text() == "pepper"
    assert (tmp_path / "backups" / "one" / "secret.key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "backups" / "one").stat().st_mode & 0o077 == 0
    assert not list((tmp_path / "backups").glob("*.part"))
    assert verify(tmp_path / "backups" / "one") == copied


async def test_a_backup_beside_a_running_store_is_of_one_moment(folder: Path, tmp_path: Path) -> None:
    async with opened(folder) as store:
        desk = Desk(1)
        desk.play.state = await store.load_account(account_id(1), 0)
        before = len(journal(folder))
        copied = backup(folder, tmp_path / "one")
        await store.commit(desk.create_batch())
    assert copied.events == before == len(journal(tmp_path / "one"))


def test_a_target_that_is_there_and_a_folder_without_a_journal_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for source, target in ((folder, tmp_path / "there"), (tmp_path / "nothing", tmp_path / "one")):
        with pytest.raises(DropcopyError) as refusal:
            backup(source, target)
        assert refusal.value.code is Code.INVALID_ARGUMENT
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE journal SET payload = CAST(payload || x'00' AS BLOB) WHERE account = 1 AND sequence = 7",
        "UPDATE journal SET payload = CAST(x'ff' || substr(payload, 2) AS BLOB) WHERE account = 1 AND sequence = 7",
        "UPDATE journal SET hash = zeroblob(32) WHERE account = 2 AND sequence = 3",
        "DELETE FROM journal WHERE account = 1 AND sequence = 5",
        "DELETE FROM journal WHERE account = 1 AND sequence = (SELECT max(sequence) FROM journal WHERE account = 1)",
        "UPDATE accounts SET head = head + 1 WHERE number = 2",
        "UPDATE accounts SET hash = zeroblob(32) WHERE number = 2",
    ],
)
def test_a_journal_that_does_not_prove_itself_makes_no_backup(folder: Path, tmp_path: Path, damage: str) -> None:
    change(folder, damage)
    with pytest.raises(StoreError, match="is broken at"):
        backup(folder, tmp_path / "one")
    assert list(tmp_path.iterdir()) == [folder], "nothing is left of the attempt"


def test_a_journal_that_lacks_its_first_event_makes_no_backup(folder: Path, tmp_path: Path) -> None:
    """Nothing before it is there to compare a hash with: the numbers tell."""
    change(folder, "DELETE FROM journal WHERE account = 1 AND sequence <= 5")
    change(folder, "UPDATE accounts SET oldest = 5 WHERE number = 1")
    with pytest.raises(StoreError, match="is broken at 5"):
        backup(folder, tmp_path / "one")


def test_a_pruned_journal_proves_what_is_left(folder: Path, tmp_path: Path) -> None:
    change(folder, "DELETE FROM journal WHERE account = 1 AND sequence < 5")
    change(folder, "UPDATE accounts SET oldest = 5 WHERE number = 1")
    assert backup(folder, tmp_path / "one").events == len(journal(folder))


async def test_a_restore_brings_all_back_under_a_new_epoch(folder: Path, tmp_path: Path) -> None:
    async with opened(folder) as store:
        epoch = store.epoch
    backup(folder, tmp_path / "one")
    expected = journal(folder)
    copied = restore(tmp_path / "one", tmp_path / "new", EPOCH, is_forced=False, at_ns=1)
    assert copied.events == len(expected) == len(journal(tmp_path / "new"))
    assert (tmp_path / "new" / "secret.key").read_text() == "pepper"
    async with opened(tmp_path / "new") as store:
        assert store.epoch == EPOCH != epoch
        assert (await store.read_state(account_id(1), 0)).head.sequence > 0
    assert journal(tmp_path / "new") == expected


def test_a_folder_with_a_journal_is_replaced_by_force_only_and_kept_aside(folder: Path, tmp_path: Path) -> None:
    backup(folder, tmp_path / "one")
    change(folder, "DELETE FROM journal")
    with pytest.raises(DropcopyError) as refusal:
        restore(tmp_path / "one", folder, EPOCH, is_forced=False, at_ns=1)
    assert refusal.value.code is Code.INVALID_ARGUMENT
    assert journal(folder) == []
    restore(tmp_path / "one", folder, EPOCH, is_forced=True, at_ns=77)
    assert journal(folder)
    assert journal(folder / "replaced-77") == []
    assert (folder / "replaced-77" / "secret.key").read_text() == "pepper"


async def test_the_folder_of_a_running_daemon_and_a_damaged_backup_are_refused(folder: Path, tmp_path: Path) -> None:
    backup(folder, tmp_path / "one")
    async with opened(folder):
        with pytest.raises(DropcopyError) as refusal:
            restore(tmp_path / "one", folder, EPOCH, is_forced=True, at_ns=1)
        assert refusal.value.code is Code.FOLDER_IN_USE
    book = (tmp_path / "one" / "paper.db").read_bytes()
    (tmp_path / "one" / "paper.db").write_bytes(book[:4096] + b"\xff" * 200 + book[4296:])
    with pytest.raises((StoreError, DropcopyError)):
        restore(tmp_path / "one", tmp_path / "new", EPOCH, is_forced=False, at_ns=1)
    assert not (tmp_path / "new" / migrate.DATABASE_NAME).exists()
