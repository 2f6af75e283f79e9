//! The three changes of a login: netrc, nix.conf, and the token store.
//!
//! Invariants: all are worked out on what is there before the first is written; a file that is not
//! understood, or a netrc entry that is no token of ours, is left alone; what has an effect already
//! is not written again.

use std::path::{Path, PathBuf};

use fh_api::Whoami;
use fh_client::{CredentialStore, ServerUrl};
use fh_conf::atomic::{self, EditOptions, Edited};
use secrecy::{ExposeSecret, SecretString};

use super::check::Facts;
use super::netrc::NetrcEdit;
use super::nix_conf::NixConfEdit;
use super::steps::Steps;
use crate::context::Context;
use crate::error::CommandError;

/// What is to be set up.
pub(super) struct Login<'a> {
    pub(super) server: &'a ServerUrl,
    pub(super) facts: &'a Facts,
    pub(super) whoami: &'a Whoami,
    pub(super) token: &'a SecretString,
}

/// What became of one file.
#[derive(Debug)]
pub(super) struct FileReport {
    /// `netrc`, `nix.conf` or `token`.
    pub(super) kind: &'static str,
    pub(super) path: PathBuf,
    /// What was added or replaced; nothing where the file is as it was.
    pub(super) changes: Vec<String>,
    /// Its mode before, if others could read it.
    pub(super) tightened_from: Option<u32>,
}

/// What was done, and what there is to know about it.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) files: Vec<FileReport>,
    pub(super) warnings: Vec<String>,
}

/// Changes what has to be changed, or nothing.
pub(super) fn write(login: &Login<'_>, context: &Context) -> Result<Done, CommandError> {
    let directories = context.settings.directories()?;
    let credentials = context.credentials()?;
    let config = NixConfEdit::plan(login, &directories)?;
    let netrc = NetrcEdit::plan(login, &config.netrc_file, &credentials)?;
    let stored = is_stored(login, &credentials)?;
    let mut warnings = Vec::new();
    warnings.extend(netrc.replaced_server());
    warnings.extend(config.hides(&directories.system_netrc));

    let mut steps = Steps::default();
    let result = (|| {
        Ok(vec![
            netrc.write(&mut steps)?,
            config.write(&mut steps)?,
            store_token(login, &credentials, stored, &mut steps)?,
        ])
    })();
    match result {
        Ok(files) => {
            steps.keep();
            Ok(Done { files, warnings })
        }
        Err(error) => Err(steps.take_back(error)),
    }
}

/// Whether the token store has nothing to learn.
fn is_stored(login: &Login<'_>, credentials: &CredentialStore) -> Result<bool, CommandError> {
    let is_default = credentials
        .default_server()?
        .is_some_and(|entry| entry.url == *login.server);
    let same = credentials
        .get_token(login.server)?
        .is_some_and(|stored| stored.expose_secret() == login.token.expose_secret());
    Ok(is_default && same)
}

fn store_token(
    login: &Login<'_>,
    credentials: &CredentialStore,
    stored: bool,
    steps: &mut Steps,
) -> Result<FileReport, CommandError> {
    let path = credentials.token_path(login.server)?;
    let mut changes = Vec::new();
    if !stored {
        let files =
            [&path, &credentials.config_path()].map(|path| (path.clone(), EditOptions::private()));
        steps.change(&files, || {
            credentials.set(login.server, login.token)?;
            Ok(())
        })?;
        changes.push("the token".to_owned());
    }
    Ok(FileReport {
        kind: "token",
        path,
        changes,
        tightened_from: None,
    })
}

/// Edits a file as one step, and tells what changed.
pub(super) fn edit(
    path: &Path,
    options: &EditOptions,
    steps: &mut Steps,
    apply: impl Fn(Option<&[u8]>) -> Result<(Vec<u8>, Vec<String>), CommandError>,
) -> Result<(Edited, Vec<String>), CommandError> {
    steps.change(&[(path.to_owned(), options.clone())], || {
        let mut changes = Vec::new();
        let edited = atomic::edit_file(path, options, |text| {
            let (new, what) = apply(text)?;
            changes = what;
            // An empty new file is no file.
            Ok::<_, CommandError>((!changes.is_empty()).then_some(new))
        })?;
        Ok((edited, changes))
    })
}
