//! Sending what the threads make: several requests at a time, the parts of each NAR in order.
//!
//! A part goes out once its predecessor was handed to the connection: the server waits for parts in
//! order, so a part that overtakes would only wait there. Until it is answered, a request keeps its
//! body, which is what bounds how far the threads run ahead of the line.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use fh_api::{BatchAnswer, FlakeName, PartAnswer};
use futures_util::StreamExt;
use futures_util::future::{AbortHandle, abortable};
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::UnboundedReceiver;
use uuid::Uuid;

use super::batch::ReadyBatch;
use super::observer::{PushEvent, PushObserver, listener};
use super::report::{FailedPath, FailureKind, PushReport};
use super::shared::{Made, ReadyPart, Shared};
use crate::client::Client;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::http::UploadBody;

/// Requests under way at a time: enough to hide a round trip and the server's writing to disk.
const MOST_REQUESTS: usize = 8;

/// Requests that fail one after the other before the push is given up. Each has been tried again as
/// often as is allowed, so a server that is gone is not asked for every path that is left.
const MOST_FAILURES: usize = MOST_REQUESTS;

/// A request that has ended, or is on its way.
enum Ended {
    /// The part's NAR failed.
    Abandoned,
    /// The part's last byte was handed over.
    HandedOver { nar: usize, number: u64 },
    Batch {
        nars: Vec<usize>,
        volume: Volume,
        result: Result<BatchAnswer>,
    },
    Part {
        nar: usize,
        number: u64,
        volume: Volume,
        result: Result<PartAnswer>,
    },
}

/// How much a request carries.
#[derive(Clone, Copy)]
struct Volume {
    /// Bytes of NARs, before compression.
    nars: u64,
    /// Bytes of its body, as they go over the line.
    sent: u64,
}

type Running<'a> = Pin<Box<dyn Future<Output = Ended> + Send + 'a>>;

/// A request that may begin as soon as there is room for it.
enum Startable {
    Batch(ReadyBatch),
    Part(ReadyPart),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NarState {
    Open,
    /// The server cannot go on with its parts; a part that is still under way may say why.
    Conflict,
    Finished,
    Failed,
}

/// The parts of one NAR.
struct Parts {
    /// The part to go out next.
    next: u64,
    /// The part that is going out now, and must be handed over first.
    going_out: Option<u64>,
    ready: BTreeMap<u64, ReadyPart>,
    /// To call off those that are under way, by number.
    under_way: BTreeMap<u64, AbortHandle>,
    /// What the server said when it could not go on.
    conflict: Option<String>,
}

/// Sends what the threads make, to the end.
pub(super) struct Uploads<'a> {
    client: &'a Client,
    flake: &'a FlakeName,
    push: Uuid,
    shared: Arc<Shared>,
    observer: Arc<dyn PushObserver>,
    states: Vec<NarState>,
    parts: BTreeMap<usize, Parts>,
    startable: VecDeque<Startable>,
    running: FuturesUnordered<Running<'a>>,
    /// How many of `running` are requests.
    requests: usize,
    /// Requests that have failed since one succeeded.
    failures: usize,
    /// What becomes of the push; also why not everything was tried.
    report: &'a mut PushReport,
    /// Paths whose NAR has to be planned again, with the reason: the server had parts of it from an
    /// earlier push that were wrong and that it has now forgotten, or it lost the order of parts.
    again: Vec<FailedPath>,
}

impl<'a> Uploads<'a> {
    pub(super) fn new(
        client: &'a Client,
        flake: &'a FlakeName,
        push: Uuid,
        shared: Arc<Shared>,
        observer: Arc<dyn PushObserver>,
        report: &'a mut PushReport,
    ) -> Self {
        Self {
            states: vec![NarState::Open; shared.nars.len()],
            client,
            flake,
            push,
            shared,
            observer,
            parts: BTreeMap::new(),
            startable: VecDeque::new(),
            running: FuturesUnordered::new(),
            requests: 0,
            failures: 0,
            report,
            again: Vec::new(),
        }
    }

    /// Sends until nothing more is made and everything was answered, or it makes no sense any more. Gives back the
    /// paths that have to be planned again.
    pub(super) async fn run(
        mut self,
        mut made: UnboundedReceiver<Made>,
        deadline: Deadline,
    ) -> Result<Vec<FailedPath>> {
        let out_of_time = deadline.passed();
        tokio::pin!(out_of_time);
        let mut more = true;
        while self.report.stopped.is_none() {
            self.start();
            // What is left in `running` then only waits for bodies of requests that were answered
            // before they were read: the connection holds them as long as it likes.
            if !more && self.requests == 0 {
                break;
            }
            tokio::select! {
                biased;
                Some(ended) = self.running.next() => self.ended(ended),
                thing = made.recv(), if more => match thing {
                    Some(thing) => self.made(thing),
                    None => more = false,
                },
                error = &mut out_of_time => self.stop(error),
            }
        }
        if (0..self.states.len()).any(|nar| self.is_undecided(nar)) {
            let reason = "not everything that was to be sent was created";
            return Err(Error::Threads(std::io::Error::other(reason)));
        }
        Ok(self.again)
    }

    fn made(&mut self, made: Made) {
        match made {
            Made::Batch(batch) => self.startable.push_back(Startable::Batch(batch)),
            // It failed or was finished while its part was made.
            Made::Part(part) if self.states[part.nar] != NarState::Open => {}
            Made::Part(part) => {
                let nar = part.nar;
                let first = self.shared.nars[nar].parts_received;
                let parts = self.parts.entry(nar).or_insert_with(|| Parts {
                    next: first,
                    going_out: None,
                    ready: BTreeMap::new(),
                    under_way: BTreeMap::new(),
                    conflict: None,
                });
                parts.ready.insert(part.number, part);
                self.send_next_part(nar);
            }
            Made::Failed { nar, why } => self.fail(nar, why.kind, &why.reason),
        }
    }

    /// Lets the next part of a NAR go out, if it is there and its turn has come.
    fn send_next_part(&mut self, nar: usize) {
        let Some(parts) = self.parts.get_mut(&nar) else {
            return;
        };
        if parts.going_out.is_none()
            && let Some(part) = parts.ready.remove(&parts.next)
        {
            parts.going_out = Some(parts.next);
            parts.next += 1;
            self.startable.push_back(Startable::Part(part));
        }
    }

    fn start(&mut self) {
        while self.requests < MOST_REQUESTS
            && let Some(startable) = self.startable.pop_front()
        {
            match startable {
                Startable::Batch(batch) => self.start_batch(batch),
                Startable::Part(part) if self.states[part.nar] == NarState::Open => {
                    self.start_part(part);
                }
                // It failed or was finished while its part waited.
                Startable::Part(_) => {}
            }
        }
    }

    fn start_batch(&mut self, batch: ReadyBatch) {
        let (body, volume) = self.body(batch.pieces, batch.nar_bytes);
        let (client, flake, push) = (self.client, self.flake, self.push);
        let observer = Arc::clone(&self.observer);
        self.requests += 1;
        self.running.push(Box::pin(async move {
            let listen = listener(&*observer);
            Ended::Batch {
                nars: batch.nars,
                volume,
                result: client.upload_batch(flake, push, body, &listen).await,
            }
        }));
    }

    fn start_part(&mut self, part: ReadyPart) {
        let (body, volume) = self.body(part.pieces, part.nar_bytes);
        let (client, flake, push) = (self.client, self.flake, self.push);
        let observer = Arc::clone(&self.observer);
        let (nar, number) = (part.nar, part.number);
        let hash = self.shared.nars[nar].hash;
        let handed_over = body.handed_over();
        self.running.push(Box::pin(async move {
            handed_over.await;
            Ended::HandedOver { nar, number }
        }));
        let (request, handle) = abortable(async move {
            let listen = listener(&*observer);
            let sent = client.upload_part(flake, push, hash, number, body, &listen);
            Ended::Part {
                nar,
                number,
                volume,
                result: sent.await,
            }
        });
        if let Some(parts) = self.parts.get_mut(&nar) {
            parts.under_way.insert(number, handle);
        }
        self.requests += 1;
        self.running.push(Box::pin(async move {
            request.await.unwrap_or(Ended::Abandoned)
        }));
    }

    /// A body that tells the observer as it goes out, in bytes of both kinds.
    fn body(&self, pieces: Vec<bytes::Bytes>, nar_bytes: u64) -> (UploadBody, Volume) {
        let sent = pieces.iter().map(|piece| piece.len() as u64).sum();
        let volume = Volume {
            nars: nar_bytes,
            sent,
        };
        let length = sent.max(1);
        let observer = Arc::clone(&self.observer);
        let share = move |bytes: u64| {
            // At most nar_bytes, so the conversion back never fails.
            let share = u128::from(bytes) * u128::from(nar_bytes) / u128::from(length);
            u64::try_from(share).unwrap_or(nar_bytes)
        };
        let progress = move |before: u64, now: u64| {
            observer.event(&PushEvent::Sent {
                bytes: now - before,
                nar_bytes: share(now) - share(before),
            });
        };
        let body = UploadBody::with_progress(pieces, Some(Arc::new(progress)));
        (body, volume)
    }

    fn ended(&mut self, ended: Ended) {
        if !matches!(ended, Ended::HandedOver { .. }) {
            self.requests -= 1;
        }
        match ended {
            Ended::Abandoned => {}
            Ended::HandedOver { nar, number } => self.handed_over(nar, number),
            Ended::Batch {
                nars,
                volume,
                result,
            } => match result {
                Ok(answer) => {
                    self.taken(volume);
                    self.batch_answered(&nars, &answer);
                }
                Err(error) => self.request_failed(&nars, error),
            },
            Ended::Part {
                nar,
                number,
                volume,
                result,
            } => {
                if let Some(parts) = self.parts.get_mut(&nar) {
                    parts.under_way.remove(&number);
                }
                self.handed_over(nar, number);
                match result {
                    Ok(answer) => {
                        self.taken(volume);
                        self.part_answered(nar, number, &answer);
                    }
                    Err(error) if error.status() == Some(409) => self.conflict(nar, number, &error),
                    Err(error) => self.request_failed(&[nar], error),
                }
                self.resolve_conflict(nar);
            }
        }
    }

    fn taken(&mut self, volume: Volume) {
        self.report.sent_bytes += volume.sent;
        self.report.nar_bytes += volume.nars;
    }

    fn handed_over(&mut self, nar: usize, number: u64) {
        if let Some(parts) = self.parts.get_mut(&nar)
            && parts.going_out == Some(number)
        {
            parts.going_out = None;
            self.send_next_part(nar);
        }
    }

    fn batch_answered(&mut self, nars: &[usize], answer: &BatchAnswer) {
        let fits = answer.nars.len() == nars.len()
            && nars
                .iter()
                .zip(&answer.nars)
                .all(|(&nar, answer)| answer.nar_hash == self.shared.nars[nar].hash.to_base32());
        if !fits {
            let error = Error::InvalidAnswer {
                url: self.client.base_url().to_string(),
                reason: "it does not answer for the NARs of the batch, in order".to_owned(),
            };
            return self.request_failed(nars, error);
        }
        self.failures = 0;
        for (&nar, answer) in nars.iter().zip(&answer.nars) {
            match &answer.rejected {
                None => self.finish(nar),
                Some(rejection) => {
                    let reason = crate::text::safe_line(&rejection.message, 2000);
                    self.fail(nar, FailureKind::Refused, &reason);
                }
            }
        }
    }

    fn part_answered(&mut self, nar: usize, number: u64, answer: &PartAnswer) {
        self.failures = 0;
        if answer.complete {
            self.finish(nar);
        } else if number + 1 == self.shared.nars[nar].parts {
            let reason = format!(
                "the server has {} of its {} parts but does not report it as complete",
                answer.parts_received, self.shared.nars[nar].parts
            );
            self.fail(nar, FailureKind::Refused, &reason);
        }
    }

    /// A request failed for good: its NARs are named and the others go on, unless it is clear that
    /// they would fail as well.
    fn request_failed(&mut self, nars: &[usize], error: Error) {
        let concerns_content = matches!(error.status(), Some(400 | 413 | 422));
        // Where the NAR is done with, a late part of it has nothing to say.
        if !concerns_content && !nars.iter().any(|&nar| self.is_undecided(nar)) {
            return;
        }
        let reason = error.to_string();
        let kind = match error {
            Error::TooLargeForProxy { .. } => FailureKind::TooLarge,
            _ if concerns_content => FailureKind::Refused,
            _ => FailureKind::Unsent,
        };
        for &nar in nars {
            let resumed = self.shared.nars[nar].parts_received > 0;
            if resumed && error.status() == Some(422) {
                self.plan_again(nar, &reason);
            } else {
                self.fail(nar, kind, &reason);
            }
        }
        if !concerns_content {
            self.failures += 1;
            if self.failures >= MOST_FAILURES || concerns_all(&error) {
                self.stop(error);
            }
        }
    }

    /// Ends the push here; what is not decided has failed.
    fn stop(&mut self, error: Error) {
        self.shared.stop();
        self.startable.clear();
        self.running.clear();
        for nar in 0..self.states.len() {
            self.fail(
                nar,
                FailureKind::NotTried,
                "the push ended before it was sent",
            );
        }
        self.report.stopped = Some(error);
    }

    /// The server cannot go on with this part of a NAR. A part before it may have been refused, which
    /// is the reason; so those are waited for, and those after it are called off.
    fn conflict(&mut self, nar: usize, number: u64, error: &Error) {
        if self.states[nar] == NarState::Open {
            self.states[nar] = NarState::Conflict;
            self.shared.abandon(nar);
            if let Some(parts) = self.parts.get_mut(&nar) {
                parts.ready.clear();
                parts.conflict = Some(error.to_string());
                for (_, request) in parts.under_way.split_off(&number) {
                    request.abort();
                }
            }
        }
    }

    fn resolve_conflict(&mut self, nar: usize) {
        if self.states[nar] == NarState::Conflict
            && let Some(parts) = self.parts.get_mut(&nar)
            && parts.under_way.is_empty()
        {
            let reason = parts.conflict.take().unwrap_or_default();
            self.plan_again(nar, &reason);
        }
    }

    /// Leaves a NAR to the next round.
    fn plan_again(&mut self, nar: usize, reason: &str) {
        if self.is_undecided(nar) {
            self.give_up(nar);
            let paths = self.shared.nars[nar].paths.iter();
            self.again.extend(paths.map(|path| FailedPath {
                path: path.clone(),
                kind: FailureKind::Refused,
                reason: reason.to_owned(),
            }));
        }
    }

    fn is_undecided(&self, nar: usize) -> bool {
        matches!(self.states[nar], NarState::Open | NarState::Conflict)
    }

    fn finish(&mut self, nar: usize) {
        if !self.is_undecided(nar) {
            return;
        }
        self.states[nar] = NarState::Finished;
        self.shared.abandon(nar);
        // Parts under way are answered now too.
        if let Some(parts) = self.parts.get_mut(&nar) {
            parts.ready.clear();
        }
        let work = &self.shared.nars[nar];
        for path in &work.paths {
            self.report.uploaded += 1;
            self.observer.event(&PushEvent::PathFinished {
                path,
                nar_size: work.size,
            });
        }
    }

    /// Makes and sends nothing more of a NAR.
    fn give_up(&mut self, nar: usize) {
        self.states[nar] = NarState::Failed;
        self.shared.abandon(nar);
        if let Some(parts) = self.parts.remove(&nar) {
            // A part that waits at the server for one that will not come would wait for long.
            for request in parts.under_way.values() {
                request.abort();
            }
        }
    }

    fn fail(&mut self, nar: usize, kind: FailureKind, reason: &str) {
        if !self.is_undecided(nar) {
            return;
        }
        self.give_up(nar);
        for path in &self.shared.nars[nar].paths {
            let failed = FailedPath::told(&*self.observer, path, kind, reason);
            self.report.failed.push(failed);
        }
    }
}

/// Whether a refusal says nothing of the NAR but of who pushes, and so will meet every other one:
/// no right (any more), a push that the server has forgotten, an address that is another's.
fn concerns_all(error: &Error) -> bool {
    let refused = matches!(error.status(), Some(status) if (400..500).contains(&status) && !matches!(status, 408 | 429));
    refused || matches!(error, Error::Redirected { .. })
}
