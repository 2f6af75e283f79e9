//! The lock that keeps two `fh` from changing files at once.

use std::time::Duration;

use fh_conf::atomic::{self, Held};

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
