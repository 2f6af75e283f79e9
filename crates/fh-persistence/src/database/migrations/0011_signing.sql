-- An organisation may sign with keys of its own.

-- Whether a key was made for an organisation. It stays 1 when the organisation goes: what was its key never
-- becomes one of the server's.
ALTER TABLE signing_key ADD COLUMN of_organization INTEGER NOT NULL DEFAULT 0 CHECK (of_organization IN (0, 1));
-- Which organisation. A key outlives it with its public half alone, so that it is known for ever whose
-- signatures say nothing.
ALTER TABLE signing_key ADD COLUMN organization_id INTEGER REFERENCES organization (id) ON DELETE SET NULL
    CHECK (of_organization = (organization_id IS NOT NULL) OR of_organization = 1 AND state = 'retired');
CREATE INDEX signing_key_organization ON signing_key (organization_id) WHERE organization_id IS NOT NULL;
