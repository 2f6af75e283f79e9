//! `fh login`: one command between a token and a Nix that substitutes.
//!
//! ```text
//! server's address → /.well-known/fh → token → whoami        nothing is written before these
//!     → netrc, nix.conf and token store worked out           … nor before each is known to work
//!     → written one after the other; a failure takes the earlier ones back
//! ```

mod check;
pub(super) mod daemon;
mod files;
mod netrc;
mod nix_conf;
mod report;
mod steps;

use std::path::PathBuf;

use clap::Args;
use fh_client::{Client, ServerUrl};
use secrecy::SecretString;

use crate::context::Context;
use crate::error::{CommandError, Status};
use crate::{terminal, token_source};

/// Log in to a server, and set up Nix to substitute from it
///
/// The token is taken from `--token-file`, else from FH_TOKEN or FH_TOKEN_FILE, else from stdin where
/// that is no terminal, else it is asked for. It is checked with the server before anything is
/// written. Then it goes to a file that only you can read, an entry goes to the netrc that Nix
/// reads, and the server's substituter and its two public keys go to your nix.conf. What is there
/// stays; if one of these files cannot be written, the others are as they were. A second run changes
/// nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh login --server https://cache.example.org
  fh login --server http://localhost:8484 --token-file ~/.local/share/fh-server/admin.token
  echo \"$TOKEN\" | fh login --server https://cache.example.org

Files (with XDG_CONFIG_HOME in place of ~/.config where that is set):
  ~/.config/fh/config.toml     the servers, and which one is meant where none is named
  ~/.config/fh/tokens/         their tokens, mode 0600
  ~/.config/nix/nix.conf       netrc-file, extra-substituters, extra-trusted-public-keys
  ~/.config/nix/netrc          what Nix authenticates with; another file where netrc-file names one")]
pub(crate) struct LoginArguments {
    /// A file with the token, or `-` for stdin
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Accepted and without effect: the existing fh has it
    #[arg(long, hide = true)]
    skip_status: bool,
}

pub(crate) fn run(arguments: &LoginArguments, context: &Context) -> Result<(), CommandError> {
    let server = server(context)?;
    // One runtime for all requests, on this thread: while it writes, Ctrl-C is not heard, so that
    // it cannot end the program between two files.
    let report = context.wait("Nothing was changed.", async {
        log_in(arguments, &server, context).await
    })?;
    report.print(context)
}

async fn log_in(
    arguments: &LoginArguments,
    server: &ServerUrl,
    context: &Context,
) -> Result<report::Report, CommandError> {
    let public: Client = context.client_builder(server.clone())?.build()?;
    let discovery = public.discovery().await?;
    let facts = check::server(server, discovery)?;
    let token = token(arguments, server, context).await?;
    let whoami = check::token(&facts, &token, context).await?;
    // Before the files: behind them Ctrl-C must not find anything to wait for, or it would say
    // that nothing was changed.
    let daemon = daemon::look().await;
    let login = files::Login {
        server,
        facts: &facts,
        whoami: &whoami,
        token: &token,
    };
    let done = files::write(&login, context)?;
    Ok(report::Report::new(facts, whoami, done, daemon))
}

/// The server to log in to: asked for where nothing names one.
fn server(context: &Context) -> Result<ServerUrl, CommandError> {
    if let Some(server) = context.server()? {
        return Ok(server);
    }
    let terminals = context.settings.terminals;
    if !(terminals.stdin && terminals.stderr) {
        return Err(
            CommandError::usage("it is not said which server to log in to")
                .hint("Name it: `fh login --server URL`"),
        );
    }
    let answer: String = dialoguer::Input::new()
        .with_prompt("Address of the server")
        .interact_text()
        .map_err(|dialoguer::Error::IO(error)| match error.kind() {
            std::io::ErrorKind::Interrupted => CommandError::interrupted("Nothing was changed."),
            _ => CommandError::asking(error),
        })?;
    Ok(answer.parse()?)
}

/// The token, from the first place that has one.
async fn token(
    arguments: &LoginArguments,
    server: &ServerUrl,
    context: &Context,
) -> Result<SecretString, CommandError> {
    let terminal = context.settings.terminals.stdin;
    match &arguments.token_file {
        // A terminal would cut a long token in line mode.
        Some(file) if file.as_os_str() == "-" && terminal => ask(server),
        Some(file) if file.as_os_str() == "-" => read(token_source::from_stdin).await,
        Some(file) => {
            let file = file.clone();
            read(move || token_source::from_file(&file)).await
        }
        None => match context.environment_token()? {
            Some(found) => Ok(found.token),
            None if terminal => ask(server),
            None => read(token_source::from_stdin).await,
        },
    }
}

/// Reads elsewhere than on this thread, so that Ctrl-C ends a wait for a pipe.
async fn read(
    source: impl FnOnce() -> Result<SecretString, CommandError> + Send + 'static,
) -> Result<SecretString, CommandError> {
    match tokio::task::spawn_blocking(source).await {
        Ok(token) => token,
        Err(error) => {
            Err(CommandError::new(Status::Failed, error).context("cannot read the token"))
        }
    }
}

fn ask(server: &ServerUrl) -> Result<SecretString, CommandError> {
    let token = terminal::read_secret(&format!("Token for {server} (it is not shown): "))?;
    token_source::cleaned(&token).ok_or_else(|| {
        CommandError::failed("no token was typed")
            .hint("`fh token create` prints one, or an administrator of the server does.")
    })
}
