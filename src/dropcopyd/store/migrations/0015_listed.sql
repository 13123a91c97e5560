-- Where the last snapshot of the broker ended whose executions and amendments were taken in.
ALTER TABLE accounts ADD COLUMN listed_cursor TEXT NOT NULL DEFAULT '';
