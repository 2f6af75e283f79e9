//! Changing several files and the keyring, or nothing.
//!
//! Invariants: a file is only replaced if it is still as the plan saw it; what was written before
//! something failed is taken back, the last first, and what another program has written since
//! stays.

use std::path::{Path, PathBuf};

use fh_client::ServerUrl;
use fh_conf::atomic::{self, Access, EditOptions};
use secrecy::SecretString;

use super::files::Files;
use super::machine::Scope;
use crate::error::CommandError;
use crate::keyring;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privacy {
    /// Its owner alone: a token, the ledger, a user's netrc.
    Secret,
    /// Its owner, and the group to whom somebody has given it, if others may not: the machine's netrc.
    Private,
    /// Whoever could; a new one is its owner's alone: config.toml.
    Kept,
    /// Everybody on this machine: nix.conf.
    Public,
    /// Whoever could before a login: a netrc that is given back with these permission bits.
    GivenBack(u32),
}

impl Privacy {
    /// Of a netrc with a token. On a machine with several users a group such as nixbld may have to read root's.
    pub(crate) fn of_netrc(files: &Files, path: &Path, scope: Scope) -> Self {
        match scope {
            Scope::System if files.is_of_root(path) => Self::Private,
            Scope::System | Scope::User => Self::Secret,
        }
    }

    fn options(self) -> EditOptions {
        let access = match self {
            Self::Public => return EditOptions::shared(),
            Self::Private => return EditOptions::private(),
            Self::Secret => Access::OwnerOnly,
            Self::Kept => Access::Keep,
            Self::GivenBack(mode) => Access::Exactly(mode),
        };
        EditOptions {
            access,
            ..EditOptions::private()
        }
    }

    /// The permission bits that a file with these gets.
    fn mode_for(self, mode: u32) -> u32 {
        self.options().access.apply(mode)
    }
}

/// The kind of the file that notes what was added.
pub(crate) const LEDGER: &str = "ledger";

/// What becomes of one file.
#[derive(Clone)]
pub(crate) struct Change {
    /// `token`, `config`, `netrc`, `nix.conf`, `determinate` or `ledger`.
    pub(crate) kind: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) privacy: Privacy,
    /// What is there; none where there is no file.
    pub(crate) before: Option<Vec<u8>>,
    pub(crate) after: Option<Vec<u8>>,
    /// The permission bits of the file when it was seen.
    pub(crate) mode: Option<u32>,
    /// What changes, in words.
    pub(crate) what: Vec<String>,
    /// Directories that are made for the file, and go with it if nothing else is in them.
    pub(crate) directories: Vec<PathBuf>,
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Change")
            .field("path", &self.path)
            .field("what", &self.what)
            .finish_non_exhaustive()
    }
}

impl Change {
    /// What becomes of a file that was looked at.
    pub(crate) fn new(
        files: &Files,
        kind: &'static str,
        path: &Path,
        privacy: Privacy,
        after: Option<Vec<u8>>,
    ) -> Self {
        Self {
            kind,
            path: path.to_owned(),
            privacy,
            before: files.content(path).map(<[u8]>::to_vec),
            after,
            mode: files.mode(path),
            what: Vec::new(),
            directories: files.missing_directories(path).to_vec(),
        }
    }

    /// The file, and what is in it before and after.
    fn content(&self) -> (&Path, Option<&[u8]>, Option<&[u8]>) {
        (&self.path, self.before.as_deref(), self.after.as_deref())
    }

    /// Whether the content changes.
    pub(crate) fn is_new(&self) -> bool {
        self.before != self.after
    }

    /// The permission bits from before and those from now on, if they change.
    pub(crate) fn new_mode(&self) -> Option<(u32, u32)> {
        let before = self.mode.filter(|_| self.after.is_some())?;
        let after = self.privacy.mode_for(before);
        (after != before).then_some((before, after))
    }

    /// The permission bits from before, if others lose their access.
    pub(crate) fn tightened_from(&self) -> Option<u32> {
        let (before, after) = self.new_mode()?;
        (before & !after & 0o077 != 0).then_some(before)
    }

    /// The permission bits, if a group may use the file, and still may afterwards.
    pub(crate) fn kept_for_group(&self) -> Option<u32> {
        self.mode.filter(|&mode| {
            self.after.is_some()
                && self.privacy == Privacy::Private
                && mode & 0o070 != 0
                && self.new_mode().is_none()
        })
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_nothing(&self) -> bool {
        !self.is_new() && self.new_mode().is_none()
    }
}

/// What becomes of a token in the keyring.
#[derive(Debug, Clone)]
pub(crate) struct KeyringChange {
    pub(crate) server: ServerUrl,
    pub(crate) before: Option<SecretString>,
    pub(crate) after: Option<SecretString>,
}

/// All that is to be done, in its order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    /// Comes first: a keyring fails more often than a file.
    pub(crate) keyring: Option<KeyringChange>,
    pub(crate) files: Vec<Change>,
}

/// What was done to a file that changed.
#[derive(Debug)]
pub(crate) struct Applied {
    /// As that of the [`Change`].
    pub(crate) kind: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) what: Vec<String>,
    pub(crate) tightened_from: Option<u32>,
}

impl Changes {
    /// Whether there is nothing to do.
    pub(crate) fn is_nothing(&self) -> bool {
        self.keyring.is_none() && self.files.iter().all(Change::is_nothing)
    }

    /// Whether the same would be done: a plan that was shown is still the plan. How it is noted is
    /// no part of what was shown.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.keyring.is_some() == other.keyring.is_some()
            && self
                .shown()
                .map(Change::content)
                .eq(other.shown().map(Change::content))
    }

    /// The files whose changes a person is shown: how it is noted what was done is nobody's business.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &Change> {
        self.files.iter().filter(|change| change.kind != LEDGER)
    }

    /// Does all of it, or, where something fails, nothing.
    pub(crate) fn apply(&self) -> Result<Vec<Applied>, CommandError> {
        if let Some(change) = &self.keyring {
            change.apply()?;
        }
        let mut applied = Vec::new();
        for (index, change) in self.files.iter().enumerate() {
            match change.apply() {
                Ok(done) => applied.extend(done),
                Err(error) => return Err(self.take_back(index, error)),
            }
        }
        for change in self.files.iter().filter(|change| change.after.is_none()) {
            atomic::remove_empty_directories(&change.directories);
        }
        Ok(applied)
    }

    /// Takes back the first `count` changes of files, and that of the keyring, and adds to the error
    /// what could not be.
    fn take_back(&self, count: usize, error: CommandError) -> CommandError {
        let mut left = Vec::new();
        // The one that failed may have made directories, or be in its place with a sync that failed.
        for change in self.files[..=count].iter().rev() {
            if change.take_back().is_err() {
                left.push(change.path.display().to_string());
            }
        }
        if let Some(change) = &self.keyring
            && change.take_back().is_err()
        {
            left.push("the keyring".to_owned());
        }
        if left.is_empty() {
            return error.hint("Nothing was changed.");
        }
        error.hint(format!(
            "This was changed and could not be undone: {}",
            left.join(", ")
        ))
    }
}

impl Change {
    fn apply(&self) -> Result<Option<Applied>, CommandError> {
        if self.is_nothing() {
            return Ok(None);
        }
        let edited = atomic::replace_exactly(
            &self.path,
            &self.privacy.options(),
            self.before.as_deref(),
            self.after.as_deref(),
        )?;
        Ok(Some(Applied {
            kind: self.kind,
            path: edited.path,
            what: self.what.clone(),
            tightened_from: edited.tightened_from,
        }))
    }

    fn take_back(&self) -> Result<(), CommandError> {
        if self.is_nothing() {
            return Ok(());
        }
        let now = atomic::read_private(&self.path)?.map(|file| file.content);
        if now != self.before || self.new_mode().is_some() {
            let mut options = self.privacy.options();
            if let Some(mode) = self.mode {
                options.access = Access::Exactly(mode);
            }
            atomic::replace_exactly(
                &self.path,
                &options,
                self.after.as_deref(),
                self.before.as_deref(),
            )?;
        }
        if self.before.is_none() {
            atomic::remove_empty_directories(&self.directories);
        }
        Ok(())
    }
}

impl KeyringChange {
    fn put(&self, token: Option<&SecretString>) -> Result<(), CommandError> {
        match token {
            Some(token) => keyring::set(&self.server, token),
            None => keyring::remove(&self.server).map(drop),
        }
    }

    fn apply(&self) -> Result<(), CommandError> {
        self.put(self.after.as_ref())
            .map_err(|error| error.hint("Nothing was changed."))
    }

    fn take_back(&self) -> Result<(), CommandError> {
        self.put(self.before.as_ref())
    }
}
