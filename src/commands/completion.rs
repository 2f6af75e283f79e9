//! `fh completion`: completions for shells.

use clap::Args;
use clap_complete::Shell;

use crate::cli;
use crate::context::Context;
use crate::error::CommandError;

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh completion bash > ~/.local/share/bash-completion/completions/fh
  fh completion zsh > ~/.zfunc/_fh                  with ~/.zfunc in fpath
  fh completion fish > ~/.config/fish/completions/fh.fish
  fh completion elvish > ~/.config/elvish/lib/fh.elv
  fh completion powershell >> $PROFILE")]
pub(crate) struct CompletionArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(arguments: &CompletionArguments, context: &Context) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut cli::command(), "fh", &mut script);
    context.output.text(&String::from_utf8_lossy(&script))
}
