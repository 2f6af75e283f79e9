-- Realisations: to which path an output of a derivation was built. One that a slice says of a path which it does not
-- hold (any more) counts for nothing, and is collected. Who pushed it, and as what, as in slice_path.
CREATE TABLE slice_realisation (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- 'sha256:<hex>!<output>' as Nix up to 2.34 asks, or '<derivation>^<output>' as it does from 2.35 on.
    drv_output TEXT NOT NULL,
    flake_id   INTEGER NOT NULL REFERENCES flake (id) ON DELETE CASCADE,
    path_hash  BLOB NOT NULL CHECK (length(path_hash) = 20),
    name       TEXT NOT NULL,
    signatures TEXT NOT NULL, -- as they came with the push, separated by spaces
    pusher_id  INTEGER,
    builder    INTEGER NOT NULL CHECK (builder IN (0, 1)),
    created_at INTEGER NOT NULL,
    UNIQUE (drv_output, flake_id)
) STRICT;
CREATE INDEX slice_realisation_flake ON slice_realisation (flake_id);
INSERT INTO sqlite_sequence (name, seq) VALUES ('slice_realisation', 0);
