//! Does what a user writes into nix.conf and netrc have an effect?
//!
//! Where a Nix daemon does the work, it heeds those only of users whom it trusts. Nix itself says
//! so: `nix store info --json`, on older versions `nix store ping`, which did not tell whether it
//! trusts. Where there is no Nix there is nothing to say.

use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

/// A daemon that does not answer is no reason to wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// How Nix works on this machine for this user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Daemon {
    /// There is no Nix, or it does not say.
    Unknown,
    /// Nix works without one: all settings of the user count.
    None,
    /// There is one, and it heeds this user's settings.
    Trusting,
    /// There is one, and it ignores them.
    Distrusting,
    /// There is one, and this version of Nix does not tell.
    Silent,
}

/// Asks Nix, each version in the way that it understands.
pub(crate) async fn look() -> Daemon {
    for arguments in [
        ["store", "info", "--json"].as_slice(),
        &["store", "ping", "--json"],
        &["store", "ping"],
    ] {
        if let Some(answer) = ask(arguments).await {
            return understand(&answer);
        }
    }
    Daemon::Unknown
}

/// Why Nix does not say, in its own words; none where it cannot be started at all.
pub(crate) async fn trouble() -> Option<String> {
    match run(&["store", "ping"]).await {
        Some(started) => Some(reason(&started.ok()?.stderr)),
        None => Some("it takes too long".to_owned()),
    }
}

/// What a program of Nix says is wrong: its last line with an error, else its last line. The text of a line
/// of nix.conf is left out, because it may be an access token.
pub(crate) fn reason(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.clone().next_back().unwrap_or("it prints no reason");
    without_setting(lines.rfind(|line| says_error(line)).unwrap_or(last))
}

/// Whether a line says what is wrong: from 2.20 on, Nix writes `error:` alone above what led to it.
pub(crate) fn says_error(line: &str) -> bool {
    line.split_once("error:")
        .is_some_and(|(_, what)| !what.trim().is_empty())
}

/// A sentence of Nix without the line of nix.conf that it quotes.
pub(crate) fn without_setting(said: &str) -> String {
    let quoted = said.split_once("configuration line '");
    match quoted.and_then(|(before, rest)| Some((before, rest.rsplit_once("' in ")?.1))) {
        Some((before, place)) => format!("{before}configuration line in {place}"),
        None => said.to_owned(),
    }
}

/// Runs a command of Nix that needs no network; none where it takes too long.
async fn run(arguments: &[&str]) -> Option<io::Result<Output>> {
    let output = Command::new("nix")
        .args(["--extra-experimental-features", "nix-command"])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    tokio::time::timeout(PATIENCE, output).await.ok()
}

/// What Nix prints, on either stream; nothing where it fails or takes too long.
async fn ask(arguments: &[&str]) -> Option<String> {
    let output = run(arguments).await?.ok()?;
    if !output.status.success() {
        return None;
    }
    // Before 2.14 it was a remark.
    let has_answer = !output.stdout.trim_ascii().is_empty();
    let answer = if has_answer {
        output.stdout
    } else {
        output.stderr
    };
    Some(String::from_utf8_lossy(&answer).into_owned())
}

#[derive(Deserialize)]
struct StoreInfo {
    url: String,
    #[serde(default)]
    trusted: Value,
}

fn understand(answer: &str) -> Daemon {
    let (url, trusted) = match serde_json::from_str::<StoreInfo>(answer) {
        // A number up to 2.19, a truth value from then on, null where it cannot be told.
        Ok(info) => (
            info.url,
            info.trusted
                .as_bool()
                .or_else(|| info.trusted.as_i64().map(|number| number != 0)),
        ),
        Err(_) => (
            field(answer, "Store URL").unwrap_or_default(),
            field(answer, "Trusted").map(|word| word == "1"),
        ),
    };
    if !(url == "daemon" || url.starts_with("unix:")) {
        return if url.is_empty() {
            Daemon::Unknown
        } else {
            Daemon::None
        };
    }
    match trusted {
        Some(true) => Daemon::Trusting,
        Some(false) => Daemon::Distrusting,
        // `trusted-users` is root by default.
        None if rustix::process::geteuid().is_root() => Daemon::Trusting,
        None => Daemon::Silent,
    }
}

/// The value of a line `name: value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_told_and_no_secret() {
        for (stderr, expected) in [
            (
                "Store URL: daemon\nerror: cannot connect to socket at '/s': No such file or directory\n",
                "error: cannot connect to socket at '/s': No such file or directory",
            ),
            (
                "error:\n       … The Nix daemon may have crashed.\n\n       error: opening lock file \"/l\": \
                 Permission denied\n",
                "error: opening lock file \"/l\": Permission denied",
            ),
            (
                "error: syntax error in configuration line 'access-tokens it's SECRET' in 'NIX_CONFIG'\nTry 'nix \
                 --help' for more information.\n",
                "error: syntax error in configuration line in 'NIX_CONFIG'",
            ),
            ("warning: x\nodd\n\n", "odd"),
            ("", "it prints no reason"),
        ] {
            assert_eq!(reason(stderr.as_bytes()), expected);
        }
    }

    #[test]
    fn every_version_is_understood() {
        for (answer, daemon) in [
            (
                r#"{"trusted":true,"url":"daemon","version":"2.34.8"}"#,
                Daemon::Trusting,
            ),
            (r#"{"trusted":0,"url":"daemon"}"#, Daemon::Distrusting),
            (
                r#"{"trusted":false,"url":"unix:///run/nix.sock"}"#,
                Daemon::Distrusting,
            ),
            (r#"{"trusted":1,"url":"local"}"#, Daemon::None),
            ("Store URL: local\nVersion: 2.8.0\n", Daemon::None),
            (
                "Store URL: daemon\nVersion: 2.13.0\nTrusted: 0\n",
                Daemon::Distrusting,
            ),
            ("nonsense", Daemon::Unknown),
        ] {
            assert_eq!(understand(answer), daemon, "{answer}");
        }
    }
}
