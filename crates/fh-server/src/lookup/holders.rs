//! Who holds a path or a NAR: the first few holders of each are remembered, the same for all callers, and
//! decide for most of them. What they do not decide is searched, and remembered for the view that asked.
//!
//! Invariants:
//! - what is remembered of a path or a NAR has a bounded size, however many slices hold it;
//! - a decision belongs to the serial number of the holders that it was made for. Those are forgotten with
//!   whatever changes, and what is loaded next has another number, so the decision is never found again:
//!   also one that was searched before a change and is remembered after it.

use std::sync::Arc;

use fh_nix::{NarHash, StorePathHash};
use rusqlite::Connection;

use super::agreed::{self, Oldest};
use super::contested::settled_row;
use super::search::{Class, FIRST, Holders, Ranking, decided_by_oldest, search};
use super::{Lookup, Shared};
use crate::access::{Candidates, View};
use crate::database::DatabaseError;
use crate::database::holders::{self, First, Holder, Voice};
use crate::database::nars::Nar;
use crate::database::slices;
use crate::signatures::Signatures;

/// The slices that hold a path, the oldest first.
#[derive(Clone)]
pub(super) struct PathHolders {
    pub(super) serial: u64,
    /// Slices disagree about it, the view's or others.
    pub(super) contested: bool,
    oldest: Arc<[Holder]>,
    /// Not all rows count the same.
    uneven: bool,
    /// What counts of these rows; empty where one stands alone, or the path is contested.
    voices: Arc<[Voice]>,
}

/// A NAR and the flakes that hold it, in the order of their ids.
#[derive(Clone)]
pub(super) struct NarHolders {
    serial: u64,
    pub(super) nar: Nar,
    /// The flake is its own row.
    first: Arc<[Holder]>,
}

/// Whether there may be more than these.
fn may_be_more(holders: &[Holder]) -> bool {
    holders.len() == FIRST
}

impl PathHolders {
    /// What it takes in memory, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.oldest) + size_of_val(&*self.voices)
    }

    fn load(
        connection: &Connection,
        hash: StorePathHash,
        serial: u64,
    ) -> Result<Self, DatabaseError> {
        let First {
            oldest,
            mut voices,
            contested,
            uneven,
        } = holders::first_holders(connection, &hash, FIRST)?;
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
    fn decide(&self, view: &View) -> Option<Option<i64>> {
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
    fn search(
        &self,
        connection: &Connection,
        view: &View,
        hash: StorePathHash,
        signatures: &Signatures,
    ) -> Result<Option<i64>, DatabaseError> {
        if may_be_more(&self.oldest) {
            let is_quiet = !self.uneven && !self.has_signatures();
            agreed::search_many(connection, view, hash, &self.oldest, is_quiet, signatures)
        } else {
            agreed::search_few(connection, view, hash, &self.oldest, signatures)
        }
    }
}

/// The row that a view has of a path, read anew.
pub(super) fn row_in(
    connection: &Connection,
    view: &View,
    hash: StorePathHash,
    signatures: &Signatures,
) -> Result<Option<i64>, DatabaseError> {
    // Of what is not remembered the serial number says nothing.
    let holders = PathHolders::load(connection, hash, 0)?;
    if !holders.may_be_in(view) {
        return Ok(None);
    }
    if holders.contested {
        return settled_row(connection, view, hash, signatures);
    }
    match holders.decide(view) {
        Some(row_id) => Ok(row_id),
        None => holders.search(connection, view, hash, signatures),
    }
}

impl NarHolders {
    /// What it takes in memory, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.first)
    }

    fn load(
        connection: &Connection,
        nar_hash: NarHash,
        serial: u64,
    ) -> Result<Option<Self>, DatabaseError> {
        let Some(nar) = slices::nar_of_hash(connection, &nar_hash)? else {
            return Ok(None);
        };
        let first = OfNar {
            connection,
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

impl Lookup {
    /// The row that the slices of a view have of a path.
    pub(super) async fn row_of_view(
        &self,
        view: &View,
        hash: StorePathHash,
    ) -> Result<Option<i64>, DatabaseError> {
        match self.remembered_path(&hash) {
            Some(holders) => self.row_of_holders(view, hash, holders, None).await,
            None => {
                let loaded = self.load_row_with(view, hash, |_, _| Ok(()));
                let (row_id, ()) = Box::pin(loaded).await?;
                Ok(row_id)
            }
        }
    }

    /// The first few holders of a path, if they are remembered.
    pub(super) fn remembered_path(&self, hash: &StorePathHash) -> Option<PathHolders> {
        self.shared.paths.get(&self.shared.database, hash)
    }

    /// The row that the slices of a view have of a path that is not remembered, and what else is asked of the row, if
    /// the path is not contested: to ask another time takes longer than most questions.
    pub(super) async fn load_row_with<B: Send + 'static>(
        &self,
        view: &View,
        hash: StorePathHash,
        ask: impl FnOnce(&Connection, Option<i64>) -> Result<B, DatabaseError> + Send + 'static,
    ) -> Result<(Option<i64>, B), DatabaseError> {
        let (holders, row_id, asked) = self.load_path_and_search(view, hash, ask).await?;
        let row_id = self
            .row_of_holders(view, hash, holders, Some(row_id))
            .await?;
        Ok((row_id, asked))
    }

    /// The row that the slices of a view have of a path whose holders are known. `decided`: what they come to,
    /// where that was found out just now; of contested paths that says nothing.
    pub(super) async fn row_of_holders(
        &self,
        view: &View,
        hash: StorePathHash,
        holders: PathHolders,
        decided: Option<Option<i64>>,
    ) -> Result<Option<i64>, DatabaseError> {
        let shared = &self.shared;
        if holders.contested {
            if !holders.may_be_in(view) {
                return Ok(None);
            }
            let winner = Box::pin(self.contested_row(view, hash, holders.serial)).await?;
            return Ok(winner.map(|winner| winner.row_id));
        }
        if !may_be_more(&holders.oldest)
            && let Some(row_id) = decided.or_else(|| holders.decide(view))
        {
            return Ok(row_id);
        }
        // What an organisation trusts is part of the directory, whose state the identity is of.
        let key = (view.identity(), holders.serial);
        let remembered = || shared.rows.get(&key);
        if let Some(row_id) = decided.is_none().then(remembered).flatten() {
            return Ok(row_id);
        }
        let row_id = match decided.or_else(|| holders.decide(view)) {
            Some(row_id) => row_id,
            None => {
                let (view, signatures) = (view.clone(), shared.signatures.clone());
                let searched = shared
                    .database
                    .read(move |connection| holders.search(connection, &view, hash, &signatures));
                Box::pin(searched).await?
            }
        };
        shared.rows.insert(key, row_id);
        Ok(row_id)
    }

    /// The first few holders of a path, the row that a view has, unless it is contested, and what is asked of that.
    async fn load_path_and_search<B: Send + 'static>(
        &self,
        view: &View,
        hash: StorePathHash,
        ask: impl FnOnce(&Connection, Option<i64>) -> Result<B, DatabaseError> + Send + 'static,
    ) -> Result<(PathHolders, Option<i64>, B), DatabaseError> {
        let Shared {
            paths, database, ..
        } = &*self.shared;
        let (view, serial) = (view.clone(), self.shared.serial());
        let signatures = self.shared.signatures.clone();
        let load = move |connection: &Connection| {
            let holders = PathHolders::load(connection, hash, serial)?;
            let row_id = match holders.decide(&view) {
                Some(row_id) => row_id,
                None => holders.search(connection, &view, hash, &signatures)?,
            };
            let asked = ask(connection, row_id)?;
            Ok((holders, (row_id, asked)))
        };
        let (holders, (row_id, asked)) = paths.load_with(database, hash, load).await?;
        Ok((holders, row_id, asked))
    }

    /// A NAR, if a slice of the view holds it.
    pub(super) async fn nar_of_view(
        &self,
        view: &View,
        nar_hash: NarHash,
    ) -> Result<Option<Nar>, DatabaseError> {
        let shared = &self.shared;
        let holders = match shared.nars.get(&shared.database, &nar_hash) {
            Some(holders) => holders,
            None => self.load_nar(nar_hash).await?,
        };
        let Some(NarHolders { serial, nar, first }) = holders else {
            return Ok(None);
        };
        let found = |readable: bool| Ok(readable.then_some(nar));
        if first
            .iter()
            .any(|holder| view.rank(holder.flake_id).is_some())
        {
            return found(true);
        }
        if !may_be_more(&first) {
            return found(false);
        }
        let key = (view.identity(), serial);
        if let Some(readable) = shared.readable.get(&key) {
            return found(readable);
        }
        let readable = match decided_by_oldest(&Readable(view), &first) {
            Some(row) => row.is_some(),
            None => {
                let view = view.clone();
                let nar_id = nar.id;
                let searched = shared.database.read(move |connection| {
                    search(&Readable(&view), &OfNar { connection, nar_id })
                });
                searched.await?.is_some()
            }
        };
        shared.readable.insert(key, readable);
        found(readable)
    }

    /// The first few holders of a path.
    pub(super) async fn path(&self, hash: StorePathHash) -> Result<PathHolders, DatabaseError> {
        if let Some(holders) = self.remembered_path(&hash) {
            return Ok(holders);
        }
        let serial = self.shared.serial();
        let load = move |connection: &Connection| PathHolders::load(connection, hash, serial);
        let Shared {
            paths, database, ..
        } = &*self.shared;
        paths.load(database, hash, load).await
    }

    async fn load_nar(&self, nar_hash: NarHash) -> Result<Option<NarHolders>, DatabaseError> {
        let serial = self.shared.serial();
        let load = move |connection: &Connection| NarHolders::load(connection, nar_hash, serial);
        let Shared { nars, database, .. } = &*self.shared;
        nars.load(database, nar_hash, load).await
    }
}

/// Of holders that are read from an index, and of those that are packed.
const FROM_INDEX_PER_LOOKUP: usize = 4;
const PACKED_PER_LOOKUP: usize = 96;

/// The holders of a path whose content is not lost.
pub(super) struct OfPath<'a> {
    connection: &'a Connection,
    hash: StorePathHash,
    damaged: bool,
}

impl<'a> OfPath<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        hash: StorePathHash,
    ) -> Result<Self, DatabaseError> {
        Ok(Self {
            connection,
            hash,
            damaged: holders::any_damaged(connection)?,
        })
    }
}

impl Holders for OfPath<'_> {
    type Error = DatabaseError;

    fn oldest(&self, after: i64, most: usize) -> Result<Vec<Holder>, DatabaseError> {
        holders::oldest_holders(self.connection, &self.hash, self.damaged, after, most)
    }

    fn oldest_of(&self, flake_ids: &[i64]) -> Result<Option<i64>, DatabaseError> {
        holders::oldest_row_in(self.connection, &self.hash, self.damaged, flake_ids)
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
    pub(super) connection: &'a Connection,
    pub(super) nar_id: i64,
}

impl Holders for OfNar<'_> {
    type Error = DatabaseError;

    fn oldest(&self, after: i64, most: usize) -> Result<Vec<Holder>, DatabaseError> {
        let flake_ids = holders::holders_of_nar(self.connection, self.nar_id, after, most)?;
        let holder = |flake_id| Holder {
            flake_id,
            row_id: flake_id,
        };
        Ok(flake_ids.into_iter().map(holder).collect())
    }

    fn oldest_of(&self, flake_ids: &[i64]) -> Result<Option<i64>, DatabaseError> {
        let found = holders::nar_is_in(self.connection, self.nar_id, flake_ids)?;
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
            Several(self.0.by_rank().into()),
            Several(Vec::new()),
            Several(Vec::new()),
        ]
    }
}

struct Several<'a>(Vec<Candidates<'a>>);

impl Class for Several<'_> {
    fn len(&self) -> usize {
        self.0.iter().map(Candidates::len).sum()
    }

    fn flake_ids(&self) -> Vec<i64> {
        self.0.iter().flat_map(Candidates::flake_ids).collect()
    }

    fn each_possible(&self, told: &mut dyn FnMut(i64)) {
        self.0.iter().for_each(|each| each.each_possible(told));
    }
}
