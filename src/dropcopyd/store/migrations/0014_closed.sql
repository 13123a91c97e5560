-- Under which command's id the broker ended an order: acknowledgements of that command from before say nothing any more.
ALTER TABLE orders ADD COLUMN closed_seq INTEGER;
