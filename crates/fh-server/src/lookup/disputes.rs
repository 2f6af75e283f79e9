//! Contested paths and NARs, as a view has them; what is decided is remembered.

use fh_access::View;
use fh_nix::StorePathHash;
use fh_persistence::database::nars::Nar;
use fh_persistence::database::{DatabaseError, slices};

use super::Lookup;
use super::contested::{Dispute, Examined};
use super::settled::SettledRow;

impl Lookup {
    /// The row of a contested path, of which the holders have this serial number.
    pub(super) async fn contested_row(
        &self,
        view: &View,
        hash: StorePathHash,
        serial: u64,
    ) -> Result<Option<SettledRow>, DatabaseError> {
        let shared = &self.shared;
        let access = shared.access();
        let key = (view.identity(), serial, access);
        if let Some(decided) = shared.settled.get(&key) {
            return Ok(decided);
        }
        let (view, signatures) = (view.clone(), shared.signatures.clone());
        let decided = shared
            .database
            .read(move |read| Ok(Examined::of(read, &view, hash, &signatures)?.winner()));
        let decided = decided.await?;
        shared.settled.insert(key, decided);
        Ok(decided)
    }

    /// Whether a view has a contested NAR: whether a path with it stands in a slice of the view, and the
    /// view has that path with this very content.
    pub(super) async fn contested_nar(&self, view: &View, nar: Nar) -> Result<bool, DatabaseError> {
        let found = self
            .shared
            .database
            .read(move |read| slices::rows_of_nar(read, &nar.nar_hash))
            .await?;
        let rows = found.map(|(_, rows)| rows).unwrap_or_default();
        let mut hashes: Vec<StorePathHash> = rows
            .into_iter()
            .filter(|(_, holder)| view.rank(holder.flake_id).is_some())
            .map(|(hash, _)| hash)
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        for hash in hashes {
            let holders = self.path(hash).await?;
            if !holders.contested {
                return Ok(true);
            }
            let winner = self.contested_row(view, hash, holders.serial).await?;
            if winner.is_some_and(|winner| winner.nar_id == nar.id) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Which slices of a view disagree about a path, if any do. Nothing is asked of the database where none of
    /// the view has it, whether others disagree or not.
    pub(crate) async fn dispute(
        &self,
        view: &View,
        hash: StorePathHash,
    ) -> Result<Option<Dispute>, DatabaseError> {
        let holders = self.path(hash).await?;
        if !holders.contested || !holders.may_be_in(view) {
            return Ok(None);
        }
        let (view, signatures) = (view.clone(), self.shared.signatures.clone());
        let dispute = self
            .shared
            .database
            .read(move |read| Ok(Examined::of(read, &view, hash, &signatures)?.dispute()));
        dispute.await
    }
}
