//! The file in which logins note what they added to which file, for `fh logout`.

use std::path::{Path, PathBuf};

use fh_conf::ledger::Ledger;

use super::changes::{Change, LEDGER, Privacy};
use super::files::Files;
use crate::error::{CommandError, Status};
use crate::settings::Settings;

/// Looks at the ledger alone: the files that were looked at, where it is, and what it says.
pub(crate) fn noted(settings: &Settings) -> Result<(Files, PathBuf, Ledger), CommandError> {
    let path = settings.directories()?.ledger();
    let mut files = Files::default();
    files.look(&path)?;
    let ledger = ledger_of(&files, &path)?;
    Ok((files, path, ledger))
}

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

/// What becomes of the file. One in which nothing stands any more goes.
pub(crate) fn ledger_change(
    files: &Files,
    path: &Path,
    before: &Ledger,
    after: &Ledger,
) -> Result<Change, CommandError> {
    let text = if *after == Ledger::default() {
        None
    } else if after == before {
        files.content(path).map(<[u8]>::to_vec)
    } else {
        let mut text = serde_json::to_vec_pretty(after)
            .map_err(|error| CommandError::new(Status::Failed, error))?;
        text.push(b'\n');
        Some(text)
    };
    Ok(Change::new(files, LEDGER, path, Privacy::Secret, text))
}
