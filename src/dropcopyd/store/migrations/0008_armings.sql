-- Cancel on disconnect: what streams have armed, and what has fired and is still being pursued.
CREATE TABLE armings (
    account_id TEXT NOT NULL REFERENCES accounts (account_id),
    strategy_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    grace_s INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    armed_at_ns INTEGER NOT NULL,
    is_armed INTEGER NOT NULL,
    fired_at_ns INTEGER,
    PRIMARY KEY (account_id, strategy_id)
) STRICT, WITHOUT ROWID;
