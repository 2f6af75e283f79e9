//! `fh list`: what the caller may read.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CommandError;
use crate::nouns::flakes::{self, FlakesArguments};

/// List what you may read
#[derive(Debug, Subcommand)]
pub(crate) enum ListCommand {
    Flakes(FlakesArguments),
}

pub(crate) fn run(command: &ListCommand, context: &Context) -> Result<(), CommandError> {
    let ListCommand::Flakes(arguments) = command;
    flakes::list(arguments, context)
}
