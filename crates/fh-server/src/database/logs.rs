//! Build logs: those of the slices, and those of pushes that are not committed.

use std::collections::HashSet;

use fh_nix::{NarHash, StorePath, StorePathHash};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::DatabaseError;
use super::nars::{hex_list, signed};
use super::slices::{Holder, size};
use super::values::{all, execute, first, now};

/// A log as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// SHA-256 of the log, uncompressed.
    pub(crate) log_hash: NarHash,
    /// Bytes, uncompressed.
    pub(crate) log_size: u64,
    /// zstd frames.
    pub(crate) content: Vec<u8>,
}

/// Those of these derivations whose log a slice has.
pub(crate) fn present<'a>(
    connection: &Connection,
    flake_id: i64,
    derivations: impl IntoIterator<Item = &'a StorePath>,
) -> Result<HashSet<StorePathHash>, DatabaseError> {
    let hashes: Vec<StorePathHash> = derivations.into_iter().map(StorePath::hash).collect();
    let rows = all(
        connection,
        "SELECT l.drv_hash FROM json_each(?1) AS wanted \
         CROSS JOIN slice_log AS l ON l.drv_hash = unhex(wanted.value) AND l.flake_id = ?2",
        params![
            hex_list(hashes.iter().map(StorePathHash::as_bytes)),
            flake_id
        ],
        |row| Ok(StorePathHash::from_bytes(row.get("drv_hash")?)),
    )?;
    Ok(rows.into_iter().collect())
}

/// The slices that have a log of a derivation, the oldest first.
pub(crate) fn holders(
    connection: &Connection,
    derivation: &StorePath,
) -> Result<Vec<Holder>, DatabaseError> {
    all(
        connection,
        "SELECT flake_id, id FROM slice_log WHERE drv_hash = ?1 AND name = ?2 ORDER BY id",
        params![derivation.hash().as_bytes(), derivation.name()],
        |row| {
            Ok(Holder {
                flake_id: row.get("flake_id")?,
                row_id: row.get("id")?,
            })
        },
    )
}

/// The log of a row that [`holders`] has told.
pub(crate) fn get(connection: &Connection, row_id: i64) -> Result<Option<Log>, DatabaseError> {
    first(
        connection,
        "SELECT log_hash, log_size, content FROM slice_log WHERE id = ?1",
        params![row_id],
        |row| {
            Ok(Log {
                log_hash: NarHash::from_bytes(row.get("log_hash")?),
                log_size: size(row, "log_size")?,
                content: row.get("content")?,
            })
        },
    )
}

/// A push that logs come for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    push_id: i64,
    flake_id: i64,
    committed: bool,
}

impl Target {
    /// Whether what comes is visible at once.
    pub(crate) fn is_committed(self) -> bool {
        self.committed
    }
}

/// The push of that id, if it is still there.
pub(crate) fn target(connection: &Connection, uuid: Uuid) -> Result<Option<Target>, DatabaseError> {
    first(
        connection,
        "SELECT id, flake_id, state = 'committed' AS committed FROM push WHERE uuid = ?1",
        params![uuid.to_string()],
        |row| {
            Ok(Target {
                push_id: row.get("id")?,
                flake_id: row.get("flake_id")?,
                committed: row.get("committed")?,
            })
        },
    )
}

/// Keeps a log for a push, until the push is committed; of one that is, it is visible then. The first
/// log of a derivation stays.
pub(crate) fn receive(
    connection: &Connection,
    target: Target,
    derivation: &StorePath,
    log: &Log,
) -> Result<(), DatabaseError> {
    if target.committed {
        execute(
            connection,
            "INSERT INTO slice_log \
             (drv_hash, flake_id, name, log_hash, log_size, created_at, content) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (drv_hash, flake_id) DO NOTHING",
            params![
                derivation.hash().as_bytes(),
                target.flake_id,
                derivation.name(),
                log.log_hash.as_bytes(),
                signed(log.log_size),
                now(),
                log.content
            ],
        )?;
    } else {
        execute(
            connection,
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

/// Makes the logs of a push visible, with the push: how many are new to the slice.
pub(crate) fn commit(
    connection: &Connection,
    push_id: i64,
    flake_id: i64,
    builder: bool,
) -> Result<u64, DatabaseError> {
    let added = execute(
        connection,
        "INSERT INTO slice_log \
         (drv_hash, flake_id, name, log_hash, log_size, created_at, builder, content) \
         SELECT drv_hash, ?2, name, log_hash, log_size, ?3, ?4, content \
         FROM push_log WHERE push_id = ?1 ORDER BY drv_hash \
         ON CONFLICT (drv_hash, flake_id) DO NOTHING",
        params![push_id, flake_id, now(), builder],
    )?;
    execute(
        connection,
        "DELETE FROM push_log WHERE push_id = ?1",
        params![push_id],
    )?;
    Ok(added as u64)
}
