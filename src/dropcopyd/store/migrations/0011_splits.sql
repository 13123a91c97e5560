-- An order under splits: what was executed before each counts by its ratio; when its terms came into force.
ALTER TABLE orders ADD COLUMN terms_sent_at_ns INTEGER;
ALTER TABLE orders ADD COLUMN splits TEXT NOT NULL DEFAULT '[]';
