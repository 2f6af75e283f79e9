//! Where the token comes from. Never from the command line, where everybody on the machine can see
//! it.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use super::site::Site;
use crate::context::Context;
use crate::error::{CommandError, Status};
use crate::{terminal, token_source};

/// How long stdin is waited for where the environment has a token too.
const PATIENCE: Duration = Duration::from_secs(1);

/// The two options that name a token.
#[derive(Debug, Args)]
pub(super) struct TokenOptions {
    /// A file with the token, or `-` for stdin
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Read the token from stdin, even if FH_TOKEN or FH_TOKEN_FILE is set
    #[arg(long, conflicts_with = "token_file")]
    token_stdin: bool,
}

/// The token, from the first place that has one.
pub(super) async fn get(
    options: &TokenOptions,
    site: &Site,
    context: &Context,
) -> Result<SecretString, CommandError> {
    let terminal = context.settings.terminals.stdin;
    match &options.token_file {
        Some(file) if file.as_os_str() != "-" => {
            let file = file.clone();
            return read(move || token_source::from_file(&file)).await;
        }
        // A terminal would cut a long token in line mode.
        Some(_) if terminal => return ask(site, context).await,
        None if options.token_stdin && terminal => return ask(site, context).await,
        Some(_) => return read(token_source::from_stdin).await,
        None if options.token_stdin => return read(token_source::from_stdin).await,
        None => {}
    }
    let environment = context.environment_token()?.map(|found| found.token);
    match environment {
        None if terminal => ask(site, context).await,
        None => read(token_source::from_stdin).await,
        Some(token) if terminal => Ok(token),
        // A pipe that somebody has filled goes before the environment. /dev/null, which services
        // have, says nothing; nor does a pipe that stays open and empty, as some CI systems give
        // it to every job.
        Some(token) => {
            let piped = read(token_source::from_filled_stdin);
            match tokio::time::timeout(PATIENCE, piped).await {
                Ok(piped) => Ok(piped?.unwrap_or(token)),
                Err(_) => Ok(token),
            }
        }
    }
}

/// Reads elsewhere than on this thread, so that Ctrl-C ends a wait for a pipe.
async fn read<T: Send + 'static>(
    source: impl FnOnce() -> Result<T, CommandError> + Send + 'static,
) -> Result<T, CommandError> {
    match tokio::task::spawn_blocking(source).await {
        Ok(token) => token,
        Err(error) => {
            Err(CommandError::new(Status::Failed, error).context("cannot read the token"))
        }
    }
}

async fn ask(site: &Site, context: &Context) -> Result<SecretString, CommandError> {
    let server = &site.server;
    match &site.token_page {
        Some(page) => {
            context
                .output
                .remark(&format!("Create a token for {server} here: {page}"));
            if context.settings.has_browser()
                && terminal::confirm("Open this page in a browser?", false).await?
            {
                open(page, context);
            }
        }
        None => context.output.remark(&format!(
            "Create a token with `fh token create` on a machine that is logged in to {server}, or ask its \
             administrator."
        )),
    }
    let prompt = format!("Token for {server} (it is not shown): ");
    let token = terminal::read_secret(&prompt).await?;
    token_source::cleaned(&token).ok_or_else(|| {
        CommandError::failed("no token was typed")
            .hint("Create one with `fh token create`, or ask an administrator of the server.")
    })
}

/// Opens a page. Whether the browser works is seen by the person.
fn open(page: &str, context: &Context) {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let started = std::process::Command::new(program)
        .arg(page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C at the prompt that follows is not meant for the browser.
        .process_group(0)
        .spawn();
    if let Err(error) = started {
        context
            .output
            .warning(&format!("cannot run {program}: {error}"));
    }
}
