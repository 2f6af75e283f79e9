-- What was written is found again, or it is noticed.

-- XXH3 (64 bits) of the object's bytes as they are stored. NULL for an object of before this column:
-- the first who reads it, or `fh serve --check`, checks its NAR hash and notes the sum.
ALTER TABLE nar ADD COLUMN checksum INTEGER;

-- When the object was found to be missing or not to be what was stored. Until somebody sends it again it
-- is as if the server did not have it.
ALTER TABLE nar ADD COLUMN damaged_at INTEGER;
CREATE INDEX nar_damaged ON nar (damaged_at) WHERE damaged_at IS NOT NULL;
