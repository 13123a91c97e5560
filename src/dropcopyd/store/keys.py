"""API keys as rows. Writes run inside a transaction of the caller's; each touches its own columns only.

So a change from the command line beside the daemon undoes none of the daemon's.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, Final

from dropcopyd.domain import money
from dropcopyd.domain.account import Scope
from dropcopyd.domain.attenuation import UNATTENUATED, Spending, attenuation_from_json, attenuation_to_json
from dropcopyd.domain.keys import KeyRecord, KeySettings
from dropcopyd.ports import KeyUse, Spent

_SELECT: Final = "SELECT api_keys.*, streams_max FROM api_keys JOIN organizations USING (organization_id)"
_MINUTE_NS: Final = 60_000_000_000
_DAYS_KEPT: Final = 3
"""Rows of notional that a key keeps per currency: today's in whatever time zone, and yesterday's."""


def find_keys(connection: sqlite3.Connection, key_ids: Iterable[str]) -> dict[str, KeyRecord]:
    """Those of these keys that there are, by id."""
    asked = json.dumps(sorted(set(key_ids)))
    found = connection.execute(f"{_SELECT} JOIN json_each(?) ON json_each.value = key_id", (asked,))
    return {row["key_id"]: key_of(row) for row in found}


def find_key(connection: sqlite3.Connection, key_id: str) -> KeyRecord | None:
    """One key."""
    row = connection.execute(f"{_SELECT} WHERE key_id = ?", (key_id,)).fetchone()
    return None if row is None else key_of(row)


def list_keys(connection: sqlite3.Connection, organization_id: str, after: str, limit: int) -> list[KeyRecord]:
    """An organization's keys by id, those after a place."""
    found = connection.execute(
        f"{_SELECT} WHERE api_keys.organization_id = ? AND key_id > ? ORDER BY key_id LIMIT ?",
        (organization_id, after, limit),
    )
    return [key_of(row) for row in found]


def insert_key(connection: sqlite3.Connection, record: KeyRecord) -> None:
    """Keep a new key."""
    values = {
        "key_id": record.key_id,
        "organization_id": record.organization_id,
        "digest": record.digest,
        "created_at_ns": record.created_at_ns,
        "created_by": record.created_by,
        **_settings(record.settings),
    }
    places = ", ".join(f":{name}" for name in values)
    connection.execute(f"INSERT INTO api_keys ({', '.join(values)}) VALUES ({places})", values)  # noqa: S608


def change_key(connection: sqlite3.Connection, key_id: str, settings: KeySettings) -> bool:
    """Set what a key is allowed; whether there is one."""
    values = _settings(settings)
    changes = ", ".join(f"{name} = :{name}" for name in values)
    statement = f"UPDATE api_keys SET {changes} WHERE key_id = :key_id"  # noqa: S608  ours
    return bool(connection.execute(statement, {**values, "key_id": key_id}).rowcount)


def rotate_key(connection: sqlite3.Connection, key_id: str, digest: bytes, at_ns: int, previous_until_ns: int) -> bool:
    """Give a key that is not disabled another secret; whether there is one."""
    return bool(
        connection.execute(
            "UPDATE api_keys SET previous_digest = digest, digest = ?, previous_until_ns = ?, rotated_at_ns = ?,"
            " generation = generation + 1 WHERE key_id = ? AND disabled_at_ns IS NULL",
            (digest, previous_until_ns, at_ns, key_id),
        ).rowcount
    )


def disable_key(connection: sqlite3.Connection, key_id: str, at_ns: int) -> bool:
    """Refuse a key from now on, idempotent; whether there is one."""
    return bool(
        connection.execute(
            "UPDATE api_keys SET disabled_at_ns = coalesce(disabled_at_ns, ?) WHERE key_id = ?", (at_ns, key_id)
        ).rowcount
    )


def count_good(connection: sqlite3.Connection, organization_id: str, now_ns: int) -> sqlite3.Cursor:
    """How many of an organization's keys are neither disabled nor expired."""
    return connection.execute(
        "SELECT count(*) FROM api_keys WHERE organization_id = ? AND disabled_at_ns IS NULL"
        " AND (expires_at_ns IS NULL OR expires_at_ns > ?)",
        (organization_id, now_ns),
    )


def is_disabled(connection: sqlite3.Connection, key_id: str) -> bool:
    """Whether there is such a key and it is disabled."""
    statement = "SELECT 1 FROM api_keys WHERE key_id = ? AND disabled_at_ns IS NOT NULL"
    return connection.execute(statement, (key_id,)).fetchone() is not None


def keep_uses(connection: sqlite3.Connection, uses: Mapping[str, KeyUse]) -> None:
    """Keep when keys were used last, and from where."""
    connection.executemany(
        "UPDATE api_keys SET last_used_at_ns = ?, last_used_from = ? WHERE key_id = ?",
        [(use.at_ns, use.address, key_id) for key_id, use in uses.items()],
    )


def key_of(row: Any) -> KeyRecord:
    """The API key of a row, joined with its organization's."""
    accounts, addresses, attenuation = (
        None if row[name] is None else json.loads(row[name]) for name in ("account_ids", "addresses", "attenuation")
    )
    settings = KeySettings(
        name=row["name"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"].split()),
        account_ids=None if accounts is None else frozenset(accounts),
        expires_at_ns=row["expires_at_ns"],
        addresses=None if addresses is None else tuple(addresses),
        attenuation=UNATTENUATED if attenuation is None else attenuation_from_json(attenuation),
    )
    return KeyRecord(
        key_id=row["key_id"],
        organization_id=row["organization_id"],
        settings=settings,
        digest=row["digest"],
        created_at_ns=row["created_at_ns"],
        created_by=row["created_by"],
        generation=row["generation"],
        previous_digest=row["previous_digest"],
        previous_until_ns=row["previous_until_ns"],
        rotated_at_ns=row["rotated_at_ns"],
        disabled_at_ns=row["disabled_at_ns"],
        last_used_at_ns=row["last_used_at_ns"],
        last_used_from=row["last_used_from"],
        streams_max=row["streams_max"],
    )


def _settings(settings: KeySettings) -> dict[str, object]:
    accounts, addresses, limits = settings.account_ids, settings.addresses, settings.attenuation
    return {
        "name": settings.name,
        "scopes": " ".join(sorted(settings.scopes)),
        "account_ids": None if accounts is None else json.dumps(sorted(accounts)),
        "addresses": None if addresses is None else json.dumps(list(addresses)),
        "attenuation": None if limits == UNATTENUATED else json.dumps(attenuation_to_json(limits)),
        "expires_at_ns": settings.expires_at_ns,
    }


# --- what attenuated keys have used up ----------------------------------------------------------------------------


def spend(connection: sqlite3.Connection, spending: Spending) -> None:
    """Keep a key's counters as they are after a command; in the command's transaction."""
    execute, key_id = connection.execute, spending.key_id
    if spending.notional is not None:
        execute(
            "INSERT INTO key_notionals VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET notional = excluded.notional",
            (key_id, spending.day, spending.currency, money.render(spending.notional)),
        )
        execute(
            "DELETE FROM key_notionals WHERE key_id = ?1 AND currency = ?2 AND day <> ?4 AND day NOT IN"
            " (SELECT day FROM key_notionals WHERE key_id = ?1 AND currency = ?2 ORDER BY day DESC LIMIT ?3)",
            (key_id, spending.currency, _DAYS_KEPT, spending.day),  # today may be an early one: clocks are put back
        )
    if spending.counts_order:
        execute("DELETE FROM key_orders WHERE key_id = ? AND at_ns < ?", (key_id, spending.at_ns - _MINUTE_NS))
        execute("INSERT INTO key_orders (key_id, at_ns) VALUES (?, ?)", (key_id, spending.at_ns))


def read_spent(connection: sqlite3.Connection) -> Spent:
    """What attenuated keys may do and have used up, as far as it still counts."""
    notionals = {
        (row["key_id"], row["day"], row["currency"]): money.parse(row["notional"])
        for row in connection.execute("SELECT * FROM key_notionals")
    }
    orders = connection.execute("SELECT key_id, at_ns FROM key_orders ORDER BY at_ns")
    attenuated = connection.execute("SELECT key_id, attenuation FROM api_keys WHERE attenuation IS NOT NULL")
    limits = {row["key_id"]: attenuation_from_json(json.loads(row["attenuation"])) for row in attenuated}
    return Spent(limits, notionals, tuple((row["key_id"], row["at_ns"]) for row in orders))
