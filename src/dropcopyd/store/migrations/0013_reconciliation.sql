-- Breaks as tickets: what was said that cannot be, and where snapshots differ from the record; reconciliations.
ALTER TABLE breaks RENAME TO breaks_said_before;
DROP INDEX breaks_by_account;

CREATE TABLE breaks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts (number),
    break_id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    figure TEXT,
    ours TEXT NOT NULL,
    theirs TEXT NOT NULL,
    detail TEXT NOT NULL,
    asset_class TEXT,
    symbol TEXT,
    order_id TEXT,
    is_said INTEGER NOT NULL,
    status TEXT NOT NULL,
    first_at_ns INTEGER NOT NULL,
    last_at_ns INTEGER NOT NULL,
    times INTEGER NOT NULL,
    closing TEXT,
    closed_at_ns INTEGER,
    resolution TEXT
) STRICT;
CREATE INDEX breaks_by_account ON breaks (account, number);
CREATE INDEX breaks_by_status ON breaks (account, status, number);
CREATE INDEX breaks_by_kind ON breaks (account, kind, number);
CREATE INDEX breaks_by_symbol ON breaks (account, symbol, number) WHERE symbol IS NOT NULL;
CREATE INDEX breaks_standing ON breaks (account) WHERE status <> 'CLOSED' AND is_said = 0;
CREATE UNIQUE INDEX breaks_said ON breaks (account, kind, subject) WHERE is_said = 1;

INSERT INTO breaks
SELECT
    number,
    account,
    lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-8'
        || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
    kind,
    subject,
    NULL,
    '',
    '',
    detail,
    NULL,
    NULL,
    order_id,
    1,
    'OPEN',
    first_at_ns,
    last_at_ns,
    times,
    NULL,
    NULL,
    NULL
FROM breaks_said_before ORDER BY number;
DROP TABLE breaks_said_before;

CREATE TABLE reconciliations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts (number),
    reconciliation_id TEXT NOT NULL UNIQUE,
    run_trigger TEXT NOT NULL,
    verdict TEXT NOT NULL,
    begun_at_ns INTEGER NOT NULL,
    ended_at_ns INTEGER NOT NULL,
    snapshots INTEGER NOT NULL,
    mended INTEGER NOT NULL,
    healed INTEGER NOT NULL,
    opened INTEGER NOT NULL,
    closed INTEGER NOT NULL,
    standing INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX reconciliations_by_account ON reconciliations (account, number);
CREATE INDEX reconciliations_by_trigger ON reconciliations (account, run_trigger, number);
CREATE INDEX reconciliations_by_verdict ON reconciliations (account, verdict, number);

-- Seconds between an account's reconciliations; 0 = none by the timer, NULL = as the gateway does.
ALTER TABLE accounts ADD COLUMN reconcile_s INTEGER;
