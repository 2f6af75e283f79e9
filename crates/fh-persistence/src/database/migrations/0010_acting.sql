-- An identity acts for the organisation that it names: policies of one organisation change nothing in another.

-- For which organisation the workload of an exchanged token acts, and (uuids separated by spaces) of which
-- others it reads. NULL where there are no claims.
ALTER TABLE token ADD COLUMN acting_organization_id INTEGER REFERENCES organization (id) ON DELETE CASCADE;
ALTER TABLE token ADD COLUMN read_organizations TEXT;
CREATE INDEX token_acting_organization ON token (acting_organization_id)
    WHERE acting_organization_id IS NOT NULL;

-- Tokens of before act for the organisation of the policy whose account they belong to.
UPDATE token SET acting_organization_id =
    (SELECT p.organization_id FROM account a JOIN trust_policy p ON p.id = a.trust_policy_id
     WHERE a.id = token.account_id)
    WHERE claims IS NOT NULL;

-- Roots of forges and platforms: an identity of one acts for the organisation that owns it where it names
-- none. Without confirmed_at it is a request, and means nothing.
CREATE TABLE owned_root (
    organization_id INTEGER NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    kind            TEXT NOT NULL CHECK (kind IN ('github', 'gitlab', 'aws', 'kubernetes')),
    value           TEXT NOT NULL, -- in lower case where the forge compares so
    owner_id        TEXT,          -- the id behind the name, remembered at the first use
    requested_at    INTEGER NOT NULL,
    requested_by    INTEGER REFERENCES account (id) ON DELETE SET NULL,
    confirmed_at    INTEGER,
    PRIMARY KEY (organization_id, kind, value)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX owned_root_owner ON owned_root (kind, value) WHERE confirmed_at IS NOT NULL;

-- The organisation that was made first, by its uuid: identities that name none act for it where the operator
-- says nothing else. Another one never takes its place by itself.
INSERT OR IGNORE INTO server_setting (name, value)
    SELECT 'first_organization', uuid FROM organization ORDER BY id LIMIT 1;
