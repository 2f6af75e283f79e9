//! The files that `fh` itself keeps. Where one of them cannot be read, commands fail that have nothing to do with Nix.

use super::finding::Finding;
use crate::access::quoted;
use crate::context::Context;
use crate::error::CommandError;
use crate::setup::{Files, ledger_of};

/// `config.toml`, where it cannot be used.
pub(super) fn config(context: &Context) -> Option<Finding> {
    const NAME: &str = "config";
    let credentials = match context.credentials() {
        Ok(credentials) => credentials,
        Err(error) => {
            let fix = "let HOME, or XDG_CONFIG_HOME, name a directory of yours";
            return Some(Finding::from_error(NAME, &error, fix));
        }
    };
    let error = CommandError::from(credentials.load().err()?);
    let path = credentials.config_path();
    let shown = quoted(&path);
    let otherwise = format!(
        "correct {shown}, or log in anew without it: mv {shown} {shown}.old && fh login --server URL"
    );
    Some(Finding::of_file(NAME, &path, &error, otherwise))
}

/// The ledger, where it cannot be used. Nix does not need it, and every login and logout does.
pub(super) fn ledger(context: &Context) -> Option<Finding> {
    let path = context.settings.directories().ok()?.ledger();
    let mut files = Files::default();
    let looked = files.look(&path).map(drop);
    let error = looked
        .and_then(|()| ledger_of(&files, &path).map(drop))
        .err()?;
    let shown = quoted(&path);
    let otherwise = format!(
        "mv {shown} {shown}.old   without it, `fh logout` cannot remove what logins have added until now"
    );
    let finding = Finding::of_file("ledger", &path, &error, otherwise);
    Some(finding.into_warning())
}
