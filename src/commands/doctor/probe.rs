//! The proof: real Nix substitutes a path from the server.
//!
//! Where a daemon does the work, it is asked for a path that is not there yet, because only that shows
//! what the daemon may and can. Otherwise, and where every path that could be tried is there already,
//! Nix does it into a store of its own below a temporary directory, with the settings that count.

use std::path::Path;
use std::time::Duration;

use fh_api::PathSummary;
use fh_client::{ServerKind, ServerUrl};
use fh_nix::StorePath;
use tempfile::TempDir;
use tokio::process::Command;

use super::finding::Finding;
use super::{nix, setup};
use crate::commands::login::Site;
use crate::context::{Context, FoundToken};
use crate::error::CommandError;
use crate::setup::daemon::Daemon;

pub(super) const NAME: &str = "substitution";

/// For all of it: a path of a few kilobytes, and connections that may be slow.
const PATIENCE: Duration = Duration::from_secs(90);

/// Flakes that are looked at for a path to try, those first that were pushed to last.
const FLAKES: usize = 5;

/// Newest paths of each that are looked at.
const PATHS: usize = 200;

/// Lets Nix substitute something.
pub(super) async fn substitute(
    context: &Context,
    site: &Site,
    token: Option<&FoundToken>,
    daemon: Daemon,
) -> Finding {
    if site.kind != ServerKind::Fh {
        return ping(site, daemon).await;
    }
    let log_in = setup::log_in(site, daemon);
    let candidates = match candidates(context, site, token).await {
        Ok(candidates) => candidates,
        Err(error) => return Finding::from_error(NAME, &error, log_in),
    };
    let store = site.other_store_dir.as_deref().unwrap_or("/nix/store");
    let Some(smallest) = candidates.first() else {
        return Finding::skipped(
            NAME,
            "there is nothing yet that you may read, so this was not tested",
        )
        .fix("push something, or ask for a grant: `fh list flakes` shows what you may read");
    };
    let has_daemon = matches!(
        daemon,
        Daemon::Trusting | Daemon::Distrusting | Daemon::Silent
    );
    let absent = candidates
        .iter()
        .find(|candidate| !Path::new(store).join(&candidate.path).exists());
    let (tried, mut finding) = match absent {
        Some(absent) if has_daemon => {
            let mut command = nix::command("nix-store", daemon);
            command.args(["--realise", &format!("{store}/{}", absent.path)]);
            let through = format!("the Nix daemon substituted {store}/{}", absent.path);
            let again = format!("nix-store --realise {store}/{} -vv", absent.path);
            (
                &absent.path,
                outcome(command, &through, &log_in, &again).await,
            )
        }
        _ => {
            let scratch = match TempDir::with_prefix("fh-doctor-") {
                Ok(scratch) => scratch,
                Err(error) => {
                    return Finding::skipped(NAME, format!("no temporary directory: {error}"));
                }
            };
            let command = into_scratch(
                &scratch,
                site,
                &format!("{store}/{}", smallest.path),
                daemon,
            );
            let by = if has_daemon {
                "(into a temporary store, not through the daemon: all that could be tested is in your store)"
            } else {
                "into a temporary store"
            };
            let done = format!("Nix substituted {} {by}", smallest.path);
            let again = format!("nix-store --realise {store}/{} -vv", smallest.path);
            let said = outcome(command, &done, &log_in, &again).await;
            make_removable(scratch.path());
            (&smallest.path, said)
        }
    };
    if let Some(told) = dispute(context, site, token, tried).await {
        finding.add(&told);
    }
    finding
}

/// What the server says where flakes disagree about the path that was tried.
async fn dispute(
    context: &Context,
    site: &Site,
    token: Option<&FoundToken>,
    path: &str,
) -> Option<String> {
    let builder = context.client_builder(site.server.clone()).ok()?;
    let client = builder.token(token?.token.clone()).build().ok()?;
    // Another server may not explain, and then there is nothing to tell.
    let found = client.explain_access(path, None).await.ok()?;
    found.disputed.map(|disputed| disputed.told())
}

/// Substitution into a store that goes again, remembering nothing.
fn into_scratch(scratch: &TempDir, site: &Site, path: &str, daemon: Daemon) -> Command {
    let mut command = nix::command("nix-store", daemon);
    command
        .env("XDG_CACHE_HOME", scratch.path().join("cache"))
        .arg("--store")
        .arg(scratch.path().join("root"))
        // This server, and no other that might have the path too.
        .args(["--option", "substitute", "true"])
        .args(["--option", "extra-substituters", ""]);
    let substituters: Vec<&str> = site
        .substituters()
        .into_iter()
        .map(ServerUrl::as_str)
        .collect();
    command.args(["--option", "substituters", &substituters.join(" ")]);
    command.args(["--realise", path]);
    command
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

/// Small paths that need no others, from what the caller may read.
async fn candidates(
    context: &Context,
    site: &Site,
    token: Option<&FoundToken>,
) -> Result<Vec<PathSummary>, CommandError> {
    let mut builder = context.client_builder(site.server.clone())?;
    if let Some(found) = token {
        builder = builder.token(found.token.clone());
    }
    let client = builder.build()?;
    let mut flakes = client.flakes().await?.flakes;
    flakes.retain(|flake| flake.paths > 0);
    flakes.sort_by_key(|flake| std::cmp::Reverse(flake.last_push_at));
    let mut found = Vec::new();
    for flake in flakes.iter().take(FLAKES) {
        let listed = client.flake_paths(&flake.flake, PATHS).await?.paths;
        // What a server says goes to a command line: only as a store path.
        found.extend(
            listed
                .into_iter()
                .filter(|path| path.path.parse::<StorePath>().is_ok()),
        );
    }
    found.sort_by_key(|path| (path.references, path.nar_size));
    Ok(found)
}

/// A server of another kind names no path to try: Nix asks it for what it is.
async fn ping(site: &Site, daemon: Daemon) -> Finding {
    let Some(substituter) = &site.substituter else {
        return Finding::skipped(NAME, "the server does not report the address of its cache");
    };
    let mut command = nix::command("nix", daemon);
    command
        .args(["--extra-experimental-features", "nix-command"])
        .args(["store", "ping", "--store", substituter.as_str()]);
    outcome(
        command,
        &format!("Nix reads from {substituter} (no path was tested)"),
        &setup::log_in(site, daemon),
        &format!("nix store ping --store {substituter} -vv"),
    )
    .await
}

/// What became of a command of Nix. `log_in` sets up Nix for the server; `again` is what a person can
/// run to see more.
async fn outcome(mut command: Command, success: &str, log_in: &str, again: &str) -> Finding {
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => Finding::ok(NAME, success),
        Ok(Ok(output)) => {
            let complaint = complaint(&output.stderr);
            let fix = remedy(&complaint, log_in, again);
            Finding::failed(NAME, format!("Nix could not: {complaint}"), fix)
        }
        Ok(Err(error)) => Finding::failed(
            NAME,
            format!("Nix could not be started: {error}"),
            nix::INSTALL,
        ),
        Err(_) => Finding::failed(
            NAME,
            format!("Nix did not finish within {} seconds", PATIENCE.as_secs()),
            remedy("", log_in, again),
        ),
    }
}

/// What Nix says first counts more than that it then cannot build the path either. What it says of its settings is
/// no reason for that.
fn complaint(stderr: &[u8]) -> String {
    const OF_SETTINGS: [&str; 4] = [
        "unknown setting",
        "unknown experimental feature",
        "deprecated",
        "client-specified setting",
    ];
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().find(|line| {
        let is_complaint = line.contains("warning:") || line.contains("error:");
        is_complaint && !OF_SETTINGS.iter().any(|words| line.contains(words))
    });
    line.map_or_else(|| nix::last_line(stderr), |line| line.trim().to_owned())
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
        for of_settings in [
            "warning: unknown setting 'lazy-trees'",
            "warning: unknown experimental feature 'parallel-eval'",
            "warning: 'foo' is a deprecated alias for 'bar'",
            "warning: ignoring the client-specified setting 'netrc-file', because it is a restricted setting",
        ] {
            let said = format!("{of_settings}\nerror: unable to download: HTTP error 401\n");
            assert_eq!(
                complaint(said.as_bytes()),
                "error: unable to download: HTTP error 401"
            );
        }
    }
}
