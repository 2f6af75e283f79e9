-- What holders there are by now.
INSERT INTO packed_holders (path_hash, last_row, holders)
SELECT path_hash, MAX(id), unhex(group_concat(printf('%08x%012x', flake_id, id), '' ORDER BY id))
FROM (
    SELECT path_hash, id, flake_id,
           (row_number() OVER (PARTITION BY path_hash ORDER BY id) - 1) / 256 AS block
    FROM slice_path
    WHERE path_hash IN (SELECT path_hash FROM slice_path GROUP BY path_hash HAVING COUNT(*) >= 256)
      AND (SELECT MAX(id) FROM flake) < 1 << 32
)
GROUP BY path_hash, block
HAVING COUNT(*) = 256 AND MAX(id) < 1 << 48;
