//! One file per command: its arguments, what they mean, and what it does. The doc comment of the
//! arguments is the help text.

mod audit;
pub(crate) mod child;
mod completion;
mod confirm;
mod doctor;
mod expiry;
mod flake;
mod follow;
mod found;
mod free_name;
mod grant;
mod held;
mod invitation;
mod key;
mod list;
mod login;
mod logout;
mod man;
mod member;
mod org;
mod provision;
mod push;
mod reach;
mod rename;
mod scoped;
#[cfg(feature = "server")]
mod serve;
mod server;
mod service_account;
mod status;
mod team;
mod token;
mod token_id;
mod trust;
mod user;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use fh_api::{FlakePattern, Name};
use fh_client::{Client, Error as ClientError, Made, ServerKind};
use serde::Serialize;

use crate::advice;
use crate::context::Context;
use crate::error::{CommandError, Named};
use crate::logging;

pub(crate) use login::cannot_begin;
pub(crate) use push::{RELAY as HOOK, relay as tell_built};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Login(login::LoginArguments),
    Logout(logout::LogoutArguments),
    Status(status::StatusArguments),
    Doctor(doctor::DoctorArguments),
    #[command(subcommand)]
    Server(server::ServerCommand),
    #[command(subcommand)]
    List(list::ListCommand),
    Push(push::PushArguments),
    #[command(subcommand)]
    Org(org::OrgCommand),
    #[command(subcommand)]
    Member(member::MemberCommand),
    #[command(subcommand)]
    Team(team::TeamCommand),
    #[command(subcommand)]
    Flake(flake::FlakeCommand),
    Follow(follow::FollowArguments),
    Unfollow(follow::UnfollowArguments),
    #[command(subcommand)]
    Grant(grant::GrantCommand),
    #[command(subcommand)]
    Invitation(invitation::InvitationCommand),
    Why(why::WhyArguments),
    #[command(subcommand, hide = true)]
    Access(why::AccessCommand),
    #[command(subcommand)]
    Token(token::TokenCommand),
    #[command(subcommand)]
    ServiceAccount(service_account::ServiceAccountCommand),
    #[command(subcommand)]
    Trust(trust::TrustCommand),
    Provision(provision::ProvisionArguments),
    #[command(subcommand)]
    User(user::UserCommand),
    #[command(subcommand)]
    Key(key::KeyCommand),
    Audit(audit::AuditArguments),
    #[cfg(feature = "server")]
    Serve(serve::ServeArguments),
    Completion(completion::CompletionArguments),
    Man(man::ManArguments),
    #[command(name = REMEMBER_NAMES, hide = true)]
    RememberNames(crate::completion::Refresh),
}

/// What completions start to ask the server.
pub(crate) const REMEMBER_NAMES: &str = "__remember-names";

impl Command {
    /// The server, where the command itself names it.
    pub(crate) fn server(&self) -> Option<&String> {
        match self {
            Self::Login(arguments) => arguments.url(),
            _ => None,
        }
    }

    /// The file of certificates for the server, where the command itself names it.
    pub(crate) fn ca_file(&self) -> Option<&PathBuf> {
        match self {
            Self::Login(arguments) => arguments.ca_file(),
            _ => None,
        }
    }

    /// Whether it ends well whatever it finds: `fh login --activation`.
    pub(crate) fn never_fails(&self) -> bool {
        matches!(self, Self::Login(arguments) if arguments.is_activation())
    }

    /// Whether it says itself where a token that is refused came from.
    pub(crate) fn names_its_token(&self) -> bool {
        matches!(self, Self::Login(_))
    }

    fn has_own_log(&self) -> bool {
        #[cfg(feature = "server")]
        return matches!(self, Self::Serve(_));
        #[cfg(not(feature = "server"))]
        false
    }
}

/// Runs a command to its exit code.
pub(crate) fn run(command: Command, context: &Context) -> Result<ExitCode, CommandError> {
    if !command.has_own_log() {
        logging::start(&context.settings);
    }
    match command {
        Command::Login(arguments) => return login::run(&arguments, context),
        Command::Logout(arguments) => logout::run(&arguments, context)?,
        Command::Server(command) => server::run(&command, context)?,
        Command::Status(arguments) => return status::run(&arguments, context),
        Command::Doctor(_) => return doctor::run(context),
        Command::List(command) => list::run(command, context)?,
        Command::Push(arguments) => return push::run(&arguments, context),
        Command::Org(command) => org::run(command, context)?,
        Command::Member(command) => member::run(command, context)?,
        Command::Team(command) => team::run(command, context)?,
        Command::Flake(command) => flake::run(command, context)?,
        Command::Follow(arguments) => follow::follow(arguments, context)?,
        Command::Unfollow(arguments) => follow::unfollow(&arguments, context)?,
        Command::Grant(command) => grant::run(command, context)?,
        Command::Invitation(command) => invitation::run(command, context)?,
        Command::Why(arguments) | Command::Access(why::AccessCommand::Explain(arguments)) => {
            why::run(&arguments, context)?;
        }
        Command::Token(command) => token::run(command, context)?,
        Command::ServiceAccount(command) => service_account::run(command, context)?,
        Command::Trust(command) => trust::run(command, context)?,
        Command::Provision(arguments) => provision::run(&arguments, context)?,
        Command::User(command) => user::run(command, context)?,
        Command::Key(command) => key::run(&command, context)?,
        Command::Audit(arguments) => audit::run(arguments, context)?,
        #[cfg(feature = "server")]
        Command::Serve(arguments) => serve::run(arguments, context)?,
        Command::Completion(arguments) => completion::run(&arguments, context)?,
        Command::Man(arguments) => man::run(&arguments)?,
        Command::RememberNames(_) => return crate::completion::refresh(context),
    }
    Ok(ExitCode::SUCCESS)
}

/// What to name where all flakes of the server cannot be meant.
const NO_TARGET: &str = "name a flake, ORG/PROJECT, or all flakes of an organisation, ORG/*";

/// A flake, or all of one organisation: what can be followed, and what roles are held on.
fn parse_target(text: &str) -> Result<FlakePattern, String> {
    match text.parse() {
        Ok(FlakePattern::All) => Err(NO_TARGET.to_owned()),
        Ok(pattern) => Ok(pattern),
        Err(error) => Err(error.to_string()),
    }
}

/// Words of a vocabulary, or patterns, side by side.
fn joined<T: std::fmt::Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(" ")
}

/// Warns of flakes that were named and that nobody here can see: a slip of the pen, most of the time. What cannot be
/// found out is not worth a word.
fn warn_of_absent(flakes: &[FlakePattern], client: &Client, context: &Context) {
    for pattern in flakes {
        let FlakePattern::Flake(flake) = pattern else {
            continue;
        };
        let found = context.ask("cannot look for it", async { client.flake(flake).await });
        let is_absent = found.is_err_and(|error| {
            let error = error.downcast_ref::<ClientError>();
            error.and_then(ClientError::status) == Some(404)
        });
        if is_absent {
            let meant = context.wait("", async { Ok(advice::flake_meant(client, flake).await) });
            let meant = meant.ok().flatten();
            let meant = meant.map(|meant| format!("Did you mean {meant}? "));
            context.output.warning(&format!(
                "{flake} does not exist, or you cannot see it. {}`fh list flakes` lists those that you can see",
                meant.unwrap_or_default()
            ));
        }
    }
}

/// A failure of a request whose body or query named somebody.
fn naming_user(error: CommandError, user: Option<&Name>) -> CommandError {
    match user {
        Some(user) => error.naming(Named::User(user.clone())),
        None => error,
    }
}

/// Whether both are one name, as the server compares them: without regard to case.
fn is_same_name(one: &Name, other: &Name) -> bool {
    one.folded() == other.folded()
}

/// How every command that makes something is repeated by a script.
#[derive(Debug, Args)]
struct IfMissing {
    /// Succeed if it exists already
    #[arg(long = "if-missing", id = "if-missing")]
    set: bool,
}

/// Says what was made, or that it was there already; or prints it as JSON.
fn made<T: Serialize>(
    context: &Context,
    answer: &Made<T>,
    sentence: impl FnOnce(&T, bool) -> String,
) -> Result<(), CommandError> {
    context
        .output
        .done(&answer.value, |value| sentence(value, answer.is_new))
}

/// What a server is, in a sentence.
fn kind_in_words(kind: ServerKind) -> &'static str {
    match kind {
        ServerKind::Fh => "an fh server",
        ServerKind::FlakeHub => "FlakeHub",
        ServerKind::Attic => "an attic server",
    }
}
