-- Breaches of daily loss and drawdown, and what drawdowns are measured from.
ALTER TABLE controls ADD COLUMN breach TEXT;

CREATE TABLE high_waters (
    organization_id TEXT NOT NULL REFERENCES organizations (organization_id),
    scope TEXT NOT NULL,
    subject TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    is_spent INTEGER NOT NULL,
    PRIMARY KEY (organization_id, scope, subject, currency)
) STRICT, WITHOUT ROWID;
