"""Flattens as rows. Writes run on the writer's thread, in their turn."""

import json
import sqlite3
from dataclasses import fields
from typing import Any

from dropcopyd.domain import money
from dropcopyd.domain.audit import AuditEntry
from dropcopyd.domain.flatten import Flatten, FlattenLeg, FlattenStatus, LegStatus
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.record import Listing, Slice, Sort
from dropcopyd.store.controls import put_audit

_COLUMNS = tuple(field.name for field in fields(Flatten))


def put_flatten(connection: sqlite3.Connection, flatten: Flatten, entry: AuditEntry | None) -> None:
    """Write a flatten as it is, with its line of the audit log."""
    values = {name: getattr(flatten, name) for name in _COLUMNS}
    values |= {"status": flatten.status.value, "legs": json.dumps([_leg_values(leg) for leg in flatten.legs])}
    marks = ", ".join(f":{name}" for name in _COLUMNS)
    statement = f"INSERT OR REPLACE INTO flattens ({', '.join(_COLUMNS)}) VALUES ({marks})"  # noqa: S608
    connection.execute(statement, values)
    if entry is not None:
        put_audit(connection, entry)


def running_flattens(connection: sqlite3.Connection) -> tuple[Flatten, ...]:
    """Those that are not over."""
    return tuple(_flatten_of(row) for row in connection.execute("SELECT * FROM flattens WHERE status = 'RUNNING'"))


def find_flatten(connection: sqlite3.Connection, account_id: str, flatten_id: str) -> Flatten | None:
    """One of an account's flattens."""
    row = connection.execute(
        "SELECT * FROM flattens WHERE flatten_id = ? AND account_id = ?", (flatten_id, account_id)
    ).fetchone()
    return None if row is None else _flatten_of(row)


def list_flattens(connection: sqlite3.Connection, account_id: str, listing: Listing) -> Slice[Flatten]:
    """A page of an account's flattens by when they began; the mark is `started_at_ns|flatten_id`."""
    values: list[object] = [account_id]
    condition = ""
    for term, value in (("started_at_ns >= ?", listing.since_ns), ("started_at_ns < ?", listing.until_ns)):
        if value is not None:
            condition, values = f"{condition} AND {term}", [*values, value]
    compare, direction = ("<", "DESC") if listing.sort is Sort.DESC else (">", "ASC")
    if listing.mark:
        started, _, flatten_id = listing.mark.partition("|")
        condition, values = (
            f"{condition} AND (started_at_ns, flatten_id) {compare} (?, ?)",
            [*values, int(started), flatten_id],
        )
    found = connection.execute(
        f"SELECT * FROM flattens WHERE account_id = ?{condition}"  # noqa: S608  ours
        f" ORDER BY started_at_ns {direction}, flatten_id {direction} LIMIT ?",
        (*values, listing.limit + 1),
    ).fetchall()
    items = [_flatten_of(row) for row in found[: listing.limit]]
    mark = f"{items[-1].started_at_ns}|{items[-1].flatten_id}" if len(found) > listing.limit else ""
    return Slice(items, mark)


def last_flatten_ns(connection: sqlite3.Connection, account_id: str) -> int:
    """When the account's last flatten began; 0 = never."""
    found = connection.execute("SELECT max(started_at_ns) FROM flattens WHERE account_id = ?", (account_id,))
    return int(found.fetchone()[0] or 0)


def _leg_values(leg: FlattenLeg) -> dict[str, str | None]:
    return {
        "asset_class": leg.key[0].value,
        "symbol": leg.key[1],
        "quantity": money.render(leg.quantity),
        "status": leg.status.value,
        "reason_code": leg.reason_code,
        "reason": leg.reason,
        "intent_id": leg.intent_id,
        "order_quantity": None if leg.order_quantity is None else money.render(leg.order_quantity),
    }


def _leg_of(values: dict[str, Any]) -> FlattenLeg:
    asked = values["order_quantity"]
    return FlattenLeg(
        key=(AssetClass(values["asset_class"]), values["symbol"]),
        quantity=money.parse(values["quantity"]),
        status=LegStatus(values["status"]),
        reason_code=values["reason_code"],
        reason=values["reason"],
        intent_id=values["intent_id"],
        order_quantity=None if asked is None else money.parse(asked),
    )


def _flatten_of(row: Any) -> Flatten:
    values = {name: row[name] for name in _COLUMNS}
    legs = tuple(_leg_of(leg) for leg in json.loads(row["legs"]))
    return Flatten(**values | {"status": FlattenStatus(row["status"]), "legs": legs})
