-- Flattens of accounts: one running per account at a time, the others for the record. `legs` is a JSON list.
CREATE TABLE flattens (
    flatten_id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (account_id),
    organization_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    reason TEXT,
    started_at_ns INTEGER NOT NULL,
    deadline_ns INTEGER NOT NULL,
    status TEXT NOT NULL,
    finished_at_ns INTEGER,
    legs TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX flattens_by_account ON flattens (account_id, started_at_ns);
CREATE INDEX flattens_running ON flattens (account_id) WHERE status = 'RUNNING';
