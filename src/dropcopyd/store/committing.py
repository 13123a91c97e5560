"""What a writer does on its connection, wherever it runs: batches in groups, each group one flush to disk."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from dropcopyd.domain.account import Account
from dropcopyd.domain.event import Batch
from dropcopyd.domain.tally import LegTime
from dropcopyd.ports import Committed, Encoder, Failpoints
from dropcopyd.store import breaks
from dropcopyd.store.appending import Journal
from dropcopyd.store.keeping import Keeper
from dropcopyd.store.projecting import Projections

_log = structlog.get_logger()
_BEGIN_TRIES: Final = 6
"""Each waits for the connection's busy timeout of 10 s."""
GROUP_BATCHES_MAX: Final = 512
Work = tuple[Account, Batch, tuple[bytes, ...]]
"""A batch of an account, with its events encoded: whoever decided it has seen that they can be."""


@dataclass(slots=True)
class Group:
    """What became of the batches that were to be committed together, one refusal (or None) each, in their order."""

    refusals: list[str | None] = field(default_factory=list)
    committed: list[Committed] = field(default_factory=list)
    legs: list[LegTime] = field(default_factory=list)


class Committer:
    """Of one writer. Its tables are written by nobody else while it is at work, so that it remembers what it wrote."""

    def __init__(self, connection: sqlite3.Connection, encoder: Encoder, failpoints: Failpoints) -> None:
        self._connection = connection
        self._projections = Projections(connection)
        self._journal = Journal(connection, encoder)
        self._keeper = Keeper(connection, self._projections)
        self._failpoints = failpoints
        self._failed: set[int] = set()

    def readmit(self, account: Account) -> None:
        """Batches of this account are good again."""
        self._failed.discard(account.number)

    def commit(self, batches: Sequence[Work]) -> Group:
        """One transaction for all; if it fails, one for each, so that a bad batch fails alone, and with it every later
        one of its account."""
        group = self._write(batches)
        if isinstance(group, Group):
            return group
        whole = Group()
        for work in batches:
            alone = self._write([work])
            if isinstance(alone, Group):
                whole.refusals += alone.refusals
                whole.committed += alone.committed
                whole.legs += alone.legs
            else:
                self._refuse(work[0], alone)
                whole.refusals.append("the journal could not be written")
        return whole

    def _refuse(self, account: Account, cause: Exception) -> None:
        self._failed.add(account.number)
        _log.error("store.commit_failed", account_id=account.account_id, cause=f"{type(cause).__name__}: {cause}")

    def _write(self, batches: Sequence[Work]) -> Group | Exception:
        """Commit the batches together, or why that failed; nothing was kept then."""
        group = Group()
        try:
            begin(self._connection)
            for account, batch, encoded in batches:
                if account.number in self._failed:
                    group.refusals.append("an earlier batch of this account failed")
                    continue
                self._take(account, batch, encoded, group)
                group.refusals.append(None)
            self._flush()
            self._failpoints.reached("store.commit.before")
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  whatever failed, the batch is refused and the account halted
            self._journal.clear()
            self._keeper.discard()
            self._projections.clear()
            roll_back(self._connection)
            return error
        self._failpoints.reached("store.commit.after")
        return group

    def _take(self, account: Account, batch: Batch, encoded: Sequence[bytes], group: Group) -> None:
        """Take a batch in. Most of it reaches the file with `_flush`, together with the others of its group."""
        brought = self._keeper.before(account.number, batch)
        self._projections.project(account.number, batch)
        breaks.write(self._connection, account, batch)
        for event, payload in zip(batch.events, encoded, strict=True):
            committed = self._journal.append(account, batch.at_ns, event, payload)
            self._keeper.note(account.number, committed.sequence, event)
            group.committed.append(committed)
        head = self._journal.move(account.number, batch)
        group.legs += self._keeper.tally(account.number, batch, brought)
        if self._keeper.is_set_due(account.number, head):
            self._projections.flush()
            self._keeper.keep_working_set(account.number, head)

    def _flush(self) -> None:
        self._projections.flush()
        self._journal.flush(self._keeper.order_numbers(self._journal.abouts))
        self._keeper.flush()


def begin(connection: sqlite3.Connection) -> None:
    """Begin a transaction; the lock of another process is waited for, up to a minute."""
    for _ in range(_BEGIN_TRIES - 1):
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            _log.warning("store.locked", cause="another process holds the journal's lock")
        else:
            return
    connection.execute("BEGIN IMMEDIATE")


def roll_back(connection: sqlite3.Connection) -> None:
    """Let go what a transaction did that failed; if even this fails, every further one does, and is refused."""
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
