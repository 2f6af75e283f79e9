//! The proof: real Nix substitutes a path from the server.
//!
//! Where a daemon does the work, it is asked for a path that is not there yet, because only that shows
//! what the daemon may and can. Otherwise, and where every path that could be tried is there already,
//! Nix does it into a store of its own below a temporary directory, with the settings that count.
//!
//! Nix takes a content-addressed path without a signature, and the server gives some paths to everybody: such
//! a path says nothing of keys or token. So one is looked for that needs both ([`candidate`]), and where there
//! is none, the finding says what it does not prove.

mod candidate;

use std::path::Path;
use std::time::Duration;

use fh_client::{ServerKind, ServerUrl};
use fh_nix::{StoreDir, StorePath};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::process::Command;

use super::finding::{Check, Finding, Outcome};
use super::meant::Meant;
use super::nix::{self, Nix};
use crate::context::Context;
use crate::setup::daemon::{Daemon, reason, says_error, without_setting};
use crate::site::Site;

pub(super) const NAME: Check = Check("substitution");

/// For all of it: a path of a few kilobytes, and connections that may be slow.
const PATIENCE: Duration = Duration::from_secs(90);

/// Lets Nix substitute something.
pub(super) async fn substitute(context: &Context, meant: &Meant, set_up: &Nix) -> Finding {
    let (site, daemon) = (&meant.site, set_up.daemon);
    let log_in = set_up.log_in(site);
    if site.kind != ServerKind::Fh {
        return ping(site, daemon, &log_in).await;
    }
    let store = match site.other_store_dir.as_deref().map(StoreDir::new) {
        None => StoreDir::default(),
        Some(Ok(store)) => store,
        Some(Err(error)) => return NAME.skipped(format!("not tested: {error}")),
    };
    let has_daemon = !matches!(daemon, Daemon::None | Daemon::Unknown);
    let is_absent = |path: &StorePath| !Path::new(&store.display(path)).exists();
    let token = meant.token.as_ref().map(|found| &found.token);
    let chosen = candidate::choose(context, site, token, &store, |paths| {
        // The daemon shows what it can with a path that is not there.
        let through_daemon = has_daemon && paths.iter().any(is_absent);
        if through_daemon {
            paths.retain(is_absent);
        }
        through_daemon
    });
    let (candidate, through_daemon) = match chosen.await {
        Ok((Some(candidate), through_daemon)) => (candidate, through_daemon),
        Ok((None, _)) => {
            let none = "there is nothing yet that you may read, so this was not tested";
            let fix =
                "push something, or ask for a grant: `fh list flakes` shows what you may read";
            return NAME.skipped(none).fix(fix);
        }
        Err(error) => return NAME.of_error(&error, log_in),
    };
    let path = store.display(&candidate.path);
    let again = format!("nix-store --realise {path} -vv");
    let mut finding = if through_daemon {
        let mut command = nix::command("nix-store");
        // One that does not trust the user compares addresses letter by letter with those that it allows.
        if daemon == Daemon::Trusting {
            from_here_alone(&mut command, site);
        }
        command.args(["--realise", &path]);
        let through = format!("the Nix daemon substituted {path}");
        outcome(command, &through, &log_in, &again).await
    } else {
        let scratch = match TempDir::with_prefix("fh-doctor-") {
            Ok(scratch) => scratch,
            Err(error) => return NAME.skipped(format!("no temporary directory: {error}")),
        };
        let command = into_scratch(&scratch, site, &path, daemon);
        let by = if has_daemon {
            "(into a temporary store, not through the daemon: all that could be tested is in your store)"
        } else {
            "into a temporary store"
        };
        let done = format!("Nix substituted {} {by}", candidate.path);
        let said = outcome(command, &done, &log_in, &again).await;
        make_removable(scratch.path());
        said
    };
    if finding.outcome() == Outcome::Ok {
        for sentence in candidate.unproved(token.is_some()) {
            finding.add(sentence);
        }
    }
    if let Some(told) = dispute(context, site, token, &candidate.path.to_string()).await {
        finding.add(&told);
    }
    finding
}

/// What the server says where flakes disagree about the path that was tried.
async fn dispute(
    context: &Context,
    site: &Site,
    token: Option<&SecretString>,
    path: &str,
) -> Option<String> {
    let client = context.client_of(&site.server, Some(token?)).ok()?;
    // Another server may not explain, and then there is nothing to tell.
    let found = client.explain_access(path, None).await.ok()?;
    found.disputed.map(|disputed| disputed.told())
}

/// Substitution into a store that goes again, remembering nothing.
fn into_scratch(scratch: &TempDir, site: &Site, path: &str, daemon: Daemon) -> Command {
    let mut command = nix::command_as("nix-store", daemon);
    command
        .env("XDG_CACHE_HOME", scratch.path().join("cache"))
        .arg("--store")
        .arg(scratch.path().join("root"));
    from_here_alone(&mut command, site);
    command.args(["--realise", path]);
    command
}

/// This server, and no other that might have the path too. Whether Nix asks it by itself, and substitutes
/// at all, is a check of its own.
fn from_here_alone(command: &mut Command, site: &Site) {
    let substituters = site.substituters().into_iter();
    let substituters: Vec<&str> = substituters.map(ServerUrl::as_str).collect();
    command
        .args(["--option", "substitute", "true"])
        .args(["--option", "extra-substituters", ""])
        .args(["--option", "substituters", &substituters.join(" ")]);
}

/// Nix makes what it writes unwritable, directories included.
fn make_removable(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(metadata) = directory.symlink_metadata() else {
        return;
    };
    if !metadata.is_dir() {
        return;
    }
    let writable = std::fs::Permissions::from_mode(0o700);
    if std::fs::set_permissions(directory, writable).is_err() {
        return;
    }
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        make_removable(&entry.path());
    }
}

/// A server of another kind names no path to try: Nix asks it for what it is.
async fn ping(site: &Site, daemon: Daemon, log_in: &str) -> Finding {
    let Some(substituter) = &site.substituter else {
        return NAME.skipped("the server does not report the address of its cache");
    };
    let mut command = nix::command_as("nix", daemon);
    command
        .args(["--extra-experimental-features", "nix-command"])
        .args(["store", "ping", "--store", substituter.as_str()]);
    let done =
        format!("Nix reads from {substituter}. No path was tested, and so not the keys either");
    let again = format!("nix store ping --store {substituter} -vv");
    outcome(command, &done, log_in, &again).await
}

/// What became of a command of Nix. `log_in` sets up Nix for the server; `again` is what a person can
/// run to see more.
async fn outcome(mut command: Command, success: &str, log_in: &str, again: &str) -> Finding {
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => NAME.ok(success),
        Ok(Ok(output)) => {
            let complaint = complaint(&output.stderr);
            let fix = remedy(&complaint, log_in, again);
            NAME.failed(format!("Nix could not: {complaint}"), fix)
        }
        Ok(Err(error)) => NAME.failed(format!("Nix could not be started: {error}"), nix::INSTALL),
        Err(_) => NAME.failed(
            format!("Nix did not finish within {} seconds", PATIENCE.as_secs()),
            remedy("", log_in, again),
        ),
    }
}

/// What Nix says of the substituter counts more than that it then cannot build the path either, and what it
/// says of its settings is no reason for that.
fn complaint(stderr: &[u8]) -> String {
    const OF_SUBSTITUTER: [&str; 6] = [
        "ignoring substitute",
        "ignoring untrusted substituter",
        "unable to download",
        "binary cache",
        "lacks a",
        "HTTP error",
    ];
    const OF_SETTINGS: [&str; 5] = [
        "unknown setting",
        "unknown experimental feature",
        "deprecated",
        "client-specified setting",
        "build-users-group",
    ];
    let text = String::from_utf8_lossy(stderr);
    let says = |line: &str, words: &[&str]| words.iter().any(|word| line.contains(word));
    let is_warning = |line: &&str| line.contains("warning:") && !says(line, &OF_SETTINGS);
    let lines = || text.lines().map(str::trim);
    let line = lines()
        .filter(|line| line.contains("warning:") || says_error(line))
        .find(|line| says(line, &OF_SUBSTITUTER) && !says(line, &OF_SETTINGS))
        .or_else(|| lines().find(|line| says_error(line)))
        .or_else(|| lines().find(is_warning));
    line.map_or_else(|| reason(stderr), without_setting)
}

/// What mends what Nix complains of: a login where keys or credentials are wrong, else what shows more.
fn remedy(complaint: &str, log_in: &str, again: &str) -> String {
    // The words of Nix 2.8 to 2.34 for a signature that is missing or not trusted, and of HTTP.
    const OF_LOGIN: [&str; 5] = [
        "not signed by",
        "lacks a valid signature",
        "lacks a signature",
        "HTTP error 401",
        "HTTP error 403",
    ];
    if OF_LOGIN.iter().any(|words| complaint.contains(words)) {
        log_in.to_owned()
    } else {
        format!("{again}   shows more; first fix what failed above")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nix_complains_of_has_a_remedy() {
        const AGAIN: &str =
            "nix-store --realise /nix/store/x -vv   shows more; first fix what failed above";
        for (complaint, expected) in [
            (
                "warning: ignoring substitute for '/nix/store/x' from 'https://h', as it's not signed by any of \
                 the keys in 'trusted-public-keys'",
                "fh login",
            ),
            (
                "error: cannot add path '/nix/store/x' because it lacks a signature by a trusted key",
                "fh login",
            ),
            (
                "warning: unable to download 'https://h/x.narinfo': HTTP error 401 ('Unauthorized')",
                "fh login",
            ),
            (
                "warning: unable to download 'https://h/x.narinfo': Could not resolve host: h (6)",
                AGAIN,
            ),
            ("error: out of disk space", AGAIN),
            ("", AGAIN),
        ] {
            let again = "nix-store --realise /nix/store/x -vv";
            assert_eq!(
                remedy(complaint, "fh login", again),
                expected,
                "{complaint}"
            );
        }
    }

    #[test]
    fn the_cause_is_told_and_not_its_consequence() {
        let said =
            b"don't know how\nwarning: ignoring substitute: not signed\nerror: cannot build\n";
        assert_eq!(complaint(said), "warning: ignoring substitute: not signed");
        assert_eq!(complaint(b"odd\n"), "odd");
        // As 2.34 has it, on several lines.
        let said =
            b"error:\n       \xe2\x80\xa6 while building\n\n       error: out of disk space\n";
        assert_eq!(complaint(said), "error: out of disk space");
        for of_settings in [
            "warning: unknown setting 'lazy-trees'",
            "warning: unknown experimental feature 'parallel-eval'",
            "warning: 'foo' is a deprecated alias for 'bar'",
            "warning: the group 'nixbld' specified in 'build-users-group' does not exist",
            "warning: ignoring the client-specified setting 'netrc-file', because it is a restricted setting",
        ] {
            for reason in ["unable to download: HTTP error 401", "out of disk space"] {
                let said = format!("{of_settings}\nerror: {reason}\n");
                assert_eq!(complaint(said.as_bytes()), format!("error: {reason}"));
            }
        }
    }
}
