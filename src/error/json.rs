//! A failure as one JSON object, in the shape of the API's errors.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use fh_api::ErrorCode;
use fh_client::Error as ClientError;
use serde::Serialize;

use super::command_error::{CommandError, Status};

/// Whether the command has printed something on stdout: a second document would be no JSON.
static PRINTED: AtomicBool = AtomicBool::new(false);

/// To be said by whoever prints on stdout.
pub(crate) fn has_printed() {
    PRINTED.store(true, Ordering::Relaxed);
}

/// What the API says of an error, and what there is to do next.
#[derive(Debug, Serialize)]
struct Failure<'a> {
    /// The HTTP status; 0 where the failure is not an answer of a server. Programs read a number here in any case.
    code: u16,
    /// A word of the API; `usage`, `unreachable`, `timeout`, `interrupted` or `failed` where it was not the server.
    error: serde_json::Value,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    hints: &'a [String],
    /// What the command knows besides.
    #[serde(flatten)]
    details: &'a BTreeMap<&'static str, serde_json::Value>,
}

/// The failure as JSON; none where nothing failed, or where the command has printed its own answer.
pub(crate) fn json(failure: &CommandError) -> Option<String> {
    let is_failure = !matches!(failure.status(), Status::Quiet | Status::Information);
    if !is_failure || PRINTED.load(Ordering::Relaxed) {
        return None;
    }
    let client = failure.downcast_ref::<ClientError>();
    let code = client.and_then(ClientError::code);
    let known = code.filter(|code| *code != ErrorCode::Unknown);
    let error = match known.map(serde_json::to_value) {
        Some(Ok(word)) => word,
        _ => word(failure, client).into(),
    };
    let message = match failure.downcast_ref::<clap::Error>() {
        Some(clap) => first_line(&clap.to_string()),
        None => failure.sentence(),
    };
    let object = Failure {
        code: client.and_then(ClientError::status).unwrap_or(0),
        error,
        message,
        request_id: client.and_then(ClientError::request_id),
        hints: failure.hints(),
        details: failure.details(),
    };
    serde_json::to_string_pretty(&object).ok()
}

fn word(failure: &CommandError, client: Option<&ClientError>) -> &'static str {
    match failure.status() {
        Status::Usage => "usage",
        Status::OutOfTime => "timeout",
        Status::Interrupted | Status::Terminated | Status::HungUp => "interrupted",
        _ if matches!(client, Some(ClientError::Unreachable { .. })) => "unreachable",
        _ => "failed",
    }
}

/// What clap says, without its label and without the advice that follows.
fn first_line(text: &str) -> String {
    let text = text.lines().next().unwrap_or_default();
    text.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fh_client::UnreachableCause;

    use super::*;

    #[test]
    fn the_docs_have_every_word_with_its_exit_status() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/output.md");
        let docs = std::fs::read_to_string(path).unwrap();
        let unreachable = ClientError::Unreachable {
            url: "https://x.org".to_owned(),
            cause: UnreachableCause::Closed,
        };
        let file = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        for error in [
            CommandError::usage("x"),
            CommandError::from(unreachable),
            CommandError::from(ClientError::OutOfTime {
                allowed: Duration::from_secs(1),
            }),
            CommandError::ended(Status::Interrupted, ""),
            CommandError::ended(Status::Terminated, ""),
            CommandError::ended(Status::HungUp, ""),
            CommandError::file("read", std::path::Path::new("/x"), file),
        ] {
            let word = word(&error, error.downcast_ref());
            let begin = format!("| `{word}` | ");
            let row = docs.lines().find_map(|line| line.strip_prefix(&begin));
            let row = row.unwrap_or_else(|| panic!("docs/output.md says nothing of {word}"));
            let statuses = row.split(" | ").next().unwrap_or_default();
            let status = error.status().code().to_string();
            assert!(statuses.split(", ").any(|it| it == status), "{word}: {row}");
        }
    }
}
