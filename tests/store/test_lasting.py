"""Rows written again: only what changed, and never less than that."""

import sqlite3

import pytest

from dropcopyd.store.lasting import LastRows


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(
        "CREATE TABLE t (a TEXT, b INTEGER, c TEXT, d INTEGER, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID"
    )
    connection.execute("CREATE TABLE log (what TEXT)")
    connection.execute("CREATE TRIGGER changed UPDATE OF c ON t BEGIN INSERT INTO log VALUES ('c'); END")
    return connection


def all_of(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT a, b, c FROM t ORDER BY a, b").fetchall()


def changes(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM log").fetchone()[0])


def test_a_row_is_written_updated_and_left_alone(connection: sqlite3.Connection) -> None:
    table = LastRows(connection, "t", ("a", "b"))
    table.write({"a": "x", "b": 1, "c": "one"})
    table.write({"a": "x", "b": 1, "c": "one"})
    assert (all_of(connection), changes(connection)) == ([("x", 1, "one")], 0)
    table.write({"a": "x", "b": 1, "c": "two"})
    table.write({"a": "x", "b": 2, "c": "two"})
    assert (all_of(connection), changes(connection)) == ([("x", 1, "two"), ("x", 2, "two")], 1)
    assert table.known(("x", 1)) == {"a": "x", "b": 1, "c": "two"}


def test_what_was_rolled_back_is_written_whole(connection: sqlite3.Connection) -> None:
    table = LastRows(connection, "t", ("a", "b"))
    connection.execute("BEGIN")
    table.write({"a": "x", "b": 1, "c": "one"})
    connection.execute("ROLLBACK")
    table.clear()
    table.write({"a": "x", "b": 1, "c": "one"})
    assert all_of(connection) == [("x", 1, "one")]


def test_a_remembered_row_that_is_gone_is_written_whole(connection: sqlite3.Connection) -> None:
    table = LastRows(connection, "t", ("a", "b"))
    table.write({"a": "x", "b": 1, "c": "one"})
    connection.execute("DELETE FROM t")
    table.write({"a": "x", "b": 1, "c": "two"})
    assert all_of(connection) == [("x", 1, "two")]


def test_fixed_columns_stay(connection: sqlite3.Connection) -> None:
    table = LastRows(connection, "t", ("a", "b"))
    for number, text in enumerate(("one", "two", "three")):
        if number == 2:
            table.clear()
        table.write({"a": "x", "b": 1, "c": text, "d": number}, frozenset({"c"}))
        assert connection.execute("SELECT c, d FROM t").fetchall() == [("one", number)]
