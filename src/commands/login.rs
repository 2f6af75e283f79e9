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
mod recognise;
pub(super) mod renew;
mod report;
mod site;
mod token;
mod workload;

pub(crate) use activation::cannot_begin;
pub(crate) use arguments::LoginArguments;
pub(super) use lines::ask as ask_for_lines;
pub(super) use recognise::{attic_cache, recognise};
pub(super) use site::Site;

use std::process::ExitCode;

use fh_client::{Client, Error as ClientError, ServerKind};
use secrecy::SecretString;
use time::OffsetDateTime;

use crate::certificates;
use crate::commands::login::asked::{Asked, Done};
use crate::commands::login::check::Identity;
use crate::commands::login::narrow::Narrowed;
use crate::commands::login::report::Report;
use crate::commands::login::token::Origin;
use crate::commands::login::workload::Granted;
use crate::commands::logout;
use crate::context::{Context, Selected};
use crate::error::CommandError;
use crate::setup::Scope;
use crate::setup::daemon::{self, Daemon};
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
        Some(selected) if arguments.keep_fresh => logout::is_known(selected.url(), context)?,
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
        renew::require_fh(selected.kind(), selected.url())?;
        renew::stored(selected.url(), context)?;
    }
    let mut site = if arguments.offline {
        recognise::offline(&selected)
    } else {
        recognise(&selected, context).await?
    };
    let reading = arguments.lines.reading(&selected);
    let organizations = lines::named(&reading);
    if arguments.renew {
        renew::require_fh(Some(site.kind), &site.server)?;
    }
    let granted = if arguments.workload.workload {
        Some(workload::exchange(&arguments.workload, organizations, &site, context).await?)
    } else {
        None
    };
    let (token, origin) = match &granted {
        Some(granted) => (granted.exchanged.token.clone(), Origin::Given),
        None if arguments.renew => renew::stored_for_login(&site.server, context)?,
        None => {
            let (token, origin) = token::get(&arguments.token, &site, context).await?;
            let stays = arguments.offline || arguments.no_netrc;
            let token = if stays {
                token
            } else {
                workload::fit_for_netrc(token, organizations, &site, context).await?
            };
            (token, origin)
        }
    };
    let (token, identity) = match checked(arguments, &mut site, &token, context).await {
        Ok(identity) => (token, identity),
        // The stored one was nobody's choice: somebody who can be asked has another.
        Err(error)
            if origin.is_stored()
                && !arguments.renew
                && says_no(&error)
                && context.settings.terminals.stdin =>
        {
            context.output.warning(&format!(
                "the stored token is no longer valid: {}",
                error.sentence()
            ));
            let token = token::ask(&site, context).await?;
            let identity = checked(arguments, &mut site, &token, context).await?;
            (token, identity)
        }
        Err(error) => return Err(origin.named_in(error)),
    };
    let login = Login {
        token,
        identity,
        warning: None,
    };
    let Login {
        token,
        mut identity,
        warning,
    } = if site.kind == ServerKind::Fh && !arguments.offline {
        login
            .read_from(arguments, &mut site, &selected, context)
            .await?
    } else {
        arguments.lines.refuse_elsewhere(&site)?;
        login
    };
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
    // The new token is not known before the server makes it.
    let stand_in = renew::stand_in();
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
        let now = OffsetDateTime::now_utc();
        plan.warnings.push(renew::would_last(until, now));
    }
    if arguments.print {
        report::lines(&plan, context)?;
        return Ok(None);
    }
    let done = if arguments.dry_run {
        None
    } else {
        let Done { applied, renewed } = asked.act(&plan, &machine, context).await?;
        if let Some(info) = renewed {
            identity.expires_at = Some(info.expires_at);
        }
        Some(applied)
    };
    let report = Report {
        scope,
        daemon,
        plan,
        is_known: arguments.may_ask(context),
        done,
        site,
        identity,
        machine,
    };
    Ok(Some((report, granted)))
}

/// Where nothing is said and nothing is known.
async fn ask_for_server(context: &Context) -> Result<Selected, CommandError> {
    let answer = terminal::ask("Which server? Its address, or Enter for FlakeHub: ").await?;
    match answer.trim() {
        "" => Ok(Selected::FlakeHub(context.flakehub()?)),
        server => context.named_server(server, "the answer"),
    }
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

/// Whose a token is, as the server says; with --offline, what can be said without it.
async fn checked(
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

/// A token, and whose it is.
struct Login {
    token: SecretString,
    identity: Identity,
    /// What there is to know of it.
    warning: Option<String>,
}

impl Login {
    /// Finds out from which addresses of our own server Nix is to read, and narrows the token where that was
    /// asked for.
    async fn read_from(
        mut self,
        arguments: &LoginArguments,
        site: &mut Site,
        selected: &Selected,
        context: &Context,
    ) -> Result<Self, CommandError> {
        let client = |token: &SecretString| -> Result<Client, CommandError> {
            let builder = context.client_builder(site.server.clone())?;
            Ok(builder.token(token.clone()).build()?)
        };
        let mut asking = client(&self.token)?;
        // A workload's token is as narrow as the server has made it for the one organisation.
        if let Some(org) = &arguments.lines.org
            && !arguments.workload.workload
        {
            let stored = match context.stored_token(&site.server)? {
                Some(stored) => Some((stored.token.clone(), client(&stored.token)?)),
                None => None,
            };
            let now = site.now.unwrap_or_else(OffsetDateTime::now_utc);
            let change = !arguments.dry_run && !arguments.print;
            match narrow::narrow(&asking, &self.identity, org, now, change, stored).await? {
                Narrowed::Same(warning) => self.warning = warning,
                Narrowed::Other(token, identity) => {
                    asking = client(&token)?;
                    self.token = token;
                    self.identity = *identity;
                }
            }
        }
        let reading = arguments.lines.reading(selected);
        lines::ask(site, &asking, &reading).await?;
        Ok(self)
    }
}
