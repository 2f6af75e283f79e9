//! `fh key`: the keys that a server signs store paths with.

use clap::{Args, Subcommand};
use fh_api::{KeyInfo, KeyList, Name};

use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Column, column, human};
use crate::terminal;

/// The keys that the server signs store paths with
///
/// Clients trust two: the active one, which signs, and the standby, which will. Where each organisation
/// signs with keys of its own (`fh serve --signing per-organization`), `--org` says whose are meant.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    List(ListArguments),
    Rotate(RotateArguments),
}

/// List the public keys: active, standby, and those that sign no more
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh key list
  fh key list --org acme")]
pub(crate) struct ListArguments {
    #[command(flatten)]
    whose: Whose,
}

/// Whose keys are meant.
#[derive(Debug, Args)]
struct Whose {
    /// The keys that sign what this organisation serves, not the server's
    #[arg(long, value_name = "ORG", add = crate::completion::organizations())]
    org: Option<Name>,
}

/// Let the standby key sign, retire the active one, and make a new standby
///
/// The server's keys are rotated by its administrators, those of an organisation by its owners too.
///
/// Clients that have both keys, as `fh login` writes them, lose nothing: they trust what is signed from
/// now on, and what they have. Let them log in again before the next rotation, so that they learn the new
/// standby; a client that has neither of the two then substitutes nothing from this server any more.
/// The secret of the retired key is erased.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh key rotate
  fh key rotate --yes --json
  fh key rotate --org acme")]
pub(crate) struct RotateArguments {
    #[command(flatten)]
    whose: Whose,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(crate) fn run(command: &KeyCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        KeyCommand::List(arguments) => list(arguments, context),
        KeyCommand::Rotate(arguments) => rotate(arguments, context),
    }
}

fn list(arguments: &ListArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client()?;
    let found = context.ask("cannot list the keys", async {
        match &arguments.whose.org {
            None => client.keys().await,
            Some(org) => client.organization_keys(org).await,
        }
    })?;
    context.output.list(&columns(), &found.keys)
}

fn rotate(arguments: &RotateArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let terminals = context.settings.terminals;
    if !arguments.yes && terminals.stdin && terminals.stderr && !context.output.is_json() {
        let whose = match &arguments.whose.org {
            None => client.base_url().to_string(),
            Some(org) => org.to_string(),
        };
        context.output.remark(&format!(
            "The standby key of {whose} will sign, and the active one never again.\n\
             Clients that have both keys lose nothing. Those that have not learnt the standby key, \
             because they were set up before the last rotation, will substitute nothing of it until \
             they log in again."
        ));
        let confirmed = context.wait("Nothing was changed.", async {
            terminal::confirm("Rotate the keys?", false).await
        })?;
        if !confirmed {
            return Err(CommandError::failed("not confirmed").hint("Nothing was changed."));
        }
    }
    let keys = context.change("cannot rotate the keys", async {
        match &arguments.whose.org {
            None => client.rotate_keys().await,
            Some(org) => client.rotate_organization_keys(org).await,
        }
    })?;
    context.output.done(&keys, sentence)
}

fn sentence(list: &KeyList) -> String {
    let name = |state: &str| {
        let key = list.keys.iter().find(|key| key.state == state);
        key.and_then(|key| key.public_key.split_once(':'))
            .map_or("?", |(name, _)| name)
    };
    format!(
        "{} signs from now on, and {} after it. Before the next rotation, let clients log in again: \
         `fh login`",
        name("active"),
        name("standby")
    )
}

fn columns() -> Vec<Column<KeyInfo>> {
    vec![
        column("state", "STATE", |key: &KeyInfo| key.state.clone()),
        column("public_key", "PUBLIC KEY", |key: &KeyInfo| {
            key.public_key.clone()
        }),
        column("created_at", "MADE", |key: &KeyInfo| {
            human::timestamp(key.created_at)
        })
        .shown(|key, now| human::relative(key.created_at, now)),
        column("retired_at", "RETIRED", |key: &KeyInfo| {
            key.retired_at.map(human::timestamp).unwrap_or_default()
        })
        .shown(|key, now| {
            key.retired_at
                .map(|at| human::relative(at, now))
                .unwrap_or_default()
        }),
    ]
}
