//! `fh login`: one command between a token and a Nix that substitutes.
//!
//! ```text
//! which server → what it is → token → whose it is       nothing is written before these
//!     → what is there → the plan                        … nor before all of it is worked out
//!     → shown, asked for → carried out, or taken back
//! ```

mod activation;
mod arguments;
mod asked;
mod check;
mod hosts;
mod keep_fresh;
mod lines;
mod narrow;
mod nix_certificates;
mod plan;
mod renew;
mod report;
mod token;
mod workload;

pub(crate) use activation::cannot_begin;
pub(crate) use arguments::LoginArguments;

use std::process::ExitCode;

use fh_client::{Error as ClientError, Reading, ServerKind};
use secrecy::SecretString;
use time::OffsetDateTime;

use crate::certificates;
use crate::commands::login::asked::Asked;
use crate::commands::login::check::Login;
use crate::commands::login::report::Report;
use crate::commands::login::workload::Granted;
use crate::context::{Context, Selected, TokenOrigin};
use crate::error::CommandError;
use crate::setup::daemon::{self, Daemon};
use crate::setup::{Scope, removal, renewal};
use crate::site::{self, Identity, Site};
use crate::terminal;

pub(crate) fn run(arguments: &LoginArguments, context: &Context) -> Result<ExitCode, CommandError> {
    if arguments.activation {
        let login = context.wait("Nothing was changed.", log_in(arguments, context));
        activation::say(
            arguments,
            login.map(|done| done.map(|(report, _)| report)),
            context,
        );
        return Ok(ExitCode::SUCCESS);
    }
    let was_there = match context.selected()? {
        Some(selected) if arguments.keep_fresh => {
            removal::login_to(selected.url(), context)?.is_some()
        }
        _ => false,
    };
    // One runtime for all requests, on this thread: while it writes, Ctrl-C is not heard, so that
    // it cannot end the program between two files.
    let report = context.wait("Nothing was changed.", log_in(arguments, context))?;
    let Some((report, granted)) = report else {
        return Ok(ExitCode::SUCCESS);
    };
    report.print(context)?;
    match granted {
        Some(granted) if arguments.keep_fresh => keep_fresh::Session {
            arguments,
            context,
            report: &report,
            was_there,
        }
        .run(&granted),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// The report of a login, and of a workload's the token; none for `--print`, which has printed already.
async fn log_in(
    arguments: &LoginArguments,
    context: &Context,
) -> Result<Option<(Report, Option<Granted>)>, CommandError> {
    let selected = match context.selected()? {
        Some(selected) => selected,
        None if arguments.renew => return Err(renew::nothing_to_renew()),
        None if arguments.may_be_asked(context) => ask_for_server(context).await?,
        // What the existing fh does in scripts.
        None => {
            let flakehub = Selected::FlakeHub(context.flakehub()?);
            let done = log_in_to(flakehub, arguments, context).await;
            return done.map_err(|error| {
                error.hint("No server was named, so FlakeHub is meant. Name yours: `fh login --server URL`")
            });
        }
    };
    log_in_to(selected, arguments, context).await
}

async fn log_in_to(
    selected: Selected,
    arguments: &LoginArguments,
    context: &Context,
) -> Result<Option<(Report, Option<Granted>)>, CommandError> {
    certificates::check_named(&context.settings, selected.url())?;
    if arguments.renew {
        // Where there is no login, nobody has to be asked.
        renewal::require_fh(selected.kind(), selected.url())?;
        renewal::stored(selected.url(), context)?;
    }
    let mut site = if arguments.offline {
        site::offline(&selected)
    } else {
        site::recognise(&selected, context).await?
    };
    if arguments.renew {
        renewal::require_fh(Some(site.kind), &site.server)?;
    }
    let reading = arguments.lines.reading(&selected);
    let (mut login, granted) = checked(arguments, &mut site, &reading, context).await?;
    if site.kind == ServerKind::Fh && !arguments.offline {
        // A workload's token is as narrow as the server has made it for the one organisation.
        if let Some(org) = &arguments.lines.org
            && !arguments.workload.workload
        {
            let change = !arguments.dry_run && !arguments.print;
            narrow::narrow(&mut login, org, &site, change, context).await?;
        }
        let client = context.client_of(&site.server, Some(&login.token))?;
        site::ask_for_lines(&mut site, &client, &reading).await?;
    } else {
        arguments.lines.refuse_elsewhere(&site)?;
    }
    hosts::agree(arguments, &site, &selected, context).await?;
    let scope = match arguments.named_scope() {
        Some(scope) => scope,
        None if arguments.renew => renew::scope(&site.server, context)?,
        None => Scope::automatic(),
    };
    // Before the files: behind them Ctrl-C must not find anything to wait for, or it would say
    // that nothing was changed.
    let daemon = match scope {
        // Who activates a configuration has set nix.conf there, whatever the daemon thinks of it.
        Scope::User if !arguments.activation => daemon::look().await,
        Scope::User | Scope::System => Daemon::None,
    };
    let Login {
        token,
        mut identity,
        warning,
    } = login;
    // The new token is not known before the server makes it.
    let stand_in = renewal::stand_in();
    let asked = Asked {
        arguments,
        site: &site,
        identity: &identity,
        token: if arguments.renew { &stand_in } else { &token },
        former: arguments.renew.then_some(&token),
        scope,
        daemon,
    };
    let (mut plan, machine) = asked.plan(context)?;
    plan.warnings.extend(warning);
    plan.warnings
        .extend(nix_certificates::warning(&site, &machine, context)?);
    if arguments.renew && arguments.dry_run {
        let until = asked.renewable_until();
        plan.warnings
            .push(renew::would_last(until, OffsetDateTime::now_utc()));
    }
    if arguments.print {
        report::lines(&plan, context)?;
        return Ok(None);
    }
    let mut done = None;
    if !arguments.dry_run {
        let (applied, renewed) = asked.act(&plan, &machine, context).await?;
        if let Some(info) = renewed {
            identity.expires_at = Some(info.expires_at);
        }
        done = Some(applied);
    }
    let report = Report {
        plan,
        is_known: arguments.may_ask(context),
        done,
        site,
        identity,
        machine,
    };
    Ok(Some((report, granted)))
}

/// Where no server is named and none is the default: one of those that are known, or another.
async fn ask_for_server(context: &Context) -> Result<Selected, CommandError> {
    let known = context.credentials()?.list()?;
    if !known.is_empty() {
        let mut choices: Vec<String> = known.iter().map(|entry| entry.url.to_string()).collect();
        choices.push("another one".to_owned());
        let chosen = terminal::choose("Which server", choices).await?;
        if let Some(entry) = known.into_iter().nth(chosen) {
            return context.known(entry);
        }
    }
    let answer = terminal::ask("Which server? Its address, or Enter for FlakeHub").await?;
    match answer.trim() {
        "" => Ok(Selected::FlakeHub(context.flakehub()?)),
        server => context.named_server(server, "the answer"),
    }
}

/// The token that was given, is stored or is exchanged for a workload's identity, once the server has accepted it.
async fn checked(
    arguments: &LoginArguments,
    site: &mut Site,
    reading: &Reading,
    context: &Context,
) -> Result<(Login, Option<Granted>), CommandError> {
    let organizations = site::named(reading);
    let (mut granted, mut origin) = (None, None);
    let mut token = if arguments.workload.workload {
        let exchanged =
            workload::exchange(&arguments.workload, organizations, site, context).await?;
        granted.insert(exchanged).exchanged.token.clone()
    } else if arguments.renew {
        let found = renewal::stored(&site.server, context)?;
        origin = Some(found.origin);
        found.token
    } else {
        let (token, place) = token::get(&arguments.token, site, context).await?;
        origin = place;
        if arguments.offline || arguments.no_netrc {
            token
        } else {
            workload::fit_for_netrc(token, organizations, site, context).await?
        }
    };
    let identity = match identified(arguments, site, &token, context).await {
        // The stored one was nobody's choice: somebody who can be asked has another.
        Err(error)
            if origin.as_ref().is_some_and(TokenOrigin::is_stored)
                && !arguments.renew
                && says_no(&error)
                && context.settings.terminals.stdin =>
        {
            context.output.warning(&format!(
                "the stored token is no longer valid: {}",
                error.sentence()
            ));
            token = token::ask(site, context).await?;
            identified(arguments, site, &token, context).await?
        }
        identity => identity.map_err(|error| token::naming_place(error, origin.as_ref()))?,
    };
    let login = Login {
        token,
        identity,
        warning: None,
    };
    Ok((login, granted))
}

/// Whose a token is, as the server says; with --offline, what can be said without it.
async fn identified(
    arguments: &LoginArguments,
    site: &mut Site,
    token: &SecretString,
    context: &Context,
) -> Result<Identity, CommandError> {
    if !arguments.offline {
        return check::token(site, token, context).await;
    }
    Ok(Identity {
        expires_at: check::offline(site, token, OffsetDateTime::now_utc())?,
        ..Identity::default()
    })
}

/// Whether a token was refused, by its own words or by the server's.
fn says_no(error: &CommandError) -> bool {
    match error.downcast_ref::<ClientError>() {
        None => true,
        Some(error) => matches!(
            error,
            ClientError::Unauthorized { .. } | ClientError::InvalidToken { .. }
        ),
    }
}
