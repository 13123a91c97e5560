"""Organizations, accounts and keys as the running daemon changes them: on the writer's thread, each with its audit."""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from dropcopyd.domain.account import Account, Organization
from dropcopyd.domain.audit import AuditEntry
from dropcopyd.domain.keys import KeyRecord, KeySettings
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.tokens import NOBODY
from dropcopyd.ports import KeyUse, NewAccount
from dropcopyd.store import keys
from dropcopyd.store.controls import put_audit

_Result = TypeVar("_Result")
_ACCOUNT_IN_USE = "the organization has an account of that name already"
ORGANIZATION_COLUMNS: Final = "organization_id, name, created_at_ns, streams_max, own_name"
"""As `Organization` takes them."""


class Runs(Protocol):
    """Runs work on a connection and gives its result."""

    async def __call__(self, work: Callable[[sqlite3.Connection], _Result], /) -> _Result: ...


class SqliteRegistry:
    """The `Registry` port over the store's reader and writer; `refreshed` lets the store know accounts anew."""

    def __init__(self, read: Runs, transact: Runs, refreshed: Callable[[], Awaitable[tuple[Account, ...]]]) -> None:
        self._read = read
        self._transact = transact
        self._refreshed = refreshed

    async def organization(self, organization_id: str) -> Organization:
        return await self._read(lambda connection: find_organization(connection, organization_id))

    async def rename_organization(self, organization_id: str, name: str, entry: AuditEntry) -> None:
        statement = "UPDATE organizations SET own_name = ? WHERE organization_id = ?"
        await self._audited(lambda connection: connection.execute(statement, (name, organization_id)).rowcount, entry)

    async def add_account(self, account: NewAccount, entry: AuditEntry, accounts_max: int) -> None:
        def full(connection: sqlite3.Connection) -> DropcopyError | None:
            statement = "SELECT count(*) FROM accounts WHERE organization_id = ?"
            return _full("accounts", connection.execute(statement, (account.organization_id,)), accounts_max)

        await self._named(*insertion_of(account), entry, _ACCOUNT_IN_USE, full)
        await self._refreshed()

    async def change_account(
        self, account_id: str, *, name: str | None, time_zone: str | None, roll_time: str | None, entry: AuditEntry
    ) -> None:
        statement = (
            "UPDATE accounts SET name = coalesce(?, name), time_zone = coalesce(?, time_zone),"
            " roll_time = coalesce(?, roll_time) WHERE account_id = ?"
        )
        await self._named(statement, (name, time_zone, roll_time, account_id), entry, _ACCOUNT_IN_USE)
        await self._refreshed()

    async def disable_account(self, account_id: str, disabled_at_ns: int | None, entry: AuditEntry) -> None:
        def work(connection: sqlite3.Connection) -> None:
            set_account_disabled(connection, account_id, disabled_at_ns)
            put_audit(connection, entry)

        await self._transact(work)
        await self._refreshed()

    async def set_reconcile(self, account_id: str, seconds: int | None, version: int, entry: AuditEntry) -> bool:
        done = await self._audited(
            lambda connection: set_account_reconcile(connection, account_id, seconds, version), entry
        )
        await self._refreshed()
        return bool(done)

    async def _named(
        self,
        statement: str,
        values: tuple[object, ...],
        entry: AuditEntry,
        refusal: str,
        full: Callable[[sqlite3.Connection], DropcopyError | None] = lambda _connection: None,
    ) -> None:
        """A write that gives a name. Raises DropcopyError(NAME_IN_USE), and what `full` finds."""

        def work(connection: sqlite3.Connection) -> DropcopyError | None:
            found = full(connection)
            if found is not None:
                return found
            try:
                connection.execute(statement, values)
            except sqlite3.IntegrityError:
                return DropcopyError(Code.NAME_IN_USE, refusal)
            put_audit(connection, entry)
            return None

        found = await self._transact(work)
        if found is not None:
            raise found

    # --- keys -----------------------------------------------------------------------------------------------------

    async def keys(self, organization_id: str, after: str, limit: int) -> list[KeyRecord]:
        return await self._read(lambda connection: keys.list_keys(connection, organization_id, after, limit))

    async def add_key(self, record: KeyRecord, entry: AuditEntry, keys_max: int) -> None:
        def add(connection: sqlite3.Connection) -> DropcopyError | None:
            found = _full("keys", keys.count_good(connection, record.organization_id, record.created_at_ns), keys_max)
            if found is None:
                keys.insert_key(connection, record)
            return found

        await self._audited(add, entry)

    async def change_key(self, key_id: str, settings: KeySettings, entry: AuditEntry) -> None:
        await self._audited(lambda connection: keys.change_key(connection, key_id, settings), entry)

    async def rotate_key(
        self, key_id: str, digest: bytes, at_ns: int, previous_until_ns: int, entry: AuditEntry
    ) -> bool:
        return bool(
            await self._audited(
                lambda connection: keys.rotate_key(connection, key_id, digest, at_ns, previous_until_ns), entry
            )
        )

    async def disable_key(self, key_id: str, at_ns: int, entry: AuditEntry) -> None:
        await self._audited(lambda connection: keys.disable_key(connection, key_id, at_ns), entry)

    async def keep_uses(self, uses: Mapping[str, KeyUse]) -> None:
        await self._transact(lambda connection: keys.keep_uses(connection, uses))

    async def _audited(self, work: Callable[[sqlite3.Connection], Any], entry: AuditEntry) -> Any:
        """The result of a change; its line is written unless the change found nothing (False) or an error to be raised.

        Whoever asks holds a key that is not disabled, in the same transaction: revoked meanwhile, from wherever, he
        leaves no key behind. Raises DropcopyError(UNAUTHENTICATED).
        """

        def both(connection: sqlite3.Connection) -> Any:
            if keys.is_disabled(connection, entry.principal_id):
                return DropcopyError(Code.UNAUTHENTICATED, NOBODY)
            result = work(connection)
            if result is not False and not isinstance(result, DropcopyError):
                put_audit(connection, entry)
            return result

        result = await self._transact(both)
        if isinstance(result, DropcopyError):
            raise result
        return result


def _full(resource: str, counted: sqlite3.Cursor, limit: int) -> DropcopyError | None:
    """The refusal of one more when there are as many as there may be."""
    if counted.fetchone()[0] < limit:
        return None
    text = f"the organization has {limit} {resource}, as many as it may have"
    return DropcopyError(Code.ORGANIZATION_LIMIT_EXCEEDED, text, resource=resource, limit=limit)


# --- shared with the operator's hand (`admin`) --------------------------------------------------------------------


def find_organization(connection: sqlite3.Connection, organization_id: str) -> Organization:
    """An organization that exists."""
    row = connection.execute(
        f"SELECT {ORGANIZATION_COLUMNS} FROM organizations WHERE organization_id = ?",  # noqa: S608 - our own words
        (organization_id,),
    ).fetchone()
    return Organization(*row)


def insertion_of(account: NewAccount) -> tuple[str, tuple[object, ...]]:
    """The statement that adds an account, and its values."""
    statement = (
        "INSERT INTO accounts (account_id, organization_id, name, broker, broker_settings, time_zone, roll_time,"
        " created_at_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    )
    return statement, (
        account.account_id,
        account.organization_id,
        account.name,
        account.broker.value,
        account.broker_settings,
        account.time_zone,
        account.roll_time,
        account.created_at_ns,
    )


def set_account_reconcile(
    connection: sqlite3.Connection, account_id: str, seconds: int | None, version: int | None = None
) -> bool:
    """Give an account an interval of its own; False when it has not that version (any, when none is given)."""
    statement = (
        "UPDATE accounts SET reconcile_s = ?, reconcile_version = reconcile_version + 1"
        " WHERE account_id = ? AND reconcile_version = coalesce(?, reconcile_version)"
    )
    return bool(connection.execute(statement, (seconds, account_id, version)).rowcount)


def set_account_disabled(connection: sqlite3.Connection, account_id: str, disabled_at_ns: int | None) -> bool:
    """Disable (idempotent: the first time stays) or enable an account; whether there is one."""
    statement = "UPDATE accounts SET disabled_at_ns = coalesce(disabled_at_ns, ?) WHERE account_id = ?"
    if disabled_at_ns is None:
        statement = "UPDATE accounts SET disabled_at_ns = ? WHERE account_id = ?"
    return bool(connection.execute(statement, (disabled_at_ns, account_id)).rowcount)
