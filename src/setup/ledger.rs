//! The file in which logins note what they added to which file, for `fh logout`.

use std::path::Path;

use fh_conf::ledger::Ledger;

use super::files::Files;
use crate::error::{CommandError, Status};

/// What earlier logins have added.
pub(crate) fn ledger_of(files: &Files, path: &Path) -> Result<Ledger, CommandError> {
    let Some(text) = files.content(path) else {
        return Ok(Ledger::default());
    };
    serde_json::from_slice(text).map_err(|error| {
        CommandError::new(Status::Failed, error)
            .context(format!("{} cannot be parsed", path.display()))
            .hint(
                "It records what logins added to your files, and was written by another version of fh. Without \
                 it, `fh logout` cannot remove that; move it away to continue.",
            )
    })
}

/// The text of the file.
pub(crate) fn ledger_text(ledger: &Ledger) -> Result<Vec<u8>, CommandError> {
    let mut text = serde_json::to_vec_pretty(ledger)
        .map_err(|error| CommandError::new(Status::Failed, error))?;
    text.push(b'\n');
    Ok(text)
}
