//! Who holds a path or a NAR: the slices, the oldest first, without any view.
//!
//! One answer serves every caller from memory; the view picks from it. Nothing of it may reach a caller
//! before that.

use fh_nix::StorePathHash;
use fh_sql::{Read, params};

pub use super::holder::Holder;
use super::rows::{all, exists, first, one};
use super::{DatabaseError, packed};

/// What of a row counts among those that have one content, as far as it is the same for every reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Voice {
    /// Whether a builder pushed it.
    pub builder: bool,
    /// Whether the content address was recomputed.
    pub proven: bool,
    /// Whether signatures came with it, of whomever.
    pub has_signatures: bool,
}

impl Voice {
    /// `bits`: the column `voice`.
    fn of_bits(bits: i64) -> Self {
        Self {
            builder: bits & 1 != 0,
            proven: bits & 2 != 0,
            has_signatures: bits & 4 != 0,
        }
    }
}

/// The first few holders of a path, and what decides whose row is served.
#[derive(Debug, Default)]
pub struct First {
    /// The oldest slices that hold it.
    pub oldest: Vec<Holder>,
    /// What counts of their rows.
    pub voices: Vec<Voice>,
    /// Whether slices disagree about it. False where none holds it.
    pub contested: bool,
    /// Whether its rows do not all count the same. False where none holds it.
    pub uneven: bool,
}

/// All that is asked of most paths, in one question. Answered from indexes alone; that of what is damaged is empty
/// as a rule.
pub(super) const FIRST_HOLDERS: &str = "SELECT flake_id, id, voice, \
     EXISTS (SELECT 1 FROM contested_path WHERE path_hash = ?1) AS contested, \
     EXISTS (SELECT 1 FROM uneven_path WHERE path_hash = ?1) AS uneven, \
     EXISTS (SELECT 1 FROM nar WHERE damaged_at IS NOT NULL) AS damaged \
     FROM slice_path WHERE path_hash = ?1 ORDER BY id LIMIT ?2";

/// The same where some objects are damaged.
pub(super) const FIRST_SOUND_HOLDERS: &str = "SELECT flake_id, id, voice, \
     EXISTS (SELECT 1 FROM contested_path WHERE path_hash = ?1) AS contested, \
     EXISTS (SELECT 1 FROM uneven_path WHERE path_hash = ?1) AS uneven, FALSE AS damaged \
     FROM slice_path AS s WHERE path_hash = ?1 AND NOT EXISTS \
     (SELECT 1 FROM nar AS n WHERE n.id = s.nar_id AND n.damaged_at IS NOT NULL) ORDER BY id LIMIT ?2";

/// Answered from the index `slice_path_oldest` alone; ids ascend with time.
pub(super) const OLDEST_HOLDERS: &str = "SELECT flake_id, id FROM slice_path \
     WHERE path_hash = ?1 AND id > ?2 ORDER BY id LIMIT ?3";

/// The same where some objects are damaged, which is rare, so that the former need not look at them.
pub(super) const OLDEST_SOUND_HOLDERS: &str = "SELECT flake_id, id FROM slice_path AS s \
     WHERE path_hash = ?1 AND id > ?2 AND NOT EXISTS \
     (SELECT 1 FROM nar AS n WHERE n.id = s.nar_id AND n.damaged_at IS NOT NULL) ORDER BY id LIMIT ?3";

/// The oldest row in some slices, each looked up in the unique index.
pub(super) const OLDEST_OF: &str = "SELECT MIN(s.id) AS id FROM json_each(?2) AS wanted \
     CROSS JOIN slice_path AS s ON s.path_hash = ?1 AND s.flake_id = wanted.value";

pub(super) const OLDEST_SOUND_OF: &str = "SELECT MIN(s.id) AS id FROM json_each(?2) AS wanted \
     CROSS JOIN slice_path AS s ON s.path_hash = ?1 AND s.flake_id = wanted.value \
     CROSS JOIN nar AS n ON n.id = s.nar_id WHERE n.damaged_at IS NULL";

/// Answered from an index that is empty as a rule.
pub(super) const ANY_DAMAGED: &str =
    "SELECT 1 AS damaged FROM nar WHERE damaged_at IS NOT NULL LIMIT 1";

/// Answered from the index `slice_path_nar` alone, as are the next two.
pub(super) const HOLDERS_OF_NAR: &str = "SELECT DISTINCT flake_id FROM slice_path \
     WHERE nar_id = ?1 AND flake_id > ?2 ORDER BY flake_id LIMIT ?3";

pub(super) const NAR_IS_IN: &str = "SELECT 1 AS found FROM json_each(?2) AS wanted \
     CROSS JOIN slice_path AS s ON s.nar_id = ?1 AND s.flake_id = wanted.value LIMIT 1";

pub(super) const NEXT_HOLDER: &str = "SELECT flake_id FROM slice_path WHERE nar_id = ?1 AND flake_id >= ?2 \
     ORDER BY flake_id LIMIT 1";

/// Whether the content of a path may be lost at all: as a rule there is none that is.
pub fn any_damaged(read: &Read) -> Result<bool, DatabaseError> {
    exists(read, ANY_DAMAGED, params![])
}

/// The oldest slices that hold a path whose content is not lost, not more than so many.
pub fn first_holders(
    read: &Read,
    hash: &StorePathHash,
    most: usize,
) -> Result<First, DatabaseError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let ask = |question| {
        let mut found = First::default();
        let mut damaged = false;
        // By index: dozens of these are read for a path.
        read.all(question, params![hash.as_bytes(), most], |row| {
            found.oldest.push(Holder {
                flake_id: row.get(0)?,
                row_id: row.get(1)?,
            });
            found.voices.push(Voice::of_bits(row.get(2)?));
            // They are the same in each row.
            if found.oldest.len() == 1 {
                found.contested = row.get(3)?;
                found.uneven = row.get(4)?;
                damaged = row.get(5)?;
            }
            Ok::<_, DatabaseError>(())
        })?;
        Ok::<_, DatabaseError>((found, damaged))
    };
    match ask(FIRST_HOLDERS)? {
        (_, true) => Ok(ask(FIRST_SOUND_HOLDERS)?.0),
        (found, false) => Ok(found),
    }
}

/// The oldest slices that hold a path whose content is not lost, from behind a row on, and not more than
/// so many. `damaged`: what [`any_damaged`] says.
pub fn oldest_holders(
    read: &Read,
    hash: &StorePathHash,
    damaged: bool,
    after: i64,
    most: usize,
) -> Result<Vec<Holder>, DatabaseError> {
    if damaged {
        return indexed(read, OLDEST_SOUND_HOLDERS, hash, after, most);
    }
    let mut holders = packed::oldest(read, hash, after, most)?;
    if let Some(missing @ 1..) = most.checked_sub(holders.len()) {
        let after = holders.last().map_or(after, |last| last.row_id);
        let rest = indexed(read, OLDEST_HOLDERS, hash, after, missing)?;
        holders.extend(rest);
    }
    holders.truncate(most);
    Ok(holders)
}

/// The answer to one of the two questions for holders.
fn indexed(
    read: &Read,
    question: &str,
    hash: &StorePathHash,
    after: i64,
    most: usize,
) -> Result<Vec<Holder>, DatabaseError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    // By index: these are read by the thousand.
    read.all(question, params![hash.as_bytes(), after, most], |row| {
        Ok(Holder {
            flake_id: row.get(0)?,
            row_id: row.get(1)?,
        })
    })
}

/// The oldest row of a path in some slices, of those whose content is not lost.
pub fn oldest_row_in(
    read: &Read,
    hash: &StorePathHash,
    damaged: bool,
    flake_ids: &[i64],
) -> Result<Option<i64>, DatabaseError> {
    let question = if damaged { OLDEST_SOUND_OF } else { OLDEST_OF };
    one(read, question, params![hash.as_bytes(), id_list(flake_ids)])
}

/// The flakes whose slices hold a NAR, in the order of their ids, from behind one on, and not more than
/// so many.
pub fn holders_of_nar(
    read: &Read,
    nar_id: i64,
    after: i64,
    most: usize,
) -> Result<Vec<i64>, DatabaseError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    all(read, HOLDERS_OF_NAR, params![nar_id, after, most])
}

/// Whether one of some slices holds a NAR.
pub fn nar_is_in(read: &Read, nar_id: i64, flake_ids: &[i64]) -> Result<bool, DatabaseError> {
    exists(read, NAR_IS_IN, params![nar_id, id_list(flake_ids)])
}

/// Ids as the JSON that a question takes.
pub(super) fn id_list(ids: &[i64]) -> String {
    let words: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("[{}]", words.join(","))
}

/// Whether one of these flakes, in ascending order, holds a NAR. Takes as many steps as the shorter
/// of the two lists has entries, at most; and as many for a NAR that is not stored, or in no slice, as for one
/// in two slices that are none of these. A view of fewer flakes takes no more steps than it has flakes.
pub fn any_holds_nar(
    read: &Read,
    nar_id: Option<i64>,
    flake_ids: &[i64],
) -> Result<bool, DatabaseError> {
    let next = |nar_id: i64, from: i64| -> Result<Option<i64>, DatabaseError> {
        first(read, NEXT_HOLDER, params![nar_id, from])
    };
    let mut steps = 0;
    let mut rest = flake_ids;
    let mut found = false;
    while let (Some(nar_id), [candidate, ..]) = (nar_id, rest) {
        steps += 1;
        match next(nar_id, *candidate)? {
            None => break,
            Some(holder) if holder == *candidate => {
                found = true;
                break;
            }
            Some(holder) => {
                rest = &rest[rest.partition_point(|flake_id| *flake_id < holder)..];
            }
        }
    }
    for _ in steps..LEAST_STEPS.min(flake_ids.len()) {
        next(NO_NAR, 0)?;
    }
    Ok(found)
}

/// Of a search for a holder of a NAR.
const LEAST_STEPS: usize = 3;

/// An id that no row has.
const NO_NAR: i64 = -1;
