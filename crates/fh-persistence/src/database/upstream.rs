//! What slices left out because a key of elsewhere had signed it: no content, but what it must be.

use std::collections::HashSet;

use fh_nix::{PathInfo, StorePath, StorePathHash};
use fh_sql::{Read, Tx, params};

use super::DatabaseError;
use super::nars::{hex_list, signed};
use super::rows::{all, one};
use super::slices::{joined, store_path};
use super::values::{execute, now, run};

/// Whose a push is.
#[derive(Debug, Clone, Copy)]
pub struct Pusher {
    pub account_id: i64,
    /// Whether it is a builder of the flake's organisation.
    pub builder: bool,
}

/// Those of these paths of which a slice says something that counts for as much as what this pusher leaves out: by
/// a row, or by a fingerprint.
pub fn known(
    read: &Read,
    flake_id: i64,
    hashes: &[StorePathHash],
    builder: bool,
) -> Result<HashSet<StorePathHash>, DatabaseError> {
    if hashes.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = "SELECT s.path_hash FROM json_each(?1) AS wanted \
               CROSS JOIN slice_path AS s ON s.path_hash = unhex(wanted.value) AND s.flake_id = ?2 \
               WHERE s.builder >= ?3 OR s.proven = 1 \
               UNION ALL SELECT u.path_hash FROM json_each(?1) AS wanted \
               CROSS JOIN slice_upstream AS u ON u.path_hash = unhex(wanted.value) AND u.flake_id = ?2 \
               WHERE u.builder >= ?3";
    let hashes = hex_list(hashes.iter().map(StorePathHash::as_bytes));
    let found = all(read, sql, params![hashes, flake_id, builder])?;
    Ok(found.into_iter().collect())
}

/// Those of these paths that a slice has left out, under the names that it has left out.
pub fn left_out(
    read: &Read,
    flake_id: i64,
    hashes: &[StorePathHash],
) -> Result<HashSet<StorePath>, DatabaseError> {
    if hashes.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = "SELECT u.path_hash, u.name FROM json_each(?1) AS wanted \
               CROSS JOIN slice_upstream AS u ON u.path_hash = unhex(wanted.value) AND u.flake_id = ?2";
    let hashes = hex_list(hashes.iter().map(StorePathHash::as_bytes));
    let found = read.all(sql, params![hashes, flake_id], store_path)?;
    Ok(found.into_iter().collect())
}

/// Ends the fingerprints of paths that a slice has got the content of, from a pusher who counts for as much.
pub fn end(
    tx: &Tx<'_>,
    flake_id: i64,
    hashes: &[StorePathHash],
    builder: bool,
) -> Result<(), DatabaseError> {
    if hashes.is_empty() {
        return Ok(());
    }
    let sql = "DELETE FROM slice_upstream WHERE flake_id = ?2 AND builder <= ?3 \
               AND path_hash IN (SELECT unhex(value) FROM json_each(?1))";
    let hashes = hex_list(hashes.iter().map(StorePathHash::as_bytes));
    run(tx, sql, params![hashes, flake_id, builder])
}

/// Notes what a slice has left out, unless it [knows](known) of a path already: of which paths it is new.
pub fn note(
    tx: &Tx<'_>,
    flake_id: i64,
    left_out: &[PathInfo],
    pusher: Pusher,
) -> Result<Vec<StorePathHash>, DatabaseError> {
    let hashes: Vec<StorePathHash> = left_out.iter().map(|info| info.path.hash()).collect();
    let known = known(tx, flake_id, &hashes, pusher.builder)?;
    let new = left_out
        .iter()
        .filter(|info| !known.contains(&info.path.hash()));
    let new: Vec<&PathInfo> = new.collect();
    if new.is_empty() {
        return Ok(Vec::new());
    }
    for info in &new {
        let number = next_number(tx)?;
        execute(
            tx,
            "INSERT INTO slice_upstream (path_hash, flake_id, name, nar_hash, nar_size, path_refs, \
             signatures, ca, pusher_id, builder, after_row, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
             ON CONFLICT (path_hash, flake_id) DO UPDATE SET name = excluded.name, \
             nar_hash = excluded.nar_hash, nar_size = excluded.nar_size, path_refs = excluded.path_refs, \
             signatures = excluded.signatures, ca = excluded.ca, pusher_id = excluded.pusher_id, \
             builder = excluded.builder, after_row = excluded.after_row, \
             created_at = excluded.created_at",
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
                number,
                now()
            ],
        )?;
    }
    Ok(new.into_iter().map(|info| info.path.hash()).collect())
}

/// A number of the rows of slices: which of two words came first, a row or a fingerprint, is told by their numbers
/// alone, whatever others push and delete meanwhile.
fn next_number(tx: &Tx<'_>) -> Result<i64, DatabaseError> {
    let sql = "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'slice_path' RETURNING seq";
    one(tx, sql, &[])
}
