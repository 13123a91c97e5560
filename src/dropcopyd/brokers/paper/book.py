"""The paper broker's durable book: one SQLite file of its own, which never shares a transaction with the gateway.

Orders, executions, positions, numbered reports, the log of every command that arrived, and where the markets stood.
Written through one thread (`writer`), read on another one in read transactions, so that what is read is one instant.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar

from dropcopyd.brokers.paper.codec import (
    COMMAND_COLUMNS,
    ORDER_COLUMNS,
    STANDING_COLUMNS,
    adjustment_from,
    any_report_from,
    command_from,
    instrument_from,
    order_from,
    report_from,
    run_of,
    standing_from,
)
from dropcopyd.brokers.paper.funding import Wallet, wallet_of
from dropcopyd.brokers.paper.plan import plan_from
from dropcopyd.brokers.paper.records import (
    AdjustmentRecord,
    CommandRecord,
    Image,
    NumberedReport,
    PaperOrder,
    QueuePlace,
    SubmitEntry,
)
from dropcopyd.brokers.paper.schema import connect, migrate
from dropcopyd.brokers.paper.turn import cursor_of, number_of
from dropcopyd.brokers.paper.writer import Writer
from dropcopyd.domain.instrument import AssetClass, Instrument, InstrumentKey
from dropcopyd.domain.order import ActionType
from dropcopyd.domain.report import BrokerSnapshot, OrderClaim, OrderReport, PositionClaim
from dropcopyd.errors import Code, StoreError
from dropcopyd.ports import Clock, Ids

PAGE: Final = 500
"""Reports read at a time for a listener that is behind."""

_ROOT: Final = "substr({0}, 1, instr({0} || '.', '.') - 1)"
"""The id of the execution that an id of its own, or of an amendment of it, names."""
_LISTED: Final = f"""
WITH told AS (
  SELECT json_extract(body, '$.exec_id') AS exec_id FROM reports
  WHERE account_id = ?1 AND number > ?3 AND json_extract(body, '$.kind') IN ('TRADE', 'BUST', 'CORRECTION')
), listed AS (
  SELECT exec_id, order_number, report_number, amended_by FROM executions WHERE account_id = ?1 AND trade_date >= ?2
  UNION SELECT exec_id, order_number, report_number, amended_by FROM executions
  WHERE order_number IN (SELECT number FROM orders WHERE account_id = ?1 AND status = 'working')
  UNION SELECT exec_id, order_number, report_number, amended_by FROM executions
  WHERE exec_id IN (SELECT {_ROOT.format("told.exec_id")} FROM told)
)
SELECT body FROM reports WHERE account_id = ?1 AND number IN (
  SELECT report_number FROM listed
  UNION SELECT number FROM (
    SELECT number, json_extract(body, '$.exec_id') AS amendment FROM reports
    WHERE order_number IN (SELECT order_number FROM listed WHERE amended_by IS NOT NULL)
    AND json_extract(body, '$.kind') IN ('BUST', 'CORRECTION')
  ) WHERE {_ROOT.format("amendment")} IN (SELECT exec_id FROM listed)
) ORDER BY number
"""  # noqa: S608 - our own words

_Result = TypeVar("_Result")


class Book:
    """An open book. `image` is what it held when it was opened; an exchange takes it over."""

    def __init__(self, writing: sqlite3.Connection, reading: sqlite3.Connection) -> None:
        self._reading = reading
        self._reader = ThreadPoolExecutor(1, "paper-book-reader")
        self._instruments: dict[InstrumentKey, Instrument] = {}
        self.image = self._load()
        self.writer = Writer(writing)

    @classmethod
    def open(cls, path: Path, clock: Clock, ids: Ids, busy_timeout_s: float = 5.0) -> "Book":
        """Open the book, create it where there is none, bring its schema up to date.

        Raises StoreError for a file that is not a book, cannot be opened or was written by a newer version.
        """
        connections: list[sqlite3.Connection] = []
        try:
            connections.append(connect(path, busy_timeout_s))
            migrate(connections[0])
            connections[0].execute(
                "INSERT INTO book VALUES (1, ?, ?) ON CONFLICT DO NOTHING", (ids.uuid(), clock.now_ns())
            )
            connections.append(connect(path, busy_timeout_s, is_reader=True))
            return cls(connections[0], connections[1])
        except (sqlite3.Error, StoreError) as error:
            for connection in connections:
                connection.close()
            if isinstance(error, StoreError):
                raise
            raise StoreError(Code.STORE_FAILED, f"cannot open the paper broker's book {path}: {error}") from error

    async def close(self) -> None:
        """Commit what waits and close the file."""
        await self.writer.close()
        await asyncio.to_thread(self._reader.shutdown)
        self._reading.close()

    def abandon(self) -> None:
        """Close a book that nobody has written to through this object."""
        self.writer.abandon()
        self._reader.shutdown()
        self._reading.close()

    async def chains(
        self, command_ids: Iterable[str], order_numbers: Iterable[int]
    ) -> tuple[list[CommandRecord], list[PaperOrder]]:
        """The commands of those ids, the orders that they or the numbers name, and all commands of these orders."""
        wanted_ids, wanted_numbers = tuple(command_ids), set(order_numbers)

        def read() -> tuple[list[CommandRecord], list[PaperOrder]]:
            found = self._commands(f"broker_command_id IN ({_marks(wanted_ids)})", wanted_ids)
            numbers = tuple(wanted_numbers | {c.order_number for c in found if c.order_number is not None})
            if not numbers:
                return found, []
            found += self._commands(f"order_number IN ({_marks(numbers)})", numbers)
            return found, self._orders(f"number IN ({_marks(numbers)})", numbers)

        return await self._read(read)

    async def adjustment(self, account_id: str, name: str) -> AdjustmentRecord | None:
        """The account's adjustment that a caller gave that name; its report without a cursor."""

        def read() -> AdjustmentRecord | None:
            query = "SELECT number, asked, body FROM adjustments WHERE account_id = ? AND name = ? AND name <> ''"
            row = self._reading.execute(query, (account_id, name)).fetchone()
            if row is None:
                return None
            number, asked, body = row
            return AdjustmentRecord(account_id, number, name, asked, adjustment_from(body, ""))

        return await self._read(read)

    async def reports_of(self, account_id: str, broker_command_id: str) -> tuple[OrderReport, ...] | None:
        """All reports about the order of a command (about the command alone if it names none), oldest first.

        None when no such command of the account has arrived. Without cursors: they are no place to go on from.
        """

        def read() -> tuple[OrderReport, ...] | None:
            record = self._reading.execute(
                "SELECT order_number FROM commands WHERE broker_command_id = ? AND account_id = ?",
                (broker_command_id, account_id),
            ).fetchone()
            if record is None:
                return None
            rows = self._reading.execute(
                "SELECT body FROM reports WHERE order_number = ?1 OR (?1 IS NULL AND broker_command_id = ?2)"
                " ORDER BY number",
                (record[0], broker_command_id),
            )
            return tuple(report_from(body, "") for (body,) in rows)

        return await self._read(read)

    async def reports_after(self, account_id: str, number: int) -> list[NumberedReport]:
        """The next page of an account's reports above a number; empty at the end."""
        return await self._read(lambda: self._reports(account_id, number, PAGE))

    async def snapshot(
        self, account_id: str, after_cursor: str, since_date: str = "", listed_after: str = ""
    ) -> BrokerSnapshot:
        """The account at one instant: reports after the cursor, open orders, what it holds, and executions with their
        amendments: those of trade dates from `since_date` on, those of every open order, and those executed or amended
        after the cursor `listed_after`, if there is one.

        A cursor that is not of this book, or beyond its end, counts as the beginning.
        """

        def read() -> BrokerSnapshot:
            book_id = self.image.book_id
            head = self._head(account_id)
            after, listed = (
                number if number <= head else 0
                for number in (number_of(book_id, cursor) for cursor in (after_cursor, listed_after))
            )
            reports = self._reports(account_id, after, -1)
            orders = self._orders("account_id = ? AND status = 'working' ORDER BY number", (account_id,))
            return BrokerSnapshot(
                reports=tuple(numbered.report for numbered in reports),
                orders=tuple(_claim_of(order) for order in orders),
                positions=self._position_claims(account_id),
                cursor=cursor_of(book_id, head),
                executions=self._executions(account_id, since_date, listed if listed_after else head),
            )

        return await self._read(read)

    async def head(self, account_id: str) -> int:
        """The number of the account's last report; 0 when there is none."""
        return await self._read(lambda: self._head(account_id))

    # --- on the reader's thread -----------------------------------------------------------------------------------

    async def _read(self, work: Callable[[], _Result]) -> _Result:
        """Run in one read transaction; reads are served in the order they are asked. Raises StoreError."""

        def transaction() -> _Result:
            self._reading.execute("BEGIN")
            try:
                return work()
            finally:
                self._reading.execute("COMMIT")

        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, transaction)
        except sqlite3.Error as error:
            raise StoreError(Code.STORE_FAILED, f"the paper broker's book could not be read: {error}") from error

    def _head(self, account_id: str) -> int:
        query = "SELECT coalesce(max(number), 0) FROM reports WHERE account_id = ?"
        (number,) = self._reading.execute(query, (account_id,)).fetchone()
        return int(number)

    def _reports(self, account_id: str, after: int, limit: int) -> list[NumberedReport]:
        rows = self._reading.execute(
            "SELECT number, order_number, body FROM reports WHERE account_id = ? AND number > ?"
            " ORDER BY number LIMIT ?",
            (account_id, after, limit),
        )
        book_id = self.image.book_id
        return [
            NumberedReport(account_id, number, order_number, any_report_from(body, cursor_of(book_id, number)))
            for number, order_number, body in rows
        ]

    def _executions(self, account_id: str, since_date: str, after: int) -> tuple[OrderReport, ...]:
        """Executions with their amendments, as they were reported, in that order; `after`: the number of the last
        report before those that count anyway."""
        rows = self._reading.execute(_LISTED, (account_id, since_date, after))
        return tuple(report_from(body, "") for (body,) in rows)

    def _commands(self, condition: str, values: tuple[str | int, ...]) -> list[CommandRecord]:
        query = f"SELECT {COMMAND_COLUMNS} FROM commands WHERE {condition}"  # noqa: S608 - our own words
        return [command_from(row) for row in self._reading.execute(query, values)]

    def _orders(self, condition: str, values: tuple[str | int, ...]) -> list[PaperOrder]:
        query = f"SELECT {ORDER_COLUMNS} FROM orders WHERE {condition}"  # noqa: S608 - our own words
        rows = self._reading.execute(query, values).fetchall()
        return [order_from(row, self._instrument(row[-2], row[-1])) for row in rows]

    def _position_claims(self, account_id: str) -> tuple[PositionClaim, ...]:
        rows = self._reading.execute(
            "SELECT asset_class, symbol, quantity FROM positions WHERE account_id = ? AND quantity <> '0'"
            " ORDER BY asset_class, symbol",
            (account_id,),
        )
        return tuple(
            PositionClaim((AssetClass(asset_class), symbol), Decimal(quantity))
            for asset_class, symbol, quantity in rows
        )

    def _instrument(self, asset_class: str, symbol: str) -> Instrument:
        key = (AssetClass(asset_class), symbol)
        if key not in self._instruments:
            query = "SELECT definition FROM instruments WHERE asset_class = ? AND symbol = ?"
            (definition,) = self._reading.execute(query, key).fetchone()
            self._instruments[key] = instrument_from(definition)
        return self._instruments[key]

    def _load(self) -> Image:
        read = self._reading.execute
        book_id, created_at_ns = read("SELECT book_id, created_at_ns FROM book").fetchone()
        image = Image(book_id, created_at_ns)
        last = read("SELECT number, at_ns FROM executions ORDER BY number DESC LIMIT 1").fetchone()
        if last is not None:
            image.execution_count, image.last_ns = last
        (image.order_count, image.priority_count) = read(
            "SELECT coalesce(max(number), 0), coalesce(max(priority), 0) FROM orders"
        ).fetchone()
        image.heads.update(read("SELECT account_id, max(number) FROM reports GROUP BY account_id"))
        image.orders.update((order.number, order) for order in self._orders("status = 'working'", ()))
        commands = self._commands("order_number IN (SELECT number FROM orders WHERE status = 'working')", ())
        image.commands.update((command.broker_command_id, command) for command in commands)
        for row in read(f"SELECT {STANDING_COLUMNS} FROM standings").fetchall():  # noqa: S608 - our own words
            standing = standing_from(row, self._instrument(row[0], row[1]))
            image.standings[standing.market] = standing
            if standing.account_id:
                image.own_markets.add(standing.market)
        (image.adjustment_count,) = read("SELECT coalesce(max(number), 0) FROM adjustments").fetchone()
        self._load_runs(image)
        self._load_money(image)
        return image

    def _load_runs(self, image: Image) -> None:
        """What scripts go on with, with their orders, closed ones too."""
        read = self._reading.execute
        for account_id, script in read("SELECT account_id, script FROM runs WHERE script >= 0"):
            image.scripts_used.setdefault(account_id, set()).add(script)
        runs = [
            run_of(row)
            for row in read("SELECT name, account_id, script, order_number, body FROM runs WHERE NOT is_over")
        ]
        image.runs.update((run.name, run) for run in runs)
        condition = "number IN (SELECT order_number FROM runs WHERE NOT is_over)"
        image.orders.update((order.number, order) for order in self._orders(condition, ()))

    def _load_money(self, image: Image) -> None:
        read = self._reading.execute
        for account_id, plan in read("SELECT account_id, plan FROM accounts"):
            image.wallets[account_id] = Wallet(account_id, plan_from(plan))
        for account_id, currency, amount in read("SELECT account_id, currency, amount FROM cash"):
            wallet_of(image, account_id).cash[currency] = Decimal(amount)
        rows = read("SELECT account_id, asset_class, symbol, quantity, cost FROM positions").fetchall()
        for account_id, asset_class, symbol, quantity, cost in rows:
            instrument = self._instrument(asset_class, symbol)
            wallet_of(image, account_id).restore(instrument, Decimal(quantity), Decimal(cost))
        for order in image.orders.values():
            wallet = wallet_of(image, order.account_id)
            if wallet.is_limited:
                wallet.work(order, image.price(order.account_id, order.instrument, order.side))
        places = "SELECT order_number, places.priority, ahead FROM places JOIN orders ON number = order_number"
        for number, priority, ahead in read(f"{places} WHERE status = 'working'"):
            image.places[number] = QueuePlace(priority, Decimal(ahead))


def read_submit_log(path: Path) -> list[SubmitEntry]:
    """Every arrival of a command at the broker, in order, repetitions included; from any process, at any time."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "SELECT broker_command_id, account_id, action_type, at_ns FROM submits ORDER BY number"
        )
        return [SubmitEntry(command, account, ActionType(action), at_ns) for command, account, action, at_ns in rows]
    finally:
        connection.close()


def _claim_of(order: PaperOrder) -> OrderClaim:
    return OrderClaim(
        broker_command_id=order.live_command_id,
        external_order_id=order.external_order_id,
        key=(order.instrument.asset_class, order.instrument.symbol),
        is_open=True,
        quantity=order.terms.quantity,
        limit_price=order.terms.limit_price,
        cumulative_quantity=order.filled_quantity,
        stop_price=order.terms.stop_price,
    )


def _marks(values: tuple[str | int, ...]) -> str:
    return ", ".join("?" * len(values))
