//! What Nix itself says of its settings, and how it is started.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

use super::finding::{Check, Finding};
use super::origin::{Origins, Place};
use crate::setup::daemon::{Daemon, reason};
use crate::site::Site;

/// For a question that needs no network.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to do where Nix cannot be started.
pub(super) const INSTALL: &str = "install Nix, or put it into PATH";

/// How Nix is set up here for this user.
pub(super) struct Nix {
    pub(super) settings: Settings,
    pub(super) daemon: Daemon,
    pub(super) origins: Origins,
}

impl Nix {
    /// Where a setting gets the value that counts for substitution.
    pub(super) fn place_of(&self, name: &str) -> Option<Place> {
        self.origins.of(name, self.daemon)
    }

    /// The command that sets up what counts for this user.
    pub(super) fn log_in(&self, site: &Site) -> String {
        match self.daemon {
            Daemon::Distrusting => format!("sudo fh login --server {} --scope system", site.server),
            _ => format!("fh login --server {}", site.server),
        }
    }

    /// Where Nix substitutes nothing at all, whatever else is set up. A client that asks for this is heeded
    /// by every daemon.
    pub(super) fn builds_everything(&self) -> Option<Finding> {
        const SETTING: &str = "substitute = false";
        let value = &self.settings.values.get("substitute")?.value;
        if *value != Value::Bool(false) {
            return None;
        }
        let mut names = ["substitute", "build-use-substitutes"].into_iter();
        let place = names.find_map(|name| self.origins.of(name, Daemon::Trusting));
        let (place, fix) = match place {
            Some(place) => (place.to_string(), place.removed(SETTING)),
            None => {
                let place = "nix.conf or NIX_CONFIG";
                (place.to_owned(), format!("remove `{SETTING}` from {place}"))
            }
        };
        let about = format!("`{SETTING}` is set in {place}: Nix builds everything itself");
        Some(Check("substitute").failed(about, fix))
    }
}

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

    /// Whether this version of Nix has the setting.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The words of a setting that is a list.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        match self.values.get(name).map(|setting| &setting.value) {
            Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(words)) => words.split_whitespace().collect(),
            _ => Vec::new(),
        }
    }

    /// These settings of a user as a daemon takes them that does not trust the user: of the substituters it
    /// takes those that the machine allows (`setSubstituters` in Nix's `src/libstore/daemon.cc`), of the rest
    /// whether to substitute at all.
    fn among(self, mut machine: Self) -> Self {
        let allowed = ["substituters", "trusted-substituters"].map(|name| machine.list(name));
        let allowed = allowed.concat();
        let is_allowed = |url: &&str| {
            let mut allowed = allowed.iter();
            allowed.any(|allowed| allowed == url || allowed.strip_suffix('/') == Some(url))
        };
        let asked = self.list("substituters").into_iter().filter(is_allowed);
        let asked = Setting {
            value: asked.map(Value::from).collect(),
        };
        let mut mine = self.values;
        machine.values.insert("substituters".to_owned(), asked);
        if let Some(substitute) = mine.remove("substitute") {
            machine.values.insert("substitute".to_owned(), substitute);
        }
        machine
    }
}

/// A command of Nix as this user runs it, given up when it is dropped.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The same with the settings by which the daemon goes: without the user's files and variable where it
/// does not trust the user.
pub(super) fn command_as(program: &str, daemon: Daemon) -> Command {
    let mut command = command(program);
    if daemon == Daemon::Distrusting {
        // A file that is not there is no file.
        command
            .env("NIX_USER_CONF_FILES", "/nonexistent/nix.conf")
            .env_remove("NIX_CONFIG");
    }
    command
}

/// The settings that count for substitution.
pub(super) async fn settings(daemon: Daemon) -> Result<Settings, Finding> {
    let mine = shown(|| command("nix")).await?;
    if daemon != Daemon::Distrusting {
        return Ok(mine);
    }
    let machine = shown(|| command_as("nix", daemon)).await?;
    Ok(mine.among(machine))
}

/// What Nix shows, by the newer or the older name of the command.
async fn shown(nix: impl Fn() -> Command) -> Result<Settings, Finding> {
    let mut complaint = String::new();
    let mut fix = "nix config show   names the file or the variable that is wrong";
    for words in [["config", "show"].as_slice(), &["show-config"]] {
        let output = nix()
            .args(["--extra-experimental-features", "nix-command"])
            .args(words)
            .arg("--json")
            .output();
        match tokio::time::timeout(PATIENCE, output).await {
            Ok(Ok(output)) if output.status.success() => {
                return match serde_json::from_slice(&output.stdout) {
                    Ok(values) => Ok(Settings { values }),
                    Err(error) => Err(Check("nix.conf").failed(
                        format!("cannot parse the settings that Nix printed: {error}"),
                        format!("nix {} --json   shows what Nix prints", words.join(" ")),
                    )),
                };
            }
            Ok(Ok(output)) => complaint = reason(&output.stderr),
            Ok(Err(error)) => {
                complaint = error.to_string();
                fix = INSTALL;
            }
            Err(_) => complaint = "it does not answer".to_owned(),
        }
    }
    Err(Check("nix.conf").failed(format!("Nix does not print its settings: {complaint}"), fix))
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
    fn a_daemon_that_does_not_trust_takes_from_the_user_what_the_machine_allows() {
        let settings = |text: &str| Settings {
            values: serde_json::from_str(text).unwrap(),
        };
        let machine = r#"{"substituters":{"value":["https://a/"]},"trusted-substituters":{"value":["https://b"]},
            "netrc-file":{"value":"/etc/nix/netrc"},"trusted-public-keys":{"value":["k:1"]},
            "substitute":{"value":true}}"#;
        for (asked, expected) in [
            (&["https://a/", "https://c"][..], &["https://a/"][..]),
            (&["https://a", "https://b"], &["https://a", "https://b"]),
            // As NIX_CONFIG may have it: the machine's own is not asked then.
            (&["https://b"], &["https://b"]),
            (&[], &[]),
        ] {
            let mine = serde_json::json!({
                "substituters": { "value": asked },
                "netrc-file": { "value": "/mine" },
                "trusted-public-keys": { "value": ["k:mine"] },
                "substitute": { "value": false },
            });
            let counts = settings(&mine.to_string()).among(settings(machine));
            assert_eq!(counts.list("substituters"), expected);
            assert_eq!(counts.text("netrc-file"), Some("/etc/nix/netrc"));
            assert_eq!(counts.list("trusted-public-keys"), ["k:1"]);
            assert_eq!(counts.values["substitute"].value, Value::Bool(false));
        }
    }
}
