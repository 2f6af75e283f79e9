//! `fh doctor`: would Nix substitute from the server, and if not, what to do about it.
//!
//! ```text
//! server → clock → TLS → token → daemon → netrc → substituter → keys → a substitution by real Nix
//! ```
//!
//! Every link of that chain is a check of its own, so that the first one that is broken is named and
//! not its consequences. Nothing is changed, but for one small path that the last check may add to the
//! Nix store.

mod finding;
mod kept;
mod nix;
mod origin;
mod probe;
mod setup;

use std::process::ExitCode;

use clap::Args;
use fh_api::Whoami;
use fh_client::{Client, Error as ClientError, Reading, ServerKind, ServerUrl};
use serde_json::json;
use time::OffsetDateTime;

use self::finding::{Finding, Outcome};
use self::origin::Origins;
use super::expiry::Ending;
use super::kind_in_words;
use super::login::{Site, ask_for_lines, attic_cache, recognise};
use crate::context::{Context, FoundToken, Selected, TokenOrigin};
use crate::error::CommandError;
use crate::output::human;
use crate::settings::variables;
use crate::setup::daemon::{self, Daemon};
use crate::setup::keeper::Determinate;

/// Check whether Nix can substitute from the server, and find what prevents it
///
/// Looks at the server, this machine's clock, TLS, the token, the netrc and the settings that Nix
/// really uses, and finally lets Nix substitute a small path. Each line is one check; if it fails, the next
/// line is the command that fixes it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh doctor
  fh doctor --server https://cache.example.org
  sudo fh doctor                         # what the Nix daemon may read, too
  fh doctor --json | jq '.checks[] | select(.outcome == \"failed\")'

Exit status: 0 Nix can substitute from the server; 1 it cannot, or this is unknown;
2 usage.")]
pub(crate) struct DoctorArguments {}

pub(crate) fn run(context: &Context) -> Result<ExitCode, CommandError> {
    let findings = context.wait("", async { Ok(examine(context).await) })?;
    let works = findings
        .iter()
        .all(|finding| finding.outcome() != Outcome::Failed)
        && findings
            .last()
            .is_some_and(|last| last.check() == probe::NAME && last.outcome() == Outcome::Ok);
    if context.output.is_json() {
        context
            .output
            .json(&json!({ "works": works, "checks": findings }))?;
    } else {
        for finding in &findings {
            let toned = |tone, word: &str| context.output.toned(tone, word);
            context.output.colored(&finding.lines(toned))?;
        }
    }
    Ok(if works {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// All checks that can be made, the most fundamental first.
async fn examine(context: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    let selected = match context.selected() {
        Ok(Some(selected)) => selected,
        Ok(None) => {
            let about = "you are not logged in to any server";
            return vec![Finding::failed("server", about, "fh login --server URL")];
        }
        Err(error) => {
            return vec![Finding::from_error(
                "server",
                &error,
                "fh login --server URL",
            )];
        }
    };
    let mut site = match recognise(&selected, context).await {
        Ok(site) => site,
        Err(error) => return vec![from_server("server", &error, selected.url())],
    };
    findings.push(Finding::ok(
        "server",
        format!(
            "{} answers; it is {}",
            site.server,
            kind_in_words(site.kind)
        ),
    ));
    findings.extend(clock(&site));
    findings.push(transport(&site));

    let (found, token) = token(context, &selected, &site).await;
    findings.push(found);
    let learnt = match site.kind {
        ServerKind::Fh => lines(context, &selected, &mut site, token.as_ref()).await,
        ServerKind::Attic => cache(context, &mut site, token.as_ref()).await,
        ServerKind::FlakeHub => Ok(()),
    };
    if let Err(error) = learnt {
        findings.push(from_server("addresses", &error, &site.server));
    }
    findings.extend(of_nix(context, &site, token.as_ref()).await);
    findings
}

/// What Nix makes of the server. Where Nix does not start, the rest would only be consequences.
async fn of_nix(context: &Context, site: &Site, token: Option<&FoundToken>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(unread(context));
    let origins = match Origins::read(context) {
        Ok(origins) => origins,
        Err(finding) => {
            findings.push(finding);
            return findings;
        }
    };
    let daemon = daemon::look().await;
    let trouble = match daemon {
        Daemon::Unknown => daemon::trouble().await,
        _ => None,
    };
    let is_there = daemon != Daemon::Unknown || trouble.is_some();
    let mended_by = |said: &str| mended_by(said, &origins, named_daemon(context, &origins));
    findings.push(trust(daemon, trouble, mended_by));
    if !is_there {
        return findings;
    }
    match nix::settings(daemon).await {
        Err(finding) => findings.push(finding),
        Ok(settings) => {
            findings.extend(settings.builds_everything(&origins));
            let netrc = setup::netrc(&settings, site, token, daemon, &origins);
            findings.push(match context.settings.directories() {
                Ok(directories) => {
                    let determinate = Determinate::of(&directories);
                    kept::mended(netrc, &settings, site, token, &determinate)
                }
                Err(_) => netrc,
            });
            findings.extend(setup::substituters(&settings, site, daemon, &origins));
            findings.push(setup::keys(&settings, site, daemon, &origins));
            findings.push(probe::substitute(context, site, token, daemon).await);
        }
    }
    findings
}

/// A variable that is set and empty, which is nothing to Nix and not the default.
fn unread(context: &Context) -> Option<Finding> {
    let directories = context.settings.directories().ok()?;
    let empty = directories.unread_because?;
    let file = directories.user_nix_conf.display();
    let about = format!("{empty} is set and empty, so Nix does not read {file}");
    Some(Finding::warning("nix.conf", about).fix(format!("unset {empty}")))
}

/// What names a store other than the usual: a variable, or a setting and its place.
fn named_daemon(context: &Context, origins: &Origins) -> Option<String> {
    let names = [&variables::NIX_REMOTE, &variables::NIX_DAEMON_SOCKET_PATH];
    let variable = names.into_iter().find(|name| context.settings.has(name));
    let of_variable = variable.map(|variable| format!("unset {}", variable.name));
    of_variable.or_else(|| {
        let place = origins.of("store", Daemon::Trusting)?;
        Some(format!("remove `store` from {place}"))
    })
}

/// What a server, or the way to it, did wrong, as a check that failed.
fn from_server(check: &'static str, error: &CommandError, server: &ServerUrl) -> Finding {
    let log_in = format!("fh login --server {server}");
    match error.downcast_ref::<ClientError>() {
        // The error's own hint says no more than this command.
        Some(ClientError::Unauthorized { .. }) => Finding::failed(check, error.sentence(), log_in),
        Some(ClientError::Unreachable { .. } | ClientError::Status { .. }) => Finding::from_error(
            check,
            error,
            format!("curl -v {server}   shows what answers"),
        ),
        Some(client) if client.status().is_some_and(|status| status >= 500) => Finding::from_error(
            check,
            error,
            format!("curl -v {server}/readyz   shows its state"),
        ),
        _ => Finding::from_error(check, error, log_in),
    }
}

fn clock(site: &Site) -> Option<Finding> {
    site.now?;
    Some(match site.clock_skew() {
        None => Finding::ok("clock", "this machine's clock agrees with the server's"),
        Some(skew) => {
            let ahead = if skew.is_positive() {
                "ahead of"
            } else {
                "behind"
            };
            Finding::failed(
                "clock",
                format!(
                    "this machine's clock is {} seconds {ahead} the server's: tokens look expired, or \
                     not yet valid",
                    skew.whole_seconds().abs()
                ),
                "timedatectl set-ntp true",
            )
        }
    })
}

fn transport(site: &Site) -> Finding {
    if site.server.is_secure() {
        // That it answered says that its certificate is one that this machine trusts.
        Finding::ok("tls", "the server's certificate is trusted")
    } else if site.server.is_loopback() {
        Finding::ok("tls", "not needed: the server is on this machine")
    } else {
        Finding::warning(
            "tls",
            "the token travels unencrypted: anyone on the network path can read it",
        )
        .fix("docs/server.md, \"In front of the world\": give the server a certificate")
    }
}

/// Whether there is a token, and what the server makes of it.
async fn token(
    context: &Context,
    selected: &Selected,
    site: &Site,
) -> (Finding, Option<FoundToken>) {
    let log_in = format!("fh login --server {}", site.server);
    let found = match context.token(selected.url()) {
        Ok(Some(found)) => found,
        Ok(None) => {
            let none = Finding::warning(
                "token",
                "there is none: you can read public flakes by their names (/cache/ORG/PROJECT), and what the \
                 server shows to everybody",
            );
            return (none.fix(log_in), None);
        }
        Err(error) => return (Finding::from_error("token", &error, log_in), None),
    };
    let finding = match accepted(context, site, &found).await {
        Ok(about) => about,
        // Where a variable is in force, logging in would not help.
        Err(error) => match (&found.origin, error.downcast_ref::<ClientError>()) {
            (
                TokenOrigin::Variable(_) | TokenOrigin::VariableFile(_),
                Some(ClientError::Unauthorized { .. } | ClientError::InvalidToken { .. }),
            ) => {
                let fix = format!("unset the variable, or correct it: {}", found.origin);
                Finding::failed("token", error.sentence(), fix)
            }
            _ => from_server("token", &error, &site.server),
        },
    };
    (finding, Some(found))
}

async fn accepted(
    context: &Context,
    site: &Site,
    found: &FoundToken,
) -> Result<Finding, CommandError> {
    let origin = &found.origin;
    let attic = attic_cache(&site.server).filter(|_| site.kind == ServerKind::Attic);
    let base = attic.as_ref().map_or(&site.server, |(base, _)| base);
    let client: Client = context
        .client_builder(base.clone())?
        .token(found.token.clone())
        .build()?;
    let soon = |end: Option<OffsetDateTime>, whoami: Option<&Whoami>| {
        Ending::of(end?, whoami, origin, &site.server, context).map(Ending::fix)
    };
    let end = match (attic, site.kind) {
        (Some((_, cache)), _) => {
            client.attic_cache(cache).await?;
            Some(found.expires_at())
        }
        (None, ServerKind::FlakeHub) => {
            let status = client.flakehub_status().await?;
            let told = status.map(|status| status.expires_at);
            Some(told.or_else(|| found.expires_at()))
        }
        (None, _) => None,
    };
    if let Some(end) = end {
        let about = format!("accepted (from {origin})");
        return Ok(match soon(end, None) {
            Some(fix) => Finding::warning("token", format!("{about}, and ends soon")).fix(fix),
            None => Finding::ok("token", about),
        });
    }
    let whoami = client.whoami().await?;
    let now = OffsetDateTime::now_utc();
    let about = format!(
        "the server knows you as {} until {} (from {origin})",
        whoami.user,
        human::date(whoami.expires_at, now)
    );
    if !whoami.permissions.contains(&fh_api::Permission::Pull) {
        return Ok(Finding::failed(
            "token",
            format!("{about}, but may not read"),
            "fh token create --permission read",
        ));
    }
    if let Some(fix) = soon(Some(whoami.expires_at), Some(&whoami)) {
        return Ok(Finding::warning("token", about).fix(fix));
    }
    Ok(Finding::ok("token", about))
}

/// Learns what an attic server says of the cache: its address and its key.
async fn cache(
    context: &Context,
    site: &mut Site,
    token: Option<&FoundToken>,
) -> Result<(), CommandError> {
    let Some((base, name)) = attic_cache(&site.server) else {
        return Ok(());
    };
    let name = name.to_owned();
    let mut builder = context.client_builder(base)?;
    if let Some(found) = token {
        builder = builder.token(found.token.clone());
    }
    let described = builder.build()?.attic_cache(&name).await?;
    site.learn(described)
}

/// Learns from which addresses Nix is to read, as the next login would.
async fn lines(
    context: &Context,
    selected: &Selected,
    site: &mut Site,
    token: Option<&FoundToken>,
) -> Result<(), CommandError> {
    let mut builder = context.client_builder(site.server.clone())?;
    if let Some(found) = token {
        builder = builder.token(found.token.clone());
    }
    let client = builder.build()?;
    let reading = match selected {
        Selected::Known(entry) => entry.reading.clone(),
        Selected::FlakeHub(_) | Selected::New(_) => Reading::Usual,
    };
    ask_for_lines(site, &client, &reading).await
}

/// Starts the Nix daemon of a usual installation.
const START_DAEMON: &str = if cfg!(target_os = "macos") {
    "sudo launchctl kickstart -k system/org.nixos.nix-daemon"
} else {
    "sudo systemctl start nix-daemon"
};

/// What puts right why Nix does not answer. `named` is what does away with a store that is named.
fn mended_by(said: &str, origins: &Origins, named: Option<String>) -> String {
    // Where there is no socket, Nix takes the store for the user's own, and may not write to it.
    let is_not_allowed =
        said.contains("Permission denied") || said.contains("Operation not permitted");
    let of_setting = said
        .split_once("etting '")
        .and_then(|(_, rest)| rest.split_once("' has invalid value"))
        .and_then(|(name, _)| Some((name, origins.of(name, Daemon::Trusting)?)));
    if let Some((name, place)) = of_setting {
        format!("correct `{name}` in {place}")
    } else if said.contains("cannot connect to") || is_not_allowed && said.contains("/nix/var/nix")
    {
        match named {
            None => START_DAEMON.to_owned(),
            Some(otherwise) => format!("start the Nix daemon that is named there, or {otherwise}"),
        }
    } else if said.contains("configuration line") {
        "correct the line of nix.conf that Nix names".to_owned()
    } else {
        "nix store ping   shows the whole message".to_owned()
    }
}

fn trust(daemon: Daemon, trouble: Option<String>, mended_by: impl Fn(&str) -> String) -> Finding {
    const NAME: &str = "daemon";
    match daemon {
        Daemon::None => Finding::ok(NAME, "there is none: Nix uses your own settings"),
        Daemon::Trusting => Finding::ok(NAME, "the Nix daemon trusts you: your own settings count"),
        Daemon::Distrusting => Finding::ok(
            NAME,
            "the Nix daemon does not trust you: only the machine's settings count",
        ),
        Daemon::Silent => Finding::warning(
            NAME,
            "there is a Nix daemon, and this version of Nix does not report whether it trusts you",
        ),
        Daemon::Unknown => match trouble {
            None => Finding::failed(NAME, "Nix is not installed", nix::INSTALL),
            Some(said) => {
                let fix = mended_by(&said);
                Finding::failed(NAME, format!("Nix does not answer: {said}"), fix)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use fh_api::{ErrorBody, ErrorCode};
    use fh_client::UnreachableCause;

    use super::*;

    #[test]
    fn each_reason_why_nix_does_not_answer_has_what_mends_it() {
        const SHOW: &str = "nix store ping   shows the whole message";
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("nix.conf");
        std::fs::write(&file, "\ncores = many\n").unwrap();
        let origins = Origins::parse(std::slice::from_ref(&file), Some(b"max-jobs = few")).unwrap();
        let of_file = format!("correct `cores` in line 2 of {}", file.display());
        let socket = "error: cannot connect to socket at '/s': Connection refused";
        for (said, named, expected) in [
            (socket, None, START_DAEMON),
            (
                socket,
                Some("unset NIX_REMOTE"),
                "start the Nix daemon that is named there, or unset NIX_REMOTE",
            ),
            // Where there is no socket.
            (
                "error: opening lock file '/nix/var/nix/db/big-lock': Permission denied",
                None,
                START_DAEMON,
            ),
            (
                "error: could not set permissions on '/nix/var/nix/profiles/per-user' to 755: Operation not \
                 permitted",
                None,
                START_DAEMON,
            ),
            (
                "error: opening file '/home/me/x': Permission denied",
                None,
                SHOW,
            ),
            (
                "error: setting 'cores' has invalid value 'many'",
                None,
                of_file.as_str(),
            ),
            (
                "error: setting 'max-jobs' has invalid value 'few'",
                None,
                "correct `max-jobs` in NIX_CONFIG",
            ),
            (
                "error: Boolean setting 'substitute' has invalid value 'x'",
                None,
                SHOW,
            ),
        ] {
            let fix = mended_by(said, &origins, named.map(str::to_owned));
            assert_eq!(fix, expected, "{said}");
        }
    }

    #[test]
    fn what_a_server_does_wrong_has_a_command_that_mends_it() {
        let url = || "https://x.org/api/v1/whoami".to_owned();
        let api = |status, error| ClientError::Api {
            url: url(),
            status,
            body: Box::new(ErrorBody {
                code: status,
                error,
                message: "no".to_owned(),
                request_id: None,
            }),
        };
        let unreachable = |cause| ClientError::Unreachable { url: url(), cause };
        for (error, expected) in [
            (
                unreachable(UnreachableCause::Refused),
                "curl -v https://x.org",
            ),
            (
                unreachable(UnreachableCause::TimedOut),
                "curl -v https://x.org",
            ),
            (
                ClientError::Unauthorized {
                    url: url(),
                    message: "it has ended".to_owned(),
                },
                "fh login --server https://x.org",
            ),
            (
                api(500, ErrorCode::Internal),
                "curl -v https://x.org/readyz",
            ),
            (
                api(404, ErrorCode::NotFound),
                "fh login --server https://x.org",
            ),
            (
                api(400, ErrorCode::BadRequest),
                "fh login --server https://x.org",
            ),
        ] {
            let server = "https://x.org".parse().unwrap();
            let error = CommandError::from(error);
            let said = from_server("addresses", &error, &server).to_text();
            let (_, fix) = said.split_once('\u{2192}').unwrap();
            assert!(fix.contains(expected), "{said}");
        }
    }
}
