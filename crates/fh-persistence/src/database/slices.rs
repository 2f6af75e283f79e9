//! The slices: which store paths each flake holds, and with which NAR.
//!
//! What is asked here is asked by hash or by row, and answered from an index. Who holds something is asked in
//! [`holders`](super::holders).

use std::collections::{BTreeSet, HashMap};

use fh_api::PathSummary;
use fh_nix::{NarHash, PathInfo, Signature, StorePath, StorePathHash};
use fh_sql::{Read, Row, Tx, params};

use super::holders::Holder;
use super::nars::{Nar, hex_list, signed};
use super::values::{Timestamp, all, execute, first, now, try_insert};
use super::{DatabaseError, packed};

/// What a slice holds under a path's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The name part of the store path.
    pub name: String,
    /// SHA-256 of the NAR that it has.
    pub nar_hash: NarHash,
    /// Bytes of the content, uncompressed.
    pub nar_size: u64,
    /// The content was lost: see [`Nar::damaged`].
    pub damaged: bool,
    /// The internal id of the content.
    pub nar_id: i64,
    /// References, as they are stored.
    pub references: String,
    /// Whether a builder pushed it.
    pub builder: bool,
    /// Whether its content address was recomputed.
    pub proven: bool,
    /// The account that pushed it; none where that is not known.
    pub pusher_id: Option<i64>,
    /// Signatures, as they are stored.
    pub signatures: String,
}

impl Present {
    /// Whether the slice holds another content than this.
    pub fn disagrees(&self, info: &PathInfo) -> bool {
        self.nar_hash != info.nar_hash
            || self.references != joined(&info.references)
            || self.name != info.path.name()
    }

    /// The signatures, in their order. Those that cannot be read are left out.
    pub fn parsed_signatures(&self) -> Vec<Signature> {
        let texts = self.signatures.split_ascii_whitespace();
        texts.filter_map(|text| text.parse().ok()).collect()
    }
}

/// By whom and on what ground a row comes into a slice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin {
    /// The account that pushes; none where that is not known.
    pub pusher_id: Option<i64>,
    /// Whether it is a builder.
    pub builder: bool,
    /// Whether the content address was recomputed.
    pub proven: bool,
}

/// All that a narinfo is made of, but for the server's own signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The path as it was pushed.
    pub info: PathInfo,
    /// Whose slice the row belongs to: the organisation's internal id.
    pub organization_id: i64,
    /// Bytes of the object.
    pub file_size: u64,
}

const PRESENT: &str = "SELECT s.path_hash, s.name, s.path_refs, s.builder, s.proven, s.pusher_id, \
     s.signatures, s.nar_id, n.nar_hash, n.nar_size, n.damaged_at \
     FROM json_each(?1) AS wanted \
     CROSS JOIN slice_path AS s ON s.path_hash = unhex(wanted.value) AND s.flake_id = ?2 \
     CROSS JOIN nar AS n ON n.id = s.nar_id";

/// Those of these paths that a slice holds.
pub fn present<'a>(
    read: &Read,
    flake_id: i64,
    hashes: impl IntoIterator<Item = &'a StorePathHash>,
) -> Result<HashMap<StorePathHash, Present>, DatabaseError> {
    let list = hex_list(hashes.into_iter().map(StorePathHash::as_bytes));
    let rows = all(read, PRESENT, params![list, flake_id], |row| {
        let present = Present {
            name: row.get("name")?,
            nar_hash: NarHash::from_bytes(row.get("nar_hash")?),
            nar_size: row.size("nar_size")?,
            damaged: row.get::<_, Option<i64>>("damaged_at")?.is_some(),
            nar_id: row.get("nar_id")?,
            references: row.get("path_refs")?,
            builder: row.get("builder")?,
            proven: row.get("proven")?,
            pusher_id: row.get("pusher_id")?,
            signatures: row.get("signatures")?,
        };
        Ok((StorePathHash::from_bytes(row.get("path_hash")?), present))
    })?;
    Ok(rows.into_iter().collect())
}

/// What a row of a slice says, for a narinfo. None where its content was lost.
pub fn served(
    read: &Read,
    row_id: i64,
    hash: &StorePathHash,
) -> Result<Option<Served>, DatabaseError> {
    first(
        read,
        "SELECT s.path_hash, s.name, s.path_refs, s.deriver, s.signatures, s.ca, \
         n.nar_hash, n.nar_size, n.file_size, f.organization_id \
         FROM slice_path AS s JOIN nar AS n ON n.id = s.nar_id \
         JOIN flake AS f ON f.id = s.flake_id \
         WHERE s.id = ?1 AND s.path_hash = ?2 AND n.damaged_at IS NULL",
        params![row_id, hash.as_bytes()],
        |row| {
            Ok(Served {
                info: info(row)?,
                file_size: row.size("file_size")?,
                organization_id: row.get("organization_id")?,
            })
        },
    )
}

/// What a slice says of a path: the path info of its row, or of what it left out as upstream.
pub fn info_of(
    read: &Read,
    hash: &StorePathHash,
    flake_id: i64,
    row_id: Option<i64>,
) -> Result<Option<PathInfo>, DatabaseError> {
    let sql = match row_id {
        Some(_) => {
            "SELECT s.path_hash, s.name, s.path_refs, s.deriver, s.signatures, s.ca, \
             n.nar_hash, n.nar_size FROM slice_path AS s JOIN nar AS n ON n.id = s.nar_id \
             WHERE s.path_hash = ?1 AND s.flake_id = ?2"
        }
        None => {
            "SELECT path_hash, name, path_refs, NULL AS deriver, signatures, ca, nar_hash, nar_size \
             FROM slice_upstream WHERE path_hash = ?1 AND flake_id = ?2"
        }
    };
    first(read, sql, params![hash.as_bytes(), flake_id], info)
}

/// The columns `path_hash` and `name` as the store path that they are of.
pub(super) fn store_path(row: &Row<'_>) -> Result<StorePath, DatabaseError> {
    let hash = StorePathHash::from_bytes(row.get("path_hash")?);
    let name: String = row.get("name")?;
    StorePath::new(hash, &name).map_err(|error| DatabaseError::invalid("store path", error))
}

/// The path info that a row says.
fn info(row: &Row<'_>) -> Result<PathInfo, DatabaseError> {
    Ok(PathInfo {
        path: store_path(row)?,
        nar_hash: NarHash::from_bytes(row.get("nar_hash")?),
        nar_size: row.size("nar_size")?,
        references: BTreeSet::from_iter(row.words("path_refs", "reference")?),
        deriver: row.parsed_if_any("deriver", "deriver")?,
        signatures: row.words("signatures", "signature")?,
        ca: row.parsed_if_any("ca", "content address")?,
    })
}

/// The NAR of a row of a slice, if the row is still that of this path.
pub fn nar_of_row(
    read: &Read,
    row_id: i64,
    hash: &StorePathHash,
) -> Result<Option<Nar>, DatabaseError> {
    first(
        read,
        "SELECT n.id AS nar_id, n.nar_hash, n.nar_size, n.file_size, n.checksum, n.damaged_at, n.contested \
         FROM slice_path AS s JOIN nar AS n ON n.id = s.nar_id \
         WHERE s.id = ?1 AND s.path_hash = ?2 AND n.damaged_at IS NULL",
        params![row_id, hash.as_bytes()],
        Nar::from_row,
    )
}

/// A row of a slice and the path that it is of.
pub type HeldPath = (StorePathHash, Holder);

/// A NAR and every row that has it, the oldest first.
pub fn rows_of_nar(
    read: &Read,
    nar_hash: &NarHash,
) -> Result<Option<(Nar, Vec<HeldPath>)>, DatabaseError> {
    let Some(nar) = nar_of_hash(read, nar_hash)? else {
        return Ok(None);
    };
    let sql = "SELECT path_hash, flake_id, id FROM slice_path WHERE nar_id = ?1 ORDER BY id";
    let rows = all(read, sql, params![nar.id], |row| {
        let holder = Holder {
            flake_id: row.get("flake_id")?,
            row_id: row.get("id")?,
        };
        Ok((StorePathHash::from_bytes(row.get("path_hash")?), holder))
    })?;
    Ok(Some((nar, rows)))
}

/// The row of a NAR, damaged or not.
pub fn nar_of_hash(read: &Read, nar_hash: &NarHash) -> Result<Option<Nar>, DatabaseError> {
    first(
        read,
        "SELECT id AS nar_id, nar_hash, nar_size, file_size, checksum, damaged_at, contested \
         FROM nar WHERE nar_hash = ?1",
        params![nar_hash.as_bytes()],
        Nar::from_row,
    )
}

/// The newest paths of a slice whose content is there; ids ascend with time.
const NEWEST: &str = "SELECT s.path_hash, s.name, s.path_refs, s.created_at, n.nar_size \
     FROM slice_path AS s CROSS JOIN nar AS n ON n.id = s.nar_id \
     WHERE s.flake_id = ?1 AND n.damaged_at IS NULL ORDER BY s.id DESC LIMIT ?2";

/// What a slice holds, the newest first.
pub fn newest(read: &Read, flake_id: i64, limit: usize) -> Result<Vec<PathSummary>, DatabaseError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    all(read, NEWEST, params![flake_id, limit], |row| {
        let hash = StorePathHash::from_bytes(row.get("path_hash")?);
        let name: String = row.get("name")?;
        let path = format!("{hash}-{name}");
        let references: String = row.get("path_refs")?;
        let others = references.split_whitespace().filter(|name| **name != path);
        Ok(PathSummary {
            nar_size: row.size("nar_size")?,
            references: others.count(),
            created_at: row.get::<_, Timestamp>("created_at")?.to_date_time(),
            path,
        })
    })
}

/// Adds a path to a slice that does not hold it: whether it did not.
pub fn insert(
    tx: &Tx<'_>,
    flake_id: i64,
    info: &PathInfo,
    nar_id: i64,
    origin: Origin,
) -> Result<bool, DatabaseError> {
    let id = try_insert(
        tx,
        "INSERT INTO slice_path \
         (path_hash, flake_id, name, nar_id, path_refs, deriver, signatures, ca, created_at, \
          pusher_id, builder, proven) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
         ON CONFLICT (path_hash, flake_id) DO NOTHING RETURNING id",
        params![
            info.path.hash().as_bytes(),
            flake_id,
            info.path.name(),
            nar_id,
            joined(&info.references),
            info.deriver.as_ref().map(ToString::to_string),
            joined(&info.signatures),
            info.ca.as_ref().map(ToString::to_string),
            now(),
            origin.pusher_id,
            origin.builder,
            origin.proven
        ],
    )?;
    if let Some(id) = id {
        packed::row_added(tx, &info.path.hash(), id)?;
    }
    Ok(id.is_some())
}

/// Adds signatures and a content address to what a slice says of a path, in its place: it stays as old as it is, and
/// whose it is.
pub fn add_to(
    tx: &Tx<'_>,
    flake_id: i64,
    info: &PathInfo,
    proven: bool,
) -> Result<(), DatabaseError> {
    let sql = "UPDATE slice_path SET signatures = ?3, ca = ?4, proven = ?5 \
               WHERE path_hash = ?1 AND flake_id = ?2";
    let signatures = joined(&info.signatures);
    let ca = info.ca.as_ref().map(ToString::to_string);
    let hash = info.path.hash();
    let columns = params![hash.as_bytes(), flake_id, signatures, ca, proven];
    execute(tx, sql, columns)?;
    Ok(())
}

/// Takes a path out of a slice, to make room for another row of it.
pub fn remove(tx: &Tx<'_>, flake_id: i64, hash: &StorePathHash) -> Result<(), DatabaseError> {
    execute(
        tx,
        "DELETE FROM slice_path WHERE path_hash = ?1 AND flake_id = ?2",
        params![hash.as_bytes(), flake_id],
    )?;
    Ok(())
}

/// Some paths that the slices hold with this content, for a person who looks after the server.
pub fn some_paths_of_nar(
    read: &Read,
    nar_id: i64,
    limit: u32,
) -> Result<Vec<String>, DatabaseError> {
    all(
        read,
        "SELECT DISTINCT path_hash, name FROM slice_path WHERE nar_id = ?1 LIMIT ?2",
        params![nar_id, limit],
        |row| {
            let hash = StorePathHash::from_bytes(row.get("path_hash")?);
            let name: String = row.get("name")?;
            Ok(format!("{hash}-{name}"))
        },
    )
}

/// Counts paths that were added to a slice and by how many bytes its content grew (or shrank, where
/// what was lost was replaced), and notes that somebody pushed to it.
pub fn count_added(
    tx: &Tx<'_>,
    flake_id: i64,
    paths: u64,
    nar_size: i64,
) -> Result<(), DatabaseError> {
    execute(
        tx,
        "UPDATE flake SET path_count = path_count + ?2, nar_size = nar_size + ?3, \
         last_push_at = ?4 WHERE id = ?1",
        params![flake_id, signed(paths), nar_size, now()],
    )?;
    Ok(())
}

pub(super) fn joined<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
