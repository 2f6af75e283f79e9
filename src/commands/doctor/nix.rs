//! What Nix itself says of its settings, and how it is started.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

use super::finding::Finding;
use crate::setup::daemon::Daemon;

/// For a question that needs no network.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to do where Nix cannot be started.
pub(super) const INSTALL: &str = "install Nix, or put it into PATH";

/// The settings that count, as Nix shows them.
pub(super) struct Settings {
    values: BTreeMap<String, Setting>,
}

#[derive(Deserialize)]
struct Setting {
    value: Value,
}

impl Settings {
    /// A setting that is a text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.value.as_str()
    }

    /// The words of a setting that is a list.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        match self.values.get(name).map(|setting| &setting.value) {
            Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(words)) => words.split_whitespace().collect(),
            _ => Vec::new(),
        }
    }

    /// Where Nix substitutes nothing at all, whatever else is set up.
    pub(super) fn builds_everything(&self) -> Option<Finding> {
        let value = &self.values.get("substitute")?.value;
        (*value == Value::Bool(false)).then(|| {
            Finding::failed(
                "substitute",
                "`substitute = false` is set: Nix builds everything itself",
                "remove `substitute = false` from nix.conf or NIX_CONFIG",
            )
        })
    }
}

/// A command of Nix that is given up when it is dropped. Where the daemon does not trust the user, the
/// settings of the user are left out, as the daemon leaves them out.
pub(super) fn command(program: &str, daemon: Daemon) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if daemon == Daemon::Distrusting {
        // Set and empty means unset to Nix; a file that is not there is no file.
        command.env("NIX_USER_CONF_FILES", "/nonexistent/nix.conf");
    }
    command
}

/// The settings, by the newer or the older name of the command.
pub(super) async fn settings(daemon: Daemon) -> Result<Settings, Finding> {
    let mut complaint = String::new();
    let mut fix = "nix config show   names the file or the variable that is wrong";
    for words in [["config", "show"].as_slice(), &["show-config"]] {
        let output = command("nix", daemon)
            .args(["--extra-experimental-features", "nix-command"])
            .args(words)
            .arg("--json")
            .output();
        match tokio::time::timeout(PATIENCE, output).await {
            Ok(Ok(output)) if output.status.success() => {
                return match serde_json::from_slice(&output.stdout) {
                    Ok(values) => Ok(Settings { values }),
                    Err(error) => Err(Finding::failed(
                        "nix.conf",
                        format!("cannot parse the settings that Nix printed: {error}"),
                        format!("nix {} --json   shows what Nix prints", words.join(" ")),
                    )),
                };
            }
            Ok(Ok(output)) => complaint = last_line(&output.stderr),
            Ok(Err(error)) => {
                complaint = error.to_string();
                fix = INSTALL;
            }
            Err(_) => complaint = "it does not answer".to_owned(),
        }
    }
    Err(Finding::failed(
        "nix.conf",
        format!("Nix does not print its settings: {complaint}"),
        fix,
    ))
}

/// What a program said last.
pub(super) fn last_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().rfind(|line| !line.trim().is_empty());
    line.unwrap_or("it printed no message").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_both_forms() {
        let settings = Settings {
            values: serde_json::from_str(
                r#"{"a":{"value":["x","y"],"description":""},"b":{"value":"x y"},"c":{"value":1}}"#,
            )
            .unwrap(),
        };
        assert_eq!(settings.list("a"), ["x", "y"]);
        assert_eq!(settings.list("b"), ["x", "y"]);
        assert!(settings.list("c").is_empty());
        assert!(settings.list("d").is_empty());
    }

    #[test]
    fn the_last_line_that_says_something_counts() {
        assert_eq!(last_line(b"one\n  two\n\n"), "two");
        assert_eq!(last_line(b""), "it printed no message");
    }
}
