//! The first few holders of a path or a NAR, which are remembered, the same for all callers, and decide for most
//! of them.
//!
//! Invariant: what is remembered of a path or a NAR has a bounded size, however many slices hold it.

use std::sync::Arc;

use fh_access::View;
use fh_nix::{NarHash, StorePathHash};
use fh_persistence::database::DatabaseError;
use fh_persistence::database::holders::{self, First, Holder, Voice};
use fh_persistence::database::nars::Nar;
use fh_persistence::database::slices;
use fh_sql::Read;

use super::agreed::{self, Oldest};
use super::indexed::OfNar;
use super::search::{FIRST, Holders as _, decided_by_oldest};
use crate::signatures::Signatures;

/// The slices that hold a path, the oldest first.
#[derive(Clone)]
pub(super) struct PathHolders {
    pub(super) serial: u64,
    /// Slices disagree about it, the view's or others.
    pub(super) contested: bool,
    pub(super) oldest: Arc<[Holder]>,
    /// Not all rows count the same.
    uneven: bool,
    /// What counts of these rows; empty where one stands alone, or the path is contested.
    voices: Arc<[Voice]>,
}

/// A NAR and the flakes that hold it, in the order of their ids.
#[derive(Clone)]
pub(super) struct NarHolders {
    pub(super) serial: u64,
    pub(super) nar: Nar,
    /// The flake is its own row.
    pub(super) first: Arc<[Holder]>,
}

/// Whether there may be more than these.
pub(super) fn may_be_more(holders: &[Holder]) -> bool {
    holders.len() == FIRST
}

impl PathHolders {
    /// What it takes in memory, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.oldest) + size_of_val(&*self.voices)
    }

    pub(super) fn load(
        read: &Read,
        hash: StorePathHash,
        serial: u64,
    ) -> Result<Self, DatabaseError> {
        let First {
            oldest,
            mut voices,
            contested,
            uneven,
        } = holders::first_holders(read, &hash, FIRST)?;
        if contested || oldest.len() < 2 {
            voices = Vec::new();
        }
        Ok(Self {
            serial,
            contested,
            uneven,
            oldest: oldest.into(),
            voices: voices.into(),
        })
    }

    /// Whether a view may have the path, as far as the oldest holders tell. Whether slices disagree counts only then:
    /// else to find that out would take longer, and tell of slices that are not in the view.
    pub(super) fn may_be_in(&self, view: &View) -> bool {
        if may_be_more(&self.oldest) {
            decided_by_oldest(view, &self.oldest) != Some(None)
        } else {
            let mut flakes = self.oldest.iter().map(|holder| holder.flake_id);
            flakes.any(|flake_id| view.rank(flake_id).is_some())
        }
    }

    /// Whether signatures came with one of the oldest rows.
    fn has_signatures(&self) -> bool {
        self.voices.iter().any(|voice| voice.has_signatures)
    }

    /// The row that a view has, if the oldest holders tell. Of contested paths nothing is decided here.
    pub(super) fn decide(&self, view: &View) -> Option<Option<i64>> {
        if self.contested {
            return Some(None);
        }
        let oldest = Oldest::told_to(view, &self.oldest, &self.voices);
        if may_be_more(&self.oldest) {
            let may_be_signed = self.has_signatures() && view.anybody_trusts_keys();
            oldest.of_many(view, !self.uneven, may_be_signed)
        } else {
            oldest.alone()
        }
    }

    /// The row that a view has, where they do not tell.
    pub(super) fn search(
        &self,
        read: &Read,
        view: &View,
        hash: StorePathHash,
        signatures: &Signatures,
    ) -> Result<Option<i64>, DatabaseError> {
        if may_be_more(&self.oldest) {
            let is_quiet = !self.uneven && !self.has_signatures();
            agreed::search_many(read, view, hash, &self.oldest, is_quiet, signatures)
        } else {
            agreed::search_few(read, view, hash, &self.oldest, signatures)
        }
    }
}

impl NarHolders {
    /// What it takes in memory, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.first)
    }

    pub(super) fn load(
        read: &Read,
        nar_hash: NarHash,
        serial: u64,
    ) -> Result<Option<Self>, DatabaseError> {
        let Some(nar) = slices::nar_of_hash(read, &nar_hash)? else {
            return Ok(None);
        };
        let first = OfNar {
            read,
            nar_id: nar.id,
        }
        .oldest(i64::MIN, FIRST)?;
        Ok(Some(Self {
            serial,
            nar,
            first: first.into(),
        }))
    }
}
