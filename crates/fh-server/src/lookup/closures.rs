//! What a token for closures may read: a set of paths with their contents, fixed when the token is made.
//!
//! ```text
//! mint: roots ─▶ walk over the rows that the new token would be served, within what the minter reads
//!                 └▶ path → content, stored (one row for all tokens that have the same)
//! read: path ─▶ content ─▶ the best row of the present view with that very content
//! ```
//!
//! Invariants:
//! - nothing that is pushed, granted or published later adds to a set;
//! - the set of a token is within that of the token that asked for it;
//! - memory is bounded: of the sets themselves, which are read when they are needed, and while one is made.
//!
//! Tokens of before there were sets have theirs made at their first use, and those that they were derived from
//! before them.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use fh_access::{ClosureLimit, PathLimits, View};
use fh_auth::{PathSet, TokenScope};
use fh_nix::{PathInfo, PublicKey, StorePath, StorePathHash};
use fh_persistence::database::{DatabaseError, Decided, path_sets, tokens};
use fh_sql::Read;
use uuid::Uuid;

use super::Lookup;
use super::limited::{Filter, best_row, info_of};
use super::rows::row_in;
use super::sets::Cell;

/// The most paths of one token.
pub(crate) const MOST: usize = 200_000;

/// Paths of a token that are looked at to tell which organisations they come from.
const LOOKED_AT: usize = 1_000;

/// What a walk has found.
pub(crate) struct Walked {
    /// The paths with their contents, [`MOST`] at most.
    pub(crate) set: PathSet,
    /// There are no more.
    pub(crate) whole: bool,
}

impl Lookup {
    /// What may be read by a token that is to be made: the closures of these paths as it would be served
    /// them, within all that its minter reads.
    pub(crate) async fn closure(
        &self,
        minter: &View,
        scope: &TokenScope,
        roots: &[StorePath],
    ) -> Result<Walked, DatabaseError> {
        let within = match minter.limits() {
            Some(limits) => self.filter(minter, &limits).await?,
            None => self.no_filter(),
        };
        self.walk(minter, scope, roots, within).await
    }

    /// The set of a caller's token, if there is one: its id and what it holds.
    pub(crate) async fn path_set(
        &self,
        view: &View,
    ) -> Result<Option<(i64, Arc<PathSet>)>, DatabaseError> {
        let Some(limit) = view.limits().and_then(|limits| limits.closures) else {
            return Ok(None);
        };
        let id = match limit.path_set {
            Some(id) => Some(id),
            None => self.fix(view, limit).await?,
        };
        Ok(match id {
            Some(id) => Some((id, self.load(id).await?)),
            None => None,
        })
    }

    /// A set by its id; an empty one where no token has it any more.
    pub(crate) async fn load(&self, id: i64) -> Result<Arc<PathSet>, DatabaseError> {
        let cells = &self.shared.closures.cells;
        let cell = cells.get_with(id, Cell::default);
        if let Some(set) = cell.get() {
            return Ok(Arc::clone(set));
        }
        let load = || async {
            let found = self
                .shared
                .database
                .read(move |read| path_sets::get(read, id));
            Ok::<_, DatabaseError>(Arc::new(found.await?.unwrap_or_default()))
        };
        let set = Arc::clone(cell.get_or_try_init(load).await?);
        // Once more, now that its weight is known.
        cells.insert(id, cell);
        Ok(set)
    }

    /// The organisations from whose slices a token for closures is served its paths, internal ids: that of its
    /// first thousand paths by hash, which is to say of any thousand. None for all other tokens: what a key of
    /// elsewhere has signed cannot be listed.
    pub(crate) async fn closure_organizations(
        &self,
        view: &View,
    ) -> Result<Vec<i64>, DatabaseError> {
        let Some(limits) = view.limits().filter(|limits| limits.closures.is_some()) else {
            return Ok(Vec::new());
        };
        let filter = self.filter(view, &limits).await?;
        let view = view.clone();
        let organizations = self.shared.database.read(move |read| {
            let mut found = BTreeSet::new();
            let paths = filter.set.iter().flat_map(|set| set.entries());
            for (hash, _) in paths.take(LOOKED_AT) {
                let row = best_row(read, &view, hash, &filter.signatures, |info| {
                    filter.admits(info)
                })?;
                found.extend(row.map(|(_, served)| served.organization_id));
            }
            Ok(found.into_iter().collect())
        });
        organizations.await
    }

    /// Which rows the limits of a view let through.
    pub(super) async fn filter(
        &self,
        view: &View,
        limits: &PathLimits<'_>,
    ) -> Result<Filter, DatabaseError> {
        let set = match limits.closures {
            None => None,
            // Where the token is gone there is nothing to be read.
            Some(_) => Some(
                self.path_set(view)
                    .await?
                    .map(|(_, set)| set)
                    .unwrap_or_default(),
            ),
        };
        Ok(Filter {
            set,
            roots: limits.roots.into(),
            signed_by: limits.signed_by.map(Arc::from),
            ..self.no_filter()
        })
    }

    fn no_filter(&self) -> Filter {
        Filter {
            set: None,
            roots: Vec::new().into(),
            signed_by: None,
            signatures: self.shared.signatures.clone(),
        }
    }

    async fn walk(
        &self,
        view: &View,
        scope: &TokenScope,
        roots: &[StorePath],
        within: Filter,
    ) -> Result<Walked, DatabaseError> {
        let view = view.whole().with_scope(scope.clone());
        let keys: Option<Arc<[PublicKey]>> = scope.signed_by().map(Arc::from);
        let preferred = Filter {
            signed_by: keys,
            ..within.clone()
        };
        let roots = roots.to_vec();
        self.shared
            .database
            .read(move |read| walk(read, &view, &roots, &preferred, &within))
            .await
    }

    /// Makes the set of a token that has none yet, and those of its ancestors before: its id. None where the
    /// token is gone.
    async fn fix(&self, view: &View, limit: ClosureLimit) -> Result<Option<i64>, DatabaseError> {
        let Some(token) = limit.token else {
            return Ok(None);
        };
        let _one_at_a_time = self.shared.closures.fixing.lock().await;
        let chain = self
            .shared
            .database
            .read(move |read| tokens::chain_of_closures(read, token))
            .await?;
        let mut fixed = None;
        for token in chain {
            fixed = match token.path_set_id {
                Some(id) => Some(id),
                None => {
                    let mut within = self.no_filter();
                    if let Some(parent) = fixed {
                        within.set = Some(self.load(parent).await?);
                    }
                    let roots = token.scope.closures().unwrap_or_default().to_vec();
                    let walked = self.walk(view, &token.scope, &roots, within).await?;
                    self.fix_to(token.uuid, walked).await?
                }
            };
        }
        Ok(fixed)
    }

    async fn fix_to(&self, token: Uuid, walked: Walked) -> Result<Option<i64>, DatabaseError> {
        let (paths, whole) = (walked.set.len(), walked.whole);
        let fixed = self
            .shared
            .database
            .change_access(Decided::by_server().with_room(), move |change| {
                let id = path_sets::keep(change, &walked.set)?;
                tokens::fix_path_set(change, token, id)?;
                Ok::<_, DatabaseError>(tokens::find(change, token)?.and_then(|it| it.path_set_id))
            })
            .await?;
        tracing::info!(%token, paths, whole, "fixed what a token for closures reads");
        Ok(fixed)
    }
}

/// Every path that the roots refer to, directly or not, and they themselves, as the view has them: of the
/// rows that `within` lets through a preferred one, where there is one. What the view does not have leads
/// nowhere, and neither does what it has under another name than the one that is asked for.
fn walk(
    read: &Read,
    view: &View,
    roots: &[StorePath],
    preferred: &Filter,
    within: &Filter,
) -> Result<Walked, DatabaseError> {
    let mut seen: HashSet<StorePathHash> = HashSet::new();
    let mut unseen = roots.to_vec();
    unseen.retain(|root| seen.insert(root.hash()));
    let mut entries = Vec::new();
    while let Some(path) = unseen.pop() {
        let hash = path.hash();
        let mut found = None;
        if preferred.signed_by.is_some() {
            let admits = |info: &PathInfo| info.path == path && preferred.admits(info);
            found = best_row(read, view, hash, &within.signatures, admits)?
                .map(|(_, served)| served.info);
        }
        if found.is_none() {
            found = served_row(read, view, &path, within)?;
        }
        let Some(info) = found else {
            continue;
        };
        if entries.len() == MOST {
            let set = PathSet::new(entries);
            return Ok(Walked { set, whole: false });
        }
        // What is within another set is what stands there, of before or of now.
        let inherited = within.set.as_ref().and_then(|set| set.get(&hash));
        entries.push((hash, inherited.unwrap_or_else(|| info.named_fingerprint())));
        for reference in &info.references {
            if seen.insert(reference.hash()) {
                unseen.push(reference.clone());
            }
        }
    }
    Ok(Walked {
        set: PathSet::new(entries),
        whole: true,
    })
}

/// The row that a view has of a path of this name. Without limits, where slices disagree, that is the one that they
/// settle on, and none where they do not.
fn served_row(
    read: &Read,
    view: &View,
    path: &StorePath,
    within: &Filter,
) -> Result<Option<PathInfo>, DatabaseError> {
    let hash = path.hash();
    if within.set.is_some() || within.signed_by.is_some() {
        let admits = |info: &PathInfo| info.path == *path && within.admits(info);
        let best = best_row(read, view, hash, &within.signatures, admits)?;
        return Ok(best.map(|(_, served)| served.info));
    }
    let Some(row_id) = row_in(read, view, hash, &within.signatures)? else {
        return Ok(None);
    };
    let info = info_of(read, hash, row_id)?;
    Ok(info.filter(|info| info.path == *path))
}
