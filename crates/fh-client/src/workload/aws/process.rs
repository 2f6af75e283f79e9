//! Keys of AWS that a program prints, as the setting `credential_process` of a profile names it.

use std::path::Path;

use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::keys::{AwsCredentials, SecretText};
use crate::error::{Error, Result};
use crate::provider::Provider;
use crate::workload::command;
use crate::workload::identity::failed;

/// What is printed, in its one version.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    version: u32,
    access_key_id: String,
    secret_access_key: SecretText,
    session_token: Option<SecretText>,
}

/// The version of what is printed.
const VERSION: u32 = 1;

/// Runs the line with the shell, as AWS's SDKs do.
pub(super) async fn keys(line: &str) -> Result<AwsCredentials> {
    let broken = |error| {
        failed(
            Provider::Aws,
            "the program of the setting credential_process gives no credentials of AWS",
            "It has to print them as JSON: `aws configure export-credentials --format process` does.",
            error,
        )
    };
    // The line itself may hold secrets.
    let shown = "credential_process";
    let output = command::output(Path::new("/bin/sh"), &["-c", line], shown)
        .await
        .map_err(|error| broken(without(line, error)))?;
    let printed: Option<Printed> = serde_json::from_slice(&output).ok();
    let Some(printed) = printed.filter(|printed| printed.version == VERSION) else {
        return Err(broken(Error::ProgramFailed {
            command: shown.to_owned(),
            status: "it printed something else".to_owned(),
            stderr: String::new(),
        }));
    };
    let session = printed.session_token.as_ref();
    AwsCredentials::new(
        "what credential_process printed",
        &printed.access_key_id,
        printed.secret_access_key.0.expose_secret(),
        session.map(|token| token.0.expose_secret()),
    )
    .map_err(broken)
}

/// An error that does not show what the program was given: some shells print a line that they do not understand,
/// and some programs their arguments.
fn without(line: &str, error: Error) -> Error {
    match error {
        Error::ProgramFailed {
            command,
            status,
            mut stderr,
        } => {
            let given = line.split_whitespace().skip(1);
            let words =
                given.flat_map(|word| word.split(['=', '"', '\'', '(', ')', ';', '|', '&']));
            // Shorter ones are options, and no secrets.
            for word in words.filter(|word| word.len() >= 4) {
                stderr = stderr.replace(word, "…");
            }
            Error::ProgramFailed {
                command,
                status,
                stderr,
            }
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_printed_are_keys() {
        let line = "printf '{\"Version\": 1, \"AccessKeyId\": \"%s\", \"SecretAccessKey\": \"secret\", \
                    \"SessionToken\": \"s\", \"Expiration\": \"2030-01-01T00:00:00Z\"}' \"A K\" | tr -d ' '";
        let keys = keys(line).await.unwrap();
        assert_eq!(keys.access_key_id, "AK");
        assert_eq!(keys.secret_access_key.expose_secret(), "secret");
        assert_eq!(keys.session_token.unwrap().expose_secret(), "s");
    }

    #[tokio::test]
    async fn a_program_that_fails_or_prints_something_else_is_told_without_its_line() {
        for line in [
            "echo broken >&2; exit 3 # hidden",
            "echo '{\"Version\": 2, \"AccessKeyId\": \"hidden\", \"SecretAccessKey\": \"hidden\"}'",
            "echo hidden",
            "true # hidden",
            // As a shell does that repeats what it does not understand.
            "echo \"sh: line 1: 'keys --password=hidden(x'\" >&2; exit 2",
        ] {
            let error = keys(line).await.unwrap_err();
            let text = format!("{error:?} {error}");
            assert!(!text.contains("hidden"), "{text}");
        }
        let error = keys("printf 'no %s' key >&2; exit 3").await.unwrap_err();
        assert!(format!("{error:?}").contains("no key"), "{error:?}");
    }
}
