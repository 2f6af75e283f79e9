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
use serde_json::json;

use self::finding::{Check, Finding, Outcome};
use self::meant::{Meant, NOT_REACHED};
use self::nix::Nix;
use self::origin::Origins;
use crate::context::{Context, Selected};
use crate::error::CommandError;
use crate::output::human::kind_in_words;
use crate::setup::daemon::{self, Daemon};
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
    let has_failed = |finding: &Finding| finding.outcome() == Outcome::Failed;
    let is_proved = findings
        .last()
        .is_some_and(|last| last.check() == probe::NAME && last.outcome() == Outcome::Ok);
    let works = is_proved && !findings.iter().any(has_failed);
    if context.output.is_json() {
        let told = json!({ "works": works, "checks": findings });
        context.output.json(&told)?;
    } else {
        for finding in &findings {
            let toned = |tone, word: &str| context.output.toned(tone, word);
            context.output.colored(&finding.lines(toned))?;
        }
    }
    Ok(ExitCode::from(u8::from(!works)))
}

/// All checks that can be made, the most fundamental first.
async fn examine(context: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    let broken = own::config(context);
    let selected = if broken.is_some() {
        // Which server is meant stands in there, unless its address was given.
        Ok(context.addressed_server())
    } else {
        findings.extend(own::ledger(context));
        context.selected()
    };
    let log_in = "fh login --server URL";
    let selected = match selected {
        Ok(None) if broken.is_none() => {
            let about = "you are not logged in to any server";
            findings.push(server::NAME.failed(about, log_in));
            return findings;
        }
        Ok(selected) => selected,
        Err(error) => {
            findings.push(server::NAME.of_error(&error, log_in));
            None
        }
    };
    findings.extend(broken);
    let meant = match selected {
        Some(selected) => of_server(context, &selected, &mut findings).await,
        None => None,
    };
    of_nix(context, meant.as_ref(), &mut findings).await;
    findings
}

/// What there is on the way to the server, and what it says. What is remembered of it where it does not answer; none
/// where nothing is.
async fn of_server(
    context: &Context,
    selected: &Selected,
    findings: &mut Vec<Finding>,
) -> Option<Meant> {
    let server = selected.url();
    let named = certificates::named(context, server);
    let are_usable = !named.iter().any(|it| it.outcome() == Outcome::Failed);
    findings.extend(named);
    let recognised = if are_usable {
        let recognised = recognise(selected, context).await;
        recognised.map_err(|error| server::from_server(server::NAME, &error, server))
    } else {
        Err(server::NAME.skipped("not asked: the certificates for it cannot be read"))
    };
    let mut site = match recognised {
        Ok(site) => site,
        Err(finding) => {
            findings.push(finding);
            let Selected::Known(entry) = selected else {
                return None;
            };
            let (finding, token) = token::unchecked(context, server);
            findings.push(finding);
            return Some(Meant {
                site: Site::remembered(entry),
                token,
                untried: Some(NOT_REACHED),
            });
        }
    };
    let kind = kind_in_words(site.kind);
    findings.push(server::NAME.ok(format!("{} answers; it is {kind}", site.server)));
    findings.extend(server::clock(&site));
    findings.push(server::transport(&site));
    let (finding, token) = token::checked(context, server, &site).await;
    let cannot_be_read = token.is_none() && finding.outcome() == Outcome::Failed;
    findings.push(finding);
    if let Err(error) = server::learn(context, selected, &mut site, token.as_ref()).await {
        let check = Check("addresses");
        findings.push(server::from_server(check, &error, &site.server));
    }
    Some(Meant {
        site,
        token,
        untried: cannot_be_read.then_some("the token cannot be read"),
    })
}

/// What Nix makes of the server. Where Nix does not start, the rest would only be consequences.
async fn of_nix(context: &Context, meant: Option<&Meant>, findings: &mut Vec<Finding>) {
    findings.extend(unread(context));
    let origins = match Origins::read(context) {
        Ok(origins) => origins,
        Err(finding) => return findings.push(finding),
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
        return;
    }
    let nix = match nix::settings(daemon).await {
        Ok(settings) => Nix {
            settings,
            daemon,
            origins,
        },
        Err(finding) => return findings.push(finding),
    };
    findings.extend(nix.builds_everything());
    let Some(meant) = meant else {
        findings.extend(public_keys::broken(&nix));
        let about = "not tested: it is not known which server is meant";
        return findings.push(probe::NAME.skipped(about));
    };
    findings.extend(certificates::of_nix(context, meant, &nix).await);
    findings.push(netrc_writer::mended(
        setup::netrc(meant, &nix),
        meant,
        &nix,
        context,
    ));
    findings.extend(setup::substituters(&meant.site, &nix));
    findings.extend(public_keys::broken(&nix));
    findings.push(public_keys::of_server(&meant.site, &nix));
    findings.push(match meant.untried {
        Some(why) => probe::NAME.skipped(format!("not tested: {why}")),
        None => probe::substitute(context, meant, &nix).await,
    });
}

/// A variable that is set and empty, which is nothing to Nix and not the default.
fn unread(context: &Context) -> Option<Finding> {
    let directories = context.settings.directories().ok()?;
    let empty = directories.unread_because?;
    let file = directories.user_nix_conf.display();
    let about = format!("{empty} is set and empty, so Nix does not read {file}");
    Some(origin::NAME.warning(about).fix(format!("unset {empty}")))
}
