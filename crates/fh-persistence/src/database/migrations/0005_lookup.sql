-- The slices that hold a path, the oldest first, whatever their number: the first few answer most callers.
CREATE INDEX slice_path_oldest ON slice_path (path_hash, id, flake_id);
