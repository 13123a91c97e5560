"""Copies of a daemon's folder: made while it runs, proven before they count, and put back under a new epoch.

A backup is a folder with the journal, the other databases and the small files (keys, certificates). Each database is
copied in one read transaction; the journal comes first, so that a broker's book is never older than what the journal
knows of it: what the journal lacks is taken in from the broker when the restored daemon connects.
"""

import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dropcopyd.errors import Code, DropcopyError, StoreError
from dropcopyd.store import migrate
from dropcopyd.store.chain import verify_chains

_DATABASE: Final = ".db"
_LEFT_OUT: Final = (_DATABASE, "-wal", "-shm", ".lock", ".mark", ".new", "-journal")
_PART: Final = ".part"


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds."""

    accounts: int
    events: int


def backup(folder: Path, target: Path) -> Copied:
    """Copy the folder to `target`, which does not exist yet; a daemon may go on with it meanwhile.

    The target appears whole and proven, or not at all. Raises DropcopyError(INVALID_ARGUMENT) for a target that is
    there or a folder without a journal, StoreError for a journal that does not prove itself, OSError for a full disk.
    """
    if not (folder / migrate.DATABASE_NAME).is_file():
        raise DropcopyError(Code.INVALID_ARGUMENT, f"there is no journal in {folder}")
    if target.exists():
        raise DropcopyError(Code.INVALID_ARGUMENT, f"{target} exists already; name a new folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(target.name + _PART)
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        for name in _databases(folder):
            _copy_database(folder / name, draft / name)
        for file in _small_files(folder):
            _copy_file(file, draft / file.name)
        copied = verify(draft)
        _flush(draft)
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    _flush(target.parent)
    return copied


def verify(folder: Path) -> Copied:
    """Prove a copy: every database is sound, and the journal's sequences and hash chains hold. Raises StoreError."""
    for name in _databases(folder):
        connection = _open(folder / name)
        try:
            problems = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
        except sqlite3.DatabaseError as error:
            problems = [str(error)]
        finally:
            connection.close()
        if problems != ["ok"]:
            raise StoreError(Code.STORE_FAILED, f"{folder / name} is damaged: {'; '.join(problems)}")
    connection = _open(folder / migrate.DATABASE_NAME)
    try:
        return Copied(*verify_chains(connection))
    finally:
        connection.close()


def restore(source: Path, folder: Path, fresh_epoch: str, *, is_forced: bool, at_ns: int) -> Copied:
    """Put a backup into the daemon's folder and renew the epoch, so that no cursor given out before is trusted.

    `is_forced`: what the folder holds is moved to `replaced-AT_NS` within it; else the folder must hold no journal.
    Raises DropcopyError(INVALID_ARGUMENT, FOLDER_IN_USE), StoreError for a backup that does not prove itself.
    """
    if not (source / migrate.DATABASE_NAME).is_file():
        raise DropcopyError(Code.INVALID_ARGUMENT, f"{source} is no backup: it holds no journal")
    copied = verify(source)
    lock = migrate.hold_folder(folder)
    try:
        present = [file for file in folder.iterdir() if file.is_file() and file.name != migrate.LOCK_NAME]
        if (folder / migrate.DATABASE_NAME).exists() and not is_forced:
            raise DropcopyError(
                Code.INVALID_ARGUMENT,
                f"{folder} holds a journal already; --force moves it aside for the backup",
            )
        if present and is_forced:
            aside = folder / f"replaced-{at_ns}"
            aside.mkdir(mode=0o700)
            for file in present:
                file.rename(aside / file.name)
        _put_back(source, folder, fresh_epoch)
    finally:
        lock.close()
    return copied


def _put_back(source: Path, folder: Path, fresh_epoch: str) -> None:
    """The journal last: a restore that is cut short leaves a folder that holds none."""
    for file in _small_files(source):
        _copy_file(file, folder / file.name)
    for name in reversed(_databases(source)):
        draft = folder / (name + _PART)
        draft.unlink(missing_ok=True)
        _copy_database(source / name, draft)
        if name == migrate.DATABASE_NAME:
            connection = _open(draft)
            migrate.renew_epoch(connection, draft, fresh_epoch)
            connection.close()
        draft.rename(folder / name)
    _flush(folder)


def _databases(folder: Path) -> list[str]:
    """The folder's databases, the journal first."""
    names = sorted(file.name for file in folder.iterdir() if file.is_file() and file.suffix == _DATABASE)
    return sorted(names, key=lambda name: name != migrate.DATABASE_NAME)


def _small_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.endswith(_LEFT_OUT))


def _copy_database(source: Path, target: Path) -> None:
    """One read transaction over the whole file: the writer goes on, and the copy is of one moment."""
    reader = sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=60)
    target.touch(mode=0o600)
    writer = sqlite3.connect(target, isolation_level=None)
    try:
        reader.backup(writer, pages=-1)
        writer.execute("PRAGMA journal_mode = DELETE")
    finally:
        writer.close()
        reader.close()
    _flush(target)


def _copy_file(source: Path, target: Path) -> None:
    target.touch(mode=0o600)
    shutil.copyfile(source, target)
    _flush(target)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _flush(path: Path) -> None:
    """To the disk: a file's bytes, a folder's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
