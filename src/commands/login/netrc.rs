//! The netrc that Nix reads: one entry for each host of the server.
//!
//! Invariant: an entry that is no token of an fh server is somebody's password, and is never replaced.

use std::io;
use std::path::Path;

use fh_api::TOKEN_PREFIX;
use fh_client::{CredentialStore, ServerUrl};
use fh_conf::atomic::{self, EditOptions};
use fh_conf::netrc::{Change, Netrc};
use secrecy::ExposeSecret;

use super::files::{FileReport, Login, edit};
use super::steps::Steps;
use crate::error::CommandError;

/// The entries of the server's hosts in the netrc that Nix reads.
pub(super) struct NetrcEdit<'a> {
    path: &'a Path,
    hosts: &'a [String],
    user: &'a str,
    token: &'a str,
    /// Another server on the same host, whose entry this would be.
    replaced: Option<ServerUrl>,
}

impl<'a> NetrcEdit<'a> {
    pub(super) fn plan(
        login: &Login<'a>,
        path: &'a Path,
        credentials: &CredentialStore,
    ) -> Result<Self, CommandError> {
        let mut edit = Self {
            path,
            hosts: &login.facts.hosts,
            user: login.whoami.user.as_str(),
            token: login.token.expose_secret(),
            replaced: None,
        };
        let there = atomic::read_private(path).map_err(|error| not_writable(error.into(), path))?;
        let before = Netrc::parse(there.as_ref().map_or(b"", |file| &file.content))
            .map_err(|error| CommandError::from(error).context(not_understood(path)))?;
        edit.replaced = edit.other_owner(&before, login.server, credentials)?;
        // To find out now whether the values can be written at all.
        edit.apply(there.as_ref().map(|file| file.content.as_slice()))?;
        Ok(edit)
    }

    /// The other server of this user whose token stands in one of the entries, if so. An entry that
    /// is no token of ours is somebody's password, and is not replaced.
    fn other_owner(
        &self,
        before: &Netrc,
        server: &ServerUrl,
        credentials: &CredentialStore,
    ) -> Result<Option<ServerUrl>, CommandError> {
        for host in self.hosts {
            let Some(entry) = before.get(host) else {
                continue;
            };
            let password = entry.password().unwrap_or_default();
            if password == self.token.as_bytes() {
                continue;
            }
            for known in credentials.list()? {
                let Some(stored) = credentials.get_token(&known.url)? else {
                    continue;
                };
                if stored.expose_secret().as_bytes() == password {
                    return Ok(Some(known.url).filter(|url| url != server));
                }
            }
            if !password.starts_with(TOKEN_PREFIX.as_bytes()) {
                return Err(CommandError::failed(format!(
                    "{} has an entry for {host} that is not a token of an fh server",
                    self.path.display()
                ))
                .hint(
                    "A netrc has one entry for each host, whatever the port. If this one is not \
                     needed, remove it and try again.",
                )
                .hint("Nothing was changed."));
            }
        }
        Ok(None)
    }

    pub(super) fn replaced_server(&self) -> Option<String> {
        let other = self.replaced.as_ref()?;
        Some(format!(
            "the netrc entry that Nix used for {other} now has the token of this server.\n\
             A netrc has one entry for each host, whatever the port: give one of the two servers \
             another host name."
        ))
    }

    /// The new text, and which hosts changed.
    fn apply(&self, text: Option<&[u8]>) -> Result<(Vec<u8>, Vec<String>), CommandError> {
        let mut netrc = Netrc::parse(text.unwrap_or_default())
            .map_err(|error| CommandError::from(error).context(not_understood(self.path)))?;
        let mut changes = Vec::new();
        for host in self.hosts {
            match netrc.set(host, self.user, self.token)? {
                Change::Unchanged => {}
                Change::Added => changes.push(format!("an entry for {host}")),
                Change::Updated => changes.push(format!("the entry of {host}")),
            }
        }
        Ok((netrc.to_bytes(), changes))
    }

    pub(super) fn write(&self, steps: &mut Steps) -> Result<FileReport, CommandError> {
        let options = EditOptions::private();
        let (edited, changes) = edit(self.path, &options, steps, |text| self.apply(text))
            .map_err(|error| not_writable(error, self.path))?;
        Ok(FileReport {
            kind: "netrc",
            path: edited.path,
            changes,
            tightened_from: edited.tightened_from,
        })
    }
}

fn not_understood(path: &Path) -> String {
    format!("{} is not understood, and was left alone", path.display())
}

/// Nix may read a netrc that is not the user's to write.
fn not_writable(error: CommandError, path: &Path) -> CommandError {
    let denied = match error.downcast_ref() {
        Some(fh_conf::Error::Io { source, .. }) => matches!(
            source.kind(),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
        ),
        _ => false,
    };
    if !denied {
        return error;
    }
    error.hint(format!(
        "Nix reads {} because of `netrc-file` in nix.conf. To use a netrc of your own, set \
         `netrc-file` to it in your nix.conf, and try again.",
        path.display()
    ))
}
