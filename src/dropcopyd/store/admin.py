"""Organizations, accounts, keys and instruments: the operator's writes, from the daemon or beside it.

Each call is one transaction on a connection of its own, so `dropcopyd keys disable` works while the daemon runs; the
mark that it leaves makes the daemon read keys anew.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from dropcopyd.domain import catalogue
from dropcopyd.domain.account import Account, BrokerKind, Organization, Scope
from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.domain.day import check_day
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.keys import OPERATOR, KeyRecord, KeySettings
from dropcopyd.errors import Code, DropcopyError, NotFoundError
from dropcopyd.ports import NewAccount
from dropcopyd.store import keys, migrate, rows
from dropcopyd.store.controls import put_audit
from dropcopyd.store.keycache import Mark
from dropcopyd.store.registry import ORGANIZATION_COLUMNS, insertion_of, set_account_disabled, set_account_reconcile

_Result = TypeVar("_Result")


class Admin:
    """The operator's hand on one folder's database; creates the file when it is missing."""

    def __init__(self, folder: Path, at_ns: int) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._mark = Mark(folder)
        self._connection = migrate.connect(folder / migrate.DATABASE_NAME)
        self._at_ns = at_ns
        migrate.migrate(self._connection, at_ns)

    def close(self) -> None:
        self._connection.close()
        self._mark.close()

    def add_organization(self, organization_id: str, name: str) -> None:
        """Raises DropcopyError(NAME_IN_USE) when another organization has the name."""
        statement = "INSERT INTO organizations (organization_id, name, created_at_ns) VALUES (?, ?, ?)"
        self._insert(
            statement,
            (organization_id, name, self._at_ns),
            f"an organization named {name!r} exists already",
            self._entry(organization_id, AuditAction.ORGANIZATION_CREATED, organization_id, {"name": name}),
        )

    def organizations(self) -> list[Organization]:
        """All of them, by name."""
        found = self._connection.execute(
            f"SELECT {ORGANIZATION_COLUMNS} FROM organizations ORDER BY name"  # noqa: S608 - our own words
        )
        return [Organization(*row) for row in found]

    def set_stream_quota(self, organization_id: str, streams_max: int | None) -> None:
        """How many streams the organization may hold open from its next one on; None = the node's default."""
        detail = {"streams_max": "default" if streams_max is None else str(streams_max)}
        entry = self._entry(organization_id, AuditAction.ORGANIZATION_CHANGED, organization_id, detail)

        def work(connection: sqlite3.Connection) -> None:
            statement = "UPDATE organizations SET streams_max = ? WHERE organization_id = ?"
            connection.execute(statement, (streams_max, organization_id))
            put_audit(connection, entry)

        self._transact(work)

    def find_organization(self, name_or_id: str) -> str | None:
        """The id of the organization with that name or id; never by what one has renamed itself to."""
        row = self._connection.execute(
            "SELECT organization_id FROM organizations WHERE organization_id = ?1 OR name = ?1", (name_or_id,)
        ).fetchone()
        return None if row is None else str(row[0])

    def add_account(
        self,
        account_id: str,
        organization_id: str,
        name: str,
        broker: BrokerKind,
        broker_settings: str = "",
        *,
        time_zone: str = "UTC",
        roll_time: str = "00:00",
    ) -> None:
        """Raises DropcopyError: NAME_IN_USE when the organization has an account of that name, INVALID_ARGUMENT."""
        check_day(time_zone, roll_time)
        account = NewAccount(
            account_id=account_id,
            organization_id=organization_id,
            name=name,
            broker=broker,
            broker_settings=broker_settings,
            time_zone=time_zone,
            roll_time=roll_time,
            created_at_ns=self._at_ns,
        )
        self._insert(
            *insertion_of(account),
            f"the organization has an account named {name!r} already",
            self._entry(
                organization_id, AuditAction.ACCOUNT_CREATED, account_id, {"name": name, "broker": broker.value}
            ),
        )

    def accounts(self) -> list[Account]:
        """All accounts, by organization and name."""
        found = self._rows("SELECT * FROM accounts ORDER BY organization_id, name")
        return [rows.account_of(row) for row in found]

    def disable_account(self, account_id: str, *, is_disabled: bool = True) -> None:
        """Take no creates and replaces from now on, or take them again; idempotent. Raises NotFoundError."""
        at_ns, organization_id = self._at_ns if is_disabled else None, self._organization_of(account_id)
        action = AuditAction.ACCOUNT_DISABLED if is_disabled else AuditAction.ACCOUNT_ENABLED
        entry = self._entry(organization_id, action, account_id, {})

        def work(connection: sqlite3.Connection) -> None:
            set_account_disabled(connection, account_id, at_ns)
            put_audit(connection, entry)

        self._transact(work)

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
        given = {"time_zone": time_zone, "roll_time": roll_time}
        detail = {name: value for name, value in given.items() if value is not None}
        entry = self._entry(self._organization_of(account_id), AuditAction.ACCOUNT_CHANGED, account_id, detail)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE accounts SET time_zone = coalesce(?, time_zone), roll_time = coalesce(?, roll_time)"
                " WHERE account_id = ?",
                (time_zone, roll_time, account_id),
            )
            put_audit(connection, entry)

        self._transact(work)

    def set_reconcile(self, account_id: str, seconds: int | None) -> None:
        """Seconds between the account's reconciliations, 0 = none by the timer, None = as the gateway does.

        Raises NotFoundError.
        """
        detail = {"reconcile_s": "" if seconds is None else str(seconds)}
        entry = self._entry(self._organization_of(account_id), AuditAction.ACCOUNT_CHANGED, account_id, detail)

        def work(connection: sqlite3.Connection) -> None:
            set_account_reconcile(connection, account_id, seconds)
            put_audit(connection, entry)

        self._transact(work)

    def _organization_of(self, account_id: str) -> str:
        row = self._connection.execute(
            "SELECT organization_id FROM accounts WHERE account_id = ?", (account_id,)
        ).fetchone()
        if row is None:
            raise NotFoundError(Code.INVALID_ARGUMENT, f"there is no account {account_id!r}")
        return str(row[0])

    def add_key(
        self,
        key_id: str,
        organization_id: str,
        name: str,
        digest: bytes,
        scopes: Iterable[Scope],
        settings: KeySettings | None = None,
    ) -> None:
        """Keep the keyed hash of a key; the key itself is shown once by the caller and stored nowhere.

        `settings` are taken instead of name and scopes where there is more to say. Raises NotFoundError for an account
        that is not the organization's.
        """
        settings = settings or KeySettings(name=name, scopes=frozenset(scopes))
        for account_id in sorted(settings.account_ids or ()):
            if self._organization_of(account_id) != organization_id:
                raise NotFoundError(Code.INVALID_ARGUMENT, f"there is no account {account_id!r}")
        record = KeyRecord(
            key_id=key_id,
            organization_id=organization_id,
            settings=settings,
            digest=digest,
            created_at_ns=self._at_ns,
        )
        detail = {"name": settings.name, "scopes": " ".join(sorted(settings.scopes))}
        entry = self._entry(organization_id, AuditAction.KEY_CREATED, key_id, detail)

        def work(connection: sqlite3.Connection) -> None:
            keys.insert_key(connection, record)
            put_audit(connection, entry)

        self._transact(work)

    def keys(self, organization_id: str) -> list[KeyRecord]:
        """An organization's keys, by id."""
        found = self._rows(
            "SELECT api_keys.*, streams_max FROM api_keys JOIN organizations USING (organization_id)"
            " WHERE api_keys.organization_id = ? ORDER BY key_id",
            organization_id,
        )
        return [keys.key_of(row) for row in found]

    def rotate_key(self, key_id: str, digest: bytes, overlap_s: int) -> None:
        """Give a key another secret; the one before is good for the overlap. Raises NotFoundError."""
        until_ns = self._at_ns + overlap_s * 1_000_000_000
        entry = self._key_entry(key_id, AuditAction.KEY_ROTATED, {"overlap_s": str(overlap_s)})

        def work(connection: sqlite3.Connection) -> bool:
            is_done = keys.rotate_key(connection, key_id, digest, self._at_ns, until_ns)
            if is_done:
                put_audit(connection, entry)
            return is_done

        if not self._transact(work):
            raise NotFoundError(Code.INVALID_ARGUMENT, f"the key {key_id!r} is disabled")

    def disable_key(self, key_id: str) -> None:
        """Refuse the key from now on; idempotent. Raises NotFoundError."""
        entry = self._key_entry(key_id, AuditAction.KEY_REVOKED, {})

        def work(connection: sqlite3.Connection) -> None:
            keys.disable_key(connection, key_id, self._at_ns)
            put_audit(connection, entry)

        self._transact(work)

    def _key_entry(self, key_id: str, action: AuditAction, detail: Mapping[str, str]) -> AuditEntry:
        row = self._connection.execute("SELECT organization_id FROM api_keys WHERE key_id = ?", (key_id,)).fetchone()
        if row is None:
            raise NotFoundError(Code.INVALID_ARGUMENT, f"there is no key {key_id!r}")
        return self._entry(str(row[0]), action, key_id, detail)

    def add_instruments(self, instruments: Iterable[Instrument]) -> int:
        """Add instruments, all or none; returns how many were new.

        The same terms again are fine. Raises DropcopyError(INVALID_ARGUMENT) for a known instrument with other terms:
        positions were computed from them.
        """
        return self._transact(lambda _connection: sum(map(self._add_instrument, instruments)))

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

    def _insert(self, statement: str, values: tuple[object, ...], refusal: str, entry: AuditEntry) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(statement, values)
            put_audit(connection, entry)

        try:
            self._transact(work)
        except sqlite3.IntegrityError as error:
            raise DropcopyError(Code.NAME_IN_USE, refusal) from error

    def _transact(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Work in one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(self._connection)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        self._mark.leave()
        return result

    def _rows(self, statement: str, *values: str) -> list[sqlite3.Row]:
        cursor = self._connection.cursor()
        cursor.row_factory = sqlite3.Row
        return cursor.execute(statement, values).fetchall()

    def _entry(self, organization_id: str, action: AuditAction, subject: str, detail: Mapping[str, str]) -> AuditEntry:
        is_account = action.value.startswith("account.")
        return AuditEntry(
            organization_id=organization_id,
            account_id=subject if is_account else None,
            at_ns=self._at_ns,
            principal_id=OPERATOR,
            action=action,
            subject=subject,
            detail=detail,
        )
