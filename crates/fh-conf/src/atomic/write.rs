//! Reading a whole file, and putting a new one in its place.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use super::resolve;
use crate::regular::{self, Refused};
use crate::{Error, Result};

const TEMPORARY_SUFFIX: &str = ".fh-tmp";

/// The content of a regular file, at most `limit` bytes; `None` if there is none. A pipe or device
/// is neither read nor waited for.
pub(super) fn read_regular(path: &Path, limit: u64) -> Result<Option<(Vec<u8>, Metadata)>> {
    let refused = |error: io::Error| match Refused::of(&error) {
        Some(refused) => Error::refused(path, refused),
        None => Error::io("read", path)(error),
    };
    let Some(file) = regular::open(path).map_err(refused)? else {
        return Ok(None);
    };
    let content = file.read(limit).map_err(refused)?;
    Ok(Some((content, file.metadata().clone())))
}

/// Makes a directory and those above it, and gives the directories that have a new entry by it. These are
/// to be synced once something is in the new one: until then another process may remove it, and to sync is
/// slow.
pub(super) fn make_directory(directory: &Path, mode: u32) -> Result<Vec<PathBuf>> {
    let mut missing = missing(directory).peekable();
    if missing.peek().is_none() {
        return Ok(Vec::new());
    }
    let changed = missing.filter_map(Path::parent);
    let changed = changed.map(Path::to_owned).collect();
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(directory)
        .map_err(Error::io("create the directory", directory))?;
    Ok(changed)
}

/// A directory and those above it that do not exist, the lowest first.
pub(super) fn missing(directory: &Path) -> impl Iterator<Item = &Path> {
    let is_missing = |above: &&Path| !above.as_os_str().is_empty() && !above.exists();
    directory.ancestors().take_while(is_missing)
}

/// Puts new content in the place of a file, or where there is none. `old` is that file as it was
/// read.
pub(super) fn replace(
    target: &Path,
    content: &[u8],
    mode: u32,
    old: Option<&Metadata>,
) -> Result<()> {
    let directory = resolve::directory(target)?;
    let prefix = temporary_prefix(target);
    remove_leftovers(directory, &prefix);
    let mut builder = tempfile::Builder::new();
    builder
        .prefix(&prefix)
        .suffix(TEMPORARY_SUFFIX)
        .rand_bytes(12)
        .permissions(Permissions::from_mode(0o600));
    let mut temporary = builder
        .tempfile_in(directory)
        .map_err(|error| Error::io("create a file in", directory)(without_path(error)))?;
    let file = temporary.as_file_mut();
    file.write_all(content)
        .map_err(Error::io("write", target))?;
    if let Some(old) = old {
        keep_owner(file, target, old)?;
        super::attributes::keep(target, file, mode == old.mode() & 0o7777);
    }
    // Last: a change of owner takes bits away, an access list changes those of the group.
    file.set_permissions(Permissions::from_mode(mode))
        .map_err(Error::io("write", target))?;
    file.sync_all().map_err(Error::io("write", target))?;
    unchanged_since(target, old)?;
    temporary
        .persist(target)
        .map_err(|error| Error::io("replace", target)(error.error))?;
    sync_directory(directory)
}

/// Changes the permission bits of the file that was read; its content and its times stay.
pub(super) fn set_mode(target: &Path, mode: u32, old: &Metadata) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = File::from(open(target, flags, Mode::empty()).map_err(Error::io("read", target))?);
    let metadata = file.metadata().map_err(Error::io("read", target))?;
    if !same_version(&metadata, old) {
        return Err(Error::ChangedMeanwhile {
            path: target.to_owned(),
        });
    }
    file.set_permissions(Permissions::from_mode(mode))
        .map_err(Error::io("change the permissions of", target))
}

/// Removes a file and syncs its directory; whether there was one.
pub(super) fn remove(target: &Path) -> Result<bool> {
    match std::fs::remove_file(target) {
        Ok(()) => sync_directory(resolve::directory(target)?).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("remove", target)(error)),
    }
}

/// The kind of the error alone: tempfile adds the path to its text, which our own message has.
fn without_path(error: io::Error) -> io::Error {
    if error.get_ref().is_some() {
        return error.kind().into();
    }
    error
}

fn keep_owner(temporary: &File, target: &Path, old: &Metadata) -> Result<()> {
    let new = temporary.metadata().map_err(Error::io("write", target))?;
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    fchown(temporary, Some(old.uid()), Some(old.gid())).map_err(|source| Error::Owner {
        path: target.to_owned(),
        uid: old.uid(),
        gid: old.gid(),
        source,
    })
}

/// The last look before the rename: has a program that does not take our lock been here?
fn unchanged_since(target: &Path, old: Option<&Metadata>) -> Result<()> {
    let same = match (target.symlink_metadata(), old) {
        (Ok(now), Some(old)) => same_version(&now, old),
        (Err(error), None) => error.kind() == io::ErrorKind::NotFound,
        _ => false,
    };
    if same {
        Ok(())
    } else {
        Err(Error::ChangedMeanwhile {
            path: target.to_owned(),
        })
    }
}

/// Whether two descriptions are of the same version of the same file.
fn same_version(left: &Metadata, right: &Metadata) -> bool {
    let version = |data: &Metadata| {
        (
            data.dev(),
            data.ino(),
            data.size(),
            data.mtime(),
            data.mtime_nsec(),
        )
    };
    version(left) == version(right)
}

fn temporary_prefix(target: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(target.file_name().unwrap_or_default());
    prefix.push(".");
    prefix
}

/// Removes the temporary files of processes that were killed. Only who has the lock makes such
/// files, so there is none in use. What cannot be removed does no harm.
fn remove_leftovers(directory: &Path, prefix: &OsString) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        let middle = name
            .strip_prefix(prefix.as_encoded_bytes())
            .and_then(|rest| rest.strip_suffix(TEMPORARY_SUFFIX.as_bytes()));
        if middle.is_some_and(|middle| {
            middle.len() == 12 && middle.iter().all(u8::is_ascii_alphanumeric)
        }) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Makes a rename or removal last. Some file systems cannot sync a directory and say so.
pub(super) fn sync_directory(directory: &Path) -> Result<()> {
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let file = File::open(directory).map_err(Error::io("sync", directory))?;
    match rustix::fs::fsync(&file) {
        Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
        Err(errno) => Err(Error::io("sync", directory)(errno)),
    }
}
