//! `fh key`: the keys that a server signs store paths with.

use clap::{Args, Subcommand};
use fh_api::{KeyInfo, KeyList, Name};

use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Column, column, human};
use crate::terminal;

/// The keys that the server signs store paths with
///
/// Clients trust two keys: the active one, which signs, and the standby, which signs after the next rotation.
/// If each organisation has its own keys (`fh serve --signing per-organization`), `--org` chooses them.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    List(ListArguments),
    Rotate(RotateArguments),
}

/// List the public keys: active, standby and retired
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
    /// The keys of this organisation instead of the server's
    #[arg(long, value_name = "ORG", add = crate::completion::organizations())]
    org: Option<Name>,
}

/// Activate the standby key, retire the active one, and create a new standby
///
/// Server administrators can rotate all keys; owners of an organisation can rotate its keys.
///
/// Clients that trust both keys, as `fh login` sets them up, keep working. Run `fh login` on them again before
/// the next rotation, so that they trust the new standby; a client that trusts neither key can no longer
/// substitute from this server. The secret of the retired key is erased.
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
            "The standby key of {whose} becomes active, and the active one is retired.\n\
             Clients that trust both keys keep working. Clients set up before the last rotation do not trust \
             the standby key: they cannot substitute what it signs until they log in again."
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
        "{} is active now, and {} is the standby. Before the next rotation, log in again on all clients: `fh \
         login`",
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
        column("created_at", "CREATED", |key: &KeyInfo| {
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
