-- Whoever holds a token may renew it: the new one is like it, and asked for by it (parent_id).

-- When the first token of a chain of renewals was created; NULL where it is this one.
ALTER TABLE token ADD COLUMN first_at INTEGER;
-- For how many seconds that one was meant to last; NULL where its own times tell.
ALTER TABLE token ADD COLUMN lifetime INTEGER;
-- No renewal ends later: the end of the token of the same account that created it, or of a rotation's time of grace.
ALTER TABLE token ADD COLUMN renewals_end_by INTEGER;
UPDATE token SET renewals_end_by =
    (SELECT p.expires_at FROM token p WHERE p.id = token.parent_id AND p.account_id = token.account_id)
    WHERE parent_id IS NOT NULL;

-- Whose tokens may be renewed, of those that an organisation decides about.
ALTER TABLE organization ADD COLUMN renewal TEXT NOT NULL DEFAULT 'people'
    CHECK (renewal IN ('people', 'everybody', 'nobody'));
