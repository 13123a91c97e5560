-- What the queries of the record need: who asked, which events are about what, and an index behind every filter.
ALTER TABLE commands ADD COLUMN principal_id TEXT;

ALTER TABLE journal ADD COLUMN order_number INTEGER;
CREATE INDEX journal_by_order ON journal (order_number, sequence) WHERE order_number IS NOT NULL;

-- The events that replace each other: each position's ("EQUITY|AAPL"), each balance's ("USD"), the account's status ("").
CREATE TABLE state_events (
    account INTEGER NOT NULL REFERENCES accounts (number),
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (account, kind, subject, sequence)
) STRICT, WITHOUT ROWID;

-- Now and then: the numbers of the orders that were working after that event, as a JSON list.
CREATE TABLE working_sets (
    account INTEGER NOT NULL REFERENCES accounts (number),
    sequence INTEGER NOT NULL,
    orders TEXT NOT NULL,
    PRIMARY KEY (account, sequence)
) STRICT, WITHOUT ROWID;

ALTER TABLE orders ADD COLUMN order_state TEXT GENERATED ALWAYS AS (
    CASE
        WHEN order_status = 'REJECTED' THEN 'REJECTED'
        WHEN order_status IN ('FILLED', 'CANCELLED', 'REPLACED') THEN 'CLOSED'
        ELSE 'OPEN'
    END
) VIRTUAL;

CREATE INDEX orders_by_state ON orders (account, order_state, number);
CREATE INDEX orders_by_status ON orders (account, order_status, number);
CREATE INDEX orders_by_symbol ON orders (account, symbol, number);
CREATE INDEX orders_by_side ON orders (account, order_side, number);
CREATE INDEX orders_by_type ON orders (account, order_type, number);
CREATE INDEX orders_by_strategy ON orders (account, strategy_id, number) WHERE strategy_id IS NOT NULL;
CREATE INDEX orders_by_reference ON orders (account, client_reference_id, number) WHERE client_reference_id IS NOT NULL;
CREATE INDEX orders_by_external ON orders (account, external_order_id, number) WHERE external_order_id IS NOT NULL;

CREATE INDEX trades_by_symbol ON trades (account, symbol, number);
CREATE INDEX trades_by_side ON trades (account, order_side, number);
CREATE INDEX trades_by_order ON trades (account, order_id, number);
CREATE INDEX trades_by_strategy ON trades (account, strategy_id, number) WHERE strategy_id IS NOT NULL;
CREATE INDEX trades_by_external ON trades (account, external_order_id, number) WHERE external_order_id IS NOT NULL;
CREATE INDEX trades_by_exec ON trades (account, exec_id, number) WHERE exec_id IS NOT NULL;

-- What was counted and summed, per UTC hour ('H') and day ('D') since 1970, strategy ("" = none) and instrument.
CREATE TABLE tallies (
    account INTEGER NOT NULL REFERENCES accounts (number),
    grain TEXT NOT NULL,
    period INTEGER NOT NULL,
    strategy_id TEXT NOT NULL,
    asset_class TEXT NOT NULL,
    symbol TEXT NOT NULL,
    counts TEXT NOT NULL,
    amounts TEXT NOT NULL,
    PRIMARY KEY (account, grain, period, strategy_id, asset_class, symbol)
) STRICT, WITHOUT ROWID;

-- From when on an account's tallies are complete; 0 is from its beginning.
ALTER TABLE accounts ADD COLUMN tallied_since_ns INTEGER NOT NULL DEFAULT 0;
UPDATE accounts SET tallied_since_ns = last_ns + 1 WHERE head > 0;
