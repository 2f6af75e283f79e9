//! `fh grant`: who may do what with a flake.

use clap::{Args, Subcommand};
use fh_api::{ErrorCode, FlakeName, GrantInfo, Name, Role};
use serde_json::json;

use crate::cli::words;
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Column, column, human};

/// Who may read, push to and manage a flake
///
/// `read` substitutes from the flake's part of the cache, `write` pushes to it too, `admin` also
/// grants, changes the visibility and deletes.
#[derive(Debug, Subcommand)]
pub(crate) enum GrantCommand {
    Add(AddArguments),
    Remove(RemoveArguments),
    List(ListArguments),
}

/// Give a user a role on a flake, in place of the one they had
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh grant add acme/app alice read
  fh grant add acme/app builder-1 write")]
pub(crate) struct AddArguments {
    /// The flake
    #[arg(value_name = "ORG/PROJECT", add = crate::completion::flakes())]
    flake: FlakeName,

    /// The account
    #[arg(value_name = "USER")]
    user: Name,

    /// What it may do
    #[arg(value_name = "ROLE", value_parser = words::<Role>(Role::WORDS))]
    role: Role,
}

/// Take a user's role on a flake away
///
/// Machines of theirs keep what they have substituted already; they get no more.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh grant remove acme/app alice")]
pub(crate) struct RemoveArguments {
    /// The flake
    #[arg(value_name = "ORG/PROJECT", add = crate::completion::flakes())]
    flake: FlakeName,

    /// The account
    #[arg(value_name = "USER")]
    user: Name,
}

/// List who has which role on a flake
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh grant list acme/app")]
pub(crate) struct ListArguments {
    /// The flake
    #[arg(value_name = "ORG/PROJECT", add = crate::completion::flakes())]
    flake: FlakeName,
}

pub(crate) fn run(command: GrantCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        GrantCommand::Add(arguments) => add(&arguments, context),
        GrantCommand::Remove(arguments) => remove(&arguments, context),
        GrantCommand::List(arguments) => list(&arguments, context),
    }
}

fn add(arguments: &AddArguments, context: &Context) -> Result<(), CommandError> {
    let AddArguments { flake, user, role } = arguments;
    let client = context.client_with_token()?;
    let grant = context
        .change(
            format_args!("cannot give {user} a role on {flake}"),
            async { client.set_grant(flake, user, *role).await },
        )
        .map_err(|error| {
            error.hint_for(
                ErrorCode::InvalidContent,
                format!("An administrator of the server makes accounts: `fh user create {user}`"),
            )
        })?;
    context.output.done(&grant, |grant| {
        let what = match grant.role {
            Role::Read => "read",
            Role::Write => "read and push to",
            Role::Admin => "read, push to and manage",
        };
        format!("{} may now {what} {}.", grant.subject, grant.on)
    })
}

fn remove(arguments: &RemoveArguments, context: &Context) -> Result<(), CommandError> {
    let RemoveArguments { flake, user } = arguments;
    let client = context.client_with_token()?;
    context
        .change(
            format_args!("cannot take the role of {user} on {flake} away"),
            async { client.remove_grant(flake, user).await },
        )
        .map_err(|error| {
            error.hint_for(
                ErrorCode::InvalidContent,
                format!("`fh grant list {flake}` shows who has a role."),
            )
        })?;
    context.output.done(
        &json!({ "flake": flake, "user": user, "role": null }),
        |_| format!("{user} has no role on {flake} any more."),
    )
}

fn list(arguments: &ListArguments, context: &Context) -> Result<(), CommandError> {
    let flake = &arguments.flake;
    let client = context.client_with_token()?;
    let found = context
        .ask(format_args!("cannot list the roles on {flake}"), async {
            client.grants(flake).await
        })?
        .grants;
    context.output.list(&columns(), &found)?;
    context.output.when_empty(
        &found,
        &format!("Nobody has a role on {flake}. Give one: `fh grant add {flake} USER read`"),
    );
    Ok(())
}

fn columns() -> Vec<Column<GrantInfo>> {
    vec![
        column("subject", "WHO", |grant: &GrantInfo| {
            grant.subject.to_string()
        }),
        column("role", "ROLE", |grant: &GrantInfo| grant.role.to_string()),
        column("on", "ON", |grant: &GrantInfo| grant.on.to_string()),
        column("created_at", "SINCE", |grant: &GrantInfo| {
            human::timestamp(grant.created_at)
        })
        .shown(|grant, now| human::relative(grant.created_at, now)),
    ]
}
