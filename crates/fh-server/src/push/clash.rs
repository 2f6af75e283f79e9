//! What slices of one organisation disagree about, as the audit log tells it.

use serde_json::{Value, json};

/// How many of them an event lists.
const LISTED: usize = 100;

/// Two contents of one path, or two paths of one output.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clash {
    /// The path or the output.
    pub(super) subject: String,
    /// The slice that has the other one.
    pub(super) flake: String,
    pub(super) there: String,
    pub(super) pushed: String,
    /// Whether the slice that is pushed to has the other one, and keeps it.
    pub(super) kept: bool,
}

/// The detail of an event about `subjects`, each of which is a `subject`.
pub(super) fn detail(clashes: &[Clash], subjects: &str, subject: &str) -> Value {
    let listed = clashes.iter().take(LISTED).map(|clash| {
        json!({
            (subject): clash.subject,
            "flake": clash.flake,
            "there": clash.there,
            "pushed": clash.pushed,
            "kept": clash.kept,
        })
    });
    json!({ "count": clashes.len(), (subjects): listed.collect::<Vec<_>>() })
}
