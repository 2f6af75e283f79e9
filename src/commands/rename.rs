//! `fh org rename`, `fh flake rename`, `fh user rename`, `fh service-account rename`.

use fh_api::ErrorCode;
use serde::Serialize;

use super::confirm::{Effect, Yes};
use crate::context::Context;
use crate::error::CommandError;

/// What is renamed, and how.
pub(super) struct Renaming<'a> {
    /// What kind of thing, in words.
    pub(super) noun: &'a str,
    /// What it is called.
    pub(super) from: String,
    /// What it is going to be called.
    pub(super) to: String,
    pub(super) yes: Yes,
}

impl Renaming<'_> {
    /// Asks, renames, and says what became of the former name.
    ///
    /// # Errors
    /// Where it is not confirmed, or the server refuses.
    pub(super) fn carry_out<T: Serialize>(
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
        let what = format!(
            "This renames the {noun} {from} to {to}. The name {from} keeps working, and nothing else can get it."
        );
        yes.confirm(Effect::Exposes, &what, "Rename it?", context)?;
        let renamed = context
            .change(format_args!("cannot rename the {noun} {from}"), request)
            .map_err(|error| error.hint_for(ErrorCode::Conflict, "Choose another name."))?;
        context.output.done(&renamed, |_| {
            format!("Renamed the {noun} {from} to {to}. The name {from} keeps working.")
        })
    }
}
