//! The command line as it is typed.

#[cfg(test)]
mod examples;
mod groups;
mod upstream;
mod vocabulary;

use std::num::NonZeroUsize;
use std::str::FromStr;

use clap::builder::styling::{AnsiColor, Styles};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, Args, CommandFactory, Parser};

pub(crate) use self::upstream::explained;
use crate::commands::Command;
use crate::settings::ColorWhen;

/// The options that every command takes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct GlobalOptions {
    /// The server to talk to [env: FH_SERVER] [default: the one logged in to last]
    #[arg(long, global = true, value_name = "URL", id = "server", add = crate::completion::servers())]
    pub(crate) server: Option<String>,

    /// The address of FlakeHub's API [env: FH_API_ADDR]
    #[arg(long, global = true, value_name = "URL", hide = true)]
    pub(crate) api_addr: Option<String>,

    /// The address of FlakeHub's cache [env: FH_CACHE_ADDR]
    #[arg(long, global = true, value_name = "URL", hide = true)]
    pub(crate) cache_addr: Option<String>,

    /// The address of FlakeHub's web site [env: FH_FRONTEND_ADDR]
    #[arg(long, global = true, value_name = "URL", hide = true)]
    pub(crate) frontend_addr: Option<String>,

    /// Without a token, do not use the identity of the CI job or the machine [env: FH_WORKLOAD=off]
    #[arg(long, global = true, hide = true)]
    pub(crate) no_workload: bool,

    /// Print JSON [env: FH_OUTPUT_JSON]
    #[arg(long, global = true, id = "json")]
    pub(crate) json: bool,

    /// Show every column of a list, and ids in full
    #[arg(long, global = true, id = "wide")]
    pub(crate) wide: bool,

    /// When to use colours; `auto` uses them on a terminal, unless NO_COLOR is set [default: auto]
    #[arg(long, global = true, value_name = "WHEN", value_enum, id = "color")]
    pub(crate) color: Option<ColorWhen>,

    /// Show no progress and no notes; warnings and errors stay
    #[arg(short, long, global = true, id = "quiet")]
    pub(crate) quiet: bool,

    /// Show more of what is being done; repeat it for more [env: FH_VERBOSITY]
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

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
    let command = vocabulary::with_all_words(Cli::command().styles(styles));
    let mut command = groups::grouped(command);
    for name in LOCAL_COMMANDS {
        if command.find_subcommand(name).is_some() {
            command = command.mut_subcommand(name, without_server_options);
        }
    }
    command
}

/// An option of the same id hides the global one from the help, and is never given.
fn without_server_options(command: clap::Command) -> clap::Command {
    command
        .arg(Arg::new("server").long("server").hide(true))
        .arg(
            Arg::new("wide")
                .long("wide")
                .hide(true)
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .hide(true)
                .action(ArgAction::SetTrue),
        )
}

/// A parser for one of the words of a vocabulary, which the help and completions then name.
pub(crate) fn words<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    words_or(words, &[])
}

/// The same, with further words that mean one of these.
pub(crate) fn words_or<T>(
    words: &'static [&'static str],
    others: &'static [(&'static str, &'static str)],
) -> impl TypedValueParser<Value = T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let values = words.iter().map(|word| {
        let others = others.iter().filter(|(_, meant)| meant == word);
        PossibleValue::new(*word).aliases(others.map(|(other, _)| *other))
    });
    PossibleValuesParser::new(values).try_map(|word| {
        let other = others.iter().find(|(other, _)| *other == word);
        other.map_or(word.as_str(), |(_, meant)| meant).parse::<T>()
    })
}

/// What people say for `read` and `write`, of roles on flakes and of permissions of tokens: other caches call them so.
pub(crate) const OTHER_WORDS: &[(&str, &str)] = &[("pull", "read"), ("push", "write")];

/// A number of things of which there has to be one.
pub(crate) fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|_| "expected a whole number of at least 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_told_in_words() {
        for text in ["0", "", "-1", "1.5", "many", "99999999999999999999999"] {
            let error = at_least_one(text).unwrap_err();
            assert_eq!(error, "expected a whole number of at least 1", "{text:?}");
        }
        assert_eq!(at_least_one("16").unwrap().get(), 16);
    }

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }
}
