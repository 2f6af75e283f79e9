-- Tokens that cannot grow: the contents that a token for certain closures may read are fixed when it is made.

-- Path → fingerprint (NarHash, NarSize, references), shared by all tokens that have the same.
CREATE TABLE path_set (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    digest  BLOB NOT NULL UNIQUE CHECK (length(digest) = 32), -- SHA-256 of the content
    content BLOB NOT NULL -- for each path, ascending: 20 bytes of path hash, 32 of fingerprint
) STRICT;

-- NULL where there are no closures, and for a token of before this column that was not used since.
ALTER TABLE token ADD COLUMN path_set_id INTEGER REFERENCES path_set (id);
CREATE INDEX token_path_set ON token (path_set_id) WHERE path_set_id IS NOT NULL;

-- What was made for another account stands by itself, also when the account that made it is removed.
CREATE TRIGGER token_made_for_another BEFORE DELETE ON token BEGIN
    UPDATE token SET parent_id = NULL WHERE parent_id = OLD.id AND account_id <> OLD.account_id;
END;
