//! Files that hold one secret, such as a token.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::lock::{Lock, is_gone};
use super::{Access, EditOptions, Edited, LARGEST_FILE, edit_file, resolve, write};
use crate::{Error, Result};

/// A file with a secret, as [`read_private`] found it.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateFile {
    /// The content: a secret, not to be shown.
    pub content: Vec<u8>,
    /// Whether group or others have any access to the file.
    pub exposed: bool,
}

impl fmt::Debug for PrivateFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PrivateFile")
            .field("exposed", &self.exposed)
            .finish_non_exhaustive()
    }
}

/// Reads a file with a secret; `None` if there is none. It must be a regular file.
///
/// # Errors
///
/// [`Error::Io`], [`Error::NotRegular`], [`Error::TooLarge`].
pub fn read_private(path: &Path) -> Result<Option<PrivateFile>> {
    let found = write::read_regular(path, LARGEST_FILE)?;
    Ok(found.map(|(content, metadata)| PrivateFile {
        content,
        exposed: metadata.permissions().mode() & 0o077 != 0,
    }))
}

/// Writes a file with a secret: mode 0600 from its first byte on, in directories with 0700; group
/// and others lose the access to a file that exists. See [`edit_file`].
///
/// # Errors
///
/// As [`edit_file`].
pub fn write_private(path: &Path, content: &[u8]) -> Result<Edited> {
    let options = EditOptions {
        access: Access::OwnerOnly,
        ..EditOptions::private()
    };
    edit_file(path, &options, |_| Ok::<_, Error>(Some(content.to_vec())))
}

/// Removes a file under its lock; whether there was one. A symbolic link is followed to the file,
/// and itself stays.
///
/// # Errors
///
/// [`Error::Io`], [`Error::InStore`], [`Error::Locked`], [`Error::LinkLoop`],
/// [`Error::NotRegular`].
pub fn remove_file(path: &Path, options: &EditOptions) -> Result<bool> {
    remove_if(path, options, |_| Ok(()))
}

/// The same, if `check` agrees to the file that is there under the lock.
pub(super) fn remove_if(
    path: &Path,
    options: &EditOptions,
    check: impl FnOnce(&Path) -> Result<()>,
) -> Result<bool> {
    let target = resolve::resolve(path)?;
    match target.symlink_metadata() {
        Ok(metadata) if !metadata.is_file() => return Err(Error::NotRegular { path: target }),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::io("find", &target)(error)),
    }
    resolve::refuse_store(path, &target, &options.store)?;
    let _lock = match Lock::take(&target, options.lock_timeout) {
        // It went with its directory.
        Err(error) if is_gone(&error) => return Ok(false),
        lock => lock?,
    };
    check(&target)?;
    write::remove(&target)
}
