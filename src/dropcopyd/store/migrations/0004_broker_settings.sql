-- What an account's broker adapter was told when the account was added; only the adapter reads it.
ALTER TABLE accounts ADD COLUMN broker_settings TEXT NOT NULL DEFAULT '';
