//! The command line as it is typed.

#[cfg(test)]
mod examples;
mod groups;
mod upstream;
mod vocabulary;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Arg, ArgAction, CommandFactory, Parser};

pub(crate) use self::upstream::explained;
use crate::commands::Command;
use crate::completion;
use crate::settings::GlobalOptions;

/// A Nix binary cache with access control per flake
///
/// `fh` pushes what you build to a cache in which every flake has its own readers, and sets up Nix
/// to substitute from it. `fh serve` is such a cache.
#[derive(Debug, Parser)]
#[command(
    name = "fh",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = AFTER_HELP,
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalOptions,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  fh login https://cache.example.org              # log in, and set up Nix to read from there
  fh push acme/app                                # push ./result and its closure
  fh list flakes                                  # what you may read

`fh help COMMAND` shows the help of a command.

Exit status: 0 done; 1 failed; 2 invalid command line; 130 interrupted.
The help of a command lists any others.";

/// Commands that talk to no server: options to choose one and to print its answers do not belong
/// in their help.
const LOCAL_COMMANDS: [&str; 3] = ["serve", "completion", "man"];

/// The whole command line, as clap has it: for parsing, completions and man pages.
#[must_use]
pub(crate) fn command() -> clap::Command {
    let styles = Styles::styled()
        .header(AnsiColor::Green.on_default().bold())
        .usage(AnsiColor::Green.on_default().bold())
        .literal(AnsiColor::Cyan.on_default().bold())
        .placeholder(AnsiColor::Cyan.on_default());
    let command = Cli::command().styles(styles).mut_args(completed);
    let command = vocabulary::with_all_words(command);
    let mut command = groups::grouped(command);
    for name in LOCAL_COMMANDS {
        if command.find_subcommand(name).is_some() {
            command = command.mut_subcommand(name, without_server_options);
        }
    }
    command
}

/// The option with completions, which know the settings and therefore stand above them.
fn completed(argument: Arg) -> Arg {
    if argument.get_id() == "server" {
        argument.add(completion::servers())
    } else {
        argument
    }
}

/// An option of the same id hides the global one from the help, and is never given.
fn without_server_options(command: clap::Command) -> clap::Command {
    let options = [
        ("server", ArgAction::Set),
        ("wide", ArgAction::SetTrue),
        ("json", ArgAction::SetTrue),
    ];
    command.args(options.map(|(name, action)| Arg::new(name).long(name).hide(true).action(action)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }
}
