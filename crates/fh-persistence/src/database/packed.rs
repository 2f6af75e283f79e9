//! The holders of paths that very many slices hold, packed 256 to a row.
//!
//! A row of the index costs 0.15 µs to read, a packed holder some nanoseconds, and a search that finds
//! what it looks for late, or not at all, has to read them all. What is packed is a copy of `slice_path` and
//! made in the transaction that adds to it; the triggers of the schema unpack what is removed.
//!
//! Invariant: of a path all holders up to the last packed one are packed, in order. (A new row has a
//! higher id than all that exist.)

use fh_nix::StorePathHash;
use fh_sql::{Read, Tx, params};

use super::DatabaseError;
use super::holder::Holder;
use super::rows::one;
use super::values::run;

/// Holders in a row. The schema and the statements here know it too.
pub const BLOCK: usize = 256;

/// Bytes of a holder.
const HOLDER: usize = 10;

/// Holders for which room is made before it is known how many there are.
const MOST_RESERVED: usize = 4096;

/// One new row in so many looks whether there is something to pack.
const LOOK: u64 = 64;

pub(super) const BLOCKS: &str = "SELECT holders FROM packed_holders \
     WHERE path_hash = ?1 AND last_row > ?2 ORDER BY last_row LIMIT ?3";

pub(super) const LAST: &str =
    "SELECT MAX(last_row) AS last_row FROM packed_holders WHERE path_hash = ?1";

/// Whole rows alone. Ids that do not fit stay unpacked, as does what follows them.
pub(super) const PACK: &str = "INSERT INTO packed_holders (path_hash, last_row, holders) \
     SELECT ?1, MAX(id), unhex(group_concat(printf('%08x%012x', flake_id, id), '' ORDER BY id)) \
     FROM (SELECT id, flake_id, (row_number() OVER (ORDER BY id) - 1) / 256 AS block \
           FROM slice_path WHERE path_hash = ?1 AND id > ?2 \
             AND (SELECT MAX(id) FROM flake) < 1 << 32) \
     GROUP BY block HAVING COUNT(*) = 256 AND MAX(id) < 1 << 48";

/// The packed holders of a path, the oldest first, from behind a row on. Whole blocks of them: about as many
/// as wanted.
pub(super) fn oldest(
    read: &Read,
    hash: &StorePathHash,
    after: i64,
    about: usize,
) -> Result<Vec<Holder>, DatabaseError> {
    let blocks = i64::try_from(about.div_ceil(BLOCK)).unwrap_or(i64::MAX);
    let mut holders = Vec::with_capacity(about.min(MOST_RESERVED));
    read.all(BLOCKS, params![hash.as_bytes(), after, blocks], |row| {
        holders.extend(unpacked(row.bytes(0)?));
        Ok::<_, DatabaseError>(())
    })?;
    holders.retain(|holder| holder.row_id > after);
    Ok(holders)
}

fn unpacked(packed: &[u8]) -> impl Iterator<Item = Holder> {
    let (holders, _) = packed.as_chunks::<HOLDER>();
    holders.iter().map(|bytes| {
        let [f0, f1, f2, f3, r0, r1, r2, r3, r4, r5] = *bytes;
        Holder {
            flake_id: u32::from_be_bytes([f0, f1, f2, f3]).into(),
            row_id: i64::from_be_bytes([0, 0, r0, r1, r2, r3, r4, r5]),
        }
    })
}

/// Packs what there is to pack of a path, now and then: a row was added to a slice. How many holders wait to
/// be packed is so bounded well enough, and it costs a push next to nothing.
pub(super) fn row_added(
    tx: &Tx<'_>,
    hash: &StorePathHash,
    row_id: i64,
) -> Result<(), DatabaseError> {
    if scattered(row_id).is_multiple_of(LOOK) {
        pack(tx, hash)?;
    }
    Ok(())
}

/// Packs the holders of a path, but for fewer than 256.
pub fn pack(tx: &Tx<'_>, hash: &StorePathHash) -> Result<(), DatabaseError> {
    let last: Option<i64> = one(tx, LAST, params![hash.as_bytes()])?;
    let last = last.unwrap_or(i64::MIN);
    run(tx, PACK, params![hash.as_bytes(), last])
}

/// Another number for each. A closure that is pushed to flake after flake gets its rows at regular distances,
/// and each of its paths must have its turn.
fn scattered(row_id: i64) -> u64 {
    row_id.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

#[cfg(test)]
mod tests;
