//! `fh org rename`, `fh flake rename`, `fh user rename`, `fh service-account rename`.

use fh_api::ErrorCode;
use serde::Serialize;

use crate::confirm::{Effect, Yes};
use crate::context::Context;
use crate::error::{CommandError, Explain as _};

/// What is renamed, and how.
pub(crate) struct Renaming<'a> {
    /// What kind of thing, in words.
    pub(crate) noun: &'a str,
    /// What it is called.
    pub(crate) from: String,
    /// What it is going to be called.
    pub(crate) to: String,
    pub(crate) yes: Yes,
}

impl Renaming<'_> {
    /// Asks, renames, and says what became of the former name.
    ///
    /// # Errors
    /// Where it is not confirmed, or the server refuses.
    pub(crate) fn carry_out<T: Serialize>(
        &self,
        context: &Context,
        request: impl Future<Output = fh_client::Result<T>>,
    ) -> Result<(), CommandError> {
        let Self {
            noun,
            from,
            to,
            yes,
        } = self;
        // Names are compared without regard to case.
        let is_given_up = !from.eq_ignore_ascii_case(to);
        if from != to {
            let mut what = format!("This renames the {noun} {from} to {to}.");
            if is_given_up {
                what.push_str(&format!(
                    " The name {from} keeps working, and nothing else can get it."
                ));
            }
            yes.confirm(Effect::Exposes, &what, "Rename it?", context)?;
        }
        let renamed = context
            .change(format_args!("cannot rename the {noun} {from}"), request)
            .hint_for(ErrorCode::Conflict, "Choose another name.")?;
        context.output.done(&renamed, |_| {
            if from == to {
                format!("The {noun} is called {to} already: nothing was changed.")
            } else if is_given_up {
                format!("Renamed the {noun} {from} to {to}. The name {from} keeps working.")
            } else {
                format!("Renamed the {noun} {from} to {to}.")
            }
        })
    }
}
