//! What the steps of a push use.

use std::sync::Arc;
use std::time::Duration;

use fh_api::PushLimits;
use fh_nix::StoreDir;
use fh_persistence::database::Database;
use moka::sync::Cache;
use uuid::Uuid;

use crate::lookup::Lookup;
use crate::receive::{OpenPush, Receiving};
use crate::signatures::Signatures;
use crate::telemetry::Metrics;

/// Memory for open pushes, in NARs, of some 150 bytes each. What does not fit is read again.
const REMEMBERED_NARS: u64 = 100_000;

/// What planning, verifying and committing use.
pub(super) struct Parts {
    pub(super) database: Database,
    pub(super) lookup: Lookup,
    pub(super) receiving: Receiving,
    pub(super) metrics: Metrics,
    pub(super) signatures: Signatures,
    pub(super) store_dir: StoreDir,
    /// What the server takes.
    pub(super) limits: PushLimits,
    /// How long a push lasts in which nothing happens.
    pub(super) upload_lifetime: Duration,
    pub(super) open: OpenPushes,
}

/// The pushes that uploads came for lately.
pub(super) struct OpenPushes(Cache<Uuid, Arc<OpenPush>>);

impl OpenPushes {
    /// With none; those that nobody asks for in the time are forgotten.
    pub(super) fn new(lifetime: Duration) -> Self {
        let cache = Cache::builder()
            .max_capacity(REMEMBERED_NARS)
            .weigher(|_, push: &Arc<OpenPush>| {
                u32::try_from(push.weight()).unwrap_or(u32::MAX).max(1)
            })
            .time_to_idle(lifetime)
            .build();
        Self(cache)
    }

    pub(super) fn get(&self, id: &Uuid) -> Option<Arc<OpenPush>> {
        self.0.get(id)
    }

    pub(super) fn insert(&self, push: Arc<OpenPush>) {
        self.0.insert(push.id, push);
    }

    pub(super) fn forget(&self, id: &Uuid) {
        self.0.invalidate(id);
    }
}
