-- Streams an organization may hold open at a time; NULL = the node's default.
ALTER TABLE organizations ADD COLUMN streams_max INTEGER;
