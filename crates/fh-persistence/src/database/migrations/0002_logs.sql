-- Build logs. A log belongs to a flake and a derivation, and is seen with the flake's slice. The first
-- one that a slice gets stays.

CREATE TABLE slice_log (
    id         INTEGER PRIMARY KEY,
    drv_hash   BLOB NOT NULL CHECK (length(drv_hash) = 20),
    flake_id   INTEGER NOT NULL REFERENCES flake (id) ON DELETE CASCADE,
    name       TEXT NOT NULL, -- of the derivation's path, with its .drv
    log_hash   BLOB NOT NULL CHECK (length(log_hash) = 32), -- SHA-256, uncompressed
    log_size   INTEGER NOT NULL, -- bytes, uncompressed
    created_at INTEGER NOT NULL,
    content    BLOB NOT NULL, -- zstd; the last column, so that the others are read without it
    UNIQUE (drv_hash, flake_id)
) STRICT;
CREATE INDEX slice_log_flake ON slice_log (flake_id);

-- Logs that came with a push which is not committed.
CREATE TABLE push_log (
    push_id  INTEGER NOT NULL REFERENCES push (id) ON DELETE CASCADE,
    drv_hash BLOB NOT NULL CHECK (length(drv_hash) = 20),
    name     TEXT NOT NULL,
    log_hash BLOB NOT NULL CHECK (length(log_hash) = 32),
    log_size INTEGER NOT NULL,
    content  BLOB NOT NULL,
    PRIMARY KEY (push_id, drv_hash)
) STRICT;
