//! Locked, atomic replacement of a file.
//!
//! # What happens, and why a kill at any instant leaves the old or the new file, whole
//!
//! 1. The path is resolved: symbolic links are followed to the file they mean, which is what gets
//!    replaced.
//! 2. The edit is tried on what is there, without a lock: a file is only ever replaced by renaming,
//!    so what is read is one version of it, whole. If the edit changes nothing, nothing at all is
//!    touched, not even the directory.
//! 3. Missing directories are made, and the lock is taken (see below). The file is read again and
//!    the edit worked out again: another process may have been faster.
//! 4. The new content goes to a new file in the same directory, made with mode 0600 (`O_EXCL`, a
//!    name that cannot be guessed), gets owner, mode and access lists of the old one, and is synced
//!    to disk.
//! 5. It is renamed over the old file, and the directory is synced.
//!
//! Up to the rename of step 5, the path leads to the old file, which nobody has written to; from it
//! on, to the new one, which was complete and on disk before. `rename(2)` is atomic: there is no
//! instant between. A process that is killed before leaves at most its temporary file, with mode
//! 0600, which the next edit removes, and its lock file, which locks nothing any more: the lock
//! itself ends with the process.
//!
//! # The lock
//!
//! `flock(2)` on `.<file>.fh-lock` beside the resolved file. The lock file is removed before the
//! lock is given up, so that it is there only during an edit; who was waiting for the removed one
//! notices that and starts again. Waiting ends after [`EditOptions::lock_timeout`] with
//! [`Error::Locked`]. Programs that do not know this lock are noticed as far as possible: a file
//! that has changed between reading and renaming is left alone ([`Error::ChangedMeanwhile`]).
//!
//! A directory in which nothing is may be removed by another `fh` at any instant, as a logout does. A lock
//! file is something in it. So where the directory is gone before the lock file is there, both are made
//! again, within the same waiting time.
//!
//! [`hold`] is the same lock for a longer act, such as a login: what one `fh` plans while it holds
//! it stays true for every other `fh` that does so too, until it has been carried out.
//!
//! # What is kept of the old file
//!
//! Owner and group (or the edit is refused: [`Error::Owner`]), permission bits, access list (where
//! the permission bits stay), security label and `user.*` attributes; the last three as far as the
//! file system and our rights allow. Not kept: `trusted.*` and `security.capability`, which no file
//! of text has, and hard links, which go on leading to the old content, as for every atomic
//! replacement.

mod attributes;
mod exact;
mod lock;
mod private;
mod resolve;
#[cfg(test)]
mod tests;
mod write;

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use exact::{Held, hold, missing_directories, remove_empty_directories, replace_exactly};
pub use private::{PrivateFile, read_private, remove_file, write_private};
pub(crate) use resolve::is_in_store;
pub use resolve::resolve;

use crate::Error;
use lock::Lock;

/// The largest file, in bytes, that is read: no netrc, token or nix.conf comes near it.
pub(crate) const LARGEST_FILE: u64 = 8 * 1024 * 1024;

/// How a file is edited. [`EditOptions::private`] and [`EditOptions::shared`] are the two common
/// ways.
#[derive(Debug, Clone)]
pub struct EditOptions {
    /// The permission bits of a file that is made.
    pub new_file_mode: u32,
    /// The permission bits of directories that are made, before the umask.
    pub new_directory_mode: u32,
    /// What becomes of the permission bits of a file that exists.
    pub access: Access,
    /// How long to wait for another process that edits the same file.
    pub lock_timeout: Duration,
    /// Where the Nix store is: nothing in it is ever written.
    pub store: PathBuf,
}

impl EditOptions {
    /// For a file with secrets, such as netrc: 0600, in directories with 0700; if others can read
    /// it, tightened.
    #[must_use]
    pub fn private() -> Self {
        Self {
            new_file_mode: 0o600,
            new_directory_mode: 0o700,
            access: Access::Tighten,
            lock_timeout: Duration::from_secs(30),
            store: PathBuf::from("/nix/store"),
        }
    }

    /// For a file without secrets, such as nix.conf: 0644, in directories with 0755; access to it
    /// stays as it is.
    #[must_use]
    pub fn shared() -> Self {
        Self {
            new_file_mode: 0o644,
            new_directory_mode: 0o755,
            access: Access::Keep,
            ..Self::private()
        }
    }
}

/// What becomes of the permission bits of a file that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// They stay as they are.
    Keep,
    /// If everybody can read, write or run the file (any bit of 0007), group and others lose all
    /// access. Access for the group alone is taken for somebody's decision and stays.
    Tighten,
    /// Group and others lose all access.
    OwnerOnly,
    /// They become these: what they were at another time.
    Exactly(u32),
}

impl Access {
    /// The permission bits for a file that has these.
    #[must_use]
    pub fn apply(self, mode: u32) -> u32 {
        let mode = mode & 0o7777;
        match self {
            Self::Keep => mode,
            Self::Tighten if mode & 0o007 == 0 => mode,
            Self::Tighten | Self::OwnerOnly => mode & !0o077,
            Self::Exactly(other) => other & 0o7777,
        }
    }
}

/// What an edit did to the content of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it was; the file was not written.
    Unchanged,
    /// There was no file.
    Created,
    /// The file has new content.
    Replaced,
    /// The file is gone ([`replace_exactly`]).
    Removed,
}

/// What [`edit_file`] did to the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// What became of the content.
    pub outcome: Outcome,
    /// The permission bits from before, if they are others now: mostly, because group and others had
    /// access that was taken from them.
    pub tightened_from: Option<u32>,
    /// The file itself, all symbolic links followed.
    pub path: PathBuf,
}

/// Edits a file: `edit` gets its content, or `None` if there is no file, and gives back the new
/// content, or `None` to leave everything as it is. `edit` may be called twice, the second time
/// with what is there under the lock; it should do nothing but work out the content.
///
/// An error of `edit` is given back as it is, and nothing is written then.
///
/// # Errors
///
/// [`Error::Io`], [`Error::InStore`], [`Error::NotRegular`], [`Error::LinkLoop`],
/// [`Error::TooLarge`], [`Error::Locked`], [`Error::Owner`], [`Error::ChangedMeanwhile`]; in each
/// case the file is as it was. Only an error of the sync of the directory comes after the file was
/// replaced.
pub fn edit_file<E, F>(path: &Path, options: &EditOptions, mut edit: F) -> Result<Edited, E>
where
    E: From<Error>,
    F: FnMut(Option<&[u8]>) -> Result<Option<Vec<u8>>, E>,
{
    let target = resolve::resolve(path)?;
    let current = write::read_regular(&target, LARGEST_FILE)?;
    let plan = Plan::make(current.as_ref(), options, &mut edit)?;
    if plan.is_nothing() {
        return Ok(Edited {
            outcome: Outcome::Unchanged,
            tightened_from: None,
            path: target,
        });
    }
    resolve::refuse_store(path, &target, &options.store)?;
    let (target, _lock) = Lock::take_making(
        path,
        options.new_directory_mode,
        options.lock_timeout,
        |target| resolve::refuse_store(path, target, &options.store),
    )?;
    let current = write::read_regular(&target, LARGEST_FILE)?;
    let plan = Plan::make(current.as_ref(), options, &mut edit)?;
    let metadata = current.as_ref().map(|(_, metadata)| metadata);
    Ok(Edited {
        outcome: plan.carry_out(&target, metadata)?,
        tightened_from: plan.tightened_from(),
        path: target,
    })
}

/// What is to be done.
struct Plan {
    /// New content, if it differs.
    content: Option<Vec<u8>>,
    /// The permission bits from before, if there was a file.
    old_mode: Option<u32>,
    mode: u32,
}

impl Plan {
    fn make<E, F>(
        current: Option<&(Vec<u8>, Metadata)>,
        options: &EditOptions,
        edit: &mut F,
    ) -> Result<Self, E>
    where
        F: FnMut(Option<&[u8]>) -> Result<Option<Vec<u8>>, E>,
    {
        let content = current.map(|(content, _)| content.as_slice());
        let old_mode = current.map(|(_, metadata)| metadata.permissions().mode() & 0o7777);
        Ok(Self {
            content: edit(content)?.filter(|new| Some(new.as_slice()) != content),
            old_mode,
            mode: old_mode.map_or(options.new_file_mode, |mode| options.access.apply(mode)),
        })
    }

    fn is_nothing(&self) -> bool {
        self.content.is_none() && self.tightened_from().is_none()
    }

    fn tightened_from(&self) -> Option<u32> {
        self.old_mode.filter(|&old| old != self.mode)
    }

    fn carry_out(&self, target: &Path, metadata: Option<&Metadata>) -> crate::Result<Outcome> {
        match (&self.content, metadata) {
            (Some(content), metadata) => {
                write::replace(target, content, self.mode, metadata)?;
                Ok(match metadata {
                    Some(_) => Outcome::Replaced,
                    None => Outcome::Created,
                })
            }
            (None, Some(metadata)) if self.tightened_from().is_some() => {
                write::set_mode(target, self.mode, metadata)?;
                Ok(Outcome::Unchanged)
            }
            (None, _) => Ok(Outcome::Unchanged),
        }
    }
}
