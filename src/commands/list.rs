//! `fh list`: what the caller may read.

use clap::{Args, Subcommand};
use fh_api::{FlakeInfo, Name};

use crate::advice;
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Column, column, human, number};

/// List what you may read
#[derive(Debug, Subcommand)]
pub(crate) enum ListCommand {
    Flakes(FlakesArguments),
}

/// List the flakes that you may read: your view of the cache
///
/// Prints a table on a terminal; CSV with sizes in bytes and times in UTC when it is piped; JSON with `--json`.
/// Without a login, it lists what the server shows to everybody. With an organisation, it also lists that
/// organisation's public flakes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh list flakes
  fh list flakes acme --limit 10
  fh list flakes --json | jq -r '.[].flake'")]
pub(crate) struct FlakesArguments {
    /// Only flakes of this organisation
    #[arg(value_name = "ORG", add = crate::completion::organizations())]
    org: Option<Name>,

    /// The same as ORG
    #[arg(long, value_name = "ORG", alias = "org", conflicts_with = "org", add = crate::completion::organizations())]
    owner: Option<Name>,

    /// Show at most this many
    #[arg(short, long, value_name = "N")]
    limit: Option<usize>,
}

pub(crate) fn run(command: ListCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        ListCommand::Flakes(arguments) => flakes(&arguments, context),
    }
}

/// Also `fh flake list`.
pub(super) fn flakes(arguments: &FlakesArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client()?;
    let FlakesArguments { org, owner, limit } = arguments;
    let owner = org.as_ref().or(owner.as_ref());
    let found = context
        .ask("cannot list the flakes", async {
            client.flakes_of(owner, *limit).await
        })?
        .flakes;
    context.output.list(&columns(), &found)?;
    context.output.when_empty(
        &found,
        "There are no flakes here that you may read. Create one: `fh flake create ORG/PROJECT`",
    );
    if let Some(owner) = owner.filter(|_| found.is_empty())
        && let Some(meant) = advice::organization_meant(&client, owner, context)
    {
        context.output.remark(&format!("Did you mean {meant}?"));
    }
    Ok(())
}

fn columns() -> Vec<Column<FlakeInfo>> {
    vec![
        column("flake", "FLAKE", |flake: &FlakeInfo| {
            flake.flake.to_string()
        }),
        column("visibility", "VISIBILITY", |flake: &FlakeInfo| {
            flake.visibility.to_string()
        }),
        column("role", "ROLE", |flake: &FlakeInfo| {
            flake.role.map(|role| role.to_string()).unwrap_or_default()
        }),
        number("paths", "PATHS", |flake: &FlakeInfo| {
            flake.paths.to_string()
        })
        .ranked(2),
        number("nar_size", "SIZE", |flake: &FlakeInfo| {
            flake.nar_size.to_string()
        })
        .shown(|flake, _| human::bytes(flake.nar_size)),
        column("last_push_at", "LAST PUSH", |flake: &FlakeInfo| {
            flake.last_push_at.map(human::timestamp).unwrap_or_default()
        })
        .shown(|flake, now| {
            flake
                .last_push_at
                .map_or_else(|| "never".to_owned(), |at| human::relative(at, now))
        }),
        column("description", "DESCRIPTION", |flake: &FlakeInfo| {
            flake.description.clone().unwrap_or_default()
        })
        .flexible()
        .ranked(1),
    ]
}
