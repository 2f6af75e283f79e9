-- The data model of fh, version 1. Times are microseconds since 1970 in UTC; public ids are UUIDv7
-- as text; the integer ids never leave the server. Names are unique without regard to case:
-- `folded` is the name in lower case. What is written for SQLite here is plain enough that the
-- PostgreSQL schema differs in its types alone (BIGINT identity, BYTEA).

CREATE TABLE server_setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    folded       TEXT NOT NULL UNIQUE,
    kind         TEXT NOT NULL CHECK (kind IN ('human', 'service')),
    server_admin INTEGER NOT NULL DEFAULT 0 CHECK (server_admin IN (0, 1)),
    created_at   INTEGER NOT NULL,
    disabled_at  INTEGER
) STRICT;

CREATE TABLE organization (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    folded     TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE membership (
    organization_id INTEGER NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    account_id      INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role            TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX membership_account ON membership (account_id);

CREATE TABLE team (
    id              INTEGER PRIMARY KEY,
    uuid            TEXT NOT NULL UNIQUE,
    organization_id INTEGER NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    name            TEXT NOT NULL,
    folded          TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    UNIQUE (organization_id, folded)
) STRICT;

CREATE TABLE team_member (
    team_id    INTEGER NOT NULL REFERENCES team (id) ON DELETE CASCADE,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (team_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX team_member_account ON team_member (account_id);

-- A flake's id is also the id of its slice.
CREATE TABLE flake (
    id              INTEGER PRIMARY KEY,
    uuid            TEXT NOT NULL UNIQUE,
    organization_id INTEGER NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    name            TEXT NOT NULL,
    folded          TEXT NOT NULL,
    visibility      TEXT NOT NULL CHECK (visibility IN ('public', 'unlisted', 'private')),
    description     TEXT,
    created_at      INTEGER NOT NULL,
    last_push_at    INTEGER,
    -- Kept by every commit, so that a listing never counts millions of rows.
    path_count      INTEGER NOT NULL DEFAULT 0,
    nar_size        INTEGER NOT NULL DEFAULT 0,
    UNIQUE (organization_id, folded)
) STRICT;

-- A role for an account, a team, or all members of the organisation, on one flake or (flake_id
-- NULL) on every flake of the organisation.
CREATE TABLE access_grant (
    id              INTEGER PRIMARY KEY,
    uuid            TEXT NOT NULL UNIQUE,
    organization_id INTEGER NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    flake_id        INTEGER REFERENCES flake (id) ON DELETE CASCADE,
    subject         TEXT NOT NULL CHECK (subject IN ('account', 'team', 'members')),
    account_id      INTEGER REFERENCES account (id) ON DELETE CASCADE,
    team_id         INTEGER REFERENCES team (id) ON DELETE CASCADE,
    role            TEXT NOT NULL CHECK (role IN ('read', 'write', 'admin')),
    created_at      INTEGER NOT NULL,
    created_by      INTEGER REFERENCES account (id) ON DELETE SET NULL,
    CHECK ((subject = 'account') = (account_id IS NOT NULL)),
    CHECK ((subject = 'team') = (team_id IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX access_grant_target ON access_grant
    (organization_id, COALESCE(flake_id, 0), subject, COALESCE(account_id, 0), COALESCE(team_id, 0));
CREATE INDEX access_grant_account ON access_grant (account_id);
CREATE INDEX access_grant_team ON access_grant (team_id);
CREATE INDEX access_grant_flake ON access_grant (flake_id);

-- Never the token itself: its id, whose it is, and how far it is narrowed.
CREATE TABLE token (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,
    account_id   INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    parent_id    INTEGER REFERENCES token (id) ON DELETE CASCADE,
    description  TEXT,
    permissions  TEXT NOT NULL, -- words separated by spaces
    flakes       TEXT NOT NULL, -- patterns separated by spaces
    created_at   INTEGER NOT NULL,
    created_by   INTEGER REFERENCES account (id) ON DELETE SET NULL,
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;
CREATE INDEX token_account ON token (account_id);
CREATE INDEX token_parent ON token (parent_id);

-- Both kinds of key: 'narinfo' signs path infos (active and standby are told to clients), 'token'
-- signs tokens.
CREATE TABLE signing_key (
    id         INTEGER PRIMARY KEY,
    purpose    TEXT NOT NULL CHECK (purpose IN ('narinfo', 'token')),
    name       TEXT NOT NULL,
    secret     TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('active', 'standby', 'retired')),
    created_at INTEGER NOT NULL,
    retired_at INTEGER,
    UNIQUE (purpose, name)
) STRICT;

-- A stored object: one verified NAR, compressed, whoever pushed it.
CREATE TABLE nar (
    id         INTEGER PRIMARY KEY,
    nar_hash   BLOB NOT NULL UNIQUE CHECK (length(nar_hash) = 32),
    nar_size   INTEGER NOT NULL,
    file_size  INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- The slices. Two slices may hold one store path with different NARs.
CREATE TABLE slice_path (
    id            INTEGER PRIMARY KEY,
    path_hash     BLOB NOT NULL CHECK (length(path_hash) = 20),
    flake_id      INTEGER NOT NULL REFERENCES flake (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    nar_id        INTEGER NOT NULL REFERENCES nar (id),
    path_refs     TEXT NOT NULL, -- base names, sorted, separated by spaces
    deriver       TEXT,
    signatures    TEXT NOT NULL, -- as they came with the push, separated by spaces
    ca            TEXT,
    created_at    INTEGER NOT NULL,
    UNIQUE (path_hash, flake_id)
) STRICT;
CREATE INDEX slice_path_flake ON slice_path (flake_id);
-- Finds who may read a NAR, and which NARs nobody refers to.
CREATE INDEX slice_path_nar ON slice_path (nar_id, flake_id);

CREATE TABLE push (
    id           INTEGER PRIMARY KEY,
    uuid         TEXT NOT NULL UNIQUE,
    flake_id     INTEGER NOT NULL REFERENCES flake (id) ON DELETE CASCADE,
    account_id   INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    state        TEXT NOT NULL CHECK (state IN ('open', 'committed')),
    plan         BLOB NOT NULL, -- the parsed path infos, JSON
    summary      TEXT,          -- what the commit answered, JSON
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    committed_at INTEGER
) STRICT;
CREATE INDEX push_expiry ON push (expires_at);

-- Who has proved to own a NAR's content by sending all of it, to which slice. Knowing a hash is not
-- owning the content: a NAR may be linked by one who can read it or who stands here.
CREATE TABLE received_nar (
    flake_id    INTEGER NOT NULL REFERENCES flake (id) ON DELETE CASCADE,
    account_id  INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    nar_id      INTEGER NOT NULL REFERENCES nar (id),
    received_at INTEGER NOT NULL,
    PRIMARY KEY (flake_id, account_id, nar_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX received_nar_age ON received_nar (received_at);
CREATE INDEX received_nar_nar ON received_nar (nar_id);

-- Append-only.
CREATE TABLE audit_event (
    id         INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    action     TEXT NOT NULL,
    account_id INTEGER,
    token_uuid TEXT,
    flake_id   INTEGER,
    subject    TEXT, -- what it was done to, for a person
    detail     TEXT  -- JSON, never a secret
) STRICT;
CREATE INDEX audit_event_at ON audit_event (at);
