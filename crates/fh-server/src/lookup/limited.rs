//! Tokens that read certain paths only: closures of named paths, and what certain keys have signed.
//!
//! Both limits are decided here, on top of the view, for narinfos, listings and NARs alike. What a token for
//! closures may read was [fixed](super::closures) when it was made: a row is let through if its content and its
//! name are the very ones that stand there, whatever other slices say of the path.
//!
//! Build logs are not for such tokens: a derivation is no part of the closure of what it built.

use std::sync::Arc;

use fh_access::{PathLimits, View};
use fh_auth::PathSet;
use fh_nix::{NarHash, PathInfo, PublicKey, StorePath, StorePathHash};
use fh_persistence::database::DatabaseError;
use fh_persistence::database::nars::Nar;
use fh_persistence::database::slices::{self, Served};
use fh_sql::Read;

use super::Lookup;
use super::contested::winner_where;
use super::rows::row_in;
use crate::signatures::Signatures;

/// Which rows the limits of a token let through. Clones are cheap.
#[derive(Clone)]
pub(super) struct Filter {
    /// The paths and contents that alone are read; `None`: all.
    pub(super) set: Option<Arc<PathSet>>,
    /// Paths that have these very names.
    pub(super) roots: Arc<[StorePath]>,
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
        let mut named = self.roots.iter().filter(|root| root.hash() == hash);
        // Sets of before tell of the content alone.
        let holds = |set: &Arc<PathSet>| {
            set.holds(&hash, &info.named_fingerprint())
                || set.holds(&hash, &info.content_fingerprint())
        };
        named.all(|root| *root == info.path)
            && self.set.as_ref().is_none_or(holds)
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
        let searched = shared.database.read(move |read| {
            let admits = |info: &PathInfo| filter.admits(info);
            best_row(read, &view, hash, &filter.signatures, admits)
        });
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
        let found = self.shared.database.read(move |read| {
            let Some((nar, rows)) = slices::rows_of_nar(read, &nar_hash)? else {
                return Ok(None);
            };
            if nar.damaged {
                return Ok(None);
            }
            for (hash, holder) in rows {
                if view.rank(holder.flake_id).is_some()
                    && !filter.leaves_out(&hash)
                    && info_of(read, hash, holder.row_id)?.is_some_and(|info| filter.admits(&info))
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
    read: &Read,
    hash: StorePathHash,
    row_id: i64,
) -> Result<Option<PathInfo>, DatabaseError> {
    Ok(slices::served(read, row_id, &hash)?.map(|served| served.info))
}

/// The row of a path that a view has, of those that are let through: the one that it has without limits, where
/// that is one of them. Else the one that they would settle on, were they alone; and where they do not, the one that
/// counts for most.
pub(super) fn best_row(
    read: &Read,
    view: &View,
    hash: StorePathHash,
    signatures: &Signatures,
    admits: impl Fn(&PathInfo) -> bool,
) -> Result<Option<(i64, Served)>, DatabaseError> {
    let look = |row_id| {
        let served = slices::served(read, row_id, &hash)?;
        let served = served.filter(|served| admits(&served.info));
        Ok::<_, DatabaseError>(served.map(|served| (row_id, served)))
    };
    // As a rule this is it: the others are not even read.
    if let Some(row_id) = row_in(read, view, hash, signatures)?
        && let Some(found) = look(row_id)?
    {
        return Ok(Some(found));
    }
    let admitted = |row_id| Ok::<_, DatabaseError>(look(row_id)?.is_some());
    match winner_where(read, view, hash, signatures, admitted)? {
        Some(row_id) => look(row_id),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use fh_nix::StoreDir;

    use super::*;

    #[test]
    fn a_set_of_before_tells_of_the_content_and_one_of_now_of_the_name_as_well() {
        let path = |name: &str| -> StorePath {
            let path = format!("00000000000000000000000000000000-{name}");
            path.parse().unwrap()
        };
        let info = PathInfo {
            path: path("tool"),
            nar_hash: NarHash::of(b"tool"),
            nar_size: 4,
            references: Default::default(),
            deriver: None,
            signatures: Vec::new(),
            ca: None,
        };
        let renamed = PathInfo {
            path: path("nonsense"),
            ..info.clone()
        };
        let hash = info.path.hash();
        let filter = |fingerprint, roots: &[StorePath]| Filter {
            set: Some(Arc::new(PathSet::new([(hash, fingerprint)]))),
            roots: roots.into(),
            signed_by: None,
            signatures: Signatures::new(StoreDir::default()),
        };
        let now = filter(info.named_fingerprint(), &[]);
        assert!(now.admits(&info) && !now.admits(&renamed));
        let before = filter(info.content_fingerprint(), &[]);
        assert!(before.admits(&info) && before.admits(&renamed));
        let root = filter(info.content_fingerprint(), &[path("tool")]);
        assert!(root.admits(&info) && !root.admits(&renamed));
    }
}
