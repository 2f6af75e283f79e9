//! What can be chosen about a push to an fh server.

use std::num::NonZeroUsize;

use fh_nix::PublicKey;

use crate::closure::Realisations;
use crate::deadline::Deadline;
use crate::logs::LogDirectory;
use crate::retry::DEFAULT_RETRIES;

/// The compression level where nothing else is said: within 5 % of the size that the levels around
/// it reach, and faster than what a usual line takes.
pub const DEFAULT_COMPRESSION_LEVEL: i32 = 3;

/// The highest level that every reader of a cache can decompress with its default memory.
pub const MAX_COMPRESSION_LEVEL: i32 = 19;

/// What is chosen about a push.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// Threads that read, hash and compress.
    pub jobs: NonZeroUsize,
    /// The level of zstd, 1 to [`MAX_COMPRESSION_LEVEL`]. From about 10 on, each thread needs tens
    /// of megabytes beyond the usual bound.
    pub compression_level: i32,
    /// Paths that carry a valid signature of one of these keys are left out.
    pub skip_signed_by: Vec<PublicKey>,
    /// Ask what would be sent and send nothing.
    pub dry_run: bool,
    /// Attempts after the first, of every request.
    pub retries: u32,
    /// When the push is given up, wherever it is.
    pub deadline: Deadline,
    /// Where the build logs are that go along; none where none shall.
    pub logs: Option<LogDirectory>,
    /// Of which outputs of derivations the paths are, as far as that has to be told.
    pub realisations: Realisations,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self {
            jobs: default_jobs(),
            compression_level: DEFAULT_COMPRESSION_LEVEL,
            skip_signed_by: Vec::new(),
            dry_run: false,
            retries: DEFAULT_RETRIES,
            deadline: Deadline::default(),
            logs: None,
            realisations: Realisations::default(),
        }
    }
}

/// As many threads as there are cores, and not more than the memory bound has work for.
#[must_use]
pub fn default_jobs() -> NonZeroUsize {
    const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);
    std::thread::available_parallelism().map_or(NonZeroUsize::MIN, |cores| cores.min(MOST))
}
