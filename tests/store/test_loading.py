"""What a start reads of an account follows from what is open, not from what was."""

import asyncio
import sqlite3
from pathlib import Path

from bench.rebuild import prepare
from dropcopyd.domain.instrument import Instrument, InstrumentKey
from dropcopyd.domain.state import AccountState
from dropcopyd.node import packaged_instruments
from dropcopyd.store import loading, migrate, rows
from dropcopyd.store.audit import audit

INSTRUMENTS = {(one.asset_class, one.symbol): one for one in packaged_instruments()}


def known(key: InstrumentKey) -> Instrument:
    return INSTRUMENTS[key]


def loaded(folder: Path, events: int) -> tuple[AccountState, int]:
    """An account after so many events that are all over, and the steps of the database's machine to load it."""
    assert asyncio.run(prepare(folder, events)) >= events
    assert audit(folder).differences == ()
    connection = migrate.connect(folder / migrate.DATABASE_NAME, is_reader=True)
    connection.row_factory = sqlite3.Row
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    row = connection.execute("SELECT * FROM accounts").fetchone()
    connection.set_progress_handler(count, 1)
    state = loading.account_state(connection, row, rows.account_of(row), known, row["last_ns"] + 1)
    connection.close()
    return state, steps


def test_a_history_that_is_over_costs_a_start_nothing(tmp_path: Path) -> None:
    _, few = loaded(tmp_path / "short", 400)
    state, many = loaded(tmp_path / "long", 2_400)
    assert (state.chains, state.folds, state.is_partial) == ({}, {}, True)
    assert all(not position.quantity for position in state.positions.values())
    assert many == few, "six times the orders, the same work"
