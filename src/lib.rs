//! The `fh` command line: reads arguments, settings and files, asks, prints, and sets exit codes.
//! Nothing below it does any of these.
//!
//! ```text
//! main → cli (what was typed) → settings (what the environment adds) → commands (one file each)
//!                                                                         ↓
//!                                      error (message, causes, hint, exit code), output
//! ```

mod advice;
mod certificates;
mod cli;
mod commands;
mod completion;
mod context;
mod error;
mod interrupt;
mod keyring;
mod logging;
mod output;
mod settings;
mod setup;
mod similar;
mod stored_token;
mod terminal;
mod token_source;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::FromArgMatches;

use crate::cli::Cli;
use crate::context::Context;
use crate::error::CommandError;
use crate::settings::{Environment, Settings};

/// Runs the program on the arguments and the environment of this process.
#[must_use]
pub fn main() -> ExitCode {
    let environment = Environment::from_process();
    if let Some(code) = hook(&environment) {
        return code;
    }
    if let Some(code) = completion::respond(&environment) {
        return code;
    }
    let color = settings::stderr_color(&environment);
    // Also where the command line or a variable cannot be understood.
    let json = wants_json(std::env::args_os(), &environment);
    match run(std::env::args_os(), environment) {
        Ok(code) => code,
        Err(error) => {
            if let Some(text) = error.json().filter(|_| json) {
                // Nobody can be told where stdout is gone.
                let _ = writeln!(std::io::stdout(), "{}", output::escaped(&text));
            }
            error.report(color);
            error.exit_code()
        }
    }
}

/// Whether programs read the output. What stands behind `--` is another command.
fn wants_json(arguments: impl Iterator<Item = OsString>, environment: &Environment) -> bool {
    let mut own = arguments.take_while(|argument| argument != "--");
    own.any(|argument| argument == "--json")
        || environment
            .switch(&settings::variables::FH_OUTPUT_JSON)
            .unwrap_or(false)
}

/// Where this is the hook of a `fh push --watch-exec`: tells it what Nix has built. A build waits for
/// this, so nothing else is done; and it must not fail of it.
fn hook(environment: &Environment) -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != commands::HOOK {
        return None;
    }
    let spool = arguments.next()?;
    let variables = [
        &settings::variables::OUT_PATHS,
        &settings::variables::DRV_PATH,
    ];
    let built = variables
        .iter()
        .find_map(|variable| environment.get(variable))
        .unwrap_or_default();
    // Where it cannot be told, nobody is there to hear of that either.
    let _ = commands::tell_built(&spool, built);
    Some(ExitCode::SUCCESS)
}

/// A path that means the same file in any directory.
fn absolute(path: &PathBuf) -> Result<PathBuf, CommandError> {
    std::path::absolute(path).map_err(|error| CommandError::file("find", path, error))
}

fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: Environment,
) -> Result<ExitCode, CommandError> {
    let matches = cli::command().try_get_matches_from(arguments)?;
    let cli = Cli::from_arg_matches(&matches)?;
    let mut global = cli.global;
    global.server = global.server.or(cli.command.server().cloned());
    let mut settings = Settings::resolve(global, environment)?;
    settings.server_ca_file = cli.command.ca_file().map(absolute).transpose()?;
    let context = Context::new(settings);
    let names_its_token = cli.command.names_its_token();
    commands::run(cli.command, &context).map_err(|error| {
        let error = advice::added(error, &context);
        if names_its_token {
            error
        } else {
            context.naming_variable(error)
        }
    })
}
