//! `fh user`: accounts, for administrators of the server.

use clap::{Args, Subcommand};
use fh_api::{CreateUser, ErrorCode, Name, NameKind, UpdateUser, UserAccess, UserInfo, UserKind};
use serde::Serialize;
use time::OffsetDateTime;

use crate::arguments::{IfMissing, words};
use crate::confirm::{Effect, Yes};
use crate::context::Context;
use crate::error::{CommandError, Explain as _, nouns};
use crate::nouns::accounts::{columns, yes_or_no};
use crate::nouns::found::Found;
use crate::nouns::free_name::{self, FreeNameArguments};
use crate::nouns::held;
use crate::nouns::rename::Renaming;
use crate::output::human;

/// Accounts of people and of services (server administrators)
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    Create(CreateArguments),
    /// List all accounts
    #[command(after_help = "\
Examples:
  fh user list
  fh user list --json | jq -r '.[] | select(.kind == \"service\") | .name'")]
    List,
    /// Show one account: what it is in, holds and can reach
    ///
    /// You can show your own account. Server administrators can show every account; administrators of an organisation
    /// see what concerns that organisation.
    #[command(after_help = "\
Examples:
  fh user show alice")]
    Show(UserArguments),
    /// Allow or forbid an account to manage the whole server
    #[command(after_help = "\
Examples:
  fh user set alice --server-admin true")]
    Set {
        #[command(flatten)]
        of: UserArguments,

        /// Whether it may manage the whole server
        #[arg(long, value_name = "BOOL", required = true, action = clap::ArgAction::Set)]
        server_admin: bool,

        #[command(flatten)]
        yes: Yes,
    },
    /// Rename an account: your own, or anyone's (server administrators)
    ///
    /// Its former name keeps working until a server administrator frees it (`fh user free-name`). Nobody else can get
    /// that name.
    #[command(after_help = "\
Examples:
  fh user rename alice alice.jones")]
    Rename {
        #[command(flatten)]
        of: UserArguments,

        /// Its new name
        #[arg(value_name = "NAME")]
        name: Name,

        #[command(flatten)]
        yes: Yes,
    },
    /// Disable an account: its tokens are refused until it is enabled again
    #[command(after_help = "\
Examples:
  fh user disable alice")]
    Disable(UserArguments),
    /// Enable an account: its tokens are accepted again
    #[command(after_help = "\
Examples:
  fh user enable alice")]
    Enable(UserArguments),
    FreeName(FreeNameArguments),
}

/// The account that is meant.
#[derive(Debug, Args)]
pub(crate) struct UserArguments {
    /// The account
    #[arg(value_name = "USER")]
    user: Name,
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

pub(crate) fn run(command: UserCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        UserCommand::Create(arguments) => create(arguments, context),
        UserCommand::List => list(context),
        UserCommand::Show(of) => show(&of.user, context),
        UserCommand::Set {
            of,
            server_admin,
            yes,
        } => {
            if server_admin {
                let what = format!("This lets {} manage the whole server.", of.user);
                let question = "Make them a server administrator?";
                yes.confirm(Effect::Exposes, &what, question, context)?;
            }
            let change = UpdateUser {
                server_admin: Some(server_admin),
                disabled: None,
            };
            update(&of.user, &change, context)
        }
        UserCommand::Rename { of, name, yes } => rename(&of.user, &name, yes, context),
        UserCommand::Disable(of) => disable(&of.user, true, context),
        UserCommand::Enable(of) => disable(&of.user, false, context),
        UserCommand::FreeName(arguments) => free_name::run(NameKind::Account, &arguments, context),
    }
}

fn rename(user: &Name, name: &Name, yes: Yes, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let cannot = format!("cannot rename the account {user}");
    let found = Found::ask(cannot, client.user_access(user), context)?;
    let renaming = Renaming {
        noun: "account",
        from: found.name(user, |found| found.user.clone()).to_string(),
        to: name.to_string(),
        yes,
    };
    renaming.carry_out(context, client.rename_user(user, name))
}

fn create(arguments: CreateArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let new = CreateUser {
        exist_ok: arguments.if_missing.set,
        name: arguments.name,
        kind: arguments.kind,
    };
    let hint = format!(
        "{} `fh user free-name` lists the reserved names.",
        nouns::ACCOUNTS
    );
    let cannot = format!("cannot create the account {}", new.name);
    let answer = context
        .change(cannot, client.create_user(&new))
        .hint_for(ErrorCode::Conflict, hint)?;
    context.output.made(&answer, |made, is_new| {
        let name = &made.name;
        if !is_new {
            return format!("The account {name} exists already.");
        }
        format!(
            "Created the account {name}. Create a token for it: `fh token create --user {name}`"
        )
    })
}

fn list(context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let found = context
        .ask("cannot list the accounts", client.users())?
        .users;
    context.output.list(&columns(), &found)
}

fn show(user: &Name, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let cannot = format!("cannot show the account {user}");
    let mut access = context.ask(cannot, client.user_access(user))?;
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
    let tables = held::tables(&access, &context.output)?;
    let shown = Shown {
        account: access.account.take(),
        access,
    };
    context.output.details_with(&shown, &lines, &tables)
}

/// An account as JSON: its own facts, where they are told, and beside them what it has access to.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    account: Option<UserInfo>,
    access: UserAccess,
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
        .hint_for(
            ErrorCode::Conflict,
            "Add another one: `fh user set USER --server-admin true`",
        )?;
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
