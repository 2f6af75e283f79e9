//! The push engine.
//!
//! ```text
//! plan ── what is to be sent ─► threads: read, hash, compress ─► uploads ─► commit
//!                                  ▲                                │
//!                                  └── memory, when answered ◄──────┘
//! ```
//!
//! One request for the plan, one for the commit, and between them few and large ones, several at a
//! time. Invariants: memory is bounded by the blocks of `memory`, whatever the closure's size and
//! however slow the line; nothing that does not match what Nix recorded becomes complete on the
//! server; nothing is committed unless every path is there; a push that ends early, by an error or
//! by dropping its future, leaves what the server has received for the next one.

mod batch;
mod compress;
mod logs;
mod memory;
mod nar;
mod observer;
mod options;
mod plan;
mod report;
mod schedule;
mod shared;
mod threads;
mod upload;
mod work;

use std::sync::Arc;
use std::time::Instant;

use fh_api::{CommitSummary, FlakeName, PushPlan, PushRequest};

use crate::client::Client;
use crate::closure::Closure;
use crate::error::{Error, Result};

pub use compress::{CompressError, Compressor, frame_bound};
pub(crate) use nar::{CheckedNar, Unusable};
pub(crate) use observer::listener;
pub use observer::{NoObserver, PlanTotals, PushEvent, PushObserver};
pub use options::{DEFAULT_COMPRESSION_LEVEL, MAX_COMPRESSION_LEVEL, PushOptions, default_jobs};
use plan::begun;
pub use report::{FailedLog, FailedPath, FailureKind, LogReport, PlannedPath, PushReport};

/// Plans of one push at most: further ones where the server lost track of the parts of a NAR. One more where
/// what a plan has said was true no longer at the commit.
const ROUNDS: usize = 3;

/// Pushes a closure: one plan, the uploads, one commit.
///
/// Paths that could not be read, that the server refused or whose upload kept failing are in
/// [`PushReport::failed`], while the others go on; where it makes no sense to go on, because the
/// server is gone or the time is over, [`PushReport::stopped`] says why. Then nothing was committed,
/// and what was uploaded is kept for the next push. Dropping the future stops the push the same way.
///
/// # Errors
///
/// Before anything was sent, those of a request and [`Error::OutOfTime`]; [`Error::InvalidPlan`];
/// [`Error::Threads`]; [`Error::CompressionLevel`]; [`Error::NothingGiven`].
pub async fn push(
    client: &Client,
    flake: &FlakeName,
    closure: &Closure,
    options: &PushOptions,
    observer: Arc<dyn PushObserver>,
) -> Result<PushReport> {
    if !(1..=MAX_COMPRESSION_LEVEL).contains(&options.compression_level) {
        return Err(Error::CompressionLevel {
            given: options.compression_level,
            max: MAX_COMPRESSION_LEVEL,
        });
    }
    if closure.pushed().next().is_none() {
        return Err(Error::NothingGiven);
    }
    let push = Push {
        client: client.with_retries(options.retries),
        flake,
        closure,
        options,
        observer,
    };
    push.run().await
}

/// A push under way: what it works with.
struct Push<'a> {
    client: Client,
    flake: &'a FlakeName,
    closure: &'a Closure,
    options: &'a PushOptions,
    observer: Arc<dyn PushObserver>,
}

/// The paths of these NARs, by path.
fn planned_paths(nars: &[plan::NarWork]) -> Vec<PlannedPath> {
    let paths_of = |nar: &plan::NarWork| {
        let nar_size = nar.size;
        let planned = move |path| PlannedPath { path, nar_size };
        nar.paths.clone().into_iter().map(planned)
    };
    let mut paths: Vec<PlannedPath> = nars.iter().flat_map(paths_of).collect();
    paths.sort_by(|a, b| a.path.cmp(&b.path));
    paths
}

impl Push<'_> {
    async fn run(&self) -> Result<PushReport> {
        let begin = Instant::now();
        let dry_run = self.options.dry_run;
        let mut request = plan::request(self.closure, self.options);
        let logs = logs::Logs::of(self.closure, self.options.logs.as_ref()).await;
        request.logs = logs.names();
        let mut report = PushReport {
            dry_run,
            unknown_realisations: self.options.realisations.unknown.clone(),
            ..PushReport::default()
        };
        let mut again = Vec::new();
        let (mut round, mut last) = (0, ROUNDS);
        // Whether a commit has found the last plan outdated; and whether any has.
        let (mut outdated, mut planned_anew) = (false, false);
        while round < last {
            round += 1;
            let plan = match self.options.deadline.hold(self.plan(&request)).await {
                Ok(plan) => plan,
                Err(error) if round == 1 => return Err(error),
                Err(error) => {
                    self.tell_failed(&again);
                    report.failed.append(&mut again);
                    report.stopped = Some(error);
                    break;
                }
            };
            let work = plan::work(self.closure, &plan)?;
            if round == 1 {
                report.planned = work.totals;
                self.observer.event(&PushEvent::Planned(&work.totals));
            } else if std::mem::take(&mut outdated) {
                report.planned.change_to(&work.totals);
                self.observer.event(&PushEvent::Planned(&report.planned));
            }
            for (path, reason) in work.refused {
                if report.failed.iter().any(|failed| failed.path == path) {
                    continue;
                }
                let kind = FailureKind::Refused;
                let failed = FailedPath::told(&*self.observer, &path, kind, &reason);
                report.failed.push(failed);
            }
            if dry_run {
                report.logs.found = logs.count();
                report.logs.wanted = plan.logs.len() as u64;
                report.would_send = planned_paths(&work.nars);
                break;
            }
            // What failed before fails again; the rest is worth sending, for the push after this.
            let mut nars = work.nars;
            nars.retain(|nar| !report.failed.iter().any(|f| nar.paths.contains(&f.path)));
            let (uploaded, sent) = tokio::join!(
                self.upload(&plan, nars, &mut report),
                self.send_logs(&plan, &logs),
            );
            again = uploaded?;
            let sent = sent?;
            // A commit whose answer was lost has taken those of the round before.
            if round == 1 || sent.wanted > 0 {
                report.logs = sent;
            }
            if !again.is_empty() && round < last && report.stopped.is_none() {
                tracing::debug!(paths = again.len(), "planning again");
                continue;
            }
            self.tell_failed(&again);
            report.failed.append(&mut again);
            if report.is_complete() {
                match self.options.deadline.hold(self.commit(&plan)).await {
                    Ok(summary) => {
                        self.observer.event(&PushEvent::Committed(&summary));
                        report.committed = Some(summary);
                    }
                    // What a path was to be linked to was removed after the plan, or the push expired; or an
                    // attempt whose answer was lost has done it. A plan tells, and then sends what is missing
                    // or finds all of it there. Once: who is told so again would be told so for ever.
                    Err(error) if is_outdated(&error) && !planned_anew => {
                        tracing::debug!(%error, "planning again");
                        (planned_anew, outdated) = (true, true);
                        last = round + ROUNDS;
                        continue;
                    }
                    Err(error) => report.stopped = Some(error),
                }
            }
            break;
        }
        report.failed.sort_by(|a, b| a.path.cmp(&b.path));
        report.duration = begin.elapsed();
        Ok(report)
    }

    async fn plan(&self, request: &PushRequest) -> Result<PushPlan> {
        let listen = listener(&*self.observer);
        self.client.plan_push(self.flake, request, &listen).await
    }

    /// Makes and sends the NARs; gives back the paths that have to be planned again.
    async fn upload(
        &self,
        plan: &PushPlan,
        nars: Vec<plan::NarWork>,
        report: &mut PushReport,
    ) -> Result<Vec<FailedPath>> {
        if nars.is_empty() {
            return Ok(Vec::new());
        }
        let push = begun(plan)?;
        let (sender, made) = tokio::sync::mpsc::unbounded_channel();
        let workers = threads::Workers::start(
            nars,
            plan.limits,
            self.options.jobs.get(),
            self.options.compression_level,
            Arc::clone(&self.observer),
            &sender,
        )?;
        // The threads hold the other senders: when they end, the channel closes.
        drop(sender);
        let again = upload::Uploads::new(
            &self.client,
            self.flake,
            push,
            Arc::clone(&workers.shared),
            Arc::clone(&self.observer),
            report,
        )
        .run(made, self.options.deadline)
        .await?;
        if report.stopped.is_none() {
            workers.join()?;
        }
        Ok(again)
    }

    /// Sends the build logs that are wanted. Where the time is over the uploads say so, or nothing else
    /// was to be sent.
    async fn send_logs(&self, plan: &PushPlan, logs: &logs::Logs) -> Result<LogReport> {
        let sent = logs::send(&self.client, self.flake, plan, logs, &self.observer);
        match self.options.deadline.hold(sent).await {
            Err(error @ Error::OutOfTime { .. }) => Ok(logs.unsent(plan, &error)),
            sent => sent,
        }
    }

    fn tell_failed(&self, failed: &[FailedPath]) {
        for failed in failed {
            self.observer.event(&PushEvent::PathFailed {
                path: &failed.path,
                reason: &failed.reason,
            });
        }
    }

    async fn commit(&self, plan: &PushPlan) -> Result<CommitSummary> {
        if let Some(committed) = plan.committed {
            return Ok(committed);
        }
        let push = begun(plan)?;
        let listen = listener(&*self.observer);
        self.client.commit_push(self.flake, push, &listen).await
    }
}

/// Whether a commit was refused because its plan is not true any more: the push is gone, or a path has no
/// content.
fn is_outdated(error: &Error) -> bool {
    matches!(error.status(), Some(404 | 409))
}
