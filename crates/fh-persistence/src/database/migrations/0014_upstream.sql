-- Fingerprints of what was left out as upstream, about which slices disagreed without its being noted: a new one was
-- compared with itself where it lay first.
INSERT OR IGNORE INTO contested_path (path_hash)
    SELECT path_hash FROM slice_upstream GROUP BY path_hash
    HAVING MIN(nar_hash) <> MAX(nar_hash) OR MIN(path_refs) <> MAX(path_refs) OR MIN(name) <> MAX(name);
INSERT OR IGNORE INTO contested_path (path_hash)
    SELECT u.path_hash FROM slice_upstream AS u
    JOIN slice_path AS s ON s.path_hash = u.path_hash
    JOIN nar AS n ON n.id = s.nar_id
    WHERE u.nar_hash <> n.nar_hash OR u.path_refs <> s.path_refs OR u.name <> s.name;
UPDATE nar SET contested = 1 WHERE contested = 0 AND id IN
    (SELECT s.nar_id FROM contested_path AS c JOIN slice_path AS s ON s.path_hash = c.path_hash);
