//! Tokens that read certain paths only: closures of named paths, and what certain keys have signed.
//!
//! Both limits are decided here, on top of the view, for narinfos, listings and NARs alike. What a token for
//! closures may read was [fixed](super::closures) when it was made: a row is let through if its content is
//! the very one that stands there, whatever other slices say of the path.
//!
//! Build logs are not for such tokens: a derivation is no part of the closure of what it built.

use std::sync::Arc;

use fh_auth::PathSet;
use fh_nix::{NarHash, PathInfo, PublicKey, StorePathHash};
use rusqlite::Connection;

use super::Lookup;
use super::holders::OfPath;
use super::search::{Holders as _, search};
use crate::access::{PathLimits, View};
use crate::database::DatabaseError;
use crate::database::nars::Nar;
use crate::database::slices::{self, Holder};
use crate::signatures::Signatures;

/// Which rows the limits of a token let through. Clones are cheap.
#[derive(Clone)]
pub(super) struct Filter {
    /// The paths and contents that alone are read; `None`: all.
    pub(super) set: Option<Arc<PathSet>>,
    /// The keys of which one must have signed what is read; `None`: none need have.
    pub(super) signed_by: Option<Arc<[PublicKey]>>,
    pub(super) signatures: Signatures,
}

impl Filter {
    /// Whether no row of a path can be let through.
    fn leaves_out(&self, hash: &StorePathHash) -> bool {
        self.set.as_ref().is_some_and(|set| set.get(hash).is_none())
    }

    /// Whether what a row says is let through.
    pub(super) fn admits(&self, info: &PathInfo) -> bool {
        let hash = info.path.hash();
        self.set
            .as_ref()
            .is_none_or(|set| set.holds(&hash, &info.content_fingerprint()))
            && self
                .signed_by
                .as_ref()
                .is_none_or(|keys| self.signatures.signed(info, keys))
    }
}

impl Lookup {
    /// The row of a path that a view with limits has: the best one that the limits let through.
    pub(super) async fn limited_row(
        &self,
        view: &View,
        limits: &PathLimits<'_>,
        hash: StorePathHash,
    ) -> Result<Option<i64>, DatabaseError> {
        let filter = self.filter(view, limits).await?;
        if filter.leaves_out(&hash) {
            return Ok(None);
        }
        let shared = &self.shared;
        // The identity is of one token, and so of its limits; the serial number of what the slices hold.
        let key = (view.identity(), self.path(hash).await?.serial);
        if let Some(row_id) = shared.rows.get(&key) {
            return Ok(row_id);
        }
        let view = view.clone();
        let searched = shared
            .database
            .read(move |connection| best_row(connection, &view, hash, |info| filter.admits(info)));
        let row_id = searched.await?.map(|(row_id, _)| row_id);
        shared.rows.insert(key, row_id);
        Ok(row_id)
    }

    /// A NAR, if a row with it stands in the view and the limits let that row through.
    pub(super) async fn limited_nar(
        &self,
        view: &View,
        limits: &PathLimits<'_>,
        nar_hash: NarHash,
    ) -> Result<Option<Nar>, DatabaseError> {
        let filter = self.filter(view, limits).await?;
        let view = view.clone();
        let found = self.shared.database.read(move |connection| {
            let Some((nar, rows)) = slices::rows_of_nar(connection, &nar_hash)? else {
                return Ok(None);
            };
            if nar.damaged {
                return Ok(None);
            }
            for (hash, holder) in rows {
                if view.rank(holder.flake_id).is_some()
                    && !filter.leaves_out(&hash)
                    && info_of(connection, hash, holder.row_id)?
                        .is_some_and(|info| filter.admits(&info))
                {
                    return Ok(Some(nar));
                }
            }
            Ok(None)
        });
        found.await
    }
}

/// What a row says of a path. None where its content was lost, and where the row is another path's by now.
pub(super) fn info_of(
    connection: &Connection,
    hash: StorePathHash,
    row_id: i64,
) -> Result<Option<PathInfo>, DatabaseError> {
    Ok(slices::served(connection, row_id, &hash)?.map(|served| served.info))
}

/// The row of a path that a view has, of those that are let through: that of the lowest rank, then the
/// oldest, whoever else disagrees with it.
pub(super) fn best_row(
    connection: &Connection,
    view: &View,
    hash: StorePathHash,
    admits: impl Fn(&PathInfo) -> bool,
) -> Result<Option<(i64, PathInfo)>, DatabaseError> {
    let holders = OfPath::new(connection, hash)?;
    // As a rule nobody disagrees, and the first one is it: the others are not even read.
    let Some(first) = search(view, &holders)? else {
        return Ok(None);
    };
    let look = |row_id| {
        let info = info_of(connection, hash, row_id)?;
        Ok::<_, DatabaseError>(info.filter(&admits).map(|info| (row_id, info)))
    };
    if let Some(found) = look(first)? {
        return Ok(Some(found));
    }
    let mut ranked: Vec<(u32, Holder)> = holders
        .oldest(i64::MIN, usize::MAX)?
        .into_iter()
        .filter(|holder| holder.row_id != first)
        .filter_map(|holder| view.rank(holder.flake_id).map(|rank| (rank, holder)))
        .collect();
    // Stable: of equal ranks the oldest stays first.
    ranked.sort_by_key(|(rank, _)| *rank);
    for (_, holder) in ranked {
        if let Some(found) = look(holder.row_id)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
