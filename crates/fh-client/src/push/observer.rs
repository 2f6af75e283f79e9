//! What a push tells while it runs.

use fh_api::CommitSummary;
use fh_nix::StorePath;

use crate::retry::RetryEvent;

/// Hears of a push's progress. Called from several threads, often; must be quick.
pub trait PushObserver: Send + Sync {
    /// Takes note of an event.
    fn event(&self, event: &PushEvent<'_>);
}

/// An observer that does not listen.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl PushObserver for NoObserver {
    fn event(&self, _event: &PushEvent<'_>) {}
}

/// What happened. Bytes are counted since the last event of the same kind.
#[derive(Debug)]
#[non_exhaustive]
pub enum PushEvent<'a> {
    /// The server said what is to be sent. First of all events but `Retrying`. A second time where the
    /// commit found that it was true no longer: then with what was to be sent before added.
    Planned(&'a PlanTotals),
    /// Bytes of NARs were read and hashed, those that the server has already among them.
    Read {
        /// How many, before compression.
        nar_bytes: u64,
    },
    /// Bytes of NARs were compressed.
    Compressed {
        /// How many they were.
        nar_bytes: u64,
        /// How many were made of them.
        bytes: u64,
    },
    /// Bytes were handed to the connection. Over a whole push, `nar_bytes` adds up to
    /// [`PlanTotals::upload_bytes`] (as far as no path fails): what progress is best measured by.
    /// A retry is not counted again.
    Sent {
        /// As they go over the line.
        bytes: u64,
        /// The share of uncompressed bytes that they stand for.
        nar_bytes: u64,
    },
    /// The server has a path's NAR, verified and on disk.
    PathFinished {
        /// The path in question.
        path: &'a StorePath,
        /// Bytes of its NAR, before compression.
        nar_size: u64,
    },
    /// A path will not be pushed, so nothing will be committed; the others go on.
    PathFailed {
        /// The path in question.
        path: &'a StorePath,
        /// Why, in one sentence.
        reason: &'a str,
    },
    /// A request failed and will be sent again.
    Retrying(&'a RetryEvent<'a>),
    /// The paths are in the slice.
    Committed(&'a CommitSummary),
}

/// What a plan comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanTotals {
    /// Paths to be pushed, whatever their status; context not among them.
    pub paths: u64,
    /// Of these: in the slice already.
    pub present: u64,
    /// Linked to what the caller can read elsewhere, without sending.
    pub linked: u64,
    /// Signed by a key of `skip_signed_by`, left out.
    pub upstream: u64,
    /// Sent before, by a push that was interrupted or by one that runs beside this one.
    pub received: u64,
    /// Of these: whose NAR is to be sent.
    pub upload: u64,
    /// Uncompressed bytes of all paths.
    pub nar_bytes: u64,
    /// NARs to be sent; fewer than `upload` where paths share one.
    pub upload_nars: u64,
    /// Uncompressed bytes to be sent.
    pub upload_bytes: u64,
    /// Uncompressed bytes of NARs to be sent whose parts the server has already.
    pub resumed_bytes: u64,
}

impl PlanTotals {
    /// What a push comes to whose plan was outdated at its commit, by a later plan. What was sent in between
    /// is no path that was there before.
    pub(super) fn change_to(&mut self, later: &Self) {
        self.present = self.present.max(later.present);
        self.linked = later.linked;
        self.upload += later.upload;
        self.upload_nars += later.upload_nars;
        self.upload_bytes += later.upload_bytes;
        self.resumed_bytes += later.resumed_bytes;
    }
}

/// Tells an observer of retries.
pub(crate) fn listener(observer: &dyn PushObserver) -> impl Fn(&RetryEvent<'_>) + Send + Sync + '_ {
    |event| observer.event(&PushEvent::Retrying(event))
}
