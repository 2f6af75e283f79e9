//! Tokens that read certain paths only: closures of named paths, and what certain keys have signed.
//!
//! Both limits are decided here, on top of the view, for narinfos, listings and NARs alike. A closure is
//! walked once for each copy of the principal, over the rows that the view would serve, and kept as a set
//! of hashes. What is pushed later can only add to it, so a path that is not in the set is looked for
//! anew when something was committed since, and not more often than once a second.
//!
//! Build logs are not for such tokens: a derivation is no part of the closure of what it built.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fh_nix::{NarHash, PublicKey, StorePath, StorePathHash};
use moka::sync::Cache;
use rusqlite::Connection;
use tokio::sync::OnceCell;

use super::Lookup;
use super::holders::OfPath;
use super::search::{Holders as _, search};
use crate::access::{PathLimits, View, ViewIdentity};
use crate::database::DatabaseError;
use crate::database::nars::Nar;
use crate::database::slices::{self, Holder};
use crate::signatures::Signatures;

/// Paths in all closures that are remembered, some 50 bytes each.
const REMEMBERED: u64 = 1_000_000;

/// A closure that nobody asked for is forgotten.
const IDLE: Duration = Duration::from_secs(600);

/// A closure is not walked more often than this because something was pushed.
const WALK_AGAIN: Duration = Duration::from_secs(1);

/// The closure that a token may read, as it was at one moment.
pub(super) struct Closure {
    hashes: HashSet<StorePathHash>,
    /// How many commits there had been before it was walked.
    commits: u64,
    walked: Instant,
}

type Cell = Arc<OnceCell<Arc<Closure>>>;

/// The closures that are remembered, by the copy of the principal.
pub(super) struct Closures {
    cells: Cache<ViewIdentity, Cell>,
}

impl Closures {
    pub(super) fn new() -> Self {
        let weigh = |_: &ViewIdentity, cell: &Cell| {
            let paths = cell.get().map_or(0, |closure| closure.hashes.len());
            u32::try_from(paths).unwrap_or(u32::MAX).saturating_add(4)
        };
        Self {
            cells: Cache::builder()
                .max_capacity(REMEMBERED)
                .weigher(weigh)
                .time_to_idle(IDLE)
                .build(),
        }
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
        if !self.in_closure(view, limits, hash).await? {
            return Ok(None);
        }
        let Some(keys) = limits.signed_by else {
            return self.row_of_view(view, hash).await;
        };
        let shared = &self.shared;
        // The identity is of one token, and so of its keys; the serial number of what the slices hold, and
        // so of its signatures.
        let key = (view.identity(), self.path(hash).await?.serial);
        if let Some(row_id) = shared.rows.get(&key) {
            return Ok(row_id);
        }
        let (view, keys) = (view.clone(), keys.to_vec());
        let signatures = shared.signatures.clone();
        let searched = shared.database.read(move |connection| {
            let holders = OfPath::new(connection, hash)?.oldest(i64::MIN, usize::MAX)?;
            let mut ranked: Vec<(u32, Holder)> = holders
                .into_iter()
                .filter_map(|holder| view.rank(holder.flake_id).map(|rank| (rank, holder)))
                .collect();
            // Stable: of equal ranks the oldest stays first.
            ranked.sort_by_key(|(rank, _)| *rank);
            for (_, holder) in ranked {
                if is_signed(connection, &signatures, &keys, hash, holder)? {
                    return Ok(Some(holder.row_id));
                }
            }
            Ok(None)
        });
        let row_id = searched.await?;
        shared.rows.insert(key, row_id);
        Ok(row_id)
    }

    /// A NAR, if a path with it stands in the view and the limits let that path through.
    pub(super) async fn limited_nar(
        &self,
        view: &View,
        limits: &PathLimits<'_>,
        nar_hash: NarHash,
    ) -> Result<Option<Nar>, DatabaseError> {
        let found = self
            .shared
            .database
            .read(move |connection| slices::rows_of_nar(connection, &nar_hash))
            .await?;
        let Some((nar, rows)) = found.filter(|(nar, _)| !nar.damaged) else {
            return Ok(None);
        };
        for (hash, holder) in rows {
            if view.rank(holder.flake_id).is_none() || !self.in_closure(view, limits, hash).await? {
                continue;
            }
            let Some(keys) = limits.signed_by else {
                return Ok(Some(nar));
            };
            let (keys, signatures) = (keys.to_vec(), self.shared.signatures.clone());
            let signed = self
                .shared
                .database
                .read(move |connection| is_signed(connection, &signatures, &keys, hash, holder));
            if signed.await? {
                return Ok(Some(nar));
            }
        }
        Ok(None)
    }

    async fn in_closure(
        &self,
        view: &View,
        limits: &PathLimits<'_>,
        hash: StorePathHash,
    ) -> Result<bool, DatabaseError> {
        let Some(roots) = limits.closures else {
            return Ok(true);
        };
        let closure = self.closure(view, roots).await?;
        if closure.hashes.contains(&hash) {
            return Ok(true);
        }
        let outdated = closure.commits != self.shared.commits.load(Ordering::SeqCst)
            && closure.walked.elapsed() >= WALK_AGAIN;
        if !outdated {
            return Ok(false);
        }
        self.shared
            .closures
            .cells
            .invalidate(&view.whole().identity());
        Ok(self.closure(view, roots).await?.hashes.contains(&hash))
    }

    async fn closure(
        &self,
        view: &View,
        roots: &[StorePath],
    ) -> Result<Arc<Closure>, DatabaseError> {
        let view = view.whole();
        let identity = view.identity();
        let cell = self
            .shared
            .closures
            .cells
            .get_with(identity.clone(), Cell::default);
        if let Some(closure) = cell.get() {
            return Ok(Arc::clone(closure));
        }
        let closure = cell
            .get_or_try_init(|| async {
                let commits = self.shared.commits.load(Ordering::SeqCst);
                let (view, roots) = (view.clone(), roots.to_vec());
                let hashes = self
                    .shared
                    .database
                    .read(move |connection| walk(connection, &view, &roots));
                Ok::<_, DatabaseError>(Arc::new(Closure {
                    hashes: hashes.await?,
                    commits,
                    walked: Instant::now(),
                }))
            })
            .await?;
        let closure = Arc::clone(closure);
        // Once more, now that its weight is known.
        self.shared.closures.cells.insert(identity, cell);
        Ok(closure)
    }
}

/// Whether what a row says is signed with one of these keys.
fn is_signed(
    connection: &Connection,
    signatures: &Signatures,
    keys: &[PublicKey],
    hash: StorePathHash,
    holder: Holder,
) -> Result<bool, DatabaseError> {
    let served = slices::served(connection, holder.row_id, &hash)?;
    Ok(served.is_some_and(|served| signatures.signed(&served.info, keys)))
}

/// Every path that the roots refer to, directly or not, and they themselves, as the view has them.
fn walk(
    connection: &Connection,
    view: &View,
    roots: &[StorePath],
) -> Result<HashSet<StorePathHash>, DatabaseError> {
    let mut hashes: HashSet<StorePathHash> = roots.iter().map(StorePath::hash).collect();
    let mut unseen: Vec<StorePathHash> = hashes.iter().copied().collect();
    while let Some(hash) = unseen.pop() {
        // What the view does not hold is not read, and leads nowhere.
        let Some(row_id) = search(view, &OfPath::new(connection, hash)?)? else {
            continue;
        };
        for reference in slices::references(connection, row_id)? {
            let reference = reference.hash();
            if hashes.insert(reference) {
                unseen.push(reference);
            }
        }
    }
    Ok(hashes)
}
