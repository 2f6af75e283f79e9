-- Trust policies, narrower tokens, and an audit log that tells more and cannot be changed.

-- Who may push to the flakes of an organisation.
ALTER TABLE organization ADD COLUMN push_rule TEXT NOT NULL DEFAULT 'writers'
    CHECK (push_rule IN ('writers', 'builders'));

-- Which workloads are let in by the identity that somebody else gives them.
CREATE TABLE trust_policy (
    id              INTEGER PRIMARY KEY,
    uuid            TEXT NOT NULL UNIQUE,
    organization_id INTEGER NOT NULL REFERENCES organization (id) ON DELETE CASCADE,
    name            TEXT NOT NULL,
    folded          TEXT NOT NULL,
    provider        TEXT NOT NULL,
    issuer          TEXT NOT NULL,    -- the exact claim iss; 'aws' for AWS
    audiences       TEXT NOT NULL,    -- JSON, a list; empty: this server's own
    conditions      TEXT NOT NULL,    -- JSON, as the API has them
    pins            TEXT NOT NULL,    -- JSON, claim → value or null: ids that are remembered at the first use
    flakes          TEXT NOT NULL,    -- patterns separated by spaces, within the organisation
    role            TEXT NOT NULL CHECK (role IN ('read', 'write', 'admin')),
    mint            INTEGER NOT NULL CHECK (mint IN (0, 1)),
    pull_requests   INTEGER NOT NULL CHECK (pull_requests IN (0, 1)),
    max_lifetime    INTEGER NOT NULL, -- seconds
    jwks            TEXT,             -- JSON, where the keys were given
    created_at      INTEGER NOT NULL,
    created_by      INTEGER REFERENCES account (id) ON DELETE SET NULL,
    last_used_at    INTEGER,
    UNIQUE (organization_id, folded)
) STRICT;
CREATE INDEX trust_policy_issuer ON trust_policy (issuer);

-- Each policy has an account, which pushes and tokens of its workloads belong to; it goes with it. A
-- service account may belong to an organisation, whose administrators mint its tokens.
ALTER TABLE account ADD COLUMN trust_policy_id INTEGER REFERENCES trust_policy (id) ON DELETE CASCADE;
ALTER TABLE account ADD COLUMN organization_id INTEGER REFERENCES organization (id) ON DELETE CASCADE;
CREATE UNIQUE INDEX account_trust_policy ON account (trust_policy_id) WHERE trust_policy_id IS NOT NULL;
CREATE INDEX account_organization ON account (organization_id) WHERE organization_id IS NOT NULL;

-- Further limits of a token; NULL is none.
ALTER TABLE token ADD COLUMN closures TEXT;  -- base names of store paths separated by spaces
ALTER TABLE token ADD COLUMN signed_by TEXT; -- public keys separated by spaces
ALTER TABLE token ADD COLUMN networks TEXT;  -- in CIDR notation, separated by spaces
-- The claims of the workload whose identity was exchanged for it (JSON): what it holds is decided by the
-- policies as they are at each time.
ALTER TABLE token ADD COLUMN claims TEXT;
CREATE INDEX token_expiry ON token (expires_at);

-- Identities and nonces that were exchanged and may not be again, by digest, until they end by themselves.
CREATE TABLE used_assertion (
    digest     BLOB PRIMARY KEY CHECK (length(digest) = 32),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_assertion_expiry ON used_assertion (expires_at);

ALTER TABLE audit_event ADD COLUMN denied INTEGER NOT NULL DEFAULT 0 CHECK (denied IN (0, 1));
ALTER TABLE audit_event ADD COLUMN user_name TEXT;  -- as it was called then
ALTER TABLE audit_event ADD COLUMN workload TEXT;   -- JSON: issuer, subject, claims that matter
ALTER TABLE audit_event ADD COLUMN address TEXT;
ALTER TABLE audit_event ADD COLUMN request_id TEXT;
-- As they were then; rows outlive what they tell of, and integer ids may be used again.
ALTER TABLE audit_event ADD COLUMN organization_uuid TEXT;
ALTER TABLE audit_event ADD COLUMN organization_name TEXT;
ALTER TABLE audit_event ADD COLUMN flake_name TEXT; -- org/project
UPDATE audit_event SET
    user_name = (SELECT name FROM account WHERE account.id = audit_event.account_id),
    organization_uuid = (SELECT o.uuid FROM flake f JOIN organization o ON o.id = f.organization_id
                         WHERE f.id = audit_event.flake_id),
    organization_name = (SELECT o.name FROM flake f JOIN organization o ON o.id = f.organization_id
                         WHERE f.id = audit_event.flake_id),
    flake_name = (SELECT o.name || '/' || f.name FROM flake f
                  JOIN organization o ON o.id = f.organization_id
                  WHERE f.id = audit_event.flake_id);
CREATE INDEX audit_event_organization ON audit_event (organization_uuid, id);

CREATE TRIGGER audit_event_stays BEFORE DELETE ON audit_event
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_event_as_written BEFORE UPDATE ON audit_event
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
