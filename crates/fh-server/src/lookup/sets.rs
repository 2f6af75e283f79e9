//! The sets of paths that tokens for closures read, as they are remembered.

use std::sync::Arc;
use std::time::Duration;

use fh_auth::PathSet;
use moka::sync::Cache;
use tokio::sync::{Mutex, OnceCell};

/// Paths in all sets that are remembered, some 50 bytes each.
const REMEMBERED: u64 = 1_000_000;

/// A set that nobody asked for is forgotten.
const IDLE: Duration = Duration::from_secs(600);

pub(super) type Cell = Arc<OnceCell<Arc<PathSet>>>;

/// The sets that are remembered, by their ids. None ever changes.
pub(super) struct Closures {
    pub(super) cells: Cache<i64, Cell>,
    /// Of tokens that have no set yet, one after the other.
    pub(super) fixing: Mutex<()>,
}

impl Closures {
    pub(super) fn new() -> Self {
        let weigh = |_: &i64, cell: &Cell| {
            let paths = cell.get().map_or(0, |set| set.len());
            u32::try_from(paths).unwrap_or(u32::MAX).saturating_add(4)
        };
        Self {
            cells: Cache::builder()
                .max_capacity(REMEMBERED)
                .weigher(weigh)
                .time_to_idle(IDLE)
                .build(),
            fixing: Mutex::new(()),
        }
    }
}
