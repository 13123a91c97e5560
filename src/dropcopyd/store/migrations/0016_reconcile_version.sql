-- Raised by each change of an account's own interval; 0 = never changed.
ALTER TABLE accounts ADD COLUMN reconcile_version INTEGER NOT NULL DEFAULT 0;
