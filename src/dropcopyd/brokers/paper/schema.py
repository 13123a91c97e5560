"""The tables of the paper broker's book, as numbered migrations that only go forward.

`PRAGMA user_version` holds the number of the last one applied. A released migration never changes.
"""

import sqlite3
from pathlib import Path
from typing import Final

from dropcopyd.errors import Code, StoreError

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE book (
      only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
      book_id TEXT NOT NULL,
      created_at_ns INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE instruments (
      asset_class TEXT NOT NULL, symbol TEXT NOT NULL,
      definition TEXT NOT NULL,                     -- the catalogue row as JSON
      PRIMARY KEY (asset_class, symbol)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE submits (                          -- every arrival of a command, repetitions included
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      broker_command_id TEXT NOT NULL, account_id TEXT NOT NULL, action_type TEXT NOT NULL, at_ns INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX submits_by_command ON submits (broker_command_id);
    CREATE TABLE orders (
      number INTEGER PRIMARY KEY,
      external_order_id TEXT NOT NULL UNIQUE, account_id TEXT NOT NULL,
      asset_class TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
      order_type TEXT NOT NULL, quantity TEXT NOT NULL, time_in_force TEXT NOT NULL,
      limit_price TEXT, stop_price TEXT, trail_amount TEXT, trail_percent TEXT,
      live_command_id TEXT NOT NULL, priority INTEGER NOT NULL, entered_at_ns INTEGER NOT NULL,
      trade_date TEXT NOT NULL, filled_quantity TEXT NOT NULL, status TEXT NOT NULL,
      FOREIGN KEY (asset_class, symbol) REFERENCES instruments
    ) STRICT;
    CREATE INDEX orders_working ON orders (account_id) WHERE status = 'working';
    CREATE TABLE commands (
      broker_command_id TEXT PRIMARY KEY,
      account_id TEXT NOT NULL, action_type TEXT NOT NULL,
      order_number INTEGER REFERENCES orders,       -- NULL: it named no order of this book
      external_order_id TEXT,                       -- the answer: acknowledged with this id ...
      reason_code TEXT, reason TEXT                 -- ... or refused with these
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX commands_by_order ON commands (order_number);
    CREATE TABLE executions (
      number INTEGER PRIMARY KEY,
      exec_id TEXT NOT NULL UNIQUE, order_number INTEGER NOT NULL REFERENCES orders, account_id TEXT NOT NULL,
      side TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL, at_ns INTEGER NOT NULL, trade_date TEXT NOT NULL
    ) STRICT;
    CREATE INDEX executions_by_order ON executions (order_number);
    CREATE TABLE reports (
      account_id TEXT NOT NULL, number INTEGER NOT NULL,  -- from 1, without a gap, per account
      order_number INTEGER, broker_command_id TEXT NOT NULL,
      body TEXT NOT NULL,                           -- the report as JSON
      PRIMARY KEY (account_id, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX reports_by_order ON reports (order_number);
    CREATE INDEX reports_by_command ON reports (broker_command_id);
    CREATE TABLE positions (
      account_id TEXT NOT NULL, asset_class TEXT NOT NULL, symbol TEXT NOT NULL,
      quantity TEXT NOT NULL,                       -- signed
      PRIMARY KEY (account_id, asset_class, symbol)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE standings (                        -- the market as it stood, and where its price source was
      asset_class TEXT NOT NULL, symbol TEXT NOT NULL,
      source TEXT NOT NULL, place TEXT NOT NULL,
      bid TEXT NOT NULL, ask TEXT NOT NULL, bid_size TEXT NOT NULL, ask_size TEXT NOT NULL, at_ns INTEGER NOT NULL,
      PRIMARY KEY (asset_class, symbol),
      FOREIGN KEY (asset_class, symbol) REFERENCES instruments
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE accounts (                         -- accounts that were opened with a plan
      account_id TEXT PRIMARY KEY,
      plan TEXT NOT NULL                            -- profile, seed, cash and every parameter, as JSON
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE cash (
      account_id TEXT NOT NULL, currency TEXT NOT NULL, amount TEXT NOT NULL,
      PRIMARY KEY (account_id, currency)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE places (                           -- what is ahead of resting orders
      order_number INTEGER PRIMARY KEY REFERENCES orders, priority INTEGER NOT NULL, ahead TEXT NOT NULL
    ) STRICT;
    ALTER TABLE positions ADD COLUMN cost TEXT NOT NULL DEFAULT '0';
    ALTER TABLE executions ADD COLUMN report_number INTEGER NOT NULL DEFAULT 0;
    """,
    """
    ALTER TABLE executions ADD COLUMN quantity_now TEXT;  -- as amended; NULL: as it was executed
    ALTER TABLE executions ADD COLUMN price_now TEXT;
    CREATE INDEX executions_by_day ON executions (account_id, trade_date);
    """,
    """
    ALTER TABLE orders ADD COLUMN since_ns INTEGER NOT NULL DEFAULT 0;   -- entered or last replaced
    ALTER TABLE orders ADD COLUMN triggered INTEGER NOT NULL DEFAULT 0;
    UPDATE orders SET since_ns = entered_at_ns;
    """,
    """
    CREATE TABLE adjustments (
      account_id TEXT NOT NULL, number INTEGER NOT NULL UNIQUE,
      name TEXT NOT NULL,                           -- the caller's own, '' where there is none
      asked TEXT NOT NULL,                          -- the request in canonical form
      body TEXT NOT NULL,                           -- the report as JSON
      PRIMARY KEY (account_id, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE markets (                          -- as standings, and accounts' own markets beside the shared ones
      asset_class TEXT NOT NULL, symbol TEXT NOT NULL,
      account_id TEXT NOT NULL,                     -- whose own it is, '' for the shared one
      source TEXT NOT NULL, place TEXT NOT NULL,
      bid TEXT NOT NULL, ask TEXT NOT NULL, bid_size TEXT NOT NULL, ask_size TEXT NOT NULL, at_ns INTEGER NOT NULL,
      PRIMARY KEY (asset_class, symbol, account_id),
      FOREIGN KEY (asset_class, symbol) REFERENCES instruments
    ) STRICT, WITHOUT ROWID;
    INSERT INTO markets
      SELECT asset_class, symbol, '', source, place, bid, ask, bid_size, ask_size, at_ns FROM standings;
    DROP TABLE standings;
    ALTER TABLE markets RENAME TO standings;
    """,
    """
    ALTER TABLE executions ADD COLUMN amended_by TEXT;    -- the id of the last amendment
    CREATE TABLE runs (                             -- orders in their scripts
      name TEXT PRIMARY KEY,                        -- the id of the order's first command, or what else made it
      account_id TEXT NOT NULL,
      script INTEGER NOT NULL,                      -- its place in the scenario, -1 for none of them
      order_number INTEGER,                         -- NULL: the order was lost on the way
      is_over INTEGER NOT NULL,
      body TEXT NOT NULL                            -- where it is, as JSON; '' when it is over
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX runs_open ON runs (is_over) WHERE NOT is_over;
    """,
    """
    CREATE UNIQUE INDEX adjustments_by_name ON adjustments (account_id, name) WHERE name <> '';
    """,
)


def connect(path: Path, busy_timeout_s: float, *, is_reader: bool = False) -> sqlite3.Connection:
    """A connection for use on one thread of the caller's choice, in autocommit mode.

    Every commit reaches the disk before it returns (WAL with synchronous=FULL).
    """
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    if is_reader:
        connection.execute("PRAGMA query_only = ON")
    return connection


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the book to the newest schema, each migration in its own transaction.

    Raises StoreError for a book that a newer version has written.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StoreError(
            Code.STORE_FAILED,
            f"the paper broker's book has schema {version}, this version knows {len(MIGRATIONS)}: use a newer Dropcopy",
        )
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {statements} PRAGMA user_version = {number}; COMMIT;")
