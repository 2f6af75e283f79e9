//! `fh org free-name`, `fh user free-name`, `fh flake free-name`: names that were given up.

use std::fmt::Display;

use clap::Args;
use fh_api::{FlakeName, FormerFlakeName, Name, NameKind, OrganizationRole, ReservedName};
use serde::Serialize;
use serde_json::{Value, json};

use super::scoped::of_organizations;
use crate::confirm::{Effect, Yes};
use crate::context::Context;
use crate::error::CommandError;
use crate::output::Columns;
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

pub(crate) fn run(
    kind: NameKind,
    arguments: &FreeNameArguments,
    context: &Context,
) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let Some(name) = &arguments.name else {
        let found = context.ask("cannot list the reserved names", client.reserved_names())?;
        let mut names = found.names;
        names.retain(|name| name.kind == kind);
        let none = "No names are reserved.";
        return context.output.list_or(&columns(), &names, none);
    };
    let cannot = format!("cannot free the name {name}");
    let reserved = context.ask(&cannot, client.reserved_names())?;
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
    context.change(&cannot, client.free_name(kind, name))?;
    let freed = json!({ "kind": kind, "name": name, "free": true });
    tell_freed(freed, name, leads_to.as_ref(), context)
}

/// Frees a former name of a flake, or lists the former names.
pub(crate) fn of_flake(
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
        let none = "No flake of the organisations that you administer has a former name.";
        return context.output.list_or(&columns_of_flakes(), &names, none);
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
    context.change(&cannot, client.free_flake_name(name))?;
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

fn columns() -> Columns<ReservedName> {
    Columns::new()
        .text("name", "NAME")
        .time("reserved_at", "GIVEN UP", "")
        .text("leads_to", "LEADS TO")
}

fn columns_of_flakes() -> Columns<FormerFlakeName> {
    Columns::new()
        .text("flake", "FLAKE")
        .time("given_up_at", "GIVEN UP", "")
        .text("leads_to", "LEADS TO")
}
