-- Amounts are decimal strings, times nanoseconds UTC. Projections are written in the transaction of their event.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE organizations (
    organization_id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE accounts (
    number INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL UNIQUE,
    organization_id TEXT NOT NULL REFERENCES organizations (organization_id),
    name TEXT NOT NULL,
    broker TEXT NOT NULL,
    created_at_ns INTEGER NOT NULL,
    head INTEGER NOT NULL DEFAULT 0,
    hash BLOB NOT NULL DEFAULT (zeroblob(32)),
    oldest INTEGER NOT NULL DEFAULT 1,
    last_ns INTEGER NOT NULL DEFAULT 0,
    report_cursor TEXT NOT NULL DEFAULT '',
    connection TEXT NOT NULL DEFAULT 'BLIND',
    connection_since_ns INTEGER NOT NULL DEFAULT 0,
    reason_code TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    UNIQUE (organization_id, name)
) STRICT;

-- Where each kind's own numbering stands.
CREATE TABLE kind_heads (
    account INTEGER NOT NULL REFERENCES accounts (number),
    kind TEXT NOT NULL,
    head INTEGER NOT NULL,
    PRIMARY KEY (account, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    key_id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (organization_id),
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    scopes TEXT NOT NULL,
    created_at_ns INTEGER NOT NULL,
    disabled_at_ns INTEGER
) STRICT;

CREATE TABLE instruments (
    asset_class TEXT NOT NULL,
    symbol TEXT NOT NULL,
    definition TEXT NOT NULL,
    PRIMARY KEY (asset_class, symbol)
) STRICT, WITHOUT ROWID;

-- The truth: every event of every account, as its stream bytes.
CREATE TABLE journal (
    account INTEGER NOT NULL REFERENCES accounts (number),
    sequence INTEGER NOT NULL,
    kind TEXT NOT NULL,
    kind_sequence INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    asset_class TEXT NOT NULL,
    symbol TEXT NOT NULL,
    payload BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (account, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts (number),
    order_id TEXT NOT NULL UNIQUE,
    intent_id TEXT NOT NULL,
    asset_class TEXT NOT NULL,
    symbol TEXT NOT NULL,
    order_side TEXT NOT NULL,
    order_venue TEXT NOT NULL,
    order_type TEXT NOT NULL,
    quantity TEXT NOT NULL,
    time_in_force TEXT NOT NULL,
    limit_price TEXT,
    stop_price TEXT,
    trail_amount TEXT,
    trail_percent TEXT,
    last_seq INTEGER NOT NULL,
    command_seq INTEGER NOT NULL,
    created_at_ns INTEGER NOT NULL,
    received_at_ns INTEGER NOT NULL,
    origin TEXT NOT NULL,
    client_reference_id TEXT,
    strategy_id TEXT,
    external_order_id TEXT,
    filled_quantity TEXT NOT NULL,
    filled_value TEXT NOT NULL,
    order_status TEXT NOT NULL,
    is_accepted INTEGER NOT NULL,
    is_rejected INTEGER NOT NULL,
    is_closed INTEGER NOT NULL,
    is_stopped INTEGER NOT NULL,
    pending TEXT NOT NULL,
    in_doubt_since_ns INTEGER,
    reason_code TEXT,
    reason TEXT,
    raw_status TEXT,
    broker_sent_at_ns INTEGER,
    is_working INTEGER NOT NULL,
    UNIQUE (account, intent_id)
) STRICT;
CREATE INDEX orders_by_account ON orders (account, number);
CREATE INDEX orders_working ON orders (account) WHERE is_working = 1;
CREATE INDEX orders_by_change ON orders (account, received_at_ns);

CREATE TABLE commands (
    account INTEGER NOT NULL REFERENCES accounts (number),
    intent_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    order_id TEXT NOT NULL,
    broker_command_id TEXT NOT NULL UNIQUE,
    action_type TEXT NOT NULL,
    asset_class TEXT NOT NULL,
    symbol TEXT NOT NULL,
    order_side TEXT NOT NULL,
    order_venue TEXT NOT NULL,
    order_type TEXT NOT NULL,
    quantity TEXT NOT NULL,
    time_in_force TEXT NOT NULL,
    limit_price TEXT,
    stop_price TEXT,
    trail_amount TEXT,
    trail_percent TEXT,
    principal_type TEXT NOT NULL,
    client_reference_id TEXT,
    strategy_id TEXT,
    deadline_ns INTEGER,
    outcome TEXT NOT NULL,
    outcome_at_ns INTEGER NOT NULL,
    reason_code TEXT,
    reason TEXT,
    received_ns INTEGER NOT NULL,
    committed_ns INTEGER NOT NULL,
    attempt_begun_ns INTEGER,
    acknowledged_ns INTEGER,
    first_fill_ns INTEGER,
    last_fill_ns INTEGER,
    PRIMARY KEY (account, intent_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX commands_by_order ON commands (order_id);
CREATE INDEX commands_unresolved ON commands (account) WHERE outcome IN ('PENDING', 'IN_DOUBT');

CREATE TABLE trades (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts (number),
    order_id TEXT NOT NULL,
    intent_id TEXT NOT NULL,
    external_order_id TEXT,
    asset_class TEXT NOT NULL,
    symbol TEXT NOT NULL,
    order_side TEXT NOT NULL,
    quantity TEXT NOT NULL,
    price TEXT NOT NULL,
    received_at_ns INTEGER NOT NULL,
    execution_key TEXT NOT NULL,
    exec_id TEXT,
    cumulative_quantity TEXT NOT NULL,
    order_quantity TEXT NOT NULL,
    leaves_quantity TEXT NOT NULL,
    broker_sent_at_ns INTEGER,
    origin TEXT NOT NULL,
    strategy_id TEXT,
    fees TEXT NOT NULL,
    trade_date TEXT,
    venue TEXT,
    liquidity TEXT,
    UNIQUE (account, order_id, execution_key)
) STRICT;
CREATE INDEX trades_by_account ON trades (account, number);

CREATE TABLE positions (
    account INTEGER NOT NULL REFERENCES accounts (number),
    asset_class TEXT NOT NULL,
    symbol TEXT NOT NULL,
    quantity TEXT NOT NULL,
    cost TEXT NOT NULL,
    realized_pnl TEXT NOT NULL,
    received_at_ns INTEGER NOT NULL,
    broker_sent_at_ns INTEGER,
    PRIMARY KEY (account, asset_class, symbol)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    account INTEGER NOT NULL REFERENCES accounts (number),
    key TEXT NOT NULL,
    request TEXT NOT NULL,
    intent_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
