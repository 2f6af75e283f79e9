//! Paths about which nobody disagrees: whose row is served.
//!
//! The content is the same in all of them, and yet it counts: with a row come its deriver, by which the build log
//! is found, and the signatures that were pushed. So it is the row that [`Claim::place`](fh_auth::contest::Claim)
//! prefers: of the nearest standing, follows in their order, then one that a trusted key has signed, then a
//! builder's, then the oldest.
//!
//! Most of it is told from memory: what counts of the oldest rows is remembered with them. The database is asked
//! where keys have to be, and for paths in very many slices.
//!
//! Of a path that very many slices hold, all of whose rows count the same, the oldest of the nearest standing is
//! searched; of one whose rows do not, all holders are read and compared.

use fh_access::{Candidates, View, candidates_by_rank};
use fh_auth::Rank;
use fh_auth::contest::Place;
use fh_nix::StorePathHash;
use fh_persistence::database::DatabaseError;
use fh_persistence::database::holders::{First, Holder, Voice, first_holders};
use fh_sql::Read;

use super::contested::winner_among;
use super::indexed::OfPath;
use super::search::{decided_by_oldest, search};
use crate::signatures::Signatures;

/// So many flakes are asked for their rows one by one: in that time a search has hardly begun.
pub(super) const FLAKE_BY_FLAKE: usize = 64;

/// What the oldest rows of a path tell a view.
pub(super) struct Oldest {
    /// The best that it sees.
    best: Option<Best>,
    /// How many of them it sees, by rank.
    of_rank: [usize; 3],
}

impl Oldest {
    /// `voices` are of the rows, in their order, or empty where one stands alone.
    pub(super) fn told_to(view: &View, holders: &[Holder], voices: &[Voice]) -> Self {
        let mut told = Self {
            best: None,
            of_rank: [0; 3],
        };
        for (index, holder) in holders.iter().enumerate() {
            let Some((organization, standing)) = view.standing_of(holder.flake_id) else {
                continue;
            };
            told.of_rank[standing.rank() as usize] += 1;
            let voice = voices.get(index).copied().unwrap_or_default();
            let row = Best {
                place: Place {
                    standing,
                    unsigned: true,
                    by_person: !voice.builder,
                    age: (holder.row_id, 0),
                },
                row_id: holder.row_id,
                alone: true,
                signed: voice.has_signatures && view.trusts_keys(organization),
            };
            told.best = Some(match told.best {
                Some(best) => best.or(row),
                None => row,
            });
        }
        told
    }

    /// The row that the view has, if there are none but these: none if it sees none of them. `None` where
    /// signatures decide, which memory does not know.
    pub(super) fn alone(&self) -> Option<Option<i64>> {
        match &self.best {
            Some(best) if best.signed && !best.alone => None,
            best => Some(best.as_ref().map(|best| best.row_id)),
        }
    }

    /// The row that the view has, whatever others there are: `None` where these do not tell. `is_even`: all rows
    /// of the path count the same; `may_be_signed`: signatures came with them, and somebody trusts keys. Of rows that
    /// are not among these it is not known whose they are, so nothing is said then.
    pub(super) fn of_many(
        &self,
        view: &View,
        is_even: bool,
        may_be_signed: bool,
    ) -> Option<Option<i64>> {
        let classes = candidates_by_rank(view);
        let mut possible = classes.iter().map(Candidates::at_most).enumerate();
        let Some((nearest, flakes)) = possible.find(|(_, flakes)| *flakes > 0) else {
            return Some(None);
        };
        if flakes <= FLAKE_BY_FLAKE {
            // The flakes are few. Where some of them have none of these rows, they are asked one by one.
            let are_all = self.of_rank[nearest] == flakes;
            return are_all.then(|| self.alone()).flatten();
        }
        let best = self.best.as_ref()?;
        let tells = is_even
            && !may_be_signed
            && nearest != Rank::Open as usize
            && best.place.standing.rank() as usize <= nearest;
        tells.then_some(Some(best.row_id))
    }
}

/// The best of some rows.
struct Best {
    place: Place,
    row_id: i64,
    /// No other one has its standing.
    alone: bool,
    /// One of those with its standing may be signed by a trusted key.
    signed: bool,
}

impl Best {
    /// The one with the lower place of the two.
    fn or(self, other: Self) -> Self {
        let (mut better, worse) = if other.place < self.place {
            (other, self)
        } else {
            (self, other)
        };
        if better.place.standing == worse.place.standing {
            better.alone = false;
            better.signed |= worse.signed;
        }
        better
    }
}

/// The row that a view has of a path that very many slices hold, of which these are the oldest. `is_quiet`: all rows
/// count the same, and no signatures came with them.
pub(super) fn search_many(
    read: &Read,
    view: &View,
    hash: StorePathHash,
    oldest: &[Holder],
    is_quiet: bool,
    signatures: &Signatures,
) -> Result<Option<i64>, DatabaseError> {
    let classes = candidates_by_rank(view);
    let mut classes = classes
        .iter()
        .filter(|class| class.at_most() > 0)
        .peekable();
    while let Some(class) = classes.next_if(|class| class.at_most() <= FLAKE_BY_FLAKE) {
        let row_id = winner_among(read, view, hash, &class.flake_ids(), signatures)?;
        if row_id.is_some() {
            return Ok(row_id);
        }
    }
    if classes.peek().is_none() {
        return Ok(None);
    }
    // What is open has as many standings as the reader has follows, and not one.
    let [.., open] = candidates_by_rank(view);
    if !is_quiet || open.at_most() > 0 {
        return search_all(read, view, hash, signatures);
    }
    match decided_by_oldest(view, oldest) {
        Some(row_id) => Ok(row_id),
        None => search(view, &OfPath::new(read, hash)?),
    }
}

/// The row that a view has, of all holders: they are read from an index, 0.15 µs each.
fn search_all(
    read: &Read,
    view: &View,
    hash: StorePathHash,
    signatures: &Signatures,
) -> Result<Option<i64>, DatabaseError> {
    let First { oldest, voices, .. } = first_holders(read, &hash, usize::MAX)?;
    let told = Oldest::told_to(view, &oldest, &voices);
    match (told.alone(), told.best) {
        (Some(row_id), _) => Ok(row_id),
        (None, best) => {
            let nearest = best.map(|best| best.place.standing);
            let is_near = |holder: &Holder| {
                let standing = view.standing_of(holder.flake_id);
                standing.map(|(_, standing)| standing) == nearest
            };
            let near: Vec<Holder> = oldest.into_iter().filter(is_near).collect();
            search_few(read, view, hash, &near, signatures)
        }
    }
}

/// The row that a view has, of these alone.
pub(super) fn search_few(
    read: &Read,
    view: &View,
    hash: StorePathHash,
    holders: &[Holder],
    signatures: &Signatures,
) -> Result<Option<i64>, DatabaseError> {
    let flake_ids: Vec<i64> = holders.iter().map(|holder| holder.flake_id).collect();
    winner_among(read, view, hash, &flake_ids, signatures)
}
