//! `fh org free-name`, `fh user free-name`: names that were given up.

use clap::Args;
use fh_api::{ErrorCode, Name, NameKind, ReservedName};
use serde_json::json;

use super::confirm::{Effect, Yes};
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Column, column, human};

/// Allow a reserved name to be used again (server administrators)
///
/// The name of a deleted account or organisation stays reserved: tokens, lines in nix.conf and trust policies
/// may still name it, and would then mean its new owner. Without NAME, the reserved names are listed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh org free-name              # the reserved names of organisations
  fh org free-name acme
  fh user free-name alice")]
pub(crate) struct FreeNameArguments {
    /// The name; without it, the reserved names are listed
    #[arg(value_name = "NAME")]
    name: Option<Name>,

    #[command(flatten)]
    yes: Yes,
}

pub(super) fn run(
    kind: NameKind,
    arguments: &FreeNameArguments,
    context: &Context,
) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let Some(name) = &arguments.name else {
        let found = context.ask("cannot list the reserved names", async {
            client.reserved_names().await
        })?;
        let mut names = found.names;
        names.retain(|name| name.kind == kind);
        context.output.list(&columns(), &names)?;
        context.output.when_empty(&names, "No names are reserved.");
        return Ok(());
    };
    let what = format!(
        "Tokens, nix.conf lines and trust policies that still name {name} may take its next owner for the \
         previous one."
    );
    let yes = arguments.yes;
    yes.confirm(Effect::Exposes, &what, "Free the name?", context)?;
    context
        .change(format_args!("cannot free the name {name}"), async {
            client.free_name(kind, name).await
        })
        .map_err(|error| {
            let list = match kind {
                NameKind::Organization => "`fh org free-name` lists the reserved names.",
                NameKind::Account => "`fh user free-name` lists the reserved names.",
            };
            error.hint_for(ErrorCode::NotFound, list)
        })?;
    let freed = json!({ "kind": kind, "name": name, "free": true });
    context
        .output
        .done(&freed, |_| format!("The name {name} can be used again."))
}

fn columns() -> Vec<Column<ReservedName>> {
    vec![
        column("name", "NAME", |name: &ReservedName| name.name.to_string()),
        column("reserved_at", "GIVEN UP", |name: &ReservedName| {
            human::timestamp(name.reserved_at)
        })
        .shown(|name, now| human::relative(name.reserved_at, now)),
    ]
}
