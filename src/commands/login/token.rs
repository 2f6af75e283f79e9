//! Where the token comes from. Never from the command line, where everybody on the machine can see
//! it.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use clap::Args;
use fh_client::Error as ClientError;
use secrecy::SecretString;

use crate::context::{Context, FoundToken, TokenOrigin};
use crate::error::{CommandError, Status};
use crate::site::Site;
use crate::{terminal, token_source};

/// How long stdin is waited for where the environment has a token too.
const PATIENCE: Duration = Duration::from_secs(1);

/// The same where there is a stored one: a program that prints a token may ask for a password first.
const STORED_PATIENCE: Duration = Duration::from_secs(10);

/// How long a pipe is waited for without a word.
const UNNOTICED: Duration = Duration::from_secs(3);

/// A refusal of a token that was not given with the command, with the place where it is.
pub(super) fn naming_place(error: CommandError, origin: Option<&TokenOrigin>) -> CommandError {
    match origin {
        None => error,
        Some(place) if place.is_stored() => error.replace_hints(format!(
            "This is the stored token, in {place}. Give another one: `--token-file FILE`"
        )),
        Some(place) => error.replace_hints(format!(
            "This token is from {place}. Correct that, or give another one: `--token-file FILE`"
        )),
    }
}

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

impl TokenOptions {
    /// The file that `--token-file` names.
    pub(super) fn file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }
}

/// The token, from the first place that has one; and where that is, if it was not given with the command.
pub(super) async fn get(
    options: &TokenOptions,
    site: &Site,
    context: &Context,
) -> Result<(SecretString, Option<TokenOrigin>), CommandError> {
    if let Some(given) = given(options, site, context).await? {
        return Ok((given, None));
    }
    let terminal = context.settings.terminals.stdin;
    // What is there already, and how long stdin may take to say something else.
    let there = match context.environment_token()? {
        Some(found) => Some((found, PATIENCE)),
        None => stored(site, context)?.map(|found| (found, STORED_PATIENCE)),
    };
    let Some((FoundToken { token, origin }, patience)) = there else {
        let token = if terminal {
            ask(site, context).await?
        } else {
            read(token_source::from_stdin).await?
        };
        return Ok((token, None));
    };
    // A pipe that somebody has filled goes first. /dev/null, which services have, says nothing; nor does
    // a pipe that stays open and empty, as some CI systems give it to every job.
    if !terminal
        && let piped = read(token_source::from_filled_stdin)
        && let Ok(piped) = tokio::time::timeout(patience, piped).await
        && let Some(piped) = piped?
    {
        return Ok((piped, None));
    }
    Ok((token, Some(origin)))
}

/// The token of an earlier login. A file with something else in it is as good as none, since whoever logs in has another.
fn stored(site: &Site, context: &Context) -> Result<Option<FoundToken>, CommandError> {
    match context.stored_token(&site.server) {
        Err(error) if matches!(error.downcast_ref(), Some(ClientError::InvalidToken { .. })) => {
            context.output.warning(&error.sentence());
            Ok(None)
        }
        found => found,
    }
}

/// The token that the options name.
async fn given(
    options: &TokenOptions,
    site: &Site,
    context: &Context,
) -> Result<Option<SecretString>, CommandError> {
    let terminal = context.settings.terminals.stdin;
    match &options.token_file {
        Some(file) if file.as_os_str() != "-" => from_file(file, context).await.map(Some),
        None if !options.token_stdin => Ok(None),
        // A terminal would cut a long token in line mode.
        _ if terminal => ask(site, context).await.map(Some),
        _ => read(token_source::from_stdin).await.map(Some),
    }
}

/// The token in the file that the option names. Of a pipe that says nothing for a while the person is told.
async fn from_file(file: &Path, context: &Context) -> Result<SecretString, CommandError> {
    let named = file.to_owned();
    let reading = read(move || token_source::from_argument(&named));
    tokio::pin!(reading);
    tokio::select! {
        token = &mut reading => return token,
        () = tokio::time::sleep(UNNOTICED) => {}
    }
    let waiting = format!("Waiting for the token from {}", file.display());
    context.output.remark(&waiting);
    reading.await
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

/// Asks for it on the terminal.
pub(super) async fn ask(site: &Site, context: &Context) -> Result<SecretString, CommandError> {
    let server = &site.server;
    match &site.token_page {
        Some(page) => {
            context
                .output
                .say(&format!("Create a token for {server} here: {page}"));
            if context.settings.has_browser()
                && terminal::confirm("Open this page in a browser?", false).await?
            {
                open(page, context);
            }
        }
        None => context.output.say(&format!(
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
