//! `fh org`: organisations.

use clap::{Args, Subcommand};
use fh_api::{CreateOrganization, ErrorCode, Name, OrganizationInfo};

use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Column, column, human};

/// Organisations: what flakes belong to
#[derive(Debug, Subcommand)]
pub(crate) enum OrgCommand {
    Create(CreateArguments),
    List(ListArguments),
}

/// Make an organisation; you become its owner
///
/// The first part of every flake's name is the organisation that it belongs to. An owner makes
/// flakes in it and manages all of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh org create acme")]
pub(crate) struct CreateArguments {
    /// Its name: letters, digits, `-`, `_` and `.`, at most 64
    #[arg(value_name = "NAME")]
    name: Name,
}

/// List your organisations
///
/// An administrator of the server sees all of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh org list
  fh org list --json")]
pub(crate) struct ListArguments {}

pub(crate) fn run(command: OrgCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        OrgCommand::Create(arguments) => create(arguments, context),
        OrgCommand::List(ListArguments {}) => list(context),
    }
}

fn create(arguments: CreateArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let new = CreateOrganization {
        exist_ok: false,
        name: arguments.name,
    };
    let made = context
        .change(
            format_args!("cannot make the organisation {}", new.name),
            async { client.create_organization(&new).await },
        )
        .map_err(|error| {
            error.hint_for(
                ErrorCode::Conflict,
                "`fh org list` shows your organisations.",
            )
        })?;
    context.output.done(&made, |made| {
        format!(
            "Made the organisation {name}. Make a flake in it: `fh flake create {name}/PROJECT`",
            name = made.name
        )
    })
}

fn list(context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let found = context
        .ask("cannot list the organisations", async {
            client.organizations().await
        })?
        .orgs;
    context.output.list(&columns(), &found)?;
    context.output.when_empty(
        &found,
        "You are in no organisation. Make one: `fh org create NAME`",
    );
    Ok(())
}

fn columns() -> Vec<Column<OrganizationInfo>> {
    vec![
        column("name", "ORGANISATION", |org: &OrganizationInfo| {
            org.name.to_string()
        }),
        column("created_at", "CREATED", |org: &OrganizationInfo| {
            human::timestamp(org.created_at)
        })
        .shown(|org, now| human::relative(org.created_at, now)),
        column("id", "ID", |org: &OrganizationInfo| org.id.to_string()),
    ]
}
