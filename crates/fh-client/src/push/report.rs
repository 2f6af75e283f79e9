//! What became of a push.

use std::collections::BTreeMap;
use std::time::Duration;

use fh_api::CommitSummary;
use fh_nix::StorePath;

use super::observer::{PlanTotals, PushEvent, PushObserver};
use crate::error::Error;

/// A path that was not pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedPath {
    /// The path in question.
    pub path: StorePath,
    /// What kind of failure.
    pub kind: FailureKind,
    /// Why, in one sentence.
    pub reason: String,
}

impl FailedPath {
    /// A path that failed, which the observer is told.
    pub(crate) fn told(
        observer: &dyn PushObserver,
        path: &StorePath,
        kind: FailureKind,
        reason: &str,
    ) -> Self {
        observer.event(&PushEvent::PathFailed { path, reason });
        Self {
            path: path.clone(),
            kind,
            reason: reason.to_owned(),
        }
    }
}

/// A path that would be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedPath {
    /// The path in question.
    pub path: StorePath,
    /// Uncompressed bytes of its NAR.
    pub nar_size: u64,
}

/// Why a path was not pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// Its files are not what Nix recorded of them; `nix-store --repair-path` may help.
    Corrupted,
    /// Its files cannot be read.
    Unreadable,
    /// The server does not take it.
    Refused,
    /// Something before the server does not let a request of its size through.
    TooLarge,
    /// Its upload failed, also when it was tried again.
    Unsent,
    /// The push ended before its turn came.
    NotTried,
}

/// What became of a push.
#[derive(Debug, Default)]
#[must_use = "a push may have failed paths"]
pub struct PushReport {
    /// What the plan came to.
    pub planned: PlanTotals,
    /// What the server says of the commit; none after a dry run and where a path failed.
    pub committed: Option<CommitSummary>,
    /// Paths whose NAR was uploaded by this push.
    pub uploaded: u64,
    /// Uncompressed bytes of the NARs uploaded, parts that the server had already left out.
    pub nar_bytes: u64,
    /// Compressed bytes uploaded, retries not counted.
    pub sent_bytes: u64,
    /// From the plan's request to the end.
    pub duration: Duration,
    /// Paths that were not pushed, by path. Where there is one, nothing was committed.
    pub failed: Vec<FailedPath>,
    /// Why the push ended before all was tried, or why what was sent could not be committed. Where
    /// there is something, nothing was committed, as far as is known.
    pub stopped: Option<Error>,
    /// Whether nothing was to be sent because it was only asked what would be.
    pub dry_run: bool,
    /// The build logs that went along.
    pub logs: LogReport,
    /// Paths of whose realisations Nix tells nothing, and why: whoever evaluates them builds them again. They are pushed
    /// all the same.
    pub unknown_realisations: BTreeMap<StorePath, String>,
    /// After a dry run, what would be sent, by path.
    pub would_send: Vec<PlannedPath>,
}

impl PushReport {
    /// Whether everything that was to be pushed is in the slice (or would be, in a dry run).
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.stopped.is_none()
    }

    /// Paths that needed no upload because the caller can read their content elsewhere.
    #[must_use]
    pub fn deduplicated(&self) -> u64 {
        self.planned.linked
    }
}

/// What became of the build logs of a push.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogReport {
    /// Derivations of the push that this machine has a log of.
    pub found: u64,
    /// Of these, those that the server had none of, which were to be sent.
    pub wanted: u64,
    /// Of the wanted, those that the server has taken.
    pub sent: u64,
    /// Of the sent, those whose middle was left out, because they were longer than the server takes.
    pub shortened: u64,
    /// Compressed bytes of the sent.
    pub sent_bytes: u64,
    /// Those that were not sent, by derivation. The push is whole without them.
    pub failed: Vec<FailedLog>,
}

/// A log that was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedLog {
    /// The derivation whose build it is of.
    pub derivation: StorePath,
    /// Why, in one sentence.
    pub reason: String,
}
