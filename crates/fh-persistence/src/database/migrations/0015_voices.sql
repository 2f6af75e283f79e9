-- What of a row counts among those that have one content: 1 a builder pushed it, 2 its content address was recomputed,
-- 4 signatures came with it. In the index of holders, so that the first few of a path are read with it.
ALTER TABLE slice_path ADD COLUMN voice INTEGER NOT NULL
    GENERATED ALWAYS AS (builder + 2 * proven + 4 * (signatures <> '')) VIRTUAL;
DROP INDEX slice_path_oldest;
CREATE INDEX slice_path_oldest ON slice_path (path_hash, id, flake_id, voice);

-- The paths whose rows do not all count the same: there the oldest is not the best. Kept by the commits.
CREATE TABLE uneven_path (
    path_hash BLOB PRIMARY KEY CHECK (length(path_hash) = 20)
) STRICT, WITHOUT ROWID;
INSERT INTO uneven_path SELECT path_hash FROM slice_path GROUP BY path_hash HAVING MIN(voice) <> MAX(voice);

-- Who gave it does not belong to the organisation, but administers a flake as its guest: it counts for guests alone, so
-- that no guest puts a slice into the view of somebody who belongs there. Who gave those that there are is left be.
ALTER TABLE access_grant ADD COLUMN by_guest INTEGER NOT NULL DEFAULT 0 CHECK (by_guest IN (0, 1));
