//! The files that `fh` itself keeps. Where one of them cannot be read, commands fail that have nothing to do with Nix.

use super::finding::{Check, Finding};
use crate::access::quoted;
use crate::context::Context;
use crate::error::CommandError;
use crate::setup::noted;

/// `config.toml`, where it cannot be used.
pub(super) fn config(context: &Context) -> Option<Finding> {
    const NAME: Check = Check("config");
    let credentials = match context.credentials() {
        Ok(credentials) => credentials,
        Err(error) => {
            let fix = "let HOME, or XDG_CONFIG_HOME, name a directory of yours";
            return Some(NAME.of_error(&error, fix));
        }
    };
    let error = CommandError::from(credentials.load().err()?);
    let path = credentials.config_path();
    let shown = quoted(&path);
    let otherwise = format!(
        "correct {shown}, or log in anew without it: mv {shown} {shown}.old && fh login --server URL"
    );
    Some(NAME.of_file(&path, &error, otherwise))
}

/// The ledger, where it cannot be used. Nix does not need it, and every login and logout does.
pub(super) fn ledger(context: &Context) -> Option<Finding> {
    let path = context.settings.directories().ok()?.ledger();
    let error = noted(&context.settings).err()?;
    let shown = quoted(&path);
    let otherwise = format!(
        "mv {shown} {shown}.old   without it, `fh logout` cannot remove what logins have added until now"
    );
    let finding = Check("ledger").of_file(&path, &error, otherwise);
    Some(finding.into_warning())
}
