//! `fh org free-name`, `fh user free-name`, `fh flake free-name`: names that were given up.

use std::fmt::Display;

use clap::Args;
use fh_api::{FlakeName, FormerFlakeName, Name, NameKind, OrganizationRole, ReservedName};
use serde::Serialize;
use serde_json::{Value, json};

use super::confirm::{Effect, Yes};
use super::scoped::of_organizations;
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Column, column, human};
use crate::similar::is_same_name;

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

/// Allow a former name of a flake to be used again (admins of the organisation)
///
/// After a rename the former name leads to the flake until it is freed, and no other flake can have it. Without
/// ORG/PROJECT, the former names of all organisations that you administer are listed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh flake free-name            # the former names of flakes
  fh flake free-name acme/app")]
pub(crate) struct FreeFlakeNameArguments {
    /// The former name; without it, the former names are listed
    #[arg(value_name = "ORG/PROJECT")]
    name: Option<FlakeName>,

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
    let freed = json!({ "kind": kind, "name": name, "free": true });
    tell_freed(freed, name, leads_to.as_ref(), context)
}

/// Frees a former name of a flake, or lists the former names.
pub(super) fn of_flake(
    arguments: &FreeFlakeNameArguments,
    context: &Context,
) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let name = arguments.name.as_ref();
    let cannot = match name {
        Some(name) => format!("cannot free the name {name}"),
        None => "cannot list the former names".to_owned(),
    };
    let org = name.map(|name| &name.org);
    let found = context.ask(
        &cannot,
        of_organizations(&client, org, OrganizationRole::Admin, async |org| {
            Ok(client.former_flakes(org).await?.names)
        }),
    )?;
    let names: Vec<FormerFlakeName> = found.into_iter().map(|(_, name)| name).collect();
    let Some(name) = name else {
        context.output.list(&columns_of_flakes(), &names)?;
        context.output.when_empty(
            &names,
            "No flake of the organisations that you administer has a former name.",
        );
        return Ok(());
    };
    // A flake that is called so now is none of them: the server says that there is nothing to free.
    let former = names
        .iter()
        .find(|of| is_same_name(&of.flake.project, &name.project));
    if let Some(former) = former {
        let present = &former.leads_to;
        let what = format!(
            "{name} is a former name of the flake {present}, and leads to it. Freed, it no longer does: machines \
             whose nix.conf names /cache/{name} get nothing from {present}, and commands and CI jobs that name \
             {name} fail. If another flake gets the name, they read from it and push to it."
        );
        let yes = arguments.yes;
        yes.confirm(Effect::Loses, &what, "Free the name?", context)?;
    }
    context.change(&cannot, async { client.free_flake_name(name).await })?;
    let freed = json!({ "flake": name, "free": true });
    let led_to = former.map(|former| &former.leads_to);
    tell_freed(freed, name, led_to, context)
}

/// Says that a name is free, and what it led to.
fn tell_freed<N: Display + Serialize>(
    mut freed: Value,
    name: &impl Display,
    led_to: Option<&N>,
    context: &Context,
) -> Result<(), CommandError> {
    let mut ended = String::new();
    if let Some(present) = led_to {
        freed["led_to"] = json!(present);
        ended = format!(" It no longer leads to {present}.");
    }
    context.output.done(&freed, |_| {
        format!("The name {name} can be used again.{ended}")
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

fn columns_of_flakes() -> Vec<Column<FormerFlakeName>> {
    vec![
        column("flake", "FLAKE", |name: &FormerFlakeName| {
            name.flake.to_string()
        }),
        column("given_up_at", "GIVEN UP", |name: &FormerFlakeName| {
            human::timestamp(name.given_up_at)
        })
        .shown(|name, now| human::relative(name.given_up_at, now)),
        column("leads_to", "LEADS TO", |name: &FormerFlakeName| {
            name.leads_to.to_string()
        }),
    ]
}
