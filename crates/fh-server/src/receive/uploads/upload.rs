//! One upload in parts, and when something happened to it last.

use std::sync::Arc;
use std::time::Duration;

use fh_persistence::storage::{StorageError, UploadKey};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::partial::PartialNar;
use super::super::verify::Expected;

/// In memory as long as somebody works on it.
pub(super) struct Upload {
    pub(super) key: UploadKey,
    pub(super) expected: Expected,
    pub(super) state: Arc<tokio::sync::Mutex<State>>,
    pub(super) progress: watch::Sender<Progress>,
    activity: Mutex<Activity>,
}

/// When something happened to an upload. Progress has two ends: bytes that come from the client, and
/// what the server does with them. As long as the server is at work, nobody has waited too long.
struct Activity {
    last: Instant,
    /// Steps that the server is at right now.
    steps: usize,
}

/// A step of the server, from here to its drop.
#[must_use]
pub(super) struct Step<'a>(&'a Upload);

impl Drop for Step<'_> {
    fn drop(&mut self) {
        let mut activity = self.0.activity.lock();
        activity.steps -= 1;
        activity.last = Instant::now();
    }
}

/// What whoever works on it has.
#[derive(Default)]
pub(super) struct State {
    /// Absent until the staging area was asked.
    pub(super) partial: Option<PartialNar>,
    /// Writes to disk what was accepted, while more comes in.
    pub(super) flushing: Option<JoinHandle<Result<(), StorageError>>>,
}

/// How far an upload has come, for those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// The staging area was asked: the rest is known.
    pub(super) known: bool,
    /// Parts received and checked.
    pub(super) parts: u64,
    /// All of it is an object, and it is recorded who sent it.
    pub(super) complete: bool,
    /// Grows when all parts were thrown away.
    pub(super) attempt: u64,
}

impl Upload {
    /// One of which nothing is known yet.
    pub(super) fn new(key: UploadKey, expected: Expected) -> Self {
        Self {
            key,
            expected,
            state: Arc::default(),
            progress: watch::Sender::default(),
            activity: Mutex::new(Activity {
                last: Instant::now(),
                steps: 0,
            }),
        }
    }

    /// Now, while the server is at work.
    pub(super) fn active_at(&self) -> Instant {
        let activity = self.activity.lock();
        if activity.steps > 0 {
            Instant::now()
        } else {
            activity.last
        }
    }

    pub(super) fn touch(&self) {
        self.activity.lock().last = Instant::now();
    }

    /// Begins a step of the server.
    pub(super) fn step(&self) -> Step<'_> {
        self.activity.lock().steps += 1;
        Step(self)
    }

    /// Ends when nothing has happened to the upload for so long.
    pub(super) async fn idle(&self, stall: Duration) {
        loop {
            let end = self.active_at() + stall;
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }
}
