//! Keys of AWS that a program prints: the one that a profile names as `credential_process`, or AWS's own command
//! line, which knows the ways to keys that `fh` leaves to it.

use std::path::Path;

use super::keys::{AwsCredentials, KeysJson};
use crate::error::{Error, Result};
use crate::workload::command;

/// The one version of what is printed.
const VERSION: u32 = 1;

/// Runs a line with the shell, as AWS's SDKs do.
pub(super) async fn keys(line: &str) -> Result<AwsCredentials> {
    // The line itself may hold secrets.
    let shown = "credential_process";
    printed(Path::new("/bin/sh"), &["-c", line], shown)
        .await
        .map_err(|error| without(line, error))
}

/// Asks AWS's command line for the keys of a profile.
pub(super) async fn exported(program: &Path, profile: &str) -> Result<AwsCredentials> {
    let export = ["configure", "export-credentials", "--format", "process"];
    let arguments = [&export[..], &["--profile", profile]].concat();
    printed(program, &arguments, "aws configure export-credentials").await
}

async fn printed(program: &Path, arguments: &[&str], shown: &str) -> Result<AwsCredentials> {
    let output = command::output(program, arguments, shown).await?;
    let printed: Option<KeysJson> = serde_json::from_slice(&output).ok();
    let Some(printed) = printed.filter(|printed| printed.version == Some(VERSION)) else {
        return Err(Error::ProgramFailed {
            command: shown.to_owned(),
            status: "it printed something else".to_owned(),
            stderr: String::new(),
        });
    };
    printed.into_keys(&format!("what {shown} printed"))
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
    use secrecy::ExposeSecret as _;

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
