//! Which slices hold a path, for explaining who can read it. As everywhere here, a slice leaves this
//! module only where the caller may know of it.

use fh_access::View;
use fh_nix::{StorePath, StorePathHash};
use fh_persistence::database::DatabaseError;
use fh_persistence::database::holders::{self, Holder};
use fh_persistence::database::slices;

use super::Lookup;

/// How many slices are told of one path, at most. More are not read by anybody.
const MAX_SLICES: usize = 100;

/// How many holders are read at once.
const PAGE: usize = 1000;

impl Lookup {
    /// The slices of a view that hold a path, first the one that is served, then as they rank, 100 at
    /// most. Of a view that holds certain paths only, the one that is served alone.
    pub(crate) async fn holders_in_view(
        &self,
        view: &View,
        hash: StorePathHash,
    ) -> Result<Vec<Holder>, DatabaseError> {
        let Some(served) = self.row(view, hash).await? else {
            return Ok(Vec::new());
        };
        let limited = view.limits().is_some();
        let told = |holder: &Holder| {
            view.rank(holder.flake_id).is_some() && (!limited || holder.row_id == served)
        };
        let mut found = self.holders_where(hash, Some(served), told).await?;
        found.sort_by_key(|holder| (holder.row_id != served, view.rank(holder.flake_id)));
        Ok(found)
    }

    /// The slices that hold a path and that the caller may know of, the oldest first, 100 at most.
    pub(crate) async fn holders_known(
        &self,
        hash: StorePathHash,
        may_know: impl Fn(i64) -> bool,
    ) -> Result<Vec<Holder>, DatabaseError> {
        self.holders_where(hash, None, |holder| may_know(holder.flake_id))
            .await
    }

    /// The whole name of a path that a slice holds, which the caller may know of.
    pub(crate) async fn path_of(
        &self,
        holder: Holder,
        hash: StorePathHash,
    ) -> Result<Option<StorePath>, DatabaseError> {
        let served = self
            .shared
            .database
            .read(move |read| slices::served(read, holder.row_id, &hash));
        Ok(served.await?.map(|served| served.info.path))
    }

    /// The oldest holders of which `told` is true, and in any case the row `always`.
    async fn holders_where(
        &self,
        hash: StorePathHash,
        always: Option<i64>,
        told: impl Fn(&Holder) -> bool,
    ) -> Result<Vec<Holder>, DatabaseError> {
        let mut found: Vec<Holder> = Vec::new();
        let mut after = i64::MIN;
        loop {
            let page = self
                .shared
                .database
                .read(move |read| {
                    let damaged = holders::any_damaged(read)?;
                    holders::oldest_holders(read, &hash, damaged, after, PAGE)
                })
                .await?;
            for holder in page.iter().filter(|holder| told(holder)) {
                if found.len() < MAX_SLICES || always == Some(holder.row_id) {
                    found.push(*holder);
                }
            }
            let Some(last) = page.last().filter(|_| page.len() == PAGE) else {
                return Ok(found);
            };
            after = last.row_id;
        }
    }
}
