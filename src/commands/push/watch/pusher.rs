//! Pushing what is built, in batches, while more is being built.
//!
//! Invariants: one push at a time; what comes while it runs is the next; a path that failed is tried
//! again with the next batch, and once more when nothing comes any more; what was not pushed in the
//! end is known by name.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fh_client::push::{FailedPath, FailureKind, NoObserver, PushObserver};
use fh_client::targets::PushTarget;
use fh_client::{Error as ClientError, NixTools, PushReport};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, timeout_at};

use super::super::destination::{Destination, Manner, Opened};
use super::super::report::lost_realisations;
use crate::error::CommandError;

/// A batch begins when nothing has come for so long …
const QUIET: Duration = Duration::from_millis(300);

/// … or when the first of it has waited for so long.
const LONGEST_GATHERING: Duration = Duration::from_secs(3);

/// Before what failed is tried again, while the command runs.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// What has come of it so far.
#[derive(Debug, Default, Clone)]
pub(super) struct Outcome {
    /// What was built, as far as it is there now.
    pub(super) pushed: BTreeSet<String>,
    /// What was built and is not pushed yet, or will not be.
    pub(super) missing: BTreeSet<String>,
    /// Paths sent, what the built ones need among them, and their uncompressed bytes.
    pub(super) sent: u64,
    pub(super) sent_bytes: u64,
    /// What was built, as the hook has named it, of which it is not known what it is; and why.
    pub(super) unknown: BTreeMap<String, String>,
    /// Bytes that went over the line.
    pub(super) line_bytes: u64,
    /// What failed in the last try, by its path, and why.
    pub(super) failed: BTreeMap<String, (FailureKind, String)>,
    /// Why the last try failed.
    pub(super) failure: Option<String>,
}

/// Pushes what it is told of.
pub(super) struct Pusher {
    pub(super) destination: Destination,
    pub(super) manner: Manner,
    pub(super) tools: NixTools,
    pub(super) target: PushTarget,
    pub(super) outcome: Arc<Mutex<Outcome>>,
    /// Hears what people ought to know.
    pub(super) remark: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Pusher {
    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        lock(&self.outcome)
    }

    /// Pushes until the channel is closed and all was tried.
    /// `opened`: where the destination was asked already.
    pub(super) async fn run(
        self,
        mut built: UnboundedReceiver<String>,
        mut opened: Option<Opened>,
    ) {
        let mut open_ended = true;
        let mut told = false;
        loop {
            if self.outcome().missing.is_empty() {
                match built.recv().await {
                    Some(path) => self.add(path),
                    None => return,
                }
            }
            if open_ended {
                open_ended = self.gather(&mut built).await;
            }
            let batch = self.outcome().missing.clone();
            let failure = match self.batch(batch, &mut opened).await {
                Ok(()) => continue,
                Err(error) => error.sentence(),
            };
            if !open_ended {
                self.outcome().failure = Some(failure);
                return;
            }
            if !told {
                told = true;
                (self.remark)(&format!("Pushing failed, and is tried again: {failure}"));
            }
            open_ended = self.wait(&mut built).await;
        }
    }

    fn add(&self, path: String) {
        let mut outcome = self.outcome();
        if !outcome.pushed.contains(&path) {
            outcome.missing.insert(path);
        }
    }

    /// Takes what comes until it comes no more; false where nothing ever will.
    async fn gather(&self, built: &mut UnboundedReceiver<String>) -> bool {
        let end = Instant::now() + LONGEST_GATHERING;
        loop {
            let quiet = Instant::now() + QUIET;
            match timeout_at(quiet.min(end), built.recv()).await {
                Ok(Some(path)) => self.add(path),
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    }

    /// Waits before the next try, and takes what comes; false where nothing will come any more.
    async fn wait(&self, built: &mut UnboundedReceiver<String>) -> bool {
        let end = sleep(AFTER_FAILURE);
        tokio::pin!(end);
        loop {
            tokio::select! {
                path = built.recv() => match path {
                    Some(path) => self.add(path),
                    None => return false,
                },
                () = &mut end => return true,
            }
        }
    }

    /// Pushes the closure of these; what is there then is no longer missing.
    async fn batch(
        &self,
        mut batch: BTreeSet<String>,
        opened: &mut Option<Opened>,
    ) -> Result<(), CommandError> {
        self.outcome().failed.clear();
        let closure = loop {
            if batch.is_empty() {
                return Ok(());
            }
            let named: Vec<OsString> = batch.iter().map(OsString::from).collect();
            match self.tools.closure(&named, true).await {
                Ok(closure) => break closure,
                // Removed again: there is nothing to push.
                Err(ClientError::InvalidPaths { paths })
                    if paths.iter().any(|path| batch.contains(path)) =>
                {
                    for path in paths {
                        batch.remove(&path);
                        self.outcome().missing.remove(&path);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        };
        let ready = match opened {
            Some(ready) => ready,
            None => {
                let destination = self.destination.clone();
                let remark = |text: &str| (self.remark)(text);
                let silent: Arc<dyn PushObserver> = Arc::new(NoObserver);
                opened.insert(destination.open(&silent, remark).await?)
            }
        };
        let report = ready
            .push(&closure, &self.manner, &self.tools, Arc::new(NoObserver))
            .await
            .map_err(|error| ready.explain(error, &self.target))?;
        self.count(&batch, &report, ready.is_atomic(), &closure.store_dir);
        // Of what these need was told when it was pushed itself.
        let mut unknown = report.unknown_realisations.clone();
        unknown.retain(|path, _| batch.contains(&closure.store_dir.display(path)));
        if let Some(warning) = lost_realisations(&unknown, &closure.store_dir) {
            (self.remark)(&warning);
        }
        if report.is_complete() {
            return Ok(());
        }
        Err(explain(report))
    }

    fn count(
        &self,
        batch: &BTreeSet<String>,
        report: &PushReport,
        atomic: bool,
        store_dir: &fh_nix::StoreDir,
    ) {
        let failed: BTreeMap<String, (FailureKind, String)> = report
            .failed
            .iter()
            .map(|failed| {
                let why = (failed.kind, failed.reason.clone());
                (store_dir.display(&failed.path), why)
            })
            .collect();
        let mut outcome = self.outcome();
        outcome.line_bytes += report.sent_bytes;
        outcome.failed.clone_from(&failed);
        outcome.sent += report.uploaded;
        outcome.sent_bytes += report.nar_bytes;
        if atomic && !report.is_complete() {
            return;
        }
        for path in batch.iter().filter(|path| !failed.contains_key(*path)) {
            outcome.missing.remove(path);
            outcome.pushed.insert(path.clone());
        }
    }
}

pub(super) fn lock(outcome: &Mutex<Outcome>) -> MutexGuard<'_, Outcome> {
    outcome.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a push is not complete: what stopped it, or what is wrong with the first path.
fn explain(report: PushReport) -> CommandError {
    let first = report
        .failed
        .first()
        .map(|FailedPath { path, reason, .. }| format!("{path}: {reason}"));
    match (report.stopped, first) {
        (Some(error), _) => error.into(),
        (None, first) => CommandError::failed(first.unwrap_or_default()),
    }
}
