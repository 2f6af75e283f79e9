-- Names that something had before it was renamed. They lead to what had them, in addresses, audiences and scripts,
-- and nobody else gets them: those of organisations and accounts stand among the reserved names, until an
-- administrator frees them; those of flakes here, as long as the flake is there.
ALTER TABLE reserved_name ADD COLUMN organization_id INTEGER REFERENCES organization (id) ON DELETE SET NULL;
ALTER TABLE reserved_name ADD COLUMN account_id INTEGER REFERENCES account (id) ON DELETE SET NULL;
CREATE INDEX reserved_name_organization ON reserved_name (organization_id) WHERE organization_id IS NOT NULL;
CREATE INDEX reserved_name_account ON reserved_name (account_id) WHERE account_id IS NOT NULL;

CREATE TABLE former_flake_name (
    organization_id INTEGER NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    folded          TEXT NOT NULL,
    flake_id        INTEGER NOT NULL REFERENCES flake (id) ON DELETE CASCADE,
    given_up_at     INTEGER NOT NULL,
    PRIMARY KEY (organization_id, folded)
) STRICT, WITHOUT ROWID;
CREATE INDEX former_flake_name_flake ON former_flake_name (flake_id);
