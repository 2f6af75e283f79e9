//! `fh user`: accounts, for administrators of the server.

use clap::{Args, Subcommand};
use fh_api::{CreateUser, ErrorCode, Name, NameKind, UpdateUser, UserAccess, UserInfo, UserKind};
use serde::Serialize;
use time::OffsetDateTime;

use super::confirm::{Effect, Yes};
use super::found::Found;
use super::free_name::{self, FreeNameArguments};
use super::held;
use super::rename::Renaming;
use crate::arguments::{IfMissing, words};
use crate::context::Context;
use crate::error::{CommandError, nouns};
use crate::output::{Column, Tone, column, human};

/// Accounts of people and of services (server administrators)
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    Create(CreateArguments),
    List(ListArguments),
    Show(ShowArguments),
    Set(SetArguments),
    Rename(RenameArguments),
    Disable(DisableArguments),
    Enable(EnableArguments),
    FreeName(FreeNameArguments),
}

/// Create an account
///
/// A new account may read public flakes by their names (/cache/ORG/PROJECT), and nothing else until it is
/// granted something. It logs in with a token. Everybody who may grant something can see the names of accounts.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh user create alice
  fh grant add acme/app alice read
  fh token create --user alice --out alice.token

  fh user create builder-1 --kind service --if-missing")]
pub(crate) struct CreateArguments {
    /// Its name: letters, digits, `-`, `_` and `.`, at most 64
    #[arg(value_name = "USER")]
    name: Name,

    /// Whether it is for a person or a machine
    #[arg(long, value_name = "KIND", default_value = "human", value_parser = words::<UserKind>(UserKind::WORDS))]
    kind: UserKind,

    #[command(flatten)]
    if_missing: IfMissing,
}

/// List all accounts
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh user list
  fh user list --json | jq -r '.[] | select(.kind == \"service\") | .name'")]
pub(crate) struct ListArguments {}

/// Show one account: what it is in, holds and can reach
///
/// You can show your own account. Server administrators can show every account; administrators of an organisation
/// see what concerns that organisation.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh user show alice")]
pub(crate) struct ShowArguments {
    /// The account
    #[arg(value_name = "USER")]
    user: Name,
}

/// Allow or forbid an account to manage the whole server
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh user set alice --server-admin true")]
pub(crate) struct SetArguments {
    /// The account
    #[arg(value_name = "USER")]
    user: Name,

    /// Whether it may manage the whole server
    #[arg(long, value_name = "BOOL", required = true, action = clap::ArgAction::Set)]
    server_admin: bool,

    #[command(flatten)]
    yes: Yes,
}

/// Rename an account: your own, or anyone's (server administrators)
///
/// Its former name keeps working until a server administrator frees it (`fh user free-name`). Nobody else can get
/// that name.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh user rename alice alice.jones")]
pub(crate) struct RenameArguments {
    /// The account
    #[arg(value_name = "USER")]
    user: Name,

    /// Its new name
    #[arg(value_name = "NAME")]
    name: Name,

    #[command(flatten)]
    yes: Yes,
}

/// Disable an account: its tokens are refused until it is enabled again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh user disable alice")]
pub(crate) struct DisableArguments {
    /// The account
    #[arg(value_name = "USER")]
    user: Name,
}

/// Enable an account: its tokens are accepted again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh user enable alice")]
pub(crate) struct EnableArguments {
    /// The account
    #[arg(value_name = "USER")]
    user: Name,
}

pub(crate) fn run(command: UserCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        UserCommand::Create(arguments) => create(arguments, context),
        UserCommand::List(ListArguments {}) => list(context),
        UserCommand::Show(arguments) => show(&arguments.user, context),
        UserCommand::Set(arguments) => {
            if arguments.server_admin {
                let what = format!("This lets {} manage the whole server.", arguments.user);
                let yes = arguments.yes;
                yes.confirm(
                    Effect::Exposes,
                    &what,
                    "Make them a server administrator?",
                    context,
                )?;
            }
            let change = UpdateUser {
                server_admin: Some(arguments.server_admin),
                disabled: None,
            };
            update(&arguments.user, &change, context)
        }
        UserCommand::Rename(arguments) => rename(&arguments, context),
        UserCommand::Disable(arguments) => disable(&arguments.user, true, context),
        UserCommand::Enable(arguments) => disable(&arguments.user, false, context),
        UserCommand::FreeName(arguments) => free_name::run(NameKind::Account, &arguments, context),
    }
}

fn rename(arguments: &RenameArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let RenameArguments { user, name, yes } = arguments;
    let found = context.ask(format_args!("cannot rename the account {user}"), async {
        Found::of(client.user_access(user).await)
    })?;
    let renaming = Renaming {
        noun: "account",
        from: found.name(user, |found| found.user.clone()).to_string(),
        to: name.to_string(),
        yes: *yes,
    };
    renaming.carry_out(context, async { client.rename_user(user, name).await })
}

fn create(arguments: CreateArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let new = CreateUser {
        exist_ok: arguments.if_missing.set,
        name: arguments.name,
        kind: arguments.kind,
    };
    let answer = context
        .change(
            format_args!("cannot create the account {}", new.name),
            async { client.create_user(&new).await },
        )
        .map_err(|error| {
            let hint = format!(
                "{} `fh user free-name` lists the reserved names.",
                nouns::ACCOUNTS
            );
            error.hint_for(ErrorCode::Conflict, hint)
        })?;
    context.output.made(&answer, |made, is_new| {
        if !is_new {
            return format!("The account {} exists already.", made.name);
        }
        format!(
            "Created the account {name}. Create a token for it: `fh token create --user {name}`",
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

fn show(user: &Name, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let access = context.ask(format_args!("cannot show the account {user}"), async {
        client.user_access(user).await
    })?;
    let now = OffsetDateTime::now_utc();
    let mut lines = vec![("User", access.user.to_string())];
    if let Some(account) = &access.account {
        lines.extend([
            ("Kind", account.kind.to_string()),
            ("Server admin", yes_or_no(account.server_admin)),
        ]);
        let organization = account.organization.as_ref();
        lines.extend(organization.map(|organization| ("Organisation", organization.to_string())));
        let disabled = account.disabled_at.map(|at| human::date(at, now));
        lines.extend(disabled.map(|since| ("Disabled", since)));
        lines.push(("Created", human::date(account.created_at, now)));
        if context.output.is_wide() {
            lines.push(("Id", account.id.to_string()));
        }
    }
    lines.push(("Access", held::summary(&access)));
    lines.extend(held::limits(&access.narrowed_by));
    let tables = held::tables(&access, &context.output);
    context
        .output
        .details_with(&Shown::of(access), &lines, &tables)
}

/// An account as JSON: its own facts, where they are told, and beside them what it has access to.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    account: Option<UserInfo>,
    access: UserAccess,
}

impl Shown {
    fn of(mut access: UserAccess) -> Self {
        Self {
            account: access.account.take(),
            access,
        }
    }
}

fn disable(user: &Name, disabled: bool, context: &Context) -> Result<(), CommandError> {
    let change = UpdateUser {
        disabled: Some(disabled),
        server_admin: None,
    };
    update(user, &change, context)
}

fn update(user: &Name, change: &UpdateUser, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let (changed, was_so) = context
        .change(format_args!("cannot change the account {user}"), async {
            let was_so = match change.disabled {
                None => false,
                // Where the account is not shown, the change itself tells why.
                Some(disabled) => matches!(
                    Found::of(client.user(user).await)?,
                    Found::There(user) if user.disabled_at.is_some() == disabled
                ),
            };
            Ok((client.update_user(user, change).await?, was_so))
        })
        .map_err(|error| {
            let hint = "Add another one: `fh user set USER --server-admin true`";
            error.hint_for(ErrorCode::Conflict, hint)
        })?;
    context.output.done(&changed, |user| {
        let name = &user.name;
        if was_so {
            let state = if user.disabled_at.is_some() {
                "is disabled already"
            } else {
                "is not disabled"
            };
            return format!("{name} {state}: nothing was changed.");
        }
        if user.disabled_at.is_some() {
            return format!("{name} is disabled: all tokens of this account are refused.");
        }
        match (change.server_admin, user.server_admin) {
            (Some(_), true) => format!("{name} may manage the whole server."),
            (Some(_), false) => format!("{name} may not manage the server."),
            (None, _) => format!("{name} is enabled."),
        }
    })
}

fn yes_or_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

pub(super) fn columns() -> Vec<Column<UserInfo>> {
    vec![
        column("name", "USER", |user: &UserInfo| user.name.to_string()),
        column("kind", "KIND", |user: &UserInfo| user.kind.to_string()),
        column("server_admin", "SERVER ADMIN", |user: &UserInfo| {
            user.server_admin.to_string()
        })
        .shown(|user, _| yes_or_no(user.server_admin)),
        column("organization", "ORGANISATION", |user: &UserInfo| {
            let organization = user.organization.as_ref();
            organization.map(ToString::to_string).unwrap_or_default()
        }),
        column("disabled_at", "DISABLED", |user: &UserInfo| {
            user.disabled_at.map(human::timestamp).unwrap_or_default()
        })
        .shown(|user, now| {
            user.disabled_at
                .map(|at| human::relative(at, now))
                .unwrap_or_default()
        })
        .toned(|_, _| Some(Tone::Bad)),
        column("created_at", "CREATED", |user: &UserInfo| {
            human::timestamp(user.created_at)
        })
        .shown(|user, now| human::relative(user.created_at, now))
        .ranked(1),
        column("id", "ID", |user: &UserInfo| user.id.to_string()).wide(),
    ]
}
