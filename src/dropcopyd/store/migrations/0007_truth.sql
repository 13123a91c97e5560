-- Amendments of executions, orders from outside, reports that wait, and what brokers said that cannot be.
ALTER TABLE orders ADD COLUMN is_done_for_day INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN external_command_id TEXT;
CREATE INDEX orders_by_external_command ON orders (account, external_command_id, number)
    WHERE external_command_id IS NOT NULL;

-- The figures in force after amendments; NULL = as reported.
ALTER TABLE trades ADD COLUMN effective_quantity TEXT;
ALTER TABLE trades ADD COLUMN effective_price TEXT;

CREATE TABLE amendments (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts (number),
    kind TEXT NOT NULL,
    order_id TEXT NOT NULL,
    intent_id TEXT NOT NULL,
    external_order_id TEXT,
    asset_class TEXT NOT NULL,
    symbol TEXT NOT NULL,
    order_side TEXT NOT NULL,
    execution_key TEXT NOT NULL,
    amendment_key TEXT NOT NULL,
    exec_id TEXT,
    new_exec_id TEXT,
    quantity_before TEXT NOT NULL,
    price_before TEXT NOT NULL,
    quantity_after TEXT NOT NULL,
    price_after TEXT NOT NULL,
    received_at_ns INTEGER NOT NULL,
    reason TEXT,
    broker_sent_at_ns INTEGER,
    UNIQUE (account, order_id, amendment_key)
) STRICT;
CREATE INDEX amendments_by_account ON amendments (account, number);

-- Reports that name what nobody knows yet, until it is known; order_id '' while their order is unknown as well.
CREATE TABLE parked (
    account INTEGER NOT NULL REFERENCES accounts (number),
    parking_key TEXT NOT NULL,
    order_id TEXT NOT NULL,
    report TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    PRIMARY KEY (account, parking_key)
) STRICT;

CREATE TABLE breaks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts (number),
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    order_id TEXT,
    detail TEXT NOT NULL,
    first_at_ns INTEGER NOT NULL,
    last_at_ns INTEGER NOT NULL,
    times INTEGER NOT NULL DEFAULT 1,
    UNIQUE (account, kind, subject)
) STRICT;
CREATE INDEX breaks_by_account ON breaks (account, number);
