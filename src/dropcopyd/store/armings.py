"""Armings of cancel on disconnect as rows. Writes run on the writer's thread, in their turn."""

import sqlite3
from dataclasses import fields
from typing import Any

from dropcopyd.domain.arming import Arming
from dropcopyd.domain.audit import AuditEntry
from dropcopyd.store.controls import put_audit

_COLUMNS = tuple(field.name for field in fields(Arming))


def read_armings(connection: sqlite3.Connection) -> tuple[Arming, ...]:
    """Every arming of every account."""
    return tuple(_arming_of(row) for row in connection.execute("SELECT * FROM armings"))


def put_arming(connection: sqlite3.Connection, arming: Arming, entry: AuditEntry | None) -> None:
    """Write an arming, or take it away once it is neither armed nor fired, with its line of the audit log."""
    place = (arming.account_id, arming.strategy_id)
    if arming.is_armed or arming.fired_at_ns is not None:
        values = {name: getattr(arming, name) for name in _COLUMNS}
        marks = ", ".join(f":{name}" for name in _COLUMNS)
        statement = f"INSERT OR REPLACE INTO armings ({', '.join(_COLUMNS)}) VALUES ({marks})"  # noqa: S608
        connection.execute(statement, values | {"is_armed": int(arming.is_armed)})
    else:
        connection.execute("DELETE FROM armings WHERE account_id = ? AND strategy_id = ?", place)
    if entry is not None:
        put_audit(connection, entry)


def _arming_of(row: Any) -> Arming:
    return Arming(**{name: row[name] for name in _COLUMNS} | {"is_armed": bool(row["is_armed"])})
