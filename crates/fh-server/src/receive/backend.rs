//! What receiving NARs stands on.

use fh_persistence::database::Database;
use fh_persistence::storage::FileStorage;
use fh_persistence::tenure::Tenure;

use crate::lookup::Lookup;
use crate::telemetry::Metrics;

/// Where NARs are stored, noted, counted and looked up; clones share it.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) storage: FileStorage,
    pub(crate) database: Database,
    pub(crate) lookup: Lookup,
    pub(crate) metrics: Metrics,
    /// Where what outlives its request is done.
    pub(crate) tenure: Tenure,
}
