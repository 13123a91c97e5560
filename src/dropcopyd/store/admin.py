"""Organizations, accounts, keys and instruments: the operator's writes, from the daemon or beside it.

Each call is one transaction on a connection of its own, so `dropcopyd keys disable` works while the daemon runs; the
daemon reads keys anew at every authentication.
"""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from dropcopyd.domain import catalogue
from dropcopyd.domain.account import BrokerKind, Scope
from dropcopyd.domain.day import check_day
from dropcopyd.domain.instrument import Instrument
from dropcopyd.errors import Code, DropcopyError, NotFoundError
from dropcopyd.store import migrate


class Admin:
    """The operator's hand on one folder's database; creates the file when it is missing."""

    def __init__(self, folder: Path, at_ns: int) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._connection = migrate.connect(folder / migrate.DATABASE_NAME)
        self._at_ns = at_ns
        migrate.migrate(self._connection, at_ns)

    def close(self) -> None:
        self._connection.close()

    def add_organization(self, organization_id: str, name: str) -> None:
        """Raises DropcopyError(NAME_IN_USE) when another organization has the name."""
        self._insert(
            "INSERT INTO organizations (organization_id, name, created_at_ns) VALUES (?, ?, ?)",
            (organization_id, name, self._at_ns),
            f"an organization named {name!r} exists already",
        )

    def set_stream_quota(self, organization_id: str, streams_max: int | None) -> None:
        """How many streams the organization may hold open from its next one on; None = the node's default."""
        self._connection.execute(
            "UPDATE organizations SET streams_max = ? WHERE organization_id = ?", (streams_max, organization_id)
        )

    def find_organization(self, name_or_id: str) -> str | None:
        """The id of the organization with that name or id."""
        row = self._connection.execute(
            "SELECT organization_id FROM organizations WHERE organization_id = ?1 OR name = ?1", (name_or_id,)
        ).fetchone()
        return None if row is None else str(row[0])

    def add_account(
        self, account_id: str, organization_id: str, name: str, broker: BrokerKind, broker_settings: str = ""
    ) -> None:
        """Raises DropcopyError(NAME_IN_USE) when the organization has an account of that name."""
        self._insert(
            "INSERT INTO accounts (account_id, organization_id, name, broker, created_at_ns, broker_settings)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (account_id, organization_id, name, broker.value, self._at_ns, broker_settings),
            f"the organization has an account named {name!r} already",
        )

    def find_account(self, organization_id: str, name: str) -> str | None:
        """The id of the organization's account with that name."""
        row = self._connection.execute(
            "SELECT account_id FROM accounts WHERE organization_id = ? AND name = ?", (organization_id, name)
        ).fetchone()
        return None if row is None else str(row[0])

    def broker_settings(self, account_id: str) -> str:
        """What the account's broker was told when the account was added; "" for an unknown account."""
        row = self._connection.execute(
            "SELECT broker_settings FROM accounts WHERE account_id = ?", (account_id,)
        ).fetchone()
        return "" if row is None else str(row[0])

    def set_day(self, account_id: str, time_zone: str | None, roll_time: str | None) -> None:
        """When the account's day begins; None leaves as it is. Raises NotFoundError, DropcopyError."""
        check_day(time_zone or "UTC", roll_time or "00:00")
        changed = self._connection.execute(
            "UPDATE accounts SET time_zone = coalesce(?, time_zone), roll_time = coalesce(?, roll_time)"
            " WHERE account_id = ?",
            (time_zone, roll_time, account_id),
        ).rowcount
        if not changed:
            raise NotFoundError(Code.INVALID_ARGUMENT, f"there is no account {account_id!r}")

    def add_key(self, key_id: str, organization_id: str, name: str, digest: bytes, scopes: Iterable[Scope]) -> None:
        """Keep the keyed hash of a key; the key itself is shown once by the caller and stored nowhere."""
        words = " ".join(sorted(scopes))
        self._connection.execute(
            "INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, NULL)",
            (key_id, organization_id, name, digest, words, self._at_ns),
        )

    def disable_key(self, key_id: str) -> None:
        """Refuse the key from now on; idempotent. Raises NotFoundError."""
        changed = self._connection.execute(
            "UPDATE api_keys SET disabled_at_ns = coalesce(disabled_at_ns, ?) WHERE key_id = ?", (self._at_ns, key_id)
        ).rowcount
        if not changed:
            raise NotFoundError(Code.INVALID_ARGUMENT, f"there is no key {key_id!r}")

    def add_instruments(self, instruments: Iterable[Instrument]) -> int:
        """Add instruments, all or none; returns how many were new.

        The same terms again are fine. Raises DropcopyError(INVALID_ARGUMENT) for a known instrument with other terms:
        positions were computed from them.
        """
        added = 0
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for instrument in instruments:
                added += self._add_instrument(instrument)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return added

    def _add_instrument(self, instrument: Instrument) -> int:
        definition = json.dumps(catalogue.row_of(instrument), sort_keys=True)
        key = (instrument.asset_class.value, instrument.symbol)
        row = self._connection.execute(
            "SELECT definition FROM instruments WHERE asset_class = ? AND symbol = ?", key
        ).fetchone()
        if row is None:
            self._connection.execute("INSERT INTO instruments VALUES (?, ?, ?)", (*key, definition))
            return 1
        if catalogue.instrument_of(json.loads(row[0])) != instrument:
            raise DropcopyError(
                Code.INVALID_ARGUMENT, f"{key[0]} {key[1]} is known with other terms, and terms never change"
            )
        return 0

    def _insert(self, statement: str, values: tuple[object, ...], refusal: str) -> None:
        try:
            self._connection.execute(statement, values)
        except sqlite3.IntegrityError as error:
            raise DropcopyError(Code.NAME_IN_USE, refusal) from error
