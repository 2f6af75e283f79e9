//! The row that a view has of a path, and whether it has a NAR: by the first holders, which are remembered for
//! all callers. What they do not decide is searched, and remembered for the view that asked.
//!
//! Invariant:
//! - a decision belongs to the serial number of the holders that it was made for. Those are forgotten with
//!   whatever changes, and what is loaded next has another number, so the decision is never found again:
//!   also one that was searched before a change and is remembered after it.

use fh_access::View;
use fh_nix::{NarHash, StorePathHash};
use fh_persistence::database::DatabaseError;
use fh_persistence::database::nars::Nar;
use fh_sql::Read;

use super::contested::settled_row;
use super::holders::{NarHolders, PathHolders, may_be_more};
use super::indexed::{OfNar, Readable};
use super::search::{decided_by_oldest, search};
use super::{Lookup, Shared};
use crate::signatures::Signatures;

/// The row that a view has of a path, read anew.
pub(super) fn row_in(
    read: &Read,
    view: &View,
    hash: StorePathHash,
    signatures: &Signatures,
) -> Result<Option<i64>, DatabaseError> {
    // Of what is not remembered the serial number says nothing.
    let holders = PathHolders::load(read, hash, 0)?;
    if !holders.may_be_in(view) {
        return Ok(None);
    }
    if holders.contested {
        return settled_row(read, view, hash, signatures);
    }
    match holders.decide(view) {
        Some(row_id) => Ok(row_id),
        None => holders.search(read, view, hash, signatures),
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
        ask: impl FnOnce(&Read, Option<i64>) -> Result<B, DatabaseError> + Send + 'static,
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
                    .read(move |read| holders.search(read, &view, hash, &signatures));
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
        ask: impl FnOnce(&Read, Option<i64>) -> Result<B, DatabaseError> + Send + 'static,
    ) -> Result<(PathHolders, Option<i64>, B), DatabaseError> {
        let Shared {
            paths, database, ..
        } = &*self.shared;
        let (view, serial) = (view.clone(), self.shared.serial());
        let signatures = self.shared.signatures.clone();
        let load = move |read: &Read| {
            let holders = PathHolders::load(read, hash, serial)?;
            let row_id = match holders.decide(&view) {
                Some(row_id) => row_id,
                None => holders.search(read, &view, hash, &signatures)?,
            };
            let asked = ask(read, row_id)?;
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
                let searched = shared
                    .database
                    .read(move |read| search(&Readable(&view), &OfNar { read, nar_id }));
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
        let load = move |read: &Read| PathHolders::load(read, hash, serial);
        let Shared {
            paths, database, ..
        } = &*self.shared;
        paths.load(database, hash, load).await
    }

    async fn load_nar(&self, nar_hash: NarHash) -> Result<Option<NarHolders>, DatabaseError> {
        let serial = self.shared.serial();
        let load = move |read: &Read| NarHolders::load(read, nar_hash, serial);
        let Shared { nars, database, .. } = &*self.shared;
        nars.load(database, nar_hash, load).await
    }
}
