//! Taking what lies under a name of ours out of the way, whatever it is.
//!
//! Only files are ours. A directory that stands where one of our files should was put there by a person, who may
//! miss what is in it: it is moved aside, and never looked at again.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Context as _, StorageError};
use crate::clock;

/// Removes what lies under a name; a directory is moved aside. What is not there is no error.
pub(super) fn clear(path: &Path) -> Result<(), StorageError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if is_absence(&error) => Ok(()),
        Err(_) if is_directory(path) => move_aside(path),
        Err(error) => Err(error).context("remove", path),
    }
}

/// Of the regular file that lies under a name, if there is one.
pub(super) fn regular(path: &Path) -> Result<Option<Metadata>, StorageError> {
    match fs::metadata(path) {
        Err(error) if is_absence(&error) => Ok(None),
        result => {
            let metadata = result.context("examine", path)?;
            Ok(metadata.is_file().then_some(metadata))
        }
    }
}

/// The files of a directory that were last written at least so long ago, by path and size, those alone whose names
/// mean something to `read`. What is of the future is young: clocks jump.
pub(super) fn older_than<T>(
    directory: &Path,
    age: Duration,
    read: impl Fn(&OsStr) -> Option<T>,
) -> Result<Vec<(PathBuf, u64, T)>, StorageError> {
    let now = SystemTime::from(clock::now());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).context("list", directory)? {
        let entry = entry.context("list", directory)?;
        let Some(named) = read(&entry.file_name()) else {
            continue;
        };
        let path = entry.path();
        let metadata = match entry.metadata() {
            // Somebody was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => result.context("examine", &path)?,
        };
        let modified = metadata.modified().context("examine", &path)?;
        if now
            .duration_since(modified)
            .is_ok_and(|elapsed| elapsed >= age)
        {
            found.push((path, metadata.len(), named));
        }
    }
    Ok(found)
}

/// Returns when the names in a directory survive a power cut.
pub(super) fn sync_directory(path: &Path) -> Result<(), StorageError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .context("flush", path)
}

/// Renames a file of ours to `target`, in place of whatever lies there; where `target`'s directory is missing, it
/// is made: whether it was.
pub(super) fn put(file: &Path, target: &Path) -> Result<bool, StorageError> {
    let first = match fs::rename(file, target) {
        Ok(()) => return Ok(false),
        Err(error) => error,
    };
    let mut made = false;
    if is_directory(target) {
        move_aside(target)?;
    } else {
        match target.parent() {
            Some(directory) if !directory.is_dir() => {
                if directory.symlink_metadata().is_ok() {
                    move_aside(directory)?;
                }
                fs::create_dir(directory).context("make", directory)?;
                made = true;
            }
            _ => return Err(first).context("rename", file),
        }
    }
    fs::rename(file, target).context("rename", file)?;
    Ok(made)
}

/// Whether an error of opening or removing a file says that there is none.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn is_directory(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir())
}

fn move_aside(path: &Path) -> Result<(), StorageError> {
    let mut number = 0_u32;
    let aside = loop {
        let mut name = OsString::from(path);
        name.push(format!(".aside-{number}"));
        let aside = PathBuf::from(name);
        if aside.symlink_metadata().is_err() {
            break aside;
        }
        number += 1;
    };
    fs::rename(path, &aside).context("move aside", path)?;
    tracing::warn!(
        path = %path.display(),
        aside = %aside.display(),
        "something was in the place of a file of the server, and was moved aside"
    );
    Ok(())
}
