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
//! Invariant: in a view that has more flakes of one rank than [`FLAKE_BY_FLAKE`], and of a path that more slices
//! hold than are remembered, only the oldest are compared. Everywhere else the row is the preferred one.

use fh_auth::contest::Place;
use fh_nix::StorePathHash;
use rusqlite::Connection;

use super::contested::winner_among;
use super::holders::OfPath;
use super::search::{decided_by_oldest, search};
use crate::access::{Candidates, View};
use crate::database::DatabaseError;
use crate::database::contests::Voice;
use crate::database::slices::Holder;
use crate::signatures::Signatures;

/// So many flakes are asked for their rows one by one: in that time a search has hardly begun.
pub(super) const FLAKE_BY_FLAKE: usize = 64;

/// The row that a view has, of these alone: none if it sees none of them. `None` where signatures decide, which
/// memory does not know. `voices` are of the rows, in their order, or empty where one stands alone.
pub(super) fn among(view: &View, holders: &[Holder], voices: &[Voice]) -> Option<Option<i64>> {
    let mut best: Option<Best> = None;
    for (index, holder) in holders.iter().enumerate() {
        let Some((organization, standing)) = view.standing_of(holder.flake_id) else {
            continue;
        };
        let voice = voices.get(index).copied().unwrap_or_default();
        let row = Best {
            place: Place {
                standing,
                unsigned: true,
                by_person: !voice.builder,
                unproven: !voice.proven,
                age: (holder.row_id, 0),
            },
            row_id: holder.row_id,
            alone: true,
            signed: voice.has_signatures && view.trusts_keys(organization),
        };
        best = Some(match best {
            Some(best) => best.or(row),
            None => row,
        });
    }
    match best {
        Some(best) if best.signed && !best.alone => None,
        best => Some(best.map(|best| best.row_id)),
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
    /// The better one.
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

/// Whether flakes of the nearest rank are to be asked one by one, beside the rows that are remembered: they are few,
/// and some of them have none of these.
pub(super) fn may_hold_newer(view: &View, oldest: &[Holder]) -> bool {
    let classes = view.by_rank();
    let mut possible = classes.iter().map(Candidates::len).enumerate();
    let Some((nearest, flakes)) = possible.find(|(_, flakes)| *flakes > 0) else {
        return false;
    };
    let ranks = oldest
        .iter()
        .filter_map(|holder| view.rank(holder.flake_id));
    flakes <= FLAKE_BY_FLAKE && ranks.filter(|rank| *rank as usize == nearest).count() < flakes
}

/// The row that a view has of a path that very many slices hold, of which these are the oldest.
pub(super) fn search_many(
    connection: &Connection,
    view: &View,
    hash: StorePathHash,
    oldest: &[Holder],
    signatures: &Signatures,
) -> Result<Option<i64>, DatabaseError> {
    let classes = view.by_rank();
    let mut classes = classes.iter().filter(|class| class.len() > 0).peekable();
    while let Some(class) = classes.next_if(|class| class.len() <= FLAKE_BY_FLAKE) {
        let row_id = winner_among(connection, view, hash, &class.flake_ids(), signatures)?;
        if row_id.is_some() {
            return Ok(row_id);
        }
    }
    if classes.peek().is_none() {
        return Ok(None);
    }
    match decided_by_oldest(view, oldest) {
        Some(None) => Ok(None),
        Some(Some(_)) => search_few(connection, view, hash, oldest, signatures),
        None => search(view, &OfPath::new(connection, hash)?),
    }
}

/// The row that a view has, of these alone.
pub(super) fn search_few(
    connection: &Connection,
    view: &View,
    hash: StorePathHash,
    holders: &[Holder],
    signatures: &Signatures,
) -> Result<Option<i64>, DatabaseError> {
    let flake_ids: Vec<i64> = holders.iter().map(|holder| holder.flake_id).collect();
    winner_among(connection, view, hash, &flake_ids, signatures)
}
