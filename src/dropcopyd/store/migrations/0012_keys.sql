-- Keys: what restricts them (NULL = nothing; JSON), their rotation, who made them, when they were used last.
ALTER TABLE api_keys ADD COLUMN account_ids TEXT;
ALTER TABLE api_keys ADD COLUMN addresses TEXT;
ALTER TABLE api_keys ADD COLUMN attenuation TEXT;
ALTER TABLE api_keys ADD COLUMN expires_at_ns INTEGER;
ALTER TABLE api_keys ADD COLUMN created_by TEXT NOT NULL DEFAULT 'operator';
ALTER TABLE api_keys ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
ALTER TABLE api_keys ADD COLUMN previous_digest BLOB;
ALTER TABLE api_keys ADD COLUMN previous_until_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN rotated_at_ns INTEGER;
ALTER TABLE api_keys ADD COLUMN last_used_at_ns INTEGER;
ALTER TABLE api_keys ADD COLUMN last_used_from TEXT;
CREATE INDEX api_keys_by_organization ON api_keys (organization_id, key_id);

-- An account that takes no creates and replaces; NULL = it does.
ALTER TABLE accounts ADD COLUMN disabled_at_ns INTEGER;

-- What attenuated keys have used up: notional sent per day and currency, and when each order of the last minute was.
CREATE TABLE key_notionals (
    key_id TEXT NOT NULL,
    day TEXT NOT NULL,
    currency TEXT NOT NULL,
    notional TEXT NOT NULL,
    PRIMARY KEY (key_id, day, currency)
) STRICT, WITHOUT ROWID;
CREATE TABLE key_orders (
    number INTEGER PRIMARY KEY,
    key_id TEXT NOT NULL,
    at_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX key_orders_by_key ON key_orders (key_id, at_ns);
