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
    table.flush()
    table.write({"a": "x", "b": 1, "c": "one"})
    table.flush()
    assert (all_of(connection), changes(connection)) == ([("x", 1, "one")], 0)
    table.write({"a": "x", "b": 1, "c": "two"})
    table.write({"a": "x", "b": 2, "c": "two"})
    table.flush()
    assert (all_of(connection), changes(connection)) == ([("x", 1, "two"), ("x", 2, "two")], 1)
    assert table.known(("x", 1)) == {"a": "x", "b": 1, "c": "two"}


def test_a_row_is_written_once_for_all_that_became_of_it(connection: sqlite3.Connection) -> None:
    table = LastRows(connection, "t", ("a", "b"))
    for text in ("one", "two", "three"):
        table.write({"a": "x", "b": 1, "c": text})
    assert (all_of(connection), table.known(("x", 1))) == ([], {"a": "x", "b": 1, "c": "three"})
    table.flush()
    assert (all_of(connection), changes(connection)) == ([("x", 1, "three")], 0)
    for text in ("four", "five"):
        table.write({"a": "x", "b": 1, "c": text})
    table.flush()
    table.flush()
    assert (all_of(connection), changes(connection)) == ([("x", 1, "five")], 1)


def test_many_rows_are_written_together(connection: sqlite3.Connection) -> None:
    table = LastRows(connection, "t", ("a", "b"))
    for text in ("one", "two"):
        for number in range(203):
            table.write({"a": "x", "b": number, "c": text if number % 3 else "one", "d": number})
        table.flush()
        assert all_of(connection) == [("x", number, text if number % 3 else "one") for number in range(203)]
    assert changes(connection) == 203 - 68


def test_what_was_rolled_back_is_written_whole(connection: sqlite3.Connection) -> None:
    table = LastRows(connection, "t", ("a", "b"))
    connection.execute("BEGIN")
    table.write({"a": "x", "b": 1, "c": "one"})
    table.flush()
    table.write({"a": "x", "b": 2, "c": "never"})
    connection.execute("ROLLBACK")
    table.clear()
    table.write({"a": "x", "b": 1, "c": "one"})
    table.flush()
    assert all_of(connection) == [("x", 1, "one")]


def test_a_remembered_row_that_is_gone_is_written_whole(connection: sqlite3.Connection) -> None:
    table = LastRows(connection, "t", ("a", "b"))
    for number in (1, 2):
        table.write({"a": "x", "b": number, "c": "one"})
    table.flush()
    connection.execute("DELETE FROM t WHERE b = 1")
    for number in (1, 2):
        table.write({"a": "x", "b": number, "c": "two"})
    table.flush()
    assert all_of(connection) == [("x", 1, "two"), ("x", 2, "two")]


@pytest.mark.parametrize("is_flushed", [True, False], ids=["one by one", "together"])
def test_fixed_columns_stay(connection: sqlite3.Connection, *, is_flushed: bool) -> None:
    table = LastRows(connection, "t", ("a", "b"))
    for number, text in enumerate(("one", "two", "three")):
        if number == 2:
            table.flush()
            table.clear()
        table.write({"a": "x", "b": 1, "c": text, "d": number}, frozenset({"c"}))
        if is_flushed:
            table.flush()
    table.flush()
    assert connection.execute("SELECT c, d FROM t").fetchall() == [("one", 2)]
