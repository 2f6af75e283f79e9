//! What became of a push.

use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;

use fh_api::{FlakeName, with_causes};
use fh_client::PushReport;
use fh_client::push::FailureKind;
use fh_client::targets::PushTarget;
use fh_nix::{StoreDir, StorePath};
use serde::Serialize;

use super::destination::attic_error;
use crate::context::Context;
use crate::error::{CommandError, PROXY_LIMIT};
use crate::output::{Columns, human};

/// The one object of `--json`. Sizes in bytes.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    #[serde(flatten)]
    key: TargetKey<'a>,
    /// The same in a sentence.
    #[serde(skip)]
    target: &'a PushTarget,
    /// Whether all becomes visible at once, or nothing.
    #[serde(skip)]
    atomic: bool,
    dry_run: bool,
    /// The flake has all of it (or would have, after a dry run).
    complete: bool,
    /// Paths of the push.
    paths: u64,
    /// Paths that were to be sent.
    to_upload: u64,
    /// Paths that were sent.
    uploaded: u64,
    /// Paths that were linked to content readable elsewhere.
    deduplicated: u64,
    /// Paths that the flake had already.
    present: u64,
    /// Paths sent before, by a push that was interrupted or by one that runs beside this one.
    received: u64,
    /// Paths left out because an upstream cache has them.
    upstream: u64,
    /// Uncompressed bytes of all paths.
    nar_size: u64,
    /// Uncompressed bytes that were to be sent.
    to_upload_nar_size: u64,
    /// Bytes of NARs sent, as they are before compression.
    uploaded_nar_size: u64,
    /// Bytes that went over the line.
    sent: u64,
    logs: Logs,
    /// Absent where there is nothing to tell.
    #[serde(skip_serializing_if = "Realisations::is_empty")]
    realisations: Realisations,
    seconds: f64,
    /// Requests that were tried again.
    retries: u64,
    failed: Vec<Failed>,
    /// Why the push ended before all was tried or committed.
    error: Option<String>,
    /// What would be sent, after a dry run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    would_send: Vec<Planned>,
}

/// What was pushed to, under a key that says which of both it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TargetKey<'a> {
    Flake(&'a FlakeName),
    /// On an attic server.
    Cache(&'a str),
}

impl<'a> From<&'a PushTarget> for TargetKey<'a> {
    fn from(target: &'a PushTarget) -> Self {
        match target {
            PushTarget::Flake(flake) => Self::Flake(flake),
            PushTarget::Cache(cache) => Self::Cache(cache.as_str()),
        }
    }
}

/// Build logs. That one is missing makes no push incomplete.
#[derive(Debug, Serialize)]
struct Logs {
    /// That this machine has, of the derivations of the push.
    found: u64,
    /// That the server had not.
    to_send: u64,
    /// Logs that were sent.
    sent: u64,
    /// Of the sent, those that were too long and are without their middle.
    shortened: u64,
    failed: Vec<FailedLog>,
}

/// Of which outputs of derivations the paths are. That one is missing makes no push incomplete.
#[derive(Debug, Serialize)]
struct Realisations {
    /// That are new to the flake, or count for more there since.
    added: u64,
    unknown: Vec<UnknownRealisation>,
}

impl Realisations {
    fn is_empty(&self) -> bool {
        self.added == 0 && self.unknown.is_empty()
    }
}

#[derive(Debug, Serialize)]
struct UnknownRealisation {
    path: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct FailedLog {
    derivation: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Planned {
    path: String,
    nar_size: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Failed {
    pub(super) path: String,
    /// `corrupted` and `unreadable` are of this machine; `refused` is the server's; `too_large` is of a
    /// proxy before it; `unsent` is the line's; `not_tried` is what `error` says.
    pub(super) kind: &'static str,
    pub(super) reason: String,
}

/// Prints the summary; the error, where a path failed, names each.
pub(super) fn print(
    target: &PushTarget,
    atomic: bool,
    mut report: PushReport,
    retries: u64,
    store_dir: &StoreDir,
    context: &Context,
) -> Result<ExitCode, CommandError> {
    let full = |path: &StorePath| store_dir.display(path);
    let planned = &report.planned;
    let summary = Summary {
        key: target.into(),
        target,
        atomic,
        dry_run: report.dry_run,
        complete: report.is_complete(),
        paths: planned.paths,
        to_upload: planned.upload,
        uploaded: report.uploaded,
        deduplicated: report.deduplicated(),
        present: planned.present,
        received: planned.received,
        upstream: planned.upstream,
        nar_size: planned.nar_bytes,
        to_upload_nar_size: planned.upload_bytes,
        uploaded_nar_size: report.nar_bytes,
        sent: report.sent_bytes,
        logs: Logs {
            found: report.logs.found,
            to_send: report.logs.wanted,
            sent: report.logs.sent,
            shortened: report.logs.shortened,
            failed: report
                .logs
                .failed
                .iter()
                .map(|failed| FailedLog {
                    derivation: full(&failed.derivation),
                    reason: failed.reason.clone(),
                })
                .collect(),
        },
        realisations: Realisations {
            added: report
                .committed
                .map_or(0, |committed| committed.realisations),
            unknown: report
                .unknown_realisations
                .iter()
                .map(|(path, reason)| UnknownRealisation {
                    path: full(path),
                    reason: reason.clone(),
                })
                .collect(),
        },
        retries,
        error: report.stopped.as_ref().map(|error| with_causes(error)),
        seconds: (report.duration.as_secs_f64() * 1000.0).round() / 1000.0,
        failed: report
            .failed
            .iter()
            .map(|failed| Failed {
                path: full(&failed.path),
                kind: kind_word(failed.kind),
                reason: failed.reason.clone(),
            })
            .collect(),
        would_send: report
            .would_send
            .iter()
            .map(|planned| Planned {
                path: full(&planned.path),
                nar_size: planned.nar_size,
            })
            .collect(),
    };
    let is_json = context.output.is_json();
    if is_json {
        context.output.json(&summary)?;
    }
    if !summary.complete {
        return Err(failure(&summary, report.stopped.take()));
    }
    if is_json {
        return Ok(ExitCode::SUCCESS);
    }
    if report.dry_run {
        let columns = Columns::<Planned>::new()
            .number("nar_size", "SIZE")
            .shown(|path, _| human::bytes(path.nar_size))
            .text("path", "PATH")
            .flexible();
        context.output.list(&columns, &summary.would_send)?;
    }
    context.output.remark(&sentence(&summary, &report));
    let lost = lost_realisations(&report.unknown_realisations, store_dir);
    for warning in lost_logs(&summary.logs.failed).into_iter().chain(lost) {
        context.output.warning(&warning);
    }
    Ok(ExitCode::SUCCESS)
}

/// What to say of build logs that did not go along.
fn lost_logs(failed: &[FailedLog]) -> Option<String> {
    let logs = human::count(failed.len() as u64, "build log");
    let verb = if failed.len() == 1 { "was" } else { "were" };
    let text = format!("{logs} {verb} not sent; the paths are complete without them");
    let lines = failed.iter();
    let lines = lines.map(|log| format!("{}: {}", log.derivation, log.reason));
    with_first(text, lines)
}

/// A sentence about several things, with the first of these below it; none where there are none.
fn with_first(
    mut text: String,
    mut lines: impl ExactSizeIterator<Item = String>,
) -> Option<String> {
    const SHOWN: usize = 5;
    if lines.len() == 0 {
        return None;
    }
    for line in lines.by_ref().take(SHOWN) {
        text.push_str(&format!("\n{line}"));
    }
    if lines.len() > 0 {
        text.push_str(&format!("\nand {} more", lines.len()));
    }
    Some(text)
}

/// What to say of paths whose realisations Nix does not tell.
pub(super) fn lost_realisations(
    unknown: &BTreeMap<StorePath, String>,
    store_dir: &StoreDir,
) -> Option<String> {
    let paths = human::count(unknown.len() as u64, "content-addressed path");
    let text = format!(
        "Nix does not say from which derivations {paths} came, so machines that evaluate these derivations build them again"
    );
    let lines = unknown.iter();
    let lines = lines.map(|(path, reason)| format!("{}: {reason}", store_dir.display(path)));
    with_first(text, lines)
}

fn sentence(summary: &Summary<'_>, report: &PushReport) -> String {
    let flake = summary.target;
    let paths = human::count(summary.paths, "path");
    let mut parts = Vec::new();
    if summary.dry_run && summary.to_upload > 0 {
        parts.push(format!(
            "{} to send ({})",
            summary.to_upload,
            human::bytes(summary.to_upload_nar_size)
        ));
    }
    if summary.uploaded > 0 {
        let size = human::bytes(summary.uploaded_nar_size);
        let size = if summary.atomic {
            format!("{size}, {} compressed", human::bytes(summary.sent))
        } else {
            size
        };
        parts.push(format!("{} sent ({size})", summary.uploaded));
    }
    for (count, what) in [
        (summary.received, "sent before"),
        (
            summary.deduplicated,
            "linked to what the server has elsewhere",
        ),
        (summary.present, "there already"),
        (
            summary.upstream,
            "left to an upstream cache that signed them",
        ),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let logs = &summary.logs;
    if summary.dry_run && logs.to_send > 0 {
        parts.push(format!(
            "{} to send",
            human::count(logs.to_send, "build log")
        ));
    }
    if logs.sent > 0 {
        let mut part = format!("{} sent", human::count(logs.sent, "build log"));
        if logs.shortened > 0 {
            part.push_str(&format!(" ({} without the middle)", logs.shortened));
        }
        parts.push(part);
    }
    let realisations = summary.realisations.added;
    if realisations > 0 {
        let count = human::count(realisations, "realisation");
        parts.push(format!("{count} added"));
    }
    if summary.retries > 0 {
        let requests = human::count(summary.retries, "request");
        let verb = if summary.retries == 1 { "was" } else { "were" };
        parts.push(format!("{requests} {verb} tried again"));
    }
    let parts = parts.join("; ");
    if summary.dry_run {
        return format!("Would push {paths} to {flake}: {parts}. Nothing was sent.");
    }
    let time = human::elapsed(report.duration);
    if summary.uploaded + summary.received + summary.deduplicated + realisations == 0 {
        return format!("Nothing to push to {flake}: {parts} ({paths}, {time}).");
    }
    format!("Pushed {paths} to {flake} in {time}: {parts}.")
}

/// The error that names each path that failed, with the reason.
fn failure(summary: &Summary<'_>, stopped: Option<fh_client::Error>) -> CommandError {
    let flake = summary.target;
    let failed = summary.failed.len();
    let paths = human::count(summary.paths, "path");
    let mut message = match &stopped {
        None if !summary.atomic => {
            format!("{failed} of {paths} could not be pushed to {flake}; the others are there")
        }
        Some(_) if !summary.atomic => format!(
            "the push to {flake} ended early: {failed} of {paths} are missing, the others are there"
        ),
        None => {
            format!("{failed} of {paths} could not be pushed, so nothing new is visible in {flake}")
        }
        Some(_) if failed == 0 => {
            format!("everything was sent, but cannot be made visible in {flake}")
        }
        Some(_) => format!(
            "the push to {flake} ended early: {failed} of {paths} are missing, so nothing new is \
             visible"
        ),
    };
    for (reason, paths) in by_reason(&summary.failed) {
        match paths.as_slice() {
            [path] => message.push_str(&format!("\n{path}: {reason}")),
            paths => {
                message.push_str(&format!("\n{reason}:"));
                for path in paths {
                    message.push_str(&format!("\n  {path}"));
                }
            }
        }
    }
    let mut error = match stopped {
        None => CommandError::failed(message),
        Some(error) if !summary.atomic => attic_error(error).context(message),
        Some(error) => CommandError::from(error).context(message),
    };
    let any = |kind| {
        let mut failed = summary.failed.iter();
        failed.any(|failed| failed.kind == kind_word(kind))
    };
    if any(FailureKind::Corrupted) {
        error = error.hint(
            "What is on the disk is not what Nix built: `nix-store --repair-path PATH` fetches it again.",
        );
    }
    if any(FailureKind::TooLarge) {
        error = error.hint(PROXY_LIMIT);
    }
    error.hint(if summary.atomic {
        "What was sent is kept for a while: the same command again sends only what is missing."
    } else {
        "The same command again sends only what is missing."
    })
}

/// The paths of each reason, in the order of their first path.
fn by_reason(failed: &[Failed]) -> Vec<(&str, Vec<&str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for failed in failed {
        let place = *places.entry(&failed.reason).or_insert_with(|| {
            groups.push((&failed.reason, Vec::new()));
            groups.len() - 1
        });
        if let Some((_, paths)) = groups.get_mut(place) {
            paths.push(&failed.path);
        }
    }
    groups
}

/// The word of `--json` for why a path was not pushed.
pub(super) fn kind_word(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Corrupted => "corrupted",
        FailureKind::Unreadable => "unreadable",
        FailureKind::Refused => "refused",
        FailureKind::TooLarge => "too_large",
        FailureKind::Unsent => "unsent",
        FailureKind::NotTried => "not_tried",
        // A kind that is newer than this table.
        _ => "other",
    }
}
