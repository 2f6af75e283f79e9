-- Numbers are not used again: whatever was learnt of a row that went away is never taken for another one.

-- AUTOINCREMENT is a word of the schema alone; the rows are kept as they were, so no table is copied
-- (https://sqlite.org/lang_altertable.html#otheralter). `path_set` has it already, and with it sqlite_sequence is there.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
    SET sql = replace(sql, 'INTEGER PRIMARY KEY', 'INTEGER PRIMARY KEY AUTOINCREMENT')
    WHERE type = 'table' AND sql LIKE '%INTEGER PRIMARY KEY%' AND sql NOT LIKE '%AUTOINCREMENT%';

-- What was given up before is not known; where anything was ever done, a hundred thousand more lies above
-- all of it. Flakes' numbers stay far below 2^32.
INSERT INTO sqlite_sequence (name, seq)
    WITH given_up (above) AS (SELECT 100000 * EXISTS (SELECT 1 FROM audit_event))
    SELECT 'account', (SELECT above FROM given_up) + COALESCE(MAX(id), 0) FROM account UNION ALL
    SELECT 'organization', (SELECT above FROM given_up) + COALESCE(MAX(id), 0) FROM organization UNION ALL
    SELECT 'team', (SELECT above FROM given_up) + COALESCE(MAX(id), 0) FROM team UNION ALL
    SELECT 'flake', (SELECT above FROM given_up) + COALESCE(MAX(id), 0) FROM flake UNION ALL
    SELECT 'access_grant', (SELECT above FROM given_up) + COALESCE(MAX(id), 0) FROM access_grant UNION ALL
    SELECT 'token', (SELECT above FROM given_up) + COALESCE(MAX(id), 0) FROM token UNION ALL
    SELECT 'signing_key', (SELECT above FROM given_up) + COALESCE(MAX(id), 0) FROM signing_key UNION ALL
    SELECT 'nar', (SELECT above FROM given_up) + COALESCE(MAX(id), 0) FROM nar UNION ALL
    SELECT 'slice_path', (SELECT above FROM given_up) + COALESCE(MAX(id), 0) FROM slice_path UNION ALL
    SELECT 'push', (SELECT above FROM given_up) + COALESCE(MAX(id), 0) FROM push UNION ALL
    SELECT 'slice_log', (SELECT above FROM given_up) + COALESCE(MAX(id), 0) FROM slice_log UNION ALL
    SELECT 'trust_policy', (SELECT above FROM given_up) + COALESCE(MAX(id), 0) FROM trust_policy UNION ALL
    SELECT 'follow', (SELECT above FROM given_up) + COALESCE(MAX(id), 0) FROM follow UNION ALL
    -- Its numbers are told to clients, and nothing was ever removed from it.
    SELECT 'audit_event', COALESCE(MAX(id), 0) FROM audit_event;

-- Every connection reads the schema anew.
CREATE TABLE schema_was_written (id TEXT);
DROP TABLE schema_was_written;
PRAGMA writable_schema = RESET;
