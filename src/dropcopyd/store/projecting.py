"""What a batch changes in the tables of the record beside the journal, gathered until `flush`."""

import sqlite3
from typing import Final

from dropcopyd.domain.event import Batch
from dropcopyd.store import keys, positions, rows, truth
from dropcopyd.store.gathering import write_rows, write_values
from dropcopyd.store.lasting import LastRows

_CHANGE_KEY: Final = ("account", "asset_class", "symbol", "fold_ns", "number")


class Projections:
    """Of one writer, on its connection and in its transactions. `clear` after a rollback."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.orders = LastRows(connection, "orders", ("order_id",))
        self.commands = LastRows(connection, "commands", ("account", "intent_id", "seq"))
        self.positions = LastRows(connection, "positions", ("account", "asset_class", "symbol"))
        self._balances = LastRows(connection, "balances", ("account", "currency"))
        self._tables = (self.orders, self.commands, self.positions, self._balances)
        self._trades: list[rows.Values] = []
        self._changes: list[rows.Values] = []
        self._idempotency: list[tuple[object, ...]] = []

    def project(self, account: int, batch: Batch) -> None:
        """Take in what a batch changes, but for its events."""
        for order in batch.orders:
            self.orders.write(rows.order_values(account, order), rows.order_fixed(order))
        for command in batch.commands:
            self.commands.write(rows.command_values(account, command))
        self._trades += [rows.trade_values(account, trade) for trade in batch.trades]
        if batch.amendments:  # of executions that may be among those that wait
            self.flush()
        truth.write(self._connection, account, batch)
        for position in batch.positions:
            self.positions.write(positions.position_values(account, position))
        for posting in batch.postings:
            self._changes += positions.change_values(account, posting)
        for balance in batch.balances:
            self._balances.write(positions.balance_values(account, balance))
        if batch.idempotency is not None:
            record = batch.idempotency
            self._idempotency.append((account, record.key, record.request, record.intent_id, record.seq))
        self._project_rare(account, batch)

    def _project_rare(self, account: int, batch: Batch) -> None:
        execute = self._connection.execute
        for adjustment in batch.adjustments:
            values = positions.adjustment_values(account, adjustment)
            execute(rows.insert_sql("adjustments", tuple(values)), values)
        if batch.spending is not None:
            keys.spend(self._connection, batch.spending)
        if batch.status is not None:
            status = batch.status
            execute(
                "UPDATE accounts SET connection = ?, connection_since_ns = ?, reason_code = ?, reason = ?"
                " WHERE number = ?",
                (status.connection.value, status.since_ns, status.reason_code, status.reason, account),
            )

    def flush(self) -> None:
        """Write what was taken in since the last time."""
        for table in self._tables:
            table.flush()
        write_values(self._connection, "trades", self._trades)
        write_values(self._connection, "position_changes", self._changes, _CHANGE_KEY)
        write_rows(self._connection, "INSERT INTO idempotency", self._idempotency)
        self._clear_lists()

    def clear(self) -> None:
        """Forget everything."""
        for table in self._tables:
            table.clear()
        self._clear_lists()

    def _clear_lists(self) -> None:
        self._trades.clear()
        self._changes.clear()
        self._idempotency.clear()
