//! `fh org free-name`, `fh user free-name`: names that were given up.

use clap::Args;
use fh_api::{Name, NameKind, ReservedName};
use serde_json::json;

use super::confirm::{Effect, Yes};
use super::is_same_name;
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Column, column, human};

/// Allow a reserved name to be used again (server administrators)
///
/// The name of a deleted account or organisation stays reserved: tokens, lines in nix.conf and trust policies
/// may still name it, and would then mean its new owner. So does a former name, which leads to what was renamed until it
/// is freed. Without NAME, the reserved names are listed.
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
    let cannot = format!("cannot free the name {name}");
    let reserved = context.ask(&cannot, async { client.reserved_names().await })?;
    let mut reserved = reserved.names.into_iter();
    let reserved = reserved.find(|of| of.kind == kind && is_same_name(&of.name, name));
    let leads_to = reserved.and_then(|of| of.leads_to);
    let (effect, what) = match &leads_to {
        // What no longer leads anywhere may lead to somebody else tomorrow, for good.
        Some(present) => (Effect::Loses, ends(kind, name, present)),
        None => (
            Effect::Exposes,
            format!(
                "Tokens, nix.conf lines and trust policies that still name {name} may take its next owner for \
                 the previous one."
            ),
        ),
    };
    let yes = arguments.yes;
    yes.confirm(effect, &what, "Free the name?", context)?;
    context.change(&cannot, async { client.free_name(kind, name).await })?;
    let mut freed = json!({ "kind": kind, "name": name, "free": true });
    if let Some(present) = &leads_to {
        freed["led_to"] = json!(present);
    }
    context.output.done(&freed, |_| {
        let ended = leads_to
            .as_ref()
            .map(|present| format!(" It no longer leads to {present}."));
        format!(
            "The name {name} can be used again.{}",
            ended.unwrap_or_default()
        )
    })
}

/// What ends with a name that leads somewhere, and what its next owner could do.
fn ends(kind: NameKind, name: &Name, present: &Name) -> String {
    match kind {
        NameKind::Organization => format!(
            "{name} is a former name of the organisation {present}, and leads to it. Freed, it no longer does: \
             machines whose nix.conf names /cache/{name} get nothing from {present}, and commands and CI jobs that \
             name {name} fail. Whoever takes the name gets what still uses it: they decide what such machines \
             install, and such jobs show them their identities and push to them."
        ),
        NameKind::Account => format!(
            "{name} is a former name of the account {present}, and leads to it. Freed, it no longer does: commands \
             and files that name {name} fail. Whoever takes the name is meant by them: what they grant to {name} is \
             theirs."
        ),
    }
}

fn columns() -> Vec<Column<ReservedName>> {
    vec![
        column("name", "NAME", |name: &ReservedName| name.name.to_string()),
        column("reserved_at", "GIVEN UP", |name: &ReservedName| {
            human::timestamp(name.reserved_at)
        })
        .shown(|name, now| human::relative(name.reserved_at, now)),
        column("leads_to", "LEADS TO", |name: &ReservedName| {
            let leads_to = name.leads_to.as_ref();
            leads_to.map(ToString::to_string).unwrap_or_default()
        }),
    ]
}
