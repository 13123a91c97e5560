"""Proof of a journal: sequences without gaps, and each event's hash over the one before it (contract.md, chain)."""

import hashlib
import sqlite3
from typing import Final

from dropcopyd.errors import Code, StoreError

_CHAIN_BYTES: Final = 10
"""The chain is the last field of an event's bytes: two bytes of tag, eight of value."""


def verify_chains(connection: sqlite3.Connection) -> tuple[int, int]:
    """(accounts, events) of a journal that proves itself. Raises StoreError naming the first event that does not."""
    events = 0
    accounts = connection.execute("SELECT number, account_id, head, hash, oldest FROM accounts").fetchall()
    for number, account_id, head, hash_, oldest in accounts:
        events += _verify_account(connection, number, account_id, (head, bytes(hash_), oldest))
    return len(accounts), events


def _verify_account(connection: sqlite3.Connection, number: int, account_id: str, end: tuple[int, bytes, int]) -> int:
    head, head_hash, oldest = end
    due, previous = oldest, bytes(32) if oldest == 1 else None
    for sequence, payload, hash_ in connection.execute(
        "SELECT sequence, payload, hash FROM journal WHERE account = ? ORDER BY sequence", (number,)
    ):
        if sequence != due:
            raise _broken(account_id, due, f"event {sequence} stands where {due} is due")
        if previous is not None and hashlib.sha256(previous + payload[:-_CHAIN_BYTES]).digest() != hash_:
            raise _broken(account_id, sequence, "the hash is not that of the event and the one before")
        if payload[-8:] != hash_[7::-1]:
            raise _broken(account_id, sequence, "the chain in the event is not its hash")
        due, previous = sequence + 1, hash_
    if due != head + 1 or (previous or head_hash) != head_hash:
        raise _broken(account_id, head, f"the journal ends at {due - 1}, the account says {head}")
    return due - oldest


def _broken(account_id: str, sequence: int, cause: str) -> StoreError:
    return StoreError(Code.STORE_FAILED, f"the journal of account {account_id} is broken at {sequence}: {cause}")
