"""High-water marks and realized profits as rows."""

import sqlite3
from decimal import Decimal

from dropcopyd.domain import money
from dropcopyd.domain.account import Account
from dropcopyd.domain.instrument import AssetClass, Instrument
from dropcopyd.domain.losses import HighWater
from dropcopyd.store import rows


def read_high_waters(connection: sqlite3.Connection) -> tuple[HighWater, ...]:
    """Every mark of every control."""
    return tuple(
        HighWater(
            organization_id=row["organization_id"],
            scope=row["scope"],
            subject=row["subject"],
            currency=row["currency"],
            amount=Decimal(row["amount"]),
            at_ns=row["at_ns"],
            is_spent=bool(row["is_spent"]),
        )
        for row in connection.execute("SELECT * FROM high_waters")
    )


def put_high_water(connection: sqlite3.Connection, mark: HighWater) -> None:
    """Write a mark."""
    place = (mark.organization_id, mark.scope, mark.subject, mark.currency)
    values = (*place, money.render(mark.amount), mark.at_ns, int(mark.is_spent))
    connection.execute("INSERT OR REPLACE INTO high_waters VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def forget_high_waters(connection: sqlite3.Connection, organization_id: str, scope: str, subject: str) -> None:
    """Let a control's marks go: it is watched no more."""
    connection.execute(
        "DELETE FROM high_waters WHERE organization_id = ? AND scope = ? AND subject = ?",
        (organization_id, scope, subject),
    )


def realized(
    connection: sqlite3.Connection, account: Account, instruments: rows.Instruments
) -> list[tuple[Instrument, Decimal]]:
    """What each of the account's positions has realized so far; those without are left out."""
    found = connection.execute(
        "SELECT asset_class, symbol, realized_pnl FROM positions WHERE account = ? AND realized_pnl <> '0'",
        (account.number,),
    )
    return [(instruments((AssetClass(row[0]), row[1])), Decimal(row[2])) for row in found]
