//! The one object of `--watch-exec --json`, with the names that an ordinary push has for the same things.

use std::time::Duration;

use fh_client::targets::PushTarget;
use serde::Serialize;

use super::super::report::{Failed, TargetKey, kind_word};
use super::pusher::Outcome;

/// What became of all that a command built. Sizes in bytes.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    #[serde(flatten)]
    target: TargetKey<'a>,
    /// All that was built is pushed.
    complete: bool,
    /// Paths that the command built.
    built: u64,
    /// Of these, those that are pushed.
    pushed: u64,
    /// Paths that were sent, what the built ones need among them.
    uploaded: u64,
    /// Uncompressed bytes of the paths that were sent.
    uploaded_nar_size: u64,
    /// Bytes that went over the line.
    sent: u64,
    /// From the start of the command.
    seconds: f64,
    failed: Vec<Failed>,
    /// Why something that was built is not pushed.
    error: Option<&'a str>,
    /// The command's own exit status, or 128 and the number of the signal that ended it.
    command_status: u8,
}

impl<'a> Summary<'a> {
    /// `error` is why something is not pushed; none where all of it is.
    pub(super) fn new(
        target: &'a PushTarget,
        outcome: &Outcome,
        error: Option<&'a str>,
        command_status: u8,
        duration: Duration,
    ) -> Self {
        let mut failed: Vec<Failed> = outcome
            .failed
            .iter()
            .map(|(path, (kind, reason))| Failed {
                path: path.clone(),
                kind: kind_word(*kind),
                reason: reason.clone(),
            })
            .collect();
        let others = outcome.missing.iter();
        let others = others.filter(|path| !outcome.failed.contains_key(*path));
        failed.extend(others.map(|path| Failed {
            path: path.clone(),
            kind: "not_tried",
            reason: error.unwrap_or_default().to_owned(),
        }));
        failed.extend(outcome.unknown.iter().map(|(path, reason)| Failed {
            path: path.clone(),
            kind: "unknown",
            reason: reason.clone(),
        }));
        let pushed = outcome.pushed.len() as u64;
        Self {
            target: target.into(),
            complete: error.is_none(),
            built: pushed + (outcome.missing.len() + outcome.unknown.len()) as u64,
            pushed,
            uploaded: outcome.sent,
            uploaded_nar_size: outcome.sent_bytes,
            sent: outcome.line_bytes,
            seconds: (duration.as_secs_f64() * 1000.0).round() / 1000.0,
            failed,
            error,
            command_status,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use fh_client::push::FailureKind;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_built_is_told_as_an_ordinary_push_tells_it() {
        let target: PushTarget = "acme/app".parse().unwrap();
        let set = |paths: &[&str]| -> BTreeSet<String> {
            paths.iter().map(|&path| path.to_owned()).collect()
        };
        let refused = ("/b".to_owned(), (FailureKind::Refused, "no".to_owned()));
        for (pushed, missing, failed, error, status, expected) in [
            // Nothing was built.
            (set(&[]), set(&[]), None, None, 0, json!([true, 0, 0, []])),
            (
                set(&["/a", "/b"]),
                set(&[]),
                None,
                None,
                7,
                json!([true, 2, 2, []]),
            ),
            (
                set(&["/a"]),
                set(&["/b", "/c"]),
                Some(refused),
                Some("it was cancelled"),
                130,
                json!([false, 3, 1, [
                    {"path": "/b", "kind": "refused", "reason": "no"},
                    {"path": "/c", "kind": "not_tried", "reason": "it was cancelled"},
                ]]),
            ),
        ] {
            let outcome = Outcome {
                pushed,
                missing,
                failed: failed.into_iter().collect::<BTreeMap<_, _>>(),
                sent: 5,
                sent_bytes: 1000,
                line_bytes: 300,
                unknown: BTreeMap::new(),
                failure: None,
            };
            let duration = Duration::from_millis(1500);
            let summary = Summary::new(&target, &outcome, error, status, duration);
            let told = serde_json::to_value(&summary).unwrap();
            assert_eq!(
                json!([
                    told["complete"],
                    told["built"],
                    told["pushed"],
                    told["failed"]
                ]),
                expected
            );
            assert_eq!(told["flake"], "acme/app");
            assert_eq!(told.get("cache"), None);
            assert_eq!(told["error"], json!(error));
            assert_eq!(told["command_status"], status);
            assert_eq!(told["uploaded"], 5);
            assert_eq!(told["uploaded_nar_size"], 1000);
            assert_eq!(told["sent"], 300);
            assert_eq!(told["seconds"], 1.5);
        }
    }
}
