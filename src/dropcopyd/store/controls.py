"""Controls and the audit log as rows. Writes run on the writer's thread, in their turn, each in its own transaction."""

import json
import sqlite3
from dataclasses import asdict
from typing import Any

from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.domain.controls import Breach, Control, ControlScope, limits_from_json, limits_to_json


def read_controls(connection: sqlite3.Connection) -> tuple[Control, ...]:
    """Every control of every organization."""
    return tuple(_control_of(row) for row in connection.execute("SELECT * FROM controls"))


def put_control(connection: sqlite3.Connection, control: Control, entry: AuditEntry) -> None:
    """Write a control with the line of the audit log that goes with it."""
    values = {
        "organization_id": control.organization_id,
        "scope": control.scope.value,
        "subject": control.subject,
        "manually_disabled": int(control.manually_disabled),
        "manual_reason": control.manual_reason,
        "is_killed": int(control.is_killed),
        "breach": None if control.breach is None else json.dumps(asdict(control.breach)),
        "limits": json.dumps(limits_to_json(control.limits)),
        "version": control.version,
        "created_at_ns": control.created_at_ns,
        "updated_at_ns": control.updated_at_ns,
    }
    places = ", ".join(f":{name}" for name in values)
    connection.execute(f"INSERT OR REPLACE INTO controls ({', '.join(values)}) VALUES ({places})", values)  # noqa: S608
    put_audit(connection, entry)


def put_audit(connection: sqlite3.Connection, entry: AuditEntry) -> None:
    """Add a line to the audit log."""
    connection.execute(
        "INSERT INTO audit (organization_id, account_id, at_ns, principal_id, action, subject, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            entry.organization_id,
            entry.account_id,
            entry.at_ns,
            entry.principal_id,
            entry.action.value,
            entry.subject,
            json.dumps(dict(entry.detail), ensure_ascii=False),
        ),
    )


def put_audit_once(connection: sqlite3.Connection, entry: AuditEntry) -> None:
    """The same, unless there is a line of that action on that subject of the account."""
    found = connection.execute(
        "SELECT 1 FROM audit WHERE subject = ? AND action = ? AND account_id IS ?",
        (entry.subject, entry.action.value, entry.account_id),
    ).fetchone()
    if found is None:
        put_audit(connection, entry)


def read_audit(connection: sqlite3.Connection, organization_id: str, before: int, limit: int) -> list[AuditEntry]:
    """Lines of an organization's audit log, newest first, below a number."""
    found = connection.execute(
        "SELECT * FROM audit WHERE organization_id = ? AND number < ? ORDER BY number DESC LIMIT ?",
        (organization_id, before, limit),
    )
    return [_entry_of(row) for row in found]


def _control_of(row: Any) -> Control:
    return Control(
        organization_id=row["organization_id"],
        scope=ControlScope(row["scope"]),
        subject=row["subject"],
        manually_disabled=bool(row["manually_disabled"]),
        manual_reason=row["manual_reason"],
        is_killed=bool(row["is_killed"]),
        breach=None if row["breach"] is None else Breach(**json.loads(row["breach"])),
        limits=limits_from_json(json.loads(row["limits"])),
        version=row["version"],
        created_at_ns=row["created_at_ns"],
        updated_at_ns=row["updated_at_ns"],
    )


def _entry_of(row: Any) -> AuditEntry:
    return AuditEntry(
        organization_id=row["organization_id"],
        at_ns=row["at_ns"],
        principal_id=row["principal_id"],
        action=AuditAction(row["action"]),
        subject=row["subject"],
        detail=json.loads(row["detail"]),
        account_id=row["account_id"],
        number=row["number"],
    )
