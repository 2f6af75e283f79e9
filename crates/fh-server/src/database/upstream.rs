//! What slices left out because a key of elsewhere had signed it: no content, but what it must be.

use fh_nix::PathInfo;
use rusqlite::{Connection, params};

use super::DatabaseError;
use super::nars::signed;
use super::slices::joined;
use super::values::{execute, first, now};

/// Who leaves it out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pusher {
    /// The account.
    pub(crate) account_id: i64,
    /// Whether it is a builder.
    pub(crate) builder: bool,
}

/// Notes what a slice has left out, unless it holds the path, or knows of it by one as good: whether it is
/// new.
pub(crate) fn note(
    connection: &Connection,
    flake_id: i64,
    info: &PathInfo,
    pusher: Pusher,
) -> Result<bool, DatabaseError> {
    let newest: Option<i64> = first(
        connection,
        "SELECT MAX(id) AS id FROM slice_path",
        params![],
        |row| Ok(row.get::<_, Option<i64>>("id")?),
    )?
    .flatten();
    let changed = execute(
        connection,
        "INSERT INTO slice_upstream (path_hash, flake_id, name, nar_hash, nar_size, path_refs, \
         signatures, ca, pusher_id, builder, after_row, created_at) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 WHERE NOT EXISTS \
         (SELECT 1 FROM slice_path WHERE path_hash = ?1 AND flake_id = ?2) \
         ON CONFLICT (path_hash, flake_id) DO UPDATE SET name = excluded.name, \
         nar_hash = excluded.nar_hash, nar_size = excluded.nar_size, path_refs = excluded.path_refs, \
         signatures = excluded.signatures, ca = excluded.ca, pusher_id = excluded.pusher_id, \
         builder = excluded.builder, after_row = excluded.after_row, \
         created_at = excluded.created_at WHERE excluded.builder > slice_upstream.builder",
        params![
            info.path.hash().as_bytes(),
            flake_id,
            info.path.name(),
            info.nar_hash.as_bytes(),
            signed(info.nar_size),
            joined(&info.references),
            joined(&info.signatures),
            info.ca.as_ref().map(ToString::to_string),
            pusher.account_id,
            pusher.builder,
            newest.unwrap_or(0),
            now()
        ],
    )?;
    Ok(changed == 1)
}
