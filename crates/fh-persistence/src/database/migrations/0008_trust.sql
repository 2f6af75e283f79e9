-- Whose word decides what a reader gets: a view belongs to its reader, and of two contents for one path the
-- nearer and better vouched for is served.

-- Organisations that an account has accepted as a guest: their grants to it count. A grant to an account
-- that is neither here nor a member is an invitation, and so is what stands in membership_invitation.
CREATE TABLE guest (
    account_id      INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    organization_id INTEGER NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    accepted_at     INTEGER NOT NULL,
    accepted_by     INTEGER REFERENCES account (id) ON DELETE SET NULL,
    PRIMARY KEY (account_id, organization_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX guest_organization ON guest (organization_id);

CREATE TABLE membership_invitation (
    account_id      INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    organization_id INTEGER NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    role            TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    created_at      INTEGER NOT NULL,
    created_by      INTEGER REFERENCES account (id) ON DELETE SET NULL,
    PRIMARY KEY (account_id, organization_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX membership_invitation_organization ON membership_invitation (organization_id);

-- Public flakes in the root view: of an account, of the members of an organisation (follower_id), or (both
-- NULL) of everybody. The lower position counts first.
CREATE TABLE follow (
    id              INTEGER PRIMARY KEY,
    account_id      INTEGER REFERENCES account (id) ON DELETE CASCADE,
    follower_id     INTEGER REFERENCES organization (id) ON DELETE CASCADE,
    position        INTEGER NOT NULL,
    organization_id INTEGER NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    project         TEXT, -- in lower case; NULL: every public flake of the organisation
    created_at      INTEGER NOT NULL,
    created_by      INTEGER REFERENCES account (id) ON DELETE SET NULL,
    CHECK (account_id IS NULL OR follower_id IS NULL)
) STRICT;
CREATE UNIQUE INDEX follow_target ON follow
    (COALESCE(account_id, 0), COALESCE(follower_id, 0), organization_id, COALESCE(project, ''));
CREATE INDEX follow_account ON follow (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX follow_follower ON follow (follower_id) WHERE follower_id IS NOT NULL;
CREATE INDEX follow_organization ON follow (organization_id);

-- Names that were given up. Token scopes, lines in nix.conf and audiences bind names, so that nobody gets one
-- again until an administrator frees it.
CREATE TABLE reserved_name (
    kind        TEXT NOT NULL CHECK (kind IN ('organization', 'account')),
    folded      TEXT NOT NULL,
    name        TEXT NOT NULL,
    reserved_at INTEGER NOT NULL,
    PRIMARY KEY (kind, folded)
) STRICT, WITHOUT ROWID;

-- Keys whose signatures an organisation takes for a proof of what its slices hold.
CREATE TABLE trusted_key (
    organization_id INTEGER NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    key             TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, key)
) STRICT, WITHOUT ROWID;

-- Whether the workloads of a policy are the organisation's builders. Those of organisations that take pushes
-- from builders alone are so already.
ALTER TABLE trust_policy ADD COLUMN builder INTEGER NOT NULL DEFAULT 0 CHECK (builder IN (0, 1));
UPDATE trust_policy SET builder = 1 WHERE role IN ('write', 'admin')
    AND organization_id IN (SELECT id FROM organization WHERE push_rule = 'builders');

-- Who put a row into its slice, whether as a builder, and whether the server has recomputed its content
-- address. What was there before is taken for a person's whom nobody knows. No foreign key: an account's
-- number is not used again, and to remove one must not walk all rows.
ALTER TABLE slice_path ADD COLUMN pusher_id INTEGER;
ALTER TABLE slice_path ADD COLUMN builder INTEGER NOT NULL DEFAULT 0 CHECK (builder IN (0, 1));
ALTER TABLE slice_path ADD COLUMN proven INTEGER NOT NULL DEFAULT 0 CHECK (proven IN (0, 1));
ALTER TABLE slice_log ADD COLUMN builder INTEGER NOT NULL DEFAULT 0 CHECK (builder IN (0, 1));

-- What a push left out because a key of elsewhere had signed it: the slice has no NAR of it, and holds what
-- it must be. `after_row` is the newest row of slice_path at that time, which tells its age.
CREATE TABLE slice_upstream (
    path_hash  BLOB NOT NULL CHECK (length(path_hash) = 20),
    flake_id   INTEGER NOT NULL REFERENCES flake (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    nar_hash   BLOB NOT NULL CHECK (length(nar_hash) = 32),
    nar_size   INTEGER NOT NULL,
    path_refs  TEXT NOT NULL, -- as in slice_path
    signatures TEXT NOT NULL,
    ca         TEXT,
    pusher_id  INTEGER,
    builder    INTEGER NOT NULL CHECK (builder IN (0, 1)),
    after_row  INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (path_hash, flake_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX slice_upstream_flake ON slice_upstream (flake_id);

-- The paths about which slices disagree, whoever reads them, and the NARs of these paths. Kept by the
-- commits; every other path is answered without a further question.
CREATE TABLE contested_path (
    path_hash BLOB PRIMARY KEY CHECK (length(path_hash) = 20)
) STRICT, WITHOUT ROWID;
ALTER TABLE nar ADD COLUMN contested INTEGER NOT NULL DEFAULT 0 CHECK (contested IN (0, 1));
INSERT INTO contested_path (path_hash)
    SELECT path_hash FROM slice_path GROUP BY path_hash
    HAVING MIN(nar_id) <> MAX(nar_id) OR MIN(path_refs) <> MAX(path_refs) OR MIN(name) <> MAX(name);
UPDATE nar SET contested = 1 WHERE id IN
    (SELECT s.nar_id FROM slice_path s JOIN contested_path c ON c.path_hash = s.path_hash);

-- What a server administrator has granted to somebody who is no member counts on; every other such grant is
-- an invitation from now on.
INSERT INTO guest (account_id, organization_id, accepted_at, accepted_by)
    SELECT g.account_id, g.organization_id, MIN(g.created_at), MIN(g.created_by)
    FROM access_grant g
    JOIN account giver ON giver.id = g.created_by AND giver.server_admin = 1
    JOIN account a ON a.id = g.account_id AND a.organization_id IS NOT g.organization_id
    WHERE g.subject = 'account' AND NOT EXISTS
        (SELECT 1 FROM membership m
         WHERE m.organization_id = g.organization_id AND m.account_id = g.account_id)
    GROUP BY g.account_id, g.organization_id;
