//! `fh completion`: completions for shells.

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::completion;
use crate::context::Context;
use crate::error::CommandError;

/// Print the completion script for a shell
///
/// The script asks `fh` for completions, so it stays correct when `fh` is updated. Names of flakes come from
/// the server, at most once a minute; if it does not answer quickly, none are offered.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh completion bash > ~/.local/share/bash-completion/completions/fh
  fh completion zsh > ~/.zfunc/_fh                  # with ~/.zfunc in fpath
  fh completion fish > ~/.config/fish/completions/fh.fish
  fh completion elvish > ~/.config/elvish/lib/fh.elv
  fh completion powershell >> $PROFILE")]
pub(crate) struct CompletionArguments {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = PossibleValuesParser::new(completion::SHELLS))]
    shell: String,
}

pub(crate) fn run(arguments: &CompletionArguments, context: &Context) -> Result<(), CommandError> {
    let script = completion::script(&arguments.shell)?;
    context.output.text(&String::from_utf8_lossy(&script))
}
