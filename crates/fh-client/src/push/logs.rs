//! The build logs that a push brings along.
//!
//! They go out beside the NARs, in batches of their own: the plan asks about them, the commit makes them
//! visible, so that they cost no round trip that the push waits for. Where the plan has committed
//! already they are all that is sent.
//!
//! Invariants: what is not wanted is not read; a log that cannot be read or is refused is named in the
//! report, and the push goes on: builds are not worth less without their logs.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use fh_api::{
    BatchAnswer, FlakeName, LOG_RECORD, LogAnswer, NAR_BATCH_RECORD_HEADER, PushPlan, with_causes,
};
use fh_nix::{NarHash, StorePath};
use uuid::Uuid;

use super::compress::record_header;
use super::observer::{PushObserver, listener};
use super::plan::begun;
use super::report::{FailedLog, LogReport};
use crate::client::Client;
use crate::closure::Closure;
use crate::error::{Error, Result};
use crate::http::UploadBody;
use crate::logs::{LogDirectory, LogFile};
use crate::text::safe_line;

/// How hard a log is compressed: text is small at any level.
const LEVEL: i32 = 3;

/// Compressed bytes from which on a batch is sent.
const TARGET: u64 = 1024 * 1024;

/// Logs that are longer are not asked for, whatever a server says: one is in memory as a whole.
const LONGEST: u64 = 64 * 1024 * 1024;

/// The logs that this machine has of a closure.
#[derive(Debug, Default)]
pub(super) struct Logs {
    files: BTreeMap<StorePath, LogFile>,
}

impl Logs {
    /// Looks for the logs of the paths that are to be pushed.
    pub(super) async fn of(closure: &Closure, directory: Option<&LogDirectory>) -> Self {
        let Some(directory) = directory.cloned() else {
            return Self::default();
        };
        let mut derivers: Vec<StorePath> = closure
            .pushed()
            .filter_map(|info| info.deriver.clone())
            .filter(StorePath::is_derivation)
            .collect();
        derivers.sort_unstable();
        derivers.dedup();
        let found = tokio::task::spawn_blocking(move || {
            let with_log = |derivation: StorePath| {
                let file = directory.find(&derivation)?;
                Some((derivation, file))
            };
            derivers.into_iter().filter_map(with_log).collect()
        });
        match found.await {
            Ok(files) => Self { files },
            // Only a panic ends it, and a push is none the worse without logs.
            Err(error) => {
                tracing::warn!(%error, "build logs could not be looked for");
                Self::default()
            }
        }
    }

    /// As the plan's request names them.
    pub(super) fn names(&self) -> Vec<String> {
        self.files.keys().map(ToString::to_string).collect()
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.files.len() as u64
    }

    /// The report where the time was over before all were sent.
    pub(super) fn unsent(&self, plan: &PushPlan, error: &Error) -> LogReport {
        let unsent = |name: &String| {
            Some(FailedLog {
                derivation: self.offered(name)?.0,
                reason: error.to_string(),
            })
        };
        LogReport {
            found: self.count(),
            wanted: plan.logs.len() as u64,
            failed: plan.logs.iter().filter_map(unsent).collect(),
            ..LogReport::default()
        }
    }

    /// Those that the server wants.
    ///
    /// # Errors
    ///
    /// Where it wants one that was not offered.
    fn wanted(&self, plan: &PushPlan) -> Result<Vec<(StorePath, LogFile)>> {
        plan.logs
            .iter()
            .map(|name| {
                self.offered(name).ok_or_else(|| Error::InvalidPlan {
                    reason: format!(
                        "it asks for the log of {}, which was not offered",
                        safe_line(name, 80)
                    ),
                })
            })
            .collect()
    }

    /// The log of a derivation that the server names.
    fn offered(&self, name: &str) -> Option<(StorePath, LogFile)> {
        let derivation = name.parse::<StorePath>().ok()?;
        let file = self.files.get(&derivation)?.clone();
        Some((derivation, file))
    }
}

/// A log that is compressed.
struct Packed {
    derivation: StorePath,
    record: Bytes,
    shortened: bool,
}

/// What came of reading some logs.
#[derive(Default)]
struct Batch {
    packed: Vec<Packed>,
    failed: Vec<FailedLog>,
}

/// Sends the logs that a plan asks for.
///
/// # Errors
///
/// Where the plan is wrong. What becomes of each log is in the report.
pub(super) async fn send(
    client: &Client,
    flake: &FlakeName,
    plan: &PushPlan,
    logs: &Logs,
    observer: &Arc<dyn PushObserver>,
) -> Result<LogReport> {
    let wanted = logs.wanted(plan)?;
    let mut report = LogReport {
        found: logs.count(),
        wanted: wanted.len() as u64,
        ..LogReport::default()
    };
    if wanted.is_empty() {
        return Ok(report);
    }
    let push = begun(plan)?;
    let limit = plan.limits.log_size.min(LONGEST);
    let body_size = plan.limits.body_size;
    let mut rest = wanted;
    while !rest.is_empty() {
        let read = tokio::task::spawn_blocking(move || {
            let batch = pack(&mut rest, limit, body_size);
            (batch, rest)
        });
        let batch;
        // A thread that broke off takes what was left along.
        (batch, rest) = read
            .await
            .map_err(|error| Error::Threads(std::io::Error::other(error)))?;
        report.failed.extend(batch.failed);
        if !batch.packed.is_empty() {
            upload(client, flake, push, batch.packed, observer, &mut report).await;
        }
    }
    report
        .failed
        .sort_by(|a, b| a.derivation.cmp(&b.derivation));
    Ok(report)
}

/// Reads and compresses the next logs, as many as make a batch.
fn pack(rest: &mut Vec<(StorePath, LogFile)>, limit: u64, body_size: u64) -> Batch {
    let mut batch = Batch::default();
    let mut length = 0;
    while let Some((derivation, file)) = rest.pop() {
        let packed = match pack_one(&derivation, &file, limit) {
            Ok(packed) => packed,
            Err(error) => {
                let reason = format!("its log cannot be read: {error}");
                batch.failed.push(FailedLog { derivation, reason });
                continue;
            }
        };
        let record = packed.record.len() as u64;
        if record > body_size {
            let reason = format!(
                "its log needs a request of {record} bytes, and the server takes {body_size} at most"
            );
            batch.failed.push(FailedLog { derivation, reason });
            continue;
        }
        if length > 0 && length + record > body_size {
            // Read once more for the next batch: hardly ever, and better than two in memory.
            rest.push((derivation, file));
            break;
        }
        length += record;
        batch.packed.push(packed);
        if length >= TARGET {
            break;
        }
    }
    batch
}

fn pack_one(derivation: &StorePath, file: &LogFile, limit: u64) -> std::io::Result<Packed> {
    let text = file.read(usize::try_from(limit).unwrap_or(usize::MAX))?;
    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
    compressor.include_checksum(true)?;
    let frame = compressor.compress(&text.bytes)?;
    let mut hash = [0; 32];
    let (kind, path) = hash.split_at_mut(LOG_RECORD.len());
    kind.copy_from_slice(&LOG_RECORD);
    path.copy_from_slice(derivation.hash().as_bytes());
    let mut record = Vec::with_capacity(NAR_BATCH_RECORD_HEADER + frame.len());
    let length = frame.len() as u64;
    record.extend_from_slice(&record_header(NarHash::from_bytes(hash), length));
    record.extend_from_slice(&frame);
    Ok(Packed {
        derivation: derivation.clone(),
        record: record.into(),
        shortened: text.shortened,
    })
}

/// Sends a batch, and notes what became of each log in it.
async fn upload(
    client: &Client,
    flake: &FlakeName,
    push: Uuid,
    packed: Vec<Packed>,
    observer: &Arc<dyn PushObserver>,
    report: &mut LogReport,
) {
    let pieces = packed.iter().map(|log| log.record.clone()).collect();
    let listen = listener(&**observer);
    let answer = client
        .upload_batch(flake, push, UploadBody::new(pieces), &listen)
        .await;
    let reasons: Vec<Option<String>> = match answer {
        Ok(answer) if fits(&answer, &packed) => {
            let logs = answer.logs.into_iter();
            let reason = |log: LogAnswer| Some(safe_line(&log.rejected?.message, 2000));
            logs.map(reason).collect()
        }
        Ok(_) => {
            let reason = "the server did not answer for its log".to_owned();
            vec![Some(reason); packed.len()]
        }
        Err(error) => vec![Some(with_causes(&error)); packed.len()],
    };
    for (log, reason) in packed.into_iter().zip(reasons) {
        match reason {
            None => {
                report.sent += 1;
                report.shortened += u64::from(log.shortened);
                report.sent_bytes += log.record.len() as u64;
            }
            Some(reason) => report.failed.push(FailedLog {
                derivation: log.derivation,
                reason,
            }),
        }
    }
}

/// Whether an answer is for these logs, in order.
fn fits(answer: &BatchAnswer, sent: &[Packed]) -> bool {
    let of = answer.logs.iter().map(|log| log.derivation.as_str());
    of.eq(sent.iter().map(|log| log.derivation.hash().to_string()))
}
