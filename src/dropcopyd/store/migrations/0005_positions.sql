-- Positions as folds: every effective change at its place, adjustments, balances, and where an account's day begins.
ALTER TABLE accounts ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';
ALTER TABLE accounts ADD COLUMN roll_time TEXT NOT NULL DEFAULT '00:00';

ALTER TABLE positions ADD COLUMN value_bought TEXT NOT NULL DEFAULT '0';
ALTER TABLE positions ADD COLUMN value_sold TEXT NOT NULL DEFAULT '0';
ALTER TABLE positions ADD COLUMN daily_pnl TEXT;
ALTER TABLE positions ADD COLUMN day_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE positions ADD COLUMN day_quantity TEXT NOT NULL DEFAULT '0';
ALTER TABLE positions ADD COLUMN day_cost TEXT NOT NULL DEFAULT '0';
ALTER TABLE positions ADD COLUMN day_realized_pnl TEXT NOT NULL DEFAULT '0';
ALTER TABLE positions ADD COLUMN day_mark TEXT;
ALTER TABLE positions ADD COLUMN is_day_known INTEGER NOT NULL DEFAULT 1;
ALTER TABLE positions ADD COLUMN fold_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE positions ADD COLUMN fold_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE positions ADD COLUMN change_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE positions ADD COLUMN is_quiet INTEGER NOT NULL DEFAULT 0;
CREATE INDEX positions_held ON positions (account) WHERE quantity <> '0';
CREATE INDEX positions_by_change ON positions (account, received_at_ns);
CREATE INDEX positions_moving ON positions (account) WHERE is_quiet = 0;

-- An execution as it stands after busts and corrections, or an adjustment. `after` is the position after it, at
-- checkpoints; what comes late is folded from the checkpoint before its place.
CREATE TABLE position_changes (
    account INTEGER NOT NULL REFERENCES accounts (number),
    asset_class TEXT NOT NULL,
    symbol TEXT NOT NULL,
    fold_ns INTEGER NOT NULL,
    number INTEGER NOT NULL,
    ref TEXT NOT NULL,
    signed_quantity TEXT,
    price TEXT,
    adjustment_id TEXT,
    after TEXT,
    PRIMARY KEY (account, asset_class, symbol, fold_ns, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX position_changes_by_ref ON position_changes (account, ref);

CREATE TABLE adjustments (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts (number),
    adjustment_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    asset_class TEXT,
    symbol TEXT,
    quantity_delta TEXT NOT NULL,
    cost_delta TEXT,
    cash_delta TEXT NOT NULL,
    currency TEXT,
    note TEXT NOT NULL,
    received_at_ns INTEGER NOT NULL,
    broker_sent_at_ns INTEGER,
    marks TEXT NOT NULL,
    UNIQUE (account, adjustment_id)
) STRICT;
CREATE INDEX adjustments_by_account ON adjustments (account, number);
CREATE INDEX adjustments_rolls ON adjustments (account, broker_sent_at_ns) WHERE kind = 'DAY_ROLL';

CREATE TABLE balances (
    account INTEGER NOT NULL REFERENCES accounts (number),
    currency TEXT NOT NULL,
    cash TEXT,
    buying_power TEXT,
    equity TEXT,
    initial_margin TEXT,
    maintenance_margin TEXT,
    received_at_ns INTEGER NOT NULL,
    PRIMARY KEY (account, currency)
) STRICT, WITHOUT ROWID;

-- What was booked before was folded as it arrived: it keeps that order. What its day was is not known until a roll.
INSERT INTO position_changes
SELECT
    account,
    asset_class,
    symbol,
    max(coalesce(broker_sent_at_ns, 0)) OVER (
        PARTITION BY account, asset_class, symbol ORDER BY number ROWS UNBOUNDED PRECEDING
    ),
    row_number() OVER (PARTITION BY account, asset_class, symbol ORDER BY number),
    order_id || '|' || execution_key,
    CASE order_side WHEN 'BUY' THEN quantity ELSE '-' || quantity END,
    price,
    NULL,
    NULL
FROM trades;
UPDATE positions SET
    day_quantity = quantity,
    day_cost = cost,
    day_realized_pnl = realized_pnl,
    is_day_known = 0,
    (fold_ns, fold_number, change_count) = (
        SELECT max(fold_ns), max(number), max(number) FROM position_changes AS change
        WHERE change.account = positions.account
        AND change.asset_class = positions.asset_class AND change.symbol = positions.symbol
    );
