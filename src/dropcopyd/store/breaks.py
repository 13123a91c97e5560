"""Breaks and reconciliations: their rows, and what one batch writes of them."""

import json
import sqlite3
from typing import Any, Final

from dropcopyd.domain.account import Account
from dropcopyd.domain.breaks import BreakKind
from dropcopyd.domain.event import Batch
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.reconciliation import (
    BreakStatus,
    Closing,
    Difference,
    Figure,
    Reconciliation,
    Resolution,
    ResolutionAction,
    Ticket,
    Trigger,
    Verdict,
    break_id_of,
)
from dropcopyd.store import controls, rows

RECONCILIATIONS_MAX: Final = 10_000
"""Kept per account, the newest: a week of minutes."""
_PRUNE_EVERY: Final = 64
_COUNTS: Final = ("snapshots", "mended", "healed", "opened", "closed", "standing")


def write(connection: sqlite3.Connection, account: Account, batch: Batch) -> None:
    """What a batch holds of them, with the lines of the audit log that go with it, in its transaction."""
    for one in batch.breaks:
        place = (one.kind, one.subject, "")
        connection.execute(
            "INSERT INTO breaks (account, break_id, kind, subject, order_id, detail, first_at_ns, last_at_ns,"
            " ours, theirs, is_said, status, times) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', '', 1, 'OPEN', 1)"
            " ON CONFLICT (account, kind, subject) WHERE is_said = 1 DO UPDATE SET"
            " detail = excluded.detail, last_at_ns = excluded.last_at_ns, times = times + 1",
            (
                account.number,
                break_id_of(account.account_id, place, one.at_ns),
                one.kind.value,
                one.subject,
                one.order_id,
                one.detail,
                one.at_ns,
                one.at_ns,
            ),
        )
    for ticket in batch.tickets:
        _write_ticket(connection, account, ticket)
    if batch.reconciliation is not None:
        _write_reconciliation(connection, account, batch.reconciliation)
    for entry in batch.audits:
        controls.put_audit(connection, entry)


def _write_ticket(connection: sqlite3.Connection, account: Account, ticket: Ticket) -> None:
    """What was said goes on being counted while somebody decides about it."""
    values = ticket_values(account, ticket)
    if ticket.is_said:
        connection.execute(
            "UPDATE breaks SET status = :status, closing = :closing, closed_at_ns = :closed_at_ns,"
            " resolution = :resolution WHERE break_id = :break_id",
            values,
        )
        return
    connection.execute(rows.upsert_sql("breaks", tuple(values), ("break_id",)), values)


def _write_reconciliation(connection: sqlite3.Connection, account: Account, run: Reconciliation) -> None:
    values: rows.Values = {
        "account": account.number,
        "reconciliation_id": run.reconciliation_id,
        "run_trigger": run.trigger.value,
        "verdict": run.verdict.value,
        "begun_at_ns": run.begun_at_ns,
        "ended_at_ns": run.ended_at_ns,
        "detail": run.detail,
        **{name: getattr(run, name) for name in _COUNTS},
    }
    sql = rows.insert_sql("reconciliations", tuple(values)) + " ON CONFLICT DO NOTHING"  # no reason to halt an account
    number = connection.execute(sql, values).lastrowid or 0
    if number % _PRUNE_EVERY == 0:
        connection.execute(
            "DELETE FROM reconciliations WHERE account = ?1 AND number <= ("
            "SELECT number FROM reconciliations WHERE account = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
            (account.number, RECONCILIATIONS_MAX),
        )


def ticket_values(account: Account, ticket: Ticket) -> rows.Values:
    """The row of a ticket."""
    difference = ticket.difference
    key = difference.key
    return {
        "account": account.number,
        "break_id": ticket.break_id,
        "kind": difference.kind.value,
        "subject": difference.subject,
        "figure": difference.figure,
        "ours": difference.ours,
        "theirs": difference.theirs,
        "detail": difference.detail,
        "asset_class": None if key is None else key[0].value,
        "symbol": None if key is None else key[1],
        "order_id": difference.order_id,
        "is_said": int(ticket.is_said),
        "status": ticket.status.value,
        "first_at_ns": ticket.first_at_ns,
        "last_at_ns": ticket.last_at_ns,
        "times": ticket.times,
        "closing": ticket.closing,
        "closed_at_ns": ticket.closed_at_ns,
        "resolution": None if ticket.resolution is None else _resolution_text(ticket.resolution),
    }


def _resolution_text(resolution: Resolution) -> str:
    return json.dumps(
        {
            "action": resolution.action,
            "reason": resolution.reason,
            "principal_id": resolution.principal_id,
            "at_ns": resolution.at_ns,
            "asked": dict(resolution.asked),
            "booked": resolution.booked,
        },
        ensure_ascii=False,
    )


def ticket_of(row: Any, account: Account, _instruments: rows.Instruments | None = None) -> Ticket:
    """The ticket of a row."""
    key = None if row["symbol"] is None else (AssetClass(row["asset_class"]), row["symbol"])
    return Ticket(
        break_id=row["break_id"],
        account_id=account.account_id,
        difference=Difference(
            kind=BreakKind(row["kind"]),
            subject=row["subject"],
            figure=None if row["figure"] is None else Figure(row["figure"]),
            ours=row["ours"],
            theirs=row["theirs"],
            detail=row["detail"],
            key=key,
            order_id=row["order_id"],
        ),
        status=BreakStatus(row["status"]),
        first_at_ns=row["first_at_ns"],
        last_at_ns=row["last_at_ns"],
        times=row["times"],
        is_said=bool(row["is_said"]),
        closing=None if row["closing"] is None else Closing(row["closing"]),
        closed_at_ns=row["closed_at_ns"],
        resolution=None if row["resolution"] is None else _resolution_of(json.loads(row["resolution"])),
    )


def _resolution_of(values: dict[str, Any]) -> Resolution:
    return Resolution(**{**values, "action": ResolutionAction(values["action"])})


def reconciliation_of(row: Any, account: Account, _instruments: rows.Instruments | None = None) -> Reconciliation:
    """The reconciliation of a row."""
    return Reconciliation(
        reconciliation_id=row["reconciliation_id"],
        account_id=account.account_id,
        trigger=Trigger(row["run_trigger"]),
        verdict=Verdict(row["verdict"]),
        begun_at_ns=row["begun_at_ns"],
        ended_at_ns=row["ended_at_ns"],
        detail=row["detail"],
        **{name: row[name] for name in _COUNTS},
    )


def standing(connection: sqlite3.Connection, account: Account) -> dict[str, Ticket]:
    """The tickets of reconciliations that nobody closed yet, by break_id, oldest first."""
    found = connection.execute(
        "SELECT * FROM breaks INDEXED BY breaks_standing WHERE account = ? AND status <> 'CLOSED' AND is_said = 0"
        " ORDER BY number",
        (account.number,),
    )
    return {row["break_id"]: ticket_of(row, account) for row in found}


def find(connection: sqlite3.Connection, account: Account, break_id: str) -> Ticket | None:
    """The account's break with that id."""
    row = connection.execute(
        "SELECT * FROM breaks WHERE break_id = ? AND account = ?", (break_id, account.number)
    ).fetchone()
    return None if row is None else ticket_of(row, account)
