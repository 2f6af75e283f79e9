//! `fh token`: minting, looking at and revoking tokens.

mod create;
mod inspect;
mod out;
mod renew;
mod revoke;
mod rotate;

use clap::{Args, Subcommand};
use fh_api::{Name, TokenInfo};
use time::OffsetDateTime;

use super::expiry::SOON;
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Columns, Tone, human};
use crate::text::joined;

/// Manage tokens, which people and machines log in with
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    Create(create::CreateArguments),
    List(ListArguments),
    Inspect(inspect::InspectArguments),
    Revoke(revoke::RevokeArguments),
    Rotate(rotate::RotateArguments),
    Renew(renew::RenewArguments),
}

/// List your tokens, newest first
///
/// The tokens themselves are not stored: the list shows what they may do. A token is good (valid), revoked,
/// expired, or disabled because its user is disabled. On a terminal the list shows the beginnings of the ids, which
/// every command accepts; `--wide` shows the whole ids, and all columns.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh token list
  fh token list --wide
  fh token list --all --json | jq -r '.[] | select(.last_used_at == null) | .id'")]
pub(crate) struct ListArguments {
    /// Tokens of all accounts (server administrators)
    #[arg(long, conflicts_with = "user")]
    all: bool,

    /// Tokens of this account: a service account of an organisation that you administer, or any account for
    /// server administrators
    #[arg(long, value_name = "USER")]
    user: Option<Name>,
}

pub(crate) fn run(command: TokenCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        TokenCommand::Create(arguments) => create::run(arguments, context),
        TokenCommand::List(arguments) => list(&arguments, context),
        TokenCommand::Inspect(arguments) => inspect::run(&arguments, context),
        TokenCommand::Revoke(arguments) => revoke::run(&arguments, context),
        TokenCommand::Rotate(arguments) => rotate::run(&arguments, context),
        TokenCommand::Renew(arguments) => renew::run(&arguments, context),
    }
}

fn list(arguments: &ListArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let found = context
        .ask("cannot list the tokens", async {
            match &arguments.user {
                Some(user) => client.tokens_of(user).await,
                None => client.tokens(arguments.all).await,
            }
        })
        .map_err(|error| error.naming_user(arguments.user.as_ref()))?
        .tokens;
    let none = "There are no tokens. Create one: `fh token create`";
    context
        .output
        .list_or(&columns(arguments.all), &found, none)
}

/// What a token is good for now, in a word.
fn state(token: &TokenInfo, now: OffsetDateTime) -> &'static str {
    if token.revoked_at.is_some() {
        "revoked"
    } else if token.expires_at <= now {
        "expired"
    } else if token.account_disabled {
        "disabled"
    } else {
        "good"
    }
}

/// Which paths a token reads and from where it may be used, where that is not all and everywhere.
fn limits(token: &TokenInfo) -> String {
    let mut limits = Vec::new();
    if !token.closures.is_empty() {
        limits.push(format!("closure of {}", joined(&token.closures)));
    }
    if !token.signed_by.is_empty() {
        let names: Vec<&str> = token
            .signed_by
            .iter()
            .map(|key| key.split(':').next().unwrap_or(key))
            .collect();
        limits.push(format!("signed by {}", names.join(" ")));
    }
    if !token.networks.is_empty() {
        limits.push(format!("from {}", joined(&token.networks)));
    }
    limits.join("; ")
}

fn tone(token: &TokenInfo, now: OffsetDateTime) -> Option<Tone> {
    Some(match state(token, now) {
        "good" => Tone::Good,
        "disabled" => Tone::Attention,
        "expired" => Tone::Faint,
        _ => Tone::Bad,
    })
}

/// Where it is not everybody's list, all are of one user, who was named.
fn columns(of_everybody: bool) -> Columns<TokenInfo> {
    let columns = Columns::<TokenInfo>::new()
        .text("id", "ID")
        .id()
        .text("user", "USER");
    let columns = if of_everybody {
        columns
    } else {
        columns.wide()
    };
    columns
        .made("state", "STATE", |token| state(token, OffsetDateTime::now_utc()).to_owned())
        .toned(tone)
        // Programs have the words of JSON here too.
        .text("permissions", "MAY")
        .shown(|token, _| joined(&token.permissions))
        .ranked(2)
        .text("flakes", "FLAKES")
        .flexible()
        .ranked(1)
        .made("limits", "LIMITED TO", limits)
        .flexible()
        .ranked(3)
        .made("created_at", "CREATED", |token| human::timestamp(token.created_at))
        .wide()
        .time("expires_at", "EXPIRES", "")
        .toned(|token, now| {
            let ends_soon = state(token, now) == "good" && token.expires_at - now < SOON;
            ends_soon.then_some(Tone::Attention)
        })
        .time("last_used_at", "LAST USED", "never")
        .ranked(4)
        .text("description", "DESCRIPTION")
        .flexible()
        .text("parent", "CREATED WITH")
        .wide()
}
