//! `fh logout`: takes back what logins have added.
//!
//! Invariant: a token that is to be revoked is revoked before it is forgotten.

use clap::Args;
use fh_api::TokenRevocation;
use fh_client::{Error as ClientError, ServerEntry, ServerKind};

use crate::context::Context;
use crate::error::CommandError;
use crate::setup::removal;

/// Log out of a server: remove what `fh login` added to your files, and the stored token
///
/// It removes the netrc entry, the lines of nix.conf and the files that logins added, and restores a netrc
/// entry that a login replaced and the permission bits of the netrc. What you have changed since stays as it
/// is. Other servers keep what they need.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh logout
  fh logout --server https://cache.example.org --revoke
  fh logout --all")]
pub(crate) struct LogoutArguments {
    /// Log out of all servers
    #[arg(long, conflicts_with = "server")]
    all: bool,

    /// Also revoke the token, so that it is no longer valid anywhere
    #[arg(long)]
    revoke: bool,
}

pub(crate) fn run(arguments: &LogoutArguments, context: &Context) -> Result<(), CommandError> {
    let logins = if arguments.all {
        removal::logins(context)?
    } else {
        let server = context.server()?;
        let login = server.map(|server| removal::login_to(&server, context));
        login.transpose()?.flatten().into_iter().collect()
    };
    let mut removed = Vec::new();
    for login in logins {
        let revoked = match login.entry() {
            Some(entry) if arguments.revoke => revoke(entry, context)?,
            _ => None,
        };
        let told = revoked.as_ref().map(of_others);
        removed.push(login.remove(told, context)?);
    }
    removal::say(&removed, context)
}

/// Makes the token useless everywhere. One that the server does not accept any more is so already.
fn revoke(entry: &ServerEntry, context: &Context) -> Result<Option<TokenRevocation>, CommandError> {
    if entry.kind != ServerKind::Fh {
        return Err(
            CommandError::usage(format!("{} cannot revoke tokens by command", entry.url))
                .hint("Log out without `--revoke`, and revoke the token where it was created."),
        );
    }
    let Some(found) = context.stored_token(&entry.url)? else {
        return Ok(None);
    };
    let client = context.client_of(&entry.url, Some(&found.token))?;
    context
        .wait(
            "It is not known whether the token was revoked; nothing else was changed.",
            async {
                let id = match client.whoami().await {
                    Ok(whoami) => whoami.token_id,
                    Err(ClientError::Unauthorized { .. }) => return Ok(None),
                    Err(error) => return Err(error.into()),
                };
                // A workload's own identity ends by itself.
                let Some(id) = id else { return Ok(None) };
                Ok(Some(client.revoke_token(id, false).await?))
            },
        )
        .map_err(|error: CommandError| {
            error
                .context("cannot revoke the token, so it was not removed")
                .hint("`fh logout` without `--revoke` needs no server.")
        })
}

/// What became of other tokens with the one that was revoked, the first of those that ended.
fn of_others(told: &TokenRevocation) -> Vec<String> {
    let counted = [
        (
            told.ended.len().saturating_sub(1),
            "that it had created were revoked with it",
        ),
        (
            told.made_for_others.len(),
            "that it created for other users stay valid: `fh token list --user USER`",
        ),
    ];
    counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, became)| format!("Tokens {became}: {count}."))
        .collect()
}
