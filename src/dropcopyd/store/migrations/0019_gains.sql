-- What was counted and summed last and has not been taken into the tallies yet: the figures of an hour are both together,
-- those of a day its hours'.
CREATE TABLE gains (
    number INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts (number),
    hour INTEGER NOT NULL,
    strategy_id TEXT NOT NULL,
    asset_class TEXT NOT NULL,
    symbol TEXT NOT NULL,
    counts TEXT NOT NULL,
    amounts TEXT NOT NULL
) STRICT;
