"""A verifier of its own: reads the database file and the protobuf bytes without any of the product's code."""

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Field:
    """One field as it stands in the bytes."""

    number: int
    raw: bytes
    value: int | bytes


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def fields(data: bytes) -> Iterator[Field]:
    """The top-level fields of a message, in the order of the bytes."""
    at = 0
    while at < len(data):
        start = at
        tag, at = varint(data, at)
        value: int | bytes
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 1:
            value, at = int.from_bytes(data[at : at + 8], "little"), at + 8
        elif tag & 7 == 2:
            size, at = varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            raise AssertionError(f"wire type {tag & 7}")
        yield Field(tag >> 3, data[start:at], value)


@dataclass(frozen=True)
class Row:
    sequence: int
    kind: str
    kind_sequence: int
    payload: bytes
    hash: bytes


def read_rows(database: Path, account_id: str) -> list[Row]:
    connection = sqlite3.connect(database)
    try:
        found = connection.execute(
            "SELECT sequence, kind, kind_sequence, payload, journal.hash FROM journal JOIN accounts"
            " ON accounts.number = journal.account WHERE account_id = ? ORDER BY sequence",
            (account_id,),
        ).fetchall()
    finally:
        connection.close()
    return [Row(*row) for row in found]


def verify(database: Path, account_id: str) -> list[Row]:
    """Sequences and kind sequences without a gap, the hash chain from the raw bytes, columns equal to the bytes."""
    rows = read_rows(database, account_id)
    kinds: dict[str, int] = defaultdict(int)
    previous = bytes(32)
    for number, row in enumerate(rows, start=1):
        kinds[row.kind] += 1
        stamped = {field.number: field for field in fields(row.payload)}
        assert row.sequence == number == stamped[1000].value
        assert row.kind_sequence == kinds[row.kind] == stamped[1002].value
        assert stamped[1001].value == account_id.encode()
        order = [field.number for field in fields(row.payload)]
        assert order[-4:] == [1000, 1001, 1002, 1003], "the stamp is appended, the chain last"
        assert len(order) == 5, "one event in each"
        without = b"".join(field.raw for field in fields(row.payload) if field.number != 1003)
        previous = hashlib.sha256(previous + without).digest()
        assert row.hash == previous
        assert stamped[1003].value == int.from_bytes(previous[:8], "big")
    heads = read_heads(database, account_id)
    assert heads == (len(rows), previous, dict(kinds))
    return rows


def read_heads(database: Path, account_id: str) -> tuple[int, bytes, dict[str, int]]:
    """Where the store says that the account's journal and its kinds end."""
    connection = sqlite3.connect(database)
    try:
        head, digest, number = connection.execute(
            "SELECT head, hash, number FROM accounts WHERE account_id = ?", (account_id,)
        ).fetchone()
        kinds = connection.execute("SELECT kind, head FROM kind_heads WHERE account = ?", (number,)).fetchall()
    finally:
        connection.close()
    return head, digest, dict(kinds)
