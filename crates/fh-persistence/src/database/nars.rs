//! Stored NARs, and who has proved to own one by sending all of it.

use std::collections::HashMap;

use fh_nix::NarHash;
use fh_sql::{Read, Tx, params};

use super::rows::{all, from_row, one};
use super::values::{execute, now, run};
use super::{DatabaseError, Timestamp};
use crate::checksum::Checksum;

/// A row of `nar`: an object that is verified and on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nar {
    /// The row's id, which never leaves the server.
    pub id: i64,
    /// SHA-256 of the NAR.
    pub nar_hash: NarHash,
    /// Bytes of the NAR, uncompressed.
    pub nar_size: u64,
    /// Bytes of the compressed object.
    pub file_size: u64,
    /// Of the bytes as stored; none where the row is older than checksums.
    pub checksum: Option<Checksum>,
    /// The object was found missing or altered: until it is sent again it is as if it were not there.
    pub damaged: bool,
    /// It is the content of a path about which slices disagree.
    pub contested: bool,
}

from_row!(Nar: id = "nar_id", nar_hash, nar_size, file_size, checksum, damaged, contested);

/// The columns of a [`Nar`], of the table `nar AS n`.
macro_rules! nar_columns {
    () => {
        "n.id AS nar_id, n.nar_hash, n.nar_size, n.file_size, n.checksum, n.damaged_at IS NOT NULL AS damaged, \
         n.contested"
    };
}
pub(super) use nar_columns;

/// A list of blobs for `json_each`: one parameter, however many there are.
///
/// The statements that take one say `CROSS JOIN`, which in SQLite fixes the order: for each wanted
/// blob one search of an index. Left to itself SQLite may walk through a whole slice, and through
/// the list for each row of it. PostgreSQL wants `JOIN` there, and chooses by itself.
pub(super) fn hex_list<T: AsRef<[u8]>>(blobs: impl IntoIterator<Item = T>) -> String {
    let mut list = String::from("[");
    for blob in blobs {
        if list.len() > 1 {
            list.push(',');
        }
        list.push('"');
        data_encoding::HEXLOWER.encode_append(blob.as_ref(), &mut list);
        list.push('"');
    }
    list.push(']');
    list
}

pub(super) const STORED: &str = concat!(
    "SELECT ",
    nar_columns!(),
    " FROM json_each(?1) AS wanted CROSS JOIN nar AS n ON n.nar_hash = unhex(wanted.value)"
);

pub(super) const RECEIVED: &str = concat!(
    "SELECT ",
    nar_columns!(),
    " FROM json_each(?1) AS wanted CROSS JOIN nar AS n ON n.nar_hash = unhex(wanted.value) \
     CROSS JOIN received_nar AS r ON r.flake_id = ?2 AND r.account_id = ?3 AND r.nar_id = n.id"
);

/// Those of these NARs that are stored. Whoever asks for a caller must not tell the caller.
pub fn stored<'a>(
    read: &Read,
    nar_hashes: impl IntoIterator<Item = &'a NarHash>,
) -> Result<HashMap<NarHash, Nar>, DatabaseError> {
    let rows: Vec<Nar> = all(
        read,
        STORED,
        params![hex_list(nar_hashes.into_iter().map(NarHash::as_bytes))],
    )?;
    Ok(rows.into_iter().map(|nar| (nar.nar_hash, nar)).collect())
}

/// Those of these NARs that this account has sent, all of it, to this slice.
pub fn received<'a>(
    read: &Read,
    flake_id: i64,
    account_id: i64,
    nar_hashes: impl IntoIterator<Item = &'a NarHash>,
) -> Result<HashMap<NarHash, Nar>, DatabaseError> {
    let rows: Vec<Nar> = all(
        read,
        RECEIVED,
        params![
            hex_list(nar_hashes.into_iter().map(NarHash::as_bytes)),
            flake_id,
            account_id
        ],
    )?;
    Ok(rows.into_iter().map(|nar| (nar.nar_hash, nar)).collect())
}

/// An object that is on disk now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// SHA-256 of the NAR.
    pub nar_hash: NarHash,
    /// Bytes of the NAR, uncompressed.
    pub nar_size: u64,
    /// Bytes of the compressed object.
    pub file_size: u64,
    /// Checksum of the compressed bytes.
    pub checksum: Checksum,
}

/// Records an object that is on disk now. One that was recorded before is what is there now, and no
/// longer damaged.
pub fn record(tx: &Tx<'_>, stored: &Stored) -> Result<(), DatabaseError> {
    run(
        tx,
        "INSERT INTO nar (nar_hash, nar_size, file_size, checksum, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (nar_hash) DO UPDATE SET file_size = excluded.file_size, \
         checksum = excluded.checksum, damaged_at = NULL",
        params![
            stored.nar_hash.as_bytes(),
            signed(stored.nar_size),
            signed(stored.file_size),
            stored.checksum.to_column(),
            now()
        ],
    )
}

/// Marks an object as damaged: whether it was not so before. Not if the row tells of other bytes than
/// those that were looked at, or is gone.
pub fn mark_damaged(tx: &Tx<'_>, nar: &Nar) -> Result<bool, DatabaseError> {
    let marked = execute(
        tx,
        "UPDATE nar SET damaged_at = ?5 WHERE id = ?1 AND nar_hash = ?2 AND file_size = ?3 \
         AND checksum IS NOT DISTINCT FROM ?4 AND damaged_at IS NULL",
        params![
            nar.id,
            nar.nar_hash.as_bytes(),
            signed(nar.file_size),
            nar.checksum.map(Checksum::to_column),
            now()
        ],
    )?;
    Ok(marked == 1)
}

/// Notes what the bytes of an object are that was found to be good; a mark goes. Not if the row tells
/// of another object than the one that was looked at, or is gone.
pub fn mark_good(
    tx: &Tx<'_>,
    nar: &Nar,
    file_size: u64,
    checksum: Checksum,
) -> Result<bool, DatabaseError> {
    let marked = execute(
        tx,
        "UPDATE nar SET file_size = ?5, checksum = ?6, damaged_at = NULL \
         WHERE id = ?1 AND nar_hash = ?2 AND file_size = ?3 \
         AND checksum IS NOT DISTINCT FROM ?4",
        params![
            nar.id,
            nar.nar_hash.as_bytes(),
            signed(nar.file_size),
            nar.checksum.map(Checksum::to_column),
            signed(file_size),
            checksum.to_column()
        ],
    )?;
    Ok(marked == 1)
}

/// The next rows by id, in whatever state.
pub fn after(read: &Read, id: i64, limit: u32) -> Result<Vec<Nar>, DatabaseError> {
    all(
        read,
        concat!(
            "SELECT ",
            nar_columns!(),
            " FROM nar AS n WHERE n.id > ?1 ORDER BY n.id LIMIT ?2"
        ),
        params![id, limit],
    )
}

/// How many objects there should be, and of how many bytes in all.
pub fn totals(read: &Read) -> Result<(u64, u64), DatabaseError> {
    one(
        read,
        "SELECT COUNT(*), COALESCE(SUM(file_size), 0) FROM nar",
        params![],
    )
}

/// What tells whether other objects are marked as damaged than before, without reading all marks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DamageMarks {
    /// How many objects are marked.
    pub count: u64,
    /// When the last one was, as the column has it.
    last: Option<i64>,
}

from_row!(DamageMarks: count, last);

/// How many objects are marked as damaged, and since when.
pub fn damage_marks(read: &Read) -> Result<DamageMarks, DatabaseError> {
    one(
        read,
        "SELECT COUNT(*) AS count, MAX(damaged_at) AS last FROM nar WHERE damaged_at IS NOT NULL",
        params![],
    )
}

/// The objects that are marked as damaged.
pub fn damaged(read: &Read) -> Result<Vec<NarHash>, DatabaseError> {
    all(
        read,
        "SELECT nar_hash FROM nar WHERE damaged_at IS NOT NULL",
        params![],
    )
}

/// Records that an account has sent all of a NAR to a slice. Where the flake or the account is gone
/// meanwhile, there is nothing to record.
pub fn record_received(
    tx: &Tx<'_>,
    flake_id: i64,
    account_id: i64,
    nar_hash: &NarHash,
) -> Result<(), DatabaseError> {
    run(
        tx,
        "INSERT INTO received_nar (flake_id, account_id, nar_id, received_at) \
         SELECT f.id, a.id, n.id, ?4 FROM flake AS f, account AS a, nar AS n \
         WHERE f.id = ?1 AND a.id = ?2 AND n.nar_hash = ?3 \
         ON CONFLICT (flake_id, account_id, nar_id) DO UPDATE SET received_at = excluded.received_at",
        params![flake_id, account_id, nar_hash.as_bytes(), now()],
    )
}

/// Makes the proofs of possession that a new plan counts on last as long as the plan.
pub fn renew_received(
    tx: &Tx<'_>,
    flake_id: i64,
    account_id: i64,
    nar_ids: &[i64],
) -> Result<(), DatabaseError> {
    for nar_id in nar_ids {
        execute(
            tx,
            "UPDATE received_nar SET received_at = ?4 \
             WHERE flake_id = ?1 AND account_id = ?2 AND nar_id = ?3",
            params![flake_id, account_id, nar_id, now()],
        )?;
    }
    Ok(())
}

/// As [`renew_received`], of all that an account has sent to a slice: one of its pushes goes on.
pub fn renew_all_received(
    tx: &Tx<'_>,
    flake_id: i64,
    account_id: i64,
) -> Result<(), DatabaseError> {
    run(
        tx,
        "UPDATE received_nar SET received_at = ?3 WHERE flake_id = ?1 AND account_id = ?2",
        params![flake_id, account_id, now()],
    )
}

/// Removes the proofs of possession from before a time: how many.
pub fn delete_received_before(tx: &Tx<'_>, before: Timestamp) -> Result<usize, DatabaseError> {
    execute(
        tx,
        "DELETE FROM received_nar WHERE received_at < ?1",
        params![before],
    )
}

/// A NAR's internal id and hash.
pub type Unreferenced = (i64, NarHash);

/// The next NARs, by id, that no slice and no proof of possession refers to; and where the walk has
/// come to, `None` at its end.
pub fn unreferenced(
    read: &Read,
    after: i64,
    examine: u32,
) -> Result<(Vec<Unreferenced>, Option<i64>), DatabaseError> {
    let sql = "SELECT MAX(id) FROM (SELECT id FROM nar WHERE id > ?1 ORDER BY id LIMIT ?2) AS next";
    let Some(last) = one(read, sql, params![after, examine])? else {
        return Ok((Vec::new(), None));
    };
    let rows = all(
        read,
        "SELECT n.id, n.nar_hash FROM nar AS n \
         WHERE n.id > ?1 AND n.id <= ?2 \
         AND NOT EXISTS (SELECT 1 FROM slice_path AS s WHERE s.nar_id = n.id) \
         AND NOT EXISTS (SELECT 1 FROM received_nar AS r WHERE r.nar_id = n.id)",
        params![after, last],
    )?;
    Ok((rows, Some(last)))
}

/// Removes the rows of NARs that nothing refers to; one that something refers to by now stays.
/// Answers the hashes of those that are gone.
pub fn delete_unreferenced(
    tx: &Tx<'_>,
    nars: &[Unreferenced],
) -> Result<Vec<NarHash>, DatabaseError> {
    let mut gone = Vec::new();
    for (id, nar_hash) in nars {
        let deleted = execute(
            tx,
            "DELETE FROM nar WHERE id = ?1 AND nar_hash = ?2 \
             AND NOT EXISTS (SELECT 1 FROM slice_path AS s WHERE s.nar_id = nar.id) \
             AND NOT EXISTS (SELECT 1 FROM received_nar AS r WHERE r.nar_id = nar.id)",
            params![id, nar_hash.as_bytes()],
        )?;
        if deleted == 1 {
            gone.push(*nar_hash);
        }
    }
    Ok(gone)
}

/// A size as a column holds it. Limits keep it far below where this would cut it.
pub fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
