//! The `fh` command line: reads arguments, settings and files, asks, prints, and sets exit codes.
//! Nothing below it does any of these.
//!
//! ```text
//! main → cli (what was typed) → settings (what the environment adds) → commands (one file each)
//!                                                                         ↓
//!                                      error (message, causes, hint, exit code), output
//! ```

mod access;
mod advice;
mod arguments;
mod certificates;
mod cli;
mod commands;
mod completion;
mod confirm;
mod context;
mod error;
mod interrupt;
mod keyring;
mod logging;
mod nouns;
mod output;
mod settings;
mod setup;
mod similar;
mod site;
mod stored_token;
mod terminal;
mod text;
mod token_source;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ColorChoice, FromArgMatches, ValueEnum as _};

use crate::cli::Cli;
use crate::commands::Command;
use crate::context::Context;
use crate::error::CommandError;
use crate::settings::{ColorWhen, Environment, GlobalOptions, Settings};

/// Runs the program on the arguments and the environment of this process.
#[must_use]
pub fn main() -> ExitCode {
    let environment = Environment::from_process();
    if let Some(code) = hook(&environment) {
        return code;
    }
    if let Some(code) = completion::respond(&environment, cli::command) {
        return code;
    }
    let when = color_when(std::env::args_os());
    let color = settings::shows_color(when, std::io::stderr().is_terminal(), &environment);
    // Also where the command line or a variable cannot be understood.
    let json = wants_json(std::env::args_os(), &environment);
    let code = match run(std::env::args_os(), when, environment) {
        Ok(code) => code,
        Err(error) => {
            if let Some(text) = error::json::json(&error).filter(|_| json) {
                // Nobody can be told where stdout is gone.
                let _ = writeln!(std::io::stdout(), "{}", text::escaped(&text));
            }
            error.report(color);
            error.exit_code()
        }
    };
    terminal::put_back();
    code
}

/// Whether programs read the output. What stands behind `--` is another command.
fn wants_json(arguments: impl Iterator<Item = OsString>, environment: &Environment) -> bool {
    let mut own = arguments.take_while(|argument| argument != "--");
    own.any(|argument| argument == "--json")
        || environment
            .switch(&settings::variables::FH_OUTPUT_JSON)
            .unwrap_or(false)
}

/// When colours are shown, as the command line says, also where it cannot be understood.
fn color_when(arguments: impl Iterator<Item = OsString>) -> ColorWhen {
    let mut own = arguments.take_while(|argument| argument != "--");
    let mut when = ColorWhen::default();
    while let Some(argument) = own.next() {
        let value = match argument
            .to_str()
            .and_then(|text| text.strip_prefix("--color"))
        {
            Some("") => own.next().and_then(|next| next.into_string().ok()),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        let said = value.and_then(|value| ColorWhen::from_str(&value, false).ok());
        when = said.unwrap_or(when);
    }
    when
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
    color: ColorWhen,
    environment: Environment,
) -> Result<ExitCode, CommandError> {
    let command = cli::command().color(match color {
        ColorWhen::Auto => ColorChoice::Auto,
        ColorWhen::Always => ColorChoice::Always,
        ColorWhen::Never => ColorChoice::Never,
    });
    let matches = command
        .try_get_matches_from(arguments)
        .map_err(|error| match cli::explained(&error) {
            Some(sentence) => {
                CommandError::usage(sentence).hint("`fh help` shows the commands that there are.")
            }
            None => error.into(),
        })?;
    let cli = Cli::from_arg_matches(&matches)?;
    let settings = match settings_of(cli.global, &cli.command, environment) {
        Ok(settings) => settings,
        Err(error) if cli.command.never_fails() => {
            commands::cannot_begin(&error);
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => return Err(error),
    };
    let context = Context::new(settings);
    let names_its_token = cli.command.names_its_token();
    commands::run(cli.command, cli::command, &context).map_err(|error| {
        let error = advice::added(error, &context);
        if names_its_token {
            error
        } else {
            context.naming_variable(error)
        }
    })
}

fn settings_of(
    mut global: GlobalOptions,
    command: &Command,
    environment: Environment,
) -> Result<Settings, CommandError> {
    global.server = global.server.or(command.server().cloned());
    let mut settings = Settings::resolve(global, environment)?;
    settings.server_ca_file = command.ca_file().map(absolute).transpose()?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_says_when_colours_are_shown() {
        for (typed, expected) in [
            ("fh list flakes", ColorWhen::Auto),
            ("fh --color never list", ColorWhen::Never),
            ("fh list --color=always nonsense", ColorWhen::Always),
            ("fh --color never list --color auto", ColorWhen::Auto),
            ("fh --color purple --color", ColorWhen::Auto),
            ("fh push --watch-exec -- ls --color=never", ColorWhen::Auto),
            ("fh --colorful=never --color-never", ColorWhen::Auto),
        ] {
            let words = typed.split(' ').map(OsString::from);
            assert_eq!(color_when(words), expected, "{typed}");
        }
    }
}
