//! The slices: which store paths each flake holds, and with which NAR.
//!
//! What is asked here is asked by hash or by row, and answered from an index. Who holds something is asked in
//! [`holders`](super::holders).

use std::collections::{BTreeSet, HashMap};

use fh_api::PathSummary;
use fh_nix::{NarHash, PathInfo, Signature, StorePath, StorePathHash};
use fh_sql::{Read, Row, Tx, params};

use super::holders::Holder;
use super::nars::{Nar, hex_list, nar_columns, signed};
use super::rows::{FromRow, all, column, first, from_row};
use super::values::{now, run};
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

from_row!(Present: name, nar_hash, nar_size, damaged, nar_id, references = "path_refs", builder,
    proven, pusher_id, signatures);

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

from_row!(Served: info by read_info, organization_id, file_size);

const PRESENT: &str = "SELECT s.path_hash, s.name, s.path_refs, s.builder, s.proven, s.pusher_id, \
     s.signatures, s.nar_id, n.nar_hash, n.nar_size, n.damaged_at IS NOT NULL AS damaged \
     FROM json_each(?1) AS wanted \
     CROSS JOIN slice_path AS s ON s.path_hash = unhex(wanted.value) AND s.flake_id = ?2 \
     CROSS JOIN nar AS n ON n.id = s.nar_id";

/// Those of these paths that a slice holds.
pub fn present<'a>(
    read: &Read,
    flake_id: i64,
    hashes: impl IntoIterator<Item = &'a StorePathHash>,
) -> Result<HashMap<StorePathHash, Present>, DatabaseError> {
    let rows = read.all(
        PRESENT,
        params![
            hex_list(hashes.into_iter().map(StorePathHash::as_bytes)),
            flake_id
        ],
        |row| Ok::<_, DatabaseError>((column(row, "path_hash")?, Present::from_row(row)?)),
    )?;
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
    read.first(sql, params![hash.as_bytes(), flake_id], read_info)
}

/// The columns `path_hash` and `name` as the store path that they are of.
pub(super) fn store_path(row: &Row<'_>) -> Result<StorePath, DatabaseError> {
    path_of(column(row, "path_hash")?, row.text("name")?)
}

/// A store path of its two parts.
pub(super) fn path_of(hash: StorePathHash, name: &str) -> Result<StorePath, DatabaseError> {
    StorePath::new(hash, name).map_err(|error| DatabaseError::invalid("store path", error))
}

/// The path info that a row says.
fn read_info(row: &Row<'_>) -> Result<PathInfo, DatabaseError> {
    Ok(PathInfo {
        path: store_path(row)?,
        nar_hash: column(row, "nar_hash")?,
        nar_size: column(row, "nar_size")?,
        references: BTreeSet::from_iter(column::<Vec<StorePath>>(row, "path_refs")?),
        deriver: column(row, "deriver")?,
        signatures: column(row, "signatures")?,
        ca: column(row, "ca")?,
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
        concat!(
            "SELECT ",
            nar_columns!(),
            " FROM slice_path AS s JOIN nar AS n ON n.id = s.nar_id \
             WHERE s.id = ?1 AND s.path_hash = ?2 AND n.damaged_at IS NULL"
        ),
        params![row_id, hash.as_bytes()],
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
    let rows: Vec<(StorePathHash, i64, i64)> = all(read, sql, params![nar.id])?;
    let held = |(hash, flake_id, row_id)| (hash, Holder { flake_id, row_id });
    Ok(Some((nar, rows.into_iter().map(held).collect())))
}

/// The row of a NAR, damaged or not.
pub fn nar_of_hash(read: &Read, nar_hash: &NarHash) -> Result<Option<Nar>, DatabaseError> {
    first(
        read,
        concat!(
            "SELECT ",
            nar_columns!(),
            " FROM nar AS n WHERE n.nar_hash = ?1"
        ),
        params![nar_hash.as_bytes()],
    )
}

/// The newest paths of a slice whose content is there; ids ascend with time.
const NEWEST: &str = "SELECT s.path_hash, s.name, s.path_refs, s.created_at, n.nar_size \
     FROM slice_path AS s CROSS JOIN nar AS n ON n.id = s.nar_id \
     WHERE s.flake_id = ?1 AND n.damaged_at IS NULL ORDER BY s.id DESC LIMIT ?2";

/// The columns `path_hash` and `name` as a base name, whatever the name is.
fn base_name(row: &Row<'_>) -> Result<String, DatabaseError> {
    let hash: StorePathHash = column(row, "path_hash")?;
    Ok(format!("{hash}-{}", row.text("name")?))
}

/// What a slice holds, the newest first.
pub fn newest(read: &Read, flake_id: i64, limit: usize) -> Result<Vec<PathSummary>, DatabaseError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    read.all(NEWEST, params![flake_id, limit], |row| {
        let path = base_name(row)?;
        let references = row.text("path_refs")?.split_whitespace();
        Ok(PathSummary {
            nar_size: column(row, "nar_size")?,
            references: references.filter(|name| **name != path).count(),
            created_at: column(row, "created_at")?,
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
    let id = first(
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
    run(
        tx,
        sql,
        params![hash.as_bytes(), flake_id, signatures, ca, proven],
    )
}

/// Takes a path out of a slice, to make room for another row of it.
pub fn remove(tx: &Tx<'_>, flake_id: i64, hash: &StorePathHash) -> Result<(), DatabaseError> {
    run(
        tx,
        "DELETE FROM slice_path WHERE path_hash = ?1 AND flake_id = ?2",
        params![hash.as_bytes(), flake_id],
    )
}

/// Some paths that the slices hold with this content, for a person who looks after the server.
pub fn some_paths_of_nar(
    read: &Read,
    nar_id: i64,
    limit: u32,
) -> Result<Vec<String>, DatabaseError> {
    let sql = "SELECT DISTINCT path_hash, name FROM slice_path WHERE nar_id = ?1 LIMIT ?2";
    read.all(sql, params![nar_id, limit], base_name)
}

/// Counts paths that were added to a slice and by how many bytes its content grew (or shrank, where
/// what was lost was replaced), and notes that somebody pushed to it.
pub fn count_added(
    tx: &Tx<'_>,
    flake_id: i64,
    paths: u64,
    nar_size: i64,
) -> Result<(), DatabaseError> {
    run(
        tx,
        "UPDATE flake SET path_count = path_count + ?2, nar_size = nar_size + ?3, \
         last_push_at = ?4 WHERE id = ?1",
        params![flake_id, signed(paths), nar_size, now()],
    )
}

pub(super) fn joined<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
