//! Asking before something is lost or shown to others: one rule for all commands.
//!
//! On a terminal the command says what it does, and asks. Elsewhere (a script, `--json`) nobody can answer: what
//! only shows or allows more is done, as it was asked for in so many words; where something would be lost that
//! nobody can bring back, `--yes` has to be said.

use clap::Args;

use crate::context::Context;
use crate::error::CommandError;
use crate::terminal;

/// `--yes`, which every command has that asks.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Yes {
    /// Do not ask; required without a terminal if something is lost
    #[arg(short, long)]
    yes: bool,
}

/// What is at stake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Something is lost that nobody can bring back.
    Loses,
    /// Others can see or do more; it can be taken back.
    Exposes,
}

impl Yes {
    /// Whether it was said.
    pub(crate) fn is_said(self) -> bool {
        self.yes
    }

    /// Whether there is somebody to ask, and something to ask them.
    pub(crate) fn asks(self, context: &Context) -> bool {
        !self.yes && context.can_ask()
    }

    /// Goes on where it was confirmed. `what`: what is going to happen, a sentence; `question`: a short one.
    ///
    /// # Errors
    /// Where it was not confirmed; where nobody can be asked and something would be lost.
    pub(crate) fn confirm(
        self,
        effect: Effect,
        what: &str,
        question: &str,
        context: &Context,
    ) -> Result<(), CommandError> {
        if self.asks(context) {
            context.output.say(what);
            return ask(question, context);
        }
        if self.yes || effect == Effect::Exposes {
            return Ok(());
        }
        Err(CommandError::usage(format!(
            "{what} Without a terminal, this has to be confirmed"
        ))
        .hint("Run it again with `--yes`."))
    }
}

/// Asks on the terminal.
///
/// # Errors
/// Where the answer is no, or nobody answers.
pub(crate) fn ask(question: &str, context: &Context) -> Result<(), CommandError> {
    let confirmed = context.wait("Nothing was changed.", async {
        terminal::confirm(question, false).await
    })?;
    if confirmed {
        Ok(())
    } else {
        Err(CommandError::failed("not confirmed").hint("Nothing was changed."))
    }
}
