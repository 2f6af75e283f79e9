//! Build logs: those of the slices, and those of pushes that are not committed.
//!
//! A slice keeps the first log of a derivation, but that a builder's takes the place of a person's, as it is
//! with contents of paths.

use std::collections::HashSet;

use fh_nix::{NarHash, StorePath, StorePathHash};
use fh_sql::{Read, Tx, params};
use uuid::Uuid;

use super::DatabaseError;
use super::nars::{hex_list, signed};
use super::rows::{all, first, from_row};
use super::values::{execute, now};

/// A log as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// SHA-256 of the log, uncompressed.
    pub log_hash: NarHash,
    /// Bytes of the log, uncompressed.
    pub log_size: u64,
    /// The log as zstd frames.
    pub content: Vec<u8>,
}

from_row!(Log: log_hash, log_size, content);

/// Those of these derivations whose log a slice has, and keeps when one of this class comes.
pub fn present<'a>(
    read: &Read,
    flake_id: i64,
    builder: bool,
    derivations: impl IntoIterator<Item = &'a StorePath>,
) -> Result<HashSet<StorePathHash>, DatabaseError> {
    let hashes: Vec<StorePathHash> = derivations.into_iter().map(StorePath::hash).collect();
    let rows = all(
        read,
        "SELECT l.drv_hash FROM json_each(?1) AS wanted \
         CROSS JOIN slice_log AS l ON l.drv_hash = unhex(wanted.value) AND l.flake_id = ?2 \
         AND l.builder >= ?3",
        params![
            hex_list(hashes.iter().map(StorePathHash::as_bytes)),
            flake_id,
            builder
        ],
    )?;
    Ok(rows.into_iter().collect())
}

/// A slice that has a log of a derivation.
#[derive(Debug, Clone, Copy)]
pub struct LogHolder {
    /// The id of the flake whose slice it is.
    pub flake_id: i64,
    /// The row, for [`get`]. Rows ascend with time.
    pub row_id: i64,
    /// Whether a builder pushed it.
    pub builder: bool,
}

from_row!(LogHolder: flake_id, row_id = "id", builder);

/// The slices that have a log of a derivation, the oldest first.
pub fn holders(read: &Read, derivation: &StorePath) -> Result<Vec<LogHolder>, DatabaseError> {
    all(
        read,
        "SELECT flake_id, id, builder FROM slice_log WHERE drv_hash = ?1 AND name = ?2 ORDER BY id",
        params![derivation.hash().as_bytes(), derivation.name()],
    )
}

/// The log of a row that [`holders`] has told.
pub fn get(read: &Read, row_id: i64) -> Result<Option<Log>, DatabaseError> {
    first(
        read,
        "SELECT log_hash, log_size, content FROM slice_log WHERE id = ?1",
        params![row_id],
    )
}

/// A push that logs come for.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    push_id: i64,
    flake_id: i64,
    committed: bool,
    builder: bool,
}

from_row!(Target: push_id = "id", flake_id, committed, builder);

impl Target {
    /// Whether what comes is visible at once.
    pub fn is_committed(self) -> bool {
        self.committed
    }
}

/// The push of that id, if it is still there.
pub fn target(read: &Read, uuid: Uuid) -> Result<Option<Target>, DatabaseError> {
    first(
        read,
        "SELECT id, flake_id, state = 'committed' AS committed, builder FROM push WHERE uuid = ?1",
        params![uuid.to_string()],
    )
}

/// Keeps a log for a push, until the push is committed; of one that is, it is visible then, and counts as what
/// the push was begun as. The first log of a derivation stays, but for a person's that a builder's replaces.
pub fn receive(
    tx: &Tx<'_>,
    target: Target,
    derivation: &StorePath,
    log: &Log,
) -> Result<(), DatabaseError> {
    if target.committed {
        execute(
            tx,
            "DELETE FROM slice_log WHERE drv_hash = ?1 AND flake_id = ?2 AND builder < ?3",
            params![
                derivation.hash().as_bytes(),
                target.flake_id,
                target.builder
            ],
        )?;
        execute(
            tx,
            "INSERT INTO slice_log \
             (drv_hash, flake_id, name, log_hash, log_size, created_at, builder, content) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (drv_hash, flake_id) DO NOTHING",
            params![
                derivation.hash().as_bytes(),
                target.flake_id,
                derivation.name(),
                log.log_hash.as_bytes(),
                signed(log.log_size),
                now(),
                target.builder,
                log.content
            ],
        )?;
    } else {
        execute(
            tx,
            "INSERT INTO push_log (push_id, drv_hash, name, log_hash, log_size, content) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (push_id, drv_hash) DO NOTHING",
            params![
                target.push_id,
                derivation.hash().as_bytes(),
                derivation.name(),
                log.log_hash.as_bytes(),
                signed(log.log_size),
                log.content
            ],
        )?;
    }
    Ok(())
}

/// Makes the logs of a push visible, with the push: how many are new to the slice, or take the place of a
/// person's.
pub fn commit(
    tx: &Tx<'_>,
    push_id: i64,
    flake_id: i64,
    builder: bool,
) -> Result<u64, DatabaseError> {
    execute(
        tx,
        "DELETE FROM slice_log WHERE flake_id = ?2 AND builder < ?3 \
         AND drv_hash IN (SELECT drv_hash FROM push_log WHERE push_id = ?1)",
        params![push_id, flake_id, builder],
    )?;
    let added = execute(
        tx,
        "INSERT INTO slice_log \
         (drv_hash, flake_id, name, log_hash, log_size, created_at, builder, content) \
         SELECT drv_hash, ?2, name, log_hash, log_size, ?3, ?4, content \
         FROM push_log WHERE push_id = ?1 ORDER BY drv_hash \
         ON CONFLICT (drv_hash, flake_id) DO NOTHING",
        params![push_id, flake_id, now(), builder],
    )?;
    execute(
        tx,
        "DELETE FROM push_log WHERE push_id = ?1",
        params![push_id],
    )?;
    Ok(added as u64)
}
