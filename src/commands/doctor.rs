//! `fh doctor`: would Nix substitute from the server, and if not, what to do about it.
//!
//! ```text
//! own files → certificates → server → clock → TLS → token
//!     → nix.conf → daemon → certificates of Nix → netrc → substituter → keys → a substitution by real Nix
//! ```
//!
//! Every link of that chain is a check of its own, so that what is broken is named and not its consequences. What does
//! not depend on a broken link is looked at all the same. Nothing is changed, but for one small path that the last check
//! may add to the Nix store.

mod answer;
mod certificates;
mod finding;
mod meant;
mod netrc_writer;
mod nix;
mod origin;
mod own;
mod probe;
mod public_keys;
mod server;
mod setup;
mod token;

use std::process::ExitCode;

use clap::Args;
use fh_client::ServerKind;
use serde_json::json;

use self::finding::{Finding, Outcome};
use self::meant::{Meant, NOT_REACHED};
use self::nix::Settings;
use self::origin::Origins;
use crate::context::{Context, Selected};
use crate::error::CommandError;
use crate::output::human::kind_in_words;
use crate::setup::daemon::{self, Daemon};
use crate::setup::keeper::Determinate;
use crate::site::{Site, recognise};

/// Check whether Nix can substitute from the server, and find what prevents it
///
/// Looks at the files of fh, the server, this machine's clock, TLS and its certificates, the token, the netrc and the
/// settings that Nix really uses, and finally lets Nix substitute a small path. Each line is one check; if it fails, the
/// next line is the command that fixes it.
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
    if let Some(broken) = own::config(context) {
        findings.push(broken);
        // Which server is meant stands in there, unless its address was given.
        let meant = match context.addressed_server() {
            Some(selected) => of_server(context, &selected, &mut findings).await,
            None => None,
        };
        findings.extend(of_nix(context, meant.as_ref()).await);
        return findings;
    }
    findings.extend(own::ledger(context));
    let log_in = "fh login --server URL";
    let selected = match context.selected() {
        Ok(Some(selected)) => selected,
        Ok(None) => {
            let about = "you are not logged in to any server";
            findings.push(Finding::failed("server", about, log_in));
            return findings;
        }
        Err(error) => {
            findings.push(Finding::from_error("server", &error, log_in));
            findings.extend(of_nix(context, None).await);
            return findings;
        }
    };
    let meant = of_server(context, &selected, &mut findings).await;
    findings.extend(of_nix(context, meant.as_ref()).await);
    findings
}

/// What there is on the way to the server, and what it says. What is remembered of it where it does not answer; none
/// where nothing is.
async fn of_server(
    context: &Context,
    selected: &Selected,
    findings: &mut Vec<Finding>,
) -> Option<Meant> {
    let named = certificates::named(context, selected.url());
    let are_usable = named
        .iter()
        .all(|finding| finding.outcome() != Outcome::Failed);
    findings.extend(named);
    let recognised = if are_usable {
        recognise(selected, context).await
    } else {
        let about = "not asked: the certificates for it cannot be read";
        findings.push(Finding::skipped("server", about));
        Err(CommandError::failed(about))
    };
    let (mut site, is_reached) = match recognised {
        Ok(site) => (site, true),
        Err(error) => {
            if are_usable {
                findings.push(server::from_server("server", &error, selected.url()));
            }
            let Selected::Known(entry) = selected else {
                return None;
            };
            (Site::remembered(entry), false)
        }
    };
    if is_reached {
        findings.push(Finding::ok(
            "server",
            format!(
                "{} answers; it is {}",
                site.server,
                kind_in_words(site.kind)
            ),
        ));
        findings.extend(server::clock(&site));
        findings.push(server::transport(&site));
    }
    let (finding, token) = if is_reached {
        token::checked(context, selected.url(), &site).await
    } else {
        token::unchecked(context, selected.url())
    };
    let cannot_be_read = token.is_none() && finding.outcome() == Outcome::Failed;
    findings.push(finding);
    if is_reached {
        let learnt = match site.kind {
            ServerKind::Fh => server::lines(context, selected, &mut site, token.as_ref()).await,
            ServerKind::Attic => server::cache(context, &mut site, token.as_ref()).await,
            ServerKind::FlakeHub => Ok(()),
        };
        if let Err(error) = learnt {
            findings.push(server::from_server("addresses", &error, &site.server));
        }
    }
    let untried = match (is_reached, cannot_be_read) {
        (false, _) => Some(NOT_REACHED),
        (true, true) => Some("the token cannot be read"),
        (true, false) => None,
    };
    Some(Meant {
        site,
        token,
        untried,
    })
}

/// What Nix makes of the server. Where Nix does not start, the rest would only be consequences.
async fn of_nix(context: &Context, meant: Option<&Meant>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(unread(context));
    let origins = match Origins::read(context) {
        Ok(origins) => origins,
        Err(finding) => {
            findings.push(finding);
            return findings;
        }
    };
    findings.extend(origins.unreadable());
    let daemon = daemon::look().await;
    let trouble = match daemon {
        Daemon::Unknown => daemon::trouble().await,
        _ => None,
    };
    let is_there = daemon != Daemon::Unknown || trouble.is_some();
    let named = || answer::named_daemon(context, &origins);
    let mended_by = |said: &str| answer::mended_by(said, &origins, named());
    findings.push(answer::trust(daemon, trouble, mended_by));
    if !is_there {
        return findings;
    }
    match nix::settings(daemon).await {
        Err(finding) => findings.push(finding),
        Ok(settings) => {
            findings.extend(settings.builds_everything(&origins));
            match meant {
                Some(meant) => {
                    findings.extend(of_settings(context, meant, &settings, daemon, &origins).await);
                }
                None => {
                    findings.extend(public_keys::broken(&settings, daemon, &origins));
                    let about = "not tested: it is not known which server is meant";
                    findings.push(Finding::skipped(probe::NAME, about));
                }
            }
        }
    }
    findings
}

/// Whether Nix, with these settings, reads from the server.
async fn of_settings(
    context: &Context,
    meant: &Meant,
    settings: &Settings,
    daemon: Daemon,
    origins: &Origins,
) -> Vec<Finding> {
    let Meant {
        site,
        token,
        untried,
    } = meant;
    let token = token.as_ref();
    let mut findings = Vec::new();
    findings.extend(certificates::of_nix(context, meant, settings, daemon, origins).await);
    let netrc = setup::netrc(settings, site, token, daemon, origins);
    findings.push(match context.settings.directories() {
        Ok(directories) => {
            let determinate = Determinate::of(&directories);
            netrc_writer::mended(netrc, settings, site, token, &determinate)
        }
        Err(_) => netrc,
    });
    findings.extend(setup::substituters(settings, site, daemon, origins));
    findings.extend(public_keys::broken(settings, daemon, origins));
    findings.push(public_keys::of_server(settings, site, daemon, origins));
    findings.push(match untried {
        Some(why) => Finding::skipped(probe::NAME, format!("not tested: {why}")),
        None => probe::substitute(context, site, token, daemon).await,
    });
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
