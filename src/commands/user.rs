//! `fh user`: accounts, for administrators of the server.

use clap::{Args, Subcommand};
use fh_api::{CreateUser, ErrorCode, Name, UserInfo, UserKind};

use crate::cli::words;
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Column, column, human};

/// Accounts of people and of services (server administrators)
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    Create(CreateArguments),
    List(ListArguments),
}

/// Make an account
///
/// A new account may read what is public, and nothing else until it is granted something. It logs
/// in with a token.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh user create alice
  fh grant add acme/app alice read
  fh token create --user alice > alice.token

  fh user create builder-1 --kind service")]
pub(crate) struct CreateArguments {
    /// The login name: letters, digits, `-`, `_` and `.`, at most 64
    #[arg(value_name = "NAME")]
    name: Name,

    /// What it stands for: a person or a machine
    #[arg(long, value_name = "KIND", default_value = "human", value_parser = words::<UserKind>(UserKind::WORDS))]
    kind: UserKind,
}

/// List all accounts
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh user list
  fh user list --json | jq -r '.[] | select(.kind == \"service\") | .name'")]
pub(crate) struct ListArguments {}

pub(crate) fn run(command: UserCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        UserCommand::Create(arguments) => create(arguments, context),
        UserCommand::List(ListArguments {}) => list(context),
    }
}

fn create(arguments: CreateArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let new = CreateUser {
        exist_ok: false,
        name: arguments.name,
        kind: arguments.kind,
    };
    let made = context
        .change(
            format_args!("cannot make the account {}", new.name),
            async { client.create_user(&new).await },
        )
        .map_err(|error| {
            error.hint_for(ErrorCode::Conflict, "`fh user list` shows all accounts.")
        })?;
    context.output.done(&made, |made| {
        format!(
            "Made the account {name}. Make a token for it: `fh token create --user {name}`",
            name = made.name
        )
    })
}

fn list(context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let found = context
        .ask("cannot list the accounts", async { client.users().await })?
        .users;
    context.output.list(&columns(), &found)
}

fn columns() -> Vec<Column<UserInfo>> {
    vec![
        column("name", "USER", |user: &UserInfo| user.name.to_string()),
        column("kind", "KIND", |user: &UserInfo| user.kind.to_string()),
        column("server_admin", "SERVER ADMIN", |user: &UserInfo| {
            user.server_admin.to_string()
        })
        .shown(|user, _| if user.server_admin { "yes" } else { "no" }.to_owned()),
        column("created_at", "CREATED", |user: &UserInfo| {
            human::timestamp(user.created_at)
        })
        .shown(|user, now| human::relative(user.created_at, now)),
        column("id", "ID", |user: &UserInfo| user.id.to_string()),
    ]
}
