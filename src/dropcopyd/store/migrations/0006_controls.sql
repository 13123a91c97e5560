-- Switches and limits: of an organization, of one of its accounts, of a symbol within it. A row is never deleted.
CREATE TABLE controls (
    organization_id TEXT NOT NULL REFERENCES organizations (organization_id),
    scope TEXT NOT NULL,
    subject TEXT NOT NULL,
    manually_disabled INTEGER NOT NULL,
    manual_reason TEXT,
    is_killed INTEGER NOT NULL,
    limits TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at_ns INTEGER NOT NULL,
    updated_at_ns INTEGER NOT NULL,
    PRIMARY KEY (organization_id, scope, subject)
) STRICT, WITHOUT ROWID;

-- Who did what, and what was refused to whom. `detail` is a JSON object of strings.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id TEXT NOT NULL REFERENCES organizations (organization_id),
    account_id TEXT,
    at_ns INTEGER NOT NULL,
    principal_id TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_organization ON audit (organization_id, number);
