//! Where a renewed token goes: wherever logins have put the former one. Worked out of what was seen, like a login.

use std::path::{Path, PathBuf};

use fh_conf::ledger::Ledger;
use fh_conf::netrc::Netrc;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::CommandError;
use crate::setup::{Change, Files, Privacy, Scope};

/// A token and the one that takes its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Renewed<'a> {
    /// The server, as the ledger calls it.
    pub(crate) owner: &'a str,
    pub(crate) former: &'a SecretString,
    pub(crate) token: &'a SecretString,
    pub(crate) scope: Scope,
}

/// The netrc files that logins to a server have written to, which [`Renewed::netrcs`] wants to have been looked at.
pub(crate) fn netrc_files(ledger: &Ledger, owner: &str) -> Vec<PathBuf> {
    let files = ledger.files_of(owner).into_iter();
    files
        .filter(|path| ledger.is_netrc(path))
        .map(Path::to_owned)
        .collect()
}

impl Renewed<'_> {
    /// What becomes of these files, but for those that are `done`.
    pub(crate) fn netrcs(
        &self,
        files: &Files,
        ledger: &mut Ledger,
        done: &[PathBuf],
    ) -> Result<Vec<Change>, CommandError> {
        let (former, token) = (self.former.expose_secret(), self.token.expose_secret());
        let mut changes = Vec::new();
        for path in netrc_files(ledger, self.owner) {
            let Some(text) = files.content(&path).filter(|_| !done.contains(&path)) else {
                continue;
            };
            let unchanged = |error| {
                CommandError::from(error).context(format!(
                    "{} cannot be parsed, and was not changed",
                    path.display()
                ))
            };
            let mut netrc = Netrc::parse(text).map_err(unchanged)?;
            let hosts = ledger.renew_netrc(&path, self.owner, &mut netrc, former, token)?;
            if hosts.is_empty() {
                continue;
            }
            let privacy = Privacy::of_netrc(files, &path, self.scope);
            let mut change = Change::new(files, "netrc", &path, privacy, Some(netrc.to_bytes()));
            if let Some((before, set)) = change.new_mode() {
                ledger.will_set_mode(&path, self.owner, before, set);
            }
            let entries = hosts.iter().map(|host| format!("the entry of {host}"));
            change.what = entries.collect();
            changes.push(change);
        }
        Ok(changes)
    }
}
