//! The holders of a path or a NAR as the indexes of the database have them, for [`search`](super::search).

use fh_access::{Candidates, View, candidates_by_rank};
use fh_nix::StorePathHash;
use fh_persistence::database::DatabaseError;
use fh_persistence::database::holders::{self, Holder};
use fh_sql::Read;

use super::search::{Class, Holders, Ranking};

/// Of holders that are read from an index, and of those that are packed.
const FROM_INDEX_PER_LOOKUP: usize = 4;
const PACKED_PER_LOOKUP: usize = 96;

/// The holders of a path whose content is not lost.
pub(super) struct OfPath<'a> {
    read: &'a Read,
    hash: StorePathHash,
    damaged: bool,
}

impl<'a> OfPath<'a> {
    pub(super) fn new(read: &'a Read, hash: StorePathHash) -> Result<Self, DatabaseError> {
        Ok(Self {
            read,
            hash,
            damaged: holders::any_damaged(read)?,
        })
    }
}

impl Holders for OfPath<'_> {
    type Error = DatabaseError;

    fn oldest(&self, after: i64, most: usize) -> Result<Vec<Holder>, DatabaseError> {
        holders::oldest_holders(self.read, &self.hash, self.damaged, after, most)
    }

    fn oldest_of(&self, flake_ids: &[i64]) -> Result<Option<i64>, DatabaseError> {
        holders::oldest_row_in(self.read, &self.hash, self.damaged, flake_ids)
    }

    fn read_per_lookup(&self) -> usize {
        if self.damaged {
            FROM_INDEX_PER_LOOKUP
        } else {
            PACKED_PER_LOOKUP
        }
    }
}

/// The holders of a NAR; one is as good as the other, and the flake's id stands for its age.
pub(super) struct OfNar<'a> {
    pub(super) read: &'a Read,
    pub(super) nar_id: i64,
}

impl Holders for OfNar<'_> {
    type Error = DatabaseError;

    fn oldest(&self, after: i64, most: usize) -> Result<Vec<Holder>, DatabaseError> {
        let flake_ids = holders::holders_of_nar(self.read, self.nar_id, after, most)?;
        let holder = |flake_id| Holder {
            flake_id,
            row_id: flake_id,
        };
        Ok(flake_ids.into_iter().map(holder).collect())
    }

    fn oldest_of(&self, flake_ids: &[i64]) -> Result<Option<i64>, DatabaseError> {
        let found = holders::nar_is_in(self.read, self.nar_id, flake_ids)?;
        Ok(flake_ids.first().copied().filter(|_| found))
    }

    fn read_per_lookup(&self) -> usize {
        FROM_INDEX_PER_LOOKUP
    }
}

/// A view where nothing counts but whether something is in it.
pub(super) struct Readable<'a>(pub(super) &'a View);

impl Ranking for Readable<'_> {
    fn rank(&self, flake_id: i64) -> Option<u32> {
        self.0.rank(flake_id).map(|_| 0)
    }

    fn classes(&self) -> [impl Class; 3] {
        [
            Several(candidates_by_rank(self.0).into()),
            Several(Vec::new()),
            Several(Vec::new()),
        ]
    }
}

struct Several<'a>(Vec<Candidates<'a>>);

impl Class for Several<'_> {
    fn len(&self) -> usize {
        self.0.iter().map(Candidates::at_most).sum()
    }

    fn flake_ids(&self) -> Vec<i64> {
        self.0.iter().flat_map(Candidates::flake_ids).collect()
    }

    fn each_possible(&self, told: &mut dyn FnMut(i64)) {
        self.0.iter().for_each(|each| each.each_possible(told));
    }
}
