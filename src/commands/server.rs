//! `fh server`: which servers are known here, and which one is meant where none is named.

use clap::{Args, Subcommand};
use fh_client::ServerEntry;
use serde::Serialize;

use crate::context::Context;
use crate::error::CommandError;
use crate::output::Columns;
use crate::setup::{self, removal};

/// List the servers that you have logged in to, choose one, or forget one
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    List(ListArguments),
    Use(UseArguments),
    Remove(RemoveArguments),
}

/// List the servers that you have logged in to
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh server list
  fh server list --json | jq -r '.[] | select(.default).url'")]
pub(crate) struct ListArguments {}

/// Choose the default server
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh server use cache.example.org
  fh server use flakehub")]
pub(crate) struct UseArguments {
    /// Its name, the beginning of its name, or its address
    #[arg(value_name = "NAME")]
    name: String,
}

/// Log out of a server: the same as `fh logout --server NAME`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh server remove cache.example.org")]
pub(crate) struct RemoveArguments {
    /// Its name, the beginning of its name, or its address
    #[arg(value_name = "NAME")]
    name: String,
}

/// One line of the list.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    url: String,
    kind: &'static str,
    token_store: &'static str,
    default: bool,
}

pub(crate) fn run(command: &ServerCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        ServerCommand::List(ListArguments {}) => list(context),
        ServerCommand::Use(arguments) => choose(&arguments.name, context),
        ServerCommand::Remove(arguments) => {
            let entry = find(&arguments.name, context)?;
            let login = removal::login_to(&entry.url, context)?;
            let removed = login.map(|login| login.remove(None, context));
            removal::say(
                &removed.transpose()?.into_iter().collect::<Vec<_>>(),
                context,
            )
        }
    }
}

fn find(name: &str, context: &Context) -> Result<ServerEntry, CommandError> {
    let found = context.credentials()?.find(name)?;
    found.ok_or_else(|| unknown(name, context))
}

fn unknown(name: &str, context: &Context) -> CommandError {
    let error = CommandError::failed(format!("no server called {name:?} is known"));
    context
        .with_server_meant(error, name)
        .hint("`fh server list` shows the known servers, `fh login --server URL` adds one.")
}

fn list(context: &Context) -> Result<(), CommandError> {
    let lines: Vec<Line> = context
        .credentials()?
        .list()?
        .into_iter()
        .map(|entry| Line {
            name: entry.name,
            url: entry.url.to_string(),
            kind: entry.kind.as_str(),
            token_store: entry.store.as_str(),
            default: entry.is_default,
        })
        .collect();
    let none = "You have not logged in to any server. Log in: `fh login --server URL`";
    context.output.list_or(&columns(), &lines, none)
}

fn columns() -> Columns<Line> {
    Columns::<Line>::new()
        .text("name", "NAME")
        .text("url", "ADDRESS")
        .text("kind", "KIND")
        .text("token_store", "TOKEN IN")
        .ranked(1)
        .made("default", "DEFAULT", |line| {
            if line.default { "yes" } else { "" }.to_owned()
        })
}

fn choose(name: &str, context: &Context) -> Result<(), CommandError> {
    let mut entry = match context.credentials()?.find(name)? {
        Some(entry) => entry,
        // It needs no login to be known.
        None => ServerEntry::flakehub()
            .filter(|entry| entry.name == name)
            .ok_or_else(|| unknown(name, context))?,
    };
    // A login writes the same file.
    let _held = setup::hold(context)?;
    context.credentials()?.set_default(&entry.url)?;
    entry.is_default = true;
    if context.output.is_json() {
        return context.output.json(&serde_json::json!({
            "name": entry.name,
            "url": entry.url.as_str(),
        }));
    }
    context
        .output
        .remark(&format!("The default server is now {}.", entry.url));
    context.warn_of_variables(&entry.url);
    Ok(())
}
