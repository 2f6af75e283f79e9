//! `fh service-account`: accounts of machines that belong to an organisation.

use clap::{Args, Subcommand};
use fh_api::{CreateServiceAccount, ErrorCode, Name};
use serde_json::json;

use super::org::not_found;
use super::{IfMissing, made, user};
use crate::context::Context;
use crate::error::CommandError;

/// Accounts for an organisation's machines, whose tokens its administrators create
///
/// This needs no server administrator. A token for one reaches at most the organisation's flakes:
/// `fh token create --user NAME`.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceAccountCommand {
    Create(CreateArguments),
    List(ListArguments),
    Remove(RemoveArguments),
}

/// Create a service account
///
/// It may read public flakes by their names (/cache/ORG/PROJECT), and nothing else until it is granted something.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh service-account create acme acme-fleet
  fh grant add acme/app acme-fleet read
  fh token create --user acme-fleet > fleet.token")]
pub(crate) struct CreateArguments {
    /// The organisation that it belongs to
    #[arg(value_name = "ORG", add = crate::completion::organizations())]
    org: Name,

    /// Its name, unique on the server: letters, digits, `-`, `_` and `.`, at most 64
    #[arg(value_name = "NAME")]
    name: Name,

    #[command(flatten)]
    if_missing: IfMissing,
}

/// List the service accounts of an organisation
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh service-account list acme")]
pub(crate) struct ListArguments {
    /// The organisation
    #[arg(value_name = "ORG", add = crate::completion::organizations())]
    org: Name,
}

/// Remove a service account: its tokens are no longer valid
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh service-account remove acme acme-fleet")]
pub(crate) struct RemoveArguments {
    /// The organisation that it belongs to
    #[arg(value_name = "ORG", add = crate::completion::organizations())]
    org: Name,

    /// Its name
    #[arg(value_name = "NAME")]
    name: Name,
}

pub(crate) fn run(command: ServiceAccountCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        ServiceAccountCommand::Create(arguments) => create(arguments, context),
        ServiceAccountCommand::List(arguments) => list(&arguments, context),
        ServiceAccountCommand::Remove(arguments) => remove(&arguments, context),
    }
}

fn create(arguments: CreateArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let org = arguments.org;
    let new = CreateServiceAccount {
        name: arguments.name,
        exist_ok: arguments.if_missing.set,
    };
    let answer = context
        .change(
            format_args!("cannot create the service account {}", new.name),
            async { client.create_service_account(&org, &new).await },
        )
        .map_err(|error| {
            let hint = format!("`fh service-account list {org}` shows those of {org}.");
            not_found(error).hint_for(ErrorCode::Conflict, hint)
        })?;
    made(context, &answer, |made, is_new| {
        let name = &made.name;
        if !is_new {
            return format!("The service account {name} of {org} exists already.");
        }
        format!(
            "Created the service account {name} of {org}. Create a token for it: `fh \
             token create --user {name}`"
        )
    })
}

fn list(arguments: &ListArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let org = &arguments.org;
    let found = context
        .ask(
            format_args!("cannot list the service accounts of {org}"),
            async { client.service_accounts(org).await },
        )
        .map_err(not_found)?
        .users;
    context.output.list(&user::columns(), &found)?;
    context.output.when_empty(
        &found,
        &format!(
            "{org} has no service accounts. Create one: `fh service-account create {org} NAME`"
        ),
    );
    Ok(())
}

fn remove(arguments: &RemoveArguments, context: &Context) -> Result<(), CommandError> {
    let RemoveArguments { org, name } = arguments;
    let client = context.client_with_token()?;
    context
        .change(
            format_args!("cannot remove the service account {name}"),
            async { client.remove_service_account(org, name).await },
        )
        .map_err(|error| {
            let hint = format!("`fh service-account list {org}` shows those of {org}.");
            error.hint_for(ErrorCode::NotFound, hint)
        })?;
    context.output.done(
        &json!({ "org": org, "name": name, "deleted": true }),
        |_| format!("Removed the service account {name} of {org}, with its tokens."),
    )
}
