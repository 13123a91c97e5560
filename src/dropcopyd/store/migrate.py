"""Opening the database file: pragmas, forward-only numbered migrations, the epoch, and the lock on the folder."""

import fcntl
import os
import sqlite3
import time
from importlib import resources
from pathlib import Path
from typing import IO, Final

from dropcopyd.errors import Code, DropcopyError, StoreError
from dropcopyd.store.gathering import STATEMENTS_MAX

DATABASE_NAME: Final = "dropcopy.db"
LOCK_NAME: Final = "dropcopy.lock"
_BUSY_MS: Final = 10_000
_LOCK_TRIES: Final = 500
_LOCK_LOOK_S: Final = 0.02
_CACHE_BYTES: Final = 32 * 1024 * 1024


def hold_folder(folder: Path) -> IO[str]:
    """Take the folder for this process; the returned file holds the lock until it is closed.

    The lock of a daemon that was killed is held until its writer has ended too, which is waited for. Raises
    DropcopyError(FOLDER_IN_USE) when another daemon holds it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = (folder / LOCK_NAME).open("a+", encoding="ascii")
    if not _is_locked(file):
        file.close()
        message = f"the folder {folder} is in use by another dropcopyd; stop it or choose another folder"
        raise DropcopyError(Code.FOLDER_IN_USE, message)
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _is_locked(file: IO[str]) -> bool:
    """Whether the lock was free, or became so after the death of who is written down as its owner."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if _is_owner_alive(file):
                return False
            time.sleep(_LOCK_LOOK_S)
        else:
            return True
    return False


def _is_owner_alive(file: IO[str]) -> bool:
    file.seek(0)
    try:
        os.kill(int(file.read()), 0)
    except ProcessLookupError:
        return False
    except (ValueError, PermissionError):  # it is about to write its number, or another user's
        return True
    return True


def connect(path: Path, *, is_reader: bool = False, cache_bytes: int = _CACHE_BYTES) -> sqlite3.Connection:
    """A connection in autocommit mode (transactions are explicit) with the product's pragmas.

    Every commit is flushed to the disk (synchronous=FULL). May be handed between threads, used by one at a time.
    """
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_MS / 1000,
        cached_statements=STATEMENTS_MAX,
    )
    if not is_reader:  # a reader takes the file as it is
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute(f"PRAGMA cache_size = -{cache_bytes // 1024}")
    if is_reader:
        connection.execute("PRAGMA query_only = ON")
    return connection


def migrate(connection: sqlite3.Connection, at_ns: int) -> None:
    """Bring the schema to this version, each step in one transaction. Raises StoreError for a newer file."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations"
        " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at_ns INTEGER NOT NULL) STRICT"
    )
    known = _migrations()
    (applied,) = connection.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchone()
    if applied > len(known):
        raise StoreError(
            Code.STORE_FAILED, f"the database is of a newer version (schema {applied}, this program knows {len(known)})"
        )
    for number, (name, script) in enumerate(known[applied:], start=applied + 1):
        record = f"INSERT INTO migrations VALUES ({number}, '{name}', {at_ns})"  # noqa: S608  our own file names
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\n;{record};\nCOMMIT;")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise StoreError(Code.STORE_FAILED, f"migration {name} failed: {error}") from error


def require_current(connection: sqlite3.Connection) -> None:
    """For whoever only reads. Raises StoreError for a file of another version."""
    (applied,) = connection.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchone()
    known = len(_migrations())
    if applied != known:
        raise StoreError(
            Code.STORE_FAILED,
            f"the database has schema {applied}, this program reads {known}; let `dropcopyd serve` bring it up to date",
        )


def settle_epoch(connection: sqlite3.Connection, path: Path, fresh_epoch: str) -> str:
    """The store's epoch; `fresh_epoch` becomes it when there is none yet or the file is not the one recorded.

    A copied folder has another file (inode), so cursors given out by the original are not trusted by the copy
    (contract.md section 4).
    """
    identity = str(path.stat().st_ino)
    rows = dict(connection.execute("SELECT name, value FROM meta WHERE name IN ('epoch', 'file')"))
    if rows.get("file") == identity and "epoch" in rows:
        return str(rows["epoch"])
    renew_epoch(connection, path, fresh_epoch)
    return fresh_epoch


def renew_epoch(connection: sqlite3.Connection, path: Path, fresh_epoch: str) -> None:
    """Make every cursor given out so far invalid; the file at `path` is the one that the new epoch belongs to."""
    meta = [("epoch", fresh_epoch), ("file", str(path.stat().st_ino))]
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta)


def _migrations() -> list[tuple[str, str]]:
    folder = resources.files("dropcopyd.store") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    for number, file in enumerate(files, start=1):
        if not file.name.startswith(f"{number:04}_"):
            raise StoreError(Code.STORE_FAILED, f"migration {file.name} is out of order")
    return [(file.name, file.read_text("utf-8")) for file in files]
