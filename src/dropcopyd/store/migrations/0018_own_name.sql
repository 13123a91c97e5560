-- What an organization calls itself. `name` is the operator's and names it among all; nothing that an organization does
-- is answered by what others are called.
ALTER TABLE organizations ADD COLUMN own_name TEXT;
