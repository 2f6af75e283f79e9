//! The files by which a person, or a machine, is set up for a server: looked at once, changed
//! together or not at all.
//!
//! ```text
//! Machine::look → a plan, worked out of what was seen alone → Changes::apply
//! ```
//!
//! `fh login` and `fh logout` are two plans over the same. While one is worked out and carried out,
//! [`hold`] keeps every other `fh` of this user waiting, so that what was seen stays true; programs
//! that do not know that lock are noticed before anything of theirs is replaced.

mod changes;
pub(crate) mod daemon;
mod files;
pub(crate) mod keeper;
mod ledger;
mod machine;

use std::time::Duration;

use fh_conf::atomic::{self, Held};

pub(crate) use changes::{Applied, Change, Changes, KeyringChange, LEDGER, Privacy};
pub(crate) use files::Files;
pub(crate) use ledger::{ledger_of, ledger_text};
pub(crate) use machine::{Machine, Scope};

use crate::context::Context;
use crate::error::CommandError;

/// How long another login may take: as long as thirty at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps every other `fh` from changing the files, until the result is dropped.
pub(crate) fn hold(context: &Context) -> Result<Held, CommandError> {
    let path = context.settings.directories()?.fh_config.join("setup");
    atomic::hold(&path, 0o700, PATIENCE).map_err(|error| {
        CommandError::from(error).context("cannot record what was added to your files")
    })
}
