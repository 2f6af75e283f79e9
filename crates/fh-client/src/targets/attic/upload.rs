//! The uploads of a push: several at a time, in an order that never shows a path before what it needs.

use std::sync::Arc;

use fh_nix::PathInfo;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::Method;

use super::nar::NarUpload;
use super::order::Order;
use super::{CacheName, wire};
use crate::client::Client;
use crate::closure::Closure;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::http::{Content, Request, StreamSource};
use crate::push::{
    FailedPath, FailureKind, PushEvent, PushObserver, PushReport, Unusable, listener,
};

/// After so many failures of the server or the line, with no success between them, the rest is not
/// tried: each has been tried again and again already.
const MOST_FAILURES: usize = 3;

/// What the uploads work with.
pub(super) struct Uploads<'a> {
    pub(super) client: &'a Client,
    pub(super) cache: &'a CacheName,
    pub(super) closure: &'a Closure,
    pub(super) observer: &'a Arc<dyn PushObserver>,
    pub(super) at_once: usize,
    pub(super) deadline: Deadline,
}

/// What became of one upload.
enum Outcome {
    /// The server has it.
    There,
    /// It is not there; others may succeed.
    Failed(Unusable),
    /// Not even a retry got through; others will hardly succeed.
    Trouble(Error),
    /// Others would fail as well.
    End(Error),
}

impl Uploads<'_> {
    /// Uploads all of these; what fails goes into the report.
    pub(super) async fn run(&self, work: &[&PathInfo], report: &mut PushReport) {
        let mut order = Order::new(work);
        let mut under_way = FuturesUnordered::new();
        let mut failures = 0;
        let passed = self.deadline.passed();
        tokio::pin!(passed);
        loop {
            while under_way.len() < self.at_once
                && let Some(index) = order.next()
            {
                under_way.push(async move { (index, self.upload(work[index]).await) });
            }
            let (index, outcome) = tokio::select! {
                biased;
                next = under_way.next() => match next {
                    Some(next) => next,
                    None => return,
                },
                error = &mut passed => {
                    drop(under_way);
                    self.stop(work, order.abandon(), error, report);
                    return;
                }
            };
            let (why, end) = match outcome {
                Outcome::There => {
                    failures = 0;
                    order.finished(index);
                    self.finished(work[index], report);
                    continue;
                }
                Outcome::Failed(why) => (why, None),
                Outcome::Trouble(error) => {
                    failures += 1;
                    let why = unusable(FailureKind::Unsent, &error);
                    // What is under way may still get through.
                    (why, (failures >= MOST_FAILURES).then_some(error))
                }
                Outcome::End(error) => (unusable(FailureKind::Refused, &error), Some(error)),
            };
            self.fail(work, &mut order, index, &why, report);
            if let Some(error) = end
                && report.stopped.is_none()
            {
                self.stop(work, order.give_up(), error, report);
            }
        }
    }

    fn finished(&self, info: &PathInfo, report: &mut PushReport) {
        report.uploaded += 1;
        report.nar_bytes += info.nar_size;
        report.sent_bytes += info.nar_size;
        self.observer.event(&PushEvent::PathFinished {
            path: &info.path,
            nar_size: info.nar_size,
        });
    }

    /// Names these as not tried, and why.
    fn stop(&self, work: &[&PathInfo], paths: Vec<usize>, error: Error, report: &mut PushReport) {
        for index in paths {
            let reason = "the push ended before it was sent";
            self.tell(work[index], FailureKind::NotTried, reason, report);
        }
        report.stopped = Some(error);
    }

    /// Names a path as failed, and what refers to it as not tried.
    fn fail(
        &self,
        work: &[&PathInfo],
        order: &mut Order,
        index: usize,
        why: &Unusable,
        report: &mut PushReport,
    ) {
        self.tell(work[index], why.kind, &why.reason, report);
        let name = self.closure.store_dir.display(&work[index].path);
        let reason = format!("it was not sent, because it needs {name}, which failed");
        for withheld in order.failed(index) {
            self.tell(work[withheld], FailureKind::NotTried, &reason, report);
        }
    }

    fn tell(&self, info: &PathInfo, kind: FailureKind, reason: &str, report: &mut PushReport) {
        let failed = FailedPath::told(&**self.observer, &info.path, kind, reason);
        report.failed.push(failed);
    }

    async fn upload(&self, info: &PathInfo) -> Outcome {
        let description = match wire::describe(self.cache, info, &self.closure.store_dir) {
            Ok(description) => description,
            Err(error) => return Outcome::End(error),
        };
        let upload = Arc::new(NarUpload::new(
            description,
            self.closure.real_path(&info.path),
            info,
            Arc::clone(self.observer),
        ));
        let source: Arc<dyn StreamSource> = upload.clone();
        let content = Content::Stream(source);
        let request = Request::new(Method::PUT, "/_api/v1/upload-path", content);
        let listen = listener(&**self.observer);
        let answer = self.client.transport.send_telling(&request, &listen).await;
        if let Some(broken) = upload.broken() {
            return Outcome::Failed(broken);
        }
        match answer {
            // What the answer says beyond that is for the curious, and differs between servers.
            Ok(_) => {
                upload.finish();
                Outcome::There
            }
            Err(error) => judge(error),
        }
    }
}

/// What a failed request means for the paths after it.
fn judge(error: Error) -> Outcome {
    match error.status() {
        // The token, or the cache itself.
        Some(401 | 403 | 404) => Outcome::End(error),
        Some(status) if status >= 500 || status == 429 => Outcome::Trouble(error),
        Some(_) => Outcome::Failed(unusable(FailureKind::Refused, &error)),
        None => match error {
            Error::Redirected { .. } => Outcome::End(error),
            error => Outcome::Trouble(error),
        },
    }
}

fn unusable(kind: FailureKind, error: &Error) -> Unusable {
    let reason = error.to_string();
    Unusable { kind, reason }
}
