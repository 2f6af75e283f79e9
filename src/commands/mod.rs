//! One file per command: its arguments, what they mean, and what it does. The doc comment of the
//! arguments is the help text.

mod audit;
pub(crate) mod child;
mod completion;
mod doctor;
mod expiry;
mod flake;
mod follow;
mod grant;
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

use clap::Subcommand;

use crate::context::Context;
use crate::error::CommandError;
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
    #[command(name = crate::completion::REMEMBER_NAMES, hide = true)]
    RememberNames(crate::completion::Refresh),
}

impl Command {
    /// The server, where the command itself names it.
    pub(crate) fn server(&self) -> Option<&String> {
        match self {
            Self::Login(arguments) => arguments.url.as_ref(),
            _ => None,
        }
    }

    /// The file of certificates for the server, where the command itself names it.
    pub(crate) fn ca_file(&self) -> Option<&PathBuf> {
        match self {
            Self::Login(arguments) => arguments.ca_file.as_ref(),
            _ => None,
        }
    }

    /// Whether it ends well whatever it finds: `fh login --activation`.
    pub(crate) fn never_fails(&self) -> bool {
        matches!(self, Self::Login(arguments) if arguments.activation)
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

/// Runs a command to its exit code. `definition` is the whole command line, which the manual shows.
pub(crate) fn run(
    command: Command,
    definition: fn() -> clap::Command,
    context: &Context,
) -> Result<ExitCode, CommandError> {
    if !command.has_own_log() {
        logging::start(&context.settings);
    }
    match command {
        Command::Login(arguments) => return login::run(&arguments, context),
        Command::Logout(arguments) => logout::run(&arguments, context)?,
        Command::Server(command) => server::run(&command, context)?,
        Command::Status(arguments) => return status::run(&arguments, context),
        Command::Doctor(_) => return doctor::run(context),
        Command::List(command) => list::run(&command, context)?,
        Command::Push(arguments) => return push::run(&arguments, context),
        Command::Org(command) => org::run(command, context)?,
        Command::Member(command) => member::run(&command, context)?,
        Command::Team(command) => team::run(&command, context)?,
        Command::Flake(command) => flake::run(command, context)?,
        Command::Follow(arguments) => follow::follow(arguments, context)?,
        Command::Unfollow(arguments) => follow::unfollow(&arguments, context)?,
        Command::Grant(command) => grant::run(&command, context)?,
        Command::Invitation(command) => invitation::run(&command, context)?,
        Command::Why(arguments) | Command::Access(why::AccessCommand::Explain(arguments)) => {
            why::run(&arguments, context)?;
        }
        Command::Token(command) => token::run(command, context)?,
        Command::ServiceAccount(command) => service_account::run(&command, context)?,
        Command::Trust(command) => trust::run(command, context)?,
        Command::Provision(arguments) => provision::run(&arguments, context)?,
        Command::User(command) => user::run(command, context)?,
        Command::Key(command) => key::run(&command, context)?,
        Command::Audit(arguments) => audit::run(arguments, context)?,
        #[cfg(feature = "server")]
        Command::Serve(arguments) => serve::run(arguments, context)?,
        Command::Completion(arguments) => completion::run(&arguments, context)?,
        Command::Man(arguments) => man::run(&arguments, definition())?,
        Command::RememberNames(_) => return crate::completion::refresh(context),
    }
    Ok(ExitCode::SUCCESS)
}
