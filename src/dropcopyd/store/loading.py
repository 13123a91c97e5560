"""One account's state from its tables: what a stream replays on attach, what the flow decides on, one order's chain.

Each function reads within the caller's transaction.
"""

import sqlite3
from typing import Any

from dropcopyd.domain.account import Account
from dropcopyd.domain.event import EventType
from dropcopyd.domain.instrument import key_of
from dropcopyd.domain.state import AccountState, Chain
from dropcopyd.ports import AttachedState, Committed, Head
from dropcopyd.store import breaks, rows, truth
from dropcopyd.store import positions as position_store

Connection = sqlite3.Connection


def account_row(connection: Connection, account_id: str) -> Any:
    """The account's row."""
    return connection.execute("SELECT * FROM accounts WHERE account_id = ?", (account_id,)).fetchone()


def attached_state(
    connection: Connection, row: sqlite3.Row, account: Account, instruments: rows.Instruments, changed_after_ns: int
) -> AttachedState:
    """What a stream replays of an account: see `Store.read_state`."""
    orders = connection.execute(
        "SELECT * FROM orders INDEXED BY orders_working WHERE account = ?1 AND is_working = 1"
        " UNION ALL SELECT * FROM orders WHERE account = ?1 AND is_working = 0 AND received_at_ns > ?2"
        " ORDER BY number",
        (account.number, changed_after_ns),
    ).fetchall()
    positions = connection.execute(
        "SELECT * FROM positions WHERE account = ?1 AND quantity <> '0'"
        " UNION ALL SELECT * FROM positions WHERE account = ?1 AND quantity = '0' AND received_at_ns > ?2",
        (account.number, changed_after_ns),
    ).fetchall()
    return AttachedState(
        account=account,
        head=Head(row["head"], chain_of(row["hash"]), row["oldest"]),
        status=rows.status_of(row),
        orders=tuple(rows.order_of(order, account, instruments) for order in orders),
        positions=tuple(position_store.position_of(row, account, instruments) for row in positions),
        balances=position_store.balances(connection, account),
    )


def account_state(
    connection: Connection, row: sqlite3.Row, account: Account, instruments: rows.Instruments, changed_after_ns: int
) -> AccountState:
    """What decisions need of an account: see `Store.load_account`."""
    state = AccountState(
        account=account,
        status=rows.status_of(row),
        last_ns=row["last_ns"],
        report_cursor=row["report_cursor"],
        listed_cursor=row["listed_cursor"],
        roll=position_store.last_roll(connection, account),
        tickets=breaks.standing(connection, account),
        is_partial=True,
    )
    found = connection.execute(
        "SELECT * FROM orders WHERE number IN ("
        "SELECT number FROM orders INDEXED BY orders_working WHERE account = ?1 AND is_working = 1"
        " UNION SELECT number FROM orders WHERE account = ?1 AND received_at_ns > ?2"
        " UNION SELECT number FROM orders WHERE order_id IN"
        " (SELECT order_id FROM commands INDEXED BY commands_unresolved"
        " WHERE account = ?1 AND outcome IN ('PENDING', 'IN_DOUBT'))"
        ") ORDER BY number",
        (account.number, changed_after_ns),
    ).fetchall()
    state.parked = {one.key: one for one in truth.parked(connection, account)}
    state.adopt([chain_of_order(connection, account, order, instruments) for order in found])
    moving = connection.execute("SELECT * FROM positions WHERE account = ? AND is_quiet = 0", (account.number,))
    for position in moving:
        record = position_store.position_of(position, account, instruments)
        state.positions[key_of(record.instrument)] = record
    state.balances = {balance.currency: balance for balance in position_store.balances(connection, account)}
    return state


def chain_of_order(connection: Connection, account: Account, row: sqlite3.Row, instruments: rows.Instruments) -> Chain:
    """An order's row with its commands and executions."""
    chain = Chain(rows.order_of(row, account, instruments))
    for command_row in connection.execute(
        "SELECT * FROM commands WHERE account = ? AND intent_id = ? ORDER BY seq",
        (account.number, row["intent_id"]),
    ):
        chain.commands[command_row["seq"]] = rows.command_of(command_row, account, instruments)
    for trade_row in connection.execute(
        "SELECT * FROM trades WHERE account = ? AND order_id = ?", (account.number, row["order_id"])
    ):
        chain.book(rows.trade_of(trade_row, account, instruments))
    for amendment in truth.amendments_of_order(connection, account, row["order_id"], instruments):
        chain.amend(amendment)
    return chain


def committed_of(row: sqlite3.Row, account: Account) -> Committed:
    """A journal row as it was announced."""
    return Committed(
        account_id=account.account_id,
        organization_id=account.organization_id,
        sequence=row["sequence"],
        kind=EventType(row["kind"]),
        symbol=row["symbol"],
        asset_class=row["asset_class"],
        payload=row["payload"],
        chain=chain_of(row["hash"]),
    )


def chain_of(digest: bytes) -> int:
    """The 8-byte link of an event's hash, as a number."""
    return int.from_bytes(digest[:8], "big")


def chain_at(connection: Connection, number: int, sequence: int) -> int | None:
    """The chain of an account's event; 0 at sequence 0, None where it is not there."""
    if sequence == 0:
        return 0
    row = connection.execute(
        "SELECT hash FROM journal WHERE account = ? AND sequence = ?", (number, sequence)
    ).fetchone()
    return None if row is None else chain_of(row["hash"])
