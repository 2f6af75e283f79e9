//! Paths about which slices disagree: what a view has of them, decided by [`fh_auth::contest`].
//!
//! Only these paths come here; what is uncontested takes the quick way, where the nearest slice is as good as
//! any other. What is decided for a view is remembered until something is pushed or access changes, since
//! it depends on what the pushers may write.
//!
//! Invariant: where the slices of the view agree, the row is the one that the quick way takes, which
//! [prefers](super::agreed) as is done here. So that others disagree changes no byte of what a view has. And a path of
//! which the view has no row does not come here, so that nobody tells by the time whether others disagree.

use std::collections::HashMap;

use fh_access::View;
use fh_auth::contest::{Claim, Settled};
use fh_nix::{NarHash, StorePathHash};
use fh_persistence::database::contests::{self, Word};
use fh_persistence::database::{DatabaseError, slices};
use fh_sql::Read;

use super::judged::{Judged, TrustedKeys};
use super::settled::SettledRow;
use crate::signatures::Signatures;

/// What the slices of a view say of a path about which they disagree.
#[derive(Debug, Clone)]
pub(crate) struct Dispute {
    /// The slices whose content the view has; none where it has none.
    pub(crate) served: Vec<i64>,
    /// The slices that have another one.
    pub(crate) others: Vec<i64>,
    /// The slices that have left another one out as signed elsewhere.
    pub(crate) left_out: Vec<i64>,
}

/// The row that a view has of a contested path, read anew.
pub(super) fn settled_row(
    read: &Read,
    view: &View,
    hash: StorePathHash,
    signatures: &Signatures,
) -> Result<Option<i64>, DatabaseError> {
    let winner = Examined::of(read, view, hash, signatures)?.winner();
    Ok(winner.map(|winner| winner.row_id))
}

/// The row that a view has of a path, of those in these slices alone.
pub(super) fn winner_among(
    read: &Read,
    view: &View,
    hash: StorePathHash,
    flake_ids: &[i64],
    signatures: &Signatures,
) -> Result<Option<i64>, DatabaseError> {
    let words = contests::words_in(read, &hash, flake_ids)?;
    let winner = Examined::new(read, view, hash, words, signatures)?.winner();
    Ok(winner.map(|winner| winner.row_id))
}

/// The row that a view would have of a path if there were none but those that are let through; where these do not
/// settle on one, the one that counts for most.
pub(super) fn winner_where(
    read: &Read,
    view: &View,
    hash: StorePathHash,
    signatures: &Signatures,
    admits: impl Fn(i64) -> Result<bool, DatabaseError>,
) -> Result<Option<i64>, DatabaseError> {
    let mut admitted = Vec::new();
    for word in contests::words(read, &hash)? {
        if let Some(row_id) = word.row_id
            && view.rank(word.flake_id).is_some()
            && admits(row_id)?
        {
            admitted.push(word);
        }
    }
    let examined = Examined::new(read, view, hash, admitted, signatures)?;
    let winner = examined.winner().map(|winner| winner.row_id);
    Ok(winner.or_else(|| examined.nearest()))
}

/// What the slices of a view say of a path, and what it comes to.
pub(super) struct Examined(Judged<Word>);

impl Examined {
    pub(super) fn of(
        read: &Read,
        view: &View,
        hash: StorePathHash,
        signatures: &Signatures,
    ) -> Result<Self, DatabaseError> {
        let words = contests::words(read, &hash)?;
        Self::new(read, view, hash, words, signatures)
    }

    fn new(
        read: &Read,
        view: &View,
        hash: StorePathHash,
        words_of_all: Vec<Word>,
        signatures: &Signatures,
    ) -> Result<Self, DatabaseError> {
        let mut contents: HashMap<(NarHash, String, String), u32> = HashMap::new();
        let mut keys = TrustedKeys::new(read);
        let mut words = Vec::new();
        // What was lost is as good as not there.
        for word in words_of_all.into_iter().filter(|word| !word.damaged) {
            let Some((organization, standing)) = view.standing_of(word.flake_id) else {
                continue;
            };
            let next = u32::try_from(contents.len()).unwrap_or(u32::MAX);
            let content = (word.nar_hash, word.references.clone(), word.name.clone());
            let content = *contents.entry(content).or_insert(next);
            let trusted = keys.of(organization)?;
            let signed = !trusted.is_empty()
                && slices::info_of(read, &hash, word.flake_id, word.row_id)?
                    .is_some_and(|info| signatures.signed(&info, trusted));
            let claim = Claim {
                standing,
                organization,
                flake: word.flake_id,
                content,
                held: word.row_id.is_some(),
                proven: word.proven,
                signed,
                builder: word.builder,
                pusher: word.pusher_id,
                age: word.age,
            };
            words.push((claim, word));
        }
        Judged::new(read, view, words).map(Self)
    }

    /// The row that is served.
    pub(super) fn winner(&self) -> Option<SettledRow> {
        let (_, word) = self.0.winner()?;
        let (row_id, nar_id) = (word.row_id?, word.nar_id?);
        Some(SettledRow { row_id, nar_id })
    }

    /// The row with the lowest place, whichever content it has.
    fn nearest(&self) -> Option<i64> {
        self.0.nearest().and_then(|(_, word)| word.row_id)
    }

    pub(super) fn dispute(&self) -> Option<Dispute> {
        let first = self.0.words().next()?.0.content;
        if self.0.words().all(|(claim, _)| claim.content == first) {
            return None;
        }
        // What is known by its fingerprint alone is not served.
        let served = self.winner().is_some();
        let slices = |is_served: bool, is_held: bool| {
            let has = |content: u32| served && self.0.settled() == Settled::Content(content);
            let words = self.0.words();
            words
                .filter(|(claim, _)| has(claim.content) == is_served && claim.held == is_held)
                .map(|(claim, _)| claim.flake)
                .collect()
        };
        Some(Dispute {
            served: slices(true, true),
            others: slices(false, true),
            left_out: slices(false, false),
        })
    }
}
