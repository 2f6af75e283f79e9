//! The list of flakes that somebody may read: `fh list flakes` and `fh flake list`.

use clap::Args;
use fh_api::{FlakeInfo, Name};

use crate::advice;
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Columns, human};

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

/// Prints the list.
///
/// # Errors
/// Those of the request.
pub(crate) fn list(arguments: &FlakesArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client()?;
    let FlakesArguments { org, owner, limit } = arguments;
    let owner = org.as_ref().or(owner.as_ref());
    let found = context
        .ask("cannot list the flakes", client.flakes_of(owner, *limit))?
        .flakes;
    let none =
        "There are no flakes here that you may read. Create one: `fh flake create ORG/PROJECT`";
    context.output.list_or(&columns(), &found, none)?;
    if let Some(owner) = owner.filter(|_| found.is_empty())
        && let Some(meant) = advice::organization_meant(&client, owner, context)
    {
        context.output.remark(&format!("Did you mean {meant}?"));
    }
    Ok(())
}

fn columns() -> Columns<FlakeInfo> {
    Columns::<FlakeInfo>::new()
        .text("flake", "FLAKE")
        .text("visibility", "VISIBILITY")
        .text("role", "ROLE")
        .number("paths", "PATHS")
        .ranked(2)
        .number("nar_size", "SIZE")
        .shown(|flake, _| human::bytes(flake.nar_size))
        .time("last_push_at", "LAST PUSH", "never")
        .text("description", "DESCRIPTION")
        .flexible()
        .ranked(1)
}
