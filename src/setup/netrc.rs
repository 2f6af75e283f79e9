//! A netrc in which logins keep tokens.

use std::path::Path;

use fh_conf::ledger::Ledger;
use fh_conf::netrc::Netrc;

use super::changes::{Change, Privacy};
use super::files::Files;
use super::machine::Scope;
use crate::error::CommandError;

/// A netrc that was looked at; an empty one where there is none.
pub(crate) fn parse_netrc(files: &Files, path: &Path) -> Result<Netrc, CommandError> {
    Netrc::parse(files.content(path).unwrap_or_default()).map_err(|error| {
        CommandError::from(error).context(format!(
            "{} cannot be parsed, and was not changed",
            path.display()
        ))
    })
}

/// What becomes of a netrc with a token for this owner. The ledger notes whose access goes.
pub(crate) fn netrc_change(
    files: &Files,
    path: &Path,
    scope: Scope,
    after: Option<Vec<u8>>,
    (ledger, owner): (&mut Ledger, &str),
) -> Change {
    let change = Change::new(
        files,
        "netrc",
        path,
        Privacy::of_netrc(files, path, scope),
        after,
    );
    if let Some((before, set)) = change.new_mode() {
        ledger.will_set_mode(path, owner, before, set);
    }
    change
}
