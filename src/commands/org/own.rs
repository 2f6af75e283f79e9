//! `fh org own`: roots of forges that belong to an organisation.

use clap::Args;
use fh_api::{ErrorCode, ForgeRoot, Name, RootInfo};
use serde_json::json;

use crate::context::Context;
use crate::error::{CommandError, Explain as _};
use crate::nouns::found::Found;
use crate::output::{Columns, Tone};

/// Own the root of a forge: its CI jobs act for the organisation unless they name another
///
///   github:OWNER          an owner on GitHub
///   gitlab:HOST/GROUP     a group of GitLab, and the groups in it
///   aws:ACCOUNT           an account of AWS
///   kubernetes:ISSUER     a Kubernetes cluster
///
/// An owner of the organisation requests the root, and an administrator of the server confirms it with
/// the same command; until then it has no effect. What such jobs may do is decided by the
/// organisation's trust policies alone. Without a root, those that are owned or requested are listed.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  fh org own acme github:acme
  fh org own acme gitlab:gitlab.acme.example/platform
  fh org own                           # what is owned or requested
  fh org own acme --json
  fh org own acme github:acme --remove"
)]
pub(crate) struct OwnArguments {
    /// The organisation; without it, the roots of all of yours are listed
    #[arg(value_name = "ORG", required_if_eq("remove", "true"), add = crate::completion::organizations())]
    org: Option<Name>,

    /// The root; without it, those of the organisation are listed
    #[arg(
        value_name = "ROOT",
        required_if_eq("remove", "true"),
        conflicts_with = "list"
    )]
    root: Option<ForgeRoot>,

    /// An earlier word for naming no root.
    #[arg(long, hide = true)]
    list: bool,

    /// Give up the root
    #[arg(long, conflicts_with = "list")]
    remove: bool,
}

pub(super) fn run(arguments: &OwnArguments, context: &Context) -> Result<(), CommandError> {
    match (&arguments.org, &arguments.root) {
        (Some(org), Some(root)) if arguments.remove => remove(org, root, context),
        (Some(org), Some(root)) => own(org, root, context),
        (org, _) => list(org.as_ref(), context),
    }
}

fn own(org: &Name, root: &ForgeRoot, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let owned = context
        .change(
            format_args!("cannot make {root} a root of {org}"),
            client.own_root(org, root),
        )
        .hint_for(ErrorCode::Conflict, "`fh org own` shows who owns what.")?;
    context.output.done(&owned, |owned| {
        if owned.confirmed_at.is_some() {
            format!("Identities of {root} act for {org} unless they name another organisation.")
        } else {
            format!(
                "Requested {root}. It takes effect when an administrator of the server confirms it: `fh org own \
                 {org} {root}`"
            )
        }
    })
}

fn remove(org: &Name, root: &ForgeRoot, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let was_there = context.change(format_args!("cannot give up {root}"), async {
        let was_there = match Found::of(client.roots(org).await)? {
            Found::There(list) => list.roots.iter().any(|owned| owned.root == *root),
            Found::Nothing | Found::Unknown => true,
        };
        client.remove_root(org, root).await?;
        Ok(was_there)
    })?;
    let removed = json!({ "org": org, "root": root, "removed": was_there });
    context.output.done(&removed, |_| {
        if was_there {
            format!("{root} is no longer a root of {org}.")
        } else {
            format!("{root} was not a root of {org}: there was nothing to remove.")
        }
    })
}

fn list(org: Option<&Name>, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let found = context.ask("cannot list the roots", async {
        if let Some(org) = org {
            return Ok(client.roots(org).await?.roots);
        }
        // Those of organisations of others are confirmed by administrators of the server.
        let is_administrator = client.whoami().await?.server_admin;
        let mut all = Vec::new();
        for org in client.organizations().await?.orgs {
            if is_administrator || org.role >= Some(fh_api::OrganizationRole::Admin) {
                all.extend(client.roots(&org.name).await?.roots);
            }
        }
        Ok(all)
    })?;
    let none = "No roots are owned or requested. Request one: `fh org own ORG github:OWNER`";
    context.output.list_or(&columns(), &found, none)
}

fn columns() -> Columns<RootInfo> {
    Columns::<RootInfo>::new()
        .text("organization", "ORGANISATION")
        .text("root", "ROOT")
        .text("owner_id", "REMEMBERED")
        .text("requested_by", "ASKED BY")
        .ranked(1)
        .time("confirmed_at", "CONFIRMED", "not yet")
        .toned(|root, _| root.confirmed_at.is_none().then_some(Tone::Attention))
}
