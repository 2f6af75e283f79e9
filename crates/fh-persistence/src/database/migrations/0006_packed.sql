-- The oldest holders of a path that very many slices hold, 256 to a row, so that a search among ten thousand
-- reads some forty rows. They are all there is up to the last of them: what came later is in `slice_path`
-- alone. Each holder is its flake's id in 4 bytes and its row's id in 6, high byte first.
CREATE TABLE packed_holders (
    path_hash BLOB NOT NULL CHECK (length(path_hash) = 20),
    last_row  INTEGER NOT NULL,
    holders   BLOB NOT NULL CHECK (length(holders) = 2560),
    PRIMARY KEY (path_hash, last_row)
) STRICT, WITHOUT ROWID;

-- Whatever changes a holder unpacks it, and those after it.
CREATE TRIGGER slice_path_removed AFTER DELETE ON slice_path BEGIN
    DELETE FROM packed_holders WHERE path_hash = OLD.path_hash AND last_row >= OLD.id;
END;
CREATE TRIGGER slice_path_moved AFTER UPDATE OF id, path_hash, flake_id ON slice_path BEGIN
    DELETE FROM packed_holders WHERE path_hash = OLD.path_hash AND last_row >= OLD.id;
    DELETE FROM packed_holders WHERE path_hash = NEW.path_hash AND last_row >= NEW.id;
END;
